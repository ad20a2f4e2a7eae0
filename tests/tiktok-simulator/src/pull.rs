//! PULL_FROM_URL: the simulator fetches the media, follows no redirect, and checks the content
//! (contract sections 11 and 12).

use std::sync::Arc;

use bytes::Bytes;
use http_body_util::BodyExt;
use sha2::{Digest, Sha256};

use crate::media::Scanner;
use crate::outbound;
use crate::post::Kind;
use crate::server::Shared;

/// Fetches all URLs of one publish and then lets it process or fail.
pub(crate) async fn run(shared: Arc<Shared>, id: String) {
    let Some((kind, urls)) = shared
        .state()
        .publishes
        .get(&id)
        .and_then(|publish| publish.pull.as_ref().map(|pull| (publish.kind, pull.urls.clone())))
    else {
        return;
    };
    let mut hash = Sha256::new();
    let mut doomed = None;
    for url in &urls {
        match fetch(&shared, &id, kind, url, &mut hash).await {
            Ok(None) => {}
            Ok(Some(reason)) => doomed = doomed.or(Some(reason)),
            Err(why) => {
                tracing::info!(id, url, "pull failed: {why}");
                let reason = if kind == Kind::Photo { "photo_pull_failed" } else { "video_pull_failed" };
                let now_ms = shared.clock.now_ms();
                shared.state().fail(&id, reason, now_ms);
                shared.wake.notify_one();
                return;
            }
        }
    }
    let now_ms = shared.clock.now_ms();
    if let Some(publish) = shared.state().publishes.get_mut(&id)
        && publish.end.is_none()
    {
        publish.received_ms = Some(now_ms);
        publish.bytes = publish.pull.as_ref().map_or(0, |pull| pull.downloaded);
        publish.sha256 = Some(hex::encode(hash.finalize()));
        publish.doomed = doomed.map(ToString::to_string);
    }
    shared.wake.notify_one();
}

/// `Ok(Some(reason))`: it was fetched, but processing will refuse it.
async fn fetch(
    shared: &Shared,
    id: &str,
    kind: Kind,
    url: &str,
    hash: &mut Sha256,
) -> Result<Option<&'static str>, String> {
    let (connect_to, switches, max_seconds) = {
        let state = shared.state();
        (state.world.connect_to.clone(), state.world.switches.clone(), state.max_seconds(id))
    };
    let sizes = switches.megabyte.sizes();
    let agent = [("user-agent", "tiktok-simulator".to_string())];
    let answer = outbound::send(&connect_to, "GET", url, &agent, Bytes::new()).await?;
    if answer.status().is_redirection() {
        return Err("a redirect is invalid (contract 11)".into());
    }
    if answer.status() != 200 {
        return Err(format!("status {}", answer.status()));
    }
    let announced =
        answer.headers().get("content-length").and_then(|value| value.to_str().ok()?.parse::<u64>().ok());
    let mut body = answer.into_body();
    let (mut scanner, mut read) = (Scanner::default(), 0_u64);
    while let Some(frame) = body.frame().await {
        let frame = frame.map_err(|error| format!("broke after {read} bytes: {error}"))?;
        let Some(data) = frame.data_ref() else { continue };
        read += data.len() as u64;
        scanner.update(data);
        hash.update(data);
        let mut state = shared.state();
        let Some(publish) = state.publishes.get_mut(id) else { return Err("gone".into()) };
        if publish.end.is_some() {
            return Err("ended meanwhile".into());
        }
        if let Some(pull) = publish.pull.as_mut() {
            pull.downloaded += data.len() as u64;
        }
        if kind == Kind::VideoUrl && read > sizes.max_video {
            return Err("more than 4 GB".into());
        }
    }
    if read == 0 || announced.is_some_and(|announced| announced != read) {
        return Err(format!("{read} bytes came"));
    }
    Ok(match kind {
        Kind::Photo if !scanner.looks_like_photo() => Some("file_format_check_failed"),
        Kind::Photo if read > sizes.max_photo => Some("picture_size_check_failed"),
        Kind::VideoUrl if switches.check_video => scanner.verdict(max_seconds),
        _ => None,
    })
}

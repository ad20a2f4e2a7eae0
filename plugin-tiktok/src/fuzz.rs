//! Fuzz targets for every parser of untrusted input, one function per kind of input. For any input: no panic, and
//! no failure without a sentence and a remedy. The tests below run them with the corpus in `tests/fuzz`, as does
//! libFuzzer.
#![allow(clippy::panic, reason = "test code: a panic is the report")]

use social_channel_provider::channel::{ListQuery, NextStep, Post, PublishStep, Resume};
use social_channel_provider::http::Response;
use social_channel_provider::testing::{FakeEnvironment, FakeMedia, run};
use social_channel_provider::webhooks::Request;
use social_channel_provider::{Account, Error, ErrorKind};

use crate::{check, diagnosis, form, oauth, profile, publish, videos, webhook};

const SECRET: &str = "s3cr3t-example";
const NOW: u64 = 1_795_000_000;

fn environment() -> FakeEnvironment {
    FakeEnvironment::new()
        .with_setting("client-key", "awexamplekey01")
        .with_setting("client-secret", SECRET)
        .with_setting("verified-urls", "media.example.com")
}

fn account() -> Account {
    Account {
        id: "open-1".to_owned(),
        credentials: br#"{"access_token":"act.1","refresh_token":"rft.1"}"#.to_vec(),
        scopes: crate::settings::SCOPES.map(str::to_owned).to_vec(),
    }
}

/// Checks that a failure has a message and a remedy.
fn told<T>(result: Result<T, Error>) -> Option<T> {
    result
        .inspect_err(|error| {
            assert!(!error.message.is_empty(), "{error:?}");
            assert!(error.remedy.as_deref().is_some_and(|remedy| !remedy.is_empty()), "{error:?}");
        })
        .ok()
}

fn step(result: Result<PublishStep, Error>) {
    if let Some(step) = told(result)
        && let NextStep::Failed(error) | NextStep::Unknown(error) = step.next
    {
        told::<()>(Err(error));
    }
}

fn post(kind: &str) -> Post {
    Post {
        kind: kind.to_owned(),
        title: None,
        text: Some("soup".to_owned()),
        visibility: Some("PUBLIC_TO_EVERYONE".to_owned()),
        options: Vec::new(),
        parts: Vec::new(),
    }
}

/// Parses `STATUS`, header lines, an empty line, and the body. An invalid status becomes 200.
fn response(input: &[u8]) -> Response {
    let end = input.windows(2).position(|window| window == b"\n\n");
    let (head, body) = end.map_or((&[][..], input), |end| input.split_at(end));
    let head = String::from_utf8_lossy(head);
    let mut lines = head.lines();
    let status = lines.next().and_then(|line| line.parse().ok()).unwrap_or(200);
    let headers = lines.filter_map(|line| line.split_once(": "));
    Response {
        status,
        headers: headers.map(|(name, value)| (name.to_ascii_lowercase(), value.to_owned())).collect(),
        body: body.strip_prefix(b"\n\n").unwrap_or(body).to_vec(),
        truncated: false,
    }
}

/// A response of the platform, used for every request of the provider.
pub fn answer(input: &[u8]) {
    let response = response(input);
    let answering = || {
        let environment = environment();
        let response = response.clone();
        environment.respond(move |_| Ok(response.clone()));
        environment
    };
    let media = FakeMedia::video(121_000_000);
    told(run(profile::get(&answering(), &account())));
    told(run(profile::stats(&answering(), &account())));
    for cursor in [None, Some("1795337212000".to_owned())] {
        let query = ListQuery::new(20, cursor);
        if let Some(page) = told(run(videos::list(&answering(), &account(), &query))) {
            assert!(page.posts.iter().all(|post| !post.id.is_empty()));
        }
    }
    told(run(videos::get(&answering(), &account(), &["1".to_owned()])));
    if let Some(form) = told(run(form::get(&answering(), &account()))) {
        if let Some(error) = form.blocked {
            told::<()>(Err(error));
        }
        assert!(form.fields.iter().all(|field| field.default_value.is_none()));
    }
    for kind in ["video", "images"] {
        let info = social_channel_provider::Media::info(&media);
        told(run(check::report(&answering(), &account(), &post(kind), std::slice::from_ref(&info))));
        step(run(publish::begin(&answering(), &account(), &post(kind), &[info])));
    }
    told(run(oauth::refresh(&answering(), account())));
    told(run(oauth::revoke(&answering(), &account())));
    let session = br#"{"redirect_uri":"https://a.example/","scopes":["user.info.basic"]}"#;
    let code = [("code".to_owned(), "c".to_owned())];
    if let Some(connections) = told(run(oauth::complete(&answering(), session, &code))) {
        assert!(connections.iter().all(|connection| !connection.account.id.is_empty()));
    }
    let addresses = social_channel_provider::diagnostics::Addresses {
        redirect_uri: "https://a.example/".to_owned(),
        webhook_url: None,
        media_prefix: None,
        details: Vec::new(),
    };
    let _ = run(diagnosis::check_settings(&answering(), &addresses));
    for stage in ["Init", "Pull", "Lost", "Upload", "Processing", "Published"] {
        for (next_chunk, plan) in [(0, true), (11, true), (0, false)] {
            let plan = if plan { r#"{"size":121000000,"chunk":10000000,"count":12}"# } else { "null" };
            let state = format!(
                r#"{{"stage":"{stage}","photos":false,"plan":{plan},"content_type":"video/mp4","total":121000000,
                "post_info":{{"privacy_level":"SELF_ONLY"}},"public":true,"begun_at":{NOW},"since":{NOW},
                "publish_id":"p","upload_url":"https://u.tiktokapis.com/x","upload_until":{},"next_chunk":{next_chunk}}}"#,
                NOW + 3000
            );
            for interrupted in [false, true] {
                let resume = Resume::new(interrupted);
                let media = std::slice::from_ref(&media);
                step(run(publish::advance(&answering(), &account(), state.as_bytes(), media, &resume)));
            }
            step(run(publish::cancel(&answering(), &account(), state.as_bytes())));
        }
    }
}

/// The query of a callback.
pub fn callback(input: &[u8]) {
    let pairs: Vec<(String, String)> = String::from_utf8_lossy(input)
        .split('&')
        .map(|pair| pair.split_once('=').unwrap_or((pair, "")))
        .map(|(name, value)| (name.to_owned(), value.to_owned()))
        .collect();
    let session = br#"{"redirect_uri":"https://a.example/","scopes":["user.info.basic"]}"#;
    for session in [&session[..], input] {
        let environment = environment();
        environment.respond(|_| {
            let body =
                br#"{"access_token":"act.1","open_id":"open-1","refresh_token":"rft.1","expires_in":7200}"#;
            Ok(Response { status: 200, body: body.to_vec(), ..Response::default() })
        });
        told(run(oauth::complete(&environment, session, &pairs)));
    }
}

fn delivery(signature: &str, body: &[u8]) -> Request {
    Request {
        method: "POST".to_owned(),
        url: String::new(),
        query: Vec::new(),
        headers: vec![("tiktok-signature".to_owned(), signature.to_owned())],
        body: body.to_vec(),
        received_at: NOW,
        details: Vec::new(),
    }
}

/// The body of a correctly signed webhook: it is accepted, whatever its content, or is for another app.
pub fn webhook(input: &[u8]) {
    let signature = webhook::sign(SECRET, NOW, input);
    match webhook::receive(&environment(), &delivery(&signature, input)) {
        Ok(receipt) => assert_eq!(receipt.deliveries.len(), 1),
        Err(error) => {
            assert_eq!(error.kind, ErrorKind::Forbidden);
            told::<()>(Err(error));
        }
    }
}

/// The signature of a webhook: one made without the secret is never accepted.
pub fn signature(input: &[u8]) {
    let signature = String::from_utf8_lossy(input);
    let result = webhook::receive(&environment(), &delivery(&signature, b"{}"));
    assert!(result.is_err());
    told(result);
}

/// The stored state between two steps.
pub fn state(input: &[u8]) {
    for status in [200, 206, 416, 503] {
        for interrupted in [false, true] {
            let environment = environment();
            environment.respond(move |_| {
                let body = br#"{"data":{"status":"PROCESSING_UPLOAD","uploaded_bytes":10000000},"error":{"code":"ok"}}"#;
                Ok(Response { status, body: body.to_vec(), ..Response::default() })
            });
            let resume = Resume { evidence: Some(input.to_vec()), ..Resume::new(interrupted) };
            let media = [FakeMedia::video(121_000_000)];
            step(run(publish::advance(&environment, &account(), input, &media, &resume)));
            step(run(publish::cancel(&environment, &account(), input)));
        }
    }
    let account = Account { credentials: input.to_vec(), ..account() };
    told(crate::credentials::Credentials::of(&account));
}

#[cfg(test)]
mod tests {
    use fuzz_inputs::play;

    #[test]
    fn damaged_answers_are_survived() {
        play("tiktok-answer", super::answer);
    }

    #[test]
    fn damaged_callbacks_are_survived() {
        play("tiktok-callback", super::callback);
    }

    #[test]
    fn damaged_webhooks_are_survived() {
        play("tiktok-webhook", super::webhook);
    }

    #[test]
    fn damaged_signatures_are_refused() {
        play("tiktok-signature", super::signature);
    }

    #[test]
    fn damaged_states_are_survived() {
        play("tiktok-state", super::state);
    }
}

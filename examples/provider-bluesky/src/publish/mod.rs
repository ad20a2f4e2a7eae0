//! Publishing: the files, then the posts, one request in each call.
//!
//! | call | request | may be repeated because |
//! | --- | --- | --- |
//! | one for each item | `uploadBlob` | nobody sees a file before a post names it, and the server removes it then |
//! | one for each post | `putRecord` | the key was chosen in the state: the same key and text is the same post |

mod cancel;
mod state;

use serde_json::{Value, json};
use social_channel_provider::channel::{Effect, NextStep, Post, PublishStep, Resume};
use social_channel_provider::{
    Account, Environment, Error, ErrorKind, Finding, Media, MediaInfo, Severity, json,
};

use crate::check;
use crate::key;
use crate::links::POST;
use crate::parts;
use crate::record::{self, Blob, Given, Reference};
use crate::xrpc::{Caller, Payload};
use state::State;

pub(crate) use cancel::cancel;

/// Checks once more and plans. Asks the server who is mentioned, and changes nothing.
pub(crate) async fn begin<E: Environment>(
    environment: &E,
    account: &Account,
    post: &Post,
    media: &[MediaInfo],
) -> Result<PublishStep, Error> {
    let wrong = check::alone(post, media).into_iter().find(|finding| finding.severity == Severity::Error);
    if let Some(finding) = wrong {
        return Err(Error::new(ErrorKind::InvalidRequest, finding.message).field(finding.subject));
    }
    let caller = Caller::new(environment, account)?;
    let (ids, _) = check::people(&caller, post).await?;
    let keys = key::choose(environment, post.parts.len() + 1);
    let state = State::new(keys, environment.now_ms(), ids);
    Ok(state.step(media, "checking", next(&state, media), Vec::new()))
}

/// What the next call does.
fn next(state: &State, media: &[MediaInfo]) -> NextStep {
    if state.blobs.len() < media.len() {
        NextStep::Proceed(Effect::Safe)
    } else if state.next_key().is_some() {
        NextStep::Proceed(Effect::Idempotent)
    } else {
        NextStep::Published(None)
    }
}

pub(crate) async fn advance<E: Environment>(
    environment: &E,
    account: &Account,
    post: &Post,
    state: &[u8],
    media: &[E::Media],
    resume: &Resume,
) -> Result<PublishStep, Error> {
    let mut state = State::read(state)?;
    let infos: Vec<MediaInfo> = media.iter().map(Media::info).collect();
    let caller = Caller::new(environment, account)?;
    if let (Some(item), Some(info)) = (media.get(state.blobs.len()), infos.get(state.blobs.len())) {
        return match upload(&caller, item, info).await {
            Ok(blob) => {
                state.blobs.push(blob);
                Ok(state.step(&infos, "uploading", next(&state, &infos), Vec::new()))
            }
            Err(error) if is_final(&error) => {
                Ok(state.step(&infos, "uploading", NextStep::Failed(error), Vec::new()))
            }
            Err(error) => Err(error),
        };
    }
    let Some(key) = state.next_key() else {
        return Ok(state.step(&infos, "published", NextStep::Published(None), Vec::new()));
    };
    let record = made(&state, post, &infos)?;
    let answer = match put(&caller, account, key, &record).await {
        // It speaks of this call only.
        Err(error) if is_final(&error) && resume.interrupted => {
            look(&caller, account, key).await?.ok_or(error)
        }
        other => other,
    };
    match answer {
        Ok(reference) => {
            state.posts.push(reference);
            let phase = if state.next_key().is_some() { "posting" } else { "published" };
            Ok(state.step(&infos, phase, next(&state, &infos), Vec::new()))
        }
        Err(error) if !is_final(&error) => Err(error),
        Err(error) if state.posts.is_empty() => {
            Ok(state.step(&infos, "posting", NextStep::Failed(error), Vec::new()))
        }
        Err(error) => {
            let at = state.posts.len() + 1;
            let message =
                format!("Post {at} of the thread and those after it are missing: {}", error.message);
            let missing = Finding { code: error.code, ..Finding::new(Severity::Error, "parts", message) };
            Ok(state.step(&infos, "published", NextStep::Published(None), vec![missing]))
        }
    }
}

/// The next record of a publish.
fn made(state: &State, post: &Post, media: &[MediaInfo]) -> Result<Value, Error> {
    let at = state.posts.len();
    let parts = parts::of(post, media.len());
    let part = parts.get(at).ok_or_else(|| {
        Error::new(ErrorKind::Unsupported, "The state of this publish belongs to another post.")
    })?;
    let given = Given {
        created_at: key::written(state.created_at.saturating_add(at as u64)),
        ids: &state.ids,
        media,
        blobs: &state.blobs,
        after: state.posts.first().zip(state.posts.last()),
    };
    Ok(record::make(part, &given))
}

/// Whether the server's refusal is its last word about this post.
fn is_final(error: &Error) -> bool {
    matches!(
        error.kind,
        ErrorKind::Rejected | ErrorKind::NotFound | ErrorKind::InvalidRequest | ErrorKind::Unsupported
    )
}

async fn upload<E: Environment>(
    caller: &Caller<'_, E>,
    item: &E::Media,
    info: &MediaInfo,
) -> Result<Blob, Error> {
    let payload = Payload::Media { item, length: info.size, content_type: &info.content_type };
    let answer = caller.post("com.atproto.repo.uploadBlob", payload, false).await?;
    let blob = &answer["blob"];
    let read = || {
        Some(Blob {
            cid: json::text(&blob["ref"], "$link")?,
            mime: json::text(blob, "mimeType")?,
            size: json::number(blob, "size")?,
        })
    };
    read().ok_or_else(crate::errors::unreadable)
}

async fn put<E: Environment>(
    caller: &Caller<'_, E>,
    account: &Account,
    key: &str,
    record: &Value,
) -> Result<Reference, Error> {
    let body = json!({ "repo": account.id, "collection": POST, "rkey": key, "record": record });
    let answer = caller.post("com.atproto.repo.putRecord", Payload::Json(&body), true).await?;
    reference(&answer)
        .ok_or_else(|| Error::new(ErrorKind::OutcomeUnknown, "Bluesky's answer to the post cannot be read."))
}

/// The post under a key, if it is there.
async fn look<E: Environment>(
    caller: &Caller<'_, E>,
    account: &Account,
    key: &str,
) -> Result<Option<Reference>, Error> {
    let asked = [("repo", account.id.as_str()), ("collection", POST), ("rkey", key)];
    match caller.get("com.atproto.repo.getRecord", &asked).await {
        Ok(answer) => Ok(Some(reference(&answer).ok_or_else(crate::errors::unreadable)?)),
        Err(error) if error.kind == ErrorKind::NotFound => Ok(None),
        Err(error) => Err(error),
    }
}

fn reference(answer: &Value) -> Option<Reference> {
    Some(Reference { uri: json::text(answer, "uri")?, cid: json::text(answer, "cid")? })
}

#[cfg(test)]
mod tests;

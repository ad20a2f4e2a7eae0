//! Cancelling: before the first post nothing is left; of a thread, what is out stays.

use serde_json::json;
use social_channel_provider::channel::{NextStep, Post, PublishStep, Resume};
use social_channel_provider::{Account, Environment, Error, Finding, Severity};

use super::look;
use super::state::State;
use crate::links::POST;
use crate::xrpc::{Caller, Payload};

pub(crate) async fn cancel<E: Environment>(
    environment: &E,
    account: &Account,
    _: &Post,
    state: &[u8],
    resume: &Resume,
) -> Result<PublishStep, Error> {
    let mut state = State::read(state)?;
    let caller = Caller::new(environment, account)?;
    let key = state.next_key().map(str::to_owned);
    if state.posts.is_empty() {
        // The post may have come of a call that was cut off. Deleting what is not there is a success, too.
        if let Some(key) = key.filter(|_| resume.interrupted) {
            let body = json!({ "repo": account.id, "collection": POST, "rkey": key });
            caller.post("com.atproto.repo.deleteRecord", Payload::Json(&body), true).await?;
        }
        return Ok(state.step(&[], "cancelled", NextStep::Cancelled, Vec::new()));
    }
    if let Some(key) = key.filter(|_| resume.interrupted)
        && let Some(found) = look(&caller, account, &key).await?
    {
        state.posts.push(found);
    }
    let findings = match state.next_key() {
        None => Vec::new(),
        Some(_) => vec![Finding::new(
            Severity::Error,
            "parts",
            format!(
                "{} of {} posts are out; the others were cancelled.",
                state.posts.len(),
                state.keys.len()
            ),
        )],
    };
    Ok(state.step(&[], "published", NextStep::Published(None), findings))
}

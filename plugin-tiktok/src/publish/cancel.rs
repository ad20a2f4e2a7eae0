//! Cancels a publish if that is still possible.

use serde_json::json;
use social_channel_provider::channel::{Effect as StepEffect, NextStep, PublishStep};
use social_channel_provider::{Account, Environment, Error, ErrorKind};

use super::context::Context;
use super::state::{Stage, State};
use crate::api::Effect;
use crate::credentials::Credentials;

/// Cancels if that is still possible.
pub(crate) async fn cancel<E: Environment>(
    environment: &E,
    account: &Account,
    state: &[u8],
) -> Result<PublishStep, Error> {
    let mut state = State::read(state)?;
    let at_last = matches!(state.upload_effect(), StepEffect::Once);
    match state.stage {
        // An incomplete upload posts nothing; its URL expires.
        Stage::Init => return Ok(state.step(NextStep::Cancelled)),
        Stage::Upload if !at_last && !state.last_begun => return Ok(state.step(NextStep::Cancelled)),
        Stage::Published => return Ok(state.step(NextStep::Published(None))),
        // It is unknown here whether the init was sent: without its id only a webhook can show it.
        Stage::Pull | Stage::Lost => {
            state.cancelling = true;
            if state.stage == Stage::Pull {
                state.enter(Stage::Lost, environment.now());
            }
            return Ok(state.step(NextStep::Wait(60_000)));
        }
        Stage::Upload | Stage::Processing => {}
    }
    let credentials = Credentials::of(account)?;
    let context = Context { environment, account, credentials, media: &[] };
    let body = json!({ "publish_id": state.publish_id });
    match context.call("/v2/post/publish/cancel/", Effect::None, body).await {
        Ok(_) => {}
        // Already final, or unknown to TikTok: the status shows which.
        Err(error) if error.code.as_deref() == Some("publish_not_cancellable") => {}
        Err(error) if error.kind == ErrorKind::NotFound => {}
        Err(error) => return Err(error),
    }
    state.cancelling = true;
    if state.stage == Stage::Upload {
        // The last chunk may have been sent by a call whose result was lost.
        state.last_begun = true;
    }
    Ok(state.watch(environment.now()))
}

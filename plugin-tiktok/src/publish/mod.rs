//! Publishing, step by step (D-DP, D-MTG, D-PH).
//!
//! ```text
//!  by upload:  Init ──(safe)─────> Upload ──chunks──> Processing ──> Published
//!  by pull:    Init ──(safe)─────> Pull ──(once)────> Processing ──> Published
//! ```
//!
//! Two requests can make a post: the last chunk of an upload, and the init of a pull. Only these are
//! announced as `once`. An init for an upload may be repeated, since an unused one expires without a post.
//! After the last chunk was started there is never a new init: the status of this one is requested from
//! TikTok.

mod begin;
mod cancel;
mod context;
mod init;
mod pull;
mod state;
mod upload;
mod verdict;

#[cfg(test)]
mod tests;

use social_channel_provider::channel::{PublishStep, Resume};
use social_channel_provider::{Account, Environment, Error};

pub(crate) use self::begin::begin;
pub(crate) use self::cancel::cancel;
use self::context::Context;
use self::state::{Stage, State};
use crate::credentials::Credentials;
use crate::webhook::Evidence;

/// Runs the next step.
pub(crate) async fn advance<E: Environment>(
    environment: &E,
    account: &Account,
    state: &[u8],
    media: &[E::Media],
    resume: &Resume,
) -> Result<PublishStep, Error> {
    let state = State::read(state)?;
    let context = Context { environment, account, credentials: Credentials::of(account)?, media };
    let evidence = Evidence::read(resume.evidence.as_deref());
    match state.stage {
        Stage::Init if state.plan.is_some() => context.init_upload(state).await,
        Stage::Init => context.reserve_pull(state).await,
        Stage::Pull if resume.interrupted => context.lost(state, evidence).await,
        Stage::Pull => context.init_pull(state).await,
        Stage::Lost => context.lost(state, evidence).await,
        Stage::Upload if resume.interrupted => context.find_place(state).await,
        Stage::Upload => context.upload(state).await,
        Stage::Processing => context.poll(state, evidence).await,
        Stage::Published => context.look_again(state, evidence).await,
    }
}

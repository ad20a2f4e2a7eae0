//! Drives a publish as the host does, and notices what each call did.
//!
//! The host's rules (`docs/publishing.md`): a step is stored before the next call; after a call whose end is not known, a
//! step that may post is called again with `interrupted`; errors are repeated or end the job by their kind.

use std::time::Duration;

use social_channel_runtime::model::Post;
use social_channel_runtime::{
    Account, CallError, Effect, Error, ErrorKind, NextStep, PublishStep, Resume, SecretBytes,
};

use crate::description::Description;
use crate::stage::Stage;
use crate::wire::Exchange;

/// Requests of one step. The contract says a request or two, or one chunk; one more for a look, one for a new token.
pub(crate) const REQUESTS: usize = 4;
/// Steps of one publish: a test's post has few chunks.
const STEPS: usize = 300;
/// Calls in a row that fail.
const ATTEMPTS: usize = 8;
/// Where the provider says nothing about when.
const PAUSE: Duration = Duration::from_secs(30);

/// How a publish ended.
#[derive(Debug)]
pub(crate) enum Ending {
    Published,
    Failed(Error),
    Cancelled,
    Unknown(String),
    /// A person or the operator would have to act.
    Paused(Error),
    /// It goes on for ever.
    Endless,
}

impl Ending {
    pub(crate) fn words(&self) -> String {
        match self {
            Ending::Published => "published".to_owned(),
            Ending::Failed(error) => format!("failed ({}: {})", error.kind, error.message),
            Ending::Cancelled => "cancelled".to_owned(),
            Ending::Unknown(why) => format!("unknown ({why})"),
            Ending::Paused(error) => format!("paused ({}: {})", error.kind, error.message),
            Ending::Endless => "no end".to_owned(),
        }
    }
}

/// A call as it was announced.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Announced {
    Begin,
    As(Effect),
}

/// What one call did.
#[derive(Debug)]
pub(crate) struct Made {
    pub(crate) announced: Announced,
    pub(crate) exchanges: Vec<Exchange>,
    /// It was the call that the fault struck.
    pub(crate) struck: bool,
    /// The kind of its error; None: it was answered by a step, or the host died.
    pub(crate) error: Option<ErrorKind>,
}

/// A step that may post, from before its call.
pub(crate) struct Posting {
    pub(crate) state: SecretBytes,
}

/// A publish that was driven to its end.
pub(crate) struct Run {
    pub(crate) ending: Ending,
    pub(crate) calls: Vec<Made>,
    /// The first step that announced that it may post.
    pub(crate) posting: Option<Posting>,
}

impl Run {
    /// The call that the fault struck.
    pub(crate) fn struck(&self) -> Option<&Made> {
        self.calls.iter().find(|call| call.struck)
    }
}

/// Where the job stands.
struct Job {
    state: Option<SecretBytes>,
    effect: Effect,
    interrupted: bool,
    may_have_posted: bool,
    attempts: usize,
}

/// Publishes, and disturbs it as the stage's points are planned. Also returns the account as it is afterwards.
pub(crate) async fn publish(
    stage: &Stage,
    mut account: Account,
    post: &Post,
    description: &Description,
) -> Result<(Run, Account), String> {
    let mut run = Run { ending: Ending::Endless, calls: Vec::new(), posting: None };
    let mut job =
        Job { state: None, effect: Effect::Safe, interrupted: false, may_have_posted: false, attempts: 0 };
    let mut refreshed = false;
    for _ in 0..STEPS {
        let before = stage.wire.count();
        let was_struck = stage.points.struck().is_some();
        let announced = if job.state.is_some() { Announced::As(job.effect) } else { Announced::Begin };
        if job.effect != Effect::Safe {
            job.may_have_posted = true;
            if let (None, Some(state)) = (&run.posting, &job.state) {
                run.posting = Some(Posting { state: state.clone() });
            }
        }
        let answer = call(stage, &account, post, &job).await;
        run.calls.push(Made {
            announced,
            exchanges: stage.wire.since(before),
            struck: !was_struck && stage.points.struck().is_some(),
            error: match &answer {
                Some(Err(CallError::Failed(error) | CallError::CredentialsExpired(error))) => {
                    Some(error.kind)
                }
                _ => None,
            },
        });
        let step = match answer {
            // The host died: it knows that a step was begun if it had noted that it may post.
            None => {
                job.interrupted = job.effect != Effect::Safe;
                continue;
            }
            Some(Ok(step)) => step,
            Some(Err(CallError::CredentialsExpired(error))) => {
                if std::mem::replace(&mut refreshed, true) {
                    run.ending = Ending::Paused(error);
                    return Ok((run, account));
                }
                // A refresh is not cut off by the host.
                stage.points.quiet(true);
                let fresh =
                    stage.provider.refresh_credentials(stage.cx("refresh-credentials"), &account).await;
                stage.points.quiet(false);
                match stage.see("refresh-credentials", fresh) {
                    Ok(connection) => account = connection.account,
                    Err(error) => {
                        run.ending = Ending::Paused(error.into_error());
                        return Ok((run, account));
                    }
                }
                continue;
            }
            Some(Err(CallError::Failed(error))) => match after_error(&mut job, error) {
                Some(ending) => {
                    run.ending = ending;
                    return Ok((run, account));
                }
                None => {
                    stage.pass(PAUSE, description, false).await?;
                    continue;
                }
            },
        };
        job.attempts = 0;
        job.interrupted = false;
        job.state = Some(step.state);
        job.effect = Effect::Safe;
        run.ending = match step.next {
            NextStep::Proceed(effect) => {
                job.effect = effect;
                continue;
            }
            NextStep::Wait(time) => {
                stage.pass(time, description, true).await?;
                continue;
            }
            NextStep::Published { .. } => Ending::Published,
            NextStep::Failed(error) => {
                stage.see_error("a failed publish", &error);
                Ending::Failed(error)
            }
            NextStep::Cancelled => Ending::Cancelled,
            NextStep::Unknown(error) => {
                stage.see_error("a publish of unknown outcome", &error);
                Ending::Unknown(error.message)
            }
        };
        return Ok((run, account));
    }
    Ok((run, account))
}

/// One call; None: the host died during it.
async fn call(
    stage: &Stage,
    account: &Account,
    post: &Post,
    job: &Job,
) -> Option<Result<PublishStep, CallError>> {
    let work = async {
        match &job.state {
            None => {
                let cx = stage.cx_with_media("begin-publish");
                stage.see("begin-publish", stage.provider.begin_publish(cx, account, post).await)
            }
            Some(state) => {
                let cx = stage.cx_with_media("continue-publish");
                let resume = Resume { interrupted: job.interrupted, evidence: None };
                let answer = stage.provider.continue_publish(cx, account, post, state, resume).await;
                stage.see("continue-publish", answer)
            }
        }
    };
    let answer = tokio::select! {
        biased;
        () = stage.points.killed() => None,
        answer = work => Some(answer),
    };
    if let Some(Ok(step)) = &answer {
        stage.said("the phase of a step", step.phase.clone());
        for finding in &step.publication.findings {
            stage.said("a finding of a step", finding.message.clone());
        }
    }
    answer
}

/// The ending, if the error ends the job; else it is called again.
fn after_error(job: &mut Job, error: Error) -> Option<Ending> {
    job.attempts += 1;
    let ended = |error: Error| {
        if job.may_have_posted { Ending::Unknown(error.message) } else { Ending::Failed(error) }
    };
    match error.kind {
        ErrorKind::RateLimited | ErrorKind::QuotaExceeded | ErrorKind::Unavailable | ErrorKind::Internal => {
            (job.attempts >= ATTEMPTS).then(|| ended(error))
        }
        ErrorKind::OutcomeUnknown | ErrorKind::ProviderFault | ErrorKind::LimitExceeded => {
            if job.attempts >= ATTEMPTS {
                return Some(ended(error));
            }
            job.interrupted = true;
            None
        }
        ErrorKind::Unauthorized
        | ErrorKind::Forbidden
        | ErrorKind::Misconfigured
        | ErrorKind::AuthorizationDenied
        | ErrorKind::DeniedByPolicy
        | ErrorKind::Incompatible
        | ErrorKind::LoadFailed => Some(Ending::Paused(error)),
        ErrorKind::InvalidArgument
        | ErrorKind::InvalidRequest
        | ErrorKind::NotFound
        | ErrorKind::Rejected
        | ErrorKind::Unsupported
        | ErrorKind::Other => Some(ended(error)),
    }
}

//! The decision table: what happens next, given a job's position and the result of a call. It uses no clock,
//! no store and no provider, so that a test can enumerate it completely.

use std::time::Duration;

use crate::store::JobStatus;
use social_channel_runtime::error::{Error, ErrorKind};
use social_channel_runtime::media::Absent;
use social_channel_runtime::{Effect, NextStep};

/// The number of consecutive calls with a lost response before the job ends as `unknown` or `failed`. With
/// growing pauses this takes about four minutes, since most failures are temporary.
pub(super) const LOST_ANSWERS: i64 = 8;
/// The number of consecutive failed queries for a published post's id, or for the outcome of an unknown job after
/// a webhook, before the host stops querying.
pub(super) const FAILED_LOOKS: i64 = 12;
const LONGEST_PAUSE: Duration = Duration::from_secs(600);
/// The upper limit of waits that a provider or platform requests; with a longer one the job would look dead.
const LONGEST_WAIT: Duration = Duration::from_secs(24 * 3600);

/// The position of a job when the call was made.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Position {
    /// The call was announced as one that may create the post: `once` or `idempotent`.
    pub(super) may_post: bool,
    /// Such a call was announced as `idempotent`: repeating it creates no second post.
    pub(super) idempotent: bool,
    /// The call received `interrupted`.
    pub(super) interrupted: bool,
    /// A call that may create the post was started, this one or an earlier one.
    pub(super) may_have_posted: bool,
    /// The provider has said that a post is out, for example the first of a thread.
    pub(super) is_out: bool,
    /// The status if the job has already ended. Only `published` can still change, because it may learn its id.
    pub(super) ended: Option<JobStatus>,
    pub(super) attempts: i64,
    /// The state was written by another component, from which the job was moved.
    pub(super) moved: bool,
}

/// The situation of a worker that holds a job.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct JobContext {
    /// The lease is lost, or the process is stopping.
    pub(super) leaves: bool,
    /// The job's deadline has passed.
    pub(super) overdue: bool,
    /// A cancellation was requested.
    pub(super) cancel: bool,
    /// The provider has started it.
    pub(super) has_state: bool,
    /// The intent of the next call that may create the post is on disk.
    pub(super) intent_recorded: bool,
}

/// What a worker does next with a job that it holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Act {
    /// Gives the job back for another worker.
    HandBack,
    GiveUp,
    /// Ends a job whose state was lost after it may have posted.
    Doubt,
    /// Cancels a job that the provider does not know yet.
    Drop,
    /// Asks the provider to cancel.
    Cancel,
    /// Stores the intent of the next call that may create the post, then decides again.
    RecordIntent,
    Begin,
    Continue,
}

pub(super) fn act(position: Position, context: JobContext) -> Act {
    let is_open = position.ended.is_none();
    if context.leaves {
        Act::HandBack
    } else if context.overdue && is_open {
        Act::GiveUp
    } else if position.may_have_posted && !context.has_state && is_open {
        Act::Doubt
    } else if context.cancel && is_open {
        if context.has_state { Act::Cancel } else { Act::Drop }
    } else if position.may_post && !context.intent_recorded {
        Act::RecordIntent
    } else if context.has_state {
        Act::Continue
    } else {
        Act::Begin
    }
}

/// When the next call is made.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Then {
    Now,
    After(Duration),
    /// After a person has acted.
    Person,
    Never,
}

/// The changes to store.
#[derive(Clone, Debug)]
pub(super) struct Decision {
    pub(super) status: JobStatus,
    pub(super) may_post: bool,
    pub(super) idempotent: bool,
    /// The effect of the call is unknown: the next call receives `interrupted`.
    pub(super) interrupted: bool,
    pub(super) attempts: i64,
    pub(super) then: Then,
    pub(super) error: Option<Error>,
    /// The returned state and progress are stored.
    pub(super) take_step: bool,
    /// The job moves back to the component that it came from.
    pub(super) send_back: bool,
    /// What kept the rest from being published, where something is out.
    pub(super) missing: Option<Error>,
}

pub(super) fn after_step(position: Position, next: &NextStep) -> Decision {
    let step = |status, then, error| Decision {
        status,
        may_post: false,
        idempotent: false,
        interrupted: false,
        attempts: 0,
        then,
        error,
        take_step: true,
        send_back: false,
        missing: None,
    };
    if let Some(status) = position.ended.filter(|_| !matches!(next, NextStep::Published { .. })) {
        let looks = position.attempts.saturating_add(1);
        if let NextStep::Wait(length) = next
            && status == JobStatus::Unknown
            && looks < FAILED_LOOKS
        {
            // A webhook gave a reference to query, and the final status is not known yet.
            let then = Then::After((*length).min(LONGEST_WAIT));
            return Decision { attempts: looks, ..step(status, then, None) };
        }
        // It keeps its status, whatever the result is.
        return Decision { take_step: false, ..step(status, Then::Never, None) };
    }
    match next {
        NextStep::Proceed(effect) => {
            let (may_post, idempotent) = (*effect != Effect::Safe, *effect == Effect::Idempotent);
            Decision { may_post, idempotent, ..step(JobStatus::Active, Then::Now, None) }
        }
        NextStep::Wait(length) => step(JobStatus::Active, Then::After((*length).min(LONGEST_WAIT)), None),
        NextStep::Published { recheck_after, .. } => {
            let then = recheck_after.map_or(Then::Never, |after| Then::After(after.min(LONGEST_WAIT)));
            step(JobStatus::Published, then, None)
        }
        // What is out is out, whatever became of the rest.
        NextStep::Failed(error) if position.is_out => {
            Decision { missing: Some(error.clone()), ..step(JobStatus::Published, Then::Never, None) }
        }
        NextStep::Cancelled if position.is_out => {
            let missing = Error::new(ErrorKind::Other, "the rest was cancelled");
            Decision { missing: Some(missing), ..step(JobStatus::Published, Then::Never, None) }
        }
        NextStep::Failed(error) => step(JobStatus::Failed, Then::Never, Some(error.clone())),
        NextStep::Cancelled => step(JobStatus::Cancelled, Then::Never, None),
        NextStep::Unknown(error) => step(JobStatus::Unknown, Then::Never, Some(error.clone())),
    }
}

/// `spread` in 0..1 keeps jobs that failed together from being retried at the same time.
pub(super) fn after_error(position: Position, error: &Error, spread: f64) -> Decision {
    let attempts = position.attempts.saturating_add(1);
    let pause = error.retry_after.unwrap_or_else(|| pause(position.attempts, spread)).min(LONGEST_WAIT);
    let active = |interrupted, then| Decision {
        status: JobStatus::Active,
        may_post: position.may_post,
        idempotent: position.idempotent,
        interrupted,
        attempts,
        then,
        error: Some(error.clone()),
        take_step: false,
        send_back: false,
        missing: None,
    };
    if position.moved && error.kind == ErrorKind::Unsupported {
        // The call changed nothing: the component that wrote the state can still continue.
        let status = position.ended.unwrap_or(JobStatus::Active);
        let error = position.ended.is_none().then(|| error.clone());
        return Decision {
            status,
            error,
            attempts: 0,
            send_back: true,
            ..active(position.interrupted, Then::Now)
        };
    }
    if let Some(status) = position.ended {
        let then = if attempts >= FAILED_LOOKS { Then::Never } else { Then::After(pause) };
        return Decision { status, error: None, ..active(false, then) };
    }
    match error.kind {
        ErrorKind::RateLimited | ErrorKind::QuotaExceeded | ErrorKind::Unavailable | ErrorKind::Internal => {
            active(position.interrupted, Then::After(pause))
        }
        ErrorKind::OutcomeUnknown | ErrorKind::ProviderFault | ErrorKind::LimitExceeded => {
            // A post that may exist is watched until the time limit: a failed status request says nothing about it.
            let only_looks = position.may_have_posted && !position.may_post;
            // Repeating it does no harm, so it is repeated until it is answered.
            let may_repeat = position.may_post && position.idempotent;
            if attempts >= LOST_ANSWERS && !only_looks && !may_repeat {
                ended(position, error)
            } else {
                active(true, Then::After(pause))
            }
        }
        ErrorKind::Unauthorized
        | ErrorKind::Forbidden
        | ErrorKind::Misconfigured
        | ErrorKind::AuthorizationDenied
        | ErrorKind::DeniedByPolicy
        | ErrorKind::Incompatible
        | ErrorKind::LoadFailed => {
            Decision { status: JobStatus::Paused, ..active(position.interrupted, Then::Person) }
        }
        ErrorKind::InvalidArgument
        | ErrorKind::InvalidRequest
        | ErrorKind::NotFound
        | ErrorKind::Rejected
        | ErrorKind::Unsupported
        | ErrorKind::Other => ended(position, error),
    }
}

/// The decision after the provider was asked to cancel. If no call that may create the post was started, nothing can
/// have been posted: the job is cancelled even if the provider cannot cancel. Later, an error lets the publish continue.
pub(super) fn after_cancel(position: Position, answer: std::result::Result<&NextStep, &Error>) -> Decision {
    match answer {
        Ok(next @ NextStep::Published { .. }) => after_step(position, next),
        _ if !position.may_have_posted && !position.is_out => {
            Decision { take_step: answer.is_ok(), ..after_step(position, &NextStep::Cancelled) }
        }
        Ok(next) => after_step(position, next),
        Err(error) if position.moved && error.kind == ErrorKind::Unsupported => {
            after_error(position, error, 0.0)
        }
        Err(_) => unchanged(position),
    }
}

/// The decision after a failed preflight query, before anything is sent. None: the failure does not matter,
/// continue.
pub(super) fn holds(position: Position, error: &Error, spread: f64) -> Option<Decision> {
    let decision = after_error(position, error, spread);
    match decision.status {
        // The query has no effect, so no effect can be unknown.
        JobStatus::Active => Some(Decision { interrupted: position.interrupted, ..decision }),
        JobStatus::Paused => Some(decision),
        JobStatus::Published | JobStatus::Failed | JobStatus::Unknown | JobStatus::Cancelled => None,
    }
}

/// What follows where media cannot be read before a call that may need it. None: the call tells.
pub(super) fn without_media(position: Position, absent: &Absent, spread: f64) -> Option<Decision> {
    match absent {
        Absent::ForNow(error) => holds(position, error, spread),
        // Nothing was posted, and the one whose server it is can let it be read again.
        Absent::Refused(error) => Some(asks(position, error)),
        // What may be out already, the provider knows.
        Absent::Changed(_) if position.may_have_posted => None,
        Absent::Changed(error) => Some(after_error(position, error, spread)),
    }
}

/// The job waits for a person's answer.
pub(super) fn asks(position: Position, question: &Error) -> Decision {
    Decision {
        status: JobStatus::Paused,
        may_post: position.may_post,
        idempotent: position.idempotent,
        interrupted: position.interrupted,
        attempts: 0,
        then: Then::Person,
        error: Some(question.clone()),
        take_step: false,
        send_back: false,
        missing: None,
    }
}

/// Whether the next call receives `interrupted`. A job that has ended is only called to learn its post's id or to
/// process a webhook. It must never send again, whatever its state is (a person may have resolved an unknown job
/// as posted).
pub(super) fn is_interrupted(position: Position) -> bool {
    position.interrupted || position.ended.is_some()
}

/// Whether the intent of the next call is on disk, for a row of a worker that died or gave the job back.
pub(super) fn is_intent_recorded(position: Position) -> bool {
    position.may_post && position.interrupted
}

/// The next call starts: from here on something may have been posted.
pub(super) fn begun(position: Position) -> Position {
    Position { may_have_posted: position.may_have_posted || position.may_post, ..position }
}

/// The effect flags of the row and of the next call.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Marks {
    pub(super) may_post: bool,
    /// The flag on disk. If a call that may create the post follows at once, its intent is stored together with this step.
    pub(super) interrupted: bool,
    pub(super) may_have_posted: bool,
    /// The flag that the next call of this worker receives: the intent of a call that was not yet made is not an
    /// interruption.
    pub(super) call_interrupted: bool,
    /// The next such call needs no further write first.
    pub(super) intent_recorded: bool,
}

pub(super) fn marks(position: Position, decision: &Decision) -> Marks {
    let intent = decision.may_post && decision.then == Then::Now;
    Marks {
        may_post: decision.may_post,
        interrupted: decision.interrupted || intent,
        may_have_posted: position.may_have_posted || intent,
        call_interrupted: decision.interrupted,
        intent_recorded: intent || decision.may_post && decision.interrupted,
    }
}

/// The job continues as if the call had not been made.
pub(super) fn unchanged(position: Position) -> Decision {
    Decision {
        status: JobStatus::Active,
        may_post: position.may_post,
        idempotent: position.idempotent,
        interrupted: position.interrupted,
        attempts: position.attempts,
        then: Then::Now,
        error: None,
        take_step: false,
        send_back: false,
        missing: None,
    }
}

/// Ends a job that cannot go on.
pub(super) fn ended(position: Position, error: &Error) -> Decision {
    let (status, error) = if let Some(status) = position.ended {
        (status, None)
    } else if position.may_have_posted || position.is_out {
        let mut unknown = error.clone();
        unknown.kind = ErrorKind::OutcomeUnknown;
        unknown.remedy = Some(
            "look at the account's newest posts before you publish it again, then record what you found (resolve)"
                .to_owned(),
        );
        (JobStatus::Unknown, Some(unknown))
    } else {
        (JobStatus::Failed, Some(error.clone()))
    };
    Decision {
        status,
        may_post: position.may_post,
        idempotent: position.idempotent,
        interrupted: position.interrupted,
        attempts: position.attempts,
        then: Then::Never,
        error,
        take_step: false,
        send_back: false,
        missing: None,
    }
}

/// 1, 2, 4 … seconds, at most ten minutes, with 25 % jitter.
fn pause(attempts: i64, spread: f64) -> Duration {
    let doubled = 1_u64 << attempts.clamp(0, 20);
    let length = Duration::from_secs(doubled).min(LONGEST_PAUSE);
    length.mul_f64(0.75 + spread.clamp(0.0, 1.0) / 2.0)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn positions() -> Vec<Position> {
        let mut all = Vec::new();
        for bits in 0..24 {
            for (attempts, idempotent, is_out) in [
                (0, false, false),
                (LOST_ANSWERS - 1, false, false),
                (LOST_ANSWERS - 1, true, false),
                (0, false, true),
            ] {
                let position = Position {
                    may_post: bits & 1 != 0,
                    idempotent,
                    is_out,
                    interrupted: bits & 2 != 0,
                    may_have_posted: bits & 4 != 0 || bits & 1 != 0,
                    ended: [None, Some(JobStatus::Published), Some(JobStatus::Unknown), None][bits >> 3 & 3],
                    attempts,
                    moved: false,
                };
                all.push(position);
            }
        }
        all
    }

    /// As after a failover to a server that lacks the state.
    #[test]
    fn a_job_that_may_have_posted_and_lost_its_state_is_neither_begun_again_nor_called_cancelled() {
        for position in positions() {
            for cancel in [false, true] {
                let context = JobContext {
                    leaves: false,
                    overdue: false,
                    cancel,
                    has_state: false,
                    intent_recorded: is_intent_recorded(position),
                };
                if position.may_have_posted && position.ended.is_none() {
                    assert_eq!(act(position, context), Act::Doubt, "{position:?}");
                    let decision = ended(position, &Error::new(ErrorKind::OutcomeUnknown, "x"));
                    assert_eq!(decision.status, JobStatus::Unknown);
                } else {
                    assert_ne!(act(position, context), Act::Doubt, "{position:?}");
                }
            }
        }
    }

    #[test]
    fn every_error_in_every_position_follows_the_table() {
        for position in positions() {
            for kind in ErrorKind::ALL {
                let decision = after_error(position, &Error::new(kind, "x"), 0.5);
                let at = format!("{position:?} {kind}: {decision:?}");
                assert!(!decision.take_step, "an error leaves the state as it was: {at}");
                if let Some(status) = position.ended {
                    assert_eq!(decision.status, status, "{at}");
                    assert!(decision.error.is_none(), "{at}");
                    continue;
                }
                match decision.status {
                    JobStatus::Active => {
                        assert!(matches!(decision.then, Then::After(_)), "{at}");
                        assert_eq!(decision.may_post, position.may_post, "{at}");
                        if position.interrupted {
                            assert!(decision.interrupted, "an open effect stays open: {at}");
                        }
                    }
                    JobStatus::Paused => {
                        assert_eq!(decision.then, Then::Person, "{at}");
                        assert_eq!(decision.interrupted, position.interrupted, "{at}");
                    }
                    JobStatus::Failed => assert!(!position.may_have_posted && !position.is_out, "{at}"),
                    JobStatus::Unknown => assert!(position.may_have_posted || position.is_out, "{at}"),
                    JobStatus::Published | JobStatus::Cancelled => panic!("{at}"),
                }
                let lost = matches!(
                    kind,
                    ErrorKind::OutcomeUnknown | ErrorKind::ProviderFault | ErrorKind::LimitExceeded
                );
                if lost && decision.status == JobStatus::Active {
                    assert!(decision.interrupted, "{at}");
                }
                if lost {
                    let only_looks = position.may_have_posted && !position.may_post;
                    assert_eq!(
                        decision.status == JobStatus::Active,
                        position.attempts + 1 < LOST_ANSWERS
                            || only_looks
                            || position.may_post && position.idempotent,
                        "{at}"
                    );
                }
                if kind.is_retryable() {
                    assert_eq!(decision.status, JobStatus::Active, "{at}");
                }
            }
        }
    }

    #[test]
    fn every_step_in_every_position() {
        let error = Error::new(ErrorKind::Rejected, "x");
        for position in positions() {
            for next in [
                NextStep::Proceed(Effect::Safe),
                NextStep::Proceed(Effect::Idempotent),
                NextStep::Proceed(Effect::Once),
                NextStep::Wait(Duration::from_secs(5)),
                NextStep::Published { recheck_after: None },
                NextStep::Failed(error.clone()),
                NextStep::Cancelled,
                NextStep::Unknown(error.clone()),
            ] {
                let decision = after_step(position, &next);
                let published = matches!(next, NextStep::Published { .. });
                if let Some(status) = position.ended {
                    assert_eq!(decision.status, if published { JobStatus::Published } else { status });
                    let looks = status == JobStatus::Unknown && matches!(next, NextStep::Wait(_));
                    assert_eq!(decision.take_step, published || looks);
                    assert_eq!(decision.attempts, if looks { position.attempts + 1 } else { 0 });
                    assert!(!decision.may_post, "it never sends again");
                } else {
                    assert!(decision.take_step);
                    let effect = match next {
                        NextStep::Proceed(effect) => Some(effect),
                        _ => None,
                    };
                    assert_eq!(decision.may_post, effect.is_some_and(|effect| effect != Effect::Safe));
                    assert_eq!(decision.idempotent, effect == Some(Effect::Idempotent));
                    assert_eq!(decision.then == Then::Now, effect.is_some());
                    // What is out is never said to have failed.
                    let kept = position.is_out && matches!(next, NextStep::Failed(_) | NextStep::Cancelled);
                    assert_eq!(decision.status == JobStatus::Published, published || kept);
                    assert_eq!(decision.missing.is_some(), kept);
                }
                if position.ended.is_none() {
                    assert_eq!(decision.attempts, 0);
                }
                assert!(!decision.interrupted);
            }
        }
    }

    #[test]
    fn what_is_out_is_never_said_to_have_failed_or_been_cancelled() {
        let error = Error::new(ErrorKind::Rejected, "x");
        for position in positions().into_iter().filter(|position| position.is_out) {
            let mut all = vec![
                ended(position, &error),
                after_cancel(position, Err(&error)),
                after_cancel(position, Ok(&NextStep::Cancelled)),
                after_cancel(position, Ok(&NextStep::Failed(error.clone()))),
                after_step(position, &NextStep::Failed(error.clone())),
            ];
            all.extend(ErrorKind::ALL.map(|kind| after_error(position, &Error::new(kind, "x"), 0.5)));
            for decision in all {
                let status = decision.status;
                assert!(
                    !matches!(status, JobStatus::Failed | JobStatus::Cancelled),
                    "{position:?} {decision:?}"
                );
            }
        }
    }

    #[test]
    fn the_platforms_own_wait_is_obeyed_and_pauses_grow() {
        let start = Position {
            may_post: false,
            idempotent: false,
            interrupted: false,
            may_have_posted: false,
            is_out: false,
            ended: None,
            attempts: 0,
            moved: false,
        };
        let told = Error::new(ErrorKind::RateLimited, "x").with_retry_after(Duration::from_secs(61));
        assert_eq!(after_error(start, &told, 0.0).then, Then::After(Duration::from_secs(61)));
        let mut last = Duration::ZERO;
        for attempts in 0..10 {
            let pause = pause(attempts, 0.5);
            assert!(pause > last);
            last = pause;
        }
        assert!(pause(60, 1.0) <= LONGEST_PAUSE.mul_f64(1.25));
    }
}

//! What comes back decides, and nothing else: from a job's position and the answer to a call, what happens
//! next. No clock, no store, no provider, so that the whole table can be walked through in a test.

use std::time::Duration;

use crate::error::{Error, ErrorKind};
use crate::provider::{Effect, NextStep};
use crate::store::JobStatus;

/// Calls whose answer was lost, one after the other, before the job ends as `unknown` or `failed`. With growing
/// pauses this is about four minutes: a lost answer rarely is the platform's last word.
pub(super) const LOST_ANSWERS: i64 = 8;
/// Looks for a published post's id that fail, one after the other, before nobody looks any more; and looks at what
/// became of an unknown one after a webhook.
pub(super) const FAILED_LOOKS: i64 = 12;
const LONGEST_PAUSE: Duration = Duration::from_secs(600);
/// No wait that a provider or a platform asks for is longer: the job would look dead.
const LONGEST_WAIT: Duration = Duration::from_secs(24 * 3600);

/// Where a job stood when the call was made.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Position {
    /// The call was announced as not to be repeated.
    pub(super) once: bool,
    /// The call was told `interrupted`.
    pub(super) interrupted: bool,
    /// A `once` call was begun, this one or an earlier one.
    pub(super) once_begun: bool,
    /// It has ended already; only `published` counts, which may tell more.
    pub(super) ended: Option<JobStatus>,
    pub(super) attempts: i64,
    /// The state is another component's, from which somebody moved the job.
    pub(super) moved: bool,
}

/// What a worker that holds a job sees around it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Sight {
    /// The lease is gone, or the process ends.
    pub(super) leaves: bool,
    /// The job's time is up.
    pub(super) overdue: bool,
    /// Somebody wants it cancelled.
    pub(super) cancel: bool,
    /// The provider has begun it.
    pub(super) has_state: bool,
    /// The intent of the coming `once` call is on disk.
    pub(super) armed: bool,
}

/// What a worker does next with a job that it holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Act {
    /// Leaves it to somebody else.
    HandBack,
    GiveUp,
    /// Cancels what the provider does not know of.
    Drop,
    /// Asks the provider to cancel.
    Cancel,
    /// Notes the intent of the coming `once` call, then looks again.
    Arm,
    Begin,
    Continue,
}

pub(super) fn act(position: Position, sight: Sight) -> Act {
    let is_open = position.ended.is_none();
    if sight.leaves {
        Act::HandBack
    } else if sight.overdue && is_open {
        Act::GiveUp
    } else if sight.cancel && is_open {
        if sight.has_state { Act::Cancel } else { Act::Drop }
    } else if position.once && !sight.armed {
        Act::Arm
    } else if sight.has_state {
        Act::Continue
    } else {
        Act::Begin
    }
}

/// When the next call comes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Then {
    Now,
    After(Duration),
    /// When a person has done something.
    Person,
    Never,
}

/// What is to be stored.
#[derive(Clone, Debug)]
pub(super) struct Decision {
    pub(super) status: JobStatus,
    pub(super) once: bool,
    /// The call's effect is open: the next call is told.
    pub(super) interrupted: bool,
    pub(super) attempts: i64,
    pub(super) then: Then,
    pub(super) error: Option<Error>,
    /// The answer's state and figures count.
    pub(super) take_step: bool,
    /// The component that the job was moved from goes on with it.
    pub(super) send_back: bool,
}

pub(super) fn after_step(position: Position, next: &NextStep) -> Decision {
    let step = |status, then, error| Decision {
        status,
        once: false,
        interrupted: false,
        attempts: 0,
        then,
        error,
        take_step: true,
        send_back: false,
    };
    if let Some(status) = position.ended.filter(|_| !matches!(next, NextStep::Published { .. })) {
        let looks = position.attempts.saturating_add(1);
        if let NextStep::Wait(length) = next
            && status == JobStatus::Unknown
            && looks < FAILED_LOOKS
        {
            // A webhook has told a way to look, and the verdict is not there yet.
            let then = Then::After((*length).min(LONGEST_WAIT));
            return Decision { attempts: looks, ..step(status, then, None) };
        }
        // It stays as it is, whatever else is said.
        return Decision { take_step: false, ..step(status, Then::Never, None) };
    }
    match next {
        NextStep::Proceed(effect) => {
            Decision { once: *effect == Effect::Once, ..step(JobStatus::Active, Then::Now, None) }
        }
        NextStep::Wait(length) => step(JobStatus::Active, Then::After((*length).min(LONGEST_WAIT)), None),
        NextStep::Published { recheck_after, .. } => {
            let then = recheck_after.map_or(Then::Never, |after| Then::After(after.min(LONGEST_WAIT)));
            step(JobStatus::Published, then, None)
        }
        NextStep::Failed(error) => step(JobStatus::Failed, Then::Never, Some(error.clone())),
        NextStep::Cancelled => step(JobStatus::Cancelled, Then::Never, None),
        NextStep::Unknown(error) => step(JobStatus::Unknown, Then::Never, Some(error.clone())),
    }
}

/// `spread` in 0..1 keeps jobs that failed together from coming back together.
pub(super) fn after_error(position: Position, error: &Error, spread: f64) -> Decision {
    let attempts = position.attempts.saturating_add(1);
    let pause = error.retry_after.unwrap_or_else(|| pause(position.attempts, spread)).min(LONGEST_WAIT);
    let active = |interrupted, then| Decision {
        status: JobStatus::Active,
        once: position.once,
        interrupted,
        attempts,
        then,
        error: Some(error.clone()),
        take_step: false,
        send_back: false,
    };
    if position.moved && error.kind == ErrorKind::Unsupported {
        // It changed nothing: whoever wrote the state can still go on.
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
            // What may be out is looked after for as long as it may be: a look that fails tells nothing of it.
            let only_looks = position.once_begun && !position.once;
            if attempts >= LOST_ANSWERS && !only_looks {
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

/// What asking the provider to cancel came to. As long as no `once` call was begun nothing can have been posted:
/// then it is cancelled, whatever the provider can say. Later, an error lets the publish go on.
pub(super) fn after_cancel(position: Position, answer: std::result::Result<&NextStep, &Error>) -> Decision {
    match answer {
        Ok(next @ NextStep::Published { .. }) => after_step(position, next),
        _ if !position.once_begun => {
            Decision { take_step: answer.is_ok(), ..after_step(position, &NextStep::Cancelled) }
        }
        Ok(next) => after_step(position, next),
        Err(error) if position.moved && error.kind == ErrorKind::Unsupported => {
            after_error(position, error, 0.0)
        }
        Err(_) => unchanged(position),
    }
}

/// A failure of a question that was asked before anything is sent. None: it does not matter, go on.
pub(super) fn holds(position: Position, error: &Error, spread: f64) -> Option<Decision> {
    let decision = after_error(position, error, spread);
    match decision.status {
        // Asking has no effect, so nothing can be open.
        JobStatus::Active => Some(Decision { interrupted: position.interrupted, ..decision }),
        JobStatus::Paused => Some(decision),
        JobStatus::Published | JobStatus::Failed | JobStatus::Unknown | JobStatus::Cancelled => None,
    }
}

/// The job waits for a person's answer.
pub(super) fn asks(position: Position, question: &Error) -> Decision {
    Decision {
        status: JobStatus::Paused,
        once: position.once,
        interrupted: position.interrupted,
        attempts: 0,
        then: Then::Person,
        error: Some(question.clone()),
        take_step: false,
        send_back: false,
    }
}

/// What a call is told. A job that has ended is called for its post's id or a webhook's sake: never to send again,
/// whatever its state says (a person may have said of an unknown one that it was posted).
pub(super) fn told(position: Position) -> bool {
    position.interrupted || position.ended.is_some()
}

/// The row of somebody who died or laid the job down: whether the intent of the coming call is on disk.
pub(super) fn is_armed(position: Position) -> bool {
    position.once && position.interrupted
}

/// The coming call is begun: from here on something may have been posted.
pub(super) fn begun(position: Position) -> Position {
    Position { once_begun: position.once_begun || position.once, ..position }
}

/// What the row says of effects, and what the next call is told.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Marks {
    pub(super) once: bool,
    /// On disk. Going on at once with a `once` step, the intent is stored together with the step.
    pub(super) interrupted: bool,
    pub(super) once_begun: bool,
    /// What the next call of this worker is told: an intent of a call yet to come is no interruption.
    pub(super) told: bool,
    /// The next `once` call needs no further write before it.
    pub(super) armed: bool,
}

pub(super) fn marks(position: Position, decision: &Decision) -> Marks {
    let intent = decision.once && decision.then == Then::Now;
    Marks {
        once: decision.once,
        interrupted: decision.interrupted || intent,
        once_begun: position.once_begun || intent,
        told: decision.interrupted,
        armed: intent || decision.once && decision.interrupted,
    }
}

/// The job goes on as if nothing had been said.
pub(super) fn unchanged(position: Position) -> Decision {
    Decision {
        status: JobStatus::Active,
        once: position.once,
        interrupted: position.interrupted,
        attempts: position.attempts,
        then: Then::Now,
        error: None,
        take_step: false,
        send_back: false,
    }
}

/// Ends a job that cannot go on.
pub(super) fn ended(position: Position, error: &Error) -> Decision {
    let (status, error) = if let Some(status) = position.ended {
        (status, None)
    } else if position.once_begun {
        let mut unknown = error.clone();
        unknown.kind = ErrorKind::OutcomeUnknown;
        unknown.remedy = Some(
            "look at the account's newest posts before you publish it again, then say what you found"
                .to_owned(),
        );
        (JobStatus::Unknown, Some(unknown))
    } else {
        (JobStatus::Failed, Some(error.clone()))
    };
    Decision {
        status,
        once: position.once,
        interrupted: position.interrupted,
        attempts: position.attempts,
        then: Then::Never,
        error,
        take_step: false,
        send_back: false,
    }
}

/// 1, 2, 4 … seconds, at most ten minutes, a quarter more or less.
fn pause(attempts: i64, spread: f64) -> Duration {
    let doubled = 1_u64 << attempts.clamp(0, 20);
    let length = Duration::from_secs(doubled).min(LONGEST_PAUSE);
    length.mul_f64(0.75 + spread.clamp(0.0, 1.0) / 2.0)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::Publication;

    fn positions() -> Vec<Position> {
        let mut all = Vec::new();
        for bits in 0..24 {
            for attempts in [0, LOST_ANSWERS - 1] {
                let position = Position {
                    once: bits & 1 != 0,
                    interrupted: bits & 2 != 0,
                    once_begun: bits & 4 != 0 || bits & 1 != 0,
                    ended: [None, Some(JobStatus::Published), Some(JobStatus::Unknown), None][bits >> 3 & 3],
                    attempts,
                    moved: false,
                };
                all.push(position);
            }
        }
        all
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
                        assert_eq!(decision.once, position.once, "{at}");
                        if position.interrupted {
                            assert!(decision.interrupted, "an open effect stays open: {at}");
                        }
                    }
                    JobStatus::Paused => {
                        assert_eq!(decision.then, Then::Person, "{at}");
                        assert_eq!(decision.interrupted, position.interrupted, "{at}");
                    }
                    JobStatus::Failed => assert!(!position.once_begun, "{at}"),
                    JobStatus::Unknown => assert!(position.once_begun, "{at}"),
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
                    let only_looks = position.once_begun && !position.once;
                    assert_eq!(
                        decision.status == JobStatus::Active,
                        position.attempts + 1 < LOST_ANSWERS || only_looks,
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
        let publication = Publication { post_id: None, url: None };
        for position in positions() {
            for next in [
                NextStep::Proceed(Effect::Repeatable),
                NextStep::Proceed(Effect::Once),
                NextStep::Wait(Duration::from_secs(5)),
                NextStep::Published { publication: publication.clone(), recheck_after: None },
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
                    assert!(!decision.once, "it never sends again");
                } else {
                    assert!(decision.take_step);
                    assert_eq!(decision.once, matches!(next, NextStep::Proceed(Effect::Once)));
                    assert_eq!(decision.then == Then::Now, matches!(next, NextStep::Proceed(_)));
                    assert_eq!(decision.status == JobStatus::Published, published);
                }
                if position.ended.is_none() {
                    assert_eq!(decision.attempts, 0);
                }
                assert!(!decision.interrupted);
            }
        }
    }

    #[test]
    fn the_platforms_own_wait_is_obeyed_and_pauses_grow() {
        let start = Position {
            once: false,
            interrupted: false,
            once_begun: false,
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

//! Why a call returned no result (a limit, a trap, a refusal by the policy), and what is known about its effect.

use std::io;

use rustix::io::Errno;
use wasmtime::{PoolConcurrencyLimitError, Trap};

use crate::call::{Call, Limit};
use crate::error::{Error, ErrorKind, Outcome};

pub(crate) fn outcome(call: &Call) -> Outcome {
    if call.has_opened() { Outcome::Unknown } else { Outcome::NotDone }
}

/// If the policy refused a request, that is the reported reason, whatever error the provider returned. It is
/// not reported if the effect is unknown, because an earlier request is then more important.
pub(crate) fn blamed(error: Error, call: &Call) -> Error {
    match call.refusal() {
        Some(refusal) if error.kind != ErrorKind::OutcomeUnknown => {
            let outcome = error.outcome;
            let mut refused = refusal.error();
            refused.outcome = outcome;
            refused
        }
        _ => match call.unsent() {
            Some(why) if error.kind == ErrorKind::Unavailable => {
                Error { message: format!("{} (the program's own HTTP: {why})", error.message), ..error }
            }
            _ => error,
        },
    }
}

pub(crate) fn exceeded(limit: Limit, call: &Call) -> Error {
    let limits = &call.limits;
    let (message, remedy) = match limit {
        Limit::Idle => (
            format!("the provider made no progress for {} seconds", limits.idle.as_secs_f64()),
            "Try again later; if it persists, the platform or the provider hangs.",
        ),
        Limit::Total => (
            format!("the provider took longer than {} seconds", limits.total.as_secs_f64()),
            "Try again over a faster connection, or raise the limit.",
        ),
        Limit::Memory => (
            format!("the provider needed more than {} MiB of memory", limits.memory >> 20),
            "Replace the provider with a repaired version, or raise the limit.",
        ),
        Limit::Crossing => (
            format!("the provider handed over more than {} MiB at once", limits.crossing >> 20),
            "Replace the provider with a repaired version.",
        ),
        Limit::Handles => (
            format!("the provider held more than {} handles at once", limits.handles),
            "Replace the provider with a repaired version.",
        ),
    };
    Error::new(ErrorKind::LimitExceeded, message).with_remedy(remedy).with_outcome(outcome(call))
}

/// A trap, or another reason why the guest returned no result.
pub(crate) fn broken(error: wasmtime::Error, call: &Call, last_words: Option<String>) -> Error {
    if call.has_hit_memory() {
        return exceeded(Limit::Memory, call);
    }
    if error.downcast_ref::<PoolConcurrencyLimitError>().is_some() {
        return Error::new(ErrorKind::Unavailable, "too many calls run at the same time")
            .with_remedy("Try again in a moment.")
            .with_outcome(Outcome::NotDone);
    }
    if let Some(why) = no_address_space(&*error) {
        return why.with_outcome(outcome(call));
    }
    let text = format!("{error:#}");
    // wasmtime does not export these two error types; tests check the wording.
    if text.contains("fuel allocated for hostcalls has been exhausted") {
        return exceeded(Limit::Crossing, call);
    }
    if text.contains("handle limit") || text.contains("resource table has no free keys") {
        return exceeded(Limit::Handles, call);
    }
    let what = match error.downcast_ref::<Trap>() {
        Some(Trap::UnreachableCodeReached) => "it aborted (a panic or similar)".to_owned(),
        Some(trap) => trap.to_string(),
        None => "it violated the contract".to_owned(),
    };
    if let Some(words) = last_words {
        tracing::debug!(target: "provider", %words, "last output before the fault");
    }
    Error::new(ErrorKind::ProviderFault, format!("the provider failed: {what}"))
        .with_remedy("See the log for its last output; replace it with a repaired version.")
        .with_outcome(outcome(call))
        .with_source(error.into_boxed_dyn_error())
}

/// The error if the system refused address space, for which no provider is to blame.
pub(crate) fn no_address_space(error: &(dyn std::error::Error + 'static)) -> Option<Error> {
    let refused = Error::new(ErrorKind::Misconfigured, "this process may not reserve more address space")
        .with_remedy("Raise its limit: `ulimit -v`, or `LimitAS=` in its systemd unit.");
    (refusal(error) == Some(Errno::NOMEM)).then_some(refused)
}

/// The error if the system refused memory for compiled code.
pub(crate) fn no_room_for_code(error: &(dyn std::error::Error + 'static)) -> Option<Error> {
    let message = "this process may not make memory executable, which compiled providers need";
    let refused = Error::new(ErrorKind::Misconfigured, message)
        .with_remedy("Allow it: `MemoryDenyWriteExecute=no` in its systemd unit, or `execmem` in SELinux.");
    match refusal(error)? {
        Errno::ACCESS | Errno::PERM => Some(refused),
        _ => no_address_space(error),
    }
}

/// The system's error below an error.
fn refusal(error: &(dyn std::error::Error + 'static)) -> Option<Errno> {
    let chain = std::iter::successors(Some(error), |error| error.source());
    let codes = chain.filter_map(|cause| {
        let io = cause.downcast_ref::<io::Error>().and_then(io::Error::raw_os_error);
        io.or_else(|| cause.downcast_ref::<Errno>().map(|code| code.raw_os_error()))
    });
    codes.last().map(Errno::from_raw_os_error)
}

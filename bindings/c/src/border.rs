//! The C boundary: no panic crosses it, and every failure is returned as a status and an owned error.

use std::any::Any;
use std::panic::{AssertUnwindSafe, catch_unwind};

use social_channel::{Error, ErrorKind, Result};

use crate::handle::{self, ErrorHandle, Handle};
use crate::{socialchannel_error, socialchannel_status};

/// Runs the body of a function that returns a status.
///
/// `error_out` is NULL or may be written, as the header demands. It is written on failure only.
pub(crate) unsafe fn enter(
    error_out: *mut *mut socialchannel_error,
    body: impl FnOnce() -> Result<()>,
) -> socialchannel_status {
    let Err(error) = caught(body).and_then(|result| result) else { return socialchannel_status::Ok };
    let status = socialchannel_status::from(error.kind);
    let _ = caught(|| note(&error));
    if !error_out.is_null() {
        // Creating the error's texts may panic too; without them the status still says what to do.
        if let Ok(id) = caught(|| handle::insert(Handle::Error(ErrorHandle::new(&error)))) {
            // SAFETY: not NULL, and the caller promised that it may be written.
            unsafe { error_out.write(id as *mut socialchannel_error) };
        }
    }
    status
}

/// Writes to the log what the caller cannot see: an error's JSON leaves out its causes. Other kinds tell all they know.
fn note(error: &Error) {
    use ErrorKind::{Internal, Other, ProviderFault, Unavailable};
    if matches!(error.kind, Internal | Other | ProviderFault | Unavailable) {
        tracing::warn!(target: "social_channel", ?error, "a call failed");
    }
}

/// Runs the body of a function that cannot report a failure to the caller.
pub(crate) fn enter_quietly<T>(fallback: T, body: impl FnOnce() -> T) -> T {
    caught(body).unwrap_or(fallback)
}

/// A panic becomes an error of kind `internal`.
///
/// Unwind safety: shared data is behind locks whose poisoning is handled, and local data is dropped.
pub(crate) fn caught<T>(body: impl FnOnce() -> T) -> Result<T> {
    catch_unwind(AssertUnwindSafe(body)).map_err(|payload| panicked(&*payload))
}

/// The message of a panic, for a bug report.
pub(crate) fn panicked(payload: &(dyn Any + Send)) -> Error {
    let text = payload
        .downcast_ref::<&str>()
        .copied()
        .or_else(|| payload.downcast_ref::<String>().map(String::as_str))
        .unwrap_or("no message");
    Error::internal(format!("the library panicked: {text}"))
        .with_remedy("report this as a bug of Social Channel; the host stays usable")
}

#[cfg(test)]
mod tests {
    use std::ptr;

    use super::*;

    #[test]
    fn a_panic_becomes_an_error_and_goes_no_further() {
        let mut error = ptr::null_mut();
        // SAFETY: `error` may be written.
        let status = unsafe { enter(&raw mut error, || panic!("on purpose")) };
        assert_eq!(status, socialchannel_status::Internal);
        let said = handle::error(error).unwrap();
        assert!(said.message.to_str().unwrap().contains("on purpose"));
        // SAFETY: NULL is allowed.
        assert_eq!(unsafe { enter(ptr::null_mut(), || panic!("again")) }, socialchannel_status::Internal);
        assert_eq!(enter_quietly(7, || panic!("and again")), 7);
        handle::remove(error as usize);
    }
}

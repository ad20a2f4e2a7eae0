//! Errors as owned objects, with the members of the library's [`Error`].

use std::ffi::{CStr, CString, c_char};
use std::ptr;
use std::sync::Arc;

use social_channel::{Error, ErrorKind, Outcome};

use crate::border::enter_quietly;
use crate::handle;
use crate::text::{c_string, json};
use crate::{socialchannel_error, socialchannel_status};

/// An error with its texts as C strings.
pub(crate) struct ErrorHandle {
    kind: ErrorKind,
    name: CString,
    pub(crate) message: CString,
    remedy: Option<CString>,
    code: Option<CString>,
    field: Option<CString>,
    trace_id: Option<CString>,
    provider: Option<CString>,
    operation: Option<CString>,
    outcome: Option<&'static CStr>,
    retry_after_ms: i64,
    json: CString,
}

impl ErrorHandle {
    pub(crate) fn new(error: &Error) -> Arc<Self> {
        let text = |text: &Option<String>| text.clone().map(c_string);
        let wait = error.retry_after.map(|wait| i64::try_from(wait.as_millis()).unwrap_or(i64::MAX));
        Arc::new(ErrorHandle {
            kind: error.kind,
            name: c_string(error.kind.name().to_owned()),
            message: c_string(error.message.clone()),
            remedy: text(&error.remedy),
            code: text(&error.code),
            field: text(&error.field),
            trace_id: text(&error.trace_id),
            provider: text(&error.provider),
            operation: text(&error.operation),
            outcome: error.outcome.map(|outcome| match outcome {
                Outcome::NotDone => c"not_done",
                Outcome::Unknown => c"unknown",
            }),
            retry_after_ms: wait.unwrap_or(-1),
            json: json(error).unwrap_or_default(),
        })
    }
}

/// A text of an error. It lives in the table until the error is freed, as the header promises.
fn text(error: *const socialchannel_error, of: impl FnOnce(&ErrorHandle) -> Option<&CStr>) -> *const c_char {
    enter_quietly(ptr::null(), || {
        handle::error(error).and_then(|error| of(&error).map(CStr::as_ptr)).unwrap_or(ptr::null())
    })
}

/// The status that the failing call returned; SOCIALCHANNEL_STATUS_INVALID_ARGUMENT for NULL and for an error
/// that was freed.
#[unsafe(no_mangle)]
pub extern "C" fn socialchannel_error_status(error: *const socialchannel_error) -> socialchannel_status {
    enter_quietly(socialchannel_status::Internal, || {
        handle::error(error).map_or(socialchannel_status::InvalidArgument, |error| error.kind.into())
    })
}

/// The kind's name, as in JSON: `rate_limited`. NULL only if `error` is NULL or was freed.
#[unsafe(no_mangle)]
pub extern "C" fn socialchannel_error_kind(error: *const socialchannel_error) -> *const c_char {
    text(error, |error| Some(&error.name))
}

/// What happened and why: one plain sentence. NULL only if `error` is NULL or was freed.
#[unsafe(no_mangle)]
pub extern "C" fn socialchannel_error_message(error: *const socialchannel_error) -> *const c_char {
    text(error, |error| Some(&error.message))
}

/// What the person or the operator can do now. NULL if unknown.
#[unsafe(no_mangle)]
pub extern "C" fn socialchannel_error_remedy(error: *const socialchannel_error) -> *const c_char {
    text(error, |error| error.remedy.as_deref())
}

/// The platform's own code, unchanged. With SOCIALCHANNEL_STATUS_INVALID_ARGUMENT, the library's own code:
/// `null_pointer`, `invalid_utf8`, `malformed_json`, `too_long`, `freed_handle`, `wrong_handle`,
/// `used_after_fork`, `called_from_callback`, `unbounded_wait`; for a program's own storage and HTTP also `wrong_size`,
/// `not_in_callback`, `answered_already`, `not_answered`, `no_status`, `no_header`, `no_room`. NULL if there is none.
#[unsafe(no_mangle)]
pub extern "C" fn socialchannel_error_code(error: *const socialchannel_error) -> *const c_char {
    text(error, |error| error.code.as_deref())
}

/// The parameter, setting, post field, option or permission that caused the failure. NULL if there is none.
#[unsafe(no_mangle)]
pub extern "C" fn socialchannel_error_field(error: *const socialchannel_error) -> *const c_char {
    text(error, |error| error.field.as_deref())
}

/// The platform's own reference for its support, for example a log id. NULL if there is none.
#[unsafe(no_mangle)]
pub extern "C" fn socialchannel_error_trace_id(error: *const socialchannel_error) -> *const c_char {
    text(error, |error| error.trace_id.as_deref())
}

/// The provider that was called. NULL if none was.
#[unsafe(no_mangle)]
pub extern "C" fn socialchannel_error_provider(error: *const socialchannel_error) -> *const c_char {
    text(error, |error| error.provider.as_deref())
}

/// The provider's call that failed, by its name in the contract (`get-profile`). NULL if none was made.
#[unsafe(no_mangle)]
pub extern "C" fn socialchannel_error_operation(error: *const socialchannel_error) -> *const c_char {
    text(error, |error| error.operation.as_deref())
}

/// What is known about the effect of the call: `not_done` (it changed nothing) or `unknown` (check before
/// trying again). NULL for calls without effects.
#[unsafe(no_mangle)]
pub extern "C" fn socialchannel_error_outcome(error: *const socialchannel_error) -> *const c_char {
    text(error, |error| error.outcome)
}

/// Milliseconds to wait before the next try; -1 if unknown.
#[unsafe(no_mangle)]
pub extern "C" fn socialchannel_error_retry_after_ms(error: *const socialchannel_error) -> i64 {
    enter_quietly(-1, || handle::error(error).map_or(-1, |error| error.retry_after_ms))
}

/// The whole error as JSON (schema: Error); absent members are left out. NULL only if `error` is NULL or was freed.
#[unsafe(no_mangle)]
pub extern "C" fn socialchannel_error_json(error: *const socialchannel_error) -> *const c_char {
    text(error, |error| Some(&error.json))
}

/// Frees an error and its texts. It does nothing for NULL, for an error that was already freed, and for an
/// error from before a fork.
#[unsafe(no_mangle)]
pub extern "C" fn socialchannel_error_free(error: *mut socialchannel_error) {
    enter_quietly((), || {
        if handle::error(error).is_some() {
            drop(handle::remove(error as usize));
        }
    });
}

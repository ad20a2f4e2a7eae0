//! The status that every function returns: the C column of the library's table of failures.

use std::ffi::c_char;

use social_channel::ErrorKind;

/// The result of a call, by what the caller does next. Numbers are grouped and never reused; a newer library
/// may return numbers that an older header does not have: treat those as SOCIALCHANNEL_STATUS_OTHER.
#[repr(C)]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[allow(non_camel_case_types, reason = "named as C names it")]
pub enum socialchannel_status {
    /// Done.
    Ok = 0,
    /// Fix the call: a pointer is NULL, text is not UTF-8, a document is malformed, a handle was freed or was
    /// opened before a fork.
    InvalidArgument = 100,
    /// Fix the request: a value is missing, too long, not offered or of the wrong form.
    InvalidRequest = 200,
    /// Connect the account again.
    Unauthorized = 201,
    /// Ask the person for one more permission; the error's field names it.
    Forbidden = 202,
    /// Look elsewhere.
    NotFound = 203,
    /// Change the content or the account; repeating it unchanged cannot help.
    Rejected = 204,
    /// Wait, then retry.
    RateLimited = 205,
    /// Retry with growing pauses.
    Unavailable = 206,
    /// Find out what happened; never retry blindly.
    OutcomeUnknown = 207,
    /// Use another provider.
    Unsupported = 208,
    /// Let the operator fix the settings.
    Misconfigured = 209,
    /// The person declined, or the platform did not let this person connect.
    AuthorizationDenied = 210,
    /// Wait for a new day or a raised allowance.
    QuotaExceeded = 211,
    /// Read the message.
    Other = 299,
    /// Ask the operator for the grant.
    DeniedByPolicy = 300,
    /// Raise a limit or shrink the work.
    LimitExceeded = 301,
    /// Replace the provider: it trapped or broke the contract.
    ProviderFault = 302,
    /// Install a provider that was built for this version of the contract.
    Incompatible = 310,
    /// The file is not a provider.
    LoadFailed = 311,
    /// Report a bug.
    Internal = 900,
}

impl From<ErrorKind> for socialchannel_status {
    fn from(kind: ErrorKind) -> Self {
        match kind {
            ErrorKind::InvalidArgument => Self::InvalidArgument,
            ErrorKind::InvalidRequest => Self::InvalidRequest,
            ErrorKind::Unauthorized => Self::Unauthorized,
            ErrorKind::Forbidden => Self::Forbidden,
            ErrorKind::NotFound => Self::NotFound,
            ErrorKind::Rejected => Self::Rejected,
            ErrorKind::RateLimited => Self::RateLimited,
            ErrorKind::Unavailable => Self::Unavailable,
            ErrorKind::OutcomeUnknown => Self::OutcomeUnknown,
            ErrorKind::Unsupported => Self::Unsupported,
            ErrorKind::Misconfigured => Self::Misconfigured,
            ErrorKind::AuthorizationDenied => Self::AuthorizationDenied,
            ErrorKind::QuotaExceeded => Self::QuotaExceeded,
            ErrorKind::Other => Self::Other,
            ErrorKind::DeniedByPolicy => Self::DeniedByPolicy,
            ErrorKind::LimitExceeded => Self::LimitExceeded,
            ErrorKind::ProviderFault => Self::ProviderFault,
            ErrorKind::Incompatible => Self::Incompatible,
            ErrorKind::LoadFailed => Self::LoadFailed,
            ErrorKind::Internal => Self::Internal,
        }
    }
}

/// The name of a status, as in JSON (`rate_limited`); `ok` for SOCIALCHANNEL_STATUS_OK, `other` for
/// a number this library does not know. Never NULL; valid until the process ends; not to be freed.
#[unsafe(no_mangle)]
pub extern "C" fn socialchannel_status_name(status: u32) -> *const c_char {
    let kind = ErrorKind::ALL.into_iter().find(|kind| kind.status() == status);
    let name = match kind {
        _ if status == 0 => c"ok",
        None | Some(ErrorKind::Other) => c"other",
        Some(ErrorKind::InvalidArgument) => c"invalid_argument",
        Some(ErrorKind::InvalidRequest) => c"invalid_request",
        Some(ErrorKind::Unauthorized) => c"unauthorized",
        Some(ErrorKind::Forbidden) => c"forbidden",
        Some(ErrorKind::NotFound) => c"not_found",
        Some(ErrorKind::Rejected) => c"rejected",
        Some(ErrorKind::RateLimited) => c"rate_limited",
        Some(ErrorKind::Unavailable) => c"unavailable",
        Some(ErrorKind::OutcomeUnknown) => c"outcome_unknown",
        Some(ErrorKind::Unsupported) => c"unsupported",
        Some(ErrorKind::Misconfigured) => c"misconfigured",
        Some(ErrorKind::AuthorizationDenied) => c"authorization_denied",
        Some(ErrorKind::QuotaExceeded) => c"quota_exceeded",
        Some(ErrorKind::DeniedByPolicy) => c"denied_by_policy",
        Some(ErrorKind::LimitExceeded) => c"limit_exceeded",
        Some(ErrorKind::ProviderFault) => c"provider_fault",
        Some(ErrorKind::Incompatible) => c"incompatible",
        Some(ErrorKind::LoadFailed) => c"load_failed",
        Some(ErrorKind::Internal) => c"internal",
    };
    name.as_ptr()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_and_names_are_those_of_the_table() {
        for kind in ErrorKind::ALL {
            assert_eq!(socialchannel_status::from(kind) as u32, kind.status(), "{kind}");
            // SAFETY: a text constant of the function.
            let name = unsafe { std::ffi::CStr::from_ptr(socialchannel_status_name(kind.status())) };
            assert_eq!(name.to_str().unwrap(), kind.name());
        }
    }
}

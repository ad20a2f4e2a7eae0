//! The table of failures.
//!
//! A kind is defined by what the caller does next. Every front door (Rust, C, HTTP, command line) uses its
//! column of this table. Errors from a provider are passed on unchanged.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// What the caller should do next.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum ErrorKind {
    /// Fix the call: a pointer is NULL, text is not UTF-8, a document is malformed.
    InvalidArgument,
    /// Fix the request: a value is missing, too long, not offered or of the wrong form.
    InvalidRequest,
    /// Connect the account again.
    Unauthorized,
    /// Ask the person for one more permission; `field` names it.
    Forbidden,
    /// Look elsewhere.
    NotFound,
    /// Change the content or the account; repeating it unchanged cannot help.
    Rejected,
    /// Wait, then retry.
    RateLimited,
    /// Retry with growing pauses.
    Unavailable,
    /// Find out what happened; never retry blindly.
    OutcomeUnknown,
    /// Use another provider.
    Unsupported,
    /// Let the operator fix the settings.
    Misconfigured,
    /// The person declined, or the platform did not let this person connect.
    AuthorizationDenied,
    /// Wait for a new day or a raised allowance.
    QuotaExceeded,
    /// Read the message.
    Other,
    /// Ask the operator for the grant.
    DeniedByPolicy,
    /// Raise a limit or shrink the work.
    LimitExceeded,
    /// Replace the provider: it trapped or broke the contract.
    ProviderFault,
    /// Install a provider that was built for this version of the contract.
    Incompatible,
    /// The file is not a provider.
    LoadFailed,
    /// Report a bug.
    Internal,
}

impl ErrorKind {
    /// All kinds, for tables and tests.
    pub const ALL: [ErrorKind; 20] = [
        ErrorKind::InvalidArgument,
        ErrorKind::InvalidRequest,
        ErrorKind::Unauthorized,
        ErrorKind::Forbidden,
        ErrorKind::NotFound,
        ErrorKind::Rejected,
        ErrorKind::RateLimited,
        ErrorKind::Unavailable,
        ErrorKind::OutcomeUnknown,
        ErrorKind::Unsupported,
        ErrorKind::Misconfigured,
        ErrorKind::AuthorizationDenied,
        ErrorKind::QuotaExceeded,
        ErrorKind::Other,
        ErrorKind::DeniedByPolicy,
        ErrorKind::LimitExceeded,
        ErrorKind::ProviderFault,
        ErrorKind::Incompatible,
        ErrorKind::LoadFailed,
        ErrorKind::Internal,
    ];

    /// The kind's name in JSON, URLs and logs.
    pub fn name(self) -> &'static str {
        match self {
            ErrorKind::InvalidArgument => "invalid_argument",
            ErrorKind::InvalidRequest => "invalid_request",
            ErrorKind::Unauthorized => "unauthorized",
            ErrorKind::Forbidden => "forbidden",
            ErrorKind::NotFound => "not_found",
            ErrorKind::Rejected => "rejected",
            ErrorKind::RateLimited => "rate_limited",
            ErrorKind::Unavailable => "unavailable",
            ErrorKind::OutcomeUnknown => "outcome_unknown",
            ErrorKind::Unsupported => "unsupported",
            ErrorKind::Misconfigured => "misconfigured",
            ErrorKind::AuthorizationDenied => "authorization_denied",
            ErrorKind::QuotaExceeded => "quota_exceeded",
            ErrorKind::Other => "other",
            ErrorKind::DeniedByPolicy => "denied_by_policy",
            ErrorKind::LimitExceeded => "limit_exceeded",
            ErrorKind::ProviderFault => "provider_fault",
            ErrorKind::Incompatible => "incompatible",
            ErrorKind::LoadFailed => "load_failed",
            ErrorKind::Internal => "internal",
        }
    }

    /// The status of the C interface. Numbers are grouped and never reused.
    pub fn status(self) -> u32 {
        match self {
            ErrorKind::InvalidArgument => 100,
            ErrorKind::InvalidRequest => 200,
            ErrorKind::Unauthorized => 201,
            ErrorKind::Forbidden => 202,
            ErrorKind::NotFound => 203,
            ErrorKind::Rejected => 204,
            ErrorKind::RateLimited => 205,
            ErrorKind::Unavailable => 206,
            ErrorKind::OutcomeUnknown => 207,
            ErrorKind::Unsupported => 208,
            ErrorKind::Misconfigured => 209,
            ErrorKind::AuthorizationDenied => 210,
            ErrorKind::QuotaExceeded => 211,
            ErrorKind::Other => 299,
            ErrorKind::DeniedByPolicy => 300,
            ErrorKind::LimitExceeded => 301,
            ErrorKind::ProviderFault => 302,
            ErrorKind::Incompatible => 310,
            ErrorKind::LoadFailed => 311,
            ErrorKind::Internal => 900,
        }
    }

    /// The status of the HTTP interface. 401 and 403 are reserved for the caller's access to that service.
    pub fn http_status(self) -> u16 {
        match self {
            ErrorKind::InvalidArgument | ErrorKind::InvalidRequest => 400,
            ErrorKind::NotFound => 404,
            // The caller's file is not a provider, or is for another host; this is not a failure of the service.
            ErrorKind::Rejected | ErrorKind::Incompatible | ErrorKind::LoadFailed => 422,
            ErrorKind::Unauthorized
            | ErrorKind::Forbidden
            | ErrorKind::Misconfigured
            | ErrorKind::AuthorizationDenied
            | ErrorKind::DeniedByPolicy => 424,
            ErrorKind::RateLimited | ErrorKind::QuotaExceeded => 429,
            ErrorKind::Internal => 500,
            ErrorKind::Unsupported => 501,
            ErrorKind::Other | ErrorKind::ProviderFault => 502,
            ErrorKind::Unavailable => 503,
            ErrorKind::OutcomeUnknown | ErrorKind::LimitExceeded => 504,
        }
    }

    /// The exit code of the command line: 1 the user can fix it, 2 otherwise.
    pub fn exit_code(self) -> u8 {
        match self {
            ErrorKind::InvalidArgument
            | ErrorKind::InvalidRequest
            | ErrorKind::Unauthorized
            | ErrorKind::Forbidden
            | ErrorKind::NotFound
            | ErrorKind::Rejected
            | ErrorKind::Unsupported
            | ErrorKind::Misconfigured
            | ErrorKind::AuthorizationDenied
            | ErrorKind::DeniedByPolicy
            | ErrorKind::Incompatible
            | ErrorKind::LoadFailed => 1,
            ErrorKind::RateLimited
            | ErrorKind::Unavailable
            | ErrorKind::OutcomeUnknown
            | ErrorKind::QuotaExceeded
            | ErrorKind::Other
            | ErrorKind::LimitExceeded
            | ErrorKind::ProviderFault
            | ErrorKind::Internal => 2,
        }
    }

    /// Whether the same call may succeed later without any change.
    pub fn is_retryable(self) -> bool {
        matches!(self, ErrorKind::RateLimited | ErrorKind::QuotaExceeded | ErrorKind::Unavailable)
    }
}

impl fmt::Display for ErrorKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// What is known about the effect of a failed call.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Outcome {
    /// It changed nothing.
    NotDone,
    /// It may have had its effect: check before trying again.
    Unknown,
}

/// Why a call failed, for a program (`kind`, `code`) and for a person (`message`, `remedy`).
///
/// Never holds a credential. In JSON the members are those of this structure; absent ones are left out.
#[derive(Clone, Serialize, Deserialize, JsonSchema, thiserror::Error)]
#[error("{message}")]
pub struct Error {
    /// What the caller should do next.
    pub kind: ErrorKind,
    /// One plain sentence.
    pub message: String,
    /// What the person or the operator can do about it.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub remedy: Option<String>,
    /// The platform's own code, unchanged.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub code: Option<String>,
    /// The setting, post field, option or permission that caused the failure.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub field: Option<String>,
    /// Milliseconds to wait before the next try.
    #[serde(rename = "retry_after_ms", skip_serializing_if = "Option::is_none", default)]
    #[schemars(with = "Option<u64>")]
    #[serde(with = "millis")]
    pub retry_after: Option<Duration>,
    /// The platform's own reference for its support (for example a log id).
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub trace_id: Option<String>,
    /// The provider that was called.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub provider: Option<String>,
    /// The call that failed, by its name in the contract (for example `get-profile`).
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub operation: Option<String>,
    /// For calls with effects: what is known about the effect.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub outcome: Option<Outcome>,
    /// The cause, for logs; not for parsing.
    #[serde(skip)]
    #[source]
    pub source: Option<Arc<dyn std::error::Error + Send + Sync>>,
}

/// The result of every call of this library.
pub type Result<T, E = Error> = std::result::Result<T, E>;

impl Error {
    /// A failure with its kind and message.
    pub fn new(kind: ErrorKind, message: impl Into<String>) -> Self {
        Error {
            kind,
            message: message.into(),
            remedy: None,
            code: None,
            field: None,
            retry_after: None,
            trace_id: None,
            provider: None,
            operation: None,
            outcome: None,
            source: None,
        }
    }

    /// A bug in this library, or an unexpected condition.
    pub fn internal(message: impl Into<String>) -> Self {
        Error::new(ErrorKind::Internal, message)
    }

    /// Sets the remedy.
    #[must_use]
    pub fn with_remedy(mut self, remedy: impl Into<String>) -> Self {
        self.remedy = Some(remedy.into());
        self
    }

    /// Names the setting, field, option or permission that caused the failure.
    #[must_use]
    pub fn with_field(mut self, field: impl Into<String>) -> Self {
        self.field = Some(field.into());
        self
    }

    /// Sets the platform's code.
    #[must_use]
    pub fn with_code(mut self, code: impl Into<String>) -> Self {
        self.code = Some(code.into());
        self
    }

    /// Sets how long to wait.
    #[must_use]
    pub fn with_retry_after(mut self, wait: Duration) -> Self {
        self.retry_after = Some(wait);
        self
    }

    /// Sets the provider and the call.
    #[must_use]
    pub fn during(mut self, provider: &str, operation: &str) -> Self {
        self.provider.get_or_insert_with(|| provider.to_owned());
        self.operation.get_or_insert_with(|| operation.to_owned());
        self
    }

    /// Sets what is known about the effect.
    #[must_use]
    pub fn with_outcome(mut self, outcome: Outcome) -> Self {
        self.outcome = Some(outcome);
        self
    }

    /// Sets the cause.
    #[must_use]
    pub fn with_source(mut self, source: impl Into<Box<dyn std::error::Error + Send + Sync>>) -> Self {
        self.source = Some(Arc::from(source.into()));
        self
    }

    /// See [`ErrorKind::is_retryable`].
    pub fn is_retryable(&self) -> bool {
        self.kind.is_retryable()
    }
}

impl fmt::Debug for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut out = f.debug_struct("Error");
        out.field("kind", &self.kind).field("message", &self.message);
        for (name, value) in [
            ("remedy", &self.remedy),
            ("code", &self.code),
            ("field", &self.field),
            ("trace_id", &self.trace_id),
            ("provider", &self.provider),
            ("operation", &self.operation),
        ] {
            if let Some(value) = value {
                out.field(name, value);
            }
        }
        if let Some(wait) = self.retry_after {
            out.field("retry_after", &wait);
        }
        if let Some(outcome) = self.outcome {
            out.field("outcome", &outcome);
        }
        if let Some(source) = &self.source {
            out.field("source", source);
        }
        out.finish()
    }
}

mod millis {
    use super::Duration;
    use serde::{Deserialize, Deserializer, Serializer};

    pub(super) fn serialize<S: Serializer>(value: &Option<Duration>, to: S) -> Result<S::Ok, S::Error> {
        match value {
            Some(value) => to.serialize_u64(u64::try_from(value.as_millis()).unwrap_or(u64::MAX)),
            None => to.serialize_none(),
        }
    }

    pub(super) fn deserialize<'a, D: Deserializer<'a>>(from: D) -> Result<Option<Duration>, D::Error> {
        Ok(Option::<u64>::deserialize(from)?.map(Duration::from_millis))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::HashSet;

    #[test]
    fn every_kind_has_a_row_of_its_own() {
        let names: HashSet<_> = ErrorKind::ALL.iter().map(|kind| kind.name()).collect();
        let statuses: HashSet<_> = ErrorKind::ALL.iter().map(|kind| kind.status()).collect();
        assert_eq!(names.len(), ErrorKind::ALL.len());
        assert_eq!(statuses.len(), ErrorKind::ALL.len());
        for kind in ErrorKind::ALL {
            assert!(matches!(kind.exit_code(), 1 | 2), "{kind}");
            assert!((400..600).contains(&kind.http_status()), "{kind}");
            assert_eq!(serde_json::to_value(kind).unwrap(), kind.name());
        }
    }

    #[test]
    fn json_keeps_everything_but_the_cause() {
        let error = Error::new(ErrorKind::RateLimited, "too fast")
            .with_remedy("wait a minute")
            .with_code("rate_limit_exceeded")
            .with_field("x")
            .with_retry_after(Duration::from_secs(60))
            .with_outcome(Outcome::NotDone)
            .with_source("secret cause")
            .during("demo", "get-profile");
        let json = serde_json::to_string(&error).unwrap();
        assert!(!json.contains("secret cause"));
        let back: Error = serde_json::from_str(&json).unwrap();
        assert_eq!(serde_json::to_string(&back).unwrap(), json);
        assert_eq!(back.retry_after, Some(Duration::from_secs(60)));
    }
}

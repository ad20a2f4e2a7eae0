//! Findings about a post or a setting.

use social_channel_provider::{Finding, Severity};

pub(crate) fn finding(severity: Severity, subject: &str, message: &str, remedy: Option<&str>) -> Finding {
    Finding { remedy: remedy.map(str::to_owned), ..Finding::new(severity, subject, message) }
}

/// A finding that prevents the post.
pub(crate) fn error(subject: &str, message: impl AsRef<str>, remedy: &str) -> Finding {
    finding(Severity::Error, subject, message.as_ref(), Some(remedy))
}

/// A finding that may prevent the post.
pub(crate) fn warning(subject: &str, message: &str, remedy: &str) -> Finding {
    finding(Severity::Warning, subject, message, Some(remedy))
}

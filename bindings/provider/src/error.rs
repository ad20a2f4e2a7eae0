//! Building the contract's error record.

use crate::types::{Error, ErrorKind};

impl Error {
    /// An error with a message of one plain sentence, which must not contain a credential.
    #[must_use]
    pub fn new(kind: ErrorKind, message: impl Into<String>) -> Self {
        Self {
            kind,
            message: message.into(),
            remedy: None,
            code: None,
            field: None,
            retry_after: None,
            trace_id: None,
            details: Vec::new(),
        }
    }

    /// What the person or the operator can do about it.
    #[must_use]
    pub fn remedy(mut self, remedy: impl Into<String>) -> Self {
        self.remedy = Some(remedy.into());
        self
    }

    /// The platform's own code, unchanged.
    #[must_use]
    pub fn code(mut self, code: impl Into<String>) -> Self {
        self.code = Some(code.into());
        self
    }

    /// The setting, post field, option or permission that caused the failure.
    #[must_use]
    pub fn field(mut self, field: impl Into<String>) -> Self {
        self.field = Some(field.into());
        self
    }

    /// How long to wait, in milliseconds.
    #[must_use]
    pub fn retry_after_ms(mut self, milliseconds: u64) -> Self {
        self.retry_after = Some(milliseconds);
        self
    }

    /// The platform's own reference for its support.
    #[must_use]
    pub fn trace_id(mut self, id: Option<String>) -> Self {
        self.trace_id = id;
        self
    }
}

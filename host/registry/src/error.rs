//! Why something cannot be fetched, trusted or pushed.

/// What failed, by what the caller does next.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ErrorKind {
    /// The reference, key or file is not written correctly.
    Invalid,
    /// There is no such component.
    NotFound,
    /// The signature, or the address, is not one that the operator allows.
    Refused,
    /// The registry wants other credentials.
    Unauthorized,
    /// The registry cannot be reached or does not answer; worth repeating.
    Unavailable,
    /// What came is not what was promised: another digest, a body that ended early, no component.
    Corrupt,
    /// It is larger than allowed.
    TooLarge,
}

/// A failure, with what to do about it.
#[derive(Clone, Debug, thiserror::Error)]
#[error("{message}")]
pub struct Error {
    /// What the caller does next.
    pub kind: ErrorKind,
    /// What happened. Holds no secret and no query of a URL.
    pub message: String,
    /// What to do now.
    pub remedy: String,
}

/// The result of this crate's functions.
pub type Result<T, E = Error> = std::result::Result<T, E>;

impl Error {
    pub(crate) fn new(kind: ErrorKind, message: impl Into<String>, remedy: impl Into<String>) -> Self {
        Error { kind, message: message.into(), remedy: remedy.into() }
    }

    pub(crate) fn invalid(message: impl Into<String>, remedy: impl Into<String>) -> Self {
        Self::new(ErrorKind::Invalid, message, remedy)
    }

    pub(crate) fn corrupt(message: impl Into<String>) -> Self {
        Self::new(
            ErrorKind::Corrupt,
            message,
            "fetch it again; if it happens again, the registry or something before it is broken",
        )
    }
}

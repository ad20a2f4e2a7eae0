//! Failures of the command line itself. All others come from the library.

use social_channel::{Error, ErrorKind};

/// The program was asked to stop before the work was done. Nothing failed.
#[derive(Debug)]
pub(crate) struct Stopped {
    /// What was not finished.
    pub(crate) message: String,
    /// How to continue.
    pub(crate) remedy: String,
}

impl std::fmt::Display for Stopped {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&self.message)
    }
}

impl std::error::Error for Stopped {}

/// A user's mistake that the command line detects.
pub(crate) fn wrong(message: impl Into<String>, remedy: impl Into<String>) -> Error {
    Error::new(ErrorKind::InvalidArgument, message).with_remedy(remedy)
}

/// A file that cannot be read.
pub(crate) fn unreadable(path: &std::path::Path, error: std::io::Error) -> Error {
    Error::new(ErrorKind::InvalidArgument, format!("{} cannot be read", path.display()))
        .with_remedy("check the path and the permissions of the file")
        .with_source(error)
}

//! Versions of a schema, and which programs may use which: while a platform is upgraded machine by machine, older
//! programs go on beside newer ones.

use social_channel_runtime::error::{Error, ErrorKind, Result};

/// The key in `meta` of the oldest version whose programs may use the database, as a decimal number.
pub(super) const OLDEST: &str = "schema-oldest";

/// One step of a schema: applied once, and never changed after its release.
#[derive(Clone, Copy, Debug)]
pub(super) struct SchemaStep {
    pub(super) sql: &'static str,
    /// The oldest version whose programs work on beside it. A step that only adds leaves it as it was before; what is no
    /// longer used is removed by a step of a later release, which raises it.
    pub(super) oldest: usize,
}

impl SchemaStep {
    /// A step that programs of the version before it cannot work with.
    pub(super) const fn alone(version: usize, sql: &'static str) -> Self {
        SchemaStep { sql, oldest: version }
    }
}

/// Whether a program that knows versions up to `known` may use a database of version `done`, which was made by a newer
/// one. `oldest` is the value of [`OLDEST`].
///
/// # Errors
/// `Unavailable` if not.
pub(super) fn check_newer(done: usize, known: usize, oldest: Option<&[u8]>) -> Result<()> {
    let oldest = oldest.and_then(|oldest| std::str::from_utf8(oldest).ok()?.parse::<usize>().ok());
    if oldest.is_some_and(|oldest| oldest <= known) {
        return Ok(());
    }
    Err(newer(done, known))
}

/// The error of a program that must know all of a schema, and does not.
pub(super) fn newer(done: usize, known: usize) -> Error {
    let message = format!("its schema is version {done}, and this program knows versions up to {known}");
    Error::new(ErrorKind::Unavailable, message)
        .with_remedy("use the newer program that made it, or a copy of the database from before that")
}

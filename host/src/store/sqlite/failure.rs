//! Failures of the database, as sentences with a remedy.

use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use social_channel_runtime::error::{Error, ErrorKind};
use sqlx::sqlite::SqliteRow;

use crate::store::row::{self, driver_row};

driver_row!(SqliteRow, failure);

/// When a page was last found damaged. SQLite keeps the pages that it has read, so a connection from
/// before that would go on with a damaged one after the file was mended. Of the process, because a failure does not
/// know its pool; another database only opens its connections once more.
static DOUBTED: Mutex<Option<Instant>> = Mutex::new(None);

/// Whether a connection of this age may hold a damaged page.
pub(super) fn is_doubted(age: Duration) -> bool {
    let doubted = DOUBTED.lock().unwrap_or_else(PoisonError::into_inner);
    doubted.is_some_and(|at| age >= at.elapsed())
}

/// SQLite's code without the details in its higher bytes (sqlite.org/rescode.html).
fn primary_code(error: &dyn sqlx::error::DatabaseError) -> i64 {
    error.code().and_then(|code| code.parse::<i64>().ok()).unwrap_or_default() & 0xFF
}

/// Whether a failed transaction may have left its connection in a state that sqlx does not know: on a full or broken
/// disk SQLite rolls back by itself (sqlite.org/lang_transaction.html, section 3). Such a connection is closed, and the
/// next write opens a new one.
pub(super) fn is_suspect(error: &sqlx::Error) -> bool {
    match error {
        // Only the statement failed, and the transaction is still open: a constraint (19), or another writer (5, 6).
        sqlx::Error::Database(inner) => !matches!(primary_code(&**inner), 5 | 6 | 19),
        // The row was not as expected.
        sqlx::Error::RowNotFound
        | sqlx::Error::Decode(_)
        | sqlx::Error::ColumnDecode { .. }
        | sqlx::Error::ColumnNotFound(_)
        | sqlx::Error::ColumnIndexOutOfBounds { .. } => false,
        _ => true,
    }
}

/// Translates a database error to a sentence and a remedy.
pub(super) fn failure(error: sqlx::Error) -> Error {
    if let Some(damage) = row::damage(&error) {
        return damage.with_source(error);
    }
    // A page (11), the whole file (26). Not the disk (10): what was read is right then, and where nothing can be written
    // no new connection can be opened.
    if let sqlx::Error::Database(inner) = &error
        && matches!(primary_code(&**inner), 11 | 26)
    {
        *DOUBTED.lock().unwrap_or_else(PoisonError::into_inner) = Some(Instant::now());
    }
    let (message, remedy) = match &error {
        sqlx::Error::Database(inner) => match primary_code(&**inner) {
            5 | 6 => (
                "the database is locked by another process".to_owned(),
                "end programs that keep the database open for long, such as a backup, and try again",
            ),
            13 => (
                "the disk is full".to_owned(),
                "free disk space; only the last write failed, no stored data was lost",
            ),
            // As the system puts it; at a start also a full disk is told this way.
            10 => (
                format!("the disk is full, or it fails ({})", inner.message()),
                "free disk space; if there is enough, check the disk",
            ),
            8 => (
                "the database cannot be written".to_owned(),
                "make the file and its folder writable for this user",
            ),
            14 => (
                "the database file cannot be opened".to_owned(),
                "check that its folder exists and is writable",
            ),
            11 | 26 => (
                "the file is not a database, or it is damaged".to_owned(),
                "name another file, or restore the last backup",
            ),
            _ => (format!("the database refused: {}", inner.message()), "see the log for the cause"),
        },
        sqlx::Error::Io(inner) => (
            format!("the database cannot be read: {inner}"),
            "check the disk and the permissions of the file",
        ),
        other => (format!("the database failed: {other}"), "see the log for the cause"),
    };
    Error::new(ErrorKind::Unavailable, message).with_remedy(remedy).with_source(error)
}

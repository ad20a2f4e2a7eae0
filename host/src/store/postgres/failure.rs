//! Failures of the database, as sentences with a remedy; and which of them are gone at the next try.

use social_channel_runtime::error::{Error, ErrorKind};
use sqlx::postgres::PgRow;

use crate::store::remote::{Passing, is_about_encryption, not_encrypted};
use crate::store::row::{self, driver_row};

driver_row!(PgRow, failure);

/// What is gone at the next try.
pub(super) fn passing(error: &sqlx::Error) -> Option<Passing> {
    match error {
        sqlx::Error::Database(inner) => match inner.code().as_deref().unwrap_or_default() {
            // Serialization failure, deadlock, lock timeout; foreign key and unique violations, which only arise where
            // another transaction changed what this one had looked at.
            "40001" | "40P01" | "55P03" | "23503" | "23505" => Some(Passing::Outrun),
            // The server stops, crashed, or does not take connections yet; the connection sat in a transaction too long.
            "57P01" | "57P02" | "57P03" | "25P03" => Some(Passing::Away),
            code if code.starts_with("08") => Some(Passing::Away),
            // A newer program changed a table meanwhile, and this connection has prepared for the table before. Nothing was
            // done, and the connections of that time are replaced. PostgreSQL has no codes of their own for these.
            "0A000" | "42804" if is_stale_statement(inner.as_ref()) => Some(Passing::Away),
            _ => None,
        },
        sqlx::Error::Io(_) | sqlx::Error::Protocol(_) | sqlx::Error::BeginFailed => Some(Passing::Away),
        _ => None,
    }
}

fn is_stale_statement(error: &dyn sqlx::error::DatabaseError) -> bool {
    error
        .try_downcast_ref::<sqlx::postgres::PgDatabaseError>()
        .and_then(|error| error.routine())
        // A statement's columns; the columns that a function returns.
        .is_some_and(|routine| ["RevalidateCachedQuery", "build_attrmap_by_position"].contains(&routine))
}

/// Whether other connections from before now may be gone as well.
pub(super) fn is_away(error: &sqlx::Error) -> bool {
    passing(error) == Some(Passing::Away)
}

/// Translates a database error to a sentence and a remedy.
pub(super) fn failure(error: sqlx::Error) -> Error {
    if let Some(damage) = row::damage(&error) {
        return damage.with_source(error);
    }
    let (kind, message, remedy) = match &error {
        sqlx::Error::Database(inner) => refusal(inner.code().as_deref().unwrap_or_default(), inner.message()),
        sqlx::Error::Io(inner) if is_about_encryption(inner) => not_encrypted(
            inner,
            "check the server's certificate, and `sslmode` and `sslrootcert` in the database's URL",
        ),
        sqlx::Error::Io(inner) => (
            ErrorKind::Unavailable,
            format!("the database cannot be reached: {inner}"),
            "check that PostgreSQL runs, and the host and the port in the database's URL",
        ),
        sqlx::Error::PoolTimedOut => (
            ErrorKind::Unavailable,
            "the database gave no connection in time".to_owned(),
            "check that PostgreSQL runs; if it does, raise `pool_size` in the database's URL",
        ),
        sqlx::Error::PoolClosed => {
            (ErrorKind::Unavailable, "the database is closed".to_owned(), "open the host again")
        }
        sqlx::Error::Tls(inner) => not_encrypted(
            inner,
            "check the server's certificate, and `sslmode` and `sslrootcert` in the database's URL",
        ),
        other => {
            (ErrorKind::Unavailable, format!("the database failed: {other}"), "see the log for the cause")
        }
    };
    Error::new(kind, message).with_remedy(remedy).with_source(error)
}

/// By PostgreSQL's codes (postgresql.org/docs/current/errcodes-appendix.html).
fn refusal(code: &str, message: &str) -> (ErrorKind, String, &'static str) {
    match code {
        "28P01" | "28000" => (
            ErrorKind::Misconfigured,
            format!("the database refused the login: {message}"),
            "check user and password in the database's URL, and the server's pg_hba.conf",
        ),
        "3D000" => (
            ErrorKind::Misconfigured,
            format!("the database does not exist: {message}"),
            "make it (`createdb`), or name another one in the database's URL",
        ),
        "42501" => (
            ErrorKind::Misconfigured,
            format!("the database's user may not do this: {message}"),
            "let the user own the schema, or make the schema for it: CREATE SCHEMA social_channel AUTHORIZATION its_name",
        ),
        "25006" => (
            ErrorKind::Unavailable,
            "the database is read-only: it is a standby, or it was made read-only".to_owned(),
            "name the primary in the database's URL, and see `default_transaction_read_only`",
        ),
        "53300" => (
            ErrorKind::Unavailable,
            "the database has no connection left".to_owned(),
            "raise `max_connections` of the server, or lower `pool_size` in the database's URL",
        ),
        "53100" => (
            ErrorKind::Unavailable,
            "the disk of the database is full".to_owned(),
            "free disk space there; only the last write failed, no stored data was lost",
        ),
        "57P01" | "57P02" | "57P03" => (
            ErrorKind::Unavailable,
            "the database is starting or stopping".to_owned(),
            "try again in a moment; see PostgreSQL's log if it lasts",
        ),
        "57014" => (
            ErrorKind::Unavailable,
            "the database took too long for a statement".to_owned(),
            "see the load of the server; the limit is options[statement_timeout] in the database's URL",
        ),
        "55P03" | "40001" | "40P01" => (
            ErrorKind::Unavailable,
            "the database is busy: other transactions hold what this one needs".to_owned(),
            "try again; see pg_stat_activity for what runs long",
        ),
        "42P01" | "42703" | "42883" => (
            ErrorKind::Unavailable,
            format!("the database lacks something: {message}"),
            "restore the last backup; changes of the tables by hand are not supported",
        ),
        _ => {
            (ErrorKind::Unavailable, format!("the database refused: {message}"), "see the log for the cause")
        }
    }
}

//! Failures of the database, as sentences with a remedy; and which of them are gone at the next try.

use social_channel_runtime::error::{Error, ErrorKind};
use sqlx::mysql::{MySqlDatabaseError, MySqlQueryResult, MySqlRow};
use sqlx::{Row as _, ValueRef as _};

use crate::store::remote::{Passing, is_about_encryption, not_encrypted};
use crate::store::row::{self, DriverRow};

/// Texts are columns of bytes, which the driver does not read as texts unless it is told to.
impl DriverRow for MySqlRow {
    fn has_name(&self) -> sqlx::Result<bool> {
        Ok(!self.try_get_raw(0)?.is_null())
    }

    fn name(&self) -> Vec<u8> {
        self.try_get_unchecked(0).unwrap_or_default()
    }

    fn text(&self, column: &str) -> sqlx::Result<&str> {
        self.try_get_unchecked(column)
    }

    fn failure(error: sqlx::Error) -> Error {
        failure(error)
    }
}

/// The server's number of an error. The numbers of MySQL and MariaDB below 1900 mean the same.
pub(super) fn number(error: &sqlx::Error) -> Option<u16> {
    let sqlx::Error::Database(inner) = error else { return None };
    Some(inner.try_downcast_ref::<MySqlDatabaseError>()?.number())
}

/// What is gone at the next try.
pub(super) fn passing(error: &sqlx::Error) -> Option<Passing> {
    match error {
        sqlx::Error::Database(_) => match number(error)? {
            // Lock timeout, deadlock (also what a cluster's other server refuses at the commit); duplicate keys and foreign
            // keys, which only arise where another transaction changed what this one had looked at; a table or a
            // statement that must be looked at again after an upgrade.
            1205 | 1213 | 1062 | 1451 | 1452 | 1412 | 1615 | 1020 => Some(Passing::Outrun),
            // The server stops; the connection was ended by somebody, or because it did nothing for too long; a server of
            // a cluster that does not take part yet.
            1053 | 1152 | 1158..=1161 | 1927 | 4031 | 1047 => Some(Passing::Away),
            _ => None,
        },
        sqlx::Error::Io(_) | sqlx::Error::Protocol(_) | sqlx::Error::BeginFailed => Some(Passing::Away),
        _ => None,
    }
}

/// Whether other connections from before now may be gone as well.
pub(super) fn is_away(error: &sqlx::Error) -> bool {
    passing(error) == Some(Passing::Away)
}

/// Whether the server takes no writes.
pub(super) fn is_read_only(error: &sqlx::Error) -> bool {
    matches!(number(error), Some(1290 | 1836 | 1792))
}

/// Whether a row with this key was there already.
pub(super) fn is_duplicate(error: &sqlx::Error) -> bool {
    number(error) == Some(1062)
}

/// Whether an insert made a row, and not found another with its key. A refused statement does not end the transaction.
/// `INSERT IGNORE` would not do: it also cuts off what is too long.
pub(super) fn is_new(inserted: sqlx::Result<MySqlQueryResult>) -> sqlx::Result<bool> {
    match inserted {
        Ok(_) => Ok(true),
        Err(error) if is_duplicate(&error) => Ok(false),
        Err(error) => Err(error),
    }
}

/// Translates a database error to a sentence and a remedy.
pub(super) fn failure(error: sqlx::Error) -> Error {
    if let Some(damage) = row::damage(&error) {
        return damage.with_source(error);
    }
    let (kind, message, remedy) = match &error {
        sqlx::Error::Database(inner) => refusal(number(&error).unwrap_or_default(), inner.message()),
        sqlx::Error::Io(inner) if is_about_encryption(inner) => not_encrypted(
            inner,
            "check the server's certificate, and `ssl-mode` and `ssl-ca` in the database's URL",
        ),
        sqlx::Error::Io(inner) => (
            ErrorKind::Unavailable,
            format!("the database cannot be reached: {inner}"),
            "check that MySQL or MariaDB runs, and the host and the port in the database's URL",
        ),
        sqlx::Error::PoolTimedOut => (
            ErrorKind::Unavailable,
            "the database gave no connection in time".to_owned(),
            "check that MySQL or MariaDB runs; if it does, raise `pool_size` in the database's URL",
        ),
        sqlx::Error::PoolClosed => {
            (ErrorKind::Unavailable, "the database is closed".to_owned(), "open the host again")
        }
        sqlx::Error::Tls(inner) => not_encrypted(
            inner,
            "check the server's certificate, and `ssl-mode` and `ssl-ca` in the database's URL",
        ),
        // The only one after the URL was read: the first login with `caching_sha2_password`.
        sqlx::Error::Configuration(_) => (
            ErrorKind::Misconfigured,
            "the database wants the password encrypted, and the connection is not".to_owned(),
            "let the server offer TLS, as MySQL does by itself, and leave ssl-mode out of the database's URL or raise it",
        ),
        other => {
            (ErrorKind::Unavailable, format!("the database failed: {other}"), "see the log for the cause")
        }
    };
    Error::new(kind, message).with_remedy(remedy).with_source(error)
}

/// By the servers' numbers (dev.mysql.com/doc/mysql-errors, mariadb.com/kb/en/mariadb-error-code-reference).
fn refusal(number: u16, message: &str) -> (ErrorKind, String, &'static str) {
    match number {
        1045 | 1698 | 1130 | 1251 => (
            ErrorKind::Misconfigured,
            format!("the database refused the login: {message}"),
            "check user and password in the database's URL, and from which hosts the user may come",
        ),
        1049 => (
            ErrorKind::Misconfigured,
            format!("the database does not exist: {message}"),
            "make it (CREATE DATABASE), or name another one in the database's URL",
        ),
        1044 | 1142 | 1143 | 1227 | 1370 => (
            ErrorKind::Misconfigured,
            format!("the database's user may not do this: {message}"),
            "give the user SELECT, INSERT, UPDATE, DELETE, CREATE, ALTER, INDEX and REFERENCES on this database",
        ),
        1290 | 1836 | 1792 => (
            ErrorKind::Unavailable,
            "the database is read-only: it is a replica, or it was made read-only".to_owned(),
            "name the primary in the database's URL, and see `read_only`",
        ),
        1040 | 1203 | 1226 => (
            ErrorKind::Unavailable,
            "the database has no connection left".to_owned(),
            "raise `max_connections` of the server, or lower `pool_size` in the database's URL",
        ),
        1021 | 1114 => (
            ErrorKind::Unavailable,
            "the disk of the database is full".to_owned(),
            "free disk space there; only the last write failed, no stored data was lost",
        ),
        1053 | 1927 | 1047 => (
            ErrorKind::Unavailable,
            "the database is starting or stopping".to_owned(),
            "try again in a moment; see the server's log if it lasts",
        ),
        1317 | 1969 | 3024 => (
            ErrorKind::Unavailable,
            "the database took too long for a statement".to_owned(),
            "see the load of the server; the limit is `statement_timeout` in the database's URL",
        ),
        1205 | 1213 => (
            ErrorKind::Unavailable,
            "the database is busy: other transactions hold what this one needs".to_owned(),
            "try again; see SHOW ENGINE INNODB STATUS for what runs long",
        ),
        1665 => (
            ErrorKind::Misconfigured,
            "the database logs statements and not rows, which does not go with READ COMMITTED".to_owned(),
            "set binlog_format = ROW (or MIXED) in the server's configuration",
        ),
        1153 => (
            ErrorKind::Misconfigured,
            format!("a value is larger than the database takes: {message}"),
            "raise `max_allowed_packet` of the server to 16M or more",
        ),
        1406 => (
            ErrorKind::InvalidRequest,
            format!("a text is longer than the database holds: {message}"),
            "shorten it",
        ),
        1146 | 1054 => (
            ErrorKind::Unavailable,
            format!("the database lacks something: {message}"),
            "restore the last backup; changes of the tables by hand are not supported",
        ),
        _ => {
            (ErrorKind::Unavailable, format!("the database refused: {message}"), "see the log for the cause")
        }
    }
}

//! The store in one SQLite file, shared by any number of processes of one machine.
//!
//! WAL for readers beside a writer, `synchronous=FULL` because an intent must be on disk before its call,
//! `BEGIN IMMEDIATE` for every write, so that nobody finds out late that somebody else was writing.

/// Runs one write transaction: `write!(store, db => { … Ok(value) })`. The block must not wait for anything
/// but the database. A macro, because the bound "an async closure whose future is `Send`" is not stable.
macro_rules! write {
    ($store:expr, $db:ident => $work:block) => {
        write_on!($store.writer.acquire().await.map_err(failure)?, $db => $work)
    };
}

/// The same for what a power cut may take back: it is there for every process at once, whatever becomes of this
/// one, and does not wait for the disk. Later durable writes take it along.
macro_rules! write_relaxed {
    ($store:expr, $db:ident => $work:block) => {{
        let turn = $store.writer.acquire().await.map_err(failure)?;
        match &$store.relaxed {
            Some(relaxed) => write_on!(relaxed.acquire().await.map_err(failure)?, $db => $work),
            None => write_on!(turn, $db => $work),
        }
    }};
}

macro_rules! write_on {
    ($connection:expr, $db:ident => $work:block) => {{
        let mut connection = $connection;
        let mut transaction =
            sqlx::Connection::begin_with(&mut *connection, "BEGIN IMMEDIATE").await.map_err(failure)?;
        let value = {
            let $db: &mut SqliteConnection = &mut transaction;
            async { $work }.await.map_err(failure)?
        };
        transaction.commit().await.map_err(failure)?;
        Ok(value)
    }};
}

mod access;
mod accounts;
mod apps;
mod events;
mod jobs;
mod media;
mod samples;
mod values;

use std::path::Path;
use std::str::FromStr as _;
use std::time::Duration;

use async_trait::async_trait;
use sqlx::sqlite::{
    SqliteConnectOptions, SqliteConnection, SqliteJournalMode, SqlitePool, SqlitePoolOptions,
    SqliteSynchronous,
};
use sqlx::{Connection as _, Row as _};

use super::*;
use crate::error::{Error, ErrorKind};

/// Applied in order; `PRAGMA user_version` counts them. sqlx's own migrator does not lock SQLite, and
/// two processes may start at once.
const SCHEMA: [&str; 2] = [include_str!("schema_1.sql"), include_str!("schema_2.sql")];

/// How long one process waits for another's write. Transactions are small: longer means a disk in trouble.
const BUSY_TIMEOUT: Duration = Duration::from_secs(30);

/// Readers of one process. Calls read a row or two each.
const READERS: u32 = 4;

/// See the module.
pub(crate) struct Sqlite {
    readers: SqlitePool,
    /// One connection: writers of a process queue here, fairly, instead of polling the file lock.
    writer: SqlitePool,
    /// One connection that leaves the moment of writing to the system, used by whoever holds the writer. None in
    /// memory, where nothing is durable.
    relaxed: Option<SqlitePool>,
}

impl Sqlite {
    /// Opens or makes the database.
    pub(crate) async fn open(path: &Path) -> Result<Self> {
        refuse_network_file_system(path)?;
        let options = SqliteConnectOptions::new()
            .filename(path)
            .create_if_missing(true)
            .journal_mode(SqliteJournalMode::Wal)
            .synchronous(SqliteSynchronous::Full)
            .foreign_keys(true)
            .busy_timeout(BUSY_TIMEOUT);
        let opening = |error: sqlx::Error| {
            let error = failure(error);
            Error {
                message: format!("the database {} cannot be opened: {}", path.display(), error.message),
                ..error
            }
        };
        // A file's connection does not go stale; asking it before each use costs a switch of threads.
        let pool = SqlitePoolOptions::new().test_before_acquire(false);
        let writer = pool.clone().max_connections(1).connect_with(options.clone()).await.map_err(opening)?;
        restrict_to_owner(path)?;
        migrate(&writer).await.map_err(opening)?;
        let relaxed = options.clone().synchronous(SqliteSynchronous::Normal);
        let relaxed = pool.clone().max_connections(1).connect_with(relaxed).await.map_err(opening)?;
        let readers =
            pool.max_connections(READERS).connect_with(options.read_only(true)).await.map_err(opening)?;
        Ok(Sqlite { readers, writer, relaxed: Some(relaxed) })
    }

    /// A database that ends with the process, for tests and trials.
    pub(crate) async fn in_memory() -> Result<Self> {
        let options = SqliteConnectOptions::from_str("sqlite::memory:").map_err(failure)?.foreign_keys(true);
        // One connection is the database; it must neither be doubled nor closed.
        let pool = SqlitePoolOptions::new()
            .max_connections(1)
            .idle_timeout(None)
            .max_lifetime(None)
            .connect_with(options)
            .await
            .map_err(failure)?;
        migrate(&pool).await.map_err(failure)?;
        Ok(Sqlite { readers: pool.clone(), writer: pool, relaxed: None })
    }
}

async fn migrate(pool: &SqlitePool) -> sqlx::Result<()> {
    let mut connection = pool.acquire().await?;
    let mut transaction = connection.begin_with("BEGIN IMMEDIATE").await?;
    let version: i64 = sqlx::query_scalar("PRAGMA user_version").fetch_one(&mut *transaction).await?;
    let done = usize::try_from(version).unwrap_or(usize::MAX);
    if done > SCHEMA.len() {
        return Err(sqlx::Error::Configuration(
            "a newer version of this program made it; use that version or a copy of the database".into(),
        ));
    }
    for (index, schema) in SCHEMA.iter().enumerate().skip(done) {
        sqlx::raw_sql(*schema).execute(&mut *transaction).await?;
        // A pragma takes no parameters; the number is ours.
        let pragma = format!("PRAGMA user_version = {}", index + 1);
        sqlx::raw_sql(sqlx::AssertSqlSafe(pragma)).execute(&mut *transaction).await?;
    }
    transaction.commit().await
}

/// One sentence for each way a database can fail, with what to do.
fn failure(error: sqlx::Error) -> Error {
    let (message, remedy) = match &error {
        sqlx::Error::Database(inner) => match inner.code().as_deref() {
            Some("5" | "261" | "517" | "6") => (
                "the database is locked by another process".to_owned(),
                "end programs that keep the database open for long, such as a backup, and try again",
            ),
            Some("13") => {
                ("the disk is full".to_owned(), "make room; nothing was lost, the last write was not made")
            }
            Some("8" | "1032" | "264") => (
                "the database cannot be written".to_owned(),
                "make the file and its folder writable for this user",
            ),
            Some("14") => (
                "the database file cannot be opened".to_owned(),
                "check that its folder exists and is writable",
            ),
            Some("11" | "26") => (
                "the file is no database, or it is damaged".to_owned(),
                "name another file, or restore the last backup",
            ),
            _ => (format!("the database refused: {}", inner.message()), "see the log for the cause"),
        },
        sqlx::Error::Io(inner) => {
            (format!("the database cannot be read: {inner}"), "check the disk and the rights of the file")
        }
        sqlx::Error::Configuration(inner) => (inner.to_string(), "use the version that made it"),
        other => (format!("the database failed: {other}"), "see the log for the cause"),
    };
    Error::new(ErrorKind::Unavailable, message).with_remedy(remedy).with_source(error)
}

/// WAL needs shared memory between its processes, which no network file system gives.
#[cfg(target_os = "linux")]
fn refuse_network_file_system(path: &Path) -> Result<()> {
    // linux/magic.h: NFS, SMB, SMB2, CIFS, AFS, Ceph.
    const NETWORK: [i64; 6] = [0x6969, 0x517B, 0xFE53_4D42, 0xFF53_4D42, 0x5346_414F, 0x00C3_6400];
    let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."));
    if let Ok(facts) = rustix::fs::statfs(folder) {
        #[allow(clippy::unnecessary_cast, reason = "the type differs between architectures")]
        if NETWORK.contains(&(facts.f_type as i64)) {
            return Err(Error::new(
                ErrorKind::Misconfigured,
                format!("{} lies on a network file system, where SQLite loses data", folder.display()),
            )
            .with_remedy("put the database on a local disk"));
        }
    }
    Ok(())
}

#[cfg(not(target_os = "linux"))]
fn refuse_network_file_system(_path: &Path) -> Result<()> {
    Ok(())
}

/// What lies in it is encrypted, but names, captions' owners and times are nobody else's business either.
fn restrict_to_owner(path: &Path) -> Result<()> {
    #[cfg(unix)]
    {
        use std::os::unix::fs::PermissionsExt as _;
        std::fs::set_permissions(path, std::fs::Permissions::from_mode(0o600)).map_err(|error| {
            Error::new(ErrorKind::Misconfigured, format!("{} cannot be made private", path.display()))
                .with_remedy("let this user own the database file")
                .with_source(error)
        })?;
    }
    Ok(())
}

#[async_trait]
impl MetaStore for Sqlite {
    async fn meta_or_insert(&self, key: &str, value: &[u8]) -> Result<Vec<u8>> {
        write!(self, db => {
            sqlx::query("INSERT INTO meta (key, value) VALUES (?, ?) ON CONFLICT (key) DO NOTHING")
                .bind(key)
                .bind(value)
                .execute(&mut *db)
                .await?;
            sqlx::query_scalar("SELECT value FROM meta WHERE key = ?").bind(key).fetch_one(&mut *db).await
        })
    }

    async fn set_meta(&self, key: &str, value: &[u8]) -> Result<()> {
        write!(self, db => {
            sqlx::query("INSERT INTO meta (key, value) VALUES (?, ?) ON CONFLICT (key) DO UPDATE SET value = excluded.value")
                .bind(key)
                .bind(value)
                .execute(&mut *db)
                .await
                .map(drop)
        })
    }

    async fn meta(&self, key: &str) -> Result<Option<Vec<u8>>> {
        sqlx::query_scalar("SELECT value FROM meta WHERE key = ?")
            .bind(key)
            .fetch_optional(&self.readers)
            .await
            .map_err(failure)
    }

    async fn sealed_values(&self) -> Result<Vec<SealedValue>> {
        let mut found = Vec::new();
        for sealed in SEALED {
            let rows = sqlx::query(sealed.select).fetch_all(&self.readers).await.map_err(failure)?;
            for row in rows {
                found.push(SealedValue {
                    table: sealed.table,
                    column: sealed.column,
                    rowid: row.get(0),
                    row: row.get(1),
                    sealed: Sealed(row.get(2)),
                });
            }
        }
        Ok(found)
    }

    async fn reseal(&self, value: &SealedValue, with: &Sealed) -> Result<bool> {
        let Some(sealed) = SEALED.iter().find(|one| one.table == value.table && one.column == value.column)
        else {
            return Ok(false);
        };
        write!(self, db => {
            let done = sqlx::query(sealed.update)
                .bind(&with.0)
                .bind(value.rowid)
                .bind(&value.sealed.0)
                .execute(&mut *db)
                .await?;
            Ok(done.rows_affected() == 1)
        })
    }
}

/// A sealed column: how to read all of it (with the row's name in its [`crate::vault::Place`]), and how to
/// replace one value.
struct SealedColumn {
    table: &'static str,
    column: &'static str,
    select: &'static str,
    update: &'static str,
}

const SEALED: [SealedColumn; 8] = [
    SealedColumn {
        table: "events",
        column: "evidence",
        select: "SELECT rowid, app || '/' || id, evidence FROM events",
        update: "UPDATE events SET evidence = ? WHERE rowid = ? AND evidence = ?",
    },
    SealedColumn {
        table: "apps",
        column: "settings",
        select: "SELECT rowid, id, settings FROM apps",
        update: "UPDATE apps SET settings = ? WHERE rowid = ? AND settings = ?",
    },
    SealedColumn {
        table: "sessions",
        column: "payload",
        select: "SELECT rowid, tenant || '/' || id, payload FROM sessions WHERE spent = 0",
        update: "UPDATE sessions SET payload = ? WHERE rowid = ? AND payload = ?",
    },
    SealedColumn {
        table: "accounts",
        column: "credentials",
        select: "SELECT rowid, tenant || '/' || channel, credentials FROM accounts",
        update: "UPDATE accounts SET credentials = ? WHERE rowid = ? AND credentials = ?",
    },
    SealedColumn {
        table: "jobs",
        column: "request",
        select: "SELECT rowid, tenant || '/' || id, request FROM jobs",
        update: "UPDATE jobs SET request = ? WHERE rowid = ? AND request = ?",
    },
    SealedColumn {
        table: "jobs",
        column: "state",
        select: "SELECT rowid, tenant || '/' || id, state FROM jobs WHERE state IS NOT NULL",
        update: "UPDATE jobs SET state = ? WHERE rowid = ? AND state = ?",
    },
    SealedColumn {
        table: "provider_values",
        column: "value",
        select: "SELECT rowid, app || '/' || key, value FROM provider_values",
        update: "UPDATE provider_values SET value = ? WHERE rowid = ? AND value = ?",
    },
    SealedColumn {
        table: "media_links",
        column: "reference",
        select: "SELECT rowid, id, reference FROM media_links",
        update: "UPDATE media_links SET reference = ? WHERE rowid = ? AND reference = ?",
    },
];

//! The store in one SQLite file, shared by any number of processes on one machine.
//!
//! WAL for readers beside a writer; a write ends when the log is on the disk (`log`), because an intent must be there before
//! its call; `BEGIN IMMEDIATE` for every write, so that a transaction does not fail late because of another writer.

/// Runs one write transaction: `write!(store for tenant, db => { … Ok(value) })`; without a tenant it is the host's own.
/// The block must await only the database. A macro, because the bound "an async closure whose future is `Send`" is not
/// stable.
macro_rules! write {
    ($store:ident, $db:ident => $work:block) => {
        write!($store for "", $db => $work)
    };
    ($store:ident for $line:expr, $db:ident => $work:block) => {{
        let done = write_relaxed!($store for $line, $db => $work);
        // The next one writes meanwhile.
        match done {
            Ok(value) => $store.flush().await.map(|()| value),
            Err(error) => Err(error),
        }
    }};
}

/// The same for writes that a power failure may lose, such as leases, whose holders it ends too: they are visible to every
/// process at once, also if this process dies, but do not wait for the disk. Later durable writes include them.
macro_rules! write_relaxed {
    ($store:ident, $db:ident => $work:block) => {
        write_relaxed!($store for "", $db => $work)
    };
    ($store:ident for $line:expr, $db:ident => $work:block) => {{
        let _turn = $store.turn($line).await?;
        write_on!($store.writer.acquire().await.map_err(failure)?, $db => $work)
    }};
}

/// The same for statements of which each is a transaction by itself: for those that are run most, because each part of a
/// transaction costs a change of threads.
macro_rules! write_one_relaxed {
    ($store:ident for $line:expr, $db:ident => $work:block) => {{
        let _turn = $store.turn($line).await?;
        let mut connection = $store.writer.acquire().await.map_err(failure)?;
        let done: sqlx::Result<_> = {
            let $db: &mut SqliteConnection = &mut connection;
            async { $work }.await
        };
        done.map_err(|error| {
            if is_suspect(&error) {
                connection.close_on_drop();
            }
            failure(error)
        })
    }};
}

macro_rules! write_on {
    ($connection:expr, $db:ident => $work:block) => {{
        let mut connection = $connection;
        let done = async {
            let mut transaction = sqlx::Connection::begin_with(&mut *connection, "BEGIN IMMEDIATE").await?;
            let value: sqlx::Result<_> = {
                let $db: &mut SqliteConnection = &mut transaction;
                async { $work }.await
            };
            let value = value?;
            transaction.commit().await?;
            sqlx::Result::Ok(value)
        }
        .await;
        done.map_err(|error| {
            if is_suspect(&error) {
                connection.close_on_drop();
            }
            failure(error)
        })
    }};
}

mod accounts;
mod apps;
mod copy;
#[cfg(test)]
mod damage;
mod direct;
mod disk;
mod documents;
mod drafts;
mod events;
mod failure;
mod jobs;
mod kv;
mod lease_clock;
mod log;
mod media;
mod outbox;
pub(crate) mod process;
mod queue;
mod samples;

use std::ops::{Deref, DerefMut};
use std::path::Path;
use std::str::FromStr as _;
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use sqlx::pool::PoolConnection;
use sqlx::sqlite::{
    SqliteConnectOptions, SqliteConnection, SqliteJournalMode, SqlitePool, SqlitePoolOptions,
    SqliteSynchronous,
};
use sqlx::{Connection as _, Row as _};

use social_channel_runtime::clock::{Clock, millis};
use social_channel_runtime::error::{Error, ErrorKind};
use social_channel_runtime::fair::{Bounds, Fair, Place};

pub(crate) use self::copy::SqliteSide;
use self::direct::Direct;
pub(crate) use self::disk::{doubt, is_shared};
use self::failure::{failure, is_doubted, is_suspect};
use self::lease_clock::LeaseClock;
use self::log::Log;
use super::schema::{OLDEST, SchemaStep, check_newer};
use super::*;

/// Applied in order; `PRAGMA user_version` counts them. sqlx's own migrator does not lock SQLite, and
/// two processes may start at once.
const SCHEMA: [SchemaStep; 10] = [
    SchemaStep::alone(1, include_str!("schema_1.sql")),
    SchemaStep::alone(2, include_str!("schema_2.sql")),
    SchemaStep::alone(3, include_str!("schema_3.sql")),
    SchemaStep::alone(4, include_str!("schema_4.sql")),
    SchemaStep::alone(5, include_str!("schema_5.sql")),
    SchemaStep::alone(6, include_str!("schema_6.sql")),
    SchemaStep::alone(7, include_str!("schema_7.sql")),
    SchemaStep::alone(8, include_str!("schema_8.sql")),
    SchemaStep { sql: include_str!("schema_9.sql"), oldest: 8 },
    SchemaStep { sql: include_str!("schema_10.sql"), oldest: 8 },
];

/// How long one process waits for another's write. Transactions are small, so a longer wait means a disk problem.
const BUSY_TIMEOUT: Duration = Duration::from_secs(30);

/// Reads and writes of one tenant that may wait. Each takes a millisecond or a few, so that these are done in time.
const WAITING: usize = 10_000;

/// The number of reader connections per process. Each call reads only one or two rows.
const READERS: u32 = 4;

/// See the module documentation.
pub(crate) struct Sqlite {
    readers: SqlitePool,
    /// For what every call reads; None in memory, where the single connection is the database.
    direct: Option<Direct>,
    /// The readers, shared among tenants. What the host reads for itself waits for nobody's turn.
    reading: Fair,
    /// One connection.
    writer: SqlitePool,
    /// None in memory, where nothing is durable.
    log: Option<Log>,
    /// Writers of a process queue here fairly, instead of polling the file lock.
    writing: Fair,
    /// The clock for the expiry of values.
    clock: Arc<dyn Clock>,
    /// The clock of leases.
    leases: LeaseClock,
}

impl Sqlite {
    /// Opens or creates the database.
    pub(crate) async fn open(path: &Path, clock: Arc<dyn Clock>) -> Result<Self> {
        Self::open_as(path, clock, &SCHEMA).await
    }

    /// As a program of these steps does.
    async fn open_as(path: &Path, clock: Arc<dyn Clock>, steps: &[SchemaStep]) -> Result<Self> {
        disk::refuse_what_loses_data(path)?;
        let options = SqliteConnectOptions::new()
            .filename(path)
            .create_if_missing(true)
            .journal_mode(SqliteJournalMode::Wal)
            .synchronous(SqliteSynchronous::Normal)
            .foreign_keys(true)
            .busy_timeout(BUSY_TIMEOUT);
        let opening = |error: Error| Error {
            message: format!("the database {} cannot be opened: {}", path.display(), error.message),
            ..error
        };
        let connecting = |error| opening(failure(error));
        // A connection to a file does not go stale, and testing it before each use costs a thread switch.
        let pool = SqlitePoolOptions::new()
            .test_before_acquire(false)
            .before_acquire(|_, facts| Box::pin(async move { Ok(!is_doubted(facts.age)) }));
        let writer =
            pool.clone().max_connections(1).connect_with(options.clone()).await.map_err(connecting)?;
        restrict_to_owner(path)?;
        migrate(&writer, steps).await.map_err(opening)?;
        let readers =
            pool.max_connections(READERS).connect_with(options.read_only(true)).await.map_err(connecting)?;
        let (direct, log) = (Some(Direct::new(path)), Some(Log::of(path)));
        Sqlite { direct, log, ..Sqlite::new(readers, writer, clock) }.agreed().await
    }

    /// A database that ends with the process, for tests and trials.
    pub(crate) async fn in_memory(clock: Arc<dyn Clock>) -> Result<Self> {
        let options = SqliteConnectOptions::from_str("sqlite::memory:").map_err(failure)?.foreign_keys(true);
        // The single connection is the database; it must be neither duplicated nor closed.
        let pool = SqlitePoolOptions::new()
            .max_connections(1)
            .idle_timeout(None)
            .max_lifetime(None)
            .connect_with(options)
            .await
            .map_err(failure)?;
        migrate(&pool, &SCHEMA).await?;
        Sqlite::new(pool.clone(), pool, clock).agreed().await
    }

    fn new(readers: SqlitePool, writer: SqlitePool, clock: Arc<dyn Clock>) -> Self {
        let places = usize::try_from(READERS).unwrap_or(1);
        Sqlite {
            readers,
            direct: None,
            reading: Fair::new(Bounds { what: "reads", places, waiting: WAITING, patience: BUSY_TIMEOUT }),
            writer,
            log: None,
            writing: Fair::new(Bounds {
                what: "writes",
                places: 1,
                waiting: WAITING,
                patience: BUSY_TIMEOUT,
            }),
            clock,
            leases: LeaseClock::of_now(),
        }
    }

    /// The turn of a tenant's write.
    async fn turn(&self, line: &str) -> Result<Place> {
        self.writing.enter(line).await.map_err(busy)
    }

    /// Returns when everything that was written before is on the disk.
    async fn flush(&self) -> Result<()> {
        match &self.log {
            Some(log) => log.flush().await,
            None => Ok(()),
        }
    }

    /// A connection for a tenant's read.
    async fn reader(&self, tenant: &TenantId) -> Result<Reader> {
        self.reader_for(tenant.as_str()).await
    }

    /// A connection for the reads of a line, which wait behind each other.
    async fn reader_for(&self, line: &str) -> Result<Reader> {
        let place = self.reading.enter(line).await.map_err(busy)?;
        Ok(Reader { connection: self.readers.acquire().await.map_err(failure)?, _place: place })
    }

    /// Uses the lease clock that all processes share: the first process after the machine's start stores the offset
    /// between ticks and system time. Leases from before that start have then ended, or end soon.
    async fn agreed(self) -> Result<Self> {
        let Some(name) = LeaseClock::name() else { return Ok(self) };
        let stored = self.meta_or_insert(&name, &self.leases.to_bytes()).await?;
        Ok(Sqlite { leases: LeaseClock::from_bytes(&stored)?, ..self })
    }

    /// The end of a lease of this length that starts now.
    fn lease_end(&self, length: Duration) -> i64 {
        self.leases.now_ms().saturating_add(millis(length))
    }
}

/// A connection for one read, and its place among the readers.
struct Reader {
    connection: PoolConnection<sqlx::Sqlite>,
    _place: Place,
}

impl Deref for Reader {
    type Target = SqliteConnection;

    fn deref(&self) -> &SqliteConnection {
        &self.connection
    }
}

impl DerefMut for Reader {
    fn deref_mut(&mut self) -> &mut SqliteConnection {
        &mut self.connection
    }
}

/// The disk may be slow, so this is not the fault of who asks alone.
fn busy(error: Error) -> Error {
    Error {
        kind: ErrorKind::Unavailable,
        message: format!("the database is busy: {}", error.message),
        ..error
    }
}

/// Brings the database to the schema of a program of these steps.
async fn migrate(pool: &SqlitePool, steps: &[SchemaStep]) -> Result<()> {
    let mut connection = pool.acquire().await.map_err(failure)?;
    let mut transaction = connection.begin_with("BEGIN IMMEDIATE").await.map_err(failure)?;
    let version: i64 =
        sqlx::query_scalar("PRAGMA user_version").fetch_one(&mut *transaction).await.map_err(failure)?;
    let (done, known) = (usize::try_from(version).unwrap_or(usize::MAX), steps.len());
    if done > known {
        let oldest: Option<Vec<u8>> = sqlx::query_scalar("SELECT value FROM meta WHERE key = ?")
            .bind(OLDEST)
            .fetch_optional(&mut *transaction)
            .await
            .map_err(failure)?;
        check_newer(done, known, oldest.as_deref())?;
    }
    if done >= known {
        check_schema(&mut transaction, version, steps).await?;
    }
    apply(&mut transaction, done, steps).await.map_err(failure)?;
    transaction.commit().await.map_err(failure)
}

/// Applies what is missing after version `done`.
async fn apply(db: &mut SqliteConnection, done: usize, steps: &[SchemaStep]) -> sqlx::Result<()> {
    for (index, step) in steps.iter().enumerate().skip(done) {
        sqlx::raw_sql(step.sql).execute(&mut *db).await?;
        // A pragma takes no parameters; the number is a constant of this program.
        let pragma = format!("PRAGMA user_version = {}", index + 1);
        sqlx::raw_sql(sqlx::AssertSqlSafe(pragma)).execute(&mut *db).await?;
        sqlx::query(
            "INSERT INTO meta (key, value) VALUES (?1, ?2) ON CONFLICT (key) DO UPDATE SET value = ?2",
        )
        .bind(OLDEST)
        .bind(step.oldest.to_string().into_bytes())
        .execute(&mut *db)
        .await?;
    }
    Ok(())
}

/// The version alone proves nothing: somebody may have changed the tables, or restored half of them. Such a database is
/// refused when it is opened, and not by the first job that needs what is missing.
async fn check_schema(db: &mut SqliteConnection, version: i64, steps: &[SchemaStep]) -> Result<()> {
    let missing = async {
        let mut fresh = SqliteConnection::connect("sqlite::memory:").await?;
        apply(&mut fresh, 0, steps).await?;
        let found = columns(db).await?;
        Ok(columns(&mut fresh).await?.into_iter().filter(|column| !found.contains(column)).collect())
    };
    let missing: Vec<String> = missing.await.map_err(failure)?;
    if missing.is_empty() {
        return Ok(());
    }
    let message = format!("its schema is version {version}, but it lacks {}", missing.join(", "));
    Err(Error::new(ErrorKind::Unavailable, message)
        .with_remedy("restore the last backup; changes of the tables by hand are not supported"))
}

/// Every column, as `table.column`.
async fn columns(db: &mut SqliteConnection) -> sqlx::Result<Vec<String>> {
    sqlx::query_scalar(
        "SELECT t.name || '.' || c.name FROM sqlite_schema t JOIN pragma_table_info(t.name) c
         WHERE t.type = 'table' ORDER BY 1",
    )
    .fetch_all(db)
    .await
}

/// Secrets in it are encrypted, but names and times should also be private.
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

    async fn meta(&self, key: &str) -> Result<Option<Vec<u8>>> {
        let found = sqlx::query_scalar("SELECT value FROM meta WHERE key = ?").bind(key);
        found.fetch_optional(&self.readers).await.map_err(failure)
    }

    async fn examine(&self) -> Result<Vec<Finding>> {
        let mut db = self.readers.acquire().await.map_err(failure)?;
        let asked = async {
            let version: i64 = sqlx::query_scalar("PRAGMA user_version").fetch_one(&mut *db).await?;
            let mode: String = sqlx::query_scalar("PRAGMA journal_mode").fetch_one(&mut *db).await?;
            let damage: Vec<String> =
                sqlx::query_scalar("PRAGMA quick_check(10)").fetch_all(&mut *db).await?;
            let orphans = sqlx::query("PRAGMA foreign_key_check").fetch_all(&mut *db).await?.len();
            Ok((version, mode, damage, orphans))
        };
        let (version, mode, damage, orphans) = asked.await.map_err(failure)?;
        let mut found = vec![
            good(format!("SQLite has the schema of version {version}, as this program")),
            good(format!("what is stored is on the disk (journal {mode})")),
        ];
        if damage != ["ok"] {
            found.push(Finding {
                severity: Severity::Error,
                ..doubtful(
                    format!("The file is damaged: {}", damage.join("; ")),
                    "Stop all processes, and restore the last backup.",
                )
            });
        }
        if orphans > 0 {
            found.push(doubtful(
                format!("{orphans} rows refer to rows that are gone."),
                "Somebody changed the tables by hand; restore the last backup, or ask for help.",
            ));
        }
        Ok(found)
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

    async fn sealed_values(&self, after: Option<&SealedCursor>) -> Result<SealedPage> {
        let SealedCursor { column, row } = after.cloned().unwrap_or_default();
        let Some(sealed) = SEALED.get(column) else { return Ok(SealedPage::default()) };
        let (first, second) = row.split_once('/').unwrap_or((&row, ""));
        let by = if sealed.table == "drafts" { &BY_TENANT } else { &BY_ROW };
        let (name, column_name, table, only) = (sealed.row, sealed.column, sealed.table, sealed.only);
        // Joins fixed texts.
        let page = format!(
            "SELECT {name}, {column_name}, {} FROM {table} WHERE ({only}) AND {} ORDER BY {} LIMIT {SEALED_PAGE}",
            by.cursor, by.after, by.order
        );
        let rows = sqlx::query(sqlx::AssertSqlSafe(page))
            .bind(first)
            .bind(second)
            .fetch_all(&self.readers)
            .await
            .map_err(failure)?;
        let values = row::all(table, &rows, |row| {
            Ok(SealedValue {
                table,
                column: column_name,
                row: row.try_get(0)?,
                sealed: Sealed(row.try_get(1)?),
            })
        });
        // Of a short page the next column follows, and so it does where the last row has no name to go on from.
        let last = rows.last().filter(|_| rows.len() == SEALED_PAGE).and_then(|row| row.try_get(2).ok());
        let next = match last {
            Some(row) => SealedCursor { column, row },
            None => SealedCursor { column: column + 1, row: String::new() },
        };
        Ok(SealedPage { values, next: Some(next).filter(|next| next.column < SEALED.len()) })
    }

    async fn reseal(&self, value: &SealedValue, with: &Sealed) -> Result<bool> {
        let Some(sealed) = SEALED.iter().find(|one| one.table == value.table && one.column == value.column)
        else {
            return Ok(false);
        };
        write!(self, db => {
            let done = sqlx::query(sealed.update)
                .bind(&with.0)
                .bind(&value.sealed.0)
                .bind(value.row.split_once('/').map_or(value.row.as_str(), |(first, _)| first))
                .bind(value.row.split_once('/').map(|(_, second)| second))
                .execute(&mut *db)
                .await?;
            Ok(done.rows_affected() == 1)
        })
    }

    async fn kept(&self, tenant: &TenantId, what: Kept) -> Result<u64> {
        let count = match what {
            Kept::Channels => "SELECT count(*) FROM accounts WHERE tenant = ?",
            Kept::Consents => "SELECT count(*) FROM sessions WHERE tenant = ?",
            Kept::Drafts => "SELECT count(*) FROM drafts WHERE tenant = ?",
            Kept::Uploads => "SELECT count(*) FROM uploads WHERE tenant = ?",
        };
        let count: i64 = sqlx::query_scalar(count)
            .bind(tenant.as_str())
            .fetch_one(&mut *self.reader(tenant).await?)
            .await
            .map_err(failure)?;
        Ok(count.cast_unsigned())
    }

    async fn tenants(&self) -> Result<Vec<TenantId>> {
        // Each by an index that begins with the tenant.
        let rows = sqlx::query(
            "SELECT tenant FROM accounts UNION SELECT tenant FROM tenant_queue WHERE kept > 0
             UNION SELECT tenant FROM uploads ORDER BY tenant",
        )
        .fetch_all(&self.readers)
        .await
        .map_err(failure)?;
        Ok(row::all("tenants", &rows, |row| row::parsed(row, "tenant")))
    }

    async fn close(&self) {
        if let Some(direct) = &self.direct {
            direct.close();
        }
        for pool in [&self.readers, &self.writer] {
            pool.close().await;
        }
    }
}

/// Sealed values on one page: few enough to be held in memory, each of a few kilobytes and at most a megabyte.
const SEALED_PAGE: usize = 200;

/// How pages of a table follow each other: what a row is known by, and `?1` and `?2` the parts of the last one's.
struct Paged {
    cursor: &'static str,
    after: &'static str,
    order: &'static str,
}

const BY_ROW: Paged =
    Paged { cursor: "CAST(rowid AS TEXT)", after: "rowid > CAST(?1 AS INTEGER)", order: "rowid" };
/// Drafts have no row ids.
const BY_TENANT: Paged =
    Paged { cursor: "tenant || '/' || id", after: "(tenant, id) > (?1, ?2)", order: "tenant, id" };

/// A sealed column: the name of a row in its [`crate::vault::Place`], the rows that have a value, and the statement that
/// replaces one: `?1` is the new value, `?2` the old value, `?3` and `?4` the two parts of the row's name around its
/// first `/`.
struct SealedColumn {
    table: &'static str,
    column: &'static str,
    row: &'static str,
    only: &'static str,
    update: &'static str,
}

const SEALED: [SealedColumn; 11] = [
    SealedColumn {
        table: "meta",
        column: "value",
        row: "key",
        only: "key = 'hash-key'",
        update: "UPDATE meta SET value = ?1 WHERE value = ?2 AND key = ?3 AND ?4 IS NULL",
    },
    SealedColumn {
        table: "events",
        column: "evidence",
        row: "app || '/' || id",
        only: "true",
        update: "UPDATE events SET evidence = ?1 WHERE evidence = ?2 AND app = ?3 AND id = ?4",
    },
    SealedColumn {
        table: "apps",
        column: "settings",
        row: "id",
        only: "true",
        update: "UPDATE apps SET settings = ?1 WHERE settings = ?2 AND id = ?3 AND ?4 IS NULL",
    },
    SealedColumn {
        table: "sessions",
        column: "payload",
        row: "tenant || '/' || id",
        only: "spent = 0",
        update: "UPDATE sessions SET payload = ?1 WHERE payload = ?2 AND tenant = ?3 AND id = ?4",
    },
    SealedColumn {
        table: "accounts",
        column: "credentials",
        row: "tenant || '/' || channel",
        only: "true",
        update: "UPDATE accounts SET credentials = ?1 WHERE credentials = ?2 AND tenant = ?3 AND channel = ?4",
    },
    SealedColumn {
        table: "jobs",
        column: "request",
        row: "tenant || '/' || id",
        only: "true",
        update: "UPDATE jobs SET request = ?1 WHERE request = ?2 AND tenant = ?3 AND id = ?4",
    },
    SealedColumn {
        table: "jobs",
        column: "state",
        row: "tenant || '/' || id",
        only: "state IS NOT NULL",
        update: "UPDATE jobs SET state = ?1 WHERE state = ?2 AND tenant = ?3 AND id = ?4",
    },
    SealedColumn {
        table: "drafts",
        column: "content",
        row: "tenant || '/' || id",
        only: "true",
        update: "UPDATE drafts SET content = ?1 WHERE content = ?2 AND tenant = ?3 AND id = ?4",
    },
    SealedColumn {
        table: "endpoints",
        column: "target",
        row: "tenant || '/' || id",
        only: "true",
        update: "UPDATE endpoints SET target = ?1 WHERE target = ?2 AND tenant = ?3 AND id = ?4",
    },
    SealedColumn {
        table: "provider_values",
        column: "value",
        row: "app || '/' || key",
        only: "true",
        update: "UPDATE provider_values SET value = ?1 WHERE value = ?2 AND app = ?3 AND key = ?4",
    },
    SealedColumn {
        table: "media_links",
        column: "reference",
        row: "id",
        only: "true",
        update: "UPDATE media_links SET reference = ?1 WHERE reference = ?2 AND id = ?3 AND ?4 IS NULL",
    },
];

/// A fresh database for the conformance suite.
#[cfg(test)]
pub(super) async fn for_conformance() -> super::conformance::Opened {
    opened(&[]).await.0
}

/// The same, where the other one is the next program.
#[cfg(test)]
pub(super) async fn for_upgrade() -> super::conformance::Opened {
    opened(&[SchemaStep { sql: super::conformance::EXPANSION, oldest: SCHEMA.len() }]).await.0
}

/// `more`: steps of the other one.
#[cfg(test)]
async fn opened(more: &[SchemaStep]) -> (super::conformance::Opened, std::path::PathBuf) {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("database.sqlite");
    let clock = Arc::new(social_channel_runtime::clock::MovedClock::default());
    let steps = [&SCHEMA, more].concat();
    let opened = super::conformance::Opened {
        one: Arc::new(Sqlite::open(&path, clock.clone()).await.unwrap()),
        other: Arc::new(Sqlite::open_as(&path, clock.clone(), &steps).await.unwrap()),
        clock,
        _keep: Box::new(folder),
    };
    (opened, path)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(flavor = "multi_thread", worker_threads = 4)]
    async fn an_old_and_a_new_program_work_side_by_side() {
        let (db, path) = opened(&[]).await;
        let clock = db.clock.clone();
        let open = move |more: Vec<SchemaStep>| {
            let (path, clock) = (path.clone(), clock.clone());
            async move {
                let store: Arc<dyn Store> =
                    Arc::new(Sqlite::open_as(&path, clock, &[&SCHEMA, &more[..]].concat()).await?);
                Ok(store)
            }
        };
        crate::store::conformance::programs_work_side_by_side(db, crate::store::conformance::EXPANSION, open)
            .await;
    }

    #[tokio::test]
    async fn a_write_that_found_no_room_leaves_nothing_behind_that_stops_the_next() {
        let folder = tempfile::tempdir().unwrap();
        let clock = Arc::new(social_channel_runtime::clock::SystemClock);
        let store = Sqlite::open(&folder.path().join("database.sqlite"), clock).await.unwrap();
        let large = vec![0; 1 << 20];
        // As many pages as there are: to SQLite the disk is full, and it rolls back by itself.
        sqlx::raw_sql("PRAGMA max_page_count = 1").execute(&store.writer).await.unwrap();
        for _ in 0..3 {
            assert_eq!(store.set_meta("large", &large).await.unwrap_err().message, "the disk is full");
            sqlx::raw_sql("PRAGMA max_page_count = 1").execute(&store.writer).await.unwrap();
        }
        sqlx::raw_sql("PRAGMA max_page_count = 1000000").execute(&store.writer).await.unwrap();
        store.set_meta("large", &large).await.unwrap();
    }

    #[tokio::test]
    async fn a_write_waits_for_the_disk_unless_it_may_be_lost_and_events_are_on_the_disk_before_they_are_read()
     {
        let (db, path) = opened(&[]).await;
        let store = Sqlite::open(&path, db.clock.clone()).await.unwrap();
        let log = store.log.as_ref().unwrap();
        let asked = async |work: futures::future::BoxFuture<'_, ()>| {
            let before = log.asked();
            work.await;
            log.asked() - before
        };
        let tenant = TenantId::default();
        assert_eq!(asked(Box::pin(async { store.set_meta("key", b"value").await.unwrap() })).await, 1);
        let looked = async { store.set_account_profile(&tenant, "ch", "name", None, None, 1).await.unwrap() };
        assert_eq!(asked(Box::pin(looked)).await, 0);
        let read = async || drop(store.outbox(&tenant, 0, 9).await.unwrap());
        assert_eq!(asked(Box::pin(read())).await, 0, "there are none");
        let event = "INSERT INTO outbox (id, tenant, kind, at) VALUES ('e', ?, 'channel.connected', 1)";
        sqlx::query(event).bind(tenant.as_str()).execute(&store.writer).await.unwrap();
        assert_eq!(asked(Box::pin(read())).await, 1);
        // An address is taken together with what is sent to it.
        let address = "INSERT INTO endpoints (id, tenant, target, description, position, due_at, created_at, updated_at)
            VALUES ('ep', ?, x'00', '', 0, 1, 1, 1)";
        sqlx::query(address).bind(tenant.as_str()).execute(&store.writer).await.unwrap();
        let take = async { assert!(store.acquire_endpoint(9, BUSY_TIMEOUT).await.unwrap().is_some()) };
        assert_eq!(asked(Box::pin(take)).await, 1);
        let own: i64 = sqlx::query_scalar("PRAGMA synchronous").fetch_one(&store.writer).await.unwrap();
        assert_eq!(own, 1, "a commit waits for nothing itself");
    }
}

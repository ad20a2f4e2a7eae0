//! The store in a MySQL or MariaDB database, shared by any number of processes on any number of machines.
//!
//! Every connection is READ COMMITTED, set when it is made. InnoDB's own default, REPEATABLE READ, would be wrong here: a
//! statement that looks without locking would see what was committed when its transaction began to look, and not what was
//! committed before the lock that this transaction waited for; and statements that lock would also lock the gaps between
//! keys, so that workers which never want the same row would wait for each other. Under READ COMMITTED each statement sees
//! what was committed before it began, and one that locks sees the row as it is when it is locked. So nothing here checks
//! and then writes what it found, without one of these in between:
//! - a constraint that the write must keep (one job of an idempotency key, one held job of a channel);
//! - a row that is locked first, and looked at by the next statement (attempts at one post, a consent, the queues);
//! - a row of the table `locks`, where no row exists yet (a new account, a webhook and the reference that it names).
//!
//! Events are written by `told.rs`. Statements lock in the order job, channel, tenant, counts. Where two transactions still meet in a deadlock, the one that
//! the server ends is tried again here, as is one whose connection was cut before its commit. A commit whose answer is lost
//! is an error: it may have happened.
//!
//! MySQL returns nothing from an UPDATE or a DELETE: a row is locked and read, then written, in one transaction. And it
//! assigns the columns of an UPDATE from left to right, where a later one sees what an earlier one has become: no
//! assignment here reads a column that an earlier one has written.
//!
//! Every statement is one that MySQL 8.0 and MariaDB 10.11 share: no RETURNING, no VALUES() and no alias in ON DUPLICATE KEY
//! UPDATE, no LATERAL, no sequences, no table that is read by a subquery of the statement that changes it.
//!
//! Leases end by the database's clock. A process that dies keeps its leases until they end: other machines cannot know of
//! its death.

/// Runs one write transaction: `write!(store for tenant, db => { … Ok(value) })`; without a tenant it is the host's own.
macro_rules! write {
    ($store:ident, $db:ident => $work:block) => {
        write!($store for "", $db => $work)
    };
    ($store:ident for $line:expr, $db:ident => $work:block) => {
        transaction!($store, $line, "START TRANSACTION", $db => $work)
    };
}

/// Runs one statement that only reads: `read!(store for tenant, db => { sqlx::query(…).fetch_all(db).await })`.
macro_rules! read {
    ($store:ident for $line:expr, $db:ident => $work:block) => {
        statement!($store, $line, $db => $work)
    };
}

/// Runs one statement that is a transaction by itself, and does no harm if it is run twice: where its answer is lost it is
/// run again. For those that are run most, because a transaction's beginning and end cost as much as the statement.
macro_rules! write_one {
    ($store:ident for $line:expr, $db:ident => $work:block) => {
        read!($store for $line, $db => $work)
    };
}

/// Milliseconds of the clock that all processes share, when the row is reached and not when the statement began: it may
/// have waited for the row. The session's time zone is UTC, so that no hour comes twice.
macro_rules! now_ms {
    () => {
        "FLOOR(UNIX_TIMESTAMP(SYSDATE(3)) * 1000)"
    };
}

mod accounts;
mod apps;
mod copy;
mod documents;
mod drafts;
mod events;
mod failover;
mod failure;
mod jobs;
mod kv;
mod lock;
mod media;
mod outbox;
mod process;
mod queue;
mod samples;
mod schema;
mod sealed;
mod settings;
mod tables;
#[cfg(test)]
mod tests;
mod text;
mod told;

pub(crate) use self::copy::MysqlSide;

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use social_channel_runtime::SecretText;
use social_channel_runtime::clock::{Clock, millis};
use social_channel_runtime::error::Error;
use social_channel_runtime::fair::{Fair, Place};
use sqlx::mysql::{MySqlConnectOptions, MySqlConnection, MySqlPool, MySqlPoolOptions, MySqlRow};
use sqlx::{AssertSqlSafe, ConnectOptions as _, Connection as _, Executor as _, Row as _};
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use self::failover::Naming;
use self::failure::{failure, is_away, is_duplicate, is_new, is_read_only, passing};
use self::lock::lock;
use self::settings::{Settings, session};
use self::tables::{Tables, marks};
use self::text::{Text, plain, text, texts};
use super::clock::{DatabaseClock, MEASURE};
use super::lock::{lock_number, meeting};
use super::remote::{
    Broken, CONNECTING, Done, Doubted, Tries, busy, new_owner, statement, transaction, turns,
};
use super::schema::SchemaStep;
use super::*;

/// A connection.
type Driver = MySqlConnection;

/// Shorter than what a connection may do nothing in MySQL (`session`), so that the pool ends it first.
const IDLE: Duration = Duration::from_secs(30);
/// Bytes. A part of a component, or a post with all that goes with it, must fit.
const SMALLEST_PACKET: i64 = 4 << 20;

/// See the module documentation.
pub(crate) struct Mysql {
    pool: MySqlPool,
    tables: Tables,
    naming: Naming,
    /// The connections, shared among tenants.
    turns: Fair,
    clock: Arc<DatabaseClock>,
    /// The owner of leases: this process, and this opening of the database.
    owner: String,
    doubted: Doubted,
    /// The connection stays on this machine.
    is_local: bool,
    /// The [`Keeper`]'s. Nobody tells of new jobs here: workers look by themselves.
    stop: CancellationToken,
    tasks: TaskTracker,
}

/// Milliseconds of the database's clock.
async fn now(db: &mut MySqlConnection) -> sqlx::Result<i64> {
    sqlx::query_scalar(concat!("SELECT CAST(", now_ms!(), " AS SIGNED)")).fetch_one(db).await
}

impl Mysql {
    /// Connects, and brings the database to the schema of this program.
    ///
    /// # Errors
    /// `InvalidRequest` for a wrong URL, `Misconfigured` for a wrong login and for a server that is too old, `Unavailable`
    /// for one that cannot be reached or is read-only, or that a newer program has changed.
    pub(crate) async fn open(url: &SecretText, clock: Arc<dyn Clock>) -> Result<Self> {
        Self::open_as(url, clock, &schema::SCHEMAS).await
    }

    /// As a program of these steps of the schema does.
    async fn open_as(url: &SecretText, clock: Arc<dyn Clock>, steps: &[SchemaStep]) -> Result<Self> {
        let Settings { connect, tables, pool_size, statement_timeout, is_local } = Settings::of(url)?;
        let opening = |error: Error| Error {
            message: format!("the database {} cannot be opened: {}", place(&connect), error.message),
            ..error
        };
        let (_, naming) = schema::prepare(&connect, &tables, steps).await.map_err(opening)?;
        let (session, owner) = (session(statement_timeout), new_owner()?);
        let clock = Arc::new(DatabaseClock::new(clock));
        let keeper = Keeper {
            connect: connect.clone(),
            session: session.clone(),
            tables: tables.clone(),
            naming,
            owner: owner.clone(),
            clock: clock.clone(),
        };
        let kept = keeper.begin().await.map_err(failure).map_err(opening)?;
        let doubted = Doubted::default();
        let doubts = doubted.clone();
        let begin = Arc::new((session, tables.clone()));
        let pool = MySqlPoolOptions::new()
            .max_connections(pool_size)
            .acquire_timeout(CONNECTING)
            // Waiting for a server that restarts is no news for each call.
            .acquire_slow_threshold(CONNECTING)
            .idle_timeout(IDLE)
            // A test before each use costs as much as the use; a cut connection is found by its failure.
            .test_before_acquire(false)
            .after_connect(move |db, _| {
                let begin = begin.clone();
                Box::pin(async move {
                    let (session, tables) = &*begin;
                    db.execute(sqlx::raw_sql(AssertSqlSafe(session.clone()))).await?;
                    failover::look(db, tables, naming).await
                })
            })
            .before_acquire(move |_, facts| {
                let good = !doubts.covers(facts.age);
                Box::pin(async move { Ok(good) })
            })
            .connect_lazy_with(connect.clone());
        let (stop, tasks) = (CancellationToken::new(), TaskTracker::new());
        let stopped = stop.clone();
        tasks.spawn(async move {
            tokio::select! {
                () = stopped.cancelled() => {}
                () = keeper.keep(kept) => {}
            }
        });
        Ok(Mysql {
            turns: turns(pool_size),
            pool,
            tables,
            naming,
            clock,
            owner,
            doubted,
            is_local,
            stop,
            tasks,
        })
    }

    /// The clock that all processes on this database share.
    pub(crate) fn clock(&self) -> Arc<dyn Clock> {
        self.clock.clone()
    }

    /// Why what is stored may not be safe: settings of the server that lose what was promised, a connection that others can
    /// read, a clock far from this machine's.
    ///
    /// # Errors
    /// Failures of the database.
    pub(crate) async fn doubts(&self) -> Result<Vec<Finding>> {
        let row: MySqlRow = read!(self for "", db => {
            sqlx::query(
                "SELECT CAST(@@GLOBAL.innodb_flush_log_at_trx_commit AS CHAR) AS flushes,
                 CAST(@@GLOBAL.innodb_doublewrite AS CHAR) AS whole_pages, CAST(@@GLOBAL.log_bin AS CHAR) AS logs,
                 CAST(@@GLOBAL.sync_binlog AS CHAR) AS syncs, CAST(@@GLOBAL.max_allowed_packet AS SIGNED) AS packet",
            )
            .fetch_one(&mut *db)
            .await
        })?;
        let cipher: Option<MySqlRow> = read!(self for "", db => {
            sqlx::query("SHOW SESSION STATUS LIKE 'Ssl_cipher'").fetch_optional(&mut *db).await
        })?;
        let said = |name: &str| text(&row, name).map_err(failure);
        let cipher = cipher.map(|row| text(&row, "Value")).transpose().map_err(failure)?;
        let mut doubts = Vec::new();
        let mut doubt = |holds: bool, message: &str, remedy| {
            if !holds {
                doubts.push(doubtful(message, remedy));
            }
        };
        let flushes = said("flushes")?;
        doubt(
            // 3 is MariaDB's, and stronger.
            ["1", "3"].contains(&&*flushes),
            &format!(
                "The database runs with innodb_flush_log_at_trx_commit = {flushes}: a crash may lose that a post was begun, and it is made twice."
            ),
            "Set innodb_flush_log_at_trx_commit = 1 in the server's configuration.",
        );
        doubt(
            !["0", "OFF", "DETECT_ONLY"].contains(&&*said("whole_pages")?),
            "The database runs with innodb_doublewrite = OFF: a power failure may damage the database.",
            "Set innodb_doublewrite = ON in the server's configuration, unless its file system never tears a page.",
        );
        let syncs = said("syncs")?;
        doubt(
            // With a binary log, what is not in it is taken back when the server starts again.
            ["0", "OFF"].contains(&&*said("logs")?) || syncs == "1",
            &format!(
                "The database has a binary log and runs with sync_binlog = {syncs}: a power failure may lose that a post was begun, and it is made twice."
            ),
            "Set sync_binlog = 1 in the server's configuration.",
        );
        let (waits, has_replica) = read!(self for "", db => { failover::replicates(db).await })?;
        doubt(
            waits || !has_replica || self.naming == Naming::Cluster,
            "The database does not wait for its replica: after a failover the jobs that were under way end as unknown, and \
             what was stored last may be lost.",
            "Set rpl_semi_sync_master_enabled = ON, rpl_semi_sync_master_wait_point = AFTER_SYNC and \
             rpl_semi_sync_master_timeout to an hour or more (in MySQL ..._source_...), best with two replicas.",
        );
        let packet: i64 = row.try_get("packet").map_err(failure)?;
        doubt(
            packet >= SMALLEST_PACKET,
            &format!(
                "The database runs with max_allowed_packet = {packet}: large posts and providers cannot be stored."
            ),
            "Set max_allowed_packet = 16M in the server's configuration.",
        );
        doubt(
            self.is_local || cipher.is_some_and(|it| !it.is_empty()),
            "The connection to the database on another machine is not encrypted.",
            "Add ssl-mode=VERIFY_IDENTITY to the database's URL, and ssl-ca where the certificate is your own.",
        );
        let distance = self.clock.far();
        doubt(
            distance.is_none(),
            &format!(
                "The clocks of the database and of this machine differ by {} seconds; jobs follow the database's.",
                distance.unwrap_or_default()
            ),
            "Let both machines set their clocks by NTP.",
        );
        Ok(doubts)
    }

    /// The turn of a tenant.
    async fn turn(&self, line: &str) -> Result<Place> {
        self.turns.enter(line).await.map_err(busy)
    }

    fn doubt_connections(&self, error: &sqlx::Error) {
        // A primary that has become a replica refuses what is written; its name may lead to another one by now.
        if is_away(error) || is_read_only(error) {
            self.doubted.note();
        }
    }

    /// See [`Tables::sql`].
    fn sql(&self, text: &str) -> AssertSqlSafe<String> {
        self.tables.sql(text)
    }
}

impl Drop for Mysql {
    fn drop(&mut self) {
        self.stop.cancel();
    }
}

/// The connection of a process that lives as long as it: it says that the process is there, measures the distance of the
/// clocks now and then, and looks which server it is.
struct Keeper {
    connect: MySqlConnectOptions,
    session: String,
    tables: Tables,
    naming: Naming,
    owner: String,
    clock: Arc<DatabaseClock>,
}

impl Keeper {
    async fn begin(&self) -> sqlx::Result<MySqlConnection> {
        let mut db = self.connect.connect().await?;
        db.execute(sqlx::raw_sql(AssertSqlSafe(self.session.clone()))).await?;
        process::enter(&mut db, &self.tables, &self.owner).await?;
        self.look(&mut db).await?;
        Ok(db)
    }

    async fn look(&self, db: &mut MySqlConnection) -> sqlx::Result<()> {
        self.clock.measure(now(db)).await?;
        failover::settle(db, &self.tables, self.naming).await
    }

    async fn keep(&self, mut db: MySqlConnection) {
        loop {
            tokio::time::sleep(MEASURE).await;
            let Err(error) = self.look(&mut db).await else { continue };
            tracing::debug!(%error, "the database's clock could not be read; the last distance counts");
            match self.begin().await {
                Ok(fresh) => db = fresh,
                Err(error) => tracing::debug!(%error, "the database cannot be reached; trying again"),
            }
        }
    }
}

/// What a message calls the database.
fn place(connect: &MySqlConnectOptions) -> String {
    let database = connect.get_database().unwrap_or_default();
    match connect.get_socket() {
        Some(socket) => format!("{database} at {}", socket.display()),
        None => format!("{database} at {}:{}", connect.get_host(), connect.get_port()),
    }
}

#[async_trait]
impl MetaStore for Mysql {
    async fn meta_or_insert(&self, key: &str, value: &[u8]) -> Result<Vec<u8>> {
        write!(self, db => {
            let insert = sqlx::query(self.sql("INSERT INTO {meta} (name, value) VALUES (?, ?)"));
            is_new(insert.bind(key).bind(value).execute(&mut *db).await)?;
            sqlx::query_scalar(self.sql("SELECT value FROM {meta} WHERE name = ?"))
                .bind(key)
                .fetch_one(&mut *db)
                .await
        })
    }

    async fn meta(&self, key: &str) -> Result<Option<Vec<u8>>> {
        read!(self for "", db => {
            sqlx::query_scalar(self.sql("SELECT value FROM {meta} WHERE name = ?"))
                .bind(key)
                .fetch_optional(&mut *db)
                .await
        })
    }

    async fn examine(&self) -> Result<Vec<Finding>> {
        let facts = read!(self for "", db => {
            sqlx::query_as(self.sql("SELECT VERSION(), (SELECT MAX(version) FROM {schema_version})"))
                .fetch_one(&mut *db)
                .await
        })?;
        let (server, schema): (Text, Option<i64>) = facts;
        let schema = schema.unwrap_or_default();
        Ok(vec![
            good(format!("the server {} has the schema of version {schema}, as this program", server.0)),
            good(format!("its clock is {} milliseconds ahead of this machine's", self.clock.distance())),
        ])
    }

    async fn set_meta(&self, key: &str, value: &[u8]) -> Result<()> {
        write_one!(self for "", db => {
            sqlx::query(self.sql("INSERT INTO {meta} (name, value) VALUES (?, ?) ON DUPLICATE KEY UPDATE value = ?"))
                .bind(key)
                .bind(value)
                .bind(value)
                .execute(&mut *db)
                .await
                .map(drop)
        })
    }

    async fn sealed_values(&self, after: Option<&SealedCursor>) -> Result<SealedPage> {
        self.sealed_page(after).await
    }

    async fn reseal(&self, value: &SealedValue, with: &Sealed) -> Result<bool> {
        self.replace_sealed(value, with).await
    }

    async fn kept(&self, tenant: &TenantId, what: Kept) -> Result<u64> {
        let count = match what {
            Kept::Channels => "SELECT COUNT(*) FROM {accounts} WHERE tenant = ?",
            Kept::Consents => "SELECT COUNT(*) FROM {sessions} WHERE tenant = ?",
            Kept::Drafts => "SELECT COUNT(*) FROM {drafts} WHERE tenant = ?",
            Kept::Uploads => "SELECT COUNT(*) FROM {uploads} WHERE tenant = ?",
        };
        let count: i64 = read!(self for tenant.as_str(), db => {
            sqlx::query_scalar(self.sql(count)).bind(tenant.as_str()).fetch_one(&mut *db).await
        })?;
        Ok(count.cast_unsigned())
    }

    async fn tenants(&self) -> Result<Vec<TenantId>> {
        let rows = read!(self for "", db => {
            sqlx::query(self.sql(
                "SELECT tenant FROM {accounts} UNION SELECT tenant FROM {tenant_counts} WHERE kept_jobs > 0
                 UNION SELECT tenant FROM {uploads} ORDER BY tenant",
            ))
            .fetch_all(&mut *db)
            .await
        })?;
        Ok(row::all("tenants", &rows, |row| row::parsed(row, "tenant")))
    }

    async fn close(&self) {
        self.stop.cancel();
        self.tasks.close();
        self.tasks.wait().await;
        self.pool.close().await;
    }
}

/// Fresh tables for the conformance suite.
#[cfg(test)]
pub(super) use self::tests::for_conformance;

//! The store in a PostgreSQL database, shared by any number of processes on any number of machines.
//!
//! Every transaction is READ COMMITTED: each statement sees what was committed before it began. Nothing here checks and
//! then writes what it found, without one of these in between:
//! - a constraint that the write must keep (one job of an idempotency key, one held job of a channel);
//! - a row that is locked first, and looked at by the next statement (attempts at one post, a consent, the queues);
//! - an advisory lock, where no row exists yet (a new account, a webhook and the reference that it names).
//!
//! Statements lock in the order job, channel, tenant. Where two transactions still meet in a deadlock, the one that the
//! server ends is tried again here, as is one whose connection was cut before its commit. A commit whose answer is lost
//! is an error: it may have happened.
//!
//! Leases end by the database's clock, and are durable like everything but what `write_relaxed!` writes. A process that
//! dies keeps its leases until they end: other machines cannot know of its death.

/// Runs one write transaction: `write!(store for tenant, db => { … Ok(value) })`; without a tenant it is the host's own.
/// The block must await only the database, and is run again from its beginning where others came first. A macro, because
/// the bound "an async closure whose future is `Send`" is not stable.
macro_rules! write {
    ($store:ident, $db:ident => $work:block) => {
        write!($store for "", $db => $work)
    };
    ($store:ident for $line:expr, $db:ident => $work:block) => {
        write_as!($store, $line, "BEGIN ISOLATION LEVEL READ COMMITTED", $db => $work)
    };
}

/// The same for writes that the end of the server's machine may lose: they are visible to every process at once, but do
/// not wait for the disk. Later durable writes include them.
macro_rules! write_relaxed {
    ($store:ident for $line:expr, $db:ident => $work:block) => {
        write_as!(
            $store, $line, "BEGIN ISOLATION LEVEL READ COMMITTED; SET LOCAL synchronous_commit = off", $db => $work
        )
    };
}

macro_rules! write_as {
    ($store:ident, $line:expr, $begin:literal, $db:ident => $work:block) => {{
        let _turn = $store.turn($line).await?;
        let mut tries = Tries::new();
        loop {
            let done: Done<_> = async {
                let mut connection = $store.pool.acquire().await?;
                let mut transaction = sqlx::Connection::begin_with(&mut *connection, $begin).await?;
                let value: sqlx::Result<_> = {
                    let $db: &mut PgConnection = &mut transaction;
                    async { $work }.await
                };
                let value = value?;
                transaction.commit().await.map_err(Broken::AtCommit)?;
                Ok(value)
            }
            .await;
            match done {
                Ok(value) => break Ok(value),
                Err(broken) => {
                    $store.doubt_connections(broken.error());
                    if !broken.again(&mut tries).await {
                        break Err(failure(broken.into_error()));
                    }
                }
            }
        }
    }};
}

/// Runs one statement that only reads: `read!(store for tenant, db => { sqlx::query(…).fetch_all(db).await })`.
macro_rules! read {
    ($store:ident for $line:expr, $db:ident => $work:block) => {{
        let _turn = $store.turn($line).await?;
        let mut tries = Tries::new();
        loop {
            let done: sqlx::Result<_> = async {
                let mut connection = $store.pool.acquire().await?;
                let $db: &mut PgConnection = &mut connection;
                async { $work }.await
            }
            .await;
            match done {
                Ok(value) => break Ok(value),
                Err(error) => {
                    $store.doubt_connections(&error);
                    if !tries.again(&error).await {
                        break Err(failure(error));
                    }
                }
            }
        }
    }};
}

/// Runs one statement that is a transaction by itself, and does no harm if it is run twice: where its answer is lost it is
/// run again. For those that are run most, because a transaction's beginning and end cost as much as the statement.
macro_rules! write_one {
    ($store:ident for $line:expr, $db:ident => $work:block) => {
        read!($store for $line, $db => $work)
    };
}

mod accounts;
mod apps;
mod bell;
mod clock;
mod copy;
mod documents;
mod drafts;
mod events;
mod failure;
mod jobs;
mod kv;
mod lock;
mod media;
mod queue;
mod samples;
mod schema;
mod sealed;
mod settings;
#[cfg(test)]
mod tests;

pub(crate) use self::copy::PostgresSide;

use std::borrow::Cow;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use async_trait::async_trait;
use social_channel_runtime::SecretText;
use social_channel_runtime::clock::{Clock, millis};
use social_channel_runtime::error::{Error, ErrorKind};
use social_channel_runtime::fair::{Bounds, Fair, Place};
use sqlx::Row as _;
use sqlx::postgres::{PgConnectOptions, PgConnection, PgPool, PgPoolOptions};
use tokio::time::Instant;

use self::bell::Bell;
use self::clock::DatabaseClock;
use self::failure::{CONNECTING, Tries, failure, is_away};
use self::lock::{lock, lock_number};
use self::settings::Settings;
use super::*;
use crate::wake::Wake;

/// Reads and writes of one tenant that may wait. Each takes a millisecond or a few, so that these are done in time.
const WAITING: usize = 10_000;
/// How long a call waits for its turn, and then for a connection.
const PATIENCE: Duration = Duration::from_secs(30);

/// See the module documentation.
pub(crate) struct Postgres {
    pool: PgPool,
    /// The connections, shared among tenants.
    turns: Fair,
    clock: Arc<DatabaseClock>,
    /// The owner of leases: this process, and this opening of the database.
    owner: String,
    /// When a connection was last found cut: the others of that time may be cut as well.
    doubted: Arc<Mutex<Option<Instant>>>,
    bell: Bell,
}

/// Where a transaction broke off.
enum Broken {
    /// Nothing of it remains.
    Before(sqlx::Error),
    /// Where its answer was lost, all of it remains, or nothing.
    AtCommit(sqlx::Error),
}

type Done<T> = std::result::Result<T, Broken>;

impl From<sqlx::Error> for Broken {
    fn from(error: sqlx::Error) -> Self {
        Broken::Before(error)
    }
}

impl Broken {
    fn error(&self) -> &sqlx::Error {
        match self {
            Broken::Before(error) | Broken::AtCommit(error) => error,
        }
    }

    fn into_error(self) -> sqlx::Error {
        match self {
            Broken::Before(error) | Broken::AtCommit(error) => error,
        }
    }

    async fn again(&self, tries: &mut Tries) -> bool {
        match self {
            Broken::Before(error) => tries.again(error).await,
            // An answer of the server is no lost one: a deferred refusal rolled everything back.
            Broken::AtCommit(error) => !is_away(error) && tries.again(error).await,
        }
    }
}

impl Postgres {
    /// Connects, and brings the database to the schema of this program. `wake` is rung when another process makes a job
    /// due.
    ///
    /// # Errors
    /// `InvalidRequest` for a wrong URL, `Misconfigured` for a wrong login and for a database of another kind, `Unavailable` for one that cannot be reached or is
    /// read-only, or that a newer program has changed.
    pub(crate) async fn open(url: &SecretText, clock: Arc<dyn Clock>, wake: Wake) -> Result<Self> {
        let Settings { connect, pool_size } = Settings::of(url)?;
        let opening = |error: Error| Error {
            message: format!("the database {} cannot be opened: {}", place(&connect), error.message),
            ..error
        };
        schema::prepare(&connect).await.map_err(opening)?;
        let doubted = Arc::new(Mutex::new(None));
        let doubts = doubted.clone();
        let pool = PgPoolOptions::new()
            .max_connections(pool_size)
            .acquire_timeout(CONNECTING)
            // Waiting for a server that restarts is no news for each call.
            .acquire_slow_threshold(CONNECTING)
            // A test before each use costs as much as the use; a cut connection is found by its failure.
            .test_before_acquire(false)
            .before_acquire(move |_, facts| {
                let good = !is_doubted(&doubts, facts.age);
                Box::pin(async move { Ok(good) })
            })
            .connect_lazy_with(connect.clone());
        let mut nonce = [0; 8];
        getrandom::fill(&mut nonce)
            .map_err(|error| Error::internal("the system gives no random numbers").with_source(error))?;
        let owner = format!("{}/{}", std::process::id(), hex::encode(nonce));
        let clock = Arc::new(DatabaseClock::new(clock));
        let mut first = pool.acquire().await.map_err(failure).map_err(opening)?;
        clock.measure(&mut first).await.map_err(failure).map_err(opening)?;
        drop(first);
        Ok(Postgres {
            bell: Bell::hang(connect, pool.clone(), owner.clone(), clock.clone(), wake),
            turns: Fair::new(Bounds {
                what: "reads and writes",
                places: usize::try_from(pool_size).unwrap_or(1),
                waiting: WAITING,
                patience: PATIENCE,
            }),
            pool,
            clock,
            owner,
            doubted,
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
        let facts = read!(self for "", db => {
            sqlx::query_as(
                "SELECT current_setting('fsync') = 'on', current_setting('full_page_writes') = 'on',
                 current_setting('synchronous_commit') <> 'off',
                 coalesce((SELECT ssl FROM pg_stat_ssl WHERE pid = pg_backend_pid()), false)
                   OR coalesce(inet_client_addr() = inet_server_addr(), true)",
            )
            .fetch_one(&mut *db)
            .await
        })?;
        let (syncs, whole_pages, waits, private): (bool, bool, bool, bool) = facts;
        let mut doubts = Vec::new();
        let mut doubt = |holds: bool, message: &str, remedy| {
            if !holds {
                doubts.push(doubtful(message, remedy));
            }
        };
        doubt(
            syncs,
            "PostgreSQL runs with fsync = off: a power failure may damage the whole database, and posts may be made twice.",
            "Set fsync = on in postgresql.conf.",
        );
        doubt(
            whole_pages,
            "PostgreSQL runs with full_page_writes = off: a power failure may damage the database.",
            "Set full_page_writes = on in postgresql.conf, unless its file system never tears a page.",
        );
        doubt(
            waits,
            "PostgreSQL runs with synchronous_commit = off: a crash may lose that a post was begun, and it is made twice.",
            "Set synchronous_commit = on for the database or its user; what may be lost asks for that itself.",
        );
        doubt(
            private,
            "The connection to PostgreSQL on another machine is not encrypted.",
            "Add sslmode=verify-full to the database's URL, and sslrootcert where the certificate is your own.",
        );
        let distance = Duration::from_millis(self.clock.distance().unsigned_abs()).as_secs();
        doubt(
            distance < FAR,
            &format!(
                "The clocks of PostgreSQL and of this machine differ by {distance} seconds; jobs follow PostgreSQL's."
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
        if is_away(error) {
            *self.doubted.lock().unwrap_or_else(PoisonError::into_inner) = Some(Instant::now());
        }
    }
}

/// Seconds. Clocks that differ by more are worth a look, though nothing depends on it.
const FAR: u64 = 5;

/// Whether a connection of this age may have been cut.
fn is_doubted(doubted: &Mutex<Option<Instant>>, age: Duration) -> bool {
    let doubted = *doubted.lock().unwrap_or_else(PoisonError::into_inner);
    doubted.is_some_and(|at| age >= at.elapsed())
}

/// What a message calls the database.
fn place(connect: &PgConnectOptions) -> String {
    let database = connect.get_database().unwrap_or(connect.get_username());
    match connect.get_socket() {
        Some(socket) => format!("{database} at {}", socket.display()),
        None => format!("{database} at {}:{}", connect.get_host(), connect.get_port()),
    }
}

/// The server may be slow, so this is not the fault of who asks alone.
fn busy(error: Error) -> Error {
    Error {
        kind: ErrorKind::Unavailable,
        message: format!("the database is busy: {}", error.message),
        ..error
    }
}

/// A text as PostgreSQL can hold it: without the character NUL, which platforms and callers may send.
fn text(text: &str) -> Cow<'_, str> {
    match text.contains('\0') {
        true => Cow::Owned(text.replace('\0', "\u{FFFD}")),
        false => Cow::Borrowed(text),
    }
}

/// The same where there may be none.
fn texts(value: Option<&str>) -> Option<Cow<'_, str>> {
    value.map(text)
}

#[async_trait]
impl MetaStore for Postgres {
    async fn meta_or_insert(&self, key: &str, value: &[u8]) -> Result<Vec<u8>> {
        write!(self, db => {
            sqlx::query("INSERT INTO meta (key, value) VALUES ($1, $2) ON CONFLICT (key) DO NOTHING")
                .bind(text(key))
                .bind(value)
                .execute(&mut *db)
                .await?;
            sqlx::query_scalar("SELECT value FROM meta WHERE key = $1").bind(text(key)).fetch_one(&mut *db).await
        })
    }

    async fn meta(&self, key: &str) -> Result<Option<Vec<u8>>> {
        read!(self for "", db => {
            sqlx::query_scalar("SELECT value FROM meta WHERE key = $1").bind(text(key)).fetch_optional(&mut *db).await
        })
    }

    async fn examine(&self) -> Result<Vec<Finding>> {
        let facts = read!(self for "", db => {
            sqlx::query_as(
                "SELECT current_setting('server_version'), (SELECT max(version) FROM schema_version),
                 (SELECT count(*) FROM pg_stat_replication), current_setting('synchronous_standby_names') <> ''",
            )
            .fetch_one(&mut *db)
            .await
        })?;
        let (server, schema, standbys, are_waited_for): (String, Option<i64>, i64, bool) = facts;
        let schema = schema.unwrap_or_default();
        let mut found = vec![
            good(format!("PostgreSQL {server} has the schema of version {schema}, as this program")),
            good(format!("its clock is {} milliseconds ahead of this machine's", self.clock.distance())),
        ];
        if standbys > 0 && !are_waited_for {
            found.push(doubtful(
                format!("{standbys} standbys follow it, and no commit waits for any of them: one that is promoted may lack what was stored last, such as that a post was begun."),
                "Set synchronous_standby_names, so that a commit waits for a standby.",
            ));
        }
        Ok(found)
    }

    async fn set_meta(&self, key: &str, value: &[u8]) -> Result<()> {
        write_one!(self for "", db => {
            sqlx::query(
                "INSERT INTO meta (key, value) VALUES ($1, $2) ON CONFLICT (key) DO UPDATE SET value = excluded.value",
            )
            .bind(text(key))
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
            Kept::Channels => "SELECT count(*) FROM accounts WHERE tenant = $1",
            Kept::Consents => "SELECT count(*) FROM sessions WHERE tenant = $1",
            Kept::Drafts => "SELECT count(*) FROM drafts WHERE tenant = $1",
            Kept::Uploads => "SELECT count(*) FROM uploads WHERE tenant = $1",
        };
        let count: i64 = read!(self for tenant.as_str(), db => {
            sqlx::query_scalar(count).bind(tenant.as_str()).fetch_one(&mut *db).await
        })?;
        Ok(count.cast_unsigned())
    }

    async fn tenants(&self) -> Result<Vec<TenantId>> {
        let rows = read!(self for "", db => {
            sqlx::query(
                "SELECT tenant FROM accounts UNION SELECT tenant FROM tenant_counts WHERE kept > 0
                 UNION SELECT tenant FROM uploads ORDER BY tenant",
            )
            .fetch_all(&mut *db)
            .await
        })?;
        Ok(row::all("tenants", &rows, |row| row::parsed(row, "tenant")))
    }

    async fn close(&self) {
        self.bell.still().await;
        self.pool.close().await;
    }
}

/// A fresh schema for the conformance suite.
#[cfg(test)]
pub(super) use self::tests::for_conformance;

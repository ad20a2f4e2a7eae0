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
macro_rules! write {
    ($store:ident, $db:ident => $work:block) => {
        write!($store for "", $db => $work)
    };
    ($store:ident for $line:expr, $db:ident => $work:block) => {
        transaction!($store, $line, "BEGIN ISOLATION LEVEL READ COMMITTED", $db => $work)
    };
}

/// The same for writes that the end of the server's machine may lose: they are visible to every process at once, but do
/// not wait for the disk. Later durable writes include them.
macro_rules! write_relaxed {
    ($store:ident for $line:expr, $db:ident => $work:block) => {
        transaction!(
            $store, $line, "BEGIN ISOLATION LEVEL READ COMMITTED; SET LOCAL synchronous_commit = off", $db => $work
        )
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

mod accounts;
mod apps;
mod bell;
mod clock;
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
mod queue;
mod samples;
mod schema;
mod sealed;
mod settings;
#[cfg(test)]
mod tests;

pub(crate) use self::copy::PostgresSide;

use std::borrow::Cow;
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use social_channel_runtime::SecretText;
use social_channel_runtime::clock::{Clock, millis};
use social_channel_runtime::error::Error;
use social_channel_runtime::fair::{Fair, Place};
use sqlx::Row as _;
use sqlx::postgres::{PgConnectOptions, PgConnection, PgPool, PgPoolOptions};

use self::bell::Bell;
use self::clock::now;
use self::failure::{failure, is_away, passing};
use self::lock::lock;
use self::settings::Settings;
use super::clock::DatabaseClock;
use super::lock::{lock_number, meeting};
use super::remote::{
    Broken, CONNECTING, Done, Doubted, Tries, busy, new_owner, statement, transaction, turns,
};
use super::schema::SchemaStep;
use super::*;
use crate::wake::Wake;

/// A connection.
type Driver = PgConnection;

/// See the module documentation.
pub(crate) struct Postgres {
    pool: PgPool,
    /// The connections, shared among tenants.
    turns: Fair,
    clock: Arc<DatabaseClock>,
    /// The owner of leases: this process, and this opening of the database.
    owner: String,
    doubted: Doubted,
    bell: Bell,
}

impl Postgres {
    /// Connects, and brings the database to the schema of this program. `wake` is rung when another process makes a job
    /// due.
    ///
    /// # Errors
    /// `InvalidRequest` for a wrong URL, `Misconfigured` for a wrong login and for a database of another kind, `Unavailable` for one that cannot be reached or is
    /// read-only, or that a newer program has changed.
    pub(crate) async fn open(url: &SecretText, clock: Arc<dyn Clock>, wake: Wake) -> Result<Self> {
        Self::open_as(url, clock, wake, &schema::SCHEMAS).await
    }

    /// As a program of these steps of the schema does.
    async fn open_as(
        url: &SecretText,
        clock: Arc<dyn Clock>,
        wake: Wake,
        steps: &[SchemaStep],
    ) -> Result<Self> {
        let Settings { connect, pool_size } = Settings::of(url)?;
        let opening = |error: Error| Error {
            message: format!("the database {} cannot be opened: {}", place(&connect), error.message),
            ..error
        };
        schema::prepare(&connect, steps).await.map_err(opening)?;
        let doubted = Doubted::default();
        let doubts = doubted.clone();
        let pool = PgPoolOptions::new()
            .max_connections(pool_size)
            .acquire_timeout(CONNECTING)
            // Waiting for a server that restarts is no news for each call.
            .acquire_slow_threshold(CONNECTING)
            // A test before each use costs as much as the use; a cut connection is found by its failure.
            .test_before_acquire(false)
            .after_connect(|db, _| Box::pin(failover::settle(db)))
            .before_acquire(move |_, facts| {
                let good = !doubts.covers(facts.age);
                Box::pin(async move { Ok(good) })
            })
            .connect_lazy_with(connect.clone());
        let owner = new_owner()?;
        let clock = Arc::new(DatabaseClock::new(clock));
        let mut first = pool.acquire().await.map_err(failure).map_err(opening)?;
        clock.measure(now(&mut first)).await.map_err(failure).map_err(opening)?;
        drop(first);
        Ok(Postgres {
            bell: Bell::hang(connect, pool.clone(), owner.clone(), clock.clone(), wake),
            turns: turns(pool_size),
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
                   OR coalesce(inet_client_addr() = inet_server_addr(), true),
                 current_setting('synchronous_standby_names') <> '' OR NOT EXISTS (SELECT 1 FROM pg_stat_replication)",
            )
            .fetch_one(&mut *db)
            .await
        })?;
        let (syncs, whole_pages, waits, private, replicates): (bool, bool, bool, bool, bool) = facts;
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
            replicates,
            "PostgreSQL does not wait for its standby: after a failover the jobs that were under way end as unknown, and \
             what was stored last may be lost.",
            "Set synchronous_standby_names, best with two standbys (ANY 1 (…)), so that the end of one stops nothing.",
        );
        doubt(
            private,
            "The connection to PostgreSQL on another machine is not encrypted.",
            "Add sslmode=verify-full to the database's URL, and sslrootcert where the certificate is your own.",
        );
        let distance = self.clock.far();
        doubt(
            distance.is_none(),
            &format!(
                "The clocks of PostgreSQL and of this machine differ by {} seconds; jobs follow PostgreSQL's.",
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
        if is_away(error) {
            self.doubted.note();
        }
    }
}

/// What a message calls the database.
fn place(connect: &PgConnectOptions) -> String {
    let database = connect.get_database().unwrap_or(connect.get_username());
    match connect.get_socket() {
        Some(socket) => format!("{database} at {}", socket.display()),
        None => format!("{database} at {}:{}", connect.get_host(), connect.get_port()),
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
                "SELECT current_setting('server_version'), (SELECT max(version) FROM schema_version)",
            )
            .fetch_one(&mut *db)
            .await
        })?;
        let (server, schema): (String, Option<i64>) = facts;
        let schema = schema.unwrap_or_default();
        Ok(vec![
            good(format!("PostgreSQL {server} has the schema of version {schema}, as this program")),
            good(format!("its clock is {} milliseconds ahead of this machine's", self.clock.distance())),
        ])
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

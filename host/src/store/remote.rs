//! What the stores behind a network share: turns of tenants, tries after others came first or a connection was cut, and
//! connections that may be cut.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use social_channel_runtime::error::{Error, ErrorKind, Result};
use social_channel_runtime::fair::{Bounds, Fair};
use tokio::time::Instant;

/// Whether a server was reached, and its certificate is not what was asked for. The library for TLS says it so.
pub(super) fn is_about_encryption(error: &std::io::Error) -> bool {
    error.kind() == std::io::ErrorKind::InvalidData
}

/// What is said then.
pub(super) fn not_encrypted(
    error: &dyn std::fmt::Display,
    remedy: &'static str,
) -> (ErrorKind, String, &'static str) {
    (ErrorKind::Misconfigured, format!("the connection to the database cannot be encrypted: {error}"), remedy)
}

/// Runs one transaction. The block must await only the database, and is run again from its beginning where others came
/// first. A macro, because the bound "an async closure whose future is `Send`" is not stable. Where it is used, `Driver`
/// is the connection's type, and `passing` and `failure` judge its errors.
macro_rules! transaction {
    ($store:ident, $line:expr, $begin:literal, $db:ident => $work:block) => {{
        let _turn = $store.turn($line).await?;
        let mut tries = Tries::new(passing);
        loop {
            let done: Done<_> = async {
                let mut connection = $store.pool.acquire().await?;
                let mut transaction = sqlx::Connection::begin_with(&mut *connection, $begin).await?;
                let value: sqlx::Result<_> = {
                    let $db: &mut Driver = &mut transaction;
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
pub(super) use transaction;

/// Runs one statement that does no harm if it is run twice: where its answer is lost it is run again.
macro_rules! statement {
    ($store:ident, $line:expr, $db:ident => $work:block) => {{
        let _turn = $store.turn($line).await?;
        let mut tries = Tries::new(passing);
        loop {
            let done: sqlx::Result<_> = async {
                let mut connection = $store.pool.acquire().await?;
                let $db: &mut Driver = &mut connection;
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
pub(super) use statement;

/// Connections of one process. A call reads one or two rows; a worker writes from each of its jobs now and then.
pub(super) const POOL_SIZE: u32 = 10;
/// How long a connection is waited for.
pub(super) const CONNECTING: Duration = Duration::from_secs(10);

/// How long a call waits for a database that restarts. A worker's lease lasts longer, and a caller does not.
const RESTARTING: Duration = Duration::from_secs(10);
/// Tries after others came first. Each time one of them has gone on, so more are not needed in practice.
const TRIES: u32 = 20;
const LONGEST_PAUSE: Duration = Duration::from_millis(500);

/// Reads and writes of one tenant that may wait. Each takes a millisecond or a few, so that these are done in time.
const WAITING: usize = 10_000;
/// How long a call waits for its turn, and then for a connection.
const PATIENCE: Duration = Duration::from_secs(30);

/// What is worth another try of a whole transaction that was not committed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Passing {
    /// Others came first: a deadlock, a serialization failure, a constraint that they made hold.
    Outrun,
    /// The connection is gone, or the server starts or stops.
    Away,
}

/// A driver's judgement of its errors. None: another try would fail as well.
type Judge = fn(&sqlx::Error) -> Option<Passing>;

/// The tries of one transaction.
pub(super) struct Tries {
    judge: Judge,
    since: Instant,
    made: u32,
}

impl Tries {
    pub(super) fn new(judge: Judge) -> Self {
        Tries { judge, since: Instant::now(), made: 0 }
    }

    /// Whether to try again, after a pause. False: the failure is the result.
    pub(super) async fn again(&mut self, error: &sqlx::Error) -> bool {
        self.made += 1;
        let goes_on = match (self.judge)(error) {
            Some(Passing::Outrun) => self.made < TRIES,
            Some(Passing::Away) => self.since.elapsed() < RESTARTING,
            None => false,
        };
        if goes_on {
            tracing::debug!(%error, tries = self.made, "a transaction is tried again");
            tokio::time::sleep(self.pause()).await;
        }
        goes_on
    }

    /// Longer each time, and not the same for all, or they would meet again.
    fn pause(&self) -> Duration {
        let longest = Duration::from_millis(2).saturating_mul(1 << self.made.min(8)).min(LONGEST_PAUSE);
        longest.mul_f64(0.5 + part() / 2.0)
    }
}

/// From 0 to 1. Without random numbers all are equal, which costs another try.
fn part() -> f64 {
    let mut random = [0; 1];
    let _ = getrandom::fill(&mut random);
    f64::from(random.first().copied().unwrap_or_default()) / 256.0
}

/// Where a transaction broke off.
pub(super) enum Broken {
    /// Nothing of it remains.
    Before(sqlx::Error),
    /// Where its answer was lost, all of it remains, or nothing.
    AtCommit(sqlx::Error),
}

pub(super) type Done<T> = std::result::Result<T, Broken>;

impl From<sqlx::Error> for Broken {
    fn from(error: sqlx::Error) -> Self {
        Broken::Before(error)
    }
}

impl Broken {
    pub(super) fn error(&self) -> &sqlx::Error {
        match self {
            Broken::Before(error) | Broken::AtCommit(error) => error,
        }
    }

    pub(super) fn into_error(self) -> sqlx::Error {
        match self {
            Broken::Before(error) | Broken::AtCommit(error) => error,
        }
    }

    pub(super) async fn again(&self, tries: &mut Tries) -> bool {
        match self {
            Broken::Before(error) => tries.again(error).await,
            // An answer of the server is no lost one: a refusal rolled everything back.
            Broken::AtCommit(error) => {
                (tries.judge)(error) != Some(Passing::Away) && tries.again(error).await
            }
        }
    }
}

/// When a connection was last found cut: the others of that time may be cut as well.
#[derive(Clone, Default)]
pub(super) struct Doubted(Arc<Mutex<Option<Instant>>>);

impl Doubted {
    pub(super) fn note(&self) {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = Some(Instant::now());
    }

    /// Whether a connection of this age may have been cut.
    pub(super) fn covers(&self, age: Duration) -> bool {
        let at = *self.0.lock().unwrap_or_else(PoisonError::into_inner);
        at.is_some_and(|at| age >= at.elapsed())
    }
}

/// The connections, shared among tenants.
pub(super) fn turns(pool_size: u32) -> Fair {
    Fair::new(Bounds {
        what: "reads and writes",
        places: usize::try_from(pool_size).unwrap_or(1),
        waiting: WAITING,
        patience: PATIENCE,
    })
}

/// The server may be slow, so this is not the fault of who asks alone.
pub(super) fn busy(error: Error) -> Error {
    Error {
        kind: ErrorKind::Unavailable,
        message: format!("the database is busy: {}", error.message),
        ..error
    }
}

/// The owner of leases: this process, and this opening of the database.
///
/// # Errors
/// `Internal` if the system gives no random numbers.
pub(super) fn new_owner() -> Result<String> {
    let mut nonce = [0; 8];
    getrandom::fill(&mut nonce)
        .map_err(|error| Error::internal("the system gives no random numbers").with_source(error))?;
    Ok(format!("{}/{}", std::process::id(), hex::encode(nonce)))
}

//! Wakes the workers of other processes when there may be work, by LISTEN and NOTIFY. They also look by themselves: a
//! notice that is lost only makes them look later.
//!
//! A notice is never part of the transaction that it tells of. PostgreSQL commits transactions with a notice one after the
//! other, so each would wait for the disk alone.

use std::sync::Arc;
use std::time::Duration;

use sqlx::ConnectOptions as _;
use sqlx::postgres::{PgConnectOptions, PgListener, PgPool, PgPoolOptions};
use tokio::sync::Notify;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use super::clock::now;
use super::failover::settle;
use crate::store::clock::{DatabaseClock, MEASURE};
use crate::wake::Wake;

/// The channel of notices is of the whole database, so it is called as the tables' schema.
const LISTEN: &str = "SELECT 'social_channel/' || current_schema()";
/// Notices in this time are one.
const GATHER: Duration = Duration::from_millis(20);
/// After a failure of the listener.
const PAUSE: Duration = Duration::from_secs(2);

/// Two tasks: one rings for this process, one hears the others.
pub(super) struct Bell {
    rung: Arc<Notify>,
    stop: CancellationToken,
    tasks: TaskTracker,
}

impl Bell {
    pub(super) fn hang(
        connect: PgConnectOptions,
        pool: PgPool,
        owner: String,
        clock: Arc<DatabaseClock>,
        wake: Wake,
    ) -> Self {
        let bell = Bell { rung: Arc::default(), stop: CancellationToken::new(), tasks: TaskTracker::new() };
        let (rung, stop) = (bell.rung.clone(), bell.stop.clone());
        let (ringer, own) = (owner.clone(), pool.clone());
        bell.tasks.spawn(async move {
            tokio::select! {
                () = stop.cancelled() => {}
                () = ring(&own, &ringer, &rung) => {}
            }
        });
        let stop = bell.stop.clone();
        bell.tasks.spawn(async move {
            tokio::select! {
                () = stop.cancelled() => {}
                () = hear(&connect, &pool, &owner, &clock, &wake) => {}
            }
        });
        bell
    }

    /// There may be work for others.
    pub(super) fn ring(&self) {
        self.rung.notify_one();
    }

    /// Ends both tasks.
    pub(super) async fn still(&self) {
        self.stop.cancel();
        self.tasks.close();
        self.tasks.wait().await;
    }
}

impl Drop for Bell {
    fn drop(&mut self) {
        self.stop.cancel();
    }
}

async fn ring(pool: &PgPool, owner: &str, rung: &Notify) {
    loop {
        rung.notified().await;
        let told = sqlx::query("SELECT pg_notify('social_channel/' || current_schema(), $1)")
            .bind(owner)
            .execute(pool)
            .await;
        if let Err(error) = told {
            tracing::debug!(%error, "other processes could not be woken; they look by themselves");
        }
        tokio::time::sleep(GATHER).await;
    }
}

async fn hear(connect: &PgConnectOptions, pool: &PgPool, owner: &str, clock: &DatabaseClock, wake: &Wake) {
    // A connection of its own: it waits for ever, and the pool's are for calls.
    let listening = PgPoolOptions::new()
        .max_connections(1)
        .max_lifetime(None)
        .idle_timeout(None)
        .connect_lazy_with(connect.clone().disable_statement_logging());
    loop {
        if let Err(error) = hear_until_cut(&listening, pool, owner, clock, wake).await {
            tracing::debug!(%error, "the database's notices are not heard; trying again");
        }
        tokio::time::sleep(PAUSE).await;
    }
}

async fn hear_until_cut(
    listening: &PgPool,
    pool: &PgPool,
    owner: &str,
    clock: &DatabaseClock,
    wake: &Wake,
) -> sqlx::Result<()> {
    let mut listener = PgListener::connect_with(listening).await?;
    let channel: String = sqlx::query_scalar(LISTEN).fetch_one(&mut listener).await?;
    listener.listen(&channel).await?;
    // What was told while nobody listened.
    wake.all();
    wake.told();
    let mut measure = tokio::time::interval(MEASURE);
    loop {
        tokio::select! {
            heard = listener.try_recv() => match heard? {
                Some(notice) if notice.payload() == owner => {}
                Some(_) => {
                    wake.all();
                    wake.told();
                }
                None => return Ok(()),
            },
            _ = measure.tick() => {
                let mut asked = pool.acquire().await?;
                clock.measure(now(&mut asked)).await?;
                settle(&mut asked).await?;
            }
        }
    }
}

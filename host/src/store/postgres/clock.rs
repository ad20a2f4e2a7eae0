//! The clock of everything that is compared with stored times: the database's, so that machines whose own clocks differ
//! agree on what is due and what has expired. Leases need no copy of it: their ends are computed by the database itself.

use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};

use social_channel_runtime::clock::{Clock, SystemClock};
use sqlx::PgConnection;

/// The given clock, moved by the distance between the database's clock and this machine's.
#[derive(Debug)]
pub(super) struct DatabaseClock {
    given: Arc<dyn Clock>,
    /// Milliseconds.
    distance: AtomicI64,
}

impl DatabaseClock {
    pub(super) fn new(given: Arc<dyn Clock>) -> Self {
        DatabaseClock { given, distance: AtomicI64::new(0) }
    }

    /// Measures the distance again. It is as exact as half of a round trip to the database.
    pub(super) async fn measure(&self, db: &mut PgConnection) -> sqlx::Result<()> {
        let before = SystemClock.now_ms();
        let theirs: i64 = sqlx::query_scalar("SELECT now_ms()").fetch_one(db).await?;
        let ours = before.midpoint(SystemClock.now_ms());
        self.distance.store(theirs.saturating_sub(ours), Ordering::Relaxed);
        Ok(())
    }

    /// Milliseconds that the database is ahead of this machine.
    pub(super) fn distance(&self) -> i64 {
        self.distance.load(Ordering::Relaxed)
    }
}

impl Clock for DatabaseClock {
    fn now_ms(&self) -> i64 {
        self.given.now_ms().saturating_add(self.distance())
    }
}

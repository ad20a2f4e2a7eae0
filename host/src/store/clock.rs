//! The clock of everything that is compared with stored times: the database's, so that machines whose own clocks differ
//! agree on what is due and what has expired. Leases need no copy of it: their ends are computed by the database itself.

use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};
use std::time::Duration;

use social_channel_runtime::clock::{Clock, SystemClock};

/// How often the distance of the clocks is measured: they drift by milliseconds in that time.
pub(super) const MEASURE: Duration = Duration::from_secs(30);
/// Seconds. Clocks that differ by more are worth a look, though nothing depends on it.
const FAR: u64 = 5;

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

    /// Measures the distance again: `theirs` reads the database's clock. It is as exact as half of a round trip.
    pub(super) async fn measure(&self, theirs: impl Future<Output = sqlx::Result<i64>>) -> sqlx::Result<()> {
        let before = SystemClock.now_ms();
        let theirs = theirs.await?;
        let ours = before.midpoint(SystemClock.now_ms());
        self.distance.store(theirs.saturating_sub(ours), Ordering::Relaxed);
        Ok(())
    }

    /// Milliseconds that the database is ahead of this machine.
    pub(super) fn distance(&self) -> i64 {
        self.distance.load(Ordering::Relaxed)
    }

    /// Seconds between the clocks, if there are more than is usual.
    pub(super) fn far(&self) -> Option<u64> {
        let seconds = Duration::from_millis(self.distance().unsigned_abs()).as_secs();
        (seconds >= FAR).then_some(seconds)
    }
}

impl Clock for DatabaseClock {
    fn now_ms(&self) -> i64 {
        self.given.now_ms().saturating_add(self.distance())
    }
}

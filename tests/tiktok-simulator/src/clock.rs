//! The virtual clock: real time plus an offset that tests move, or a frozen instant.
//! Nothing else in the simulator reads the time, except for faults that delay bytes on the wire.

use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use tokio::sync::Notify;

/// `frozen_ms` holds this while the clock runs.
const RUNNING: i64 = i64::MIN;

/// The simulator's time. Starts at real time and runs along with it; tests move it forward.
///
/// Clones share one clock.
#[derive(Clone, Debug)]
pub struct Clock {
    inner: Arc<Inner>,
}

#[derive(Debug)]
struct Inner {
    offset_ms: AtomicI64,
    frozen_ms: AtomicI64,
    changed: Notify,
}

impl Clock {
    pub(crate) fn start() -> Self {
        let inner = Inner {
            offset_ms: AtomicI64::new(0),
            frozen_ms: AtomicI64::new(RUNNING),
            changed: Notify::new(),
        };
        Self { inner: Arc::new(inner) }
    }

    /// The virtual time now.
    pub fn now(&self) -> SystemTime {
        UNIX_EPOCH + Duration::from_millis(u64::try_from(self.now_ms()).unwrap_or(0))
    }

    /// The virtual time now, in milliseconds since 1970 (UTC).
    pub fn now_ms(&self) -> i64 {
        match self.inner.frozen_ms.load(Ordering::SeqCst) {
            RUNNING => real_ms() + self.inner.offset_ms.load(Ordering::SeqCst),
            frozen => frozen,
        }
    }

    /// Moves the clock forward. What falls due in between (processing, expiry, webhooks) happens at
    /// its own virtual time.
    pub fn advance(&self, by: Duration) {
        let by = i64::try_from(by.as_millis()).unwrap_or(i64::MAX / 4);
        let frozen = self.inner.frozen_ms.load(Ordering::SeqCst);
        if frozen == RUNNING {
            self.inner.offset_ms.fetch_add(by, Ordering::SeqCst);
        } else {
            self.inner.frozen_ms.store(frozen.saturating_add(by), Ordering::SeqCst);
        }
        self.inner.changed.notify_one();
    }

    /// Stops the clock at its current time; then only [`Clock::advance`] moves it.
    pub fn freeze(&self) {
        self.inner.frozen_ms.store(self.now_ms(), Ordering::SeqCst);
    }

    /// Lets a frozen clock run on from its current time.
    pub fn run(&self) {
        let frozen = self.inner.frozen_ms.swap(RUNNING, Ordering::SeqCst);
        if frozen != RUNNING {
            self.inner.offset_ms.store(frozen - real_ms(), Ordering::SeqCst);
        }
        self.inner.changed.notify_one();
    }

    /// Returns once the clock was moved. For the scheduler task only.
    pub(crate) async fn changed(&self) {
        self.inner.changed.notified().await;
    }
}

fn real_ms() -> i64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    i64::try_from(since.as_millis()).unwrap_or(i64::MAX)
}

/// `YYYYMMDDhhmmss` in UTC, the head of a `log_id` (contract 1.4).
pub(crate) fn compact_utc(ms: i64) -> String {
    let secs = ms.div_euclid(1000);
    let (days, rest) = (secs.div_euclid(86_400), secs.rem_euclid(86_400));
    // Civil date from days since 1970, by the usual era arithmetic (400 years are 146,097 days).
    let z = days + 719_468;
    let era = z.div_euclid(146_097);
    let doe = z.rem_euclid(146_097);
    let yoe = (doe - doe / 1460 + doe / 36_524 - doe / 146_096) / 365;
    let doy = doe - (365 * yoe + yoe / 4 - yoe / 100);
    let mp = (5 * doy + 2) / 153;
    let day = doy - (153 * mp + 2) / 5 + 1;
    let month = if mp < 10 { mp + 3 } else { mp - 9 };
    let year = yoe + era * 400 + i64::from(month <= 2);
    format!("{year:04}{month:02}{day:02}{:02}{:02}{:02}", rest / 3600, rest / 60 % 60, rest % 60)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn compact_utc_is_the_calendar() {
        assert_eq!(compact_utc(0), "19700101000000");
        assert_eq!(compact_utc(951_782_400_000), "20000229000000");
        assert_eq!(compact_utc(1_795_342_500_000), "20261122101500");
    }

    #[test]
    fn a_frozen_clock_moves_only_by_hand() {
        let clock = Clock::start();
        clock.freeze();
        let before = clock.now_ms();
        clock.advance(Duration::from_secs(3600));
        assert_eq!(clock.now_ms(), before + 3_600_000);
        clock.run();
        assert!(clock.now_ms() >= before + 3_600_000);
    }
}

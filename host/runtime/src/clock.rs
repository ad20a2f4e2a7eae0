//! The clock, which tests can move.

use std::fmt::Debug;
use std::sync::atomic::{AtomicI64, Ordering};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

/// The source of timestamps. Waiting uses real time; only stored and compared timestamps come from this clock.
pub trait Clock: Send + Sync + Debug {
    /// Milliseconds since 1970-01-01T00:00:00Z.
    fn now_ms(&self) -> i64;
}

/// The system clock.
#[derive(Debug, Default)]
pub struct SystemClock;

impl Clock for SystemClock {
    fn now_ms(&self) -> i64 {
        SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, millis)
    }
}

/// The system clock with an offset that tests change.
#[derive(Debug, Default)]
pub struct MovedClock(AtomicI64);

impl MovedClock {
    /// Moves it forward.
    pub fn advance(&self, by: Duration) {
        self.0.fetch_add(millis(by), Ordering::SeqCst);
    }

    /// Moves it back.
    pub fn turn_back(&self, by: Duration) {
        self.0.fetch_sub(millis(by), Ordering::SeqCst);
    }
}

impl Clock for MovedClock {
    fn now_ms(&self) -> i64 {
        SystemClock.now_ms().saturating_add(self.0.load(Ordering::SeqCst))
    }
}

/// Seconds since 1970 of a date in the Gregorian calendar, UTC.
pub(crate) fn seconds_of([year, month, day]: [i64; 3], [hour, minute, second]: [i64; 3]) -> i64 {
    // By years that begin in March, and eras of 400 years (146,097 days).
    let (year, month) = if month > 2 { (year, month - 3) } else { (year - 1, month + 9) };
    let era = year.div_euclid(400);
    let year = year.rem_euclid(400);
    let days = era * 146_097 + year * 365 + year / 4 - year / 100 + (153 * month + 2) / 5 + day - 1 - 719_468;
    ((days * 24 + hour) * 60 + minute) * 60 + second
}

/// Formats a timestamp as `2026-11-25 15:14 UTC`, for messages.
pub fn utc(at_ms: i64) -> String {
    let minute = at_ms.div_euclid(60_000).rem_euclid(1440);
    format!("{} {:02}:{:02} UTC", day_of(at_ms), minute / 60, minute % 60)
}

/// Formats a timestamp as `2026-11-25T15:14:09.123Z` (RFC 3339), for documents that other programs read.
pub fn rfc3339(at_ms: i64) -> String {
    let ms = at_ms.rem_euclid(86_400_000);
    let (hour, minute, second) = (ms / 3_600_000, ms / 60_000 % 60, ms / 1000 % 60);
    format!("{}T{hour:02}:{minute:02}:{second:02}.{:03}Z", day_of(at_ms), ms % 1000)
}

/// The day as `2026-11-25`, UTC.
fn day_of(at_ms: i64) -> String {
    let days = at_ms.div_euclid(86_400_000);
    // Civil date from days since 1970, by the usual algorithm with eras (400 years are 146,097 days).
    let z = days + 719_468;
    let (era, doe) = (z.div_euclid(146_097), z.rem_euclid(146_097));
    let yoe = (doe - doe / 1460 + doe / 36_524 - doe / 146_096) / 365;
    let doy = doe - (365 * yoe + yoe / 4 - yoe / 100);
    let mp = (5 * doy + 2) / 153;
    let day = doy - (153 * mp + 2) / 5 + 1;
    let month = if mp < 10 { mp + 3 } else { mp - 9 };
    let year = yoe + era * 400 + i64::from(month <= 2);
    format!("{year:04}-{month:02}-{day:02}")
}

/// A duration in milliseconds, the store's unit.
pub fn millis(length: Duration) -> i64 {
    i64::try_from(length.as_millis()).unwrap_or(i64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sentences_name_the_day_of_the_calendar() {
        assert_eq!(utc(0), "1970-01-01 00:00 UTC");
        assert_eq!(utc(951_782_400_000), "2000-02-29 00:00 UTC");
        assert_eq!(utc(1_795_342_599_999), "2026-11-22 10:16 UTC");
        assert_eq!(rfc3339(1_795_342_599_999), "2026-11-22T10:16:39.999Z");
        assert_eq!(rfc3339(951_782_400_007), "2000-02-29T00:00:00.007Z");
    }
}

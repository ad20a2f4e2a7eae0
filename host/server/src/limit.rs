//! How often somebody may do something: so many in a minute, counted in this process.

use std::collections::HashMap;
use std::sync::Mutex;
use std::time::{Duration, Instant};

/// The time that a count is for.
const WINDOW: Duration = Duration::from_secs(60);
/// Names remembered. Who can make up more (IPv6 addresses) has them share one count.
const NAMES: usize = 10_000;
/// The count of everybody beyond [`NAMES`].
const REST: &str = "";

/// See the module.
#[derive(Debug)]
pub(crate) struct Limiter {
    limit: u32,
    counts: Mutex<HashMap<String, (Instant, u32)>>,
}

impl Limiter {
    pub(crate) fn new(limit: u32) -> Self {
        Limiter { limit, counts: Mutex::default() }
    }

    /// Counts one. `Err`: too many, and how long to wait.
    pub(crate) fn take(&self, name: &str) -> Result<(), Duration> {
        self.take_at(name, Instant::now())
    }

    fn take_at(&self, name: &str, now: Instant) -> Result<(), Duration> {
        let Ok(mut counts) = self.counts.lock() else { return Err(WINDOW) };
        if counts.len() >= NAMES && !counts.contains_key(name) {
            counts.retain(|_, (begun, _)| now.duration_since(*begun) < WINDOW);
        }
        let name = if counts.len() >= NAMES && !counts.contains_key(name) { REST } else { name };
        let (begun, count) = counts.entry(name.to_owned()).or_insert((now, 0));
        if now.duration_since(*begun) >= WINDOW {
            (*begun, *count) = (now, 0);
        }
        if *count >= self.limit {
            return Err(WINDOW.saturating_sub(now.duration_since(*begun)));
        }
        *count += 1;
        Ok(())
    }

    /// Forgets a count: what was counted turned out to be right.
    pub(crate) fn forget(&self, name: &str) {
        if let Ok(mut counts) = self.counts.lock() {
            counts.remove(name);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_name_has_its_own_count_and_a_new_minute_begins_anew() {
        let limiter = Limiter::new(2);
        let now = Instant::now();
        assert!(limiter.take_at("a", now).is_ok() && limiter.take_at("a", now).is_ok());
        assert_eq!(limiter.take_at("a", now + Duration::from_secs(20)), Err(Duration::from_secs(40)));
        assert!(limiter.take_at("b", now).is_ok());
        assert!(limiter.take_at("a", now + WINDOW).is_ok());
        limiter.forget("a");
        assert!(limiter.take_at("a", now).is_ok());
    }

    #[test]
    fn many_names_share_one_count_and_take_no_more_memory() {
        let limiter = Limiter::new(1);
        let now = Instant::now();
        for name in 0..NAMES {
            limiter.take_at(&name.to_string(), now).unwrap();
        }
        assert!(limiter.take_at("one more", now).is_ok());
        assert!(limiter.take_at("and one", now).is_err());
        assert!(limiter.counts.lock().unwrap().len() <= NAMES + 1);
    }
}

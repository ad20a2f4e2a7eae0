//! Sliding windows on the virtual clock (contract 1.5).

use std::collections::{HashMap, VecDeque};

#[derive(Debug, Default)]
pub(crate) struct Limits {
    windows: HashMap<String, VecDeque<i64>>,
}

impl Limits {
    /// Counts one call under `key`. `Err` has the milliseconds until the next call is allowed; a
    /// refused call is not counted.
    pub(crate) fn take(&mut self, key: &str, now_ms: i64, most: usize, window_ms: i64) -> Result<(), i64> {
        let calls = self.windows.entry(key.to_string()).or_default();
        while calls.front().is_some_and(|&at| at <= now_ms - window_ms) {
            calls.pop_front();
        }
        if calls.len() >= most {
            return Err(calls.front().map_or(window_ms, |&first| first + window_ms - now_ms));
        }
        calls.push_back(now_ms);
        Ok(())
    }

    /// Uncounts the newest call under `key`.
    pub(crate) fn give_back(&mut self, key: &str) {
        if let Some(calls) = self.windows.get_mut(key) {
            calls.pop_back();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_window_slides() {
        let mut limits = Limits::default();
        assert_eq!(limits.take("k", 0, 2, 60_000), Ok(()));
        assert_eq!(limits.take("k", 30_000, 2, 60_000), Ok(()));
        assert_eq!(limits.take("k", 59_999, 2, 60_000), Err(1));
        assert_eq!(limits.take("other", 59_999, 2, 60_000), Ok(()));
        assert_eq!(limits.take("k", 60_000, 2, 60_000), Ok(()));
        assert_eq!(limits.take("k", 60_001, 2, 60_000), Err(29_999));
    }
}

//! How often somebody may do something: so many in a minute, counted in this process; and who tries a password next.

use std::collections::HashMap;
use std::net::IpAddr;
use std::sync::Mutex;
use std::time::{Duration, Instant};

use tokio::sync::{Semaphore, SemaphorePermit};

/// The time window of a count.
const WINDOW: Duration = Duration::from_secs(60);
/// The number of names counted separately. Further names (an attacker may have many IPv6 addresses) share one
/// count.
const NAMES: usize = 10_000;
/// The shared count of names beyond [`NAMES`].
const REST: &str = "";

/// What counts as one: of IPv6 the network, since each of its addresses is anybody's there.
pub(crate) fn network_of(address: IpAddr) -> String {
    match address {
        IpAddr::V4(address) => address.to_string(),
        IpAddr::V6(address) => {
            let [a, b, c, d, ..] = address.segments();
            format!("{a:x}:{b:x}:{c:x}:{d:x}::/64")
        }
    }
}

/// See the module documentation.
#[derive(Debug)]
pub(crate) struct Limiter {
    limit: u32,
    counts: Mutex<HashMap<String, (Instant, u32)>>,
}

impl Limiter {
    pub(crate) fn new(limit: u32) -> Self {
        Limiter { limit, counts: Mutex::default() }
    }

    /// Counts one action. `Err`: too many, and how long to wait.
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

    /// Removes a count, after an attempt that was correct.
    pub(crate) fn forget(&self, name: &str) {
        if let Ok(mut counts) = self.counts.lock() {
            counts.remove(name);
        }
    }
}

/// Passwords that are tried at once. Each takes 19 MiB and a processor, on purpose.
const AT_ONCE: usize = 2;
/// Those beyond an address's share come one after another, a second each.
const SLOWLY: Duration = Duration::from_secs(1);
/// Of one address, and of all, may wait for that.
const WAITING: u32 = 8;
const ALL_WAITING: u32 = 64;

/// Who may try a password, and when. Who tried too many waits in a slower lane, and does so with everybody else who did:
/// behind a proxy all have one address, and its wrong passwords must not lock out who knows the right one.
#[derive(Debug)]
pub(crate) struct Door {
    quick: Limiter,
    tries: Semaphore,
    lane: Semaphore,
    waiting: Mutex<HashMap<String, u32>>,
    pace: Duration,
}

impl Door {
    pub(crate) fn new(limit: u32) -> Self {
        Door {
            quick: Limiter::new(limit),
            tries: Semaphore::new(AT_ONCE),
            lane: Semaphore::new(1),
            waiting: Mutex::default(),
            pace: SLOWLY,
        }
    }

    /// Waits until this address may try. `Err`: too many wait already, and how long to stay away.
    pub(crate) async fn turn(&self, name: &str) -> Result<SemaphorePermit<'_>, Duration> {
        if let Err(wait) = self.quick.take(name) {
            let _waiting = Waiting::enter(self, name).ok_or(wait)?;
            // Never closed, so the error cannot arise.
            let _first = self.lane.acquire().await.map_err(|_| wait)?;
            tokio::time::sleep(self.pace).await;
        }
        self.tries.acquire().await.map_err(|_| WINDOW)
    }

    /// The password was right: what was counted of this address is forgotten.
    pub(crate) fn opened(&self, name: &str) {
        self.quick.forget(name);
    }
}

/// A place in the slower lane; left also when its browser goes away.
struct Waiting<'a> {
    door: &'a Door,
    name: String,
}

impl<'a> Waiting<'a> {
    fn enter(door: &'a Door, name: &str) -> Option<Self> {
        let mut waiting = door.waiting.lock().ok()?;
        let own = waiting.get(name).copied().unwrap_or_default();
        if own >= WAITING || waiting.values().sum::<u32>() >= ALL_WAITING {
            return None;
        }
        waiting.insert(name.to_owned(), own + 1);
        Some(Waiting { door, name: name.to_owned() })
    }
}

impl Drop for Waiting<'_> {
    fn drop(&mut self) {
        let Ok(mut waiting) = self.door.waiting.lock() else { return };
        match waiting.get_mut(&self.name) {
            Some(count) if *count > 1 => *count -= 1,
            _ => drop(waiting.remove(&self.name)),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn who_tried_too_many_waits_and_is_let_in_all_the_same() {
        let door = Door { pace: Duration::ZERO, ..Door::new(1) };
        drop(door.turn("a").await.unwrap());
        let mut waiting = (0..WAITING).map(|_| Box::pin(door.turn("a"))).collect::<Vec<_>>();
        for one in &mut waiting {
            assert!(futures::poll!(one.as_mut()).is_pending());
        }
        assert!(door.turn("a").await.is_err(), "no more of one address wait");
        assert!(door.turn("b").await.is_ok(), "another's first try waits for nobody");
        // One goes away, and its place is another's.
        waiting.pop();
        assert!(futures::poll!(Box::pin(door.turn("a"))).is_pending());
        for one in waiting {
            drop(one.await.unwrap());
        }
        assert!(door.waiting.lock().unwrap().is_empty());
        let others: Vec<String> = (0..2 * ALL_WAITING).map(|name| name.to_string()).collect();
        for name in &others {
            drop(door.turn(name).await.unwrap());
        }
        let mut all = others.iter().map(|name| Box::pin(door.turn(name))).collect::<Vec<_>>();
        let mut refused = 0;
        for one in &mut all {
            refused += u32::from(futures::poll!(one.as_mut()).is_ready());
        }
        assert_eq!(refused, ALL_WAITING);
    }

    #[test]
    fn each_name_has_its_own_count_and_a_new_minute_starts_from_zero() {
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

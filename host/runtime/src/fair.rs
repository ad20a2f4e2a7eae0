//! Places that callers share fairly: for calls, for media, for uploads, for the database.
//!
//! Callers with one key (a tenant) wait behind each other and not behind the callers of another key. No key takes all
//! places: it may hold three times as many as are left free, so one that floods holds three quarters, and the next one
//! that comes finds a place at once. Keys that wait take turns. Nothing is kept for a key that neither holds a place nor
//! waits for one.

use std::collections::{BTreeMap, HashMap, VecDeque};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::sync::oneshot;

use crate::error::{Error, ErrorKind, Outcome, Result};

/// What a refused caller is told to wait: places become free all the time.
const RETRY_AFTER: Duration = Duration::from_secs(5);

/// Whether a key that holds so many places may take another one. With up to three places, one key may take them all:
/// a place that is never used helps nobody.
pub fn may_take(held: usize, free: usize) -> bool {
    held < free.saturating_mul(3)
}

/// How many places there are, and who may wait for one.
#[derive(Clone, Copy, Debug)]
pub struct Bounds {
    /// What the places are for, in the plural, for messages.
    pub what: &'static str,
    /// How many there are.
    pub places: usize,
    /// How many callers of one key may wait; others are refused at once.
    pub waiting: usize,
    /// The longest wait.
    pub patience: Duration,
}

/// Places shared among keys. Cheap to clone.
#[derive(Clone, Debug)]
pub struct Fair(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    bounds: Bounds,
    lines: Mutex<Lines>,
}

#[derive(Debug, Default)]
struct Lines {
    taken: usize,
    keys: HashMap<Arc<str>, Line>,
    /// The keys with waiting callers, the next one first.
    turns: VecDeque<Arc<str>>,
    next: u64,
}

#[derive(Debug, Default)]
struct Line {
    held: usize,
    /// By their arrival.
    waiting: BTreeMap<u64, oneshot::Sender<()>>,
}

/// A place, or the wait for one. Dropping it gives it up.
#[derive(Debug)]
pub struct Place {
    fair: Fair,
    key: Arc<str>,
    id: u64,
}

impl Fair {
    /// Free places; at least one, and one that waits for it.
    pub fn new(bounds: Bounds) -> Self {
        let Bounds { places, waiting, .. } = bounds;
        let bounds = Bounds { places: places.max(1), waiting: waiting.max(1), ..bounds };
        Fair(Arc::new(Inner { bounds, lines: Mutex::default() }))
    }

    /// Waits for a place. Dropping the future leaves the line.
    ///
    /// # Errors
    /// `RateLimited` if too many callers of this key wait already, or if no place became free in time.
    pub async fn enter(&self, key: &str) -> Result<Place> {
        let (place, turn) = self.line_up(key)?;
        let Some(turn) = turn else { return Ok(place) };
        match tokio::time::timeout(self.0.bounds.patience, turn).await {
            Ok(Ok(())) => Ok(place),
            Ok(Err(_)) | Err(_) => Err(self.busy()),
        }
    }

    /// A place at once, or the turn to wait for.
    fn line_up(&self, key: &str) -> Result<(Place, Option<oneshot::Receiver<()>>)> {
        let Bounds { places, waiting, .. } = self.0.bounds;
        let key: Arc<str> = key.into();
        let mut lines = self.lock();
        let lines = &mut *lines;
        let line = lines.keys.entry(key.clone()).or_default();
        let id = lines.next;
        let turn = if line.waiting.is_empty() && may_take(line.held, places - lines.taken) {
            line.held += 1;
            lines.taken += 1;
            None
        } else {
            if line.waiting.len() >= waiting {
                return Err(self.busy());
            }
            if line.waiting.is_empty() {
                lines.turns.push_back(key.clone());
            }
            let (give, turn) = oneshot::channel();
            line.waiting.insert(id, give);
            Some(turn)
        };
        lines.next += 1;
        Ok((Place { fair: self.clone(), key, id }, turn))
    }

    fn lock(&self) -> MutexGuard<'_, Lines> {
        self.0.lines.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn busy(&self) -> Error {
        let what = self.0.bounds.what;
        Error::new(
            ErrorKind::RateLimited,
            format!("too many {what} at once: no place became free for this one"),
        )
        .with_remedy("Wait until others have ended, and send fewer at once.")
        .with_retry_after(RETRY_AFTER)
        .with_outcome(Outcome::NotDone)
    }
}

impl Lines {
    /// Gives free places to those that wait, one key after the other.
    fn give(&mut self, places: usize) {
        let mut passed = 0;
        while passed < self.turns.len() && self.taken < places {
            let Some(key) = self.turns.pop_front() else { return };
            let Some(line) = self.keys.get_mut(&key) else { continue };
            passed += 1;
            if may_take(line.held, places - self.taken)
                && let Some((_, turn)) = line.waiting.pop_first()
            {
                line.held += 1;
                self.taken += 1;
                passed = 0;
                // A caller that stopped waiting gives the place back itself.
                let _ = turn.send(());
            }
            if !line.waiting.is_empty() {
                self.turns.push_back(key);
            }
        }
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        let mut lines = self.fair.lock();
        let lines = &mut *lines;
        let Some(line) = lines.keys.get_mut(&self.key) else { return };
        let has_waited = line.waiting.remove(&self.id).is_some();
        if has_waited && line.waiting.is_empty() {
            lines.turns.retain(|key| *key != self.key);
        }
        if !has_waited {
            line.held -= 1;
            lines.taken -= 1;
        }
        if line.held == 0 && line.waiting.is_empty() {
            lines.keys.remove(&self.key);
        }
        if !has_waited {
            lines.give(self.fair.0.bounds.places);
        }
    }
}

#[cfg(test)]
mod tests {
    use std::pin::Pin;

    use futures::poll;

    use super::*;

    const LONG: Duration = Duration::from_secs(3600);

    fn fair(places: usize, waiting: usize, patience: Duration) -> Fair {
        Fair::new(Bounds { what: "tests", places, waiting, patience })
    }

    type Waiting<'a> = Pin<Box<dyn Future<Output = Result<Place>> + 'a>>;

    /// Waits in the line of a key.
    async fn waits<'a>(fair: &'a Fair, key: &'a str) -> Waiting<'a> {
        let mut entering: Waiting<'a> = Box::pin(fair.enter(key));
        assert!(poll!(entering.as_mut()).is_pending(), "{key} found a place");
        entering
    }

    async fn is_in(entering: &mut Waiting<'_>) -> Option<Place> {
        match poll!(entering.as_mut()) {
            std::task::Poll::Ready(place) => Some(place.unwrap()),
            std::task::Poll::Pending => None,
        }
    }

    #[tokio::test]
    async fn who_floods_leaves_a_place_for_the_next() {
        let fair = fair(16, 100, LONG);
        let mut held = Vec::new();
        for _ in 0..12 {
            held.push(fair.enter("flood").await.unwrap());
        }
        let mut behind = waits(&fair, "flood").await;
        // One after the other comes, and each finds a place at once, until all are taken.
        for quiet in ["a", "b", "c", "d"] {
            held.push(fair.enter(quiet).await.unwrap());
        }
        let mut late = waits(&fair, "late").await;
        // What becomes free is the late one's, although the flood has waited longer.
        held.swap_remove(0);
        let _late = is_in(&mut late).await.expect("the late one has a place");
        assert!(is_in(&mut behind).await.is_none());
        drop(held);
        is_in(&mut behind).await.expect("the flood goes on");
    }

    #[tokio::test]
    async fn keys_take_turns_and_callers_of_one_key_keep_their_order() {
        let fair = fair(1, 100, LONG);
        let mut running = Some(fair.enter("a").await.unwrap());
        let mut waiting = Vec::new();
        for key in ["a", "a", "a", "a", "b", "c", "b"] {
            waiting.push((key, waits(&fair, key).await));
        }
        let mut order = String::new();
        while !waiting.is_empty() {
            drop(running.take());
            for index in 0..waiting.len() {
                if let Some(place) = is_in(&mut waiting[index].1).await {
                    order.push_str(waiting.remove(index).0);
                    running = Some(place);
                    break;
                }
            }
        }
        assert_eq!(order, "abcabaa");
    }

    #[tokio::test]
    async fn a_line_is_bounded_and_who_leaves_it_makes_room() {
        let fair = fair(1, 2, LONG);
        let running = fair.enter("a").await.unwrap();
        let first = waits(&fair, "a").await;
        let mut second = waits(&fair, "a").await;
        let refused = fair.enter("a").await.unwrap_err();
        assert_eq!(refused.kind, ErrorKind::RateLimited);
        assert_eq!((refused.retry_after, refused.outcome), (Some(RETRY_AFTER), Some(Outcome::NotDone)));
        // Another's line is its own.
        let other = waits(&fair, "b").await;
        drop(first);
        drop(other);
        let third = waits(&fair, "a").await;
        drop(running);
        let second = is_in(&mut second).await.expect("the next in the line");
        // A place that was given to somebody who is no longer there goes on to the next.
        let mut fourth = waits(&fair, "a").await;
        drop(second);
        drop(third);
        drop(is_in(&mut fourth).await.expect("it went on"));
        drop(fourth);
        let lines = fair.lock();
        assert!(lines.keys.is_empty() && lines.turns.is_empty() && lines.taken == 0, "{lines:?}");
    }

    #[tokio::test]
    async fn nobody_waits_without_end() {
        let fair = fair(1, 2, Duration::ZERO);
        let running = fair.enter("a").await.unwrap();
        assert_eq!(fair.enter("b").await.unwrap_err().kind, ErrorKind::RateLimited);
        drop(running);
        drop(fair.enter("b").await.unwrap());
        assert!(fair.lock().keys.is_empty());
    }
}

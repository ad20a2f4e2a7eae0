//! TikTok's allowances, counted in the host's storage so that all processes agree. Whether to wait is decided
//! before a request is sent, and the form shows the remaining allowance.
//!
//! TikTok counts by access token; this ledger counts by account, so that a refresh does not bypass a limit
//! (that would look like abuse). TikTok's 429 always corrects the ledger. If storage fails, the ledger allows
//! everything and TikTok decides.

use std::collections::BTreeMap;
use std::future::Future;

use serde::{Deserialize, Serialize};
use social_channel_provider::storage::{Change, update};
use social_channel_provider::{Environment, Error, ErrorKind};

const MINUTE: u64 = 60_000;
/// TikTok counts when a request arrives, the ledger before it is sent, so a call stays in the ledger this much longer.
/// A call that took longer is counted again when it ends; if its process died, this extra time has to be enough.
const UNDER_WAY: u64 = 5_000;
const DAY: u64 = 24 * 60 * MINUTE;

/// An allowance in a sliding window.
pub(crate) struct Limit {
    /// The name in the form and in storage keys.
    pub(crate) name: &'static str,
    pub(crate) maximum: u64,
    window: u64,
    /// One of this many calls is counted, with this weight.
    sample: u8,
}

const fn a_minute(name: &'static str, maximum: u64) -> Limit {
    Limit { name, maximum, window: MINUTE + UNDER_WAY, sample: 1 }
}

/// Reading is allowed 600 times a minute. A write to the database for each read would cost more than the
/// read; one in ten, picked at random and counted tenfold, keeps the sum right to a few percent.
const fn reads(name: &'static str) -> Limit {
    Limit { name, maximum: 600, window: MINUTE, sample: 10 }
}

pub(crate) const USER_INFO: Limit = reads("user-info");
/// Counted individually, because its pages are spaced ([`space`]).
pub(crate) const VIDEO_LIST: Limit = a_minute("video-list", 600);
pub(crate) const VIDEO_QUERY: Limit = reads("video-query");
pub(crate) const CREATOR_INFO: Limit = a_minute("creator-info", 20);
pub(crate) const VIDEO_INIT: Limit = a_minute("video-init", 6);
pub(crate) const PHOTO_INIT: Limit = a_minute("photo-init", 6);
pub(crate) const STATUS: Limit = a_minute("status", 30);

/// Posts of a creator in 24 hours: "typically about 15", shared with all other apps (D-CSG). It is only shown
/// and never enforced.
pub(crate) const POSTS: Limit = Limit { name: "posts-per-day", maximum: 15, window: DAY, sample: 1 };

/// What a publish and its form count. They are kept in one value, because the form shows them all and a publish needs
/// several: each value costs a read of the host's database.
const PUBLISHING: [&Limit; 5] = [&POSTS, &VIDEO_INIT, &PHOTO_INIT, &CREATOR_INFO, &STATUS];
/// Kept alone, because reads happen beside a publish.
const READING: [&Limit; 3] = [&USER_INFO, &VIDEO_LIST, &VIDEO_QUERY];

#[derive(Default, Serialize, Deserialize)]
struct Ledger {
    /// Instants in milliseconds, oldest first, and how many calls each stands for.
    #[serde(default)]
    calls: Vec<(u64, u64)>,
    /// No call before this instant, as TikTok refused one.
    #[serde(default)]
    closed_until: u64,
}

impl Ledger {
    fn used(&self) -> u64 {
        self.calls.iter().fold(0, |sum, (_, count)| sum.saturating_add(*count))
    }

    /// How long until one more fits; 0 means now.
    fn wait(&self, limit: &Limit, now: u64) -> u64 {
        let closed = self.closed_until.saturating_sub(now);
        if self.used() < limit.maximum {
            return closed;
        }
        let oldest = self.calls.first().map_or(now, |(at, _)| *at);
        closed.max((oldest + limit.window).saturating_sub(now)).max(1)
    }
}

/// The ledgers of one value, by the names of their limits.
#[derive(Default)]
pub(crate) struct Ledgers(BTreeMap<String, Ledger>);

impl Ledgers {
    /// Without what has left its window.
    fn read(bytes: Option<&[u8]>, now: u64) -> Self {
        let mut ledgers: BTreeMap<String, Ledger> =
            bytes.and_then(|bytes| serde_json::from_slice(bytes).ok()).unwrap_or_default();
        ledgers.retain(|name, ledger| {
            let Some(limit) = limit(name) else { return false };
            ledger.calls.retain(|(at, _)| at.saturating_add(limit.window) > now);
            !ledger.calls.is_empty() || ledger.closed_until > now
        });
        Ledgers(ledgers)
    }

    fn of(&mut self, limit: &Limit) -> &mut Ledger {
        self.0.entry(limit.name.to_owned()).or_default()
    }

    fn write<T>(&self, now: u64, result: T) -> Change<T> {
        let ends = self.0.iter().filter_map(|(name, ledger)| {
            let (last, _) = ledger.calls.last().unwrap_or(&(0, 0));
            Some(last.saturating_add(limit(name)?.window).max(ledger.closed_until))
        });
        let ttl = ends.max().unwrap_or_default().saturating_sub(now).max(1);
        Change::Write(serde_json::to_vec(&self.0).unwrap_or_default(), Some(ttl), result)
    }

    /// The number used, and when the first place becomes free (unix seconds).
    pub(crate) fn used(&self, limit: &Limit, now: u64) -> (u64, Option<u64>) {
        let Some(ledger) = self.0.get(limit.name) else { return (0, None) };
        if ledger.closed_until > now {
            return (ledger.used().max(limit.maximum), Some(ledger.closed_until.div_ceil(1000)));
        }
        (ledger.used(), ledger.calls.first().map(|(at, _)| (at + limit.window).div_ceil(1000)))
    }
}

fn limit(name: &str) -> Option<&'static Limit> {
    PUBLISHING.into_iter().chain(READING).find(|limit| limit.name == name)
}

fn key(limit: &Limit, account: &str) -> String {
    let is_publishing = PUBLISHING.iter().any(|other| other.name == limit.name);
    let name = if is_publishing { "publishing" } else { limit.name };
    // Storage keys have at most 512 bytes, and TikTok's account ids have unknown length.
    let account: String = account.chars().take(100).collect();
    format!("quota/{name}/{account}")
}

/// Takes one call from the allowance, or returns how many milliseconds to wait. Returns the instant at which it was
/// counted, if it was, which is before the write.
pub(crate) async fn take<E: Environment>(
    environment: &E,
    limit: &Limit,
    account: &str,
) -> Result<Option<u64>, u64> {
    let sample = u64::from(limit.sample);
    if limit.sample > 1 && environment.random(1).first().is_some_and(|byte| byte % limit.sample != 0) {
        return Ok(None);
    }
    let now = environment.now_ms();
    let taken = update(environment, &key(limit, account), |bytes| {
        let mut ledgers = Ledgers::read(bytes, now);
        let ledger = ledgers.of(limit);
        match ledger.wait(limit, now) {
            0 => {
                ledger.calls.push((now, sample));
                ledgers.write(now, Ok(Some(now)))
            }
            wait => Change::Keep(Err(wait)),
        }
    })
    .await;
    taken.unwrap_or(Ok(None))
}

/// A call that was counted at `counted`, or shortly before, has ended: it may have arrived only now.
pub(crate) async fn arrived<E: Environment>(environment: &E, limit: &Limit, account: &str, counted: u64) {
    let now = environment.now_ms();
    if now <= counted.saturating_add(UNDER_WAY) {
        return;
    }
    // If storing fails, it only costs one refused request later.
    let _ = update(environment, &key(limit, account), |bytes| {
        let mut ledgers = Ledgers::read(bytes, now);
        let ledger = ledgers.of(limit);
        let Some(index) = ledger.calls.iter().rposition(|(at, _)| *at <= counted) else {
            return Change::Keep(());
        };
        let (_, count) = ledger.calls.remove(index);
        ledger.calls.push((now, count));
        ledgers.write(now, ())
    })
    .await;
}

/// Waits until the last counted call is this many milliseconds ago.
pub(crate) async fn space<E: Environment>(environment: &E, limit: &Limit, account: &str, distance: u64) {
    let now = environment.now_ms();
    let mut ledgers = read(environment, limit, account).await.unwrap_or_default();
    let ledger = ledgers.of(limit);
    // If another process's clock is ahead, one interval is still enough.
    let wait = ledger.calls.last().map_or(0, |(at, _)| (at + distance).saturating_sub(now)).min(distance);
    if wait > 0 {
        environment.sleep_ms(wait).await;
    }
}

/// TikTok refused: no more calls for this many milliseconds.
pub(crate) async fn close<E: Environment>(environment: &E, limit: &Limit, account: &str, milliseconds: u64) {
    let now = environment.now_ms();
    // If storing fails, it only costs one refused request later.
    let _ = update(environment, &key(limit, account), |bytes| {
        let mut ledgers = Ledgers::read(bytes, now);
        let ledger = ledgers.of(limit);
        ledger.closed_until = ledger.closed_until.max(now + milliseconds);
        ledgers.write(now, ())
    })
    .await;
}

/// The ledgers of what a publish and its form count. None: they cannot be read now.
pub(crate) async fn publishing<E: Environment>(environment: &E, account: &str) -> Option<Ledgers> {
    read(environment, &POSTS, account).await
}

/// The ledgers that are kept in one value with that of `limit`.
async fn read<E: Environment>(environment: &E, limit: &Limit, account: &str) -> Option<Ledgers> {
    let entry = environment.storage_get(&key(limit, account)).await.ok()?;
    Some(Ledgers::read(entry.as_ref().map(|entry| entry.value.as_slice()), environment.now_ms()))
}

/// Makes a call within an allowance.
pub(crate) async fn limited<E, T, F>(
    environment: &E,
    limit: &Limit,
    account: &str,
    call: impl FnOnce() -> F,
) -> Result<T, Error>
where
    E: Environment,
    F: Future<Output = Result<T, Error>>,
{
    let counted = take(environment, limit, account).await.map_err(|wait| {
        Error::new(
            ErrorKind::RateLimited,
            format!(
                "TikTok allows this account {} such requests in a minute, and they are used up.",
                limit.maximum
            ),
        )
        .remedy("Wait a minute and try again. A publish continues automatically.")
        .retry_after_ms(wait)
    })?;
    let result = call().await;
    if let Some(counted) = counted {
        arrived(environment, limit, account, counted).await;
    }
    if let Err(error) = &result
        && error.kind == ErrorKind::RateLimited
    {
        close(environment, limit, account, error.retry_after.unwrap_or(MINUTE)).await;
    }
    result
}

/// Counts an account among those that posted through this app in the last 24 hours. All accounts of the app share one
/// value, so an account that posts again soon does not write it again.
pub(crate) async fn count_user<E: Environment>(environment: &E, account: &str) {
    let now = environment.now_ms();
    let _ = update(environment, USERS, |bytes| {
        let mut users = read_users(bytes, now);
        if users.iter().any(|(known, at)| known == account && now < at.saturating_add(COUNTED)) {
            return Change::Keep(());
        }
        users.retain(|(known, _)| known != account);
        users.push((account.to_owned(), now));
        // Storage values have at most 64 KiB; if there are more accounts, the oldest are removed.
        let extra = users.len().saturating_sub(500);
        users.drain(..extra);
        Change::Write(serde_json::to_vec(&users).unwrap_or_default(), Some(DAY), ())
    })
    .await;
}

/// How many accounts posted in the last 24 hours, and when the oldest stops counting (unix seconds). To an account
/// that is one of them the allowance is never closed: then there is not an instant. None: it cannot be read now.
pub(crate) async fn users<E: Environment>(environment: &E, account: &str) -> Option<(u64, Option<u64>)> {
    let entry = environment.storage_get(USERS).await.ok()?;
    let users = read_users(entry.as_ref().map(|entry| entry.value.as_slice()), environment.now_ms());
    let is_one = users.iter().any(|(known, _)| known == account);
    let oldest = users.iter().map(|(_, at)| (at + DAY).div_ceil(1000)).min();
    Some((users.len() as u64, oldest.filter(|_| !is_one)))
}

const USERS: &str = "quota/active-users";
/// An account may so leave the count this much early, of a day.
const COUNTED: u64 = 10 * MINUTE;

fn read_users(bytes: Option<&[u8]>, now: u64) -> Vec<(String, u64)> {
    let mut users: Vec<(String, u64)> =
        bytes.and_then(|bytes| serde_json::from_slice(bytes).ok()).unwrap_or_default();
    users.retain(|(_, at)| at + DAY > now);
    users
}

#[cfg(test)]
mod tests {
    use super::*;
    use social_channel_provider::testing::{FakeEnvironment, run};

    #[test]
    fn the_window_slides() {
        let environment = FakeEnvironment::new();
        for _ in 0..6 {
            run(take(&environment, &VIDEO_INIT, "a")).unwrap();
            environment.advance_ms(5_000);
        }
        assert_eq!(run(take(&environment, &VIDEO_INIT, "a")), Err(30_000 + UNDER_WAY));
        run(take(&environment, &VIDEO_INIT, "b")).unwrap();
        environment.advance_ms(30_000 + UNDER_WAY);
        run(take(&environment, &VIDEO_INIT, "a")).unwrap();
        assert_eq!(run(take(&environment, &VIDEO_INIT, "a")), Err(5_000));
    }

    #[test]
    fn each_limit_of_a_value_has_its_own_window() {
        let environment = FakeEnvironment::new();
        let used = || {
            let (ledgers, now) = (run(publishing(&environment, "a")).unwrap(), environment.now_ms());
            PUBLISHING.map(|limit| ledgers.used(limit, now).0)
        };
        for limit in PUBLISHING {
            run(take(&environment, limit, "a")).unwrap();
        }
        assert_eq!(used(), [1; 5]);
        environment.advance_ms(MINUTE + UNDER_WAY);
        assert_eq!(used(), [1, 0, 0, 0, 0]);
        // What another one writes keeps it.
        run(take(&environment, &STATUS, "a")).unwrap();
        environment.advance_ms(DAY - MINUTE - UNDER_WAY - 1);
        assert_eq!(used(), [1, 0, 0, 0, 0]);
        environment.advance_ms(1);
        assert_eq!(used(), [0; 5]);
        assert_eq!(run(environment.storage_get(&key(&STATUS, "a"))).unwrap(), None, "nothing stays for ever");
    }

    #[test]
    fn a_call_that_was_long_under_way_counts_from_its_end() {
        let environment = FakeEnvironment::new();
        let slow = || async {
            environment.advance_ms(UNDER_WAY + 1_000);
            Ok(())
        };
        run(limited(&environment, &VIDEO_INIT, "a", slow)).unwrap();
        for _ in 0..5 {
            run(take(&environment, &VIDEO_INIT, "a")).unwrap();
        }
        assert_eq!(run(take(&environment, &VIDEO_INIT, "a")), Err(MINUTE + UNDER_WAY));
    }

    #[test]
    fn tiktoks_refusal_closes_the_ledger() {
        let environment = FakeEnvironment::new();
        let refused =
            || async { Err::<(), _>(Error::new(ErrorKind::RateLimited, "x").retry_after_ms(45_000)) };
        run(limited(&environment, &STATUS, "a", refused)).unwrap_err();
        let error = run(limited(&environment, &STATUS, "a", || async { Ok(()) })).unwrap_err();
        assert_eq!((error.kind, error.retry_after), (ErrorKind::RateLimited, Some(45_000)));
        environment.advance_ms(45_000);
        run(limited(&environment, &STATUS, "a", || async { Ok(()) })).unwrap();
    }

    #[test]
    fn broken_storage_lets_everything_through() {
        let environment = FakeEnvironment::new();
        environment.break_storage();
        for _ in 0..20 {
            run(take(&environment, &VIDEO_INIT, "a")).unwrap();
        }
        // An unknown value is not shown as zero.
        assert!(run(publishing(&environment, "a")).is_none());
        assert_eq!(run(users(&environment, "a")), None);
    }

    #[test]
    fn sampled_reads_stay_near_their_limit() {
        let environment = FakeEnvironment::new();
        let allowed = (0..2000).filter(|_| run(take(&environment, &USER_INFO, "a")).is_ok()).count();
        let refused = 2000 - allowed;
        assert!(refused > 50, "the sampled calls find the limit: {refused}");
    }

    #[test]
    fn an_account_counts_once_a_day() {
        let environment = FakeEnvironment::new();
        run(count_user(&environment, "a"));
        run(count_user(&environment, "b"));
        run(count_user(&environment, "a"));
        assert_eq!(run(users(&environment, "c")).unwrap().0, 2);
        assert!(run(users(&environment, "c")).unwrap().1.is_some(), "a third waits for the first to leave");
        let writes = || run(environment.storage_get(USERS)).unwrap().unwrap().version;
        let before = writes();
        run(count_user(&environment, "a"));
        assert_eq!(writes(), before, "it was counted a moment ago");
        environment.advance_ms(COUNTED);
        run(count_user(&environment, "a"));
        run(count_user(&environment, "b"));
        assert!(writes() > before);
        assert_eq!(run(users(&environment, "a")), Some((2, None)), "one of them need not wait");
        environment.advance_ms(DAY);
        assert_eq!(run(users(&environment, "a")), Some((0, None)));
    }
}

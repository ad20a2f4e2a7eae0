//! Sends events to the addresses of their tenants, by the rules of Standard Webhooks. Of each address one worker of all
//! processes sends at a time, and what it did is stored after each attempt: a worker that dies between an answer and that
//! sends the event once more, with the same id.
//!
//! | the receiver | then |
//! | --- | --- |
//! | answers 2xx | it was delivered; what failed before is due at once |
//! | answers 410 | it wants no more: the address is disabled |
//! | answers anything else, or not | the event is tried again by [`PAUSES`], and the address is left alone for a moment |
//! | accepts nothing for [`GIVE_UP`] | the address is disabled |

use std::sync::Arc;
use std::time::{Duration, Instant};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use http::{HeaderMap, HeaderValue};
use social_channel_runtime::SecretBytes;
use social_channel_runtime::clock::{Clock, millis};
use social_channel_runtime::error::Result;
use social_channel_runtime::net::{Egress, Posted, post};
use tokio::task::JoinSet;
use tokio_util::task::AbortOnDropHandle;
use url::Url;

use super::endpoint::{Target, open_target};
use super::outbox::Event;
use crate::lifetime::Lifetime;
use crate::store::{AfterAttempt, AttemptRow, HeldEndpoint, Store};
use crate::vault::{Vault, keyed_hash};
use crate::wake::Wake;

/// Before each further attempt at one event: eleven attempts in a little more than a day, close together at first, because
/// most outages are short.
const PAUSES: [Duration; 10] = [
    Duration::from_secs(5),
    Duration::from_secs(30),
    Duration::from_secs(2 * 60),
    Duration::from_secs(10 * 60),
    Duration::from_secs(30 * 60),
    Duration::from_secs(3600),
    Duration::from_secs(2 * 3600),
    Duration::from_secs(4 * 3600),
    Duration::from_secs(8 * 3600),
    Duration::from_secs(10 * 3600),
];
/// After this time without one accepted event an address is disabled: somebody would have noticed.
const GIVE_UP: Duration = Duration::from_secs(3 * 24 * 3600);
/// An address that fails is left alone for the first time, doubled with each failure in a row up to the second one.
const REST: Duration = Duration::from_secs(2);
const LONGEST_REST: Duration = Duration::from_secs(5 * 60);
/// What a receiver may ask for by `Retry-After`.
const LONGEST_WISH: Duration = Duration::from_secs(3600);
/// The lease of an address. An attempt takes 17 seconds at most, and the lease is extended before each one that could
/// outlive it.
const LEASE: Duration = Duration::from_secs(60);
const EXTEND_AFTER: Duration = Duration::from_secs(20);
/// Addresses that this process sends to at once. It mostly waits for their answers.
const AT_ONCE: usize = 16;
/// Events in this time are looked for at once.
const GATHER: Duration = Duration::from_millis(20);
/// How often a worker looks by itself: events of other processes come with a notice at most.
const LOOK: Duration = Duration::from_millis(500);

/// Sends the events of all tenants. Cheap to clone.
#[derive(Clone)]
pub(crate) struct Deliverer {
    pub(crate) store: Arc<dyn Store>,
    pub(crate) vault: Arc<Vault>,
    pub(crate) clock: Arc<dyn Clock>,
    pub(crate) egress: Egress,
    pub(crate) lifetime: Lifetime,
    pub(crate) wake: Wake,
}

impl Deliverer {
    /// Sends in the background until the handle is dropped. What is being sent to an address then is ended.
    pub(crate) fn begin(&self) -> AbortOnDropHandle<()> {
        let own = self.clone();
        AbortOnDropHandle::new(tokio::spawn(async move { own.work(false).await }))
    }

    /// Sends what is due now, and returns when nothing is.
    pub(crate) async fn round(&self) {
        self.work(true).await;
    }

    async fn work(&self, once: bool) {
        let mut sending = JoinSet::new();
        loop {
            // Created before the look, so that no notice is missed.
            let heard = self.wake.heard();
            while !self.lifetime.is_stopping() && sending.len() < AT_ONCE {
                match self.take().await {
                    Ok(Some(task)) => drop(sending.spawn(task)),
                    Ok(None) => break,
                    Err(error) => {
                        tracing::error!(%error, "addresses for events could not be looked for; trying again");
                        break;
                    }
                }
            }
            if sending.is_empty() && (once || self.lifetime.is_stopping()) {
                return;
            }
            tokio::select! {
                Some(_) = sending.join_next(), if !sending.is_empty() => {}
                () = heard => tokio::time::sleep(GATHER).await,
                () = tokio::time::sleep(LOOK) => {}
                () = self.lifetime.stopping(), if sending.is_empty() => {}
            }
        }
    }

    /// Acquires an address and begins to send to it, in a task of its own: an address that is acquired for a caller that is
    /// dropped meanwhile would be nobody's until its lease ends.
    async fn take(&self) -> Result<Option<impl Future<Output = ()> + Send + use<>>> {
        let own = self.clone();
        let task = self.lifetime.spawn(async move {
            let held = own.store.acquire_endpoint(own.clock.now_ms(), LEASE).await?;
            Ok(held.map(|held| {
                let sender = own.clone();
                own.lifetime.spawn(async move { sender.send_all(held).await })
            }))
        });
        let begun = task.await.unwrap_or(Ok(None))?;
        Ok(begun.map(|task| async move { drop(task.await) }))
    }

    /// Sends to one address what is due, until something fails.
    async fn send_all(&self, held: HeldEndpoint) {
        let id = held.row.id.clone();
        if let Err(error) = self.send_each(&held).await {
            tracing::error!(endpoint = id, %error, "events could not be sent; trying again");
        }
        if let Err(error) = self.store.release_endpoint(&id, &held.lease).await {
            tracing::error!(endpoint = id, %error, "an address for events is held until its lease ends");
        }
    }

    async fn send_each(&self, held: &HeldEndpoint) -> Result<()> {
        let HeldEndpoint { tenant, row, lease } = held;
        let target = open_target(&self.vault, tenant, row);
        if let Err(error) = &target {
            tracing::error!(endpoint = row.id, %error, "the secrets of an address cannot be read");
        }
        let (mut extended, mut failures, mut failing_since) =
            (Instant::now(), row.failures, row.failing_since);
        while !self.lifetime.is_stopping() {
            let Some((delivery, event)) = self.store.next_delivery(&row.id, self.clock.now_ms()).await?
            else {
                return Ok(());
            };
            if extended.elapsed() > EXTEND_AFTER {
                extended = Instant::now();
                if !self.store.extend_endpoint(&row.id, lease, LEASE).await? {
                    return Ok(());
                }
            }
            let event = Event::new(tenant, event);
            let (at, begun) = (self.clock.now_ms(), Instant::now());
            let answer = match &target {
                Ok(target) => self.send(target, &event, at).await,
                Err(_) => Err("its secrets cannot be read; see the log".to_owned()),
            };
            let attempt = AttemptRow {
                at,
                took_ms: millis(begun.elapsed()),
                status: answer.as_ref().ok().map(|posted| i64::from(posted.status)),
                failure: failure(&answer),
            };
            let after = self.after(&answer, &attempt, delivery.attempts, failures, failing_since);
            if let AfterAttempt::Disabled { why, .. } = &after {
                tracing::warn!(%tenant, endpoint = row.id, why, "no more events are sent to an address");
            }
            let arrived = matches!(after, AfterAttempt::Delivered);
            if !self.store.store_attempt(&row.id, lease, delivery.number, &attempt, &after).await? || !arrived
            {
                return Ok(());
            }
            (failures, failing_since) = (0, None);
        }
        Ok(())
    }

    async fn send(&self, target: &Target, event: &Event, now: i64) -> std::result::Result<Posted, String> {
        let url = Url::parse(&target.url).map_err(|_| "its address is damaged".to_owned())?;
        let body = serde_json::to_vec(event).map_err(|_| "the event cannot be written as JSON".to_owned())?;
        let headers = signed(&event.id, now / 1000, &body, &target.keys(now));
        post(&url, &self.egress, headers.ok_or_else(|| "the event's id is damaged".to_owned())?, body).await
    }

    /// What follows from an attempt; `attempts` were before it.
    fn after(
        &self,
        answer: &std::result::Result<Posted, String>,
        attempt: &AttemptRow,
        attempts: i64,
        failures: i64,
        failing_since: Option<i64>,
    ) -> AfterAttempt {
        let Some(failure) = &attempt.failure else { return AfterAttempt::Delivered };
        let now = self.clock.now_ms();
        let wish = answer.as_ref().ok().and_then(|posted| posted.retry_after);
        let wish = wish.unwrap_or_default().min(LONGEST_WISH);
        let pause = usize::try_from(attempts).ok().and_then(|attempts| PAUSES.get(attempts));
        let due_at = pause.map(|pause| now.saturating_add(millis(spread(*pause).max(wish))));
        if attempt.status == Some(410) {
            let why = "The receiver answered 410 Gone: it wants no more events.".to_owned();
            return AfterAttempt::Disabled { due_at, why };
        }
        if failing_since.is_some_and(|since| now.saturating_sub(since) > millis(GIVE_UP)) {
            let why = format!(
                "It accepted nothing for {} days; the last time, {failure}.",
                GIVE_UP.as_secs() / 86_400
            );
            return AfterAttempt::Disabled { due_at, why };
        }
        let doublings = u32::try_from(failures).unwrap_or(u32::MAX).min(16);
        let rest = REST.saturating_mul(1 << doublings).min(LONGEST_REST);
        AfterAttempt::Failed { due_at, resume_at: now.saturating_add(millis(rest.max(wish))) }
    }
}

/// Up to a tenth longer, so that what failed together does not come together again.
fn spread(pause: Duration) -> Duration {
    let mut byte = [0];
    // Without random numbers it is not spread.
    let _ = getrandom::fill(&mut byte);
    pause + pause * u32::from(byte[0]) / 2_560
}

/// Why an event was not accepted, as the end of a sentence.
fn failure(answer: &std::result::Result<Posted, String>) -> Option<String> {
    match answer {
        Ok(posted) => match posted.status {
            200..=299 => None,
            300..=399 => Some(format!("it answered {}, and redirects are not followed", posted.status)),
            status => Some(format!("it answered {status}")),
        },
        Err(why) => Some(why.clone()),
    }
}

/// The headers of the standard: the id is the same for every attempt, and every valid secret signs. With the HMAC that
/// the vault has: the crate `standardwebhooks` would bring a second one, for these lines.
fn signed(id: &str, seconds: i64, body: &[u8], keys: &[SecretBytes]) -> Option<HeaderMap> {
    let mut content = format!("{id}.{seconds}.").into_bytes();
    content.extend_from_slice(body);
    let signatures: Vec<String> = keys
        .iter()
        .map(|key| format!("v1,{}", STANDARD.encode(keyed_hash(key.expose(), &content).as_slice())))
        .collect();
    let mut headers = HeaderMap::new();
    headers.insert("webhook-id", HeaderValue::try_from(id).ok()?);
    headers.insert("webhook-timestamp", HeaderValue::from(seconds));
    headers.insert("webhook-signature", HeaderValue::try_from(signatures.join(" ")).ok()?);
    Some(headers)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The example of the standard's own specification.
    #[test]
    fn a_signature_is_that_of_the_standard() {
        let key = SecretBytes::new(STANDARD.decode("MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw").unwrap());
        let body = br#"{"test": 2432232314}"#;
        let headers = signed("msg_p5jXN8AQM9LWM0D4loKWxJek", 1_614_265_330, body, &[key]).unwrap();
        assert_eq!(headers["webhook-id"], "msg_p5jXN8AQM9LWM0D4loKWxJek");
        assert_eq!(headers["webhook-timestamp"], "1614265330");
        assert_eq!(headers["webhook-signature"], "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE=");
    }

    #[test]
    fn attempts_spread_over_a_day() {
        let all: Duration = PAUSES.iter().sum();
        assert!((24..28).contains(&(all.as_secs() / 3600)), "{all:?}");
        assert!(PAUSES.is_sorted());
        for pause in PAUSES {
            let spread = spread(pause);
            assert!(spread >= pause && spread <= pause + pause / 10, "{spread:?} of {pause:?}");
        }
    }
}

//! Webhooks: queueing, signing, retries with exponential backoff for 72 virtual hours, duplicates and
//! reordering on request (contract section 17). `schedule` decides when to send.

use std::sync::Arc;

use bytes::Bytes;
use hmac::{Hmac, Mac};
use serde::Serialize;
use serde_json::{Value, json};
use sha2::Sha256;

use crate::outbound;
use crate::server::Shared;
use crate::state::State;

/// Dropped after this (D-WO).
const LIFE_MS: i64 = 72 * 3_600_000;
/// First pause; it doubles up to an hour. TikTok's schedule is unknown.
const FIRST_PAUSE_MS: i64 = 30_000;
const LONGEST_PAUSE_MS: i64 = 3_600_000;
/// Under `webhook_reorder` an event waits this long for a later one to overtake it.
const HELD_MS: i64 = 60_000;

#[derive(Debug, Default)]
pub(crate) struct Outbox {
    pub(crate) deliveries: Vec<Delivery>,
    /// Waits for a later event to overtake it.
    held: Option<usize>,
}

/// One event for one app.
#[derive(Clone, Debug, Serialize)]
pub struct Delivery {
    /// App.
    pub client_key: String,
    /// Event name.
    pub event: String,
    /// The target URL.
    pub url: String,
    /// Body as sent.
    pub body: String,
    /// Virtual time of the first attempt, milliseconds.
    pub due_ms: i64,
    /// Virtual time of the next attempt.
    pub next_ms: i64,
    /// Attempts so far.
    pub attempts: u32,
    /// Status of the newest attempt; None: no response.
    pub last_status: Option<u16>,
    /// Answered with 200.
    pub delivered: bool,
    /// Given up after 72 hours.
    pub dropped: bool,
    #[serde(skip)]
    in_flight: bool,
    #[serde(skip)]
    first_signed_s: Option<i64>,
}

impl State {
    /// Queues an event of virtual time `at_ms`, if the app has a webhook URL.
    pub(crate) fn send_event(
        &mut self,
        client_key: &str,
        event: &str,
        open_id: &str,
        content: &Value,
        at_ms: i64,
    ) {
        let switches = &self.world.switches;
        let Some(url) = self.world.app(client_key).and_then(|app| app.webhook_url.clone()) else { return };
        let body = json!({
            "client_key": client_key,
            "event": event,
            "create_time": at_ms / 1000,
            "user_openid": open_id,
            "content": content.to_string(),
        });
        let due_ms = at_ms + i64::from(switches.webhook_delay_ms);
        let delivery = Delivery {
            client_key: client_key.to_string(),
            event: event.to_string(),
            url,
            body: body.to_string(),
            due_ms,
            next_ms: due_ms,
            attempts: 0,
            last_status: None,
            delivered: false,
            dropped: false,
            in_flight: false,
            first_signed_s: None,
        };
        let outbox = &mut self.outbox;
        let first = outbox.deliveries.len();
        for _ in 0..=switches.webhook_duplicates {
            outbox.deliveries.push(delivery.clone());
        }
        if !switches.webhook_reorder {
            return;
        }
        match outbox.held.take() {
            Some(held) => {
                for earlier in outbox.deliveries.iter_mut().take(first).skip(held) {
                    earlier.next_ms = due_ms + 1;
                }
            }
            None => {
                outbox.held = Some(first);
                for held in outbox.deliveries.iter_mut().skip(first) {
                    held.next_ms = due_ms + HELD_MS;
                }
            }
        }
    }

    /// When the next delivery is due.
    pub(crate) fn next_delivery_ms(&self) -> Option<i64> {
        let waiting = |delivery: &&Delivery| !(delivery.delivered || delivery.dropped || delivery.in_flight);
        self.outbox.deliveries.iter().filter(waiting).map(|delivery| delivery.next_ms).min()
    }

    /// Returns the due deliveries, and marks them as in flight.
    pub(crate) fn due_deliveries(&mut self, now_ms: i64) -> Vec<usize> {
        let mut due = Vec::new();
        for (index, delivery) in self.outbox.deliveries.iter_mut().enumerate() {
            let waiting = !(delivery.delivered || delivery.dropped || delivery.in_flight);
            if waiting && delivery.next_ms <= now_ms {
                delivery.in_flight = true;
                due.push(index);
            }
        }
        due.sort_by_key(|&index| self.outbox.deliveries.get(index).map(|delivery| delivery.next_ms));
        due
    }
}

/// Makes one attempt for each, sequentially, so that they arrive in this order.
pub(crate) async fn attempt_all(shared: Arc<Shared>, indexes: Vec<usize>) {
    for index in indexes {
        attempt(&shared, index).await;
    }
    shared.wake.notify_one();
}

async fn attempt(shared: &Shared, index: usize) {
    let prepared = {
        let mut state = shared.state();
        let now_s = shared.clock.now_ms() / 1000;
        let afresh = state.world.switches.webhook_retry_signed_afresh;
        let connect_to = state.world.connect_to.clone();
        let Some(delivery) = state.outbox.deliveries.get_mut(index) else { return };
        let first = *delivery.first_signed_s.get_or_insert(now_s);
        let time_s = if afresh { now_s } else { first };
        let delivery = delivery.clone();
        let Some(app) = state.world.app(&delivery.client_key) else { return };
        let signature = sign(&app.client_secret.0, time_s, delivery.body.as_bytes());
        (connect_to, delivery, format!("t={time_s},s={signature}"))
    };
    let (connect_to, delivery, signature) = prepared;
    let headers = [
        ("content-type", "application/json".to_string()),
        ("tiktok-signature", signature),
        ("user-agent", "tiktok-simulator".to_string()),
    ];
    let answer =
        outbound::send(&connect_to, "POST", &delivery.url, &headers, Bytes::from(delivery.body)).await;
    let now_ms = shared.clock.now_ms();
    let mut state = shared.state();
    let Some(delivery) = state.outbox.deliveries.get_mut(index) else { return };
    delivery.in_flight = false;
    delivery.attempts += 1;
    delivery.last_status = answer.as_ref().ok().map(|answer| answer.status().as_u16());
    if let Err(error) = &answer {
        tracing::info!(event = delivery.event, url = delivery.url, "webhook not delivered: {error}");
    }
    if delivery.last_status == Some(200) {
        delivery.delivered = true;
        return;
    }
    let pause = (FIRST_PAUSE_MS << delivery.attempts.saturating_sub(1).min(20)).min(LONGEST_PAUSE_MS);
    delivery.next_ms = now_ms + pause;
    delivery.dropped = delivery.next_ms > delivery.due_ms + LIFE_MS;
}

/// Lower-case hex HMAC-SHA256 over `t.body`, keyed by the client secret (17.4).
fn sign(secret: &str, time_s: i64, body: &[u8]) -> String {
    let Ok(mut mac) = Hmac::<Sha256>::new_from_slice(secret.as_bytes()) else { return String::new() };
    mac.update(format!("{time_s}.").as_bytes());
    mac.update(body);
    hex::encode(mac.finalize().into_bytes())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn signature_of_the_contracts_test_vector() {
        let body = r#"{"client_key":"simkey0001","event":"post.publish.complete","create_time":1790000000,"user_openid":"0f1e2d3c-0000-4000-8000-000000000001","content":"{\"publish_id\":\"v_pub_file~v2-1.7000000000000000001\",\"publish_type\":\"SIM_DIRECT\"}"}"#;
        assert_eq!(body.len(), 238);
        let want = "b144d6fd940ce18c2b1c57763fd3bfdc25b3412e61e83d0eb3db4d7625630f47";
        assert_eq!(sign("sim-client-secret-0001", 1_790_000_000, body.as_bytes()), want);
    }
}

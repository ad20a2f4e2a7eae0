//! Webhooks of platforms, and events out.
//!
//! A platform's webhook has one entry point for every front door. A delivery is stored, each id once, before the platform
//! gets its response. The provider verifies it, from the raw bytes.
//!
//! `outbox` reads what happened; `endpoint` keeps the addresses that get it, and `deliver` sends it there.

mod deliver;
mod endpoint;
mod outbox;
#[cfg(test)]
mod tests;

use std::sync::Arc;

use schemars::JsonSchema;
use serde::Serialize;
use social_channel_runtime::clock::Clock;
use social_channel_runtime::error::{Error, ErrorKind, Result};
use social_channel_runtime::{CallError, Event as Heard, WebhookRequest};

pub(crate) use deliver::Deliverer;
pub(crate) use endpoint::Endpoints;
pub use endpoint::{
    Delivery, DeliveryAttempt, DeliveryStatus, Endpoint, EndpointChanges, EndpointWithSecret, NewEndpoint,
};
pub(crate) use outbox::Outbox;
pub use outbox::{EVENT_TYPES, Event, EventData, EventPage};

use crate::app::Apps;
use crate::store::{EventRow, Store};
use crate::vault::{Place, Vault};
use crate::wake::Wake;

/// Platforms send some hundred bytes. Anyone may post to a webhook address, so larger bodies are not read.
pub const WEBHOOK_BODY: usize = 1 << 20;

/// What a platform sent to an app's webhook address.
#[derive(Clone, Debug)]
pub struct Webhook {
    /// `GET` or `POST`.
    pub method: String,
    /// Query parameters, decoded once.
    pub query: Vec<(String, String)>,
    /// The query as it arrived, for signatures that cover the address. None: `query` is encoded again.
    pub raw_query: Option<String>,
    /// Headers, with names in lower case.
    pub headers: Vec<(String, String)>,
    /// As received, byte for byte; at most [`WEBHOOK_BODY`].
    pub body: Vec<u8>,
}

/// The response to the platform.
#[derive(Clone, Debug, Default, Serialize, JsonSchema)]
pub struct WebhookAnswer {
    /// 200, unless the platform wants another one.
    pub status: u16,
    /// Plain text or JSON, whatever the provider said: the address is the operator's own. None: an empty body.
    pub content_type: Option<String>,
    /// For example the response to a challenge.
    pub body: Vec<u8>,
    /// Events that were not known before.
    pub new_events: usize,
}

/// The address as the platform called it.
fn address_of(webhook_url: &str, webhook: &Webhook) -> String {
    let encoded = || {
        let pairs = webhook.query.iter().map(|(name, value)| (name.as_str(), value.as_str()));
        url::form_urlencoded::Serializer::new(String::new()).extend_pairs(pairs).finish()
    };
    let query = webhook.raw_query.clone().unwrap_or_else(encoded);
    if query.is_empty() { webhook_url.to_owned() } else { format!("{webhook_url}?{query}") }
}

/// A type that no browser runs or draws as a page. Platforms read the bytes and ask for no more.
fn answer_type(said: &str) -> &'static str {
    let essence = said.split(';').next().unwrap_or_default().trim();
    if essence.eq_ignore_ascii_case("application/json") {
        "application/json"
    } else {
        "text/plain; charset=utf-8"
    }
}

fn place(row: &str) -> Place<'_> {
    Place { table: "events", row, column: "evidence" }
}

/// The webhooks of one database's apps.
pub(crate) struct Webhooks {
    pub(crate) store: Arc<dyn Store>,
    pub(crate) vault: Arc<Vault>,
    pub(crate) clock: Arc<dyn Clock>,
    pub(crate) apps: Arc<Apps>,
    pub(crate) wake: Wake,
}

impl Webhooks {
    pub(crate) async fn receive(&self, app: &str, webhook: Webhook) -> Result<WebhookAnswer> {
        if webhook.body.len() > WEBHOOK_BODY {
            return Err(Error::new(
                ErrorKind::LimitExceeded,
                format!("a webhook has more than {WEBHOOK_BODY} bytes"),
            ));
        }
        let app = self.apps.live_unscoped(app).await?;
        let now = self.clock.now_ms();
        let request = WebhookRequest {
            url: address_of(app.webhook_url.as_deref().unwrap_or_default(), &webhook),
            method: webhook.method,
            query: webhook.query,
            headers: webhook.headers,
            body: webhook.body,
            received_at: (now / 1000).cast_unsigned(),
        };
        // Anybody may send some, so those of an app wait behind each other only.
        let line = format!("webhooks of {}", app.id);
        let receipt = app.provider.receive_webhook(app.context(&line, None, None), request).await;
        let receipt = receipt.map_err(|error| match error {
            CallError::Failed(error) => error,
            CallError::CredentialsExpired(error) => Error { kind: ErrorKind::ProviderFault, ..error },
        })?;
        let mut new_events = 0;
        for delivery in receipt.deliveries {
            let row = format!("{}/{}", app.id, delivery.id);
            let fresh = match delivery.event {
                Heard::PublishChanged { reference, account_id, evidence } => {
                    let event = EventRow {
                        app: app.id.clone(),
                        id: delivery.id,
                        reference: Some(reference),
                        account: account_id,
                        evidence: self.vault.seal(place(&row), evidence.expose())?,
                        received_at: now,
                    };
                    self.store.insert_event(&event).await?
                }
                Heard::AccountRemoved { account_id, at, reason } => {
                    let why = reason.map_or_else(String::new, |reason| format!(" ({reason})"));
                    let detail = format!("The connection was ended at the platform{why}.");
                    // The platform's timestamps have whole seconds, so the same second does not count as older.
                    let at =
                        i64::try_from(at).unwrap_or(i64::MAX / 1001).saturating_mul(1000).saturating_add(999);
                    let event = EventRow {
                        app: app.id.clone(),
                        id: delivery.id,
                        reference: None,
                        account: Some(account_id),
                        evidence: self.vault.seal(place(&row), b"")?,
                        received_at: now,
                    };
                    let (fresh, ended) = self.store.end_connections(&event, at, &detail).await?;
                    tracing::info!(app = app.id, ended, "a platform ended a connection");
                    fresh
                }
                Heard::Other(what) => {
                    tracing::debug!(app = app.id, what, "a webhook with news that nothing here uses");
                    false
                }
                Heard::Ignored(what) => {
                    tracing::debug!(app = app.id, what, "a webhook with nothing to do");
                    false
                }
            };
            new_events += usize::from(fresh);
        }
        if new_events > 0 {
            self.wake.all();
            self.wake.told();
        }
        let (status, content_type, body) = match receipt.response {
            Some(response) => {
                (response.status, Some(answer_type(&response.content_type).to_owned()), response.body)
            }
            None => (200, None, Vec::new()),
        };
        Ok(WebhookAnswer { status, content_type, body, new_events })
    }
}

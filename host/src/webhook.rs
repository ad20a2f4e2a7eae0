//! Webhooks: one entry point for every front door. A delivery is stored, each id once, before the platform
//! gets its answer; whether it is genuine is the provider's to say, over the raw bytes.

use std::sync::Arc;

use schemars::JsonSchema;
use serde::Serialize;

use crate::error::{Error, ErrorKind, Result};
use crate::host::Inner;
use crate::provider::{CallError, Event, WebhookRequest};
use crate::store::EventRow;
use crate::vault::Place;

/// Platforms send some hundred bytes. Anybody may post to a webhook address, so larger ones are not read.
pub const WEBHOOK_BODY: usize = 1 << 20;

/// What a platform sent to an app's webhook address.
#[derive(Clone, Debug)]
pub struct Webhook {
    /// `GET` or `POST`.
    pub method: String,
    /// Decoded once.
    pub query: Vec<(String, String)>,
    /// Names in lower case.
    pub headers: Vec<(String, String)>,
    /// As received, byte for byte; at most [`WEBHOOK_BODY`].
    pub body: Vec<u8>,
}

/// What to answer the platform, with status 200.
#[derive(Clone, Debug, Default, Serialize, JsonSchema)]
pub struct WebhookAnswer {
    /// None: an empty body.
    pub content_type: Option<String>,
    /// For example the answer to a challenge.
    pub body: Vec<u8>,
    /// Events that were not known before.
    pub new_events: usize,
}

fn place(row: &str) -> Place<'_> {
    Place { table: "events", row, column: "evidence" }
}

impl Inner {
    pub(crate) async fn receive_webhook(
        self: &Arc<Self>,
        app: &str,
        webhook: Webhook,
    ) -> Result<WebhookAnswer> {
        if webhook.body.len() > WEBHOOK_BODY {
            return Err(Error::new(
                ErrorKind::LimitExceeded,
                format!("a webhook has more than {WEBHOOK_BODY} bytes"),
            ));
        }
        let app = self.app_for_webhooks(app).await?;
        let now = self.clock.now_ms();
        let request = WebhookRequest {
            method: webhook.method,
            query: webhook.query,
            headers: webhook.headers,
            body: webhook.body,
            received_at: (now / 1000).cast_unsigned(),
        };
        let receipt = app.provider.receive_webhook(app.context(None, None), request).await;
        let receipt = receipt.map_err(|error| match error {
            CallError::Failed(error) => error,
            CallError::CredentialsExpired(error) => Error { kind: ErrorKind::ProviderFault, ..error },
        })?;
        let mut new_events = 0;
        for delivery in receipt.deliveries {
            let row = format!("{}/{}", app.id, delivery.id);
            let fresh = match delivery.event {
                Event::PublishChanged { reference, account_id, evidence } => {
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
                Event::AccountRemoved { account_id, at, reason } => {
                    let why = reason.map_or_else(String::new, |reason| format!(" ({reason})"));
                    let detail = format!("The connection was ended at the platform{why}.");
                    // The platform counts whole seconds: the same second is not older.
                    let at =
                        i64::try_from(at).unwrap_or(i64::MAX / 1001).saturating_mul(1000).saturating_add(999);
                    // First what it says, then that it was heard: said twice it changes nothing.
                    let ended = self.store.remove_account(&app.id, &account_id, at, &detail, now).await?;
                    tracing::info!(app = app.id, ended, "a platform ended a connection");
                    let event = EventRow {
                        app: app.id.clone(),
                        id: delivery.id,
                        reference: None,
                        account: None,
                        evidence: self.vault.seal(place(&row), b"")?,
                        received_at: now,
                    };
                    self.store.insert_event(&event).await?
                }
                Event::Ignored(what) => {
                    tracing::debug!(app = app.id, what, "a webhook with nothing to do");
                    false
                }
            };
            new_events += usize::from(fresh);
        }
        if new_events > 0 {
            self.wake_workers();
        }
        let (content_type, body) = match receipt.response {
            Some(response) => (Some(response.content_type), response.body),
            None => (None, Vec::new()),
        };
        Ok(WebhookAnswer { content_type, body, new_events })
    }
}

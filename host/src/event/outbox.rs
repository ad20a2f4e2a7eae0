//! What happened to a tenant's jobs, channels and providers, for a program that must not ask for each of them.
//!
//! The store writes events in the transaction of what they tell, and numbers them in each tenant's order. This only reads
//! them.

use std::sync::Arc;
use std::time::Duration;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use social_channel_runtime::clock::{Clock, millis, rfc3339};
use social_channel_runtime::error::{Error, ErrorKind, Result};
use tokio::time::Instant;

use crate::lifetime::Lifetime;
use crate::store::{OutboxRow, Store};
use crate::tenant_id::TenantId;
use crate::wake::Wake;

/// The types of events. A later version may add more.
pub const EVENT_TYPES: [&str; 11] = [
    "job.published",
    "job.failed",
    "job.unknown",
    "job.paused",
    "job.link",
    "job.cancelled",
    "channel.connected",
    "channel.needs-reconnect",
    "channel.limited",
    "channel.disconnected",
    "provider.replaced",
];

/// Events on one page: each has about half a kilobyte.
const MOST: u32 = 500;
/// How often somebody who waits looks by himself: other processes of one machine do not wake him, and a notice of the
/// database may be lost.
const LOOK: Duration = Duration::from_millis(500);
/// A week: longer than any outage of a platform that is noticed at all.
const KEPT: Duration = Duration::from_secs(7 * 24 * 3600);
/// Events of a tenant: fourteen thousand a day, and 50 MB.
const KEPT_OF_A_TENANT: i64 = 100_000;

/// Something that happened.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
pub struct Event {
    /// Unique, and the same wherever and however often it is told.
    pub id: String,
    /// What happened: `job.published`, `job.failed`, `job.unknown`, `job.paused`, `job.cancelled`: the job has this status
    /// now. `job.link`: the post's page became known. `channel.connected`: connected, connected again, or working again.
    /// `channel.needs-reconnect`, `channel.limited`: the channel's health. `channel.disconnected`. `provider.replaced`: the
    /// app runs another component now. A later version may add more.
    #[serde(rename = "type")]
    pub kind: String,
    /// When, as RFC 3339 in UTC, such as `2026-11-25T15:14:09.123Z`.
    pub timestamp: String,
    /// Whose it is.
    pub tenant: String,
    /// Its place in the tenant's order, from 1 on and without gaps.
    pub number: u64,
    /// What it is about.
    pub data: EventData,
}

/// What an event is about, as it was then. Members that do not belong to the event's type are absent.
#[derive(Clone, Debug, Default, Serialize, Deserialize, JsonSchema)]
#[serde(default)]
pub struct EventData {
    /// The app.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub app: Option<String>,
    /// The channel.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub channel: Option<String>,
    /// Of events of a channel: the account's name.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub display_name: Option<String>,
    /// Of events of a channel: `active`, `limited`, `needs_reconnect`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub health: Option<String>,
    /// Of events of a channel: why its health is not `active`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub detail: Option<String>,
    /// The job.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub job: Option<String>,
    /// The job's status.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub status: Option<String>,
    /// The platform's id of the job's post, if it is known.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub post_id: Option<String>,
    /// The post's page, if it is known.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub url: Option<String>,
    /// The key that the job was submitted with.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub idempotency_key: Option<String>,
    /// Why the job waits, or why it ended.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub error: Option<Error>,
    /// The provider.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub provider: Option<String>,
    /// The version of the provider's component.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub version: Option<String>,
    /// The digest of the provider's component.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub digest: Option<String>,
}

/// Events of a tenant, oldest first.
#[derive(Clone, Debug, Default, Serialize, Deserialize, JsonSchema)]
pub struct EventPage {
    /// The events.
    pub events: Vec<Event>,
    /// The number to continue after.
    pub next: u64,
    /// The number of the tenant's newest event; 0: there was none yet. With `next` it says how much is left to read.
    pub last: u64,
    /// How many events were removed before they were read here, because they were too old or too many.
    pub missed: u64,
}

impl Event {
    pub(super) fn new(tenant: &TenantId, row: OutboxRow) -> Self {
        Event {
            id: row.id,
            kind: row.kind,
            timestamp: rfc3339(row.at),
            tenant: tenant.to_string(),
            number: row.number.cast_unsigned(),
            data: EventData {
                app: row.app,
                channel: row.channel,
                display_name: row.display_name,
                health: row.health,
                detail: row.detail,
                job: row.job,
                status: row.status,
                post_id: row.post_id,
                url: row.url,
                idempotency_key: row.idempotency_key,
                error: row.error.and_then(|error| serde_json::from_str(&error).ok()),
                provider: row.provider,
                version: row.version,
                digest: row.digest,
            },
        }
    }
}

/// The events of one database.
pub(crate) struct Outbox {
    pub(crate) store: Arc<dyn Store>,
    pub(crate) clock: Arc<dyn Clock>,
    pub(crate) lifetime: Lifetime,
    pub(crate) wake: Wake,
}

impl Outbox {
    pub(crate) async fn read(
        &self,
        tenant: &TenantId,
        after: Option<u64>,
        limit: u32,
        wait: Duration,
    ) -> Result<EventPage> {
        if !(1..=MOST).contains(&limit) {
            return Err(Error::new(ErrorKind::InvalidRequest, format!("`limit` is not 1 to {MOST}"))
                .with_field("limit"));
        }
        let end = Instant::now().checked_add(wait);
        let from = after.map_or(0, |after| i64::try_from(after).unwrap_or(i64::MAX));
        loop {
            // Created before the read, so that no notice is missed.
            let heard = self.wake.heard();
            let page = self.store.outbox(tenant, from, limit).await?;
            if page.head < from {
                return Err(Error::new(
                    ErrorKind::InvalidRequest,
                    format!("the newest event has the number {}, and {from} is yet to come", page.head),
                )
                .with_field("after")
                .with_code("unknown_event")
                .with_remedy(
                    "an older backup of the database was restored, or this is another database: begin again without \
                     `after`, and know events that you have seen by their ids",
                ));
            }
            let over = end.is_some_and(|end| Instant::now() >= end) || self.lifetime.is_stopping();
            if !page.events.is_empty() || page.read > from || over {
                let first = page.events.first().map_or(page.read + 1, |event| event.number);
                // Whoever begins anew asked for none of the removed ones.
                let missed = after.map_or(0, |_| first.saturating_sub(from).saturating_sub(1).max(0));
                return Ok(EventPage {
                    events: page.events.into_iter().map(|row| Event::new(tenant, row)).collect(),
                    next: page.read.cast_unsigned(),
                    last: page.head.cast_unsigned(),
                    missed: missed.cast_unsigned(),
                });
            }
            let left = end.map_or(LOOK, |end| end.saturating_duration_since(Instant::now()).min(LOOK));
            tokio::select! {
                () = heard => {}
                () = tokio::time::sleep(left) => {}
                () = self.lifetime.stopping() => {}
            }
        }
    }

    /// Removes events that are too old or too many.
    pub(crate) async fn prune(&self) -> Result<()> {
        let before = self.clock.now_ms().saturating_sub(millis(KEPT));
        while self.store.prune_outbox(before, KEPT_OF_A_TENANT).await? && !self.lifetime.is_stopping() {
            // Others write in between.
            tokio::task::yield_now().await;
        }
        Ok(())
    }
}

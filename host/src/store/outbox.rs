//! What happened, and the addresses to which it is sent: rows and operations.
//!
//! Events are written in the transaction of what they tell: by triggers, or by the driver where a database forbids them. A tenant's events are numbered
//! from 1 on, without gaps, in an order in which they were committed: whoever has read up to a number misses none.

use std::time::Duration;

use async_trait::async_trait;
use social_channel_runtime::error::Result;

use super::record::Lease;
use crate::tenant_id::TenantId;
use crate::vault::Sealed;

/// Events, and deliveries of them, that are removed in one transaction: few enough that others can write in between.
pub(super) const PRUNED: i64 = 1_000;
/// Events that get their deliveries in one transaction.
pub(super) const TAKEN: i64 = 500;

/// An event. What does not belong to its kind is None.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct OutboxRow {
    pub(crate) id: String,
    pub(crate) number: i64,
    /// `job.published` and the like.
    pub(crate) kind: String,
    pub(crate) at: i64,
    pub(crate) app: Option<String>,
    pub(crate) channel: Option<String>,
    pub(crate) display_name: Option<String>,
    pub(crate) health: Option<String>,
    /// Why the account's health is what it is.
    pub(crate) detail: Option<String>,
    pub(crate) job: Option<String>,
    pub(crate) status: Option<String>,
    pub(crate) post_id: Option<String>,
    pub(crate) url: Option<String>,
    pub(crate) idempotency_key: Option<String>,
    /// As JSON.
    pub(crate) error: Option<String>,
    pub(crate) provider: Option<String>,
    pub(crate) version: Option<String>,
    pub(crate) digest: Option<String>,
}

/// Some events of a tenant, in their order.
#[derive(Clone, Debug, Default)]
pub(crate) struct OutboxPage {
    pub(crate) events: Vec<OutboxRow>,
    /// Events up to this number were read, also unreadable ones.
    pub(crate) read: i64,
    /// The number of the tenant's last event; 0: there was none yet.
    pub(crate) head: i64,
}

/// Events.
#[async_trait]
pub(crate) trait OutboxStore: Send + Sync {
    /// The events after a number, up to `limit`. Damaged ones are left out.
    async fn outbox(&self, tenant: &TenantId, after: i64, limit: u32) -> Result<OutboxPage>;
    /// Removes events from before an instant with their deliveries, and of a tenant with more than `most` the oldest; a
    /// bounded number at once. False: none are left.
    async fn prune_outbox(&self, before: i64, most: i64) -> Result<bool>;
}

/// An address that gets events.
#[derive(Clone, Debug)]
pub(crate) struct EndpointRow {
    pub(crate) id: String,
    /// Address and secrets.
    pub(crate) target: Sealed,
    pub(crate) description: String,
    /// Kinds of events, as JSON. None: all.
    pub(crate) kinds: Option<String>,
    pub(crate) failures: i64,
    pub(crate) failing_since: Option<i64>,
    pub(crate) disabled_at: Option<i64>,
    pub(crate) disabled_why: Option<String>,
    pub(crate) created_at: i64,
    pub(crate) updated_at: i64,
}

/// Changes of an address. None: unchanged.
#[derive(Clone, Debug, Default)]
pub(crate) struct EndpointChange {
    /// The new target, and the one that it replaces.
    pub(crate) target: Option<(Sealed, Sealed)>,
    pub(crate) description: Option<String>,
    /// Some(None): all.
    pub(crate) kinds: Option<Option<String>>,
    /// False: with this sentence nothing is sent any more. True: what was not sent follows.
    pub(crate) enabled: Option<std::result::Result<(), String>>,
    pub(crate) now: i64,
}

/// An address that this process may send to.
#[derive(Clone, Debug)]
pub(crate) struct HeldEndpoint {
    pub(crate) tenant: TenantId,
    pub(crate) row: EndpointRow,
    pub(crate) lease: Lease,
}

/// An event on its way to an address.
#[derive(Clone, Debug)]
pub(crate) struct DeliveryRow {
    pub(crate) number: i64,
    pub(crate) event: String,
    pub(crate) kind: String,
    pub(crate) at: i64,
    pub(crate) attempts: i64,
    /// None: it arrived, or was given up.
    pub(crate) due_at: Option<i64>,
    pub(crate) delivered_at: Option<i64>,
}

/// One attempt to send an event.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct AttemptRow {
    pub(crate) at: i64,
    pub(crate) took_ms: i64,
    /// None: there was no answer.
    pub(crate) status: Option<i64>,
    /// None: it was accepted.
    pub(crate) failure: Option<String>,
}

/// What follows from an attempt.
#[derive(Clone, Debug)]
pub(crate) enum AfterAttempt {
    /// It arrived. What waits after failures is due now.
    Delivered,
    /// It is tried again at `due_at` (None: never), and nothing is sent to the address before `resume_at`.
    Failed { due_at: Option<i64>, resume_at: i64 },
    /// As `Failed`, and nothing is sent to the address any more, with this sentence.
    Disabled { due_at: Option<i64>, why: String },
}

/// Addresses that get events, and their deliveries.
#[async_trait]
pub(crate) trait EndpointStore: Send + Sync {
    /// In the order of their ids.
    async fn endpoints(&self, tenant: &TenantId) -> Result<Vec<EndpointRow>>;
    async fn endpoint(&self, tenant: &TenantId, id: &str) -> Result<Option<EndpointRow>>;
    /// Adds an address. It gets the events from now on.
    async fn insert_endpoint(&self, tenant: &TenantId, row: &EndpointRow) -> Result<()>;
    /// False: it does not exist, or its target is not the one to be replaced.
    async fn change_endpoint(&self, tenant: &TenantId, id: &str, change: &EndpointChange) -> Result<bool>;
    /// With its deliveries. False: it does not exist.
    async fn delete_endpoint(&self, tenant: &TenantId, id: &str) -> Result<bool>;

    /// Acquires an address to which something is to be sent, for `length` from now on, and makes deliveries of its new
    /// events. None: there is none that nobody holds.
    async fn acquire_endpoint(&self, now: i64, length: Duration) -> Result<Option<HeldEndpoint>>;
    /// Extends the lease to `length` from now on. False: it is lost.
    async fn extend_endpoint(&self, id: &str, lease: &Lease, length: Duration) -> Result<bool>;
    /// The delivery that is due the longest, with its event. None: nothing is due.
    async fn next_delivery(&self, id: &str, now: i64) -> Result<Option<(DeliveryRow, OutboxRow)>>;
    /// Stores an attempt. False: the lease is lost, and nothing was written.
    async fn store_attempt(
        &self,
        id: &str,
        lease: &Lease,
        number: i64,
        attempt: &AttemptRow,
        after: &AfterAttempt,
    ) -> Result<bool>;
    /// Gives an address back: it is due when one of its deliveries is, or has new events.
    async fn release_endpoint(&self, id: &str, lease: &Lease) -> Result<()>;

    /// Newest events first, up to `limit`, before a number.
    async fn deliveries(
        &self,
        tenant: &TenantId,
        id: &str,
        before: Option<i64>,
        limit: u32,
    ) -> Result<Vec<DeliveryRow>>;
    /// Oldest first, the last `limit`.
    async fn attempts(&self, tenant: &TenantId, id: &str, number: i64, limit: u32)
    -> Result<Vec<AttemptRow>>;
    /// Makes an event due for an address now, whatever became of it. False: the event or the address does not exist.
    async fn send_again(&self, tenant: &TenantId, id: &str, event: &str, now: i64) -> Result<bool>;
}

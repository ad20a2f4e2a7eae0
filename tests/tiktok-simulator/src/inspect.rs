//! Data for tests: a copy of the current state, without tokens and secrets.

use serde::Serialize;

use crate::post::{End, Kind, Post};
use crate::state::{Counts, State};
use crate::webhooks::Delivery;

/// A copy of everything that exists.
#[derive(Clone, Debug, Serialize)]
pub struct Inspection {
    /// Virtual time of the copy, milliseconds.
    pub now_ms: i64,
    /// All posts: initial ones and published ones.
    pub posts: Vec<Post>,
    /// All publishes, oldest first.
    pub publishes: Vec<PublishView>,
    /// Consents.
    pub grants: Vec<GrantView>,
    /// Counts at the token endpoint.
    pub tokens: Counts,
    /// Webhook deliveries.
    pub webhooks: Vec<Delivery>,
}

impl Inspection {
    /// Posts that came through the API.
    pub fn published(&self) -> Vec<&Post> {
        self.posts.iter().filter(|post| post.publish_id.is_some()).collect()
    }

    /// The publish with this id.
    pub fn publish(&self, publish_id: &str) -> Option<&PublishView> {
        self.publishes.iter().find(|publish| publish.publish_id == publish_id)
    }
}

/// The state of a publish.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum PublishState {
    /// Bytes are missing.
    Transfer,
    /// All bytes are there.
    Processing,
    /// A draft in the user's inbox.
    Inbox,
    /// A draft that the user deleted.
    Deleted,
    /// Posted.
    Complete,
    /// Not posted.
    Failed,
}

/// One publish.
#[derive(Clone, Debug, Serialize)]
pub struct PublishView {
    /// `publish_id`.
    pub publish_id: String,
    /// App.
    pub client_key: String,
    /// Username.
    pub account: String,
    /// Video by upload or pull, photos.
    pub kind: Kind,
    /// Caption.
    pub caption: String,
    /// `privacy_level`; empty while a draft is not finished.
    pub privacy: String,
    /// For the inbox of the person.
    pub draft: bool,
    /// Its state.
    pub state: PublishState,
    /// Why it failed.
    pub fail_reason: Option<String>,
    /// Bytes that have arrived.
    pub bytes: u64,
    /// Chunks that have arrived.
    pub chunks: u64,
    /// SHA-256 of the whole file, once complete.
    pub sha256: Option<String>,
    /// Virtual time of init, milliseconds.
    pub created_ms: i64,
    /// Virtual time of the end, milliseconds.
    pub ended_ms: Option<i64>,
    /// Item ids, once posted.
    pub post_ids: Vec<u64>,
}

/// One consent.
#[derive(Clone, Debug, Serialize)]
pub struct GrantView {
    /// App.
    pub client_key: String,
    /// Username.
    pub account: String,
    /// `open_id` in this app.
    pub open_id: String,
    /// Granted scopes.
    pub scopes: Vec<String>,
    /// Not revoked or removed.
    pub alive: bool,
    /// Virtual time of the newest consent, milliseconds.
    pub consented_ms: i64,
}

pub(crate) fn inspect(state: &State, now_ms: i64) -> Inspection {
    let mut publishes: Vec<PublishView> = state
        .publishes
        .values()
        .map(|publish| {
            let (stands, ended_ms, fail_reason, post_ids) = match &publish.end {
                Some(End::Complete { at_ms, posts }) => {
                    (PublishState::Complete, Some(*at_ms), None, posts.clone())
                }
                Some(End::Failed { at_ms, reason }) => {
                    (PublishState::Failed, Some(*at_ms), Some(reason.clone()), Vec::new())
                }
                None if publish.deleted => (PublishState::Deleted, None, None, Vec::new()),
                None if publish.inbox_ms.is_some() => (PublishState::Inbox, None, None, Vec::new()),
                None if publish.received_ms.is_some() => (PublishState::Processing, None, None, Vec::new()),
                None => (PublishState::Transfer, None, None, Vec::new()),
            };
            let upload = publish.upload.as_ref();
            let pulled = publish.pull.as_ref().map_or(0, |pull| pull.downloaded);
            PublishView {
                publish_id: publish.id.clone(),
                client_key: publish.client_key.clone(),
                account: publish.username.clone(),
                kind: publish.kind,
                caption: publish.caption.clone(),
                privacy: publish.privacy.clone(),
                draft: publish.draft,
                state: stands,
                fail_reason,
                bytes: upload.map_or(pulled, |upload| upload.received),
                chunks: upload.map_or(0, |upload| upload.chunks),
                sha256: publish.sha256.clone(),
                created_ms: publish.created_ms,
                ended_ms,
                post_ids,
            }
        })
        .collect();
    publishes.sort_by_key(|publish| publish.created_ms);
    let grants = state
        .grants
        .iter()
        .map(|grant| GrantView {
            client_key: grant.client_key.clone(),
            account: grant.username.clone(),
            open_id: grant.open_id.clone(),
            scopes: grant.scopes.iter().cloned().collect(),
            alive: grant.alive,
            consented_ms: grant.consented_ms,
        })
        .collect();
    Inspection {
        now_ms,
        posts: state.posts.clone(),
        publishes,
        grants,
        tokens: state.counts,
        webhooks: state.outbox.deliveries.clone(),
    }
}

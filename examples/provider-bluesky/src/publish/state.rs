//! What a publish has to remember between two calls.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use social_channel_provider::channel::{NextStep, Publication, PublishStep, PublishedPost};
use social_channel_provider::{Error, ErrorKind, Finding, MediaInfo};

use crate::links;
use crate::record::{Blob, Reference};

/// Another form gets another number.
const VERSION: u32 = 1;

#[derive(Clone, Debug, Serialize, Deserialize)]
pub(super) struct State {
    version: u32,
    /// Of each post, chosen beforehand: posting twice under one key makes one post.
    pub(super) keys: Vec<String>,
    /// Of the first post, in milliseconds; those that follow are a millisecond later each.
    pub(super) created_at: u64,
    /// Who is behind a handle.
    pub(super) ids: BTreeMap<String, String>,
    /// Files that the server has, in the order of the items.
    pub(super) blobs: Vec<Blob>,
    /// Posts that are out, in their order.
    pub(super) posts: Vec<Reference>,
}

impl State {
    pub(super) fn new(keys: Vec<String>, created_at: u64, ids: BTreeMap<String, String>) -> Self {
        Self { version: VERSION, keys, created_at, ids, blobs: Vec::new(), posts: Vec::new() }
    }

    pub(super) fn read(bytes: &[u8]) -> Result<Self, Error> {
        let state: Option<Self> = serde_json::from_slice(bytes).ok();
        state.filter(|state| state.version == VERSION && !state.keys.is_empty()).ok_or_else(|| {
            Error::new(ErrorKind::Unsupported, "This publish was started by another version of the provider.")
        })
    }

    /// The key of the next post; None: all are out.
    pub(super) fn next_key(&self) -> Option<&str> {
        self.keys.get(self.posts.len()).map(String::as_str)
    }

    pub(super) fn step(
        &self,
        media: &[MediaInfo],
        phase: &str,
        next: NextStep,
        findings: Vec<Finding>,
    ) -> PublishStep {
        let post = |(at, post): (usize, &Reference)| PublishedPost {
            role: if at == 0 { "post" } else { "part" }.to_owned(),
            ..PublishedPost::public(Some(post.uri.clone()), links::post(&post.uri))
        };
        let posts = self.posts.iter().enumerate().map(post).collect();
        let bytes = |count: usize| media.iter().take(count).map(|info| info.size).sum();
        PublishStep {
            publication: Publication { posts, findings, ..Publication::none() },
            bytes_sent: bytes(self.blobs.len()),
            bytes_total: bytes(media.len()),
            ..PublishStep::new(serde_json::to_vec(self).unwrap_or_default(), phase, next)
        }
    }
}

//! Numbers of posts over time: those of a channel's newest posts, asked for as often as the channel's own, and kept as long.

use std::sync::Arc;
use std::time::Duration;

use futures::future::BoxFuture;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use social_channel_runtime::clock::millis;
use social_channel_runtime::error::Result;
use social_channel_runtime::model::{ListQuery, PostPage, PostStats, PostSummary};
use social_channel_runtime::{CallContext, Provider};

use super::{Accounts, for_each};
use crate::tenant_id::TenantId;

/// When a caller lists the newest posts, their numbers are also stored if they were not asked for within this time.
const BY_THE_WAY: Duration = Duration::from_secs(3600);
/// One page of any network that is known; what is older hardly moves.
const POSTS: u32 = 20;

/// A post's statistics at an instant.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct PostSample {
    /// Seconds since 1970.
    pub at: i64,
    /// The numbers.
    pub stats: PostStats,
}

impl Accounts {
    /// One page of the account's posts. The numbers of the first page are also stored.
    pub(crate) async fn list_posts(
        self: &Arc<Self>,
        tenant: &TenantId,
        channel: &str,
        query: &ListQuery,
    ) -> Result<PostPage> {
        let page = self.ask_for_posts(tenant, channel, query).await?;
        if query.cursor.is_none() {
            let newest = page.posts.get(..POSTS as usize).unwrap_or(&page.posts);
            // A failure only costs one point of a chart, so it is only logged.
            if let Err(error) = self.note_by_the_way(tenant, channel, newest).await {
                tracing::warn!(channel, %error, "the numbers of posts could not be kept");
            }
        }
        Ok(page)
    }

    /// A post's statistics over time, oldest first; `since` in seconds since 1970. Empty for a post that was never among
    /// the newest of its channel.
    pub(crate) async fn post_stats_history(
        &self,
        tenant: &TenantId,
        channel: &str,
        post: &str,
        since: Option<i64>,
    ) -> Result<Vec<PostSample>> {
        self.row(tenant, channel).await?;
        let since = since.unwrap_or(0).saturating_mul(1000);
        let rows = self.store.post_samples(tenant, channel, post, since).await?;
        // Rows that a later version wrote in another form are skipped.
        let read = |(at, text): (i64, String)| {
            Some(PostSample { at: at / 1000, stats: serde_json::from_str(&text).ok()? })
        };
        Ok(rows.into_iter().filter_map(read).collect())
    }

    /// Asks every channel that is due for its newest posts, by one call each. Returns how many succeeded.
    pub(crate) async fn sample_all_posts(self: &Arc<Self>) -> Result<usize> {
        let since = self.clock.now_ms().saturating_sub(millis(self.sample_every));
        let due = self.store.channels_to_sample_posts(since).await?;
        let sample = |tenant: TenantId, channel: String| async move {
            let sampled = self.sample_posts(&tenant, &channel, since).await;
            sampled
                .inspect_err(|error| tracing::debug!(channel, %error, "no sample of the numbers of posts"))
                .is_ok()
        };
        Ok(for_each(due, sample).await)
    }

    async fn sample_posts(self: &Arc<Self>, tenant: &TenantId, channel: &str, since: i64) -> Result<()> {
        // Also where the call fails, so that an account that may not list is not asked every hour.
        if !self.store.begin_post_samples(tenant, channel, since, self.clock.now_ms()).await? {
            return Ok(());
        }
        let query = ListQuery { limit: POSTS, cursor: None };
        let page = self.ask_for_posts(tenant, channel, &query).await?;
        self.note_posts(tenant, channel, &page.posts).await
    }

    async fn ask_for_posts(
        self: &Arc<Self>,
        tenant: &TenantId,
        channel: &str,
        query: &ListQuery,
    ) -> Result<PostPage> {
        let call = |provider: Provider, context: CallContext, account| -> BoxFuture<'static, _> {
            let query = query.clone();
            Box::pin(async move { provider.list_posts(context, &account, &query).await })
        };
        self.call(tenant, channel, &call).await
    }

    async fn note_by_the_way(&self, tenant: &TenantId, channel: &str, posts: &[PostSummary]) -> Result<()> {
        let now = self.clock.now_ms();
        let since = now.saturating_sub(millis(BY_THE_WAY));
        // Read first: most lists need no write.
        let is_due = self.store.posts_sampled_at(tenant, channel).await?.is_some_and(|last| last <= since);
        if is_due && self.store.begin_post_samples(tenant, channel, since, now).await? {
            self.note_posts(tenant, channel, posts).await?;
        }
        Ok(())
    }

    async fn note_posts(&self, tenant: &TenantId, channel: &str, posts: &[PostSummary]) -> Result<()> {
        let numbers: Vec<_> = posts
            .iter()
            .take(POSTS as usize)
            .filter(|post| has_numbers(&post.stats))
            .map(|post| (post.id.clone(), serde_json::to_string(&post.stats).unwrap_or_default()))
            .collect();
        if numbers.is_empty() {
            return Ok(());
        }
        self.store.insert_post_samples(tenant, channel, self.clock.now_ms(), &numbers).await
    }
}

fn has_numbers(stats: &PostStats) -> bool {
    [stats.views, stats.likes, stats.replies, stats.reposts].iter().any(Option::is_some)
        || !stats.other.is_empty()
}

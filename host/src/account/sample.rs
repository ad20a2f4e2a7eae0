//! Statistics over time: workers sample each channel's statistics, and samples are kept for two years.

use std::sync::Arc;
use std::time::Duration;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use social_channel_runtime::clock::millis;
use social_channel_runtime::error::Result;
use social_channel_runtime::model::Stats;

use super::{Accounts, for_each};
use crate::tenant_id::TenantId;

/// When a caller requests the statistics, they are also stored as a sample if the last one is older than this.
const BY_THE_WAY: Duration = Duration::from_secs(3600);
/// How long samples are kept.
const KEPT: Duration = Duration::from_secs(2 * 365 * 24 * 3600);

/// A channel's statistics at an instant.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct StatsSample {
    /// Seconds since 1970.
    pub at: i64,
    /// The numbers.
    pub stats: Stats,
}

impl Accounts {
    /// The account's statistics, which are also stored for [`Accounts::stats_history`].
    pub(crate) async fn stats(self: &Arc<Self>, tenant: &TenantId, channel: &str) -> Result<Stats> {
        self.sampled_stats(tenant, channel, BY_THE_WAY).await
    }

    /// The channel's statistics over time, oldest first; `since` in seconds since 1970.
    pub(crate) async fn stats_history(
        &self,
        tenant: &TenantId,
        channel: &str,
        since: Option<i64>,
    ) -> Result<Vec<StatsSample>> {
        self.row(tenant, channel).await?;
        let since = since.unwrap_or(0).saturating_mul(1000);
        let rows = self.store.samples(tenant, channel, since).await?;
        // Rows that a later version wrote in another form are skipped.
        let read = |(at, text): (i64, String)| {
            Some(StatsSample { at: at / 1000, stats: serde_json::from_str(&text).ok()? })
        };
        Ok(rows.into_iter().filter_map(read).collect())
    }

    /// Samples every channel that has no sample of the last hours.
    pub(crate) async fn sample_all(self: &Arc<Self>) -> Result<usize> {
        let since = self.clock.now_ms().saturating_sub(millis(self.sample_every));
        let due = self.store.channels_to_sample(since).await?;
        let sample = |tenant: TenantId, channel: String| async move {
            let sampled = self.sampled_stats(&tenant, &channel, Duration::ZERO).await;
            sampled
                .inspect_err(|error| tracing::debug!(channel, %error, "no sample of a channel's numbers"))
                .is_ok()
        };
        let taken = for_each(due, sample).await;
        let before = self.clock.now_ms().saturating_sub(millis(KEPT));
        self.store.delete_samples(before).await?;
        Ok(taken)
    }

    /// The statistics, also stored as a sample if the last one is older than `apart`.
    async fn sampled_stats(
        self: &Arc<Self>,
        tenant: &TenantId,
        channel: &str,
        apart: Duration,
    ) -> Result<Stats> {
        let stats = self
            .call(tenant, channel, &|provider, context, account| {
                Box::pin(async move { provider.get_stats(context, &account).await })
            })
            .await?;
        // A failure only costs one point of a chart, so it is only logged.
        if let Err(error) = self.note_stats(tenant, channel, &stats, apart).await {
            tracing::warn!(channel, %error, "a channel's numbers could not be kept");
        }
        Ok(stats)
    }

    async fn note_stats(
        &self,
        tenant: &TenantId,
        channel: &str,
        stats: &Stats,
        apart: Duration,
    ) -> Result<()> {
        let now = self.clock.now_ms();
        let newest = self.store.newest_sample(tenant, channel).await?;
        if newest.is_some_and(|newest| now.saturating_sub(newest) < millis(apart)) {
            return Ok(());
        }
        let text = serde_json::to_string(stats).unwrap_or_default();
        self.store.insert_sample(tenant, channel, now, &text).await
    }
}

//! Numbers over time: samples of each channel's numbers, taken by workers and kept for two years.

use std::time::Duration;

use futures::StreamExt as _;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::clock::millis;
use crate::error::Result;
use crate::host::{Host, Inner, Tenant};
use crate::model::Stats;
use crate::tenant::TenantId;

/// Channels asked at once. Nobody waits for a sample.
const AT_ONCE: usize = 4;
/// When a caller asks for the numbers anyway, they are kept if the last sample is older than this.
const BY_THE_WAY: Duration = Duration::from_secs(3600);
/// How long samples are kept.
const KEPT: Duration = Duration::from_secs(2 * 365 * 24 * 3600);

/// A channel's numbers at an instant.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct StatsSample {
    /// Seconds since 1970.
    pub at: i64,
    /// The numbers.
    pub stats: Stats,
}

impl Tenant {
    /// The channel's numbers over time, oldest first; `since` in seconds since 1970.
    ///
    /// # Errors
    /// `NotFound`.
    pub async fn stats_history(&self, channel: &str, since: Option<i64>) -> Result<Vec<StatsSample>> {
        self.inner.account_row(&self.id, channel).await?;
        let since = since.unwrap_or(0).saturating_mul(1000);
        let rows = self.inner.store.samples(&self.id, channel, since).await?;
        // A row that a later version wrote in another form is left out.
        let read = |(at, text): (i64, String)| {
            Some(StatsSample { at: at / 1000, stats: serde_json::from_str(&text).ok()? })
        };
        Ok(rows.into_iter().filter_map(read).collect())
    }
}

impl Host {
    /// Takes a sample of every channel that has none of the last hours.
    pub(crate) async fn sample_stats(&self) -> Result<usize> {
        let since = self.inner.clock.now_ms().saturating_sub(millis(self.inner.sample_every));
        let due = self.inner.store.channels_to_sample(since).await?;
        let samples = due.into_iter().map(|(tenant, channel)| async move {
            match self.tenant(tenant).sampled_stats(&channel, Duration::ZERO).await {
                Ok(_) => 1,
                Err(error) => {
                    tracing::debug!(channel, %error, "no sample of a channel's numbers");
                    0
                }
            }
        });
        let taken = futures::stream::iter(samples).buffer_unordered(AT_ONCE);
        let taken = taken.fold(0, async |sum, one: usize| sum + one).await;
        let before = self.inner.clock.now_ms().saturating_sub(millis(KEPT));
        self.inner.store.delete_samples(before).await?;
        Ok(taken)
    }
}

impl Inner {
    /// Keeps numbers that were asked for anyway. A failure costs a point of a chart, so it is only noted.
    pub(crate) async fn note_stats(&self, tenant: &TenantId, channel: &str, stats: &Stats, apart: Duration) {
        let noted = async {
            let now = self.clock.now_ms();
            let newest = self.store.newest_sample(tenant, channel).await?;
            if newest.is_some_and(|newest| now.saturating_sub(newest) < millis(apart)) {
                return Ok(());
            }
            let text = serde_json::to_string(stats).unwrap_or_default();
            self.store.insert_sample(tenant, channel, now, &text).await
        };
        let noted: Result<()> = noted.await;
        if let Err(error) = noted {
            tracing::warn!(channel, %error, "a channel's numbers could not be kept");
        }
    }
}

impl Tenant {
    /// The numbers, kept as a sample if the last is older than `apart`.
    async fn sampled_stats(&self, channel: &str, apart: Duration) -> Result<Stats> {
        let stats = self.ask_stats(channel).await?;
        self.inner.note_stats(&self.id, channel, &stats, apart).await;
        Ok(stats)
    }

    /// The account's numbers. By the way they are kept for [`Tenant::stats_history`].
    pub async fn stats(&self, channel: &str) -> Result<Stats> {
        self.sampled_stats(channel, BY_THE_WAY).await
    }
}

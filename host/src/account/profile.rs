//! Names and pictures of accounts: both change at the platform, and URLs of pictures expire after hours. So the last ones
//! that were read are stored, and workers read them again.

use std::sync::Arc;
use std::time::Duration;

use futures::future::BoxFuture;
use social_channel_runtime::clock::millis;
use social_channel_runtime::error::Result;
use social_channel_runtime::model::Profile;
use social_channel_runtime::{CallContext, Provider};

use super::{Accounts, for_each};
use crate::tenant_id::TenantId;

/// Workers read older profiles again in their hourly round. URLs of TikTok's pictures are valid for two hours.
const FRESH: Duration = Duration::from_secs(1_800);

impl Accounts {
    /// The profile of an account. Its name and picture are also stored.
    pub(crate) async fn profile(self: &Arc<Self>, tenant: &TenantId, channel: &str) -> Result<Profile> {
        let row = self.row(tenant, channel).await?;
        let app = self.apps.of_account(tenant, &row).await?;
        let known = (row.display_name.clone(), row.username.clone(), row.avatar_url.is_some());
        let looked_at = row.looked_at;
        let ask = |provider: Provider, context: CallContext, account| -> BoxFuture<'static, _> {
            Box::pin(async move { provider.get_profile(context, &account).await })
        };
        let profile = self.call_with(tenant, row, &app, None, &ask).await?;
        let now = self.clock.now_ms();
        // URLs of pictures are signed and differ each time: another one is news only once the stored one grows old.
        let told = profile.username.clone().or_else(|| known.1.clone());
        let is_news = known != (profile.display_name.clone(), told, profile.avatar_url.is_some())
            || now.saturating_sub(looked_at) >= millis(FRESH) / 2;
        if is_news {
            let (name, picture) = (profile.display_name.as_str(), profile.avatar_url.as_deref());
            let username = profile.username.as_deref();
            // A failure costs a fresh picture, so it is only noted.
            if let Err(error) =
                self.store.set_account_profile(tenant, channel, name, username, picture, now).await
            {
                tracing::warn!(channel, %error, "a channel's name and picture could not be kept");
            }
        }
        Ok(profile)
    }

    /// Reads the profile of every channel that was not read recently. Returns how many succeeded.
    pub(crate) async fn look_at_all(self: &Arc<Self>) -> Result<usize> {
        let before = self.clock.now_ms().saturating_sub(millis(FRESH));
        let due = self.store.accounts_to_look_at(before).await?;
        let look = |tenant: TenantId, channel: String| async move {
            let looked = self.profile(&tenant, &channel).await;
            looked
                .inspect_err(
                    |error| tracing::debug!(channel, %error, "no look at a channel's name and picture"),
                )
                .is_ok()
        };
        Ok(for_each(due, look).await)
    }
}

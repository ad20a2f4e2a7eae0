//! What a connect brought becomes a channel: a new one, one that is connected again, or one of another app that moves here
//! with its history and its scheduled posts.

use std::sync::Arc;

use social_channel_runtime::Connection;
use social_channel_runtime::error::{Error, ErrorKind, Result};
use social_channel_runtime::model::IDENTITY;

use super::{Accounts, Channel};
use crate::app::LiveApp;
use crate::id;
use crate::store::{AccountRow, NewAccount, channel_busy};
use crate::tenant_id::TenantId;

/// What became of a connection.
pub(super) enum Stored {
    Channel(Box<Channel>),
    /// A person must say first whether it is the account of the channel.
    Unproven,
}

impl Accounts {
    /// Stores what a consent or a secret of the account brought. `confirmed`: a person says that it is the account of the
    /// channel to connect again.
    pub(super) async fn store_connection(
        self: &Arc<Self>,
        tenant: &TenantId,
        by: Option<&str>,
        app: &Arc<LiveApp>,
        connection: &Connection,
        (reconnect, brought): (Option<String>, bool),
        confirmed: bool,
    ) -> Result<Stored> {
        let mut new = NewAccount {
            connected_by: by.map(str::to_owned),
            ..self.new_account(&app.id, id::new("ch")?, connection)
        };
        let mut refused = None;
        if let Some(wanted) = reconnect {
            let wanted = self.row(tenant, &wanted).await?;
            if wanted.app != app.id {
                self.may_move(tenant, &wanted, app).await?;
                match self.same_account(tenant, &wanted, connection).await {
                    Some(false) => refused = Some(another_account(&wanted, connection)),
                    None if !confirmed => return Ok(Stored::Unproven),
                    _ => new.takes_over = Some(wanted.channel),
                }
            } else if wanted.account != connection.account.id {
                refused = Some(another_account(&wanted, connection));
            }
        }
        if let Some(error) = refused.take_if(|_| !brought) {
            return Err(error);
        }
        let stored = match &refused {
            None => self.store.connect_account(tenant, &new, &*self.seal(tenant, connection)).await,
            Some(error) => Err(error.clone()),
        };
        let channel = match stored {
            Ok(channel) => channel,
            // What was given is used up, so its account is kept, whoever it is.
            Err(error) if brought => {
                refused = Some(error).filter(|_| refused.is_some() || new.takes_over.is_some());
                new.takes_over = None;
                self.store_for_certain(tenant, &new, connection).await
            }
            Err(error) => return Err(error),
        };
        self.wake.all();
        self.wake.told();
        tracing::info!(%tenant, app = app.id, channel, by, "connected");
        // Its credentials are stored now, so they may be used: a provider asks for no name before.
        if brought && let Err(error) = self.profile(tenant, &channel).await {
            tracing::debug!(channel, %error, "no look at a new channel's name and picture");
        }
        match refused {
            Some(error) => Err(Error {
                remedy: Some(format!(
                    "that account is connected as {channel} now, because what was given works only once; disconnect it if it is not wanted"
                )),
                ..error
            }),
            None => Ok(Stored::Channel(Box::new(self.channel(tenant, &channel).await?))),
        }
    }

    /// Whether a channel may go on with another app at the moment.
    pub(super) async fn may_move(&self, tenant: &TenantId, row: &AccountRow, to: &LiveApp) -> Result<()> {
        let from = self.store.app(&row.app).await?;
        let network = &to.provider.descriptor().id;
        if from.is_none_or(|from| from.provider != *network) {
            let message =
                format!("{} is no account of {network}, so it cannot go on with {}", row.display_name, to.id);
            return Err(Error::new(ErrorKind::InvalidRequest, message)
                .with_field("reconnect")
                .with_remedy("choose an app of the same provider, or connect the account as a new channel"));
        }
        let mut begun = 0;
        for job in self.store.open_jobs(tenant, &row.channel).await? {
            let job = self.store.job(tenant, &job).await?;
            begun += i64::from(job.is_some_and(|job| job.state.is_some()));
        }
        if begun > 0 { Err(channel_busy(begun)) } else { Ok(()) }
    }

    /// Whether a connection to another app is the account of a channel. None: the network does not tell.
    async fn same_account(
        self: &Arc<Self>,
        tenant: &TenantId,
        row: &AccountRow,
        connection: &Connection,
    ) -> Option<bool> {
        // In most networks an account has one id for all apps.
        if row.account == connection.account.id {
            return Some(true);
        }
        let new = connection.details.get(IDENTITY)?;
        // The old app may be out of order, or the account be disconnected there.
        let old = self.profile(tenant, &row.channel).await;
        let old = old
            .inspect_err(|error| tracing::info!(channel = row.channel, %error, "no look at the old account"));
        old.ok()?.details.get(IDENTITY).map(|old| old == new)
    }
}

fn another_account(wanted: &AccountRow, connection: &Connection) -> Error {
    Error::new(
        ErrorKind::InvalidRequest,
        format!(
            "the browser connected {} ({}), but this channel is {} ({}); nothing was changed",
            connection.display_name, connection.account.id, wanted.display_name, wanted.account
        ),
    )
    .with_remedy("sign in to the right account at the platform and connect again, or add the other one as a new channel")
}

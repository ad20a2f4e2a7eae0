//! Credentials are refreshed by exactly one process at a time and stored before they are used. A refresh
//! continues if its caller is dropped, at a time limit, and during shutdown.

use std::sync::Arc;
use std::time::Duration;

use social_channel_runtime::CallError;
use social_channel_runtime::error::{Error, ErrorKind, Outcome, Result};
use tokio::sync::Mutex as AsyncMutex;

use super::Accounts;
use crate::lease::LeaseGate;
use crate::store::{AccountRow, Health, Lease};
use crate::tenant_id::{TenantId, in_turns};
use crate::vault::{Place, row_key};

/// A refresh sends one small request, at most twice. This is longer than both time limits together.
const LEASE: Duration = Duration::from_secs(180);
/// How long other callers wait for the lease holder before they return an error.
const PATIENCE: Duration = Duration::from_secs(60);
/// How often waiting callers check whether the refresh is done.
const LOOK: Duration = Duration::from_millis(50);
/// How long before expiry to refresh at most; TikTok's newest tokens are valid for two hours.
const AHEAD_MS: i64 = 15 * 60_000;

impl Accounts {
    /// The row itself, or a refreshed one if its credentials are about to expire.
    pub(super) async fn fresh_credentials(
        self: &Arc<Self>,
        tenant: &TenantId,
        row: AccountRow,
    ) -> Result<AccountRow> {
        if row.health == Health::NeedsReconnect {
            return Err(needs_reconnect(&row));
        }
        let now = self.clock.now_ms();
        let Some(expires_at) = row.expires_at_s.map(|at| at.saturating_mul(1000)) else { return Ok(row) };
        let ahead = AHEAD_MS.min(expires_at.saturating_sub(row.issued_at).max(0) / 10);
        if now.saturating_add(ahead) < expires_at {
            return Ok(row);
        }
        match self.refresh(tenant, &row.channel, row.credentials_revision).await {
            // Nothing is lost yet: the old credentials work until they expire.
            Err(error) if error.is_retryable() && now < expires_at => {
                tracing::warn!(channel = row.channel, %error, "refreshing ahead of need failed; trying later");
                Ok(row)
            }
            other => other,
        }
    }

    /// The account with credentials newer than `stale`: refreshed by another caller, or refreshed now.
    pub(crate) async fn refresh(
        self: &Arc<Self>,
        tenant: &TenantId,
        channel: &str,
        stale: i64,
    ) -> Result<AccountRow> {
        let (accounts, tenant, channel) = (self.clone(), tenant.clone(), channel.to_owned());
        // Its own task, so that it continues when the caller is dropped.
        let task = self.lifetime.spawn(async move { accounts.refresh_alone(&tenant, &channel, stale).await });
        task.await.map_err(|error| Error::internal("a refresh broke off").with_source(error))?
    }

    async fn refresh_alone(
        self: &Arc<Self>,
        tenant: &TenantId,
        channel: &str,
        stale: i64,
    ) -> Result<AccountRow> {
        let turn = self.turn(channel);
        let _turn = turn.lock().await;
        let started = tokio::time::Instant::now();
        let (lease, gate) = loop {
            let row = self.row(tenant, channel).await?;
            if row.credentials_revision != stale {
                return Ok(row);
            }
            if row.health == Health::NeedsReconnect {
                return Err(needs_reconnect(&row));
            }
            let gate = Arc::new(LeaseGate::new(LEASE));
            if let Some(lease) = self.store.acquire_account(tenant, channel, LEASE).await? {
                break (lease, gate);
            }
            if started.elapsed() > PATIENCE {
                return Err(Error::new(ErrorKind::Unavailable, "another process is refreshing this account")
                    .with_remedy("try again in a minute"));
            }
            tokio::time::sleep(LOOK).await;
        };
        // Another process may have finished, or been refused, between the read and the lease.
        let row = self.row(tenant, channel).await?;
        if row.credentials_revision != stale || row.health == Health::NeedsReconnect {
            self.store.release_account(tenant, channel, &lease).await?;
            return if row.credentials_revision != stale { Ok(row) } else { Err(needs_reconnect(&row)) };
        }
        let refreshed = self.refresh_leased(tenant, &row, &lease, gate).await;
        if refreshed.is_err() {
            self.store.release_account(tenant, channel, &lease).await?;
        }
        refreshed
    }

    async fn refresh_leased(
        self: &Arc<Self>,
        tenant: &TenantId,
        row: &AccountRow,
        lease: &Lease,
        gate: Arc<LeaseGate>,
    ) -> Result<AccountRow> {
        let app = self.apps.live(tenant, &row.app).await?;
        let account = self.open_account(tenant, row)?;
        let call = || {
            let context = app.context(tenant.as_str(), Some(&row.account), Some(gate.clone()));
            app.provider.refresh_credentials(context, &account)
        };
        let mut answer = call().await;
        if let Err(CallError::Failed(error)) = &answer
            && (error.kind == ErrorKind::OutcomeUnknown || error.outcome == Some(Outcome::Unknown))
        {
            tracing::warn!(channel = row.channel, %error, "the answer to a refresh was lost; once more");
            answer = call().await;
        }
        let connection = match answer {
            Ok(connection) => connection,
            Err(CallError::Failed(error)) if error.kind == ErrorKind::Unauthorized => {
                return self.refused(tenant, row, error).await;
            }
            Err(CallError::CredentialsExpired(error)) => {
                let error = Error { kind: ErrorKind::Unauthorized, ..error };
                return self.refused(tenant, row, error).await;
            }
            Err(CallError::Failed(error)) => return Err(error),
        };
        if connection.account.id != row.account {
            return Err(Error::new(
                ErrorKind::ProviderFault,
                "the provider refreshed one account into another",
            )
            .with_remedy("replace the provider")
            .during(&app.provider.descriptor().id, "refresh-credentials"));
        }
        let fresh = self.new_account(&row.app, row.channel.clone(), &connection);
        let key = row_key(tenant, &row.channel);
        let place = Place { table: "accounts", row: &key, column: "credentials" };
        let sealed = self.vault.seal(place, connection.account.credentials.expose())?;
        // The old credentials are already invalid, so this write is retried until it succeeds.
        let mut pause = Duration::from_millis(50);
        loop {
            match self.store.store_credentials(tenant, &row.channel, &fresh, &sealed, lease).await {
                Ok(true) => break,
                Ok(false) => {
                    // Reconnected or disconnected meanwhile: what is stored now is newer.
                    return self.row(tenant, &row.channel).await;
                }
                Err(error) => {
                    tracing::error!(channel = row.channel, %error, "refreshed credentials are not stored yet");
                    tokio::time::sleep(pause).await;
                    pause = (pause * 2).min(Duration::from_secs(5));
                }
            }
        }
        tracing::debug!(channel = row.channel, "credentials refreshed");
        self.row(tenant, &row.channel).await
    }

    /// The platform refused the refresh. The account needs to be reconnected only if its stored credentials are
    /// unchanged.
    async fn refused(&self, tenant: &TenantId, row: &AccountRow, error: Error) -> Result<AccountRow> {
        let current = self.row(tenant, &row.channel).await?;
        if current.credentials_revision != row.credentials_revision {
            return Ok(current);
        }
        self.note_unauthorized(tenant, row, &error).await;
        tracing::warn!(channel = row.channel, %error, "the account must be connected again");
        Err(error)
    }

    /// Refreshes of one account queue here before they ask the store.
    fn turn(&self, channel: &str) -> Arc<AsyncMutex<()>> {
        match self.turns.lock() {
            Ok(mut turns) => {
                // An entry that only this map holds has no waiters.
                turns.retain(|_, turn| Arc::strong_count(turn) > 1);
                turns.entry(channel.to_owned()).or_default().clone()
            }
            Err(_) => Arc::default(),
        }
    }

    /// Refreshes idle accounts that are due; the tenants take turns. Returns how many were refreshed. An account that cannot be refreshed,
    /// or was disconnected meanwhile, does not affect the others.
    pub(crate) async fn refresh_idle(self: &Arc<Self>) -> Result<usize> {
        let mut refreshed = 0;
        for (tenant, channel) in in_turns(self.store.accounts_to_refresh(self.clock.now_ms()).await?) {
            let done = async {
                let Some(row) = self.store.account(&tenant, &channel).await? else { return Ok(false) };
                self.refresh(&tenant, &channel, row.credentials_revision).await.map(|_| true)
            };
            match done.await {
                Ok(done) => refreshed += usize::from(done),
                Err::<_, Error>(error) => {
                    tracing::warn!(channel, %error, "an idle account could not be refreshed");
                }
            }
        }
        Ok(refreshed)
    }
}

pub(super) fn needs_reconnect(row: &AccountRow) -> Error {
    let why = row.health_detail.as_deref().unwrap_or("the platform refuses its credentials");
    Error::new(ErrorKind::Unauthorized, format!("{} must be connected again: {why}", row.display_name))
        .with_remedy("connect the account again; its history and its jobs are kept")
}

//! Credentials are refreshed by exactly one process at a time, stored before anything uses them, and nobody's
//! going away, time limit or shutdown cuts a refresh off.

use std::sync::Arc;
use std::time::Duration;

use super::*;
use crate::error::Outcome;
use crate::lease::LeaseGate;
use crate::process;
use crate::store::Lease;

/// One small request, twice at most: longer than their time limits together.
const LEASE: Duration = Duration::from_secs(180);
/// How long others wait for the winner before they give up for now.
const PATIENCE: Duration = Duration::from_secs(60);
/// How often others look whether the winner is done.
const LOOK: Duration = Duration::from_millis(50);
/// Ahead of expiry at most; TikTok's newest tokens live two hours.
const AHEAD_MS: i64 = 15 * 60_000;

impl Inner {
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

    /// The account with credentials newer than `stale`: somebody's, or refreshed now.
    pub(crate) async fn refresh(
        self: &Arc<Self>,
        tenant: &TenantId,
        channel: &str,
        stale: i64,
    ) -> Result<AccountRow> {
        let (inner, tenant, channel) = (self.clone(), tenant.clone(), channel.to_owned());
        // A task of its own: it goes on when its caller goes away.
        let task = self.tasks.spawn(async move { inner.refresh_alone(&tenant, &channel, stale).await });
        task.await.map_err(|error| Error::internal("a refresh broke off").with_source(error))?
    }

    async fn refresh_alone(
        self: &Arc<Self>,
        tenant: &TenantId,
        channel: &str,
        stale: i64,
    ) -> Result<AccountRow> {
        let turn = self.refresh_turn(channel);
        let _turn = turn.lock().await;
        let started = tokio::time::Instant::now();
        let (lease, gate) = loop {
            let row = self.account_row(tenant, channel).await?;
            if row.credentials_revision != stale {
                return Ok(row);
            }
            if row.health == Health::NeedsReconnect {
                return Err(needs_reconnect(&row));
            }
            let now = self.leases.now_ms();
            let until = now.saturating_add(crate::clock::millis(LEASE));
            let gate = Arc::new(LeaseGate::new(LEASE));
            let owner = process::owner();
            if let Some(lease) =
                self.store.lease_account(tenant, channel, owner, until, now, &process::is_dead).await?
            {
                break (lease, gate);
            }
            if started.elapsed() > PATIENCE {
                return Err(Error::new(ErrorKind::Unavailable, "another process is refreshing this account")
                    .with_remedy("try again in a minute"));
            }
            tokio::time::sleep(LOOK).await;
        };
        // Between the look and the lease somebody may have finished, or have been refused.
        let row = self.account_row(tenant, channel).await?;
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
        let app = self.live_app(tenant, &row.app).await?;
        let account = self.open_account(tenant, row)?;
        let call = || {
            let context = app.context(Some(&row.account), Some(gate.clone()));
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
        let now = self.clock.now_ms();
        let fresh = self.sealed_connection(tenant, &row.app, &row.channel, &connection, now)?;
        // The old credentials are dead already: nothing may stop this write but success.
        let mut pause = Duration::from_millis(50);
        loop {
            match self.store.store_credentials(tenant, &fresh, lease).await {
                Ok(true) => break,
                Ok(false) => {
                    // Reconnected or disconnected meanwhile: what is stored now is newer.
                    return self.account_row(tenant, &row.channel).await;
                }
                Err(error) => {
                    tracing::error!(channel = row.channel, %error, "refreshed credentials are not stored yet");
                    tokio::time::sleep(pause).await;
                    pause = (pause * 2).min(Duration::from_secs(5));
                }
            }
        }
        tracing::debug!(channel = row.channel, "credentials refreshed");
        self.account_row(tenant, &row.channel).await
    }

    /// The platform refused. Only if the store still says the same is the account in need of its owner.
    async fn refused(&self, tenant: &TenantId, row: &AccountRow, error: Error) -> Result<AccountRow> {
        let current = self.account_row(tenant, &row.channel).await?;
        if current.credentials_revision != row.credentials_revision {
            return Ok(current);
        }
        self.note_unauthorized(tenant, row, &error).await;
        tracing::warn!(channel = row.channel, %error, "the account must be connected again");
        Err(error)
    }

    /// Refreshes idle accounts whose time has come. Returns how many were refreshed.
    pub(crate) async fn refresh_idle_accounts(self: &Arc<Self>) -> Result<usize> {
        let mut refreshed = 0;
        for (tenant, channel) in self.store.accounts_to_refresh(self.clock.now_ms()).await? {
            let row = self.account_row(&tenant, &channel).await?;
            match self.refresh(&tenant, &channel, row.credentials_revision).await {
                Ok(_) => refreshed += 1,
                Err(error) => tracing::warn!(channel, %error, "an idle account could not be refreshed"),
            }
        }
        Ok(refreshed)
    }
}

fn needs_reconnect(row: &AccountRow) -> Error {
    let why = row.health_detail.as_deref().unwrap_or("the platform refuses its credentials");
    Error::new(ErrorKind::Unauthorized, format!("{} must be connected again: {why}", row.display_name))
        .with_remedy("connect the account again; its history and its jobs are kept")
}

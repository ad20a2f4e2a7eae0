//! Connected accounts: how they are shown, and provider calls on their behalf.
//!
//! A *channel* is one connected account in one tenant. `connect` adds accounts (`settle` what follows of one), `import` those of another program, `refresh` renews their credentials,
//! `profile` stores their names and pictures, `sample` their statistics, `post_sample` those of their posts; this file reads accounts and makes calls with
//! their credentials.

mod connect;
mod import;
mod post_sample;
mod profile;
mod refresh;
mod sample;
mod settle;
#[cfg(test)]
mod tests;

use std::collections::HashMap;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use futures::StreamExt as _;
use futures::future::BoxFuture;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use social_channel_runtime::clock::Clock;
use social_channel_runtime::error::{Error, ErrorKind, Result};
use social_channel_runtime::{Account, CallContext, CallError, Connection, Gate, Provider, SecretBytes};
use tokio::sync::Mutex as AsyncMutex;

pub use connect::{Candidate, Connect, ConnectOptions, Connected, Question, callback_query};
pub use import::{IMPORT_ROWS, Import, ImportReport, ImportRow, ImportStatus, ImportedRow, TableFormat};
pub use post_sample::PostSample;
pub use sample::StatsSample;

use crate::address::PublicAddress;
use crate::app::{Apps, LiveApp};
use crate::lifetime::Lifetime;
use crate::room::Room;
use crate::store::{AccountRow, Health, NewAccount, Seal, Store, no_channel};
use crate::tenant_id::{TenantId, in_turns};
use crate::vault::{Place, Vault, row_key};
use crate::wake::Wake;

/// A connected account, as it is shown.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Channel {
    /// The channel's id.
    pub id: String,
    /// The app it was connected with.
    pub app: String,
    /// The platform's stable id of the account.
    pub account_id: String,
    /// May change at the platform.
    pub display_name: String,
    /// The handle, without `@`: tells accounts of one name apart. Absent until the platform told it.
    #[serde(default)]
    pub username: Option<String>,
    /// `person`, `page`, `organisation`, `group`, `channel`, or the platform's own term. Absent: the provider does not say.
    #[serde(default)]
    pub kind: Option<String>,
    /// The platform's id of the account that this one belongs to, as a page belongs to an organisation.
    #[serde(default)]
    pub parent_id: Option<String>,
    /// May stop working after some hours.
    pub avatar_url: Option<String>,
    /// Permissions granted.
    pub scopes: Vec<String>,
    /// Permissions asked for and not granted.
    pub missing_scopes: Vec<String>,
    /// What the account can currently do.
    pub health: Health,
    /// The reason for the health, and what to do.
    pub health_detail: Option<String>,
    /// A warning before the connection ends.
    pub warning: Option<String>,
    /// Seconds since 1970.
    pub connected_at: i64,
    /// Who connected it; absent: a caller without a name.
    #[serde(default)]
    pub connected_by: Option<String>,
    /// When the connection ends unless it is renewed; seconds since 1970.
    pub connection_ends_at: Option<i64>,
}

/// The result of a disconnect.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Disconnected {
    /// The grant was revoked at the platform.
    pub revoked: bool,
    /// Why the grant was not revoked.
    pub note: Option<String>,
}

/// Reconnecting needs a person; two weeks allow for holidays.
const WARN_AHEAD_MS: i64 = 14 * 24 * 3_600_000;

impl Channel {
    fn new(row: &AccountRow, now: i64) -> Self {
        let warning = row.refresh_expires_at_s.and_then(|end| {
            let left = end.saturating_mul(1000).saturating_sub(now);
            // For short-lived connections, warn in the last tenth.
            let ahead = WARN_AHEAD_MS.min(end.saturating_mul(1000).saturating_sub(row.issued_at) / 10);
            (left < ahead).then(|| {
                let days = left.max(0) / 86_400_000;
                format!("The connection ends in {days} days; connect the account again before that.")
            })
        });
        Channel {
            id: row.channel.clone(),
            app: row.app.clone(),
            account_id: row.account.clone(),
            display_name: row.display_name.clone(),
            username: row.username.clone(),
            kind: row.kind.clone(),
            parent_id: row.parent_id.clone(),
            avatar_url: row.avatar_url.clone(),
            scopes: row.scopes.clone(),
            missing_scopes: row.missing_scopes.clone(),
            health: row.health,
            health_detail: row.health_detail.clone(),
            warning,
            connected_at: row.connected_at / 1000,
            connected_by: row.connected_by.clone(),
            connection_ends_at: row.refresh_expires_at_s,
        }
    }
}

/// A call on behalf of an account.
pub(crate) type Operation<'a, T> =
    dyn Fn(Provider, CallContext, Account) -> BoxFuture<'static, Result<T, CallError>> + Send + Sync + 'a;

/// The accounts of one database.
pub(crate) struct Accounts {
    pub(super) store: Arc<dyn Store>,
    vault: Arc<Vault>,
    clock: Arc<dyn Clock>,
    pub(super) apps: Arc<Apps>,
    address: Arc<PublicAddress>,
    lifetime: Lifetime,
    wake: Wake,
    /// The time between two samples of a channel's numbers.
    sample_every: Duration,
    room: Arc<Room>,
    hash_key: SecretBytes,
    /// Refreshes of one account queue here before they request the lease in the store.
    turns: Mutex<HashMap<String, Arc<AsyncMutex<()>>>>,
}

/// The dependencies of [`Accounts`].
pub(crate) struct AccountParts {
    pub(crate) store: Arc<dyn Store>,
    pub(crate) vault: Arc<Vault>,
    pub(crate) clock: Arc<dyn Clock>,
    pub(crate) apps: Arc<Apps>,
    pub(crate) address: Arc<PublicAddress>,
    pub(crate) lifetime: Lifetime,
    pub(crate) wake: Wake,
    pub(crate) sample_every: Duration,
    pub(crate) room: Arc<Room>,
    pub(crate) hash_key: SecretBytes,
}

impl Accounts {
    pub(crate) fn new(parts: AccountParts) -> Self {
        let AccountParts { store, vault, clock, apps, address, lifetime, wake, sample_every, room, hash_key } =
            parts;
        let turns = Mutex::default();
        Accounts { store, vault, clock, apps, address, lifetime, wake, sample_every, room, hash_key, turns }
    }

    /// Channels by their ids.
    pub(crate) async fn channels_after(
        &self,
        tenant: &TenantId,
        app: Option<&str>,
        limit: u32,
        after: Option<&str>,
    ) -> Result<Vec<Channel>> {
        let (now, rows) = (self.clock.now_ms(), self.store.accounts_after(tenant, app, limit, after).await?);
        Ok(rows.iter().map(|row| Channel::new(row, now)).collect())
    }

    pub(crate) async fn channels(&self, tenant: &TenantId) -> Result<Vec<Channel>> {
        let now = self.clock.now_ms();
        Ok(self.store.accounts(tenant).await?.iter().map(|row| Channel::new(row, now)).collect())
    }

    pub(crate) async fn channel(&self, tenant: &TenantId, channel: &str) -> Result<Channel> {
        Ok(Channel::new(&self.row(tenant, channel).await?, self.clock.now_ms()))
    }

    pub(crate) async fn row(&self, tenant: &TenantId, channel: &str) -> Result<AccountRow> {
        self.store.account(tenant, channel).await?.ok_or_else(|| no_channel(channel))
    }

    /// Calls the provider on behalf of an account. Refreshes credentials that are about to expire, and
    /// refreshes again and retries once if the platform reports them as stale.
    pub(crate) async fn call<T: Send + 'static>(
        self: &Arc<Self>,
        tenant: &TenantId,
        channel: &str,
        operation: &Operation<'_, T>,
    ) -> Result<T> {
        let row = self.row(tenant, channel).await?;
        let app = self.apps.of_account(tenant, &row).await?;
        self.call_with(tenant, row, &app, None, operation).await
    }

    /// Like [`Accounts::call`], with the provider and the lease gate of a job.
    pub(crate) async fn call_with<T: Send + 'static>(
        self: &Arc<Self>,
        tenant: &TenantId,
        row: AccountRow,
        app: &Arc<LiveApp>,
        call: Option<(&Provider, Arc<dyn Gate>)>,
        operation: &Operation<'_, T>,
    ) -> Result<T> {
        let (provider, gate) = match call {
            Some((provider, gate)) => (provider, Some(gate)),
            None => (&app.provider, None),
        };
        let row = self.fresh_credentials(tenant, row).await?;
        let context = || app.context(tenant.as_str(), Some(&row.account), gate.clone());
        let first = operation(provider.clone(), context(), self.open_account(tenant, &row)?).await;
        let error = match first {
            Ok(value) => return Ok(value),
            Err(CallError::Failed(error)) => {
                self.note_unauthorized(tenant, &row, &error).await;
                return Err(error);
            }
            Err(CallError::CredentialsExpired(_)) => {
                let row = self.refresh(tenant, &row.channel, row.credentials_revision).await?;
                match operation(provider.clone(), context(), self.open_account(tenant, &row)?).await {
                    Ok(value) => return Ok(value),
                    Err(CallError::Failed(error)) => {
                        self.note_unauthorized(tenant, &row, &error).await;
                        return Err(error);
                    }
                    // Refused even with fresh credentials: the person must connect the account again.
                    Err(CallError::CredentialsExpired(error)) => {
                        let error = Error { kind: ErrorKind::Unauthorized, ..error };
                        self.note_unauthorized(tenant, &row, &error).await;
                        error
                    }
                }
            }
        };
        Err(error)
    }

    /// `unauthorized` marks the account, unless its credentials changed meanwhile.
    async fn note_unauthorized(&self, tenant: &TenantId, row: &AccountRow, error: &Error) {
        if error.kind == ErrorKind::Unauthorized {
            let noted = self.store.set_account_health(
                tenant,
                &row.channel,
                Health::NeedsReconnect,
                Some(&error.message),
                row.credentials_revision,
                self.clock.now_ms(),
            );
            if let Err(error) = noted.await {
                tracing::warn!(channel = row.channel, %error, "the account's health could not be stored");
            }
            self.wake.told();
        }
    }

    /// The account with its credentials, as a call gets it.
    pub(crate) fn open_account(&self, tenant: &TenantId, row: &AccountRow) -> Result<Account> {
        let key = row_key(tenant, &row.channel);
        let place = Place { table: "accounts", row: &key, column: "credentials" };
        Ok(Account {
            id: row.account.clone(),
            credentials: self.vault.open_sealed(place, &row.credentials)?,
            scopes: row.scopes.clone(),
        })
    }

    /// Seals the credentials of a connection for the channel that they will belong to.
    fn seal(&self, tenant: &TenantId, connection: &Connection) -> Box<Seal> {
        let (vault, of) = (self.vault.clone(), tenant.clone());
        let credentials = connection.account.credentials.clone();
        Box::new(move |channel: &str| {
            let key = row_key(&of, channel);
            vault.seal(Place { table: "accounts", row: &key, column: "credentials" }, credentials.expose())
        })
    }

    /// The result of a consent or a refresh, in the form that the store accepts.
    fn new_account(&self, app: &str, channel: String, connection: &Connection) -> NewAccount {
        let now = self.clock.now_ms();
        let seconds = |at: Option<u64>| at.map(|at| i64::try_from(at).unwrap_or(i64::MAX / 1000));
        let refresh_expires_at_s = seconds(connection.refresh_expires_at);
        let missing = &connection.missing_scopes;
        NewAccount {
            channel,
            app: app.to_owned(),
            account: connection.account.id.clone(),
            display_name: connection.display_name.clone(),
            username: connection.username.clone(),
            kind: connection.kind.clone(),
            parent_id: connection.parent_id.clone(),
            avatar_url: connection.avatar_url.clone(),
            grant: connection.grant.clone(),
            scopes: connection.account.scopes.clone(),
            missing_scopes: missing.clone(),
            expires_at_s: seconds(connection.expires_at),
            refresh_expires_at_s,
            // Three quarters of the lifetime: late enough to be rare, and early enough to leave weeks for retries.
            refresh_due_at: refresh_expires_at_s
                .map(|end| now.saturating_add(end.saturating_mul(1000).saturating_sub(now).max(0) / 4 * 3)),
            health: if missing.is_empty() { Health::Active } else { Health::Limited },
            health_detail: (!missing.is_empty()).then(|| {
                format!(
                    "Not granted: {}. Connect the account again and leave these ticked.",
                    missing.join(", ")
                )
            }),
            connected_by: None,
            note: None,
            takes_over: None,
            now,
        }
    }

    /// Revokes the grant at the platform if no other channel uses it, and deletes the account's credentials. The
    /// channel's jobs have already ended. Runs in its own task, so that it completes even if the caller drops the call.
    pub(crate) async fn disconnect(
        self: &Arc<Self>,
        tenant: &TenantId,
        channel: &str,
    ) -> Result<Disconnected> {
        let (accounts, tenant, channel) = (self.clone(), tenant.clone(), channel.to_owned());
        let task = self.lifetime.spawn(async move { accounts.disconnect_alone(&tenant, &channel).await });
        task.await.map_err(|error| Error::internal("a disconnect broke off").with_source(error))?
    }

    async fn disconnect_alone(self: &Arc<Self>, tenant: &TenantId, channel: &str) -> Result<Disconnected> {
        let row = self.row(tenant, channel).await?;
        let together = self.store.accounts_of_grant(&row.app, row.grant.as_deref(), &row.account).await?;
        let outcome = if together.len() > 1 {
            Disconnected {
                revoked: false,
                note: Some(
                    "The same account is connected elsewhere, so the grant was not revoked at the platform."
                        .to_owned(),
                ),
            }
        } else {
            let revoke = self.call(tenant, channel, &|provider, context, account| {
                Box::pin(async move { provider.disconnect(context, &account).await })
            });
            match revoke.await {
                Ok(()) => Disconnected { revoked: true, note: None },
                Err(error) => Disconnected {
                    revoked: false,
                    note: Some(format!(
                        "The grant could not be revoked at the platform ({}). Remove the app in the account's settings there.",
                        error.message
                    )),
                },
            }
        };
        self.store.delete_account(tenant, channel, self.clock.now_ms()).await?;
        self.wake.told();
        tracing::info!(%tenant, channel, revoked = outcome.revoked, "disconnected");
        Ok(outcome)
    }
}

/// The connect input that means the same in every network: the platform's id of the account.
const ACCOUNT_ID: &str = "account-id";

/// Nothing was connected yet, so nothing can have expired: such a result violates the contract.
fn never_expired(error: CallError) -> Error {
    match error {
        CallError::Failed(error) => error,
        CallError::CredentialsExpired(error) => Error { kind: ErrorKind::ProviderFault, ..error },
    }
}

/// Channels for which background work calls providers at once. It is low because nobody waits for it.
const AT_ONCE: usize = 4;

/// Does something for each of these channels; the tenants take turns. Returns how many times it succeeded.
async fn for_each<F: Future<Output = bool>>(
    channels: Vec<(TenantId, String)>,
    work: impl Fn(TenantId, String) -> F,
) -> usize {
    let done = in_turns(channels).into_iter().map(|(tenant, channel)| work(tenant, channel));
    let done = futures::stream::iter(done).buffer_unordered(AT_ONCE);
    done.fold(0, async |sum, is_done| sum + usize::from(is_done)).await
}

/// Bytes in JSON that is about to be sealed.
mod bytes {
    use serde::{Deserialize, Deserializer, Serializer};

    use base64::Engine as _;
    use base64::engine::general_purpose::STANDARD;

    use super::SecretBytes;

    pub(super) fn serialize<S: Serializer>(bytes: &SecretBytes, to: S) -> Result<S::Ok, S::Error> {
        to.serialize_str(&STANDARD.encode(bytes.expose()))
    }

    pub(super) fn deserialize<'a, D: Deserializer<'a>>(from: D) -> Result<SecretBytes, D::Error> {
        let text = String::deserialize(from)?;
        STANDARD.decode(text).map(SecretBytes::new).map_err(serde::de::Error::custom)
    }
}

//! Connected accounts: what is shown of them, and calls in their name.
//!
//! A *channel* is our name for one connected account in one tenant. `connect` brings them in, `refresh` keeps
//! their credentials alive; this file reads them and makes calls with them.

mod connect;
mod refresh;

use std::sync::Arc;

use futures::future::BoxFuture;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

pub use connect::{Candidate, Connect, ConnectOptions, Connected, callback_query};

use crate::app::LiveApp;
use crate::error::{Error, ErrorKind, Result};
use crate::host::Inner;
use crate::provider::{Account, CallContext, CallError, Connection, Gate, Provider};
use crate::secret::SecretBytes;
use crate::store::{AccountRow, Health, JobFilter};
use crate::tenant::TenantId;
use crate::vault::{Place, Sealed};

/// A connected account, as it is shown.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Channel {
    /// Our own id of it.
    pub id: String,
    /// The app it was connected with.
    pub app: String,
    /// The platform's stable id of the account.
    pub account_id: String,
    /// May change at the platform.
    pub display_name: String,
    /// May stop working after some hours.
    pub avatar_url: Option<String>,
    /// Permissions granted.
    pub scopes: Vec<String>,
    /// Permissions asked for and not granted.
    pub missing_scopes: Vec<String>,
    /// What it can do at present.
    pub health: Health,
    /// Why, and what to do.
    pub health_detail: Option<String>,
    /// Says when the connection will end, ahead of that.
    pub warning: Option<String>,
    /// Seconds since 1970.
    pub connected_at: i64,
    /// When the connection ends unless it is renewed; seconds since 1970.
    pub connection_ends_at: Option<i64>,
}

/// What a disconnect came to.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Disconnected {
    /// The platform was told to forget the grant.
    pub revoked: bool,
    /// Why it was not, if it was not.
    pub note: Option<String>,
}

/// Reconnecting takes a person: two weeks leave time for holidays.
const WARN_AHEAD_MS: i64 = 14 * 24 * 3_600_000;

impl Channel {
    fn new(row: &AccountRow, now: i64) -> Self {
        let warning = row.refresh_expires_at_s.and_then(|end| {
            let left = end.saturating_mul(1000).saturating_sub(now);
            // Of a short term the last tenth.
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
            avatar_url: row.avatar_url.clone(),
            scopes: row.scopes.clone(),
            missing_scopes: row.missing_scopes.clone(),
            health: row.health,
            health_detail: row.health_detail.clone(),
            warning,
            connected_at: row.connected_at / 1000,
            connection_ends_at: row.refresh_expires_at_s,
        }
    }
}

/// Where an account's credentials are sealed.
fn row_key(tenant: &TenantId, channel: &str) -> String {
    format!("{tenant}/{channel}")
}

/// A call in the name of an account.
pub(crate) type Operation<'a, T> =
    dyn Fn(Provider, CallContext, Account) -> BoxFuture<'static, Result<T, CallError>> + Send + Sync + 'a;

impl Inner {
    pub(crate) async fn channels(&self, tenant: &TenantId) -> Result<Vec<Channel>> {
        let now = self.clock.now_ms();
        Ok(self.store.accounts(tenant).await?.iter().map(|row| Channel::new(row, now)).collect())
    }

    pub(crate) async fn channel(&self, tenant: &TenantId, channel: &str) -> Result<Channel> {
        Ok(Channel::new(&self.account_row(tenant, channel).await?, self.clock.now_ms()))
    }

    pub(crate) async fn account_row(&self, tenant: &TenantId, channel: &str) -> Result<AccountRow> {
        self.store.account(tenant, channel).await?.ok_or_else(|| {
            Error::new(ErrorKind::NotFound, format!("there is no channel {channel}"))
                .with_remedy("see the list of channels; a disconnected one must be connected again")
        })
    }

    /// Calls the provider in the name of an account: refreshes ahead of need, and once more if the platform
    /// says that the credentials are stale.
    pub(crate) async fn call_account<T: Send + 'static>(
        self: &Arc<Self>,
        tenant: &TenantId,
        channel: &str,
        operation: &Operation<'_, T>,
    ) -> Result<T> {
        let row = self.account_row(tenant, channel).await?;
        let app = self.app_of(tenant, &row).await?;
        self.call_account_with(tenant, row, &app, None, operation).await
    }

    /// As [`Inner::call_account`], with a provider that the caller chose (a job's) and its gate.
    pub(crate) async fn call_account_with<T: Send + 'static>(
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
        let context = || app.context(Some(&row.account), gate.clone());
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
                    // Fresh credentials and still refused: only the person can help.
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
        }
    }

    fn open_account(&self, tenant: &TenantId, row: &AccountRow) -> Result<Account> {
        let key = row_key(tenant, &row.channel);
        let place = Place { table: "accounts", row: &key, column: "credentials" };
        Ok(Account {
            id: row.account.clone(),
            credentials: self.vault.open_sealed(place, &row.credentials)?,
            scopes: row.scopes.clone(),
        })
    }

    /// A row for fresh credentials of `channel`. What only the store knows is left as in a new row.
    fn sealed_connection(
        &self,
        tenant: &TenantId,
        app: &str,
        channel: &str,
        connection: &Connection,
        now: i64,
    ) -> Result<AccountRow> {
        let key = row_key(tenant, channel);
        let place = Place { table: "accounts", row: &key, column: "credentials" };
        let credentials = self.vault.seal(place, connection.account.credentials.expose())?;
        let seconds = |at: Option<u64>| at.map(|at| i64::try_from(at).unwrap_or(i64::MAX / 1000));
        let refresh_expires_at_s = seconds(connection.refresh_expires_at);
        let missing = &connection.missing_scopes;
        Ok(AccountRow {
            channel: channel.to_owned(),
            app: app.to_owned(),
            app_revision: 0,
            account: connection.account.id.clone(),
            display_name: connection.display_name.clone(),
            avatar_url: connection.avatar_url.clone(),
            grant: connection.grant.clone(),
            credentials,
            credentials_revision: 1,
            issued_at: now,
            scopes: connection.account.scopes.clone(),
            missing_scopes: missing.clone(),
            expires_at_s: seconds(connection.expires_at),
            refresh_expires_at_s,
            // Three quarters of the term: late enough to be rare, early enough to try for weeks.
            refresh_due_at: refresh_expires_at_s
                .map(|end| now.saturating_add(end.saturating_mul(1000).saturating_sub(now).max(0) / 4 * 3)),
            health: if missing.is_empty() { Health::Active } else { Health::Limited },
            health_detail: (!missing.is_empty()).then(|| {
                format!(
                    "Not granted: {}. Connect the account again and leave these ticked.",
                    missing.join(", ")
                )
            }),
            connected_at: now,
            updated_at: now,
        })
    }

    /// Ends the account's jobs, tells the platform if nothing else hangs on the grant, and forgets it.
    pub(crate) async fn disconnect(
        self: &Arc<Self>,
        tenant: &TenantId,
        channel: &str,
    ) -> Result<Disconnected> {
        let row = self.account_row(tenant, channel).await?;
        let open =
            JobFilter { channel: Some(channel.to_owned()), status: None, limit: u32::MAX, before: None };
        for job in self.store.jobs(tenant, &open).await?.iter().filter(|job| job.ended_at.is_none()) {
            self.cancel_job(tenant, &job.id).await?;
            self.drive_until_idle(tenant, &job.id).await;
        }
        let together = self.store.accounts_of_grant(&row.app, row.grant.as_deref(), &row.account).await?;
        let outcome = if together.len() > 1 {
            Disconnected {
                revoked: false,
                note: Some("The same account is connected elsewhere; the platform was not told.".to_owned()),
            }
        } else {
            let told = self.call_account(tenant, channel, &|provider, context, account| {
                Box::pin(async move { provider.disconnect(context, &account).await })
            });
            match told.await {
                Ok(()) => Disconnected { revoked: true, note: None },
                Err(error) => Disconnected {
                    revoked: false,
                    note: Some(format!(
                        "The platform could not be told ({}). Remove the app in the account's own settings there.",
                        error.message
                    )),
                },
            }
        };
        self.store.delete_account(tenant, channel).await?;
        tracing::info!(%tenant, channel, revoked = outcome.revoked, "disconnected");
        Ok(outcome)
    }
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

/// Seals a serialisable value. The plain text is wiped.
pub(crate) fn seal_json(
    vault: &crate::vault::Vault,
    place: Place<'_>,
    value: &impl Serialize,
) -> Result<Sealed> {
    let plain = serde_json::to_vec(value)
        .map_err(|error| Error::internal("a value cannot be written as JSON").with_source(error))?;
    vault.seal(place, SecretBytes::new(plain).expose())
}

/// Opens what [`seal_json`] sealed.
pub(crate) fn open_json<T: serde::de::DeserializeOwned>(
    vault: &crate::vault::Vault,
    place: Place<'_>,
    sealed: &Sealed,
) -> Result<T> {
    let plain = vault.open_sealed(place, sealed)?;
    serde_json::from_slice(plain.expose()).map_err(|error| {
        Error::internal(format!("a stored {} cannot be read", place.column)).with_source(error)
    })
}

//! Connecting accounts: the host generates the OAuth state, and only the owner who began a consent can complete it.
//!
//! Completing consumes the consent and the platform's code, so it runs in its own task and continues if the caller drops
//! the call.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use social_channel_runtime::clock::millis;
use social_channel_runtime::error::{Error, ErrorKind, Result};
use social_channel_runtime::model::Details;
use social_channel_runtime::{
    Account, ConnectRequest, ConnectStep, Connection, Prompt, SecretBytes, SecretText,
};
use url::Url;

use super::settle::Stored;
use super::{ACCOUNT_ID, Accounts, Channel, bytes, never_expired};
use crate::app::{LiveApp, SettingValue};
use crate::id;
use crate::store::{ConsumedSession, Kept, SessionRow};
use crate::tenant_id::TenantId;
use crate::vault::{Place, open_json, row_key, seal_json};

/// A consent that takes longer is considered abandoned; reloading the page after that starts a new one.
const LONGEST_SESSION: Duration = Duration::from_secs(3600);
/// How long the person may take to pick one of several accounts.
const CHOICE_TIME: Duration = Duration::from_secs(900);

/// How to begin a consent.
#[derive(Clone, Debug, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct ConnectOptions {
    /// Who begins: a reference that must be given again to complete, such as a hash of the browser's session
    /// cookie; never empty. Any other value is refused; otherwise a stranger's account could be added to the
    /// wrong workspace.
    pub owner: String,
    /// Used instead of the app's own callback URL; required if that URL has the port `*`.
    pub redirect_uri: Option<String>,
    /// Let the person pick another account even if the browser is signed in to one.
    pub choose_account: bool,
    /// Values by the names of the provider's connect inputs. Never shown or logged.
    pub inputs: BTreeMap<String, SettingValue>,
    /// The channel to connect again. Any other account is then refused. If the channel belongs to another app of the same
    /// provider, it moves to this one, with its history, numbers and scheduled posts; where the network does not tell
    /// whether the account is the same, the person is asked by [`Connected::Choose`] with one candidate.
    pub reconnect: Option<String>,
}

/// The query of a callback URL (with or without the part before `?`), each parameter decoded exactly once, as
/// [`Tenant::complete_connect`](crate::Tenant::complete_connect) expects it.
pub fn callback_query(address: &str) -> Vec<(String, String)> {
    let query = address.split_once('?').map_or(address, |(_, query)| query);
    let query = query.split_once('#').map_or(query, |(query, _)| query);
    url::form_urlencoded::parse(query.as_bytes()).into_owned().collect()
}

/// The next step of a consent.
#[allow(
    clippy::large_enum_variant,
    reason = "made once a consent; a box would be in the way of whoever matches it"
)]
#[derive(Clone, Debug, Serialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Connect {
    /// Send the person's browser there.
    Redirect {
        /// The platform's consent page.
        url: String,
        /// Returned in the callback.
        state: String,
        /// Seconds since 1970.
        expires_at: i64,
    },
    /// Ask the person first, and complete with the answers.
    Ask(Question),
    /// No browser was needed.
    Done(Connected),
}

/// Something that the person must answer before the account can be connected.
#[derive(Clone, Debug, PartialEq, Serialize, JsonSchema)]
pub struct Question {
    /// Pass this back as `state`, with the answers by the names of the fields, as the callback of the consent.
    pub state: String,
    /// What to ask.
    #[serde(flatten)]
    pub prompt: Prompt,
    /// Seconds since 1970.
    pub expires_at: i64,
}

/// The result of a consent.
#[allow(
    clippy::large_enum_variant,
    reason = "made once a consent; a box would be in the way of whoever matches it"
)]
#[derive(Clone, Debug, PartialEq, Serialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Connected {
    /// One account, connected.
    Channel(Channel),
    /// Several accounts: the person picks one. One account: the person confirms that it is the channel's.
    Choose {
        /// Pass this back with the chosen account.
        choice: String,
        /// The accounts to choose from.
        candidates: Vec<Candidate>,
    },
    /// The person must answer a question: complete once more, with the answers.
    Ask(Question),
    /// Send the person's browser there, and complete once more with the callback.
    Redirect {
        /// The platform's page.
        url: String,
        /// Returned in the callback.
        state: String,
        /// Seconds since 1970.
        expires_at: i64,
    },
}

/// One of several accounts.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Candidate {
    /// The platform's stable id.
    pub account_id: String,
    /// The name to display.
    pub display_name: String,
    /// The handle, without `@`: tells accounts of one name apart.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub username: Option<String>,
    /// `person`, `page`, `organisation`, `group`, `channel`, or the platform's own term.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub kind: Option<String>,
    /// The platform's id of the account that it belongs to.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub parent_id: Option<String>,
    /// May stop working after some hours.
    pub avatar_url: Option<String>,
}

/// The data of a pending consent, stored sealed until the browser returns.
#[derive(Serialize, Deserialize)]
struct Pending {
    /// None if the consent waits for the choice of an account.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    session: Option<Session>,
    #[serde(default)]
    connections: Vec<StoredConnection>,
    reconnect: Option<String>,
    /// The callback URL of this consent, for a redirect that follows a question.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    redirect_uri: Option<String>,
    /// What the provider was given as `state`, if no redirect has carried it yet.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    state: Option<String>,
}

/// What a step of a consent needs to know of the consent.
struct Consent<'a> {
    by: Option<&'a str>,
    owner: &'a str,
    /// No browser was needed: what was given may be used up.
    brought: bool,
    reconnect: Option<String>,
    redirect_uri: Option<String>,
    /// What the provider was given as `state`, until a redirect carries it.
    state: Option<String>,
}

#[derive(Serialize, Deserialize)]
struct Session(#[serde(with = "bytes")] SecretBytes);

#[derive(Serialize, Deserialize)]
struct StoredConnection {
    id: String,
    #[serde(with = "bytes")]
    credentials: SecretBytes,
    scopes: Vec<String>,
    display_name: String,
    #[serde(default)]
    username: Option<String>,
    #[serde(default)]
    kind: Option<String>,
    #[serde(default)]
    parent_id: Option<String>,
    avatar_url: Option<String>,
    grant: Option<String>,
    expires_at: Option<u64>,
    refresh_expires_at: Option<u64>,
    missing_scopes: Vec<String>,
    #[serde(default)]
    details: Details,
}

/// An empty reference would let anyone complete the consent.
fn check_owner(owner: &str) -> Result<()> {
    if owner.is_empty() {
        return Err(Error::new(ErrorKind::InvalidRequest, "the consent has no owner")
            .with_field("owner")
            .with_remedy("give a reference to the person's session, such as a hash of its cookie"));
    }
    Ok(())
}

impl Accounts {
    pub(crate) async fn begin_connect(
        self: &Arc<Self>,
        tenant: &TenantId,
        by: Option<&str>,
        app: &str,
        options: ConnectOptions,
    ) -> Result<Connect> {
        let (accounts, tenant, app) = (self.clone(), tenant.clone(), app.to_owned());
        let by = by.map(str::to_owned);
        // What was given may be used up by the first request.
        let task = self
            .lifetime
            .spawn(async move { accounts.begin_alone(&tenant, by.as_deref(), &app, options).await });
        task.await.map_err(|error| Error::internal("a consent broke off").with_source(error))?
    }

    async fn begin_alone(
        self: &Arc<Self>,
        tenant: &TenantId,
        by: Option<&str>,
        app: &str,
        options: ConnectOptions,
    ) -> Result<Connect> {
        let app = self.apps.live(tenant, app).await?;
        check_owner(&options.owner)?;
        let mut expected = None;
        if let Some(channel) = &options.reconnect {
            let row = self.row(tenant, channel).await?;
            if row.app == app.id {
                expected = Some(row.account);
            } else {
                self.may_move(tenant, &row, &app).await?;
            }
        } else {
            self.room.check(tenant, Kept::Channels).await?;
        }
        self.room.check(tenant, Kept::Consents).await?;
        let descriptor = app.provider.descriptor();
        let asks = |name: &str, kind: Option<&str>| {
            let mut inputs = descriptor.connect_inputs.iter();
            inputs.any(|input| input.name == name && kind.is_none_or(|kind| input.kind == kind))
        };
        let mut inputs: Vec<(String, String)> = Vec::new();
        for (name, value) in &options.inputs {
            if !asks(name, None) {
                return Err(Error::new(
                    ErrorKind::InvalidRequest,
                    format!("the provider {} has no input {name}", descriptor.id),
                )
                .with_field(name.clone()));
            }
            inputs.push((name.clone(), value.expose().to_owned()));
        }
        let is_given = |(name, value): &(String, String)| !value.is_empty() && asks(name, Some("secret"));
        // A secret of the account takes the place of the browser.
        let brought = inputs.iter().any(is_given);
        if let Some(expected) = expected.filter(|_| brought && asks(ACCOUNT_ID, None)) {
            inputs.retain(|(name, _)| name != ACCOUNT_ID);
            inputs.push((ACCOUNT_ID.to_owned(), expected));
        }
        let redirect_uri = options.redirect_uri.or_else(|| app.redirect_uri.clone());
        let redirect_uri = redirect_uri.or_else(|| brought.then(String::new)).ok_or_else(|| {
            Error::new(ErrorKind::Misconfigured, format!("the app {} has no callback URL", app.id))
                .with_field("redirect-uri")
                .with_remedy("set the callback URL that is registered at the platform")
        })?;
        let mut redirect_uri = self.address.with_own_port(&redirect_uri);
        if redirect_uri.contains(":*") && brought {
            // Nobody comes back, so nobody listens.
            redirect_uri.clear();
        }
        if redirect_uri.contains(":*") {
            return Err(Error::new(ErrorKind::InvalidRequest, "the callback URL has no port yet")
                .with_field("redirect-uri")
                .with_remedy("give the address that listens for the callback, with its port"));
        }
        let state = id::secret()?;
        let request = ConnectRequest {
            state: SecretText::new(state.as_str()),
            redirect_uri: redirect_uri.clone(),
            choose_account: options.choose_account,
            inputs,
        };
        let step = self.ask(tenant, &app, request).await?;
        let consent = Consent {
            by,
            owner: &options.owner,
            brought,
            reconnect: options.reconnect,
            redirect_uri: Some(redirect_uri),
            state: Some(state),
        };
        Ok(match self.follow_step(tenant, &app, consent, step).await? {
            Connected::Redirect { url, state, expires_at } => Connect::Redirect { url, state, expires_at },
            Connected::Ask(question) => Connect::Ask(question),
            done @ (Connected::Channel(_) | Connected::Choose { .. }) => Connect::Done(done),
        })
    }

    /// What follows from a step of a consent.
    async fn follow_step(
        self: &Arc<Self>,
        tenant: &TenantId,
        app: &Arc<LiveApp>,
        consent: Consent<'_>,
        step: ConnectStep,
    ) -> Result<Connected> {
        let Consent { by, owner, brought, reconnect, redirect_uri, state } = consent;
        let pending = |session, state| Pending {
            session: Some(Session(session)),
            connections: Vec::new(),
            reconnect: reconnect.clone(),
            redirect_uri: redirect_uri.clone(),
            state,
        };
        match step {
            ConnectStep::Connected(connections) => {
                self.connected(tenant, by, app, owner, connections, (reconnect, brought)).await
            }
            ConnectStep::Redirect { url, session, expires_in } => {
                let callback = redirect_uri.as_deref().and_then(|uri| Url::parse(uri).ok());
                let url = self.browser_url(app, &url, callback.as_ref())?;
                let state = state.ok_or_else(|| {
                    Error::new(ErrorKind::ProviderFault, "the provider sends the browser away a second time")
                        .with_remedy("do not use this provider; tell its author")
                        .during(&app.provider.descriptor().id, "complete-connect")
                })?;
                let life = expires_in.min(LONGEST_SESSION);
                let pending = pending(session, None);
                let expires_at = self.keep(tenant, &app.id, owner, &state, &pending, life).await?;
                Ok(Connected::Redirect { url, state, expires_at: expires_at / 1000 })
            }
            ConnectStep::Ask { prompt, session, expires_in } => {
                let answer = id::secret()?;
                let life = expires_in.min(LONGEST_SESSION);
                let pending = pending(session, state);
                let expires_at = self.keep(tenant, &app.id, owner, &answer, &pending, life).await?;
                Ok(Connected::Ask(Question { state: answer, prompt, expires_at: expires_at / 1000 }))
            }
        }
    }

    /// `callback`: the query of the callback URL, decoded once.
    pub(crate) async fn complete_connect(
        self: &Arc<Self>,
        tenant: &TenantId,
        by: Option<&str>,
        owner: &str,
        callback: Vec<(String, String)>,
    ) -> Result<Connected> {
        let (accounts, tenant, owner) = (self.clone(), tenant.clone(), owner.to_owned());
        let by = by.map(str::to_owned);
        let task = self
            .lifetime
            .spawn(async move { accounts.complete_alone(&tenant, by.as_deref(), &owner, callback).await });
        task.await.map_err(|error| Error::internal("a consent broke off").with_source(error))?
    }

    async fn complete_alone(
        self: &Arc<Self>,
        tenant: &TenantId,
        by: Option<&str>,
        owner: &str,
        callback: Vec<(String, String)>,
    ) -> Result<Connected> {
        let state = callback.iter().find(|(name, _)| name == "state").map(|(_, value)| value.as_str());
        let state = state.ok_or_else(|| {
            Error::new(ErrorKind::InvalidRequest, "the callback came without its state")
                .with_remedy("begin again with Connect; do not open the callback address by hand")
        })?;
        let (app, pending) = self.consume(tenant, owner, state).await?;
        let Pending { session, reconnect, redirect_uri, state: unused, .. } = pending;
        let session = session.ok_or_else(unknown_session)?;
        let step = app
            .provider
            .complete_connect(app.context(tenant.as_str(), None, None), &session.0, callback)
            .await
            .map_err(never_expired)?;
        let consent = Consent { by, owner, brought: false, reconnect, redirect_uri, state: unused };
        self.follow_step(tenant, &app, consent, step).await
    }

    /// Connects one of several accounts that a consent returned.
    pub(crate) async fn choose_account(
        self: &Arc<Self>,
        tenant: &TenantId,
        by: Option<&str>,
        owner: &str,
        choice: &str,
        account_id: &str,
    ) -> Result<Channel> {
        let (accounts, tenant, by) = (self.clone(), tenant.clone(), by.map(str::to_owned));
        let (owner, choice, account_id) = (owner.to_owned(), choice.to_owned(), account_id.to_owned());
        let task = self.lifetime.spawn(async move {
            accounts.choose_alone(&tenant, by.as_deref(), &owner, &choice, &account_id).await
        });
        task.await.map_err(|error| Error::internal("a choice broke off").with_source(error))?
    }

    async fn choose_alone(
        self: &Arc<Self>,
        tenant: &TenantId,
        by: Option<&str>,
        owner: &str,
        choice: &str,
        account_id: &str,
    ) -> Result<Channel> {
        let (app, pending) = self.consume(tenant, owner, choice).await?;
        let mut connections = pending.connections.into_iter();
        let chosen = connections.find(|connection| connection.id == account_id).ok_or_else(|| {
            Error::new(ErrorKind::InvalidRequest, "that account is not one of those offered")
                .with_field("account_id")
                .with_remedy("begin again with Connect and pick one from the list")
        })?;
        let connection = Connection {
            account: Account { id: chosen.id, credentials: chosen.credentials, scopes: chosen.scopes },
            display_name: chosen.display_name,
            username: chosen.username,
            kind: chosen.kind,
            parent_id: chosen.parent_id,
            avatar_url: chosen.avatar_url,
            grant: chosen.grant,
            expires_at: chosen.expires_at,
            refresh_expires_at: chosen.refresh_expires_at,
            missing_scopes: chosen.missing_scopes,
            details: chosen.details,
        };
        let stored = self.store_connection(tenant, by, &app, &connection, (pending.reconnect, false), true);
        match stored.await? {
            Stored::Channel(channel) => Ok(*channel),
            Stored::Unproven => Err(Error::internal("an account that was chosen is asked for again")),
        }
    }

    async fn connected(
        self: &Arc<Self>,
        tenant: &TenantId,
        by: Option<&str>,
        app: &Arc<LiveApp>,
        owner: &str,
        connections: Vec<Connection>,
        (reconnect, brought): (Option<String>, bool),
    ) -> Result<Connected> {
        if connections.len() <= 1 {
            let connection = connections.first().ok_or_else(|| {
                Error::new(ErrorKind::AuthorizationDenied, "the consent brought no account")
                    .with_remedy("connect again and choose an account")
            })?;
            let how = (reconnect.clone(), brought);
            if let Stored::Channel(channel) =
                self.store_connection(tenant, by, app, connection, how, false).await?
            {
                return Ok(Connected::Channel(*channel));
            }
        }
        let candidates = connections
            .iter()
            .map(|connection| Candidate {
                account_id: connection.account.id.clone(),
                display_name: connection.display_name.clone(),
                username: connection.username.clone(),
                kind: connection.kind.clone(),
                parent_id: connection.parent_id.clone(),
                avatar_url: connection.avatar_url.clone(),
            })
            .collect();
        let pending = Pending {
            session: None,
            connections: connections
                .into_iter()
                .map(|connection| StoredConnection {
                    id: connection.account.id,
                    credentials: connection.account.credentials,
                    scopes: connection.account.scopes,
                    display_name: connection.display_name,
                    username: connection.username,
                    kind: connection.kind,
                    parent_id: connection.parent_id,
                    avatar_url: connection.avatar_url,
                    grant: connection.grant,
                    expires_at: connection.expires_at,
                    refresh_expires_at: connection.refresh_expires_at,
                    missing_scopes: connection.missing_scopes,
                    details: connection.details,
                })
                .collect(),
            reconnect,
            redirect_uri: None,
            state: None,
        };
        let choice = id::secret()?;
        self.keep(tenant, &app.id, owner, &choice, &pending, CHOICE_TIME).await?;
        Ok(Connected::Choose { choice, candidates })
    }

    /// If a test or sandbox maps an origin to another address, the browser is sent there too.
    fn browser_url(&self, app: &LiveApp, url: &str, callback: Option<&Url>) -> Result<String> {
        let parsed = Url::parse(url).ok().filter(|url| app.egress.may_browse(url)).ok_or_else(|| {
            Error::new(
                ErrorKind::ProviderFault,
                "the provider sends the browser to an address that is not https",
            )
            .with_remedy("for a server without encryption, grant its address to the app")
            .during(&app.provider.descriptor().id, "begin-connect")
        })?;
        let mapped = app.egress.map_url(&parsed);
        // There the person is signed in: a link to the service, or to the program that takes the callback, would be
        // pressed with the person's rights.
        let mut own = self.address.origin().into_iter().chain(callback);
        if own.any(|own| own.origin() == parsed.origin() || own.origin() == mapped.origin()) {
            return Err(Error::new(
                ErrorKind::ProviderFault,
                "the provider sends the browser to this service itself instead of to its network",
            )
            .with_remedy("do not use this provider; tell its author")
            .during(&app.provider.descriptor().id, "begin-connect"));
        }
        // Unchanged if nothing is mapped, because a URL parser may re-encode the query.
        Ok(if mapped == parsed { url.to_owned() } else { mapped.into() })
    }

    async fn keep(
        &self,
        tenant: &TenantId,
        app: &str,
        owner: &str,
        state: &str,
        pending: &Pending,
        life: Duration,
    ) -> Result<i64> {
        let now = self.clock.now_ms();
        let id = id::hash(state);
        let key = row_key(tenant, &id);
        let place = Place { table: "sessions", row: &key, column: "payload" };
        let expires_at = now.saturating_add(millis(life));
        let row = SessionRow {
            payload: seal_json(&self.vault, place, pending)?,
            id,
            tenant: tenant.as_str().to_owned(),
            app: app.to_owned(),
            owner: id::hash(owner),
            expires_at,
        };
        self.store.insert_session(&row, now.saturating_sub(millis(LONGEST_SESSION))).await?;
        Ok(expires_at)
    }

    async fn consume(&self, tenant: &TenantId, owner: &str, state: &str) -> Result<(Arc<LiveApp>, Pending)> {
        let id = id::hash(state);
        let again = "begin again with Connect";
        let row = match self.store.consume_session(tenant, &id, &id::hash(owner)).await? {
            ConsumedSession::Now(row) => row,
            ConsumedSession::Before => {
                return Err(Error::new(ErrorKind::InvalidRequest, "this consent was used already")
                    .with_field("state")
                    .with_remedy(
                        "check whether the channel is connected; if it is not, begin again with Connect",
                    ));
            }
            ConsumedSession::BegunByAnother => {
                return Err(Error::new(
                    ErrorKind::InvalidRequest,
                    "this consent was begun in another browser or by another user",
                )
                .with_field("state")
                .with_remedy("begin again with Connect, and finish in the same browser"));
            }
            ConsumedSession::Missing => return Err(unknown_session()),
        };
        if row.expires_at <= self.clock.now_ms() {
            return Err(Error::new(ErrorKind::InvalidRequest, "this consent has expired")
                .with_field("state")
                .with_remedy(again));
        }
        let key = row_key(tenant, &row.id);
        let place = Place { table: "sessions", row: &key, column: "payload" };
        let pending = open_json(&self.vault, place, &row.payload)?;
        Ok((self.apps.live(tenant, &row.app).await?, pending))
    }
}

fn unknown_session() -> Error {
    Error::new(ErrorKind::InvalidRequest, "the callback's state is unknown here")
        .with_field("state")
        .with_remedy("begin again with Connect; the address may be old, or meant for another server")
}

#[cfg(test)]
mod tests {
    use super::callback_query;

    #[test]
    fn a_callback_is_decoded_once() {
        let expected = vec![("code".to_owned(), "a%2Ab!".to_owned()), ("state".to_owned(), "x y".to_owned())];
        assert_eq!(callback_query("code=a%252Ab%21&state=x+y"), expected);
        assert_eq!(callback_query("http://127.0.0.1:1/callback?code=a%252Ab%21&state=x%20y#top"), expected);
        assert_eq!(callback_query(""), Vec::new());
    }
}

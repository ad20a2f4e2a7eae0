//! One row of an import: its inputs are used by one process at a time, and what the platform answers is stored before
//! anything else is done with it.
//!
//! A note of the row is a document of the database: who uses its inputs, and later whose account it was. It holds none of
//! the inputs. Killed before the note names an account, the row is tried once more, like a refresh whose answer was lost.

use std::sync::Arc;
use std::time::Duration;

use serde::{Deserialize, Serialize};
use social_channel_runtime::clock::millis;
use social_channel_runtime::error::{Error, ErrorKind, Outcome, Result};
use social_channel_runtime::{CallError, ConnectRequest, ConnectStep, Connection, SecretText};

use super::{ImportStatus, ImportedRow, Planned};
use crate::account::Accounts;
use crate::app::LiveApp;
use crate::id;
use crate::lease::LeaseGate;
use crate::store::{AccountRow, Document, DocumentChange, Health, Kept, NewAccount, process};
use crate::tenant_id::TenantId;

/// The kind of the notes among the documents.
const KIND: &str = "imported-row";
/// The row is held for two small requests, as a refresh is.
const LEASE: Duration = Duration::from_secs(180);
/// How long a row is known: an import is gone on with within days.
const KNOWN: Duration = Duration::from_secs(90 * 24 * 3600);

/// What is stored of a row. Members are only added.
#[derive(Clone, Debug, Serialize, Deserialize)]
struct Note {
    tenant: String,
    app: String,
    /// The account that came of it. None: the inputs were perhaps used, and no answer is stored.
    #[serde(default)]
    account: Option<String>,
    /// The process that uses the inputs.
    #[serde(default)]
    holder: Option<String>,
    /// Until when, in milliseconds since 1970.
    #[serde(default)]
    until: i64,
    /// The revision of the app with which the platform refused inputs that were perhaps used before. With other keys it
    /// may take them.
    #[serde(default)]
    refused: Option<i64>,
}

impl Note {
    /// That nobody uses the inputs, and what came of them is not known.
    fn open(tenant: &TenantId, app: &LiveApp) -> Self {
        Note {
            tenant: tenant.as_str().to_owned(),
            app: app.id.clone(),
            account: None,
            holder: None,
            until: 0,
            refused: None,
        }
    }

    fn is_held(&self, now: i64) -> bool {
        // A process of this machine that was killed holds nothing.
        self.until > now && self.holder.as_deref().is_some_and(|holder| !process::is_dead(holder))
    }
}

enum Claim {
    /// This process may use the inputs. `interrupted`: another one perhaps did, and its answer is lost.
    Ours { interrupted: bool },
    /// The account came of this very row before.
    Imported(Box<AccountRow>),
    /// They were used by a process that was killed before it stored the answer, and the platform takes them no longer.
    Lost,
    /// Another process or call uses them.
    Held(Duration),
}

impl Accounts {
    /// The account that came of a row before, if it is still connected.
    pub(super) async fn imported(
        &self,
        tenant: &TenantId,
        app: &str,
        row: &str,
    ) -> Result<Option<AccountRow>> {
        let note = self.store.document(KIND, row).await?.and_then(|document| read(&document.facts));
        match note.and_then(|note| note.account) {
            Some(account) => self.connected_account(tenant, app, &account).await,
            None => Ok(None),
        }
    }

    /// The tenant's row of an account, if it is connected.
    pub(in crate::account) async fn connected_account(
        &self,
        tenant: &TenantId,
        app: &str,
        account: &str,
    ) -> Result<Option<AccountRow>> {
        let known = self.store.accounts_of_grant(app, None, account).await?;
        match known.into_iter().find(|(of, _)| of == tenant) {
            Some((_, channel)) => self.store.account(tenant, &channel).await,
            None => Ok(None),
        }
    }

    /// Connects the account of a row, in its own task: what was sent is stored when it is answered, whatever the caller
    /// does. An error is one of the platform or of ours, and says nothing about the row.
    pub(super) async fn connect_row(
        self: &Arc<Self>,
        tenant: &TenantId,
        by: Option<&str>,
        app: &Arc<LiveApp>,
        row: &Arc<Planned>,
    ) -> Result<ImportedRow> {
        let (accounts, tenant, by) = (self.clone(), tenant.clone(), by.map(str::to_owned));
        let (app, row) = (app.clone(), row.clone());
        let task = self
            .lifetime
            .spawn(async move { accounts.connect_row_alone(&tenant, by.as_deref(), &app, &row).await });
        task.await.map_err(|error| Error::internal("the import of a row broke off").with_source(error))?
    }

    async fn connect_row_alone(
        self: &Arc<Self>,
        tenant: &TenantId,
        by: Option<&str>,
        app: &Arc<LiveApp>,
        row: &Planned,
    ) -> Result<ImportedRow> {
        if let Some(account) = &row.account_id
            && let Some(known) = self.connected_account(tenant, &app.id, account).await?
            && known.health != Health::NeedsReconnect
        {
            return Ok(row.of_channel(ImportStatus::AlreadyConnected, &known));
        }
        self.room.check(tenant, Kept::Channels).await?;
        let interrupted = match self.claim(tenant, app, &row.id).await? {
            Claim::Ours { interrupted } => interrupted,
            Claim::Imported(known) => return Ok(row.of_channel(ImportStatus::AlreadyConnected, &known)),
            Claim::Lost => {
                let error =
                    Error::new(ErrorKind::Unauthorized, "what this row holds was used, and no longer works");
                return Ok(row.failed(ImportStatus::Dead, lost(error)));
            }
            Claim::Held(left) => {
                let error = Error::new(ErrorKind::Unavailable, "another import is at this row").with_remedy(
                    "wait until it is done, or until a killed one counts as ended, and import again",
                );
                return Err(Error { retry_after: Some(left), ..error });
            }
        };
        let inputs = row.inputs.iter().map(|(name, value)| (name.clone(), value.expose().to_owned()));
        let request = ConnectRequest {
            state: SecretText::new(id::secret()?.as_str()),
            redirect_uri: app.redirect_uri.clone().unwrap_or_default(),
            choose_account: false,
            inputs: inputs.collect(),
        };
        let connection = match self.ask(tenant, app, request).await {
            Ok(ConnectStep::Connected(connections)) => chosen(connections, row.account_id.as_deref()),
            Ok(ConnectStep::Redirect { .. } | ConnectStep::Ask { .. }) => {
                Err(Error::new(ErrorKind::InvalidRequest, "the network asks for more than the row has")
                    .with_remedy("fill in its other inputs, or connect the account with a browser"))
            }
            Err(error) => Err(error),
        };
        let connection = match connection {
            Ok(connection) => connection,
            Err(error) => return self.give_up(tenant, app, row, error, interrupted).await,
        };
        let known = self.connected_account(tenant, &app.id, &connection.account.id).await;
        let note = Note { account: Some(connection.account.id.clone()), ..Note::open(tenant, app) };
        let new = NewAccount {
            connected_by: by.map(str::to_owned),
            note: Some(self.document(&row.id, &note)?),
            ..self.new_account(&app.id, id::new("ch")?, &connection)
        };
        let channel = self.store_for_certain(tenant, &new, &connection).await;
        tracing::info!(%tenant, app = app.id, channel, by, "imported");
        let status = match (&row.account_id, known) {
            (Some(wanted), _) if *wanted != connection.account.id => ImportStatus::OtherAccount,
            (_, Ok(Some(_))) => ImportStatus::Updated,
            _ => ImportStatus::Connected,
        };
        // Its credentials are stored, so they may be used: a provider asks for no name before.
        if let Err(error) = self.profile(tenant, &channel).await {
            tracing::debug!(channel, %error, "no look at an imported channel's name and picture");
        }
        let shown = self.row(tenant, &channel).await?;
        let error = (status == ImportStatus::OtherAccount).then(|| {
            let wanted = row.account_id.as_deref().unwrap_or_default();
            let message = format!(
                "the row says that the account is {wanted}, and {} ({}) answered; that one is connected",
                shown.display_name, shown.account
            );
            Error::new(ErrorKind::InvalidRequest, message).with_field("account_id").with_remedy(
                "find out whose it is before anything is published, and disconnect it if it is nobody's here",
            )
        });
        Ok(ImportedRow { error, ..row.of_channel(status, &shown) })
    }

    /// Asks the provider. A lost answer is asked for once more, as for a refresh.
    pub(in crate::account) async fn ask(
        &self,
        tenant: &TenantId,
        app: &LiveApp,
        request: ConnectRequest,
    ) -> Result<ConnectStep> {
        let gate = Arc::new(LeaseGate::new(LEASE));
        let call = || {
            let context = app.context(tenant.as_str(), None, Some(gate.clone()));
            app.provider.begin_connect(context, request.clone())
        };
        let mut answer = call().await;
        if let Err(CallError::Failed(error)) = &answer
            && is_lost(error)
        {
            tracing::warn!(app = app.id, %error, "the answer to a connect was lost; once more");
            answer = call().await;
            if let Err(CallError::Failed(error)) = &mut answer
                && error.kind == ErrorKind::Unauthorized
            {
                *error = lost(error.clone());
            }
        }
        answer.map_err(crate::account::never_expired)
    }

    /// What follows for a row that came to nothing. An error: it may be tried again.
    async fn give_up(
        &self,
        tenant: &TenantId,
        app: &LiveApp,
        row: &Planned,
        error: Error,
        interrupted: bool,
    ) -> Result<ImportedRow> {
        let refused = error.kind == ErrorKind::Unauthorized && interrupted;
        let change = if is_lost(&error) || refused {
            // The next import knows that they were perhaps used, and does not ask for nothing.
            let refused = refused.then_some(app.revision);
            DocumentChange::Put(self.document(&row.id, &Note { refused, ..Note::open(tenant, app) })?)
        } else {
            DocumentChange::Remove { kind: KIND.to_owned(), id: row.id.clone() }
        };
        self.store.change_documents(&[change]).await?;
        match error.kind {
            ErrorKind::Unauthorized if interrupted => Ok(row.failed(ImportStatus::Dead, lost(error))),
            ErrorKind::Unauthorized
            | ErrorKind::Forbidden
            | ErrorKind::NotFound
            | ErrorKind::Rejected
            | ErrorKind::AuthorizationDenied => Ok(row.failed(ImportStatus::Dead, error)),
            ErrorKind::InvalidRequest | ErrorKind::InvalidArgument | ErrorKind::Unsupported => {
                Ok(row.failed(ImportStatus::Refused, error))
            }
            _ => Err(error),
        }
    }

    fn document(&self, row: &str, note: &Note) -> Result<Document> {
        let now = self.clock.now_ms();
        let facts = serde_json::to_string(note)
            .map_err(|error| Error::internal("a note cannot be written as JSON").with_source(error))?;
        Ok(Document {
            kind: KIND.to_owned(),
            id: row.to_owned(),
            facts,
            body: None,
            created_at: now,
            expires_at: Some(now.saturating_add(millis(KNOWN))),
        })
    }

    async fn claim(&self, tenant: &TenantId, app: &LiveApp, row: &str) -> Result<Claim> {
        loop {
            let now = self.clock.now_ms();
            let known = self.store.document(KIND, row).await?;
            let before = known.as_ref().and_then(|document| read(&document.facts));
            if let Some(note) = &before {
                if let Some(account) = &note.account {
                    if let Some(found) = self.connected_account(tenant, &app.id, account).await? {
                        return Ok(Claim::Imported(Box::new(found)));
                    }
                } else if note.refused == Some(app.revision) {
                    return Ok(Claim::Lost);
                } else if note.is_held(now) {
                    let left = note.until.saturating_sub(now).unsigned_abs();
                    return Ok(Claim::Held(Duration::from_millis(left)));
                }
            }
            let note = Note {
                holder: Some(process::owner().to_owned()),
                until: now.saturating_add(millis(LEASE)),
                ..Note::open(tenant, app)
            };
            let ours = self.document(row, &note)?;
            let change = match known {
                None => DocumentChange::Add(ours),
                Some(was) => DocumentChange::SwapFacts {
                    kind: KIND.to_owned(),
                    id: row.to_owned(),
                    was: was.facts,
                    facts: ours.facts,
                },
            };
            // Otherwise another process was faster.
            if self.store.change_documents(&[change]).await? > 0 {
                let interrupted = before.is_some_and(|note| note.account.is_none());
                return Ok(Claim::Ours { interrupted });
            }
        }
    }

    /// Stores what the platform answered. What it issued before is invalid already, so this is retried until it succeeds.
    pub(in crate::account) async fn store_for_certain(
        &self,
        tenant: &TenantId,
        new: &NewAccount,
        connection: &Connection,
    ) -> String {
        let mut pause = Duration::from_millis(50);
        let channel = loop {
            match self.store.connect_account(tenant, new, &*self.seal(tenant, connection)).await {
                Ok(channel) => break channel,
                Err(error) => {
                    tracing::error!(account = new.account, %error, "an account's credentials are not stored yet");
                    tokio::time::sleep(pause).await;
                    pause = (pause * 2).min(Duration::from_secs(5));
                }
            }
        };
        self.wake.all();
        self.wake.told();
        channel
    }
}

fn read(facts: &str) -> Option<Note> {
    serde_json::from_str(facts).ok()
}

fn is_lost(error: &Error) -> bool {
    error.kind == ErrorKind::OutcomeUnknown || error.outcome == Some(Outcome::Unknown)
}

/// The platform no longer takes what was perhaps used up by a request whose answer was lost.
fn lost(error: Error) -> Error {
    let error = Error { outcome: Some(Outcome::Unknown), ..error };
    error.with_remedy("the answer to an earlier request was lost, and with it what replaced this token: connect the account with a browser")
}

/// The account of the row among those that came out.
fn chosen(connections: Vec<Connection>, wanted: Option<&str>) -> Result<Connection> {
    let several = connections.len() > 1;
    let mut connections = connections.into_iter();
    let found = match wanted {
        Some(wanted) if several => connections.find(|connection| connection.account.id == wanted),
        _ if several => None,
        _ => connections.next(),
    };
    found.ok_or_else(|| match several {
        true => Error::new(ErrorKind::InvalidRequest, "several accounts came out of one row")
            .with_field("account_id")
            .with_remedy("say which one it is by its account id"),
        false => Error::new(ErrorKind::AuthorizationDenied, "no account came out of the row"),
    })
}

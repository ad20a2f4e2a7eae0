//! Importing accounts: a platform that holds tokens or passwords already connects their accounts without a browser, one
//! after the other or a thousand at once.
//!
//! A row is used once, also if the process is killed in the middle: a note is stored before its inputs are used (`row`), and in the
//! same transaction as the account that came of it. So the same rows may be given again, and go on where they were.

mod row;
mod table;

use std::collections::{BTreeMap, HashMap};
use std::sync::{Arc, Mutex, OnceLock};
use std::time::Duration;

use futures::StreamExt as _;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use social_channel_runtime::error::{Error, ErrorKind, Result};
use social_channel_runtime::model::Descriptor;
use tokio::time::Instant;

pub use self::table::TableFormat;
use super::{ACCOUNT_ID, Accounts};
use crate::app::{LiveApp, SettingValue, check_value};
use crate::store::{AccountRow, Health};
use crate::tenant_id::TenantId;
use crate::vault::keyed_hash;

/// Rows of one call: more than a large customer has, and few enough to hold in memory with their tokens.
pub const IMPORT_ROWS: usize = 10_000;
/// Rows under way at once: a kill can lose the answers of so many, and networks see no burst.
const AT_ONCE: usize = 4;
/// How often a row is tried that the platform cannot take at the moment.
const TRIES: u32 = 6;
/// The pause after the first failure for which the platform names none. Each one doubles it.
const PAUSE: Duration = Duration::from_secs(1);
/// References are echoed in reports.
const REFERENCE: usize = 1_024;

/// Accounts to be connected without a browser.
#[derive(Clone, Debug, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct Import {
    /// Only check: nothing is sent to the platform, and nothing stored.
    pub dry_run: bool,
    /// How long the import may wait in all for a platform that takes nothing at the moment, in seconds. Rows that are
    /// not done then are reported as `not_done`.
    pub wait_seconds: u32,
    /// At most 10,000.
    pub rows: Vec<ImportRow>,
}

/// One account.
#[derive(Clone, Debug, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct ImportRow {
    /// Values by the names of the provider's connect inputs. Never shown or logged.
    pub inputs: BTreeMap<String, SettingValue>,
    /// The platform's id of the account, where it is known. An account that is connected and works is then left alone,
    /// and another account that answers is reported as such.
    pub account_id: Option<String>,
    /// The caller's own name for the row; the report returns it.
    pub reference: Option<String>,
}

/// What became of a row.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum ImportStatus {
    /// Of a dry run: nothing speaks against it. Whether the platform takes it is known only once it is asked.
    Ready,
    /// A new channel.
    Connected,
    /// A channel that existed got these credentials.
    Updated,
    /// This row was imported before, or its account is connected and works. Nothing was sent.
    AlreadyConnected,
    /// Connected, but it is another account than the row says.
    OtherAccount,
    /// The platform does not take it: the person must connect the account.
    Dead,
    /// The row itself is wrong. Nothing was sent.
    Refused,
    /// The platform could not be asked, or did not answer. Import the row again.
    NotDone,
}

impl ImportStatus {
    /// The account of the row is connected as it should be, or would be tried.
    pub fn is_good(self) -> bool {
        use ImportStatus::{AlreadyConnected, Connected, Ready, Updated};
        matches!(self, Ready | Connected | Updated | AlreadyConnected)
    }

    /// As in the report.
    pub fn name(self) -> &'static str {
        match self {
            ImportStatus::Ready => "ready",
            ImportStatus::Connected => "connected",
            ImportStatus::Updated => "updated",
            ImportStatus::AlreadyConnected => "already_connected",
            ImportStatus::OtherAccount => "other_account",
            ImportStatus::Dead => "dead",
            ImportStatus::Refused => "refused",
            ImportStatus::NotDone => "not_done",
        }
    }
}

/// A row of the report.
#[derive(Clone, Debug, Serialize, JsonSchema)]
pub struct ImportedRow {
    /// The number of the row, from 1 on.
    pub row: usize,
    /// The caller's own name for it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub reference: Option<String>,
    /// What became of it.
    pub status: ImportStatus,
    /// The channel of its account.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub channel: Option<String>,
    /// The platform's id of the account, if it is known.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub account_id: Option<String>,
    /// The account's name at the platform.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub display_name: Option<String>,
    /// Why, and what to do.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub error: Option<Error>,
}

/// What became of an import.
#[derive(Clone, Debug, Serialize, JsonSchema)]
pub struct ImportReport {
    /// Nothing was sent and nothing stored.
    pub dry_run: bool,
    /// How many rows have which status.
    pub counts: BTreeMap<ImportStatus, usize>,
    /// In the order of the import.
    pub rows: Vec<ImportedRow>,
}

impl ImportReport {
    fn new(dry_run: bool, mut rows: Vec<ImportedRow>) -> Self {
        rows.sort_by_key(|row| row.row);
        let mut counts = BTreeMap::new();
        for row in &rows {
            *counts.entry(row.status).or_default() += 1;
        }
        ImportReport { dry_run, counts, rows }
    }

    /// Whether every row is as it should be.
    pub fn is_good(&self) -> bool {
        self.rows.iter().all(|row| row.status.is_good())
    }
}

/// A row that may be tried.
#[derive(Debug)]
struct Planned {
    number: usize,
    reference: Option<String>,
    account_id: Option<String>,
    /// With the account's id, if the provider asks for it.
    inputs: Vec<(String, SettingValue)>,
    /// Names the row: a keyed hash of tenant, app and inputs.
    id: String,
}

impl Planned {
    fn report(&self, status: ImportStatus) -> ImportedRow {
        ImportedRow {
            row: self.number,
            reference: self.reference.clone(),
            status,
            channel: None,
            account_id: self.account_id.clone(),
            display_name: None,
            error: None,
        }
    }

    fn of_channel(&self, status: ImportStatus, row: &AccountRow) -> ImportedRow {
        let ended = row.health == Health::NeedsReconnect;
        let status =
            if ended && status == ImportStatus::AlreadyConnected { ImportStatus::Dead } else { status };
        ImportedRow {
            channel: Some(row.channel.clone()),
            account_id: Some(row.account.clone()),
            display_name: Some(row.display_name.clone()),
            // Nothing that this row holds can help: its inputs were used before.
            error: ended.then(|| super::refresh::needs_reconnect(row)),
            ..self.report(status)
        }
    }

    /// `error` without anything that stands in the row: a platform may quote what it was sent.
    fn failed(&self, status: ImportStatus, error: Error) -> ImportedRow {
        ImportedRow { error: Some(self.without_inputs(error)), ..self.report(status) }
    }

    fn without_inputs(&self, error: Error) -> Error {
        // Shorter ones are no secrets, and would cut words to pieces.
        let secrets = self.inputs.iter().filter(|(name, _)| name != ACCOUNT_ID);
        let secrets = secrets.map(|(_, value)| value.expose()).filter(|value| value.len() >= 8);
        let mut plain = error;
        for secret in secrets {
            plain.message = plain.message.replace(secret, "****");
            plain.remedy = plain.remedy.map(|text| text.replace(secret, "****"));
        }
        plain
    }
}

/// What the rows of one import share.
struct Course {
    /// When waiting for the platform ends.
    until: Instant,
    /// Nothing is sent before: the platform said so to one of the rows.
    pause: Mutex<Instant>,
    /// Why the rest need not be tried.
    stopped: OnceLock<Error>,
}

impl Course {
    fn resume_at(&self) -> Instant {
        self.pause.lock().map_or_else(|poisoned| *poisoned.into_inner(), |pause| *pause)
    }

    /// Puts off everything for `length`. False: that is longer than the import may wait.
    fn put_off(&self, length: Duration) -> bool {
        let Some(to) = Instant::now().checked_add(length) else { return false };
        if to > self.until {
            return false;
        }
        if let Ok(mut pause) = self.pause.lock() {
            *pause = to.max(*pause);
        }
        true
    }
}

impl Accounts {
    /// Imports accounts, and reports every row in the order of `import`. `told` gets each row when it is done. Rows that are
    /// under way go on when the future is dropped.
    pub(crate) async fn import(
        self: &Arc<Self>,
        tenant: &TenantId,
        by: Option<&str>,
        app: &str,
        import: Import,
        told: &(dyn Fn(&ImportedRow) + Send + Sync),
    ) -> Result<ImportReport> {
        let Import { dry_run, wait_seconds, rows } = import;
        if rows.is_empty() || rows.len() > IMPORT_ROWS {
            let message = format!("an import has 1 to {IMPORT_ROWS} rows, and this one has {}", rows.len());
            return Err(Error::new(ErrorKind::InvalidRequest, message)
                .with_field("rows")
                .with_remedy("import them in several parts"));
        }
        let app = self.apps.live(tenant, app).await?;
        let connected = self.store.accounts(tenant).await?;
        let connected: HashMap<&str, &AccountRow> =
            connected.iter().filter(|row| row.app == app.id).map(|row| (row.account.as_str(), row)).collect();
        let mut done = Vec::with_capacity(rows.len());
        let mut planned: Vec<Planned> = Vec::new();
        let mut seen = HashMap::new();
        for (place, row) in rows.into_iter().enumerate() {
            match self.plan(tenant, &app, place + 1, row, &mut seen) {
                Err(refused) => done.push(*refused),
                Ok(row) => match row.account_id.as_deref().and_then(|id| connected.get(id)) {
                    Some(known) if known.health != Health::NeedsReconnect => {
                        done.push(row.of_channel(ImportStatus::AlreadyConnected, known));
                    }
                    _ => planned.push(row),
                },
            }
        }
        done.iter().for_each(told);
        if dry_run {
            for row in planned {
                let row = match self.imported(tenant, &app.id, &row.id).await? {
                    Some(known) => row.of_channel(ImportStatus::AlreadyConnected, &known),
                    None => row.report(ImportStatus::Ready),
                };
                told(&row);
                done.push(row);
            }
            return Ok(ImportReport::new(dry_run, done));
        }
        let now = Instant::now();
        let course = Arc::new(Course {
            until: now + Duration::from_secs(wait_seconds.into()),
            pause: Mutex::new(now),
            stopped: OnceLock::new(),
        });
        let named: Option<Arc<str>> = by.map(Into::into);
        let rows = planned.into_iter().map(|row| {
            let (accounts, tenant, by) = (self.clone(), tenant.clone(), named.clone());
            let (app, course) = (app.clone(), course.clone());
            async move { accounts.import_row(&tenant, by.as_deref(), &app, row, &course).await }
        });
        let mut rows = futures::stream::iter(rows).buffer_unordered(AT_ONCE);
        while let Some(row) = rows.next().await {
            told(&row);
            done.push(row);
        }
        let report = ImportReport::new(dry_run, done);
        tracing::info!(%tenant, app = app.id, by, counts = ?report.counts, "accounts imported");
        Ok(report)
    }

    /// Checks what can be known of a row without the platform.
    fn plan(
        &self,
        tenant: &TenantId,
        app: &LiveApp,
        number: usize,
        row: ImportRow,
        seen: &mut HashMap<String, usize>,
    ) -> Result<Planned, Box<ImportedRow>> {
        let ImportRow { inputs, account_id, reference } = row;
        let descriptor = app.provider.descriptor();
        let account_id = account_id.filter(|id| !id.is_empty());
        let mut inputs: Vec<_> = inputs.into_iter().filter(|(_, value)| !value.expose().is_empty()).collect();
        let bare = inputs.is_empty();
        if let Some(id) = &account_id
            && descriptor.connect_inputs.iter().any(|input| input.name == ACCOUNT_ID)
            && !inputs.iter().any(|(name, _)| name == ACCOUNT_ID)
        {
            inputs.push((ACCOUNT_ID.to_owned(), id.as_str().into()));
        }
        let mut planned = Planned { number, reference, account_id, inputs, id: String::new() };
        let wrong = |planned: &Planned, error| Err(Box::new(planned.failed(ImportStatus::Refused, error)));
        if bare {
            let error = Error::new(ErrorKind::InvalidRequest, "the row has nothing to connect with")
                .with_remedy(format!("fill in {}", names(descriptor)));
            return wrong(&planned, error);
        }
        if planned.reference.as_ref().is_some_and(|text| text.len() > REFERENCE) {
            planned.reference = None;
            let message = format!("the reference is longer than {REFERENCE} bytes");
            return wrong(&planned, Error::new(ErrorKind::InvalidRequest, message).with_field("reference"));
        }
        if let Err(error) = check_inputs(descriptor, &planned.inputs) {
            return wrong(&planned, error);
        }
        planned.id = self.row_id(tenant, app, &planned.inputs);
        let account = planned.account_id.as_ref().map(|id| format!("account {id}"));
        for name in [Some(planned.id.clone()), account].into_iter().flatten() {
            if let Some(first) = seen.get(&name) {
                let message = format!("row {first} is the same account already");
                let error = Error::new(ErrorKind::InvalidRequest, message)
                    .with_code("duplicate_row")
                    .with_remedy("leave the account's newest token, and remove the other row");
                return wrong(&planned, error);
            }
            seen.insert(name, number);
        }
        Ok(planned)
    }

    fn row_id(&self, tenant: &TenantId, app: &LiveApp, inputs: &[(String, SettingValue)]) -> String {
        // Whose account it is may be found out later; the row is the same.
        let mut inputs: Vec<(&str, &str)> = inputs
            .iter()
            .filter(|(name, _)| name != ACCOUNT_ID)
            .map(|(name, value)| (name.as_str(), value.expose()))
            .collect();
        inputs.sort_unstable();
        let text = zeroize::Zeroizing::new(
            serde_json::to_vec(&(tenant.as_str(), &app.id, inputs)).unwrap_or_default(),
        );
        hex::encode(keyed_hash(self.hash_key.expose(), &text).as_slice())
    }

    /// One row, with its pauses.
    async fn import_row(
        self: &Arc<Self>,
        tenant: &TenantId,
        by: Option<&str>,
        app: &Arc<LiveApp>,
        row: Planned,
        course: &Course,
    ) -> ImportedRow {
        let row = Arc::new(row);
        let (mut pause, mut tries) = (PAUSE, 0);
        loop {
            tries += 1;
            tokio::time::sleep_until(course.resume_at()).await;
            if let Some(error) = course.stopped.get() {
                return row.failed(ImportStatus::NotDone, error.clone());
            }
            let error = match self.connect_row(tenant, by, app, &row).await {
                Ok(done) => return done,
                Err(error) => error,
            };
            if stops_all(error.kind) {
                let error = row.without_inputs(error);
                let _ = course.stopped.set(error.clone());
                return row.failed(ImportStatus::NotDone, error);
            }
            let wait = error.retry_after.unwrap_or(pause);
            if !error.is_retryable() || tries >= TRIES || !course.put_off(wait) {
                return row.failed(ImportStatus::NotDone, error);
            }
            pause *= 2;
        }
    }
}

/// Whether every other row would end in the same way.
fn stops_all(kind: ErrorKind) -> bool {
    matches!(
        kind,
        ErrorKind::Misconfigured
            | ErrorKind::DeniedByPolicy
            | ErrorKind::LoadFailed
            | ErrorKind::Incompatible
            | ErrorKind::QuotaExceeded
    )
}

fn names(descriptor: &Descriptor) -> String {
    let names: Vec<&str> = descriptor.connect_inputs.iter().map(|input| input.name.as_str()).collect();
    if names.is_empty() {
        "nothing: this network connects with a browser only".to_owned()
    } else {
        names.join(", ")
    }
}

/// Refuses inputs that the provider does not ask for, that are missing, or not of their form.
pub(super) fn check_inputs(descriptor: &Descriptor, given: &[(String, SettingValue)]) -> Result<()> {
    for (name, value) in given {
        let Some(field) = descriptor.connect_inputs.iter().find(|input| input.name == *name) else {
            // Not named: where the line of names is missing, it is the first secret.
            let message = format!("the provider {} has no input of such a name", descriptor.id);
            return Err(Error::new(ErrorKind::InvalidRequest, message)
                .with_code("unknown_input")
                .with_remedy(format!("its inputs are {}", names(descriptor))));
        };
        check_value(field, value.expose())?;
    }
    let is_given =
        |name: &str| given.iter().any(|(given, value)| given == name && !value.expose().is_empty());
    match descriptor.connect_inputs.iter().find(|input| input.required && !is_given(&input.name)) {
        Some(missing) => Err(Error::new(ErrorKind::InvalidRequest, format!("{} is missing", missing.name))
            .with_field(missing.name.clone())
            .with_remedy("fill it in")),
        None => Ok(()),
    }
}

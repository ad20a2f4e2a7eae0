//! Addresses that get a tenant's events, by the rules of Standard Webhooks (standardwebhooks.com): their secrets, what was
//! sent to them, and sending it again.

use std::sync::Arc;
use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use social_channel_runtime::clock::{Clock, millis, rfc3339};
use social_channel_runtime::error::{Error, ErrorKind, Result};
use social_channel_runtime::net::Egress;
use social_channel_runtime::{SecretBytes, SecretText};
use url::Url;

use super::outbox::EVENT_TYPES;
use crate::app::SettingValue;
use crate::id;
use crate::room::full;
use crate::store::{DeliveryRow, EndpointChange, EndpointRow, Store};
use crate::tenant_id::TenantId;
use crate::vault::{Place, Sealed, Vault, open_json, row_key, seal_json};
use crate::wake::Wake;

/// Addresses of a tenant: each event is sent to each of them.
const MOST: usize = 20;
/// Bytes of an address, and of what it is for.
const URL_LENGTH: usize = 2_000;
const DESCRIPTION_LENGTH: usize = 200;
/// Before the base64 of a secret.
const PREFIX: &str = "whsec_";
/// Bytes of a secret, by the standard.
const SECRET_BYTES: std::ops::RangeInclusive<usize> = 24..=64;
/// How long an older secret signs beside the new one, if nobody says: long enough to bring the new one everywhere.
const OVERLAP: Duration = Duration::from_secs(24 * 3600);
/// Older secrets that sign at a time: each is one more signature in a header.
const OLDER: usize = 4;
/// Deliveries on one page, and attempts of one.
const PAGE: u32 = 500;
const ATTEMPTS: u32 = 50;

/// An address that gets events.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
pub struct Endpoint {
    /// Its name.
    pub id: String,
    /// Where events are sent.
    pub url: String,
    /// What it is for.
    pub description: String,
    /// Only events of these types; empty: all.
    pub types: Vec<String>,
    /// How many secrets sign: more than one while a replaced one is still valid.
    pub secrets: u32,
    /// Failed attempts in a row.
    pub failures: u32,
    /// When the first of them was; seconds since 1970.
    pub failing_since: Option<i64>,
    /// Why nothing is sent to it. Events that it misses follow when it is enabled, as long as they are kept.
    pub disabled: Option<String>,
    /// Since when; seconds since 1970.
    pub disabled_at: Option<i64>,
    /// Seconds since 1970.
    pub created_at: i64,
    /// Seconds since 1970.
    pub updated_at: i64,
}

/// An address to add.
#[derive(Clone, Debug, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct NewEndpoint {
    /// Where to send events: `https`, and reachable from the internet unless the operator allows private networks.
    pub url: String,
    /// What it is for.
    pub description: String,
    /// Only events of these types; empty: all.
    pub types: Vec<String>,
    /// The secret to sign with: `whsec_` and the base64 of 24 to 64 bytes. Absent: a new one is made.
    pub secret: Option<SettingValue>,
}

/// Changes of an address. Absent members stay unchanged.
#[derive(Clone, Debug, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct EndpointChanges {
    /// As [`NewEndpoint::url`].
    pub url: Option<String>,
    /// What it is for.
    pub description: Option<String>,
    /// Only events of these types; empty: all.
    pub types: Option<Vec<String>>,
    /// False: send nothing until it is enabled. True: send what it missed.
    pub enabled: Option<bool>,
}

/// An address, and the secret that it was given.
#[derive(Clone, Debug)]
pub struct EndpointWithSecret {
    /// The address.
    pub endpoint: Endpoint,
    /// For the receiver, to verify what it gets. It is not shown again.
    pub secret: SecretText,
}

/// What became of an event on its way to an address.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum DeliveryStatus {
    /// It is sent, or tried again, at `next_attempt_at`.
    Waiting,
    /// The receiver accepted it.
    Delivered,
    /// It was given up; it can be sent again.
    Failed,
}

/// An event on its way to an address.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
pub struct Delivery {
    /// The event's id, which the receiver gets as `webhook-id`.
    pub event: String,
    /// The event's number.
    pub number: u64,
    /// The event's type.
    #[serde(rename = "type")]
    pub kind: String,
    /// When the event happened, as RFC 3339.
    pub timestamp: String,
    /// What became of it.
    pub status: DeliveryStatus,
    /// Attempts since it was last asked to be sent.
    pub attempts: u32,
    /// When it is tried next; seconds since 1970.
    pub next_attempt_at: Option<i64>,
    /// When it was accepted last; seconds since 1970.
    pub delivered_at: Option<i64>,
}

/// One attempt to send an event.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
pub struct DeliveryAttempt {
    /// Milliseconds since 1970.
    pub at_ms: i64,
    /// How long it took, in milliseconds.
    pub took_ms: u64,
    /// The HTTP status of the answer; absent: there was none.
    pub status: Option<u16>,
    /// Why it failed; absent: it was accepted.
    pub failure: Option<String>,
}

/// What is sealed of an address.
#[derive(Clone, Serialize, Deserialize)]
pub(super) struct Target {
    pub(super) url: String,
    /// The first one is the newest.
    secrets: Vec<Secret>,
}

#[derive(Clone, Serialize, Deserialize)]
struct Secret {
    text: String,
    /// Milliseconds since 1970; None: until it is replaced.
    until: Option<i64>,
}

impl Target {
    /// The keys that sign at this moment.
    pub(super) fn keys(&self, now: i64) -> Vec<SecretBytes> {
        let valid = self.secrets.iter().filter(|secret| secret.until.is_none_or(|until| until > now));
        valid.filter_map(|secret| key(&secret.text)).collect()
    }

    /// Puts a new secret before the others, which sign until then.
    fn replace_secret(&mut self, secret: &SecretText, now: i64, until: i64) {
        for old in &mut self.secrets {
            old.until = Some(old.until.map_or(until, |known| known.min(until)));
        }
        self.secrets.retain(|old| old.until.is_some_and(|until| until > now));
        self.secrets.truncate(OLDER);
        self.secrets.insert(0, Secret { text: secret.expose().to_owned(), until: None });
    }
}

/// The bytes of a secret; None: it is none by the standard.
fn key(secret: &str) -> Option<SecretBytes> {
    let bytes = STANDARD.decode(secret.strip_prefix(PREFIX)?).ok()?;
    SECRET_BYTES.contains(&bytes.len()).then(|| SecretBytes::new(bytes))
}

fn new_secret() -> Result<SecretText> {
    let mut bytes = zeroize::Zeroizing::new([0; 32]);
    getrandom::fill(bytes.as_mut_slice())
        .map_err(|error| Error::internal("the system gives no random numbers").with_source(error))?;
    Ok(SecretText::new(format!("{PREFIX}{}", STANDARD.encode(bytes.as_slice()))))
}

fn invalid(field: &str, message: impl Into<String>) -> Error {
    Error::new(ErrorKind::InvalidRequest, message).with_field(field)
}

fn place(row: &str) -> Place<'_> {
    Place { table: "endpoints", row, column: "target" }
}

/// Reads what is sealed of an address.
pub(super) fn open_target(vault: &Vault, tenant: &TenantId, row: &EndpointRow) -> Result<Target> {
    open_json(vault, place(&row_key(tenant, &row.id)), &row.target)
}

/// The addresses of all tenants.
pub(crate) struct Endpoints {
    pub(crate) store: Arc<dyn Store>,
    pub(crate) vault: Arc<Vault>,
    pub(crate) clock: Arc<dyn Clock>,
    pub(crate) egress: Egress,
    pub(crate) wake: Wake,
}

impl Endpoints {
    /// One that cannot be read is logged and left out.
    pub(crate) async fn list(&self, tenant: &TenantId) -> Result<Vec<Endpoint>> {
        let readable = |row: EndpointRow| {
            let id = row.id.clone();
            self.show(tenant, row)
                .inspect_err(
                    |error| tracing::error!(id, %error, "an address of events is left out of a list"),
                )
                .ok()
        };
        Ok(self.store.endpoints(tenant).await?.into_iter().filter_map(readable).collect())
    }

    pub(crate) async fn get(&self, tenant: &TenantId, id: &str) -> Result<Endpoint> {
        self.show(tenant, self.row(tenant, id).await?)
    }

    async fn row(&self, tenant: &TenantId, id: &str) -> Result<EndpointRow> {
        self.store.endpoint(tenant, id).await?.ok_or_else(|| missing(id))
    }

    fn show(&self, tenant: &TenantId, row: EndpointRow) -> Result<Endpoint> {
        let target = open_target(&self.vault, tenant, &row)?;
        let count = |number: i64| u32::try_from(number).unwrap_or(u32::MAX);
        let secrets = target.keys(self.clock.now_ms()).len();
        Ok(Endpoint {
            id: row.id,
            url: target.url,
            description: row.description,
            types: types(row.kinds.as_deref()),
            secrets: u32::try_from(secrets).unwrap_or(u32::MAX),
            failures: count(row.failures),
            failing_since: row.failing_since.map(|at| at / 1000),
            disabled: row.disabled_at.map(|_| row.disabled_why.unwrap_or_default()),
            disabled_at: row.disabled_at.map(|at| at / 1000),
            created_at: row.created_at / 1000,
            updated_at: row.updated_at / 1000,
        })
    }

    pub(crate) async fn create(&self, tenant: &TenantId, new: NewEndpoint) -> Result<EndpointWithSecret> {
        let url = self.checked_url(&new.url)?;
        check_description(&new.description)?;
        let kinds = kinds(&new.types)?;
        let secret = match new.secret {
            None => new_secret()?,
            Some(given) => checked_secret(given.expose())?,
        };
        // Callers at the same moment may each be let in: the bound is far from what hurts.
        if self.store.endpoints(tenant).await?.len() >= MOST {
            return Err(full(&format!("{MOST} addresses for events"), "remove one that is not used"));
        }
        let (id, now) = (id::new("end")?, self.clock.now_ms());
        let target = Target { url, secrets: vec![Secret { text: secret.expose().to_owned(), until: None }] };
        let row = EndpointRow {
            target: self.seal(tenant, &id, &target)?,
            id,
            description: new.description,
            kinds,
            failures: 0,
            failing_since: None,
            disabled_at: None,
            disabled_why: None,
            created_at: now,
            updated_at: now,
        };
        self.store.insert_endpoint(tenant, &row).await?;
        tracing::info!(%tenant, endpoint = row.id, "an address for events was added");
        Ok(EndpointWithSecret { endpoint: self.show(tenant, row)?, secret })
    }

    pub(crate) async fn change(
        &self,
        tenant: &TenantId,
        id: &str,
        changes: EndpointChanges,
    ) -> Result<Endpoint> {
        let url = changes.url.as_deref().map(|url| self.checked_url(url)).transpose()?;
        if let Some(description) = &changes.description {
            check_description(description)?;
        }
        let kinds = changes.types.as_deref().map(kinds).transpose()?;
        let enabled = changes.enabled.map(|enabled| match enabled {
            true => Ok(()),
            false => Err("it was disabled by hand".to_owned()),
        });
        self.write(
            tenant,
            id,
            url.as_ref().map(|url| move |target: &mut Target| target.url.clone_from(url)),
            |change| EndpointChange {
                description: changes.description.clone(),
                kinds: kinds.clone(),
                enabled: enabled.clone(),
                ..change
            },
        )
        .await?;
        self.wake.told();
        self.get(tenant, id).await
    }

    /// Gives the address another secret. The ones before sign beside it for `overlap`.
    pub(crate) async fn rotate(
        &self,
        tenant: &TenantId,
        id: &str,
        secret: Option<SettingValue>,
        overlap: Option<Duration>,
    ) -> Result<EndpointWithSecret> {
        let secret = match secret {
            None => new_secret()?,
            Some(given) => checked_secret(given.expose())?,
        };
        let now = self.clock.now_ms();
        let until = now.saturating_add(millis(overlap.unwrap_or(OVERLAP)));
        let replace = |target: &mut Target| target.replace_secret(&secret, now, until);
        self.write(tenant, id, Some(replace), |change| change).await?;
        tracing::info!(%tenant, endpoint = id, "an address for events has another secret");
        Ok(EndpointWithSecret { endpoint: self.get(tenant, id).await?, secret })
    }

    /// Changes a target that nobody else changes at the same time, and more with it.
    async fn write(
        &self,
        tenant: &TenantId,
        id: &str,
        target: Option<impl Fn(&mut Target)>,
        more: impl Fn(EndpointChange) -> EndpointChange,
    ) -> Result<()> {
        /// Each time that another call came first there is one less.
        const TRIES: usize = 10;
        for _ in 0..TRIES {
            let row = self.row(tenant, id).await?;
            let target = match &target {
                None => None,
                Some(change) => {
                    let mut changed = open_target(&self.vault, tenant, &row)?;
                    change(&mut changed);
                    Some((self.seal(tenant, id, &changed)?, row.target))
                }
            };
            let change =
                more(EndpointChange { target, now: self.clock.now_ms(), ..EndpointChange::default() });
            if self.store.change_endpoint(tenant, id, &change).await? {
                return Ok(());
            }
        }
        Err(Error::new(ErrorKind::Unavailable, "the address was changed by other calls at the same time")
            .with_remedy("try again"))
    }

    fn seal(&self, tenant: &TenantId, id: &str, target: &Target) -> Result<Sealed> {
        seal_json(&self.vault, place(&row_key(tenant, id)), target)
    }

    pub(crate) async fn delete(&self, tenant: &TenantId, id: &str) -> Result<()> {
        if self.store.delete_endpoint(tenant, id).await? { Ok(()) } else { Err(missing(id)) }
    }

    pub(crate) async fn deliveries(
        &self,
        tenant: &TenantId,
        id: &str,
        before: Option<u64>,
        limit: u32,
    ) -> Result<Vec<Delivery>> {
        self.row(tenant, id).await?;
        let before = before.map(|before| i64::try_from(before).unwrap_or(i64::MAX));
        let rows = self.store.deliveries(tenant, id, before, limit.min(PAGE)).await?;
        Ok(rows.into_iter().map(Delivery::new).collect())
    }

    pub(crate) async fn attempts(
        &self,
        tenant: &TenantId,
        id: &str,
        number: u64,
    ) -> Result<Vec<DeliveryAttempt>> {
        self.row(tenant, id).await?;
        let number = i64::try_from(number).unwrap_or(i64::MAX);
        let rows = self.store.attempts(tenant, id, number, ATTEMPTS).await?;
        let shown = rows.into_iter().map(|row| DeliveryAttempt {
            at_ms: row.at,
            took_ms: u64::try_from(row.took_ms).unwrap_or_default(),
            status: row.status.and_then(|status| u16::try_from(status).ok()),
            failure: row.failure,
        });
        Ok(shown.collect())
    }

    pub(crate) async fn send_again(&self, tenant: &TenantId, id: &str, event: &str) -> Result<()> {
        let row = self.row(tenant, id).await?;
        if row.disabled_at.is_some() {
            return Err(invalid("endpoint", "nothing is sent to this address, because it is disabled")
                .with_remedy("enable it first"));
        }
        if !self.store.send_again(tenant, id, event, self.clock.now_ms()).await? {
            return Err(Error::new(ErrorKind::NotFound, format!("there is no event {event} any more"))
                .with_remedy("events are kept for a week"));
        }
        self.wake.told();
        Ok(())
    }

    fn checked_url(&self, text: &str) -> Result<String> {
        let wrong = |message: &str| {
            invalid("url", message).with_remedy("write a full address such as https://example.com/events")
        };
        if text.len() > URL_LENGTH {
            return Err(wrong("the address has more than 2,000 bytes"));
        }
        let url = Url::parse(text).map_err(|_| wrong("this is not an address"))?;
        if !matches!(url.scheme(), "http" | "https") {
            return Err(wrong("the address does not begin with https://"));
        }
        // Whoever named the address can name another one.
        let refused = |error: Error| Error { kind: ErrorKind::InvalidRequest, ..error }.with_field("url");
        self.egress.check_address(&url).map_err(refused)?;
        Ok(url.into())
    }
}

fn missing(id: &str) -> Error {
    Error::new(ErrorKind::NotFound, format!("there is no address {id} for events"))
        .with_remedy("see the list of addresses")
}

fn check_description(text: &str) -> Result<()> {
    if text.len() > DESCRIPTION_LENGTH || text.chars().any(char::is_control) {
        return Err(invalid("description", "the description is not one line of at most 200 bytes"));
    }
    Ok(())
}

fn checked_secret(text: &str) -> Result<SecretText> {
    match key(text) {
        Some(_) => Ok(SecretText::new(text)),
        None => Err(invalid("secret", "the secret is not `whsec_` and the base64 of 24 to 64 bytes")
            .with_remedy("leave it out, and one is made")),
    }
}

/// Types, as they are stored.
fn kinds(types: &[String]) -> Result<Option<String>> {
    if let Some(unknown) = types.iter().find(|kind| !EVENT_TYPES.contains(&kind.as_str())) {
        return Err(invalid("types", format!("there are no events of the type {unknown}"))
            .with_remedy(format!("choose from {}", EVENT_TYPES.join(", "))));
    }
    if types.is_empty() { Ok(None) } else { Ok(serde_json::to_string(types).ok()) }
}

fn types(kinds: Option<&str>) -> Vec<String> {
    kinds.and_then(|kinds| serde_json::from_str(kinds).ok()).unwrap_or_default()
}

impl Delivery {
    fn new(row: DeliveryRow) -> Self {
        Delivery {
            status: match (row.due_at, row.delivered_at) {
                (Some(_), _) => DeliveryStatus::Waiting,
                (None, Some(_)) => DeliveryStatus::Delivered,
                (None, None) => DeliveryStatus::Failed,
            },
            event: row.event,
            number: row.number.cast_unsigned(),
            kind: row.kind,
            timestamp: rfc3339(row.at),
            attempts: u32::try_from(row.attempts).unwrap_or(u32::MAX),
            next_attempt_at: row.due_at.map(|at| at / 1000),
            delivered_at: row.delivered_at.map(|at| at / 1000),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_replaced_secret_signs_for_its_overlap_and_not_longer() {
        let secrets: Vec<SecretText> = (0..3).map(|_| new_secret().unwrap()).collect();
        let key_of = |at: usize| key(secrets[at].expose()).unwrap();
        let first = Secret { text: secrets[0].expose().to_owned(), until: None };
        let mut target = Target { url: String::new(), secrets: vec![first] };
        assert!(target.keys(0) == [key_of(0)]);
        target.replace_secret(&secrets[1], 100, 200);
        assert!(target.keys(199) == [key_of(1), key_of(0)]);
        assert!(target.keys(200) == [key_of(1)]);
        // A second replacement leaves no old one valid for longer.
        target.replace_secret(&secrets[2], 150, 900);
        assert!(target.keys(160) == [key_of(2), key_of(1), key_of(0)]);
        assert!(target.keys(300) == [key_of(2), key_of(1)]);
        assert!(target.keys(900) == [key_of(2)]);
        // At once.
        target.replace_secret(&secrets[0], 1_000, 1_000);
        assert!(target.keys(1_000) == [key_of(0)]);
        for _ in 0..9 {
            target.replace_secret(&secrets[0], 2_000, 9_000);
        }
        assert_eq!(target.keys(2_000).len(), 1 + OLDER);
    }

    #[test]
    fn a_secret_is_one_of_the_standard() {
        assert!(new_secret().unwrap().expose().starts_with("whsec_"));
        checked_secret("whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw").unwrap();
        for wrong in ["", "whsec_", "whsec_c2hvcnQ=", "MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw", "whsec_not base64"]
        {
            let error = checked_secret(wrong).unwrap_err();
            assert!(error.field.as_deref() == Some("secret") && error.remedy.is_some(), "{error:?}");
        }
    }
}

//! An app as its operator configures and sees it: settings, their validation, and how they are shown.

use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use social_channel_runtime::error::{Error, ErrorKind, Result};
use social_channel_runtime::form;
use social_channel_runtime::model::{Descriptor, Field};
use social_channel_runtime::{Digest, SecretText};

use super::listing::Listing;

/// The configuration of an app. Changing an existing app changes only the members that are given.
#[derive(Clone, Debug, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct AppConfig {
    /// The provider's id, for example `tiktok`. Needed for a new app.
    pub provider: Option<String>,
    /// The only tenant it serves. A new app without it serves all tenants.
    pub tenant: Option<String>,
    /// Setting names and values. An empty value removes the setting.
    pub settings: BTreeMap<String, SettingValue>,
    /// Origins granted to the provider. A new app without it grants what the provider requests. An app that
    /// still runs an older component because of a missing grant moves to the installed component once the
    /// grant is given.
    pub origins: Option<Vec<String>>,
    /// Where the platform sends the browser back to. The port `*` means any loopback port.
    pub redirect_uri: Option<String>,
    /// What the platform's portal says about the app, for the checks. Replaces the previous listing.
    pub listing: Option<Listing>,
}

/// A setting's value. It may be a secret, so it is never printed.
#[derive(Clone, Debug, Default, Deserialize, JsonSchema)]
#[serde(transparent)]
pub struct SettingValue(#[schemars(with = "String")] SecretFromText);

impl SettingValue {
    pub(crate) fn expose(&self) -> &str {
        self.0.0.expose()
    }
}

#[derive(Clone, Debug, Default)]
struct SecretFromText(SecretText);

impl<'a> Deserialize<'a> for SecretFromText {
    fn deserialize<D: serde::Deserializer<'a>>(from: D) -> Result<Self, D::Error> {
        Ok(SecretFromText(SecretText::new(String::deserialize(from)?)))
    }
}

impl From<&str> for SettingValue {
    fn from(text: &str) -> Self {
        SettingValue(SecretFromText(SecretText::new(text)))
    }
}

impl From<String> for SettingValue {
    fn from(text: String) -> Self {
        SettingValue(SecretFromText(SecretText::new(text)))
    }
}

/// An app, as it is shown.
#[derive(Clone, Debug, Serialize, JsonSchema)]
pub struct App {
    /// Its name.
    pub id: String,
    /// The provider's id.
    pub provider: String,
    /// The component it runs.
    pub digest: Digest,
    /// The tenant it serves; absent: all.
    pub tenant: Option<String>,
    /// Origins granted to the provider.
    pub origins: Vec<String>,
    /// Where the platform sends the browser back to; if the app has none, a path below the host's public address.
    pub redirect_uri: Option<String>,
    /// Where the platform sends webhooks; absent without a public address.
    pub webhook_url: Option<String>,
    /// All settings the provider knows. Values of secrets are masked.
    pub settings: Vec<ShownSetting>,
    /// Required settings that have no value: nothing works before they are set.
    pub missing_settings: Vec<String>,
    /// What the platform's portal says about the app.
    pub listing: Listing,
    /// Why its component cannot be used now. Its settings are then unknown, and it can only be deleted or
    /// switched to another component.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub error: Option<Error>,
    /// Seconds since 1970.
    pub created_at: i64,
    /// Seconds since 1970.
    pub updated_at: i64,
}

/// A setting, as it is shown.
#[derive(Clone, Debug, Serialize, JsonSchema)]
pub struct ShownSetting {
    /// The setting's description.
    #[serde(flatten)]
    pub setting: Field,
    /// Its value; for a secret, `****` and its last four characters.
    pub value: Option<String>,
    /// The value is the provider's default.
    pub is_default: bool,
}

/// Setting names and values.
pub(super) type Settings = BTreeMap<String, String>;

/// Enough to distinguish two secrets, not enough to use one.
fn masked(value: &str) -> String {
    let tail: Vec<char> = value.chars().rev().take(4).collect();
    if value.chars().count() >= 16 {
        format!("****{}", tail.iter().rev().collect::<String>())
    } else {
        "****".to_owned()
    }
}

/// No key and no list of scopes is longer than this.
const SETTING_LENGTH: usize = 16 << 10;

pub(super) fn check_setting(descriptor: &Descriptor, name: &str, value: &str) -> Result<()> {
    let Some(setting) = descriptor.settings.iter().find(|setting| setting.name == name) else {
        let known: Vec<&str> = descriptor.settings.iter().map(|setting| setting.name.as_str()).collect();
        return Err(Error::new(
            ErrorKind::InvalidRequest,
            format!("the provider {} has no setting {name}", descriptor.id),
        )
        .with_field(name)
        .with_remedy(format!("its settings are {}", known.join(", "))));
    };
    check_value(setting, value)
}

/// Refuses a value that is not of its field's form.
pub(crate) fn check_value(setting: &Field, value: &str) -> Result<()> {
    let name = setting.name.as_str();
    let wrong = |message: String, remedy: String| {
        Err(Error::new(ErrorKind::InvalidRequest, message).with_field(name).with_remedy(remedy))
    };
    if value.is_empty() {
        return Ok(());
    }
    if value.len() > SETTING_LENGTH {
        return wrong(format!("{name} is longer than {SETTING_LENGTH} bytes"), "shorten it".to_owned());
    }
    match setting.kind.as_str() {
        "choice" if !is_offered(setting, value) => {
            let offered: Vec<&str> = setting.choices.iter().map(|choice| choice.value.as_str()).collect();
            wrong(format!("{name} cannot be {value}"), format!("choose one of {}", offered.join(", ")))
        }
        "multi-choice" if !value.lines().all(|line| is_offered(setting, line)) => {
            let offered: Vec<&str> = setting.choices.iter().map(|choice| choice.value.as_str()).collect();
            wrong(
                format!("{name} has a value that is not offered"),
                format!("choose among {}, one a line", offered.join(", ")),
            )
        }
        "boolean" if !matches!(value, "true" | "false") => {
            wrong(format!("{name} is neither true nor false"), "write `true` or `false`".to_owned())
        }
        "url" if url::Url::parse(value).is_err() => {
            wrong(format!("{name} is not a URL"), "write it with its scheme: https://…".to_owned())
        }
        _ => Ok(()),
    }
}

fn is_offered(setting: &Field, value: &str) -> bool {
    setting.choices.iter().any(|choice| choice.value == value)
}

pub(super) fn check_redirect_uri(uri: &str) -> Result<()> {
    let wrong = |message: &str| {
        Err(Error::new(ErrorKind::InvalidRequest, message).with_field("redirect-uri").with_remedy(
            "write the address as it is registered at the platform, for example https://app.example.com/callback/",
        ))
    };
    let Ok(url) = url::Url::parse(&uri.replacen(":*", ":1", 1)) else {
        return wrong("the callback URL is not a URL");
    };
    if url.fragment().is_some() || url.query().is_some() {
        return wrong("the callback URL must have neither `?` nor `#`");
    }
    if !matches!(url.scheme(), "https" | "http") {
        return wrong("the callback URL must begin with https:// (or http:// on loopback)");
    }
    Ok(())
}

/// Every setting that a provider knows, with its value; secrets are masked.
pub(super) fn shown(descriptor: &Descriptor, settings: &Settings) -> Vec<ShownSetting> {
    let show = |setting: &Field| {
        let own = settings.get(&setting.name);
        let value = own.cloned().or_else(|| setting.default_value.as_ref().map(form::text));
        let value = value.map(|value| match setting.kind.as_str() {
            "secret" => masked(&value),
            _ => value,
        });
        ShownSetting { setting: setting.clone(), is_default: own.is_none() && value.is_some(), value }
    };
    descriptor.settings.iter().map(show).collect()
}

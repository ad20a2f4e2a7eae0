//! The operator's settings: their form, their parsing and its errors.
//!
//! | name | kind | meaning |
//! | --- | --- | --- |
//! | `client-key` | text | the app's client key |
//! | `client-secret` | secret | the app's client secret |
//! | `mode` | choice | `live` or `sandbox`; each has its own key, secret and redirect list |
//! | `kind` | choice | `web` or `desktop`: the tab of Login Kit where the redirect address is registered |
//! | `scopes` | list | permissions to request; the default is the five that this provider uses |
//! | `audited` | flag | whether TikTok's posting audit has been passed; not set: unknown |
//! | `daily-users` | text | accounts that may post in a day, as granted in the audit |
//! | `verified-urls` | list | domains and prefixes verified under "URL properties" |
//! | `previous-client-secret` | secret | after a change of secret: webhooks signed with the old one |

use social_channel_provider::{Choice, Environment, Error, ErrorKind, Field, Value};

use crate::secret::Secret;

pub(crate) const SCOPE_BASIC: &str = "user.info.basic";
pub(crate) const SCOPE_PROFILE: &str = "user.info.profile";
pub(crate) const SCOPE_STATS: &str = "user.info.stats";
pub(crate) const SCOPE_LIST: &str = "video.list";
pub(crate) const SCOPE_PUBLISH: &str = "video.publish";

/// All scopes that this provider can use, in the order of the request.
pub(crate) const SCOPES: [&str; 5] = [SCOPE_BASIC, SCOPE_PROFILE, SCOPE_STATS, SCOPE_LIST, SCOPE_PUBLISH];

/// The scope for drafts in the app's inbox. It does not create posts, so it is never requested.
pub(crate) const SCOPE_DRAFTS: &str = "video.upload";

/// One registration at TikTok.
#[derive(Clone, Debug)]
pub(crate) struct Settings {
    pub(crate) client_key: String,
    pub(crate) client_secret: Secret,
    pub(crate) previous_client_secret: Option<Secret>,
    pub(crate) sandbox: bool,
    pub(crate) desktop: bool,
    pub(crate) scopes: Vec<String>,
    /// None: not set by the operator.
    pub(crate) audited: Option<bool>,
    pub(crate) daily_users: Option<u64>,
    pub(crate) verified_urls: Vec<String>,
}

impl Settings {
    /// Reads and checks all settings; returns the first error.
    pub(crate) fn read<E: Environment>(environment: &E) -> Result<Self, Error> {
        Self::examine(environment).map_err(|mut errors| errors.swap_remove(0))
    }

    /// Reads and checks all settings, and returns all errors; the list is never empty.
    pub(crate) fn examine<E: Environment>(environment: &E) -> Result<Self, Vec<Error>> {
        let mut errors = Vec::new();
        let client_key = keep(required(environment, "client-key", "client key"), &mut errors);
        let client_secret = keep(required(environment, "client-secret", "client secret"), &mut errors);
        let previous = keep(optional(environment, "previous-client-secret"), &mut errors).flatten();
        let sandbox = keep(choice(environment, "mode", "live", "sandbox"), &mut errors);
        let desktop = keep(choice(environment, "kind", "web", "desktop"), &mut errors);
        let scopes = optional(environment, "scopes").and_then(|text| scopes(text.as_deref()));
        let scopes = keep(scopes, &mut errors);
        let audited = optional(environment, "audited").and_then(|text| match text.as_deref() {
            None => Ok(None),
            Some("true") => Ok(Some(true)),
            Some("false") => Ok(Some(false)),
            Some(_) => Err(wrong("audited", "is neither `true` nor `false`")),
        });
        let audited = keep(audited, &mut errors).flatten();
        let daily_users = optional(environment, "daily-users").and_then(|text| match text {
            None => Ok(None),
            Some(text) => text.parse().map(Some).map_err(|_| wrong("daily-users", "is not a whole number")),
        });
        let daily_users = keep(daily_users, &mut errors).flatten();
        let verified = keep(optional(environment, "verified-urls"), &mut errors).flatten();
        match (client_key, client_secret, sandbox, desktop, scopes) {
            (Some(client_key), Some(secret), Some(sandbox), Some(desktop), Some(scopes))
                if errors.is_empty() =>
            {
                Ok(Self {
                    client_key,
                    client_secret: Secret::new(secret),
                    previous_client_secret: previous.map(Secret::new),
                    sandbox,
                    desktop,
                    scopes,
                    // A sandbox is never audited: it can post only to private accounts (D-SB).
                    audited: if sandbox { Some(false) } else { audited },
                    daily_users,
                    verified_urls: lines(verified.as_deref()),
                })
            }
            _ => Err(errors),
        }
    }

    /// Whether this URL is below a domain or prefix that the operator has verified. None: none is configured.
    pub(crate) fn is_verified(&self, url: &str) -> Option<bool> {
        if self.verified_urls.is_empty() {
            return None;
        }
        Some(self.verified_urls.iter().any(|property| covers(property, url)))
    }

    /// Accounts that may post in a day through this app, as far as known. Before the audit it is 5 (D-CSG).
    pub(crate) fn active_user_cap(&self) -> Option<u64> {
        if self.audited == Some(false) { Some(5) } else { self.daily_users }
    }
}

fn keep<T>(result: Result<T, Error>, errors: &mut Vec<Error>) -> Option<T> {
    result.map_err(|error| errors.push(error)).ok()
}

/// Domains cover their subdomains, prefixes exactly what starts with them (D-MTG).
fn covers(property: &str, url: &str) -> bool {
    let Some(rest) = url.strip_prefix("https://") else { return false };
    if property.starts_with("https://") {
        return property.ends_with('/') && url.starts_with(property);
    }
    let authority = rest.split(['/', '?', '#']).next().unwrap_or_default();
    // `user@host` names a different host than it seems to.
    if authority.contains('@') {
        return false;
    }
    let host = authority.split(':').next().unwrap_or_default().to_ascii_lowercase();
    let domain = property.trim_end_matches('/').to_ascii_lowercase();
    host == domain || host.ends_with(&format!(".{domain}"))
}

fn scopes(text: Option<&str>) -> Result<Vec<String>, Error> {
    let asked = lines(text);
    if asked.is_empty() {
        return Ok(SCOPES.map(str::to_owned).to_vec());
    }
    for scope in &asked {
        if scope == SCOPE_DRAFTS {
            return Err(wrong("scopes", "holds `video.upload`, which only makes drafts")
                .remedy("Take `video.upload` out of the scopes; posting needs `video.publish` alone."));
        }
        if !SCOPES.contains(&scope.as_str()) {
            return Err(wrong("scopes", &format!("holds `{scope}`, which this provider cannot use"))
                .remedy(format!("Use only these: {}.", SCOPES.join(", "))));
        }
    }
    if !asked.iter().any(|scope| scope == SCOPE_BASIC) {
        return Err(wrong("scopes", "does not contain `user.info.basic`, which is required to connect"));
    }
    Ok(asked)
}

/// One value per line; commas are accepted too, because TikTok's own pages show scopes that way.
fn lines(text: Option<&str>) -> Vec<String> {
    let values = text.unwrap_or_default().split(['\n', ',']).map(str::trim).filter(|v| !v.is_empty());
    values.map(str::to_owned).collect()
}

fn optional<E: Environment>(environment: &E, name: &str) -> Result<Option<String>, Error> {
    let value = environment.setting(name)?;
    Ok(value.map(|text| text.trim().to_owned()).filter(|text| !text.is_empty()))
}

fn required<E: Environment>(environment: &E, name: &str, words: &str) -> Result<String, Error> {
    let copy = format!("Copy the {words} from the page of your app at developers.tiktok.com.");
    let value = optional(environment, name)?.ok_or_else(|| wrong(name, "is missing").remedy(copy.clone()))?;
    if is_placeholder(&value) {
        return Err(wrong(name, "still holds a placeholder").remedy(copy));
    }
    if value.chars().any(|character| character.is_whitespace() || character.is_control()) {
        return Err(wrong(name, "holds a space or a line break").remedy(copy));
    }
    Ok(value)
}

/// Placeholder texts from manuals.
fn is_placeholder(value: &str) -> bool {
    let value = value.to_ascii_lowercase();
    value.contains(['<', '>', '{', '}'])
        || ["your-", "your_", "yourclient", "changeme", "change-me", "replace", "xxxx", "todo"]
            .iter()
            .any(|part| value.starts_with(part))
}

fn choice<E: Environment>(environment: &E, name: &str, default: &str, other: &str) -> Result<bool, Error> {
    match optional(environment, name)? {
        None => Ok(false),
        Some(value) if value == default => Ok(false),
        Some(value) if value == other => Ok(true),
        Some(_) => Err(wrong(name, &format!("is neither `{default}` nor `{other}`"))),
    }
}

fn wrong(name: &str, what: &str) -> Error {
    Error::new(ErrorKind::Misconfigured, format!("The setting `{name}` {what}.")).field(name)
}

/// The form of the settings.
pub(crate) fn describe() -> Vec<Field> {
    let setting = |name: &str, label: &str, kind: &str, help: &str| Field {
        help: Some(help.to_owned()),
        ..Field::new(name, label, kind)
    };
    let words = |values: &[&str]| values.iter().map(|&value| Choice::new(value, value)).collect::<Vec<_>>();
    let text = |value: &str| Some(Value::Text(value.to_owned()));
    vec![
        Field {
            required: true,
            ..setting(
                "client-key",
                "App ID (client key)",
                "text",
                "From the page of your app at developers.tiktok.com.",
            )
        },
        Field {
            required: true,
            ..setting("client-secret", "App Secret (client secret)", "secret", "Next to the client key.")
        },
        Field {
            // Everybody begins with a sandbox.
            choices: words(&["sandbox", "live"]),
            default_value: text("live"),
            ..setting(
                "mode",
                "Mode",
                "choice",
                "A sandbox has a key, a secret and redirect addresses of its own, and posts to private accounts only.",
            )
        },
        Field {
            choices: words(&["web", "desktop"]),
            default_value: text("web"),
            ..setting(
                "kind",
                "App platform",
                "choice",
                "The tab of Login Kit where the redirect address stands. Only desktop takes addresses on this computer.",
            )
        },
        Field {
            choices: words(&SCOPES),
            default_value: Some(Value::TextList(SCOPES.map(str::to_owned).to_vec())),
            ..setting("scopes", "Permissions to ask for", "text-list", "Each must be added to the app.")
        },
        setting(
            "audited",
            "Posting audit passed",
            "boolean",
            "Until then TikTok takes posts for private accounts only. Leave it empty if you do not know.",
        ),
        setting(
            "daily-users",
            "Accounts that may post in a day",
            "text",
            "As TikTok granted it in the audit.",
        ),
        setting(
            "verified-urls",
            "Verified addresses",
            "text-list",
            "Domains (media.example.com) and prefixes (https://example.com/media/) listed under URL properties. TikTok fetches photos only from there.",
        ),
        setting(
            "previous-client-secret",
            "Previous client secret",
            "secret",
            "Keep it for some days after changing the secret, so that webhooks already sent still count.",
        ),
    ]
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;
    use social_channel_provider::testing::FakeEnvironment;

    pub(crate) fn environment() -> FakeEnvironment {
        FakeEnvironment::new()
            .with_setting("client-key", "awexamplekey01")
            .with_setting("client-secret", "s3cr3t-example")
    }

    fn refused(name: &str, value: &str) -> Error {
        let error = Settings::read(&environment().with_setting(name, value)).unwrap_err();
        assert_eq!(error.kind, ErrorKind::Misconfigured);
        assert_eq!(error.field.as_deref(), Some(name));
        error
    }

    #[test]
    fn defaults_ask_for_the_five_scopes() {
        let settings = Settings::read(&environment()).unwrap();
        assert_eq!(settings.scopes, SCOPES);
        assert!(!settings.sandbox && !settings.desktop);
        assert_eq!(settings.audited, None);
    }

    #[test]
    fn drafts_are_refused_by_name() {
        let error = refused("scopes", "user.info.basic\nvideo.upload");
        assert!(error.message.contains("video.upload"));
    }

    #[test]
    fn wrong_values_name_their_setting() {
        refused("scopes", "video.list");
        refused("scopes", "user.info.basic,likes.read");
        refused("mode", "production");
        refused("kind", "mobile");
        refused("audited", "yes");
        refused("daily-users", "many");
        refused("client-key", "YOUR_CLIENT_KEY");
        refused("client-secret", "<secret>");
        refused("client-key", "two words");
        refused("client-key", "  ");
    }

    #[test]
    fn all_that_is_wrong_is_named() {
        let environment = FakeEnvironment::new().with_setting("mode", "x").with_setting("scopes", "x");
        let errors = Settings::examine(&environment).unwrap_err();
        let fields: Vec<_> = errors.iter().filter_map(|error| error.field.as_deref()).collect();
        assert_eq!(fields, ["client-key", "client-secret", "mode", "scopes"]);
    }

    #[test]
    fn a_sandbox_is_never_audited() {
        let environment = environment().with_setting("mode", "sandbox").with_setting("audited", "true");
        let settings = Settings::read(&environment).unwrap();
        assert_eq!(settings.audited, Some(false));
        assert_eq!(settings.active_user_cap(), Some(5));
    }

    #[test]
    fn secrets_do_not_show_in_debug() {
        let settings = Settings::read(&environment()).unwrap();
        assert!(!format!("{settings:?}").contains("s3cr3t"));
    }

    #[test]
    fn verified_addresses_cover_what_tiktok_says() {
        let environment =
            environment().with_setting("verified-urls", "static.example.com\nhttps://example.org/media/");
        let settings = Settings::read(&environment).unwrap();
        for (url, covered) in [
            ("https://static.example.com/a.jpg", true),
            ("https://video.static.example.com/a.jpg", true),
            ("https://example.com/a.jpg", false),
            ("https://notstatic.example.com/a.jpg", false),
            ("http://static.example.com/a.jpg", false),
            ("https://static.example.com@evil.example/a.jpg", false),
            ("https://example.org/media/a.jpg", true),
            ("https://example.org/mediaa.jpg", false),
        ] {
            assert_eq!(settings.is_verified(url), Some(covered), "{url}");
        }
    }
}

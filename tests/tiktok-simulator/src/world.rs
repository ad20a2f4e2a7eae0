//! What a simulated TikTok consists of: registered apps, accounts, and the switches that choose one
//! of several reported behaviours. Read from a JSON file; unknown keys are errors.
//! Says nothing about what happens at run time (see `state`).

use std::collections::BTreeMap;
use std::fmt;

use anyhow::{Context, bail, ensure};
use serde::{Deserialize, Serialize};
use url::{Host, Url};

use crate::switches::Switches;

/// All scopes an app of a simulated developer may hold. `video.upload` is left out on purpose:
/// requests for it are violations (contract, section 2).
pub const SCOPES: [&str; 5] =
    ["user.info.basic", "user.info.profile", "user.info.stats", "video.list", "video.publish"];

/// Apps, accounts and switches of one simulated TikTok.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct World {
    /// Seeds every id and token.
    pub seed: u64,
    /// Registered apps. A sandbox is an app of its own, with its own key, secret and redirect URIs.
    pub apps: Vec<App>,
    /// TikTok accounts. The first one is signed in to the browser at the start.
    pub accounts: Vec<Account>,
    /// Which of several reported behaviours to play.
    pub switches: Switches,
    /// Origins the simulator may contact for pulls and webhooks, mapped to plain HTTP origins, as in
    /// `{"https://media.example.com": "http://127.0.0.1:8000"}`. Besides these only loopback `http` URLs are
    /// contacted; anything else counts as unreachable.
    pub connect_to: BTreeMap<String, String>,
}

/// A secret of a simulated app. Debug prints `****`, in case somebody pastes a real one.
#[derive(Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Secret(pub String);

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("****")
    }
}

/// Platform under which an app is registered; decides redirect and PKCE rules.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum AppKind {
    /// `https` redirects to public hosts, PKCE optional.
    #[default]
    Web,
    /// Loopback redirects with a port, PKCE (hex) required.
    Desktop,
}

/// Where an app stands with TikTok's review (contract 13.1).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Stage {
    /// Only target users; private accounts only.
    Sandbox,
    /// In production but not approved: nobody can authorize.
    Unapproved,
    /// Live, posting audit not passed: private accounts, `SELF_ONLY`, five users a day.
    Unaudited,
    /// Everything.
    #[default]
    Audited,
}

/// A registered app.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct App {
    /// `client_key`.
    pub client_key: String,
    /// `client_secret`; also the key of webhook signatures.
    pub client_secret: Secret,
    /// Shown on the consent page.
    pub name: String,
    /// Apps of one developer share the `union_id` of an account.
    pub developer: String,
    /// Web or desktop.
    pub kind: AppKind,
    /// Review state.
    pub stage: Stage,
    /// Registered redirect URIs; desktop ones may have `*` as port.
    pub redirect_uris: Vec<String>,
    /// Scopes added to the app. Empty: all of [`SCOPES`].
    pub scopes: Vec<String>,
    /// Usernames that may use a sandbox.
    pub target_users: Vec<String>,
    /// Verified domains (`media.example.com`) and prefixes (`https://media.example.com/v/`).
    pub verified_urls: Vec<String>,
    /// Active creators in 24 hours. None: 5 before the audit, no cap after it.
    pub active_user_cap: Option<u32>,
    /// Where webhooks go.
    pub webhook_url: Option<String>,
}

/// A TikTok account.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Account {
    /// Handle without `@`; the account's key in this file.
    pub username: String,
    /// Shown name.
    pub display_name: String,
    /// May be empty.
    pub bio: String,
    /// Verified badge.
    pub verified: bool,
    /// A private account.
    pub private: bool,
    /// Comments set to "no one".
    pub comment_disabled: bool,
    /// Duet set to "no one" (a private account has it disabled anyway).
    pub duet_disabled: bool,
    /// Stitch set to "no one" (a private account has it disabled anyway).
    pub stitch_disabled: bool,
    /// `max_video_post_duration_sec`.
    pub max_video_seconds: u32,
    /// Followers at the start.
    pub followers: u64,
    /// Added every hour of virtual time.
    pub followers_per_hour: u64,
    /// Accounts it follows.
    pub following: u64,
    /// Banned from posting.
    pub banned: bool,
    /// Posts in 24 hours through the API, all apps together.
    pub daily_post_cap: u32,
    /// Videos by name.
    pub videos: Vec<Video>,
    /// How many more public videos to make up.
    pub generate_videos: u32,
}

/// A video that exists from the start.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Video {
    /// 0: made up.
    pub id: u64,
    /// Title and caption.
    pub title: String,
    /// Age at the start, in seconds.
    pub age_seconds: u64,
    /// Length in seconds.
    pub duration: u32,
    /// Pixels.
    pub width: u32,
    /// Pixels.
    pub height: u32,
    /// Views at the start.
    pub views: u64,
    /// Views added every hour of virtual time; likes, comments and shares follow.
    pub views_per_hour: u64,
    /// A private video: never listed.
    pub private: bool,
}

impl Default for World {
    fn default() -> Self {
        Self {
            seed: 1,
            apps: Vec::new(),
            accounts: Vec::new(),
            switches: Switches::default(),
            connect_to: BTreeMap::new(),
        }
    }
}

impl Default for Account {
    fn default() -> Self {
        Self {
            username: String::new(),
            display_name: String::new(),
            bio: String::new(),
            verified: false,
            private: false,
            comment_disabled: false,
            duet_disabled: false,
            stitch_disabled: false,
            max_video_seconds: 600,
            followers: 1204,
            followers_per_hour: 3,
            following: 31,
            banned: false,
            // "Typically about 15" (contract 13.3).
            daily_post_cap: 15,
            videos: Vec::new(),
            generate_videos: 0,
        }
    }
}

impl Default for Video {
    fn default() -> Self {
        Self {
            id: 0,
            title: String::new(),
            age_seconds: 86_400,
            duration: 30,
            width: 1080,
            height: 1920,
            views: 1000,
            views_per_hour: 10,
            private: false,
        }
    }
}

impl World {
    /// A useful start: a desktop, a web, a sandbox, an unaudited and an unapproved app; a public account
    /// with 57 videos, a private one, one that is no target user, a banned one and one at its daily cap.
    pub fn demo() -> Self {
        let app = |key: &str, secret: &str, name: &str, kind, stage, redirects: &[&str]| App {
            client_key: key.into(),
            client_secret: Secret(secret.into()),
            name: name.into(),
            developer: "demo-developer".into(),
            kind,
            stage,
            redirect_uris: redirects.iter().map(ToString::to_string).collect(),
            verified_urls: vec!["media.example.com".into()],
            ..App::default()
        };
        let loopback = ["http://127.0.0.1:*/callback", "http://127.0.0.1:*/callback/"];
        let web = ["https://app.example.com/callback/"];
        let account = |username: &str, name: &str| Account {
            username: username.into(),
            display_name: name.into(),
            ..Account::default()
        };
        Self {
            apps: vec![
                app(
                    "simkey-desktop",
                    "simsecret-desktop-0001",
                    "Demo Studio",
                    AppKind::Desktop,
                    Stage::Audited,
                    &loopback,
                ),
                app(
                    "simkey-web",
                    "simsecret-web-0001",
                    "Demo Studio Web",
                    AppKind::Web,
                    Stage::Audited,
                    &web,
                ),
                App {
                    target_users: vec!["demo.kitchen".into(), "private.pottery".into()],
                    ..app(
                        "sbsimkey-sandbox",
                        "simsecret-sandbox-0001",
                        "Demo Studio (sandbox)",
                        AppKind::Desktop,
                        Stage::Sandbox,
                        &loopback,
                    )
                },
                app(
                    "simkey-unaudited",
                    "simsecret-unaudited-0001",
                    "New Studio",
                    AppKind::Desktop,
                    Stage::Unaudited,
                    &loopback,
                ),
                app(
                    "simkey-unapproved",
                    "simsecret-unapproved-0001",
                    "Draft Studio",
                    AppKind::Web,
                    Stage::Unapproved,
                    &web,
                ),
            ],
            accounts: vec![
                Account {
                    bio: "soup every day".into(),
                    stitch_disabled: true,
                    generate_videos: 57,
                    videos: vec![Video {
                        title: "Not for everyone".into(),
                        private: true,
                        ..Video::default()
                    }],
                    ..account("demo.kitchen", "Demo Kitchen")
                },
                Account {
                    private: true,
                    followers: 87,
                    generate_videos: 0,
                    ..account("private.pottery", "Private Pottery")
                },
                Account { generate_videos: 3, ..account("walk.in", "Walk-in Guest") },
                Account { banned: true, ..account("banned.band", "Banned Band") },
                Account { daily_post_cap: 0, ..account("busy.bakery", "Busy Bakery") },
            ],
            ..Self::default()
        }
    }

    /// Reads a world from JSON.
    ///
    /// # Errors
    /// When the text is no JSON of this shape, or a registration breaks one of TikTok's own rules.
    pub fn from_json(text: &str) -> anyhow::Result<Self> {
        let world: Self = serde_json::from_str(text).context("the world is not valid")?;
        world.validate()?;
        Ok(world)
    }

    /// Checks what TikTok's portal would check: redirect rules (contract 3.1), target users, prefixes.
    ///
    /// # Errors
    /// Names the app and the rule.
    pub fn validate(&self) -> anyhow::Result<()> {
        let mut keys = Vec::new();
        for app in &self.apps {
            let name = &app.client_key;
            ensure!(!name.is_empty(), "an app has no client_key");
            ensure!(!keys.contains(&name), "the client_key {name} occurs twice");
            keys.push(name);
            ensure!(app.redirect_uris.len() <= 10, "app {name}: at most 10 redirect URIs (contract 3.1)");
            for uri in &app.redirect_uris {
                check_registered_redirect(app.kind, uri)
                    .with_context(|| format!("app {name}: redirect URI {uri}"))?;
            }
            for scope in &app.scopes {
                ensure!(
                    SCOPES.contains(&scope.as_str()),
                    "app {name}: scope {scope} is not simulated; known are {}",
                    SCOPES.join(", ")
                );
            }
            ensure!(app.target_users.len() <= 10, "app {name}: at most 10 target users (contract 13.1)");
            for user in &app.target_users {
                ensure!(self.account(user).is_some(), "app {name}: target user {user} is no account");
            }
            for verified in &app.verified_urls {
                check_property(verified).with_context(|| format!("app {name}: URL property {verified}"))?;
            }
        }
        let mut names = Vec::new();
        for account in &self.accounts {
            ensure!(!account.username.is_empty(), "an account has no username");
            ensure!(!names.contains(&&account.username), "the account {} occurs twice", account.username);
            names.push(&account.username);
        }
        for (from, to) in &self.connect_to {
            let to = Url::parse(to).with_context(|| format!("connect_to {from}"))?;
            ensure!(to.scheme() == "http", "connect_to {from}: the target must be a plain http origin");
        }
        Ok(())
    }

    pub(crate) fn app(&self, client_key: &str) -> Option<&App> {
        self.apps.iter().find(|app| app.client_key == client_key)
    }

    pub(crate) fn account(&self, username: &str) -> Option<&Account> {
        self.accounts.iter().find(|account| account.username == username)
    }
}

impl App {
    pub(crate) fn has_scope(&self, scope: &str) -> bool {
        SCOPES.contains(&scope) && (self.scopes.is_empty() || self.scopes.iter().any(|own| own == scope))
    }

    /// Exact, byte for byte; only the port of a desktop registration may be a wildcard.
    pub(crate) fn allows_redirect(&self, uri: &str) -> bool {
        self.redirect_uris.iter().any(|registered| match registered.split_once(":*") {
            Some((before, after)) if self.kind == AppKind::Desktop => uri
                .strip_prefix(before)
                .and_then(|rest| rest.strip_prefix(':'))
                .and_then(|rest| rest.strip_suffix(after))
                .is_some_and(|port| port.parse::<u16>().is_ok_and(|number| number > 0)),
            _ => registered == uri,
        })
    }

    /// Whether a media URL lies under a verified domain or prefix (contract section 11).
    pub(crate) fn owns_url(&self, url: &Url) -> bool {
        self.verified_urls.iter().any(|property| {
            if property.starts_with("https://") {
                url.as_str().starts_with(property.as_str())
            } else {
                url.host_str().is_some_and(|host| host == property || host.ends_with(&format!(".{property}")))
            }
        })
    }

    pub(crate) fn active_user_cap(&self) -> Option<usize> {
        match (self.active_user_cap, self.stage) {
            (Some(cap), _) => usize::try_from(cap).ok(),
            (None, Stage::Audited) => None,
            (None, _) => Some(5),
        }
    }
}

fn check_registered_redirect(kind: AppKind, uri: &str) -> anyhow::Result<()> {
    ensure!(uri.chars().count() < 512, "must be shorter than 512 characters");
    // `*` is no port for a URL parser; any number stands in for it.
    let wildcard = uri.contains(":*");
    let parsed = Url::parse(&uri.replacen(":*", ":65000", 1)).context("must be an absolute URL")?;
    ensure!(parsed.query().is_none(), "must have no query");
    ensure!(parsed.fragment().is_none(), "must have no fragment");
    let host = parsed.host().context("must have a host")?;
    match kind {
        AppKind::Web => {
            ensure!(parsed.scheme() == "https", "a web app needs https");
            ensure!(!wildcard, "a web app has no wildcard port");
            let loopback = match host {
                Host::Domain(name) => name == "localhost",
                Host::Ipv4(ip) => ip.is_loopback(),
                Host::Ipv6(ip) => ip.is_loopback(),
            };
            ensure!(!loopback, "a web app cannot use loopback; register a desktop app");
        }
        AppKind::Desktop => {
            ensure!(matches!(parsed.scheme(), "http" | "https"), "needs http or https");
            ensure!(
                matches!(parsed.host_str(), Some("localhost" | "127.0.0.1")),
                "a desktop app needs localhost or 127.0.0.1"
            );
            ensure!(parsed.port().is_some(), "a desktop app needs a port, or * for any");
        }
    }
    Ok(())
}

fn check_property(property: &str) -> anyhow::Result<()> {
    if let Some(rest) = property.strip_prefix("https://") {
        ensure!(rest.ends_with('/'), "a prefix ends in /");
        let url = Url::parse(property)?;
        ensure!(matches!(url.host(), Some(Host::Domain(_))), "a prefix has a host name, not an IP");
    } else if property.contains('/') || property.contains(':') || property.is_empty() {
        bail!("must be a domain or an https:// prefix");
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_demo_world_obeys_the_portal_and_survives_json() {
        let world = World::demo();
        world.validate().unwrap();
        let text = serde_json::to_string(&world).unwrap();
        assert_eq!(World::from_json(&text).unwrap().apps.len(), world.apps.len());
    }

    #[test]
    fn registrations_the_portal_refuses_are_refused() {
        for (kind, uri) in [
            (AppKind::Web, "http://app.example.com/callback"),
            (AppKind::Web, "https://localhost/callback"),
            (AppKind::Web, "https://127.0.0.1:8443/callback"),
            (AppKind::Web, "https://app.example.com/callback?a=1"),
            (AppKind::Web, "https://app.example.com/callback#x"),
            (AppKind::Web, "/callback"),
            (AppKind::Desktop, "http://127.0.0.1/callback"),
            (AppKind::Desktop, "http://app.example.com:80/callback"),
        ] {
            assert!(check_registered_redirect(kind, uri).is_err(), "{uri} should be refused");
        }
    }

    #[test]
    fn redirects_match_byte_for_byte() {
        let world = World::demo();
        let desktop = world.app("simkey-desktop").unwrap();
        assert!(desktop.allows_redirect("http://127.0.0.1:51234/callback"));
        assert!(desktop.allows_redirect("http://127.0.0.1:51234/callback/"));
        assert!(!desktop.allows_redirect("http://localhost:51234/callback"));
        assert!(!desktop.allows_redirect("http://127.0.0.1/callback"));
        assert!(!desktop.allows_redirect("http://127.0.0.1:5/callback?x=1"));
        let web = world.app("simkey-web").unwrap();
        assert!(web.allows_redirect("https://app.example.com/callback/"));
        assert!(!web.allows_redirect("https://app.example.com/callback"));
    }

    #[test]
    fn ownership_follows_domains_and_prefixes() {
        let mut app = World::demo().apps.remove(0);
        app.verified_urls = vec!["static.example.com".into(), "https://cdn.example.com/a/".into()];
        let owns = |text: &str| app.owns_url(&Url::parse(text).unwrap());
        assert!(owns("https://static.example.com/x.mp4"));
        assert!(owns("https://video.static.example.com/x.mp4"));
        assert!(!owns("https://example.com/x.mp4"));
        assert!(!owns("https://notstatic.example.com/x.mp4"));
        assert!(owns("https://cdn.example.com/a/x.mp4"));
        assert!(!owns("https://cdn.example.com/ab/x.mp4"));
    }
}

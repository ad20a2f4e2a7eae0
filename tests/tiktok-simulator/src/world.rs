//! The configuration of the simulator: registered apps, accounts, and the switches that select one of several
//! reported behaviours. Read from a JSON file; unknown keys are errors. Run-time state is in `state`.

use std::collections::BTreeMap;
use std::fmt;

use anyhow::{Context, bail, ensure};
use serde::{Deserialize, Serialize};
use url::{Host, Url};

use crate::platform::{self, Platform};
use crate::reading;
use crate::switches::Switches;

/// All documented scopes (contract, section 2).
pub const SCOPES: [&str; 6] =
    ["user.info.basic", "user.info.profile", "user.info.stats", "video.list", "video.publish", DRAFTS];

/// The scope of drafts (contract, section 10A).
pub(crate) const DRAFTS: &str = "video.upload";

/// The maximum number of generated videos per account, because each is created at the start and searched by every
/// list call.
const MOST_GENERATED: u32 = 10_000;

/// The maximum of followers, views and similar counts; far above real values, and far below overflow.
const MOST_COUNTED: u64 = 1_000_000_000_000;

/// The maximum growth per hour.
const MOST_AN_HOUR: u64 = 1_000_000_000;

/// Oldest video, in seconds: a hundred years.
const OLDEST_SECONDS: u64 = 100 * 365 * 86_400;

/// Apps, accounts and switches of one simulated TikTok.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct World {
    /// The seed for all ids and tokens.
    pub seed: u64,
    /// Registered apps. A sandbox is a separate app, with its own key, secret and redirect URIs.
    pub apps: Vec<App>,
    /// TikTok accounts. The first one is signed in to the browser at the start.
    pub accounts: Vec<Account>,
    /// Which of several reported behaviours to simulate.
    pub switches: Switches,
    /// Origins the simulator may contact for pulls and webhooks, mapped to plain HTTP origins, as in
    /// `{"https://media.example.com": "http://127.0.0.1:8000"}`. Besides these only loopback `http` URLs are
    /// contacted; anything else counts as unreachable.
    pub connect_to: BTreeMap<String, String>,
}

/// A secret of a simulated app. Debug prints `****`, in case a user pastes a real one.
#[derive(Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Secret(pub String);

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("****")
    }
}

/// The review state of an app (contract 13.1).
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
#[derive(Clone, Debug, Serialize, Deserialize)]
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
    /// Platforms under which it is registered; a redirect URI follows the rules of its platform. Older files
    /// have `"kind": "web"` instead, which is also accepted.
    #[serde(alias = "kind", deserialize_with = "platform::one_or_several")]
    pub platforms: Vec<Platform>,
    /// Review state.
    pub stage: Stage,
    /// Registered redirect URIs, of all platforms; those of desktop may have `*` as port.
    pub redirect_uris: Vec<String>,
    /// Scopes added to the app. Empty: all of [`SCOPES`].
    pub scopes: Vec<String>,
    /// Usernames that may use a sandbox.
    pub target_users: Vec<String>,
    /// Verified domains (`media.example.com`) and prefixes (`https://media.example.com/v/`).
    pub verified_urls: Vec<String>,
    /// Active creators in 24 hours. None: 5 before the audit, no cap after it.
    pub active_user_cap: Option<u32>,
    /// The URL for webhooks.
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
    /// How many more public videos to generate.
    pub generate_videos: u32,
}

/// A video that exists from the start.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Video {
    /// 0: generated.
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

impl Default for App {
    fn default() -> Self {
        Self {
            client_key: String::new(),
            client_secret: Secret::default(),
            name: String::new(),
            developer: String::new(),
            platforms: vec![Platform::Web],
            stage: Stage::default(),
            redirect_uris: Vec::new(),
            scopes: Vec::new(),
            target_users: Vec::new(),
            verified_urls: Vec::new(),
            active_user_cap: None,
            webhook_url: None,
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
    /// with 57 videos, a private one, one that is not a target user, a banned one and one at its daily cap.
    pub fn demo() -> Self {
        let app = |key: &str, secret: &str, name: &str, platform, stage, redirects: &[&str]| App {
            client_key: key.into(),
            client_secret: Secret(secret.into()),
            name: name.into(),
            developer: "demo-developer".into(),
            platforms: vec![platform],
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
                    Platform::Desktop,
                    Stage::Audited,
                    &loopback,
                ),
                app(
                    "simkey-web",
                    "simsecret-web-0001",
                    "Demo Studio Web",
                    Platform::Web,
                    Stage::Audited,
                    &web,
                ),
                App {
                    target_users: vec!["demo.kitchen".into(), "private.pottery".into()],
                    ..app(
                        "sbsimkey-sandbox",
                        "simsecret-sandbox-0001",
                        "Demo Studio (sandbox)",
                        Platform::Desktop,
                        Stage::Sandbox,
                        &loopback,
                    )
                },
                app(
                    "simkey-unaudited",
                    "simsecret-unaudited-0001",
                    "New Studio",
                    Platform::Desktop,
                    Stage::Unaudited,
                    &loopback,
                ),
                app(
                    "simkey-unapproved",
                    "simsecret-unapproved-0001",
                    "Draft Studio",
                    Platform::Web,
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
    /// When the text is not JSON of this form, or a registration violates one of TikTok's rules. The message is
    /// one sentence with the place and what to write there.
    pub fn from_json(text: &str) -> anyhow::Result<Self> {
        let world: Self = reading::read(text).map_err(anyhow::Error::msg)?;
        let given = reading::read(text).map_err(anyhow::Error::msg)?;
        reading::no_list_for_object(&given, &serde_json::to_value(Self::demo())?, "")
            .map_err(anyhow::Error::msg)?;
        world.validate()?;
        Ok(world)
    }

    /// Checks what TikTok's portal would check: redirect rules (contract 3.1), target users, prefixes; and that the
    /// rest can be simulated.
    ///
    /// # Errors
    /// The error names the place, what is wrong and what to write.
    pub fn validate(&self) -> anyhow::Result<()> {
        let mut keys = Vec::new();
        for (at, app) in self.apps.iter().enumerate() {
            let name = &app.client_key;
            ensure!(!name.is_empty(), "apps[{at}] has no client_key: write one, such as \"my-key\"");
            ensure!(
                !keys.contains(&name),
                "apps[{at}]: the client_key {name} occurs twice; give each app its own"
            );
            keys.push(name);
            self.validate_app(app)?;
        }
        let mut names = Vec::new();
        for (at, account) in self.accounts.iter().enumerate() {
            let name = &account.username;
            ensure!(!name.is_empty(), "accounts[{at}] has no username: write one, such as \"my.account\"");
            ensure!(
                !names.contains(&name),
                "accounts[{at}]: the username {name} occurs twice; give each its own"
            );
            names.push(name);
            account.validate()?;
        }
        for (from, to) in &self.connect_to {
            reading::origin(from, &["https", "http"])
                .map_err(anyhow::Error::msg)
                .with_context(|| format!("connect_to {from}"))?;
            let usable = Url::parse(to).is_ok_and(|to| to.scheme() == "http" && to.has_host());
            ensure!(
                usable,
                "connect_to {from}: the target {to} is no plain http origin; write one such as http://127.0.0.1:8000"
            );
        }
        self.validate_switches(&self.switches)
    }

    /// The part of [`World::validate`] that is about one app.
    pub(crate) fn validate_app(&self, app: &App) -> anyhow::Result<()> {
        let name = &app.client_key;
        ensure!(
            !app.platforms.is_empty(),
            "app {name}: platforms is empty; write [\"web\"], [\"desktop\"] or both"
        );
        for platform in Platform::ALL {
            let count = app.redirect_uris.iter().filter(|uri| Platform::of(uri) == platform).count();
            ensure!(
                count <= 10,
                "app {name}: {count} {platform} redirect URIs; TikTok takes at most 10 (contract 3.1)"
            );
        }
        for uri in &app.redirect_uris {
            platform::check_redirect(&app.platforms, uri)
                .with_context(|| format!("app {name}: redirect URI {uri}"))?;
        }
        for scope in &app.scopes {
            ensure!(
                SCOPES.contains(&scope.as_str()),
                "app {name}: there is no scope {scope}; write some of {}",
                SCOPES.join(", ")
            );
        }
        ensure!(app.target_users.len() <= 10, "app {name}: at most 10 target users (contract 13.1)");
        for user in &app.target_users {
            ensure!(
                self.account(user).is_some(),
                "app {name}: the target user {user} is no account; write the username of one in accounts"
            );
        }
        for verified in &app.verified_urls {
            check_property(verified).with_context(|| format!("app {name}: verified URL {verified}"))?;
        }
        if let Some(url) = &app.webhook_url {
            let usable = Url::parse(url).is_ok_and(|url| matches!(url.scheme(), "http" | "https"));
            ensure!(usable, "app {name}: webhook_url {url} is no http or https URL; write all of it");
        }
        Ok(())
    }

    /// The part of [`World::validate`] that is about the switches.
    pub(crate) fn validate_switches(&self, switches: &Switches) -> anyhow::Result<()> {
        switches.validate()?;
        if let Some(name) = &switches.auto_consent.account {
            ensure!(
                self.account(name).is_some(),
                "switches.auto_consent.account: {name} is no account; write the username of one in accounts"
            );
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
        let platform = Platform::of(uri);
        self.platforms.contains(&platform)
            && self.redirect_uris.iter().any(|registered| match registered.split_once(":*") {
                Some((before, after)) if platform == Platform::Desktop => uri
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

impl Account {
    /// The part of [`World::validate`] that is about one account.
    pub(crate) fn validate(&self) -> anyhow::Result<()> {
        let name = &self.username;
        ensure!(
            self.generate_videos <= MOST_GENERATED,
            "account {name}: generate_videos is {}; write at most {MOST_GENERATED}",
            self.generate_videos
        );
        for (key, value, most) in [
            ("followers", self.followers, MOST_COUNTED),
            ("followers_per_hour", self.followers_per_hour, MOST_AN_HOUR),
            ("following", self.following, MOST_COUNTED),
        ] {
            ensure!(value <= most, "account {name}: {key} is {value}; write at most {most}");
        }
        for (at, video) in self.videos.iter().enumerate() {
            for (key, value, most) in [
                ("age_seconds", video.age_seconds, OLDEST_SECONDS),
                ("views", video.views, MOST_COUNTED),
                ("views_per_hour", video.views_per_hour, MOST_AN_HOUR),
            ] {
                ensure!(value <= most, "account {name}: videos[{at}].{key} is {value}; write at most {most}");
            }
        }
        Ok(())
    }
}

fn check_property(property: &str) -> anyhow::Result<()> {
    if let Some(rest) = property.strip_prefix("https://") {
        ensure!(rest.ends_with('/'), "a prefix ends in a slash; write {property}/");
        let url = Url::parse(property)
            .ok()
            .context("this is no URL; write a prefix such as https://media.example.com/videos/")?;
        ensure!(
            matches!(url.host(), Some(Host::Domain(_))),
            "a prefix has a host name, not an IP; write one such as https://media.example.com/videos/"
        );
    } else if property.contains('/') || property.contains(':') || property.is_empty() {
        bail!(
            "write a domain such as media.example.com, or a prefix such as https://media.example.com/videos/"
        );
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
    fn an_app_has_the_redirects_of_its_platforms_only() {
        let mut app = World::demo().apps.remove(0);
        app.redirect_uris.push("https://app.example.com/callback/".into());
        assert!(!app.allows_redirect("https://app.example.com/callback/"));
        app.platforms.push(Platform::Web);
        assert!(app.allows_redirect("https://app.example.com/callback/"));
        assert!(app.allows_redirect("http://127.0.0.1:5/callback"));
        app.platforms = vec![Platform::Web];
        assert!(!app.allows_redirect("http://127.0.0.1:5/callback"));
    }

    #[test]
    fn the_world_of_the_readme_is_one() {
        let readme = include_str!("../README.md");
        let (_, rest) = readme.split_once("## Your own world").unwrap();
        let (_, rest) = rest.split_once("```json").unwrap();
        let world = World::from_json(rest.split_once("```").unwrap().0).unwrap();
        assert_eq!(world.apps[0].platforms, [Platform::Web, Platform::Desktop]);
        let scopes: Vec<&str> =
            SCOPES.into_iter().filter(|scope| !readme.contains(&format!("`{scope}`"))).collect();
        assert!(scopes.is_empty(), "the manual does not name {scopes:?}");
    }

    #[test]
    fn files_of_before_name_one_kind() {
        let read = |app: &str| World::from_json(&format!("{{\"apps\": [{{\"client_key\": \"k\"{app}}}]}}"));
        let platforms = |app: &str| read(app).unwrap().apps.remove(0).platforms;
        let both = vec![Platform::Web, Platform::Desktop];
        assert_eq!(platforms(""), [Platform::Web]);
        assert_eq!(platforms(", \"kind\": \"desktop\""), [Platform::Desktop]);
        assert_eq!(platforms(", \"platforms\": [\"web\", \"desktop\"]"), both);
        assert_eq!(platforms(", \"platforms\": \"desktop\""), [Platform::Desktop]);
        let twice = read(", \"kind\": \"web\", \"platforms\": [\"desktop\"]").unwrap_err().to_string();
        assert!(twice.contains("given twice"), "{twice}");
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

//! The data that a host needs to use this simulator, as one line of JSON. The member names are the same for
//! all providers; the content of `settings` depends on the provider.

use serde::Serialize;
use serde_json::{Map, Value, json};

use crate::platform::Platform;
use crate::world::{App, DRAFTS, Stage, World};

/// A running simulator, described for a host.
#[derive(Clone, Debug, Serialize)]
pub struct Description {
    /// Its origin.
    pub origin: String,
    /// Origins of the real platform that the host must send here.
    pub connect_to: Vec<Mapping>,
    /// An app of this world, in the host's format.
    pub app: DescribedApp,
    /// Where this simulator fetches media from the host, if it was told to.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub media_origin: Option<String>,
}

/// An origin, or a pattern of origins, and its target.
#[derive(Clone, Debug, Serialize)]
pub struct Mapping {
    /// The platform's origin; `*` stands for any name in front.
    pub from: String,
    /// The simulator's origin.
    pub to: String,
}

/// Registration and settings, under the names that the provider of this platform declares.
#[derive(Clone, Debug, Serialize)]
pub struct DescribedApp {
    /// Id of the provider.
    pub provider: String,
    /// A registered redirect URI; `*` stands for any port.
    pub redirect_uri: String,
    /// Setting names and values; lists have one entry per line.
    pub settings: Map<String, Value>,
}

impl Description {
    /// Describes the simulator at `origin` with the app that allows the most: preferably an audited app with a
    /// desktop redirect, which can return to this machine. None: no app has a redirect
    /// URI.
    pub fn of(world: &World, origin: &str) -> Option<Self> {
        let (app, redirect_uri, platform) = described(world)?;
        let mut settings = Map::new();
        settings.insert("client-key".to_owned(), json!(app.client_key));
        settings.insert("client-secret".to_owned(), json!(app.client_secret.0));
        settings
            .insert("mode".to_owned(), json!(if app.stage == Stage::Sandbox { "sandbox" } else { "live" }));
        settings.insert("kind".to_owned(), json!(platform.to_string()));
        settings
            .insert("audited".to_owned(), json!(if app.stage == Stage::Audited { "true" } else { "false" }));
        if let Some(cap) = app.active_user_cap {
            settings.insert("daily-users".to_owned(), json!(cap.to_string()));
        }
        // The described provider posts directly and does not use drafts.
        let scopes: Vec<&str> =
            app.scopes.iter().map(String::as_str).filter(|scope| *scope != DRAFTS).collect();
        if !scopes.is_empty() {
            settings.insert("scopes".to_owned(), json!(scopes.join("\n")));
        }
        if !app.verified_urls.is_empty() {
            settings.insert("verified-urls".to_owned(), json!(app.verified_urls.join("\n")));
        }
        let mapping = |from: &str| Mapping { from: from.to_owned(), to: origin.to_owned() };
        Some(Self {
            origin: origin.to_owned(),
            connect_to: vec![
                mapping("https://www.tiktok.com"),
                mapping("https://open.tiktokapis.com"),
                mapping("https://*.tiktokapis.com"),
                mapping("https://*.tiktokcdn.com"),
            ],
            app: DescribedApp { provider: "tiktok".to_owned(), redirect_uri: redirect_uri.clone(), settings },
            media_origin: Self::media_origin(world).filter(|origin| world.connect_to.contains_key(origin)),
        })
    }

    /// The origin of the first domain that the described app has verified.
    pub fn media_origin(world: &World) -> Option<String> {
        let verified = described(world)?.0.verified_urls.first()?;
        let url = if verified.contains("://") { verified.clone() } else { format!("https://{verified}") };
        Some(url::Url::parse(&url).ok()?.origin().ascii_serialization())
    }
}

/// The app that allows the most, one of its redirect URIs, and that one's platform.
fn described(world: &World) -> Option<(&App, &String, Platform)> {
    let mut usable: Vec<_> = world
        .apps
        .iter()
        .flat_map(|app| app.redirect_uris.iter().map(move |uri| (app, uri, Platform::of(uri))))
        .collect();
    // A stable sort, so that among equals the first in the file is chosen.
    usable.sort_by_key(|(app, _, platform)| (*platform != Platform::Desktop, app.stage != Stage::Audited));
    usable.into_iter().next()
}

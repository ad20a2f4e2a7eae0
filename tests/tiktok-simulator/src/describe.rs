//! What a host must know to work against this simulator, as one line of JSON.
//! The names are those that hosts of any provider read; what stands in `settings` is up to the provider.

use serde::Serialize;
use serde_json::{Map, Value, json};

use crate::world::{App, AppKind, Stage, World};

/// A running simulator, described for a host.
#[derive(Clone, Debug, Serialize)]
pub struct Description {
    /// Where it listens.
    pub origin: String,
    /// Origins of the real platform that the host must send here.
    pub connect_to: Vec<Mapping>,
    /// An app of this world, as the host wants it.
    pub app: DescribedApp,
}

/// An origin, or a pattern of origins, and where it really leads.
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
    /// Setting names and values; lists have one entry a line.
    pub settings: Map<String, Value>,
}

impl Description {
    /// Describes the simulator at `origin` by the first app of its world that lets a client do most: an audited
    /// desktop app, which may come back to this machine, before others. None: no app has a redirect URI.
    pub fn of(world: &World, origin: &str) -> Option<Self> {
        let mut usable: Vec<&App> = world.apps.iter().filter(|app| !app.redirect_uris.is_empty()).collect();
        // Stable, so that among equals the first of the file wins.
        usable.sort_by_key(|app| (app.kind != AppKind::Desktop, app.stage != Stage::Audited));
        let app = usable.first()?;
        let mut settings = Map::new();
        settings.insert("client-key".to_owned(), json!(app.client_key));
        settings.insert("client-secret".to_owned(), json!(app.client_secret.0));
        settings
            .insert("mode".to_owned(), json!(if app.stage == Stage::Sandbox { "sandbox" } else { "live" }));
        settings
            .insert("kind".to_owned(), json!(if app.kind == AppKind::Desktop { "desktop" } else { "web" }));
        settings
            .insert("audited".to_owned(), json!(if app.stage == Stage::Audited { "true" } else { "false" }));
        if let Some(cap) = app.active_user_cap {
            settings.insert("daily-users".to_owned(), json!(cap.to_string()));
        }
        if !app.scopes.is_empty() {
            settings.insert("scopes".to_owned(), json!(app.scopes.join("\n")));
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
            ],
            app: DescribedApp {
                provider: "tiktok".to_owned(),
                redirect_uri: app.redirect_uris.first()?.clone(),
                settings,
            },
        })
    }
}

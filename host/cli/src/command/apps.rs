//! `apps`: a provider with one registration at the platform, and its grants.

use std::path::PathBuf;

use anyhow::Result;
use clap::{Args, Subcommand};
use social_channel::{App, AppConfig};

use super::settings::{self, Given};
use crate::failure::wrong;
use crate::global::Global;
use crate::input;
use crate::output::{Column, Fields, instant, settings as show_settings, table};
use crate::session::Session;

/// Commands below `apps`.
#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// All apps
    List,
    /// One app, with its settings; secrets are masked
    Show {
        /// The app
        app: String,
    },
    /// Create an app
    Add {
        /// Its name
        app: String,
        /// The provider's id; without it, the only one installed
        #[arg(long, value_name = "ID")]
        provider: Option<String>,
        #[command(flatten)]
        config: Box<Config>,
    },
    /// Change only what is given
    Change {
        /// The app
        app: String,
        #[command(flatten)]
        config: Box<Config>,
    },
    /// Delete an app that has no channels
    Remove {
        /// The app
        app: String,
    },
}

/// The configuration of an app.
#[derive(Args, Debug)]
pub(crate) struct Config {
    /// The callback URL registered at the platform; the port `*` means any port on this machine
    #[arg(long, value_name = "URL")]
    callback: Option<String>,
    /// The only tenant to serve
    #[arg(long, value_name = "NAME")]
    for_tenant: Option<String>,
    /// Grant only these origins to the provider; without it, all that it requests
    #[arg(long = "grant", value_name = "ORIGIN")]
    grants: Vec<String>,
    /// The whole configuration as JSON: provider, redirect_uri, settings, origins, tenant; `-` reads standard input
    #[arg(long, value_name = "FILE")]
    json: Option<PathBuf>,
    #[command(flatten)]
    given: Given,
}

impl Config {
    fn read(self, provider: Option<String>) -> Result<AppConfig> {
        let mut config: AppConfig = match &self.json {
            Some(path) => input::json(path)?,
            None => AppConfig::default(),
        };
        config.provider = provider.or(config.provider);
        config.tenant = self.for_tenant.or(config.tenant);
        config.redirect_uri = self.callback.or(config.redirect_uri);
        if !self.grants.is_empty() {
            config.origins = Some(self.grants);
        }
        self.given.fill(&mut config)?;
        Ok(config)
    }
}

pub(crate) async fn run(global: &Global, command: Command) -> Result<u8> {
    let session = Session::open(global, false).await?;
    let output = session.output;
    let app = match command {
        Command::List => {
            let apps = session.host.apps().await?;
            output.answer(&apps, |apps| list(apps))?;
            for app in &apps {
                if let Some(error) = &app.error {
                    output.warn(&format!("the app {} cannot be used: {error}", app.id));
                }
            }
            return Ok(0);
        }
        Command::Remove { app } => {
            session.host.delete_app(&app).await?;
            output.note(&format!("the app {app} is deleted"));
            output.answer(&serde_json::json!({"removed": app}), |_| String::new())?;
            return Ok(0);
        }
        Command::Show { app } => session.host.app(&app).await?,
        Command::Add { app, provider, config } => {
            if session.host.apps().await?.iter().any(|known| known.id == app) {
                let remedy = format!("choose another name, or change it: `social-channel apps change {app}`");
                return Err(wrong(format!("the app {app} already exists"), remedy).into());
            }
            let mut config = config.read(provider)?;
            if config.provider.is_none() {
                config.provider = only_provider(&session).await?;
            }
            ask(&session, &mut config).await?;
            session.host.put_app(&app, config).await?
        }
        Command::Change { app, config } => {
            session.host.app(&app).await?;
            session.host.put_app(&app, config.read(None)?).await?
        }
    };
    output.answer(&app, show)?;
    settings::missing(output, &app);
    Ok(0)
}

/// If only one provider is installed, it is the default. The library reports other mistakes.
async fn only_provider(session: &Session) -> Result<Option<String>> {
    let mut installed = session.host.providers().await?.into_iter().filter(|info| info.installed);
    Ok(match (installed.next(), installed.next()) {
        (Some(only), None) => Some(only.descriptor.id),
        _ => None,
    })
}

/// Asks the user at the terminal for required settings that were not given.
async fn ask(session: &Session, config: &mut AppConfig) -> Result<()> {
    if !input::can_ask() {
        return Ok(());
    }
    let providers = session.host.providers().await?;
    let Some(info) = providers
        .iter()
        .find(|info| info.installed && config.provider.as_deref() == Some(&info.descriptor.id))
    else {
        return Ok(());
    };
    for setting in &info.descriptor.settings {
        let needed = setting.required && setting.default_value.is_none();
        if needed && !config.settings.contains_key(&setting.name) {
            let value = input::value(&setting.label, setting.kind == "secret")?;
            config.settings.insert(setting.name.clone(), value.expose().into());
        }
    }
    Ok(())
}

fn list(apps: &[App]) -> String {
    if apps.is_empty() {
        return "there is no app; create one with `social-channel apps add NAME`".to_owned();
    }
    let rows = apps.iter().map(|app| {
        let state = if app.missing_settings.is_empty() {
            "ready".to_owned()
        } else {
            format!("needs {}", app.missing_settings.join(", "))
        };
        vec![
            app.id.clone(),
            app.provider.clone(),
            app.digest.short().to_owned(),
            app.redirect_uri.clone().unwrap_or_default(),
            state,
        ]
    });
    let columns = ["APP", "PROVIDER", "COMPONENT", "CALLBACK", "STATE"].map(Column::Text);
    table(&columns, rows.collect())
}

fn show(app: &App) -> String {
    let fields = Fields::default()
        .with("app", &app.id)
        .with("provider", &app.provider)
        .with("component", app.digest.short())
        .maybe("tenant", app.tenant.as_ref())
        .with("callback", app.redirect_uri.as_deref().unwrap_or("-"))
        .with("granted", app.origins.join(", "))
        .with("changed", instant(app.updated_at))
        .show();
    format!("{fields}\n\n{}", show_settings(&app.settings))
}

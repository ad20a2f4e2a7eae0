//! `settings`: a provider's settings. Secrets are read from a prompt, a pipe, a file or a variable.

use std::path::PathBuf;

use anyhow::Result;
use clap::{Args, Subcommand};
use social_channel::{App, AppConfig, SettingValue};

use crate::failure::wrong;
use crate::global::Global;
use crate::input;
use crate::output::{Output, settings};
use crate::session::Session;

/// Commands below `settings`.
#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// All settings of an app; secrets are masked
    Show {
        /// The app
        app: String,
    },
    /// Set one; without a value it prompts, or reads standard input if that is not a terminal
    Set {
        /// The app
        app: String,
        /// The setting
        name: String,
        /// Its value. Omit it for a secret: other users can see command lines
        #[arg(conflicts_with_all = ["from_env", "from_file"])]
        value: Option<String>,
        /// Take the value from this environment variable
        #[arg(long, value_name = "VARIABLE", conflicts_with = "from_file")]
        from_env: Option<String>,
        /// Take the value from this file; `-` reads standard input
        #[arg(long, value_name = "FILE")]
        from_file: Option<PathBuf>,
    },
    /// Remove a setting
    Unset {
        /// The app
        app: String,
        /// The setting
        name: String,
    },
}

/// Settings given together with an app.
#[derive(Args, Debug, Default)]
pub(crate) struct Given {
    /// Set NAME to VALUE; for a secret, use one of the other flags
    #[arg(long, value_name = "NAME=VALUE", value_parser = input::pair)]
    set: Vec<(String, String)>,
    /// Set NAME to the value of this environment variable
    #[arg(long, value_name = "NAME=VARIABLE", value_parser = input::pair)]
    set_env: Vec<(String, String)>,
    /// Set NAME to the content of this file; `-` reads standard input
    #[arg(long, value_name = "NAME=FILE", value_parser = input::pair)]
    set_file: Vec<(String, String)>,
}

impl Given {
    /// Adds them to an app's configuration.
    pub(crate) fn fill(&self, config: &mut AppConfig) -> Result<()> {
        for (name, value) in &self.set {
            config.settings.insert(name.clone(), value.as_str().into());
        }
        for (name, variable) in &self.set_env {
            config.settings.insert(name.clone(), from_env(variable)?);
        }
        for (name, path) in &self.set_file {
            config.settings.insert(name.clone(), from_file(&PathBuf::from(path))?);
        }
        Ok(())
    }
}

fn from_env(variable: &str) -> Result<SettingValue> {
    let value = std::env::var(variable)
        .map_err(|_| wrong(format!("the environment variable {variable} is not set"), "export it first"))?;
    Ok(value.into())
}

fn from_file(path: &std::path::Path) -> Result<SettingValue> {
    Ok(input::text(path)?.trim_end_matches(['\r', '\n']).into())
}

pub(crate) async fn run(global: &Global, command: Command) -> Result<u8> {
    let session = Session::open(global, false).await?;
    let (app, name, value) = match command {
        Command::Show { app } => {
            let app = session.host.app(&app).await?;
            show(session.output, &app)?;
            return Ok(0);
        }
        Command::Unset { app, name } => (app, name, SettingValue::default()),
        Command::Set { app, name, value, from_env: variable, from_file: file } => {
            let shown = session.host.app(&app).await?;
            let setting = shown.settings.iter().find(|shown| shown.setting.name == name);
            let secret = setting.is_none_or(|shown| shown.setting.kind == "secret");
            let value = match (value, variable, file) {
                (Some(value), ..) => {
                    if secret && setting.is_some() {
                        session.output.warn("other users can see a secret on the command line; omit it");
                    }
                    value.into()
                }
                (None, Some(variable), _) => from_env(&variable)?,
                (None, None, Some(file)) => from_file(&file)?,
                (None, None, None) => {
                    let label = setting.map_or(name.as_str(), |shown| shown.setting.label.as_str());
                    input::value(label, secret)?.expose().into()
                }
            };
            (app, name, value)
        }
    };
    let settings = std::iter::once((name, value)).collect();
    let app = session.host.put_app(&app, AppConfig { settings, ..AppConfig::default() }).await?;
    show(session.output, &app)?;
    Ok(0)
}

fn show(output: Output, app: &App) -> Result<()> {
    output.answer(&app.settings, |shown| settings(shown))?;
    missing(output, app);
    Ok(())
}

/// Reports which settings an app still needs.
pub(crate) fn missing(output: Output, app: &App) {
    if let Some(first) = app.missing_settings.first() {
        output.warn(&format!(
            "{} has no value yet: `social-channel settings set {} {first}`",
            app.missing_settings.join(", "),
            app.id
        ));
    }
}

//! `providers`: installed components, by their own provider ids.

use std::path::{Path, PathBuf};

use anyhow::Result;
use clap::Subcommand;
use indicatif::DecimalBytes;
use social_channel::Error;

use crate::global::Global;
use crate::input;
use crate::output::{Column, provider, table};
use crate::progress;
use crate::session::Session;
use crate::shipped;

/// Commands below `providers`.
#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Installed providers, and components that open jobs still need
    List,
    /// Show a component without installing it: interfaces, contract, abilities, origins, permissions
    Inspect {
        /// The component, or the name of one that comes with this program, such as `tiktok`; `-` reads standard input
        file: PathBuf,
    },
    /// Install a component, or replace the installed one of the same provider
    #[command(visible_aliases = ["replace", "load"])]
    Add {
        /// The component, or the name of one that comes with this program, such as `tiktok`; `-` reads standard input
        file: PathBuf,
    },
    /// Delete a provider that no app and no open job needs
    Remove {
        /// Its id
        id: String,
    },
}

/// A file, or a component that comes with this program, by the provider's name.
fn component(file: &Path) -> Result<Vec<u8>, Error> {
    let shipped = file.to_str().filter(|_| !file.exists()).and_then(shipped::component);
    input::bytes(shipped.as_deref().unwrap_or(file))
}

pub(crate) async fn run(global: &Global, command: Command) -> Result<u8> {
    let session = Session::open(global, false).await?;
    let output = session.output;
    match command {
        Command::List => {
            let providers = session.host.providers().await?;
            output.answer(&providers, |providers| {
                if providers.is_empty() {
                    return "no provider is installed; add one with `social-channel providers add FILE`, or TikTok's with `social-channel providers add tiktok`"
                        .to_owned();
                }
                let rows = providers.iter().map(|info| {
                    vec![
                        info.descriptor.id.clone(),
                        info.descriptor.version.clone(),
                        info.digest.short().to_owned(),
                        DecimalBytes(info.size).to_string(),
                        if info.installed { "yes" } else { "no" }.to_owned(),
                        info.apps.join(", "),
                    ]
                });
                let columns = [
                    Column::Text("PROVIDER"),
                    Column::Text("VERSION"),
                    Column::Text("DIGEST"),
                    Column::Number("SIZE"),
                    Column::Text("INSTALLED"),
                    Column::Text("APPS"),
                ];
                table(&columns, rows.collect())
            })?;
            for info in &providers {
                if let Some(error) = &info.error {
                    output.warn(&format!(
                        "{} {} cannot be used: {error}",
                        info.descriptor.id,
                        info.digest.short()
                    ));
                }
            }
        }
        Command::Inspect { file } => {
            let info = progress::loading(output, session.host.inspect_provider(&component(&file)?)).await?;
            output.answer(&info, provider)?;
        }
        Command::Add { file } => {
            let loaded = progress::loading(output, session.host.load_provider(&component(&file)?)).await?;
            output.answer(&loaded, |loaded| provider(&loaded.provider))?;
            for waiting in &loaded.waiting {
                output.warn(&format!(
                    "the app {app} keeps its older component until it grants {origins}: \
                     `social-channel apps change {app} --grant ORIGIN` with all its origins, then add the component again",
                    app = waiting.app,
                    origins = waiting.missing_origins.join(", ")
                ));
            }
        }
        Command::Remove { id } => {
            session.host.unload_provider(&id).await?;
            output.note(&format!("the provider {id} is deleted"));
            output.answer(&serde_json::json!({"removed": id}), |_| String::new())?;
        }
    }
    Ok(0)
}

//! `providers`: installed components, by their own provider ids; where they come from, and who signed them.

use std::path::{Path, PathBuf};

use anyhow::Result;
use clap::{Args, Subcommand};
use indicatif::DecimalBytes;
use serde::{Deserialize, Serialize};
use social_channel::{Error, InstallOptions, Loaded, LockedProvider, ProviderOrigin, SecretText};
use time::OffsetDateTime;
use time::format_description::well_known::Rfc3339;

use crate::command::{conformance, dev, scaffold};
use crate::failure::wrong;
use crate::global::Global;
use crate::input;
use crate::output::{Column, Output, provider, signer, table, upgrade};
use crate::progress;
use crate::session::Session;
use crate::shipped;

/// The form of lock files.
const LOCK: u32 = 1;

/// Commands below `providers`.
#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Installed providers, and components that open jobs still need
    List,
    /// Show a component without installing it: interfaces, contract, abilities, origins, permissions
    Inspect {
        #[command(flatten)]
        source: Source,
    },
    /// Install a component, or replace the installed one of the same provider
    #[command(visible_aliases = ["replace", "load"])]
    Add {
        #[command(flatten)]
        source: Source,
        #[command(flatten)]
        signer: AcceptSigner,
    },
    /// Replace a provider's component by what there is now where it came from, after showing what that changes
    Update {
        /// Its id
        id: String,
        /// Only show what would change
        #[arg(long)]
        check: bool,
        /// Where it comes from from now on
        #[arg(long, value_name = "REFERENCE")]
        from: Option<String>,
        /// The public key that it must be signed with
        #[arg(long, value_name = "FILE")]
        trust_key: Option<PathBuf>,
        #[command(flatten)]
        signer: AcceptSigner,
    },
    /// Install the component again that a provider had before; a second time undoes it
    Rollback {
        /// Its id
        id: String,
    },
    /// Push a component to an OCI registry, signed if a key is given
    Push {
        /// The component; `-` reads standard input
        file: PathBuf,
        /// Where to, for example ghcr.io/acme/bluesky:1.2
        reference: String,
        /// The private key of P-256, as PEM without a password
        #[arg(long, value_name = "FILE")]
        sign_key: Option<PathBuf>,
    },
    /// Make a folder with a new provider, which builds and keeps the contract at once
    New(scaffold::Flags),
    /// Test whether a component keeps the contract, with or without a test server
    Test(conformance::Flags),
    /// Run a component with what a test server answered before, and say what it does otherwise
    Replay(conformance::ReplayFlags),
    /// Watch a component and run and test it again whenever it changes, for its author
    Dev(dev::Flags),
    /// Print the installed providers with digests and signers, for a file `providers.lock`
    Lock,
    /// Install exactly what a lock file names
    Sync {
        /// The file that `lock` printed; `-` reads standard input
        #[arg(default_value = "providers.lock")]
        file: PathBuf,
    },
    /// Delete a provider that no app and no open job needs
    Remove {
        /// Its id
        id: String,
    },
}

/// Where a component is.
#[derive(Args, Debug)]
pub(crate) struct Source {
    /// A file, HOST/NAME:TAG in an OCI registry, an https URL, or the name of one that comes with this program, such as `tiktok`; `-` reads standard input
    #[arg(value_name = "COMPONENT")]
    file: PathBuf,
    /// The public key that it must be signed with
    #[arg(long, value_name = "FILE")]
    trust_key: Option<PathBuf>,
}

/// A flag of those that replace a component.
#[derive(Args, Debug)]
pub(crate) struct AcceptSigner {
    /// Take it although somebody else signed the installed one
    #[arg(long)]
    accept_signer: bool,
}

/// The lock file.
#[derive(Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Lock {
    /// Of the file's form.
    version: u32,
    #[serde(default, rename = "provider")]
    providers: Vec<LockedProvider>,
}

/// A component on this machine, or elsewhere.
enum Place {
    Here { bytes: Vec<u8>, signature: Option<String> },
    Elsewhere(String),
}

impl Source {
    /// A file, a component that comes with this program by the provider's name, or a reference.
    fn find(&self) -> Result<Place, Error> {
        let here = |path: &Path| {
            let mut beside = path.as_os_str().to_owned();
            beside.push(".minisig");
            Ok(Place::Here { bytes: input::bytes(path)?, signature: std::fs::read_to_string(beside).ok() })
        };
        let text = self.file.to_str().filter(|text| *text != "-" && !self.file.exists());
        match text {
            None => here(&self.file),
            Some(text) => match shipped::component(text) {
                Some(path) => here(&path),
                // What looks like a path is one, so that a typing error is not asked of a registry.
                None if text.contains('/') && !text.starts_with(['.', '/']) => {
                    Ok(Place::Elsewhere(text.to_owned()))
                }
                None => here(&self.file),
            },
        }
    }
}

fn options(key: Option<&Path>, signer: Option<&AcceptSigner>) -> Result<InstallOptions, Error> {
    Ok(InstallOptions {
        key: key.map(input::text).transpose()?,
        accept_signer: signer.is_some_and(|signer| signer.accept_signer),
        signature: None,
    })
}

/// Says of a component that came from elsewhere who signed it, and which apps wait.
fn say(output: Output, loaded: &Loaded) {
    if let Some(ProviderOrigin { reference: Some(_), signer: None, signed, .. }) = &loaded.provider.origin {
        output.warn(if *signed {
            "it is signed, but no key that could verify that is trusted: --trust-key FILE"
        } else {
            "it is not signed: whoever can write to the registry can replace it"
        });
    }
    for waiting in &loaded.waiting {
        output.warn(&format!(
            "the app {app} keeps its older component until it grants {origins}: \
             `social-channel apps change {app} --grant ORIGIN` with all its origins, then add the component again",
            app = waiting.app,
            origins = waiting.missing_origins.join(", ")
        ));
    }
}

pub(crate) async fn run(global: &Global, command: Command) -> Result<u8> {
    if let Command::New(flags) = &command {
        scaffold::run(global.output(), flags)?;
        return Ok(0);
    }
    let session = Session::open(global, false).await?;
    let output = session.output;
    match command {
        // Needs no host.
        Command::New(_) => {}
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
                        signer(info.origin.as_ref()),
                        info.apps.join(", "),
                    ]
                });
                let columns = [
                    Column::Text("PROVIDER"),
                    Column::Text("VERSION"),
                    Column::Text("DIGEST"),
                    Column::Number("SIZE"),
                    Column::Text("INSTALLED"),
                    Column::Text("SIGNED BY"),
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
        Command::Inspect { source } => {
            let options = options(source.trust_key.as_deref(), None)?;
            let info = match source.find()? {
                Place::Here { bytes, .. } => {
                    progress::loading(output, session.host.inspect_provider(&bytes)).await?
                }
                Place::Elsewhere(reference) => {
                    progress::loading(output, session.host.inspect_reference(&reference, &options)).await?
                }
            };
            output.answer(&info, provider)?;
        }
        Command::Add { source, signer } => {
            let mut options = options(source.trust_key.as_deref(), Some(&signer))?;
            let loaded = match source.find()? {
                Place::Here { bytes, signature } => {
                    options.signature = signature;
                    progress::loading(output, session.host.load_provider_with(&bytes, &options)).await?
                }
                Place::Elsewhere(reference) => {
                    progress::loading(output, session.host.add_provider(&reference, &options)).await?
                }
            };
            output.answer(&loaded, |loaded| provider(&loaded.provider))?;
            say(output, &loaded);
        }
        Command::Update { id, check, from, trust_key, signer } => {
            let options = options(trust_key.as_deref(), Some(&signer))?;
            let from = from.as_deref();
            let report = progress::loading(output, session.host.check_provider(&id, from, &options)).await?;
            if check {
                output.answer(&report, upgrade)?;
                return Ok(0);
            }
            if report.same && from.is_none() {
                output.note(&format!("{id} is up to date"));
                output.answer(&report, upgrade)?;
                return Ok(0);
            }
            for line in upgrade(&report).lines() {
                output.note(line);
            }
            let loaded = progress::loading(output, session.host.update_provider(&id, from, &options)).await?;
            output.answer(&loaded, |loaded| provider(&loaded.provider))?;
            say(output, &loaded);
        }
        Command::Rollback { id } => {
            let loaded = progress::loading(output, session.host.roll_back_provider(&id)).await?;
            output.answer(&loaded, |loaded| provider(&loaded.provider))?;
            say(output, &loaded);
        }
        Command::Push { file, reference, sign_key } => {
            let key = sign_key.as_deref().map(input::text).transpose()?.map(SecretText::new);
            let bytes = input::bytes(&file)?;
            let created = OffsetDateTime::now_utc().format(&Rfc3339)?;
            let pushed = session.host.push_provider(&reference, bytes, &created, key.as_ref());
            let pushed = progress::loading(output, pushed).await?;
            output.answer(&pushed, |pushed| {
                let signed = pushed.signed_by.as_deref().map_or_else(
                    || "nobody; give a key with --sign-key FILE".to_owned(),
                    |key| format!("key {}", key.get(..12).unwrap_or(key)),
                );
                format!("{}\nsigned by {signed}", pushed.reference)
            })?;
        }
        Command::Test(flags) => return conformance::run(&session, &flags).await,
        Command::Dev(flags) => return dev::run(&session, &flags).await,
        Command::Replay(flags) => return conformance::run_replay(&session, &flags).await,
        Command::Lock => {
            let lock = Lock { version: LOCK, providers: session.host.lock().await? };
            let text = toml::to_string(&lock)?;
            output.answer(&lock, |_| text.trim_end().to_owned())?;
        }
        Command::Sync { file } => {
            let text = input::text(&file)?;
            let lock: Lock = toml::from_str(&text)
                .or_else(|error| serde_json::from_str(&text).map_err(|_| error))
                .map_err(|error| {
                    wrong(
                        format!("{} is no lock file: {}", file.display(), error.message()),
                        "write it with `social-channel providers lock`",
                    )
                })?;
            if lock.version != LOCK {
                return Err(wrong(
                    format!(
                        "{} is of the form {}, which this version does not know",
                        file.display(),
                        lock.version
                    ),
                    "use the version of this program that wrote it",
                )
                .into());
            }
            let mut installed = Vec::new();
            for locked in &lock.providers {
                let loaded = progress::loading(output, session.host.install_locked(locked)).await?;
                if let Some(loaded) = &loaded {
                    output.note(&format!("{} {} is installed", locked.id, locked.digest.short()));
                    say(output, loaded);
                    installed.push(locked.id.clone());
                }
            }
            output.answer(&serde_json::json!({ "installed": installed }), |_| String::new())?;
        }
        Command::Remove { id } => {
            session.host.unload_provider(&id).await?;
            output.note(&format!("the provider {id} is deleted"));
            output.answer(&serde_json::json!({"removed": id}), |_| String::new())?;
        }
    }
    Ok(0)
}

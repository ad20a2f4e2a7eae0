//! Starts a platform simulator beside this program and reads its description for the host.
//!
//! A simulator is called `<provider>-simulator`, is in the same folder as this program or on PATH, prints one
//! line of JSON when it is ready, and exits when its standard input closes.

use std::path::PathBuf;
use std::process::Stdio;
use std::time::Duration;

use anyhow::Result;
use serde::Deserialize;
use social_channel::{AppConfig, ConnectTo, Error, ErrorKind};
use tokio::io::{AsyncBufReadExt as _, BufReader};
use tokio::process::{Child, Command};

use crate::failure::wrong;

const ENDING: &str = "-simulator";

/// The simulator's description.
#[derive(Debug, Deserialize)]
pub(crate) struct Description {
    pub(crate) origin: String,
    pub(crate) connect_to: Vec<ConnectTo>,
    pub(crate) app: AppConfig,
    /// Where it fetches media from the service that it was given.
    #[serde(default)]
    pub(crate) media_origin: Option<String>,
}

/// A running simulator. It ends when this value is dropped, and with this process at the latest.
#[derive(Debug)]
pub(crate) struct Simulator {
    pub(crate) description: Description,
    _child: Child,
}

impl Simulator {
    /// Starts the simulator of a provider; without a provider, the only simulator. It fetches media from `media`.
    pub(crate) async fn start(provider: Option<&str>, media: Option<&str>) -> Result<Self> {
        let program = find(provider)?;
        let failed = |why: String| {
            Error::new(ErrorKind::Misconfigured, format!("{} {why}", program.display()))
                .with_remedy("build the simulator of the same version")
        };
        let mut child = Command::new(&program)
            .args(["--port", "0", "--auto-consent", "--describe", "--until-eof"])
            .args(media.into_iter().flat_map(|media| ["--media-at", media]))
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::inherit())
            .kill_on_drop(true)
            .spawn()
            .map_err(|error| failed("cannot be started".to_owned()).with_source(error))?;
        let output = child.stdout.take().ok_or_else(|| failed("says nothing".to_owned()))?;
        let mut lines = BufReader::new(output).lines();
        let line = tokio::time::timeout(Duration::from_secs(30), lines.next_line()).await;
        let line = match line {
            Ok(Ok(Some(line))) => line,
            _ => return Err(failed("did not say that it is ready".to_owned()).into()),
        };
        let description = serde_json::from_str(&line)
            .map_err(|error| failed("describes itself in another form".to_owned()).with_source(error))?;
        Ok(Simulator { description, _child: child })
    }
}

fn folders() -> Vec<PathBuf> {
    let beside = std::env::current_exe().ok().and_then(|exe| exe.parent().map(std::path::Path::to_owned));
    let path = std::env::var_os("PATH").unwrap_or_default();
    beside.into_iter().chain(std::env::split_paths(&path)).collect()
}

fn find(provider: Option<&str>) -> Result<PathBuf, Error> {
    let suffix = std::env::consts::EXE_SUFFIX;
    let remedy = "put the program beside this one or on PATH; in a checkout, build it first";
    if let Some(provider) = provider {
        let name = format!("{provider}{ENDING}{suffix}");
        let found = folders().into_iter().map(|folder| folder.join(&name)).find(|path| path.is_file());
        return found.ok_or_else(|| wrong(format!("there is no program {name}"), remedy));
    }
    let mut found: Vec<(String, PathBuf)> = Vec::new();
    for entry in folders().iter().filter_map(|folder| folder.read_dir().ok()).flatten().flatten() {
        let name = entry.file_name().to_string_lossy().into_owned();
        let Some(provider) = name.strip_suffix(suffix).and_then(|name| name.strip_suffix(ENDING)) else {
            continue;
        };
        if !found.iter().any(|(known, _)| known == provider) {
            found.push((provider.to_owned(), entry.path()));
        }
    }
    match found.as_slice() {
        [(_, path)] => Ok(path.clone()),
        [] => Err(wrong("there is no simulator on this machine", remedy)),
        several => {
            let names: Vec<&str> = several.iter().map(|(name, _)| name.as_str()).collect();
            Err(wrong(
                format!("there are several simulators: {}", names.join(", ")),
                format!("name one, for example --simulator={}", names.first().unwrap_or(&"")),
            ))
        }
    }
}

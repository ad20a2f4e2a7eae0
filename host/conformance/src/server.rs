//! The test server: started by its command, or running already.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::process::Stdio;
use std::time::Duration;

use social_channel_runtime::net::{ConnectTo, Policy};
use social_channel_runtime::{Error, ErrorKind, Result};
use tokio::io::{AsyncBufReadExt as _, BufReader};
use tokio::process::{Child, Command};

use crate::description::{Description, Said, wrong};

/// Real servers take seconds to start, on a busy machine some more.
const PATIENCE: Duration = Duration::from_secs(120);

/// A server, and what an app needs to use it. It ends when this is dropped.
pub(crate) struct Running {
    pub(crate) origin: Option<String>,
    pub(crate) policy: Policy,
    pub(crate) settings: BTreeMap<String, String>,
    pub(crate) redirect_uri: String,
    _child: Option<Child>,
}

impl Running {
    /// Starts the server of a description, and grants these origins.
    pub(crate) async fn start(description: &Description, origins: &[String]) -> Result<Self> {
        let (child, said) = match description.server.command.split_first() {
            None => (None, Said::default()),
            Some((program, arguments)) => {
                let (child, said) = start(program_at(description, program), arguments).await?;
                (Some(child), said)
            }
        };
        let origin = said.origin.or_else(|| description.server.origin.clone());
        let filled = |text: &str| text.replace("{origin}", origin.as_deref().unwrap_or_default());
        let mut connect_to = Vec::new();
        for mapping in &description.server.connect_to {
            connect_to.push(filled(mapping).parse::<ConnectTo>()?);
        }
        connect_to.extend(said.connect_to);
        let policy = Policy { connect_to, ..Policy::granting(origins)? };
        let mut settings = said.app.settings;
        settings.extend(description.app.settings.iter().map(|(name, value)| (name.clone(), filled(value))));
        let redirect_uri = description.app.redirect_uri.clone().or(said.app.redirect_uri);
        // A `*` stands for any port; nothing listens there.
        let redirect_uri = redirect_uri.map(|it| it.replace(":*", ":9123"));
        Ok(Running {
            origin,
            policy,
            settings,
            redirect_uri: redirect_uri.unwrap_or_else(|| "http://127.0.0.1:9123/callback".to_owned()),
            _child: child,
        })
    }

    /// The server of a recording: nothing runs, and requests have the addresses that they had.
    pub(crate) fn recorded(
        description: &Description,
        connect_to: &[ConnectTo],
        origins: &[String],
    ) -> Result<Self> {
        Ok(Running {
            origin: None,
            policy: Policy { connect_to: connect_to.to_vec(), ..Policy::granting(origins)? },
            settings: description.app.settings.clone(),
            redirect_uri: description.app.redirect_uri.clone().unwrap_or_default(),
            _child: None,
        })
    }

    /// A text of the description with the server's origin.
    pub(crate) fn filled(&self, text: &str) -> String {
        text.replace("{origin}", self.origin.as_deref().unwrap_or_default())
    }
}

/// A path is meant from the description's folder; a name is looked for beside this program, then where the system looks.
fn program_at(description: &Description, program: &str) -> PathBuf {
    if program.contains('/') {
        return description.folder.join(program);
    }
    let beside = std::env::current_exe().ok().and_then(|exe| Some(exe.parent()?.join(program)));
    beside.filter(|path| path.is_file()).unwrap_or_else(|| PathBuf::from(program))
}

async fn start(program: PathBuf, arguments: &[String]) -> Result<(Child, Said)> {
    let failed = |why: String| wrong(format!("the test server {} {why}", program.display()));
    let mut child = Command::new(&program)
        .args(arguments)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::inherit())
        .kill_on_drop(true)
        .spawn()
        .map_err(|error| failed(format!("cannot be started: {error}")))?;
    let output = child.stdout.take().ok_or_else(|| Error::new(ErrorKind::Internal, "no pipe"))?;
    let mut lines = BufReader::new(output).lines();
    let line = tokio::time::timeout(PATIENCE, lines.next_line()).await;
    let Ok(Ok(Some(line))) = line else {
        return Err(failed("did not say that it is ready".to_owned()));
    };
    let said = serde_json::from_str(&line)
        .map_err(|error| failed(format!("does not say in JSON that it is ready: {error}")))?;
    // What else it says must not fill the pipe.
    tokio::spawn(async move { while let Ok(Some(_)) = lines.next_line().await {} });
    Ok((child, said))
}

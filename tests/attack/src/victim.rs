//! The service under attack: a process of its own, so that its memory and its files are only its own.

use std::os::unix::process::ExitStatusExt as _;
use std::path::PathBuf;
use std::process::Stdio;
use std::time::Duration;

use anyhow::{Context as _, Result, bail};
use library_tests::PATIENCE;
use reqwest::{Client, Method, StatusCode};
use rustix::process::{Pid, Resource, Rlimit, Signal};
use serde_json::Value;
use tokio::io::AsyncBufReadExt as _;
use tokio::process::{Child, Command};

use crate::stage::{Template, policy};

/// How long an attacker's call may take: it waits for others that use all that it may use, on a machine with other work.
const CALL: Duration = Duration::from_secs(300);

/// What a compiler may have: less than by default, so that a stop comes soon.
pub(crate) const COMPILE_MEMORY: u64 = 256 << 20;
/// How long a connection may stand still: so that this is seen to end.
const IDLE_SECONDS: u64 = 10;

/// See the module documentation.
pub(crate) struct Victim {
    /// Host and port.
    pub(crate) at: String,
    client: Client,
    child: Child,
    pid: Pid,
    own: Own,
    /// What it said, for a report.
    log: PathBuf,
    folder: tempfile::TempDir,
}

/// One answer.
#[derive(Debug)]
pub(crate) struct Answer {
    pub(crate) status: StatusCode,
    pub(crate) retry_after: Option<String>,
    pub(crate) body: String,
}

impl Answer {
    pub(crate) fn json(&self) -> Value {
        serde_json::from_str(&self.body).unwrap_or_default()
    }
}

impl Victim {
    /// Starts `social-channel serve` on a copy of the template; `media` is the address that the policy sends the media
    /// server's requests to, `files` how many it may open. `contained`: its mounts are its own (see [`Victim::mount`]).
    /// `compile_seconds`: what one compilation may take.
    pub(crate) async fn start(
        template: &Template,
        media: &str,
        files: u64,
        contained: bool,
        compile_seconds: u64,
    ) -> Result<Self> {
        let folder = tempfile::tempdir()?;
        let data = template.copy_to(folder.path())?;
        let policy_file = folder.path().join("policy.json");
        std::fs::write(&policy_file, policy(&template.simulator.origin(), media)?)?;
        let config_file = folder.path().join("config.toml");
        let config = format!(
            "compile_memory = {COMPILE_MEMORY}\ncompile_seconds = {compile_seconds}\nidle_seconds = {IDLE_SECONDS}\n"
        );
        std::fs::write(&config_file, config)?;
        let log = folder.path().join("log");
        // A write beyond the file size limit is then an error, as on a full disk, and does not end the process.
        let own = if contained { Own::possible()? } else { Own::Nothing };
        let mut child = Command::new("env")
            .args(own.begin())
            .args(["sh", "-c", r#"trap '' XFSZ; ulimit -n "$0"; exec "$@""#])
            .arg(files.to_string())
            .arg(program()?)
            .arg("--data")
            .arg(&data)
            .arg("--policy")
            .arg(&policy_file)
            .args(["--format", "json", "serve", "--listen", "127.0.0.1:0", "--config"])
            .arg(&config_file)
            .env_remove("SOCIAL_CHANNEL_LOG")
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(std::fs::File::create(&log)?)
            .kill_on_drop(true)
            .spawn()?;
        let pid = child.id().and_then(|id| Pid::from_raw(i32::try_from(id).ok()?)).context("it has no id")?;
        let mut lines = tokio::io::BufReader::new(child.stdout.take().context("it has no output")?).lines();
        let said = async {
            let mut said = String::new();
            while serde_json::from_str::<Value>(&said).is_err() {
                said += &lines.next_line().await?.with_context(|| tail(&log))?;
            }
            anyhow::Ok(serde_json::from_str::<Value>(&said)?)
        };
        let said = tokio::time::timeout(PATIENCE, said).await.context("it does not listen")??;
        let at = said.pointer("/listening/0").and_then(Value::as_str).context("it names no address")?;
        let at = at.trim_start_matches("http://").to_owned();
        // Each request comes on a connection of its own, as those of PHP do.
        let client = Client::builder().no_proxy().pool_max_idle_per_host(0).timeout(CALL).build()?;
        Ok(Victim { at, client, child, pid, own, log, folder })
    }

    /// One request with a key.
    pub(crate) async fn call(&self, key: &str, method: Method, path: &str, body: Value) -> Result<Answer> {
        let request = self.client.request(method, format!("http://{}{path}", self.at)).bearer_auth(key);
        let request = match body {
            Value::Null => request,
            body => request.header("content-type", "application/json").body(body.to_string()),
        };
        self.answer(request).await
    }

    /// A request to a path, for callers that build it otherwise.
    pub(crate) fn request(&self, method: Method, path: &str) -> reqwest::RequestBuilder {
        self.client.request(method, format!("http://{}{path}", self.at))
    }

    /// Sends it, and reads the whole answer.
    pub(crate) async fn answer(&self, request: reqwest::RequestBuilder) -> Result<Answer> {
        let response = request.send().await?;
        let retry_after =
            response.headers().get("retry-after").and_then(|it| it.to_str().ok()).map(str::to_owned);
        Ok(Answer { status: response.status(), retry_after, body: response.text().await? })
    }

    /// Its own memory, in bytes: pages that are in use and are no file's.
    pub(crate) fn memory(&self) -> Result<u64> {
        Self::memory_of(self.pid).with_context(|| format!("it has ended: {}", tail(&self.log)))
    }

    /// The same of any process.
    pub(crate) fn memory_of(process: Pid) -> Result<u64> {
        let status = std::fs::read_to_string(format!("/proc/{}/status", process.as_raw_nonzero()))?;
        let line = status.lines().find_map(|line| line.strip_prefix("RssAnon:"));
        let kilobytes = line.and_then(|it| it.trim().trim_end_matches(" kB").parse::<u64>().ok());
        Ok(kilobytes.context("no memory")? << 10)
    }

    /// Its child processes.
    pub(crate) fn children(&self) -> Result<Vec<Pid>> {
        let mut children = Vec::new();
        for thread in std::fs::read_dir(format!("/proc/{}/task", self.pid.as_raw_nonzero()))? {
            // A thread may end meanwhile.
            let listed = std::fs::read_to_string(thread?.path().join("children")).unwrap_or_default();
            children.extend(listed.split_whitespace().filter_map(|id| Pid::from_raw(id.parse().ok()?)));
        }
        Ok(children)
    }

    /// How many files and connections it has open.
    pub(crate) fn files(&self) -> Result<usize> {
        Ok(std::fs::read_dir(format!("/proc/{}/fd", self.pid.as_raw_nonzero()))?.count())
    }

    /// Its data folder.
    pub(crate) fn data(&self) -> PathBuf {
        self.folder.path().join("data")
    }

    /// Runs `mount` where only the service sees it.
    pub(crate) fn mount(&self, arguments: &[&str]) -> Result<()> {
        let pid = self.pid.as_raw_nonzero().to_string();
        let done = std::process::Command::new("nsenter")
            .args(["--target", &pid])
            .args(self.own.enter())
            .arg("mount")
            .args(arguments)
            .output()?;
        if !done.status.success() {
            bail!("mount {arguments:?}: {}", String::from_utf8_lossy(&done.stderr));
        }
        Ok(())
    }

    /// What its folder takes of the disk, in bytes.
    pub(crate) fn disk(&self) -> Result<u64> {
        let data = std::fs::read_dir(self.data())?;
        data.map(|entry| Ok(entry?.metadata()?.len())).sum()
    }

    /// Changes a limit of the running process, as an operator's system has it.
    pub(crate) fn limit(&self, resource: Resource, current: Option<u64>) -> Result<()> {
        let maximum = rustix::process::prlimit(Some(self.pid), resource, Rlimit { current, maximum: None });
        maximum.context("the limit cannot be changed")?;
        Ok(())
    }

    /// Ends it as a service manager does; it must end well.
    pub(crate) async fn stop(mut self) -> Result<()> {
        rustix::process::kill_process(self.pid, Signal::TERM)?;
        let ended = tokio::time::timeout(PATIENCE, self.child.wait()).await.context("it does not stop")??;
        let log = std::fs::read_to_string(&self.log)?;
        if !ended.success() || log.contains("panicked") {
            bail!("it ended with {ended} (signal {:?}): {}", ended.signal(), tail(&self.log));
        }
        Ok(())
    }
}

/// What of the system a process has for itself.
#[derive(Clone, Copy)]
pub(crate) enum Own {
    Nothing,
    Mounts,
    /// Who is not root may have mounts only as the root of a world of its own.
    MountsAndUsers,
}

impl Own {
    /// What this user may have.
    pub(crate) fn possible() -> Result<Self> {
        let may = |own: &Own| {
            let tried = std::process::Command::new("env").args(own.begin()).arg("true").output();
            tried.is_ok_and(|tried| tried.status.success())
        };
        let found = [Own::Mounts, Own::MountsAndUsers].into_iter().find(may);
        found.context(
            "this user may not make mounts (`unshare --mount`): run it as root, or allow user namespaces",
        )
    }

    /// The words before a command.
    fn begin(self) -> &'static [&'static str] {
        match self {
            Own::Nothing => &[],
            Own::Mounts => &["unshare", "--mount"],
            Own::MountsAndUsers => &["unshare", "--mount", "--map-root-user"],
        }
    }

    /// How `nsenter` gets there.
    fn enter(self) -> &'static [&'static str] {
        match self {
            Own::Nothing | Own::Mounts => &["--mount"],
            Own::MountsAndUsers => &["--mount", "--user", "--preserve-credentials"],
        }
    }
}

/// The program beside this one.
fn program() -> Result<PathBuf> {
    let program = std::env::current_exe()?.with_file_name("social-channel");
    if !program.exists() {
        bail!("{} is missing: run `cargo build` first", program.display());
    }
    Ok(program)
}

fn tail(log: &std::path::Path) -> String {
    let log = std::fs::read_to_string(log).unwrap_or_default();
    let lines: Vec<&str> = log.lines().rev().take(12).collect();
    lines.into_iter().rev().collect::<Vec<_>>().join("\n")
}

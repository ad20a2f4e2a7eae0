//! Shared code of the command line's test suites: the built program, a simulator, and a data folder.
//!
//! The program runs as a real process; only its policy file sends requests to the simulator. The simulator
//! runs in this process, so that a test can inspect and disturb it.

pub mod swap;

use std::ffi::OsStr;
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::time::Duration;

use anyhow::{Context as _, Result, anyhow, bail};
use serde_json::Value;
use tiktok_simulator::{Simulator, World};
use tokio::io::{AsyncBufReadExt as _, AsyncReadExt as _, BufReader};
use tokio::process::{Child, ChildStdout, Command};
use tokio::sync::OnceCell;

/// Long enough for any machine; a test that waits this long has failed.
pub const PATIENCE: Duration = Duration::from_secs(120);
/// The app in these tests.
pub const APP: &str = "demo";
/// A key for all data folders of these tests, so that one can be copied.
const KEY: &str = "00112233445566778899aabbccddeeff00112233445566778899aabbccddeeff";

/// The result of a command.
#[derive(Debug)]
pub struct Ran {
    /// Exit code.
    pub code: i32,
    /// Standard output.
    pub stdout: String,
    /// Standard error.
    pub stderr: String,
}

impl Ran {
    /// The answer as JSON.
    pub fn json(&self) -> Value {
        serde_json::from_str(&self.stdout).unwrap_or_else(|error| fail(&format!("{error}: {self:?}")))
    }

    /// The failure as JSON.
    pub fn error(&self) -> Value {
        let line = self.stderr.lines().last().unwrap_or_default();
        let whole: Value =
            serde_json::from_str(line).unwrap_or_else(|error| fail(&format!("{error}: {self:?}")));
        whole.get("error").cloned().unwrap_or_else(|| fail(&format!("no error: {self:?}")))
    }

    /// Checks that the command succeeded.
    pub fn done(self) -> Self {
        if self.code != 0 {
            fail(&format!("{self:?}"));
        }
        self
    }

    /// For snapshots: everything that was printed.
    pub fn shown(&self) -> String {
        format!(
            "exit code: {}\n----- stdout -----\n{}\n----- stderr -----\n{}",
            self.code, self.stdout, self.stderr
        )
    }
}

#[expect(clippy::panic, reason = "in tests a panic is the report")]
fn fail(text: &str) -> ! {
    panic!("{text}")
}

/// The folder that cargo builds into.
fn target() -> Result<PathBuf> {
    std::env::current_exe()?
        .ancestors()
        .find(|folder| folder.join("CACHEDIR.TAG").is_file())
        .map(Path::to_owned)
        .ok_or_else(|| anyhow!("these tests run from cargo's target folder"))
}

/// Copies what was compiled: with the same key it serves every stage, and compiling takes most of a stage's time.
fn copy_code(from: &Path, to: &Path) -> Result<()> {
    let private = |folder: &Path| {
        use std::os::unix::fs::DirBuilderExt as _;
        std::fs::DirBuilder::new().recursive(true).mode(0o700).create(folder)
    };
    private(to)?;
    for entry in std::fs::read_dir(from).into_iter().flatten().flatten() {
        let (from, to) = (entry.path(), to.join(entry.file_name()));
        if from.extension().is_some_and(|ending| ending == "code") && !to.exists() {
            // Whole or not at all: another stage may copy it at this moment.
            let partial = tempfile::NamedTempFile::new_in(to.parent().unwrap_or(&to))?;
            std::fs::copy(&from, partial.path())?;
            partial.persist(&to)?;
        }
    }
    Ok(())
}

/// A component that `cargo xtask guests` built.
///
/// # Errors
/// When it was not built.
pub fn component(name: &str) -> Result<PathBuf> {
    let path = target()?.join("wasm32-wasip2/guest").join(format!("{name}.wasm"));
    if path.is_file() {
        Ok(path)
    } else {
        bail!("{} is missing: run `cargo xtask guests` first", path.display())
    }
}

/// Builds the programs, once for all tests of a process: cargo does not build the programs of other packages
/// for a test, and an outdated one would be tested silently.
async fn programs() -> Result<&'static Path> {
    static BUILT: OnceCell<PathBuf> = OnceCell::const_new();
    let folder = BUILT
        .get_or_try_init(|| async {
            let cargo = std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
            let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../..");
            let mut build = Command::new(cargo);
            build.args(["build", "--quiet", "--bin", "social-channel", "--bin", "tiktok-simulator"]);
            // Build scripts read cargo's variables for the package under test: with them, `ring` and its dependants
            // would be rebuilt, now and by the next build from a shell.
            for (name, _) in std::env::vars_os() {
                if ["CARGO_MANIFEST_", "CARGO_PKG_", "OUT_DIR"]
                    .iter()
                    .any(|start| name.to_string_lossy().starts_with(start))
                {
                    build.env_remove(name);
                }
            }
            let built = build.current_dir(root).output().await?;
            if !built.status.success() {
                bail!("the program does not build: {}", String::from_utf8_lossy(&built.stderr));
            }
            Ok(target()?.join("debug"))
        })
        .await?;
    Ok(folder)
}

/// A simulated TikTok, and a data folder with the provider and its app.
pub struct Stage {
    /// The simulated TikTok.
    pub simulator: Simulator,
    /// Data, policy, media.
    pub folder: tempfile::TempDir,
    /// The database of every command; None: in the data folder.
    pub database: Option<String>,
    program: PathBuf,
}

impl Stage {
    /// An empty data folder.
    ///
    /// # Errors
    /// When any part of it cannot be started.
    pub async fn empty() -> Result<Self> {
        let mut world = World::demo();
        world.switches.auto_consent.enabled = true;
        // Shortens the tests; the library's tests cover processing.
        world.switches.processing_ms = 500;
        let simulator = Simulator::start(world).await?;
        let folder = tempfile::tempdir()?;
        let origin = simulator.origin();
        let policy = serde_json::json!({"connect_to": [
            {"from": "https://www.tiktok.com", "to": origin},
            {"from": "https://*.tiktokapis.com", "to": origin},
        ]});
        std::fs::write(folder.path().join("policy.json"), policy.to_string())?;
        let app = serde_json::json!({
            "provider": "tiktok",
            "redirect_uri": "http://127.0.0.1:*/callback",
            "settings": {"client-key": "simkey-desktop", "client-secret": "simsecret-desktop-0001", "kind": "desktop"},
        });
        std::fs::write(folder.path().join("app.json"), app.to_string())?;
        Ok(Stage { simulator, folder, database: None, program: programs().await?.join("social-channel") })
    }

    /// With the provider and its app.
    ///
    /// # Errors
    /// As [`Stage::empty`].
    pub async fn with_app() -> Result<Self> {
        let stage = Self::empty().await?;
        stage.add_app().await?;
        Ok(stage)
    }

    /// Adds the provider and its app.
    ///
    /// # Errors
    /// When the program fails.
    pub async fn add_app(&self) -> Result<()> {
        let stage = self;
        let component = component("plugin_tiktok")?;
        let (shared, own) = (target()?.join("compiled-components/cli"), stage.path("data/cache"));
        copy_code(&shared, &own)?;
        stage.run([OsStr::new("providers"), "add".as_ref(), component.as_ref()]).await?.done();
        copy_code(&own, &shared)?;
        let file = stage.path("app.json");
        stage
            .run([OsStr::new("apps"), "add".as_ref(), APP.as_ref(), "--json".as_ref(), file.as_ref()])
            .await?
            .done();
        Ok(())
    }

    /// With the demo's account connected. Returns its channel's id, too.
    ///
    /// # Errors
    /// As [`Stage::empty`].
    pub async fn connected() -> Result<(Self, String)> {
        let stage = Self::with_app().await?;
        let connected = stage.connect(&[]).await?.done();
        let channel = connected.json()["id"].as_str().context("a channel has an id")?.to_owned();
        Ok((stage, channel))
    }

    /// The program itself.
    pub fn program(&self) -> &Path {
        &self.program
    }

    /// A path in the folder.
    pub fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    /// The program, without environment variables of this machine that would affect it.
    pub fn command<I: IntoIterator<Item = S>, S: AsRef<OsStr>>(&self, arguments: I) -> Command {
        let mut command = Command::new(&self.program);
        command
            .args(arguments)
            .env_clear()
            .env("SOCIAL_CHANNEL_DATA", self.path("data"))
            .env("SOCIAL_CHANNEL_POLICY", self.path("policy.json"))
            .env("SOCIAL_CHANNEL_MASTER_KEY", KEY)
            .env("HOME", self.folder.path())
            .current_dir(self.folder.path())
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .kill_on_drop(true);
        if let Some(database) = &self.database {
            command.env("SOCIAL_CHANNEL_DATABASE", database);
        }
        command
    }

    /// Runs the program to its end.
    ///
    /// # Errors
    /// When it cannot be started, or does not end.
    pub async fn run<I: IntoIterator<Item = S>, S: AsRef<OsStr>>(&self, arguments: I) -> Result<Ran> {
        finish(self.command(arguments).spawn()?).await
    }

    /// Runs the program with arguments separated by spaces.
    ///
    /// # Errors
    /// As [`Stage::run`].
    pub async fn say(&self, words: &str) -> Result<Ran> {
        self.run(words.split(' ')).await
    }

    /// Like [`Stage::say`], with standard input.
    ///
    /// # Errors
    /// As [`Stage::run`].
    pub async fn type_in(&self, words: &str, input: &str) -> Result<Ran> {
        use tokio::io::AsyncWriteExt as _;
        let mut child = self.command(words.split(' ')).stdin(Stdio::piped()).spawn()?;
        let mut stdin = child.stdin.take().context("standard input is a pipe")?;
        stdin.write_all(input.as_bytes()).await?;
        drop(stdin);
        finish(child).await
    }

    /// Connects like a script: reads the URL, and opens it like a browser.
    ///
    /// # Errors
    /// When the program or the browser fails.
    pub async fn connect(&self, more: &[&str]) -> Result<Ran> {
        let words = ["connect", APP, "--print-url", "--format", "json"];
        let (child, first, mut rest) = self.begin(words.iter().chain(more)).await?;
        let offer: Value = serde_json::from_str(&first)?;
        let answer = browser(false)?.get(offer["url"].as_str().context("an address")?).send().await?;
        answer.text().await?;
        let mut ran = finish(child).await?;
        rest.read_to_string(&mut ran.stdout).await?;
        Ok(ran)
    }

    /// Starts a command and reads its first line.
    ///
    /// # Errors
    /// When it cannot be started or prints nothing.
    pub async fn begin<I: IntoIterator<Item = S>, S: AsRef<OsStr>>(
        &self,
        arguments: I,
    ) -> Result<(Child, String, BufReader<ChildStdout>)> {
        let mut child = self.command(arguments).spawn()?;
        let mut out = BufReader::new(child.stdout.take().context("standard output is a pipe")?);
        let mut first = String::new();
        tokio::time::timeout(PATIENCE, out.read_line(&mut first)).await??;
        if first.is_empty() {
            let ran = finish(child).await?;
            bail!("it said nothing: {ran:?}");
        }
        Ok((child, first.trim_end().to_owned(), out))
    }

    /// A real video of this size.
    ///
    /// # Errors
    /// When it cannot be written.
    pub fn video(&self, size: u64) -> Result<PathBuf> {
        let path = self.path("clip.mp4");
        sample_video::write(&path, size)?;
        Ok(path)
    }
}

/// Waits for the end.
///
/// # Errors
/// When it does not end.
pub async fn finish(child: Child) -> Result<Ran> {
    let output =
        tokio::time::timeout(PATIENCE, child.wait_with_output()).await.context("it does not end")??;
    Ok(Ran {
        code: output.status.code().context("it ended by itself")?,
        stdout: String::from_utf8(output.stdout)?,
        stderr: String::from_utf8(output.stderr)?,
    })
}

/// The person's browser.
///
/// # Errors
/// When it cannot be made.
pub fn browser(stays: bool) -> Result<reqwest::Client> {
    let _ = rustls::crypto::ring::default_provider().install_default();
    let redirects =
        if stays { reqwest::redirect::Policy::none() } else { reqwest::redirect::Policy::limited(5) };
    Ok(reqwest::Client::builder().redirect(redirects).no_proxy().build()?)
}

/// Sends SIGINT, as a terminal does at Ctrl-C.
///
/// # Errors
/// When it ended already.
pub async fn interrupt(child: &Child) -> Result<()> {
    let id = child.id().context("it ended already")?;
    let sent = Command::new("sh").args(["-c", &format!("kill -INT {id}")]).status().await?;
    if sent.success() { Ok(()) } else { bail!("the process {id} is gone") }
}

/// Masks for values that differ from run to run.
pub fn masks(stage: &Stage) -> Vec<(String, &'static str)> {
    let folder = stage.folder.path().to_string_lossy().replace('.', "\\.");
    [
        (folder.as_str(), "[FOLDER]"),
        (r"127\.0\.0\.1:\d+", "127.0.0.1:[PORT]"),
        (r"\d{4}-\d\d-\d\d \d\d:\d\d:\d\d UTC", "[TIME]"),
        (r"\d{4}-\d\d-\d\d \d\d:\d\d:\d\d\.\d{3}", "[TIME]"),
        (r"\d{4}-\d\d-\d\d \d\d:\d\d", "[TIME]"),
        (r"x-expires=\d+&x-signature=[0-9a-f]+", "[SIGNATURE]"),
        (r"job_[0-9a-f]{20}", "[JOB]"),
        (r"ch_[0-9a-f]{20}", "[CHANNEL]"),
        (r"\b[0-9a-f]{64}\b", "[DIGEST]"),
        (r"\b[0-9a-f]{12}\b", "[DIGEST]"),
        (r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}", "[ACCOUNT]"),
        (r"\b\d{17,20}\b", "[POST]"),
        (r"\d+\.\d\d kB", "[SIZE]"),
        (r"--cursor \S+", "--cursor [CURSOR]"),
    ]
    .into_iter()
    .map(|(pattern, mask)| (pattern.to_owned(), mask))
    .collect()
}

//! `cargo xtask bench peers`: Social Channel beside what people would take instead, with one simulated platform: Rust with
//! reqwest, Extism, PHP's curl, Node. Every peer is a process of its own that says what it measured; they run in turns
//! (A B C A B C), so that a busy moment of the machine meets all of them.
//!
//! `bench-peers RELEASE_FOLDER GUEST.wasm PEERS_FOLDER JSON`

mod native;
mod peer;
mod plugin;

use std::fmt::Write as _;
use std::io::{BufRead as _, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdin, Command, Stdio};

use anyhow::{Context as _, Result, bail};
use serde_json::{Value, json};

use crate::peer::Task;

/// Calls under way at the same moment.
pub(crate) const AT_ONCE: usize = 64;
/// Below the provider's own limit of 600 a minute and account, of which it counts one call in ten.
const CALLS: usize = 400;
const TURNS: usize = 5;
const UPLOADS: usize = 3;
const GIB: u64 = 1 << 30;

fn main() -> Result<()> {
    let words: Vec<String> = std::env::args().skip(1).collect();
    let word = |index: usize| words.get(index).context("an argument is missing");
    match word(0)?.as_str() {
        "native" => {
            let runtime = tokio::runtime::Runtime::new()?;
            runtime.block_on(native::run(&Task::read(words.get(1..).unwrap_or_default())?))
        }
        way @ ("extism-fresh" | "extism-warm") => {
            let task = Task::read(words.get(2..).unwrap_or_default())?;
            plugin::run(Path::new(word(1)?), way == "extism-fresh", &task)
        }
        _ => Bench { release: word(0)?.into(), guest: word(1)?.into(), scripts: word(2)?.into() }
            .measure(Path::new(word(3)?)),
    }
}

/// The simulated platform, which ends with this.
struct Platform {
    child: Child,
    _input: ChildStdin,
    origin: String,
    policy: Value,
}

impl Platform {
    fn start(program: &Path) -> Result<Self> {
        let mut child = Command::new(program)
            .args(["--port", "0", "--auto-consent", "--describe", "--until-eof"])
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .with_context(|| format!("{} cannot be started", program.display()))?;
        let input = child.stdin.take().context("no input")?;
        let mut line = String::new();
        BufReader::new(child.stdout.take().context("no output")?).read_line(&mut line)?;
        let told: Value = serde_json::from_str(&line)?;
        let origin = told.get("origin").and_then(Value::as_str).context("no origin")?.to_owned();
        let policy = json!({"connect_to": told.get("connect_to").context("no policy")?});
        let platform = Platform { child, _input: input, origin, policy };
        // No limits and no waiting, because the platform is not measured.
        let switches = json!({"rate_limit_divisor": 0, "hash_uploads": false, "processing_ms": 0, "processing_polls": 0});
        in_runtime(async {
            let request = http()?
                .patch(format!("{}/_simulator/switches", platform.origin))
                .header("content-type", "application/json")
                .body(switches.to_string());
            let status = request.send().await?.status();
            if status.is_success() { Ok(()) } else { bail!("the switches were refused: {status}") }
        })?;
        Ok(platform)
    }

    /// A consent by hand, for peers that bring their own client.
    fn token(&self) -> Result<String> {
        const VERIFIER: &str = "bench-verifier-0123456789-0123456789-0123456789";
        /// Its SHA-256 in hexadecimal, as TikTok has it for desktop apps.
        const CHALLENGE: &str = "f7b663fa0ed84c4e20e1d0d98a296e9c8d70ca84cd1a07c33b39a1d38f0936a0";
        const CALLBACK: &str = "http://127.0.0.1:9123/callback";
        let app = [("client_key", "simkey-desktop"), ("redirect_uri", CALLBACK)];
        in_runtime(async {
            let http = http()?;
            let authorize = format!("{}/v2/auth/authorize/", self.origin);
            let query = [
                ("response_type", "code"),
                ("scope", "user.info.basic,user.info.profile,user.info.stats,video.list,video.publish"),
                ("state", "bench"),
                ("code_challenge", CHALLENGE),
                ("code_challenge_method", "S256"),
            ];
            let mut url = url::Url::parse_with_params(&authorize, app.iter().chain(&query))?;
            while !url.as_str().starts_with(CALLBACK) {
                let answer = http.get(url.clone()).send().await?;
                let next = answer.headers().get("location").context("the consent does not go on")?;
                url = url.join(next.to_str()?)?;
            }
            let code = url.query_pairs().find(|(name, _)| name == "code").context("no code")?.1.into_owned();
            let form = [
                ("client_secret", "simsecret-desktop-0001"),
                ("grant_type", "authorization_code"),
                ("code_verifier", VERIFIER),
                ("code", &code),
            ];
            let body = url::Url::parse_with_params("http://x/", app.iter().chain(&form))?;
            let request = http
                .post(format!("{}/v2/oauth/token/", self.origin))
                .header("content-type", "application/x-www-form-urlencoded")
                .body(body.query().unwrap_or_default().to_owned());
            let answer: Value = serde_json::from_slice(&request.send().await?.bytes().await?)?;
            let token = answer.get("access_token").and_then(Value::as_str);
            Ok(token.with_context(|| format!("no token: {answer}"))?.to_owned())
        })
    }
}

impl Drop for Platform {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn http() -> Result<reqwest::Client> {
    Ok(reqwest::Client::builder().no_proxy().redirect(reqwest::redirect::Policy::none()).build()?)
}

fn in_runtime<T>(work: impl Future<Output = Result<T>>) -> Result<T> {
    tokio::runtime::Builder::new_current_thread().enable_all().build()?.block_on(work)
}

/// One way to do the work.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Way {
    Native,
    Ours,
    ExtismFresh,
    ExtismWarm,
    PhpCurl,
    PhpOurs,
    PhpSocket,
    NodeFetch,
    NodeClient,
}

impl Way {
    const ALL: [(Way, &'static str); 9] = [
        (Way::Native, "Rust, reqwest"),
        (Way::Ours, "**Rust, Social Channel**"),
        (Way::ExtismFresh, "Rust, Extism 1.41, fresh instance"),
        (Way::ExtismWarm, "Rust, Extism 1.41, kept instance"),
        (Way::PhpCurl, "PHP, curl"),
        (Way::PhpOurs, "**PHP, Social Channel by FFI**"),
        (Way::PhpSocket, "**PHP, Social Channel by socket**"),
        (Way::NodeFetch, "Node, fetch"),
        (Way::NodeClient, "Node, small client"),
    ];

    /// A PHP process waits for each of its calls; and which instance Extism has does not matter for an upload.
    fn can(self, work: &str) -> bool {
        match self {
            Way::PhpOurs | Way::PhpSocket => work != "at-once",
            Way::ExtismFresh => work != "upload",
            _ => true,
        }
    }
}

/// Medians and spreads of one way.
#[derive(Default)]
struct Row {
    micros: Vec<f64>,
    rates: Vec<f64>,
    uploads: Vec<f64>,
    peak_kib: u64,
}

struct Bench {
    release: PathBuf,
    guest: PathBuf,
    scripts: PathBuf,
}

impl Bench {
    fn measure(&self, json: &Path) -> Result<()> {
        let folder = Folder::new()?;
        let video = folder.0.join("video.mp4");
        let head = std::fs::read(self.scripts.join("../../../examples/head.mp4"))?;
        std::fs::write(&video, head)?;
        std::fs::OpenOptions::new().write(true).open(&video)?.set_len(GIB)?;
        let mut rows: Vec<(Way, &str, Row)> =
            Way::ALL.into_iter().map(|(way, name)| (way, name, Row::default())).collect();
        let load = load();
        for turn in 0..TURNS {
            // A new one, whose account has posted nothing today.
            let platform = Platform::start(&self.release.join("tiktok-simulator"))?;
            for (way, name, row) in &mut rows {
                let said = |what: &str| eprintln!("turn {} of {TURNS}: {name}, {what}", turn + 1);
                said("one call");
                let told = self.run(&platform, *way, "profile", &CALLS.to_string(), &folder.0)?;
                let micros = told.get("micros").and_then(Value::as_array).context("no times")?;
                row.micros.extend(micros.iter().filter_map(Value::as_f64));
                if way.can("at-once") {
                    said("many at once");
                    let told = self.run(&platform, *way, "at-once", &CALLS.to_string(), &folder.0)?;
                    row.rates.push(CALLS as f64 / seconds(&told)?);
                }
                if turn < UPLOADS && way.can("upload") {
                    said("upload");
                    let told =
                        self.run(&platform, *way, "upload", &video.display().to_string(), &folder.0)?;
                    row.uploads.push(GIB as f64 / 1e6 / seconds(&told)?);
                    row.peak_kib =
                        row.peak_kib.max(told.get("peak_kib").and_then(Value::as_u64).unwrap_or(0));
                }
            }
        }
        println!(
            "Load before {load}, after {}; medians of {TURNS} turns of {CALLS} calls, {AT_ONCE} at once, and of {UPLOADS} uploads; in \
             brackets the 10th and the 90th of a hundred.\n",
            self::load()
        );
        println!(
            "| | one `profile` | calls/s | upload of 1 GiB, MB/s | memory above idle |\n| --- | --- | --- | --- | --- |"
        );
        let mut all = Vec::new();
        for (_, name, row) in rows {
            let memory =
                if row.uploads.is_empty() { "-".to_owned() } else { format!("{} MiB", row.peak_kib >> 10) };
            println!(
                "| {name} | {} | {} | {} | {memory} |",
                shown(&row.micros, " µs"),
                shown(&row.rates, ""),
                shown(&row.uploads, "")
            );
            all.push(json!({
                "name": name.trim_matches('*'), "profile_micros": spread(&row.micros), "calls_per_second": spread(&row.rates),
                "upload_megabytes_per_second": spread(&row.uploads), "upload_peak_kib": row.peak_kib,
            }));
        }
        let all = json!({"load_before": load, "load_after": self::load(), "rows": all});
        std::fs::write(json, serde_json::to_vec_pretty(&all)?)?;
        println!("\nas JSON: {}", json.display());
        Ok(())
    }

    /// One process of one way.
    fn run(&self, platform: &Platform, way: Way, work: &str, value: &str, folder: &Path) -> Result<Value> {
        let script = |name: &str| self.scripts.join(name);
        let brings = |command: &mut Command| -> Result<()> {
            command.args([&platform.origin, &platform.token()?, work, value]);
            Ok(())
        };
        let mut command = match way {
            Way::Native | Way::ExtismFresh | Way::ExtismWarm => Command::new(std::env::current_exe()?),
            Way::PhpCurl | Way::PhpOurs | Way::PhpSocket => Command::new("php"),
            Way::NodeFetch | Way::NodeClient => Command::new("node"),
            Way::Ours => Command::new(self.release.join("bench")),
        };
        let mut service = None;
        match way {
            Way::Native => {
                command.arg("native");
                brings(&mut command)?;
            }
            Way::ExtismFresh | Way::ExtismWarm => {
                command
                    .arg(if way == Way::ExtismFresh { "extism-fresh" } else { "extism-warm" })
                    .arg(&self.guest);
                brings(&mut command)?;
            }
            Way::PhpCurl => {
                command.arg(script("peer.php")).arg("curl");
                brings(&mut command)?;
            }
            Way::NodeFetch | Way::NodeClient => {
                command.arg(script("peer.mjs")).arg(if way == Way::NodeFetch { "fetch" } else { "client" });
                brings(&mut command)?;
            }
            Way::Ours | Way::PhpOurs | Way::PhpSocket => {
                let (data, channel) = self.connected(platform, folder)?;
                match way {
                    Way::Ours => {
                        command.arg("child").arg(&data).args([
                            &platform.origin,
                            "peer",
                            &channel,
                            work,
                            value,
                        ]);
                    }
                    Way::PhpOurs => {
                        let library = self.release.join("libsocialchannel.so");
                        let config = json!({"library": library, "data": data, "policy": platform.policy});
                        command.args(["-d", "ffi.enable=true"]).arg(script("peer.php")).arg("ours");
                        command.args([&config.to_string(), &channel, work, value]);
                    }
                    _ => {
                        let (started, address) = self.service(platform, &data)?;
                        service = Some(started);
                        command.arg(script("peer.php")).arg("ours");
                        command.args([&json!({ "service": address }).to_string(), &channel, work, value]);
                    }
                }
            }
        }
        let output = command.stderr(Stdio::inherit()).output()?;
        drop(service);
        if !output.status.success() {
            bail!("a peer failed: {}, {work}: {}", Path::new(command.get_program()).display(), output.status);
        }
        let said = String::from_utf8(output.stdout)?;
        serde_json::from_str(said.lines().last().unwrap_or_default())
            .with_context(|| format!("no JSON: {said}"))
    }

    /// A data folder with one account, whose allowance is unused.
    fn connected(&self, platform: &Platform, folder: &Path) -> Result<(PathBuf, String)> {
        let data = folder.join("data");
        let _ = std::fs::remove_dir_all(&data);
        std::fs::create_dir(&data)?;
        let output = Command::new(self.release.join("bench"))
            .arg("connect")
            .arg(&data)
            .arg(&platform.origin)
            .stderr(Stdio::inherit())
            .output()?;
        if !output.status.success() {
            bail!("no account was connected: {}", output.status);
        }
        Ok((data, String::from_utf8(output.stdout)?.trim().to_owned()))
    }

    /// A service with it, and its socket.
    fn service(&self, platform: &Platform, data: &Path) -> Result<(Service, String)> {
        let policy = data.join("policy.json");
        std::fs::write(&policy, platform.policy.to_string())?;
        let address = format!("unix:{}", data.join("service.sock").display());
        let mut child = Command::new(self.release.join("social-channel"))
            .arg("--data")
            .arg(data)
            .arg("--policy")
            .arg(policy)
            .args(["--quiet", "serve", "--listen", &address])
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()?;
        let mut line = String::new();
        BufReader::new(child.stdout.take().context("no output")?).read_line(&mut line)?;
        Ok((Service(child), address))
    }
}

/// A service that ends with this.
struct Service(Child);

impl Drop for Service {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// A folder that ends with this.
struct Folder(PathBuf);

impl Folder {
    fn new() -> Result<Self> {
        let path = std::env::temp_dir().join(format!("bench-peers-{}", std::process::id()));
        std::fs::create_dir(&path)?;
        Ok(Folder(path))
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.0);
    }
}

fn seconds(told: &Value) -> Result<f64> {
    told.get("seconds").and_then(Value::as_f64).context("no time")
}

fn load() -> String {
    std::fs::read_to_string("/proc/loadavg")
        .unwrap_or_default()
        .split(' ')
        .next()
        .unwrap_or_default()
        .to_owned()
}

/// The 10th, the 50th and the 90th of a hundred.
fn spread(values: &[f64]) -> Option<[f64; 3]> {
    let mut values = values.to_vec();
    values.sort_unstable_by(f64::total_cmp);
    let at = |share: f64| values.get((share * values.len().checked_sub(1)? as f64).round() as usize).copied();
    Some([at(0.1)?, at(0.5)?, at(0.9)?])
}

fn shown(values: &[f64], unit: &str) -> String {
    let Some([low, median, high]) = spread(values) else { return "-".to_owned() };
    let mut text = format!("{median:.0}{unit}");
    let _ = write!(text, " ({low:.0}–{high:.0})");
    text
}

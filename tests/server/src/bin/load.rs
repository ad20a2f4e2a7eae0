//! Load test of the service: reads of a channel, event streams, uploads. The service runs in a separate
//! process (`served`, beside this program), so that its memory is its own.
//!
//! `cargo run --release -p server-tests --bin load` after `cargo build --release -p server-tests --bin served`. With the
//! argument `flood` it measures instead what one tenant feels while another makes more slow calls than there are places.

use std::process::Stdio;
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, bail};
use futures::future::try_join_all;
use library_tests::{Stage, connect, until};
use social_channel::{Error, Tenant};
use tiktok_simulator::{Account, Action, Fault};
use tokio::io::{AsyncBufReadExt as _, AsyncReadExt as _, AsyncWriteExt as _, BufReader};
use tokio::net::TcpStream;

const CONNECTIONS: usize = 32;
const READING: Duration = Duration::from_secs(10);
const STREAMS: usize = 200;
const UPLOADS: usize = 50;
const UPLOAD: usize = 100 << 20;

/// Slow calls of one tenant: more than there are places.
const FLOOD: usize = 1_100;
/// Of them have reached the platform when measuring begins; one tenant has three quarters of the places at most.
const ARRIVED: usize = 700;

/// Another tenant's profile during a flood of calls to a platform that takes two seconds for each.
async fn flood() -> Result<()> {
    let mut world = library_tests::world();
    for name in ["flooder", "beside", "quiet.one"] {
        world.accounts.push(Account { username: name.to_owned(), ..Account::default() });
    }
    let stage = Stage::in_world(world, |builder| builder).await?;
    let connected = async |tenant: &str, account: &str| {
        stage.simulator.edit(|world| world.switches.auto_consent.account = Some(account.to_owned()));
        let tenant = stage.host.tenant(tenant.parse()?);
        let channel = connect(&tenant, None).await?.id;
        anyhow::Ok((tenant, channel))
    };
    let (flood, flooder) = connected("flood", "flooder").await?;
    let (_, beside) = connected("flood", "beside").await?;
    let (quiet, channel) = connected("quiet", "quiet.one").await?;
    let slow = Fault::new(Action::Delay { ms: 2_000 }).account("flooder").path("/v2/user/info/");
    stage.simulator.faults().add(slow.times(0));
    let measured = async |what: &str, tenant: &Tenant, channel: &str| {
        let mut took = Vec::new();
        for _ in 0..100 {
            let begun = Instant::now();
            tenant.profile(channel).await?;
            took.push(begun.elapsed());
        }
        took.sort();
        let at = |part: usize| took.get(took.len() * part / 100).copied().unwrap_or_default();
        println!("profile {what}: p50 {:.1?}, p99 {:.1?}", at(50), at(99));
        anyhow::Ok(())
    };
    measured("without a flood", &quiet, &channel).await?;
    let before = stage.requests("/v2/user/info/");
    let mut calls = tokio::task::JoinSet::<()>::new();
    for _ in 0..FLOOD {
        let (flood, flooder) = (flood.clone(), flooder.clone());
        calls.spawn(async move {
            loop {
                // Who is refused comes again when it was told to.
                if let Err(Error { retry_after: Some(wait), .. }) = flood.profile(&flooder).await {
                    tokio::time::sleep(wait).await;
                }
            }
        });
    }
    until("the flood arrives at the platform", async || {
        (stage.requests("/v2/user/info/") >= before + ARRIVED).then_some(())
    })
    .await;
    measured("beside 1,100 slow calls of another tenant", &quiet, &channel).await?;
    measured("behind 1,100 slow calls of the same tenant", &flood, &beside).await
}

#[tokio::main]
async fn main() -> Result<()> {
    if std::env::args().nth(1).as_deref() == Some("flood") {
        return flood().await;
    }
    let program = std::env::current_exe()?.with_file_name("served");
    let mut served = tokio::process::Command::new(program)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .kill_on_drop(true)
        .spawn()
        .context("build `served` first")?;
    let mut line = String::new();
    BufReader::new(served.stdout.take().context("no output")?).read_line(&mut line).await?;
    let service = Service::new(&serde_json::from_str(&line)?)?;
    println!("idle: {} MiB", service.memory("VmRSS")?);
    service.reads().await?;
    service.streams().await?;
    service.uploads().await?;
    drop(served.stdin.take());
    served.wait().await?;
    Ok(())
}

struct Service {
    host: String,
    key: String,
    channel: String,
    upload: String,
    pid: u64,
}

impl Service {
    fn new(facts: &serde_json::Value) -> Result<Self> {
        let text = |name: &str| facts[name].as_str().map(str::to_owned).context("a fact is missing");
        Ok(Service {
            host: text("address")?.trim_start_matches("http://").to_owned(),
            key: text("key")?,
            channel: text("channel")?,
            upload: text("upload")?,
            pid: facts["pid"].as_u64().context("a fact is missing")?,
        })
    }

    /// MiB of the service's process, as the kernel counts.
    fn memory(&self, name: &str) -> Result<u64> {
        let status = std::fs::read_to_string(format!("/proc/{}/status", self.pid))?;
        let line = status.lines().find(|line| line.starts_with(name)).context("no such figure")?;
        let kib: u64 = line.split_whitespace().nth(1).context("no figure")?.parse()?;
        Ok(kib >> 10)
    }

    fn head(&self, line: &str, more: &str) -> String {
        format!("{line} HTTP/1.1\r\nhost: {}\r\nauthorization: Bearer {}\r\n{more}\r\n", self.host, self.key)
    }

    async fn connect(&self) -> Result<BufReader<TcpStream>> {
        let stream = TcpStream::connect(&self.host).await?;
        stream.set_nodelay(true)?;
        Ok(BufReader::new(stream))
    }

    async fn reads(&self) -> Result<()> {
        let request = self.head(&format!("GET /api/v1/channels/{}", self.channel), "");
        let end = Instant::now() + READING;
        let readers = (0..CONNECTIONS).map(|_| async {
            let mut connection = self.connect().await?;
            let mut took = Vec::new();
            while Instant::now() < end {
                let begun = Instant::now();
                connection.get_mut().write_all(request.as_bytes()).await?;
                let (status, _) = answer(&mut connection).await?;
                if status != 200 {
                    bail!("status {status}");
                }
                took.push(begun.elapsed());
            }
            Ok(took)
        });
        let mut took: Vec<Duration> = try_join_all(readers).await?.into_iter().flatten().collect();
        took.sort();
        let at = |part: usize| took.get(took.len() * part / 1000).copied().unwrap_or_default();
        println!(
            "GET /channels/{{id}}, {CONNECTIONS} connections: {:.0} a second, p50 {:.1?}, p99 {:.1?}, {} MiB",
            took.len() as f64 / READING.as_secs_f64(),
            at(500),
            at(990),
            self.memory("VmRSS")?
        );
        Ok(())
    }

    async fn streams(&self) -> Result<()> {
        let later = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH)?.as_secs() + 7200;
        let body = format!(
            r#"{{"post":{{"kind":"video","text":"x","visibility":"PUBLIC_TO_EVERYONE"}},"media":[{{"upload":"{}","content_type":"video/mp4"}}],"publish_at":{later}}}"#,
            self.upload
        );
        let more = format!("content-type: application/json\r\ncontent-length: {}\r\n", body.len());
        let mut connection = self.connect().await?;
        let request = self.head(&format!("POST /api/v1/channels/{}/jobs", self.channel), &more) + &body;
        connection.get_mut().write_all(request.as_bytes()).await?;
        let (_, job) = answer(&mut connection).await?;
        let job: serde_json::Value = serde_json::from_slice(&job)?;
        let id = job["id"].as_str().with_context(|| format!("no job: {job}"))?;

        let begun = Instant::now();
        let request = self.head(&format!("GET /api/v1/jobs/{id}/events"), "connection: close\r\n");
        let open = try_join_all((0..STREAMS).map(|_| async {
            let mut connection = self.connect().await?;
            connection.get_mut().write_all(request.as_bytes()).await?;
            let mut line = String::new();
            while !line.starts_with("data:") {
                line.clear();
                if connection.read_line(&mut line).await? == 0 {
                    bail!("a stream ended early");
                }
            }
            Ok(connection)
        }))
        .await?;
        let first = begun.elapsed();
        let before = cpu(self.pid)?;
        tokio::time::sleep(Duration::from_secs(5)).await;
        let busy = cpu(self.pid)? - before;
        let cancel = self.head(&format!("POST /api/v1/jobs/{id}/cancel"), "content-length: 0\r\n");
        let begun = Instant::now();
        connection.get_mut().write_all(cancel.as_bytes()).await?;
        try_join_all(open.into_iter().map(|mut connection| async move {
            let mut rest = String::new();
            connection.read_to_string(&mut rest).await?;
            if rest.contains(r#""status":"cancelled""#) { Ok(()) } else { bail!("a stream missed the end") }
        }))
        .await?;
        println!(
            "{STREAMS} event streams: first event of all after {first:.0?}, the end known to all after {:.0?}; \
             while nothing happens {:.0} % of one core, {} MiB",
            begun.elapsed(),
            busy / 5.0 * 100.0,
            self.memory("VmRSS")?
        );
        Ok(())
    }

    async fn uploads(&self) -> Result<()> {
        let before = self.memory("VmRSS")?;
        let chunk = vec![7u8; 1 << 20];
        let begun = Instant::now();
        let watch = tokio::spawn(peak(self.pid));
        let request = self.head("POST /api/v1/uploads", &format!("content-length: {UPLOAD}\r\n"));
        try_join_all((0..UPLOADS).map(|_| async {
            let mut connection = self.connect().await?;
            connection.get_mut().write_all(request.as_bytes()).await?;
            for _ in 0..UPLOAD >> 20 {
                connection.get_mut().write_all(&chunk).await?;
            }
            let (status, body) = answer(&mut connection).await?;
            if status != 201 {
                bail!("status {status}: {}", String::from_utf8_lossy(&body));
            }
            let upload: serde_json::Value = serde_json::from_slice(&body)?;
            let id = upload["id"].as_str().context("no id")?;
            let delete = self.head(&format!("DELETE /api/v1/uploads/{id}"), "");
            connection.get_mut().write_all(delete.as_bytes()).await?;
            answer(&mut connection).await
        }))
        .await?;
        let took = begun.elapsed();
        watch.abort();
        let most = PEAK.load(std::sync::atomic::Ordering::Relaxed);
        println!(
            "{UPLOADS} uploads of {} MiB at once: {took:.1?} ({:.0} MiB a second), {before} MiB before, {most} MiB at most",
            UPLOAD >> 20,
            (UPLOADS * (UPLOAD >> 20)) as f64 / took.as_secs_f64(),
        );
        Ok(())
    }
}

static PEAK: std::sync::atomic::AtomicU64 = std::sync::atomic::AtomicU64::new(0);

async fn peak(pid: u64) {
    loop {
        let status = std::fs::read_to_string(format!("/proc/{pid}/status")).unwrap_or_default();
        let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:")?.split_whitespace().next());
        let kib: u64 = line.and_then(|kib| kib.parse().ok()).unwrap_or_default();
        PEAK.fetch_max(kib >> 10, std::sync::atomic::Ordering::Relaxed);
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}

/// Seconds of processor time that a process has used.
fn cpu(pid: u64) -> Result<f64> {
    let stat = std::fs::read_to_string(format!("/proc/{pid}/stat"))?;
    let rest = stat.rsplit(')').next().context("no figures")?;
    let fields: Vec<&str> = rest.split_whitespace().collect();
    let ticks = |at: usize| fields.get(at).and_then(|text| text.parse::<f64>().ok()).unwrap_or_default();
    // The kernel reports hundredths of a second, independent of its own clock.
    Ok((ticks(11) + ticks(12)) / 100.0)
}

/// Reads one response of known length.
async fn answer(connection: &mut BufReader<TcpStream>) -> Result<(u16, Vec<u8>)> {
    let mut status = 0;
    let mut length = 0;
    let mut line = String::new();
    loop {
        line.clear();
        if connection.read_line(&mut line).await? == 0 {
            bail!("the service closed the connection");
        }
        if let Some(rest) = line.strip_prefix("HTTP/1.1 ") {
            status = rest.get(..3).unwrap_or_default().parse()?;
        } else if let Some(rest) = line.strip_prefix("content-length: ") {
            length = rest.trim().parse()?;
        } else if line == "\r\n" {
            break;
        }
    }
    let mut body = vec![0; length];
    connection.read_exact(&mut body).await?;
    Ok((status, body))
}

//! A read over HTTP, many at once: a channel of the service beside the same bytes from the bare web framework.
//!
//! The clients and the server share this machine's processors, so the clients do as little as they can: fixed requests on
//! connections that stay, and answers of which only the length is read.

use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, bail};
use axum::Router;
use axum::http::header::CONTENT_TYPE;
use axum::routing::get;
use library_tests::Stage;
use social_channel_server::Access;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};

use crate::service::Service;
use crate::table::{Figure, Table};

const CONNECTIONS: usize = 32;
const ROUND: Duration = Duration::from_secs(2);
const ROUNDS: usize = 5;

pub(crate) async fn measure(table: &mut Table) -> Result<()> {
    let stage = Stage::in_world(crate::fast_world(), |builder| builder.background(false)).await?;
    let channel = stage.connect().await?.id;
    let key = Access::of(&stage.host).create_api_key("bench", None).await?.text.expose().to_owned();
    let service = Service::start(&stage, "serve", key.clone()).await?;
    let bare = Service::start(&stage, "serve-bare", key.clone()).await?;
    let target = |service: &Service| Target::new(&service.at, &format!("/api/v1/channels/{channel}"), &key);
    let (service, bare) = (target(&service)?, target(&bare)?);
    for target in [&service, &bare] {
        round(target, ROUND / 4).await?;
    }
    let (mut ours, mut theirs, mut slowest) = (Vec::new(), Vec::new(), Vec::new());
    for _ in 0..ROUNDS {
        let (rate, late) = round(&service, ROUND).await?;
        ours.push(rate);
        slowest.push(late);
        theirs.push(round(&bare, ROUND).await?.0);
    }
    let (ours, theirs) = (Figure::of(ours, "a second"), Figure::of(theirs, "a second"));
    let slowest = Figure::of(slowest, "ms");
    let goal = format!(">= 8000 a second and p99 < 10 ms; p99 is {:.1} ms", slowest.median);
    let reached = ours.median >= 8_000.0 && slowest.median < 10.0;
    table.row("GET of a channel by the service, 32 at once", &ours, Some(&theirs), &goal, reached);
    Ok(())
}

/// Where requests go, and their bytes.
struct Target {
    address: String,
    request: Vec<u8>,
}

impl Target {
    fn new(origin: &str, path: &str, key: &str) -> Result<Self> {
        let address = origin.strip_prefix("http://").context("not plain HTTP")?.to_owned();
        let request =
            format!("GET {path} HTTP/1.1\r\nhost: {address}\r\nauthorization: Bearer {key}\r\n\r\n");
        Ok(Target { address, request: request.into_bytes() })
    }
}

/// Answers a second, and the time in milliseconds below which 99 of 100 were.
async fn round(target: &Target, length: Duration) -> Result<(f64, f64)> {
    let begun = Instant::now();
    let mut tasks = tokio::task::JoinSet::new();
    for _ in 0..CONNECTIONS {
        let (address, request) = (target.address.clone(), target.request.clone());
        tasks.spawn(async move {
            let mut stream = TcpStream::connect(address).await?;
            stream.set_nodelay(true)?;
            let mut times = Vec::new();
            while begun.elapsed() < length {
                let asked = Instant::now();
                stream.write_all(&request).await?;
                read(&mut stream).await?;
                times.push(asked.elapsed());
            }
            anyhow::Ok(times)
        });
    }
    let mut times = Vec::new();
    while let Some(done) = tasks.join_next().await {
        times.extend(done??);
    }
    let took = begun.elapsed();
    times.sort_unstable();
    let late = times.get(times.len() * 99 / 100).copied().unwrap_or_default();
    Ok((times.len() as f64 / took.as_secs_f64(), late.as_secs_f64() * 1e3))
}

/// One whole answer.
async fn read(stream: &mut TcpStream) -> Result<()> {
    let mut seen = Vec::with_capacity(2 << 10);
    let head = loop {
        if stream.read_buf(&mut seen).await? == 0 {
            bail!("the connection ended");
        }
        if let Some(end) = seen.windows(4).position(|bytes| bytes == b"\r\n\r\n") {
            break end + 4;
        }
    };
    let text = String::from_utf8_lossy(seen.get(..head).unwrap_or_default()).to_ascii_lowercase();
    if !text.starts_with("http/1.1 200") {
        bail!("refused: {text}");
    }
    let length = text.lines().find_map(|line| line.strip_prefix("content-length: "));
    let length: usize = length.context("an answer without a length")?.trim().parse()?;
    while seen.len() < head + length {
        if stream.read_buf(&mut seen).await? == 0 {
            bail!("the connection ended");
        }
    }
    Ok(())
}

/// The alternative: the framework alone, which reads nothing and proves nobody. Prints its address; ends with its parent.
pub(crate) async fn serve_bare() -> Result<()> {
    let listener = TcpListener::bind(("127.0.0.1", 0)).await?;
    println!("http://{}", listener.local_addr()?);
    let body = format!(r#"{{"id":"ch_0","filling":"{}"}}"#, "x".repeat(400));
    let answer = move || std::future::ready(([(CONTENT_TYPE, "application/json")], body.clone()));
    let router = Router::new().route("/api/v1/channels/{id}", get(answer));
    let ended = async {
        let _ = tokio::io::stdin().read_to_end(&mut Vec::new()).await;
    };
    Ok(axum::serve(listener, router).with_graceful_shutdown(ended).await?)
}

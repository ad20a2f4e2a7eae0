//! A complete program in Rust: load a provider, configure it, connect an account, read it, publish a video,
//! and replace the provider meanwhile. It uses the simulator, so no key is needed:
//!
//! ```sh
//! cargo xtask guests
//! cargo run --bin sample-video -- /tmp/video.mp4 70_000_000
//! cargo run --bin tiktok-simulator -- --port 4010 --auto-consent &
//! cargo run --bin example-rust -- target/wasm32-wasip2/guest/plugin_tiktok.wasm /tmp/video.mp4 http://127.0.0.1:4010
//! ```
//!
//! With a real app, omit the last argument, and enter your key, secret and callback URL below.

use std::path::PathBuf;
use std::time::Duration;

use anyhow::{Context as _, Result, bail};
use serde_json::json;
use social_channel::model::ListQuery;
use social_channel::{Connect, ConnectOptions, Connected, Host, JobStatus, Policy, TenantId};
use tokio::io::{AsyncBufReadExt as _, AsyncReadExt as _, AsyncWriteExt as _, BufReader};
use tokio::net::TcpListener;

#[tokio::main]
async fn main() -> Result<()> {
    let mut arguments = std::env::args().skip(1);
    let usage = "usage: example-rust COMPONENT VIDEO [SIMULATOR]";
    let component = std::fs::read(arguments.next().context(usage)?).context("the component")?;
    let video = PathBuf::from(arguments.next().context(usage)?).canonicalize().context("the video")?;

    // Only the simulator's address differs from production.
    let policy: Policy = match arguments.next() {
        None => Policy::default(),
        Some(simulator) => serde_json::from_value(json!({"connect_to": [
            {"from": "https://www.tiktok.com", "to": simulator},
            {"from": "https://*.tiktokapis.com", "to": simulator},
        ]}))?,
    };
    let host = Host::builder().policy(policy).open().await?;
    let loaded = host.load_provider(&component).await?.provider;
    println!("loaded     {} {}", loaded.descriptor.name, loaded.descriptor.version);

    host.put_app(
        "demo",
        serde_json::from_value(json!({
            "provider": loaded.descriptor.id,
            "redirect_uri": "http://127.0.0.1:*/callback",
            "settings": {
                "client-key": "simkey-desktop",
                "client-secret": "simsecret-desktop-0001",
                "kind": "desktop",
            },
        }))?,
    )
    .await?;

    // A tenant sees only its own channels and jobs.
    let tenant = host.tenant(TenantId::default());
    let callback = TcpListener::bind("127.0.0.1:0").await?;
    let options = ConnectOptions {
        owner: "this-browser".to_owned(),
        redirect_uri: Some(format!("http://{}/callback", callback.local_addr()?)),
        ..ConnectOptions::default()
    };
    let Connect::Redirect { url, .. } = tenant.begin_connect("demo", options).await? else {
        bail!("this provider needs no browser");
    };
    println!("open       {url}");
    let query = wait_for_browser(&callback).await?;
    let Connected::Channel(channel) = tenant.complete_connect("this-browser", query).await? else {
        bail!("several accounts: pick one with choose_account");
    };
    println!("connected  {} ({})", channel.display_name, channel.id);

    let profile = tenant.profile(&channel.id).await?;
    println!("profile    @{} {}", profile.username.unwrap_or_default(), profile.bio.unwrap_or_default());
    let stats = tenant.stats(&channel.id).await?;
    // Absent means unknown, never zero.
    println!("followers  {}", stats.followers.map_or("unknown".to_owned(), |number| number.to_string()));
    let page = tenant.list_posts(&channel.id, &ListQuery { limit: 5, cursor: None }).await?;
    for post in &page.posts {
        println!("post       {} {}", post.id, post.text.as_deref().unwrap_or_default());
    }

    // The choices come from the platform; nothing is preselected.
    let form = tenant.publish_form(&channel.id).await?;
    let audiences = form.fields.iter().find(|field| field.name == "visibility").context("no audience")?;
    let audience = audiences.choices.first().context("this account may not post")?;
    let request = serde_json::from_value(json!({
        "post": {"kind": "video", "text": "From Rust", "visibility": audience.value},
        "media": [{"file": video}],
        "idempotency_key": "example-rust-1",
    }))?;
    let job = tenant.publish(&channel.id, request).await?;

    // Replaced at run time: the job continues with the component that started it, new calls use this one.
    host.load_provider(&component).await?;

    let mut shown = (String::new(), 0);
    loop {
        let job = tenant.wait_for_job(&job.id, Duration::from_millis(100)).await?;
        if shown != (job.phase.clone(), job.bytes_sent) {
            shown = (job.phase.clone(), job.bytes_sent);
            println!("{:<10} {} of {} bytes", job.phase, job.bytes_sent, job.bytes_total);
        }
        match job.status {
            JobStatus::Active => {}
            JobStatus::Published => {
                println!("published  {}", job.url.as_deref().unwrap_or("(no link yet)"));
                break;
            }
            other => bail!("{other:?}: {}", job.error.context("no reason was given")?),
        }
    }
    tenant.disconnect(&channel.id).await?;
    host.shutdown(Duration::from_secs(10)).await;
    Ok(())
}

/// A minimal web server: reads the query of the callback.
async fn wait_for_browser(listener: &TcpListener) -> Result<Vec<(String, String)>> {
    loop {
        let (mut browser, _) = listener.accept().await?;
        // Read to its end, or closing would discard the answer. The limit is larger than any callback request.
        let mut lines = BufReader::new((&mut browser).take(16 << 10)).lines();
        let line = lines.next_line().await?.unwrap_or_default();
        while lines.next_line().await?.is_some_and(|header| !header.is_empty()) {}
        let target = line.split(' ').nth(1).unwrap_or_default();
        let found = target.strip_prefix("/callback?").map(str::to_owned);
        let answer =
            if found.is_some() { "Connected. You may close this window." } else { "Nothing is here." };
        let head =
            format!("HTTP/1.1 200 OK\r\ncontent-length: {}\r\nconnection: close\r\n\r\n", answer.len());
        browser.write_all(format!("{head}{answer}").as_bytes()).await?;
        if let Some(query) = found {
            return Ok(social_channel::callback_query(&query));
        }
    }
}

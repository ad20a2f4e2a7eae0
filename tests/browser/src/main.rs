//! A test environment for the pages: simulator, host and service in one process, on free ports.
//!
//! Prints one line of JSON when everything is ready, and exits when its standard input closes, so that it does
//! not outlive the tests that started it. Tests control the simulator through its control API. `--filled` adds
//! demo data: keys, a channel, statistics of some weeks, jobs.

use social_channel_server::Access;
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context as _, Result, bail};
use clap::Parser;
use library_tests::{CALLBACK, NameServer, builder, component, request};
use serde_json::json;
use server_tests::Storage;
use social_channel::model::{ListQuery, Media};
use social_channel::{
    AppConfig, Channel, Connect, ConnectOptions, Connected, DomainRecord, Host, Listing, MovedClock,
    SecretText, Tenant, TenantId,
};
use social_channel_server::{Config, Listen, Server};
use tiktok_simulator::{Simulator, World};

/// The options of the test environment.
#[derive(Debug, Parser)]
struct Flags {
    /// Port of the service; 0 for a free one.
    #[arg(long, default_value_t = 0)]
    port: u16,
    /// Do not install the provider; the service offers it.
    #[arg(long)]
    empty: bool,
    /// Add keys, a channel, statistics of some weeks, and jobs.
    #[arg(long)]
    filled: bool,
    /// Also make the service, and a storage with a video, reachable at public addresses.
    #[arg(long)]
    public: bool,
    /// The password of the pages.
    #[arg(long)]
    password: Option<String>,
}

const DAY: Duration = Duration::from_secs(24 * 3600);

/// The modes of the provider's settings, and the corresponding registrations of the demo world.
const APPS: [(&str, &str, &str, &str); 3] = [
    ("tiktok-live", "live", "simkey-desktop", "simsecret-desktop-0001"),
    ("tiktok-sandbox", "sandbox", "sbsimkey-sandbox", "simsecret-sandbox-0001"),
    ("tiktok-unaudited", "live", "simkey-unaudited", "simsecret-unaudited-0001"),
];

fn main() -> Result<()> {
    let flags = Flags::parse();
    let _ = rustls::crypto::ring::default_provider().install_default();
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build()?;
    runtime.block_on(run(flags))
}

/// The demo world, with the callbacks of these apps registered as in the portal.
fn world() -> World {
    let mut world = World::demo();
    for app in &mut world.apps {
        for (name, _, key, _) in APPS {
            if app.client_key == key {
                app.redirect_uris.push(format!("http://127.0.0.1:*/callback/{name}"));
            }
        }
    }
    world
}

/// Where the platform fetches media with `--public`; reachable only through the mappings of host and simulator.
const PUBLIC: &str = "https://social.northwind.app";
/// The domain of the test name server, and its verification record.
const DOMAIN: &str = "northwind.app";
const PROOF: &str = "site-verification=4f1a";
/// The user's own storage.
const STORAGE: &str = "https://cdn.northwind.app";

async fn run(flags: Flags) -> Result<()> {
    let folder = tempfile::tempdir()?;
    let simulator = Simulator::start(world()).await?;
    let mut builder = builder(folder.path(), &simulator.origin())?;
    let mut front = None;
    if flags.public {
        // The browser uses the first address, because it could not use the second without a certificate.
        let listen = Listen::Tcp(([127, 0, 0, 1], 0).into());
        let config = Config {
            listen: vec![listen],
            public_address: Some(PUBLIC.to_owned()),
            workers: false,
            ..Config::default()
        };
        let server = Server::bind(config).await?;
        let Some(Listen::Tcp(address)) = server.addresses().pop() else { bail!("a port was expected") };
        let address = format!("http://{address}");
        let mut policy = library_tests::policy(&simulator.origin())?;
        policy.connect_to.push(format!("{PUBLIC} = {address}").parse()?);
        let clip = folder.path().join("clip.mp4");
        sample_video::write(&clip, 2_000_000)?;
        let storage = Storage::start(std::fs::read(clip)?).await?;
        policy.connect_to.push(format!("{STORAGE} = {}", storage.origin).parse()?);
        builder = builder.policy(policy);
        simulator.edit(|world| {
            world.connect_to.insert(PUBLIC.to_owned(), address);
            world.connect_to.insert(STORAGE.to_owned(), storage.origin.clone());
        });
        front = Some((server, storage));
    }
    let listen = Listen::Tcp(([127, 0, 0, 1], flags.port).into());
    let offered = component_path()?;
    let component_folder = offered.parent().filter(|_| flags.empty).map(Into::into);
    let config = Config { listen: vec![listen], sign_in_attempts: 3, component_folder, ..Config::default() };
    let server = Server::bind(config).await?;
    let origin = server.address().context("the service has no address")?;
    let clock = Arc::new(MovedClock::default());
    let names = NameServer::start().await?;
    names.set(DOMAIN, &["v=spf1 -all", PROOF]);
    let mut builder = server.prepare(builder)?.clock(clock.clone()).dns_server(names.address);
    // The demo data has jobs that end before the service and its worker run.
    builder = builder.background(flags.filled);
    if flags.public {
        builder = builder.public_address(PUBLIC);
    }
    let host = builder.open().await?;
    if !flags.empty {
        host.load_provider(&component("plugin_tiktok")?).await?;
    }
    if let Some(password) = &flags.password {
        Access::of(&host).set_password(Some(SecretText::new(password.as_str()))).await?;
    }
    if flags.filled {
        fill(&host, &simulator, &clock, folder.path()).await?;
    }
    let (closed, input) = tokio::sync::oneshot::channel::<()>();
    std::thread::spawn(move || {
        let _ = std::io::copy(&mut std::io::stdin(), &mut std::io::sink());
        let _ = closed.send(());
    });
    let video = folder.path().join("soup.mp4");
    sample_video::write(&video, 3_000_000)?;
    // More than a second.
    let long = folder.path().join("long.mp4");
    sample_video::write(&long, 20_000_000)?;
    let mut in_front = None;
    if let Some((front, storage)) = front {
        // A public address requires a password.
        Access::of(&host).create_api_key("stage", None).await?;
        let (stop, stopped) = tokio::sync::oneshot::channel::<()>();
        let running = tokio::spawn(front.run(host.clone(), async {
            let _ = stopped.await;
        }));
        in_front = Some((stop, running, storage));
    }
    println!(
        "{}",
        json!({ "storage": STORAGE, "origin": origin, "simulator": simulator.origin(), "component": offered, "video": video, "long": long })
    );
    server
        .run(host, async {
            let _ = input.await;
        })
        .await?;
    if let Some((stop, running, _storage)) = in_front {
        let _ = stop.send(());
        running.await??;
    }
    Ok(())
}

fn component_path() -> Result<std::path::PathBuf> {
    let exe = std::env::current_exe()?;
    let target = exe.ancestors().find(|folder| folder.join("wasm32-wasip2").is_dir());
    Ok(target
        .context("no component was built: run `cargo xtask guests` first")?
        .join("wasm32-wasip2/guest/plugin_tiktok.wasm"))
}

/// Adds data as if the service had run for some weeks.
async fn fill(
    host: &Host,
    simulator: &Simulator,
    clock: &MovedClock,
    folder: &std::path::Path,
) -> Result<()> {
    for (name, mode, key, secret) in APPS.into_iter().take(2) {
        let settings = [("client-key", key), ("client-secret", secret), ("kind", "desktop"), ("mode", mode)];
        host.put_app(
            name,
            AppConfig {
                provider: Some("tiktok".to_owned()),
                settings: settings.into_iter().map(|(name, value)| (name.to_owned(), value.into())).collect(),
                listing: Some(Listing {
                    domain_records: [(DOMAIN, PROOF), ("shop.northwind.app", PROOF)]
                        .map(|(domain, value)| DomainRecord {
                            domain: domain.to_owned(),
                            value: value.to_owned(),
                        })
                        .to_vec(),
                    ..Listing::default()
                }),
                ..AppConfig::default()
            },
        )
        .await?;
    }
    simulator.edit(|world| {
        world.switches.auto_consent.enabled = true;
        if let Some(account) = world.accounts.first_mut() {
            account.followers_per_hour = 9;
        }
    });
    let tenant = host.tenant(TenantId::default());
    let channel = connect(&tenant).await?;
    for _ in 0..30 {
        tenant.stats(&channel.id).await?;
        // The simulator's clock moves too, otherwise tokens would expire on one side only.
        clock.advance(DAY);
        simulator.clock().advance(DAY);
    }
    let video = folder.join("filled.mp4");
    sample_video::write(&video, 6_000_000)?;
    let video = Media { content_type: Some("video/mp4".to_owned()), ..Media::file(video) };
    // The file is given by its path, as by an embedding program.
    let job = tenant.publish(&channel.id, request("Tomato soup in four minutes #soup", video)).await?;
    tenant.wait_for_job(&job.id, library_tests::PATIENCE).await?;
    let moved = |by| {
        clock.advance(by);
        simulator.clock().advance(by);
    };
    library_tests::until("the id of the post", async || {
        moved(Duration::from_secs(60));
        tenant.job(&job.id).await.ok()?.post_id
    })
    .await;
    for _ in 0..12 {
        // This also stores the numbers of channel and posts.
        tenant.stats(&channel.id).await?;
        tenant.list_posts(&channel.id, &ListQuery { limit: 20, cursor: None }).await?;
        moved(DAY);
    }
    simulator.edit(|world| world.switches.auto_consent.enabled = false);
    Ok(())
}

async fn connect(tenant: &Tenant) -> Result<Channel> {
    let options = ConnectOptions {
        owner: "stage".to_owned(),
        redirect_uri: Some(CALLBACK.to_owned()),
        ..ConnectOptions::default()
    };
    let Connect::Redirect { url, .. } = tenant.begin_connect("tiktok-live", options).await? else {
        bail!("a browser was expected")
    };
    let callback = library_tests::browse(&url).await?;
    match tenant.complete_connect("stage", callback).await? {
        Connected::Channel(channel) => Ok(channel),
        _ => bail!("one account was expected"),
    }
}

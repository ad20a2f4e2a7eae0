//! A stage for the pages: a simulated TikTok, a host and the service, in one process, on free ports.
//!
//! Prints one line of JSON when all of it answers, and ends when its standard input closes, so that it never
//! outlives the tests that started it. Tests steer the simulator over its own control address. With `--filled`
//! there is something to see at once: keys, a channel, numbers of some weeks, jobs.

use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context as _, Result, bail};
use clap::Parser;
use library_tests::{CALLBACK, NameServer, builder, component, request};
use serde_json::json;
use server_tests::Storage;
use social_channel::model::Media;
use social_channel::{
    AppConfig, Channel, Connect, ConnectOptions, Connected, DomainRecord, Host, Listing, MovedClock,
    SecretText, Tenant, TenantId,
};
use social_channel_server::{Config, Listen, Server};
use tiktok_simulator::{Simulator, World};

/// How the stage is set.
#[derive(Debug, Parser)]
struct Flags {
    /// Port of the service; 0 for a free one.
    #[arg(long, default_value_t = 0)]
    port: u16,
    /// The provider is not installed yet.
    #[arg(long)]
    empty: bool,
    /// Keys, a channel, numbers of some weeks, and jobs are there.
    #[arg(long)]
    filled: bool,
    /// The world reaches the service at a public address, too, and a storage with a video beside it.
    #[arg(long)]
    public: bool,
    /// The pages ask for this password.
    #[arg(long)]
    password: Option<String>,
}

const DAY: Duration = Duration::from_secs(24 * 3600);

/// The modes of the provider's settings, and the registrations of the demo that play them.
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

/// The demo's world, with the callbacks of our apps registered as the portal would have it.
fn world() -> World {
    let mut world = World::demo();
    world.switches.media_origin = "self".to_owned();
    for app in &mut world.apps {
        for (name, _, key, _) in APPS {
            if app.client_key == key {
                app.redirect_uris.push(format!("http://127.0.0.1:*/callback/{name}"));
            }
        }
    }
    world
}

/// Where the platform fetches media with `--public`; only the maps of host and simulator lead there.
const PUBLIC: &str = "https://social.northwind.app";
/// The domain that the stage's name server knows, and the proof in its zone.
const DOMAIN: &str = "northwind.app";
const PROOF: &str = "site-verification=4f1a";
/// The person's own storage.
const STORAGE: &str = "https://cdn.northwind.app";

async fn run(flags: Flags) -> Result<()> {
    let folder = tempfile::tempdir()?;
    let simulator = Simulator::start(world()).await?;
    let mut builder = builder(folder.path(), &simulator.origin())?;
    let mut front = None;
    if flags.public {
        // The person's browser stays at the first address: without a certificate it could not use the second.
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
    let server =
        Server::bind(Config { listen: vec![listen], sign_in_attempts: 3, ..Config::default() }).await?;
    let origin = server.address().context("the service has no address")?;
    let clock = Arc::new(MovedClock::default());
    let names = NameServer::start().await?;
    names.set(DOMAIN, &["v=spf1 -all", PROOF]);
    let mut builder = server.prepare(builder)?.clock(clock.clone()).dns_server(names.address);
    if flags.public {
        builder = builder.public_address(PUBLIC);
    }
    let host = builder.open().await?;
    if !flags.empty {
        host.load_provider(&component("plugin_tiktok")?).await?;
    }
    if let Some(password) = &flags.password {
        host.set_password(Some(SecretText::new(password.as_str()))).await?;
    }
    if flags.filled {
        fill(&host, &simulator, &clock, folder.path()).await?;
    }
    let (closed, input) = tokio::sync::oneshot::channel::<()>();
    std::thread::spawn(move || {
        let _ = std::io::copy(&mut std::io::stdin(), &mut std::io::sink());
        let _ = closed.send(());
    });
    let component = component_path()?;
    let video = folder.path().join("soup.mp4");
    sample_video::write(&video, 3_000_000)?;
    // More than a second.
    let long = folder.path().join("long.mp4");
    sample_video::write(&long, 20_000_000)?;
    let mut in_front = None;
    if let Some((front, storage)) = front {
        // Behind a public address nobody is let in without one.
        host.create_api_key("stage", None).await?;
        let (stop, stopped) = tokio::sync::oneshot::channel::<()>();
        let running = tokio::spawn(front.run(host.clone(), async {
            let _ = stopped.await;
        }));
        in_front = Some((stop, running, storage));
    }
    println!(
        "{}",
        json!({ "storage": STORAGE, "origin": origin, "simulator": simulator.origin(), "component": component, "video": video, "long": long })
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

/// What a service looks like that has run for some weeks.
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
        // The simulator's clock goes along, or tokens would expire on one side only.
        clock.advance(DAY);
        simulator.clock().advance(DAY);
    }
    let video = folder.join("filled.mp4");
    sample_video::write(&video, 6_000_000)?;
    let video = Media { content_type: Some("video/mp4".to_owned()), ..Media::file(video) };
    // The stage's own file is named by its path, as an embedding program would.
    let job = tenant.publish(&channel.id, request("Tomato soup in four minutes #soup", video)).await?;
    tenant.wait_for_job(&job.id, library_tests::PATIENCE).await?;
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
        Connected::Choose { .. } => bail!("one account was expected"),
    }
}

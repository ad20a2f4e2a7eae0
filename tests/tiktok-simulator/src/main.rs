//! The simulator as a program. Flags only; everything it does is in the library.

use std::fs;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::path::PathBuf;

use anyhow::{Context, bail};
use clap::Parser;
use tiktok_simulator::{App, AppKind, Description, Secret, Simulator, Stage, World};
use tokio::signal::unix::{SignalKind, signal};

/// A strict stand-in for TikTok's servers.
///
/// Point your client's https://www.tiktok.com, https://open.tiktokapis.com and upload hosts at the printed
/// origin, and open it in a browser to see what your client did wrong.
#[derive(Debug, Parser)]
#[command(version)]
struct Flags {
    /// Port; 0 for a free one.
    #[arg(long, default_value_t = 4010)]
    port: u16,
    /// Address to listen on. Anything but loopback lets others steer the simulator.
    #[arg(long, default_value_t = IpAddr::V4(Ipv4Addr::LOCALHOST))]
    listen: IpAddr,
    /// World file (JSON); without it the demo world.
    #[arg(long, value_name = "FILE")]
    world: Option<PathBuf>,
    /// Consent without a person, with the world's first account.
    #[arg(long)]
    auto_consent: bool,
    /// Account that consents by itself; implies --auto-consent.
    #[arg(long, value_name = "USERNAME")]
    auto_consent_account: Option<String>,
    /// Adds an app: KIND:STAGE:KEY:SECRET:REDIRECT_URI, with KIND web or desktop, and STAGE sandbox,
    /// unapproved, unaudited or audited. Of a sandbox all accounts are target users. May be given again.
    #[arg(long = "app", value_name = "APP")]
    apps: Vec<String>,
    /// Maps an origin for pulls and webhooks: https://media.example.com=http://127.0.0.1:8000. May be given again.
    #[arg(long, value_name = "FROM=TO")]
    connect_to: Vec<String>,
    /// Writes the certificate that a client must trust to use the printed origin as its HTTPS proxy.
    #[cfg(feature = "proxy")]
    #[arg(long, value_name = "FILE")]
    ca_file: Option<PathBuf>,
    /// Prints the world as JSON, to start a file of your own from, and ends.
    #[arg(long)]
    print_world: bool,
    /// Prints one line of JSON instead of the origin: where it listens, what a host must map, and an app to use.
    /// Without --world, avatars and covers are then served under the printed origin, where a browser finds them.
    #[arg(long)]
    describe: bool,
    /// Ends when its standard input closes, so that it never outlives the program that started it.
    #[arg(long)]
    until_eof: bool,
}

fn main() -> anyhow::Result<()> {
    let flags = Flags::parse();
    let world = world(&flags)?;
    if flags.print_world {
        println!("{}", serde_json::to_string_pretty(&world)?);
        return Ok(());
    }
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build()?;
    runtime.block_on(async {
        let simulator = Simulator::start_at(world, SocketAddr::new(flags.listen, flags.port)).await?;
        #[cfg(feature = "proxy")]
        if let Some(path) = &flags.ca_file {
            fs::write(path, simulator.ca_pem())
                .with_context(|| format!("cannot write {}", path.display()))?;
        }
        // One line, so that a script can wait for it and read it.
        if flags.describe {
            let description = Description::of(&simulator.settings(), &simulator.origin())
                .context("--describe: no app of the world has a redirect URI")?;
            println!("{}", serde_json::to_string(&description)?);
        } else {
            println!("{}", simulator.origin());
        }
        end(flags.until_eof).await
    })
}

/// Waits for Ctrl-C, for the polite signal of containers and parents, and on request for the end of input.
async fn end(until_eof: bool) -> anyhow::Result<()> {
    let mut terminate = signal(SignalKind::terminate()).context("cannot wait for signals")?;
    let (closed, input) = tokio::sync::oneshot::channel();
    if until_eof {
        // A thread of its own: tokio's reader of standard input would hold up the end of the runtime.
        std::thread::spawn(move || {
            let _ = std::io::copy(&mut std::io::stdin(), &mut std::io::sink());
            let _ = closed.send(());
        });
    }
    tokio::select! {
        pressed = tokio::signal::ctrl_c() => pressed.context("cannot wait for Ctrl-C"),
        _ = terminate.recv() => Ok(()),
        _ = input, if until_eof => Ok(()),
    }
}

fn world(flags: &Flags) -> anyhow::Result<World> {
    let mut world = match &flags.world {
        Some(path) => {
            let text = fs::read_to_string(path).with_context(|| format!("cannot read {}", path.display()))?;
            World::from_json(&text).with_context(|| format!("in {}", path.display()))?
        }
        None => World::demo(),
    };
    if flags.describe && flags.world.is_none() {
        world.switches.media_origin = "self".to_owned();
    }
    if flags.auto_consent || flags.auto_consent_account.is_some() {
        world.switches.auto_consent.enabled = true;
    }
    if let Some(account) = &flags.auto_consent_account {
        if !world.accounts.iter().any(|known| known.username == *account) {
            bail!("the world has no account {account}");
        }
        world.switches.auto_consent.account = Some(account.clone());
    }
    for text in &flags.apps {
        let app = app(text, &world).with_context(|| format!("--app {text}"))?;
        world.apps.retain(|known| known.client_key != app.client_key);
        world.apps.push(app);
    }
    for mapping in &flags.connect_to {
        let (from, to) = mapping.split_once('=').context("--connect-to wants FROM=TO")?;
        world.connect_to.insert(from.to_string(), to.to_string());
    }
    world.validate()?;
    Ok(world)
}

fn app(text: &str, world: &World) -> anyhow::Result<App> {
    let parts: Vec<&str> = text.splitn(5, ':').collect();
    let [kind, stage, key, secret, redirect] = parts.as_slice() else {
        bail!("wants KIND:STAGE:KEY:SECRET:REDIRECT_URI");
    };
    let kind = match *kind {
        "web" => AppKind::Web,
        "desktop" => AppKind::Desktop,
        other => bail!("kind must be web or desktop, it is {other}"),
    };
    let stage = match *stage {
        "sandbox" => Stage::Sandbox,
        "unapproved" => Stage::Unapproved,
        "unaudited" => Stage::Unaudited,
        "audited" => Stage::Audited,
        other => bail!("stage must be sandbox, unapproved, unaudited or audited, it is {other}"),
    };
    let target_users = if stage == Stage::Sandbox {
        world.accounts.iter().take(10).map(|account| account.username.clone()).collect()
    } else {
        Vec::new()
    };
    Ok(App {
        client_key: (*key).to_string(),
        client_secret: Secret((*secret).to_string()),
        name: (*key).to_string(),
        developer: "flags".to_string(),
        kind,
        stage,
        redirect_uris: vec![(*redirect).to_string()],
        target_users,
        ..App::default()
    })
}

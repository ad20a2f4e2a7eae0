//! The simulator as a program. It only parses flags; the library does the rest.

use std::fs;
use std::io::{self, ErrorKind, Write};
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use anyhow::{Context, bail};
use clap::Parser;
use tiktok_simulator::{App, Description, Platform, Secret, Simulator, Stage, World};
use tokio::signal::unix::{SignalKind, signal};

/// A strict simulator of TikTok's servers.
///
/// Point your client's https://www.tiktok.com, https://open.tiktokapis.com and upload hosts at the printed
/// origin, and open it in a browser to see what your client did wrong.
#[derive(Debug, Parser)]
#[command(version)]
struct Flags {
    /// Port; 0 for a free one.
    #[arg(long, default_value_t = 4010)]
    port: u16,
    /// Address to listen on. With any other address than loopback, others can control the simulator.
    #[arg(long, default_value_t = IpAddr::V4(Ipv4Addr::LOCALHOST), value_parser = address)]
    listen: IpAddr,
    /// World file (JSON); without it the demo world.
    #[arg(long, value_name = "FILE")]
    world: Option<PathBuf>,
    /// Consent without a person, with the world's first account.
    #[arg(long)]
    auto_consent: bool,
    /// Account that consents automatically; implies --auto-consent.
    #[arg(long, value_name = "USERNAME")]
    auto_consent_account: Option<String>,
    /// Adds an app: KIND:STAGE:KEY:SECRET:REDIRECT_URI, with KIND web, desktop or web+desktop, and STAGE sandbox,
    /// unapproved, unaudited or audited. Several redirect URIs are separated by commas. In a sandbox all accounts
    /// are target users. May be repeated.
    #[arg(long = "app", value_name = "APP")]
    apps: Vec<String>,
    /// Maps an origin for pulls and webhooks: https://media.example.com=http://127.0.0.1:8000. May be repeated.
    #[arg(long, value_name = "FROM=TO")]
    connect_to: Vec<String>,
    /// Fetches what lies below the described app's first verified domain from this address instead, such as
    /// http://127.0.0.1:8080, and names that domain in the description.
    #[arg(long, value_name = "URL", requires = "describe")]
    media_at: Option<String>,
    /// Writes the certificate that a client must trust to use the printed origin as its HTTPS proxy.
    #[cfg(feature = "proxy")]
    #[arg(long, value_name = "FILE")]
    ca_file: Option<PathBuf>,
    /// Prints the world as JSON, as a template for your own file, and exits.
    #[arg(long)]
    print_world: bool,
    /// Prints one line of JSON instead of the origin: where it listens, what a host must map, and an app to use.
    #[arg(long)]
    describe: bool,
    /// Exits when its standard input closes, so that it does not outlive the program that started it.
    #[arg(long)]
    until_eof: bool,
}

fn main() -> ExitCode {
    match run(&Flags::parse()) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            // One sentence with its causes, never a backtrace, because the reader wrote a flag or a file, not
            // this program. Errors are ignored if standard error is closed.
            let _ = writeln!(io::stderr(), "error: {error:#}");
            ExitCode::FAILURE
        }
    }
}

/// Prints one line; a closed reader is not an error.
fn say(line: &str) -> anyhow::Result<()> {
    let mut out = io::stdout();
    match writeln!(out, "{line}").and_then(|()| out.flush()) {
        Err(error) if error.kind() != ErrorKind::BrokenPipe => {
            Err(error).context("cannot write to standard output")
        }
        _ => Ok(()),
    }
}

/// An address to listen on. Names are not resolved, because one name can have several addresses.
fn address(text: &str) -> Result<IpAddr, String> {
    text.parse().map_err(|_| "write an IP address, such as 127.0.0.1 or ::1".to_string())
}

fn run(flags: &Flags) -> anyhow::Result<()> {
    let mut world = world(flags)?;
    if let Some(target) = &flags.media_at {
        let origin = Description::media_origin(&world).context("--media-at: no app has a verified domain")?;
        world.connect_to.insert(origin, target.clone());
        world.validate()?;
    }
    if flags.print_world {
        return say(&serde_json::to_string_pretty(&world)?);
    }
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .build()
        .context("cannot start the threads")?;
    runtime.block_on(async {
        let simulator = Simulator::start_at(world, SocketAddr::new(flags.listen, flags.port)).await?;
        #[cfg(feature = "proxy")]
        if let Some(path) = &flags.ca_file {
            fs::write(path, simulator.ca_pem())
                .with_context(|| format!("--ca-file {}: cannot be written", path.display()))?;
        }
        // One line, so that a script can wait for it and read it.
        if flags.describe {
            let description = Description::of(&simulator.settings(), &simulator.origin())
                .context("--describe: no app of the world has a redirect URI; give one a redirect_uris")?;
            say(&serde_json::to_string(&description)?)?;
        } else {
            say(&simulator.origin())?;
        }
        end(flags.until_eof).await
    })
}

/// Waits for Ctrl-C, for SIGTERM, and on request for the end of input.
async fn end(until_eof: bool) -> anyhow::Result<()> {
    let mut terminate = signal(SignalKind::terminate()).context("cannot wait for signals")?;
    let (closed, input) = tokio::sync::oneshot::channel();
    if until_eof {
        // A separate thread, because tokio's reader of standard input would block the shutdown of the runtime.
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
        Some(path) => read(path).with_context(|| path.display().to_string())?,
        None => World::demo(),
    };
    if flags.auto_consent || flags.auto_consent_account.is_some() {
        world.switches.auto_consent.enabled = true;
    }
    if let Some(account) = &flags.auto_consent_account {
        let names: Vec<&str> = world.accounts.iter().map(|known| known.username.as_str()).collect();
        if !names.contains(&account.as_str()) {
            bail!(
                "--auto-consent-account: the world has no account {account}; write one of {}",
                names.join(", ")
            );
        }
        world.switches.auto_consent.account = Some(account.clone());
    }
    for text in &flags.apps {
        // Only the key is named, because the secret should not be printed.
        let place = || format!("--app {}", text.split(':').nth(2).unwrap_or(text));
        let app = app(text, &world).with_context(place)?;
        world.apps.retain(|known| known.client_key != app.client_key);
        world.apps.push(app);
        world.validate().with_context(place)?;
    }
    for mapping in &flags.connect_to {
        let (from, to) = mapping.split_once('=').with_context(|| {
            format!("--connect-to {mapping}: write FROM=TO, such as https://media.example.com=http://127.0.0.1:8000")
        })?;
        world.connect_to.insert(from.to_string(), to.to_string());
    }
    world.validate()?;
    Ok(world)
}

fn read(path: &Path) -> anyhow::Result<World> {
    World::from_json(&fs::read_to_string(path).context("cannot be read")?)
}

fn app(text: &str, world: &World) -> anyhow::Result<App> {
    let parts: Vec<&str> = text.splitn(5, ':').collect();
    let [kind, stage, key, secret, redirects] = parts.as_slice() else {
        bail!(
            "write KIND:STAGE:KEY:SECRET:REDIRECT_URI, such as \
             desktop:audited:mykey:mysecret:http://127.0.0.1:*/callback"
        );
    };
    let platforms = match *kind {
        "web" => vec![Platform::Web],
        "desktop" => vec![Platform::Desktop],
        "web+desktop" | "desktop+web" => vec![Platform::Web, Platform::Desktop],
        other => bail!("the kind {other} is not known; write web, desktop or web+desktop"),
    };
    let stage = match *stage {
        "sandbox" => Stage::Sandbox,
        "unapproved" => Stage::Unapproved,
        "unaudited" => Stage::Unaudited,
        "audited" => Stage::Audited,
        other => bail!("the stage {other} is not known; write sandbox, unapproved, unaudited or audited"),
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
        platforms,
        stage,
        redirect_uris: redirects.split(',').map(ToString::to_string).collect(),
        target_users,
        ..App::default()
    })
}

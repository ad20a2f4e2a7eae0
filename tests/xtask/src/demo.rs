//! The main workflow, as an operator runs it: the real command line and component, and the simulator.

use std::fmt::Write as _;
use std::path::Path;
use std::process::Command;

use anyhow::{Context as _, Result, bail};

use crate::simulator::Simulator;
use crate::{guests, run};

/// More than one chunk of 64 MB.
const VIDEO: u64 = 70_000_000;

pub(crate) fn run(what: &[String]) -> Result<()> {
    match what {
        [] => publish(),
        [swap] if swap == "swap" => {
            guests::build()?;
            run::script(crate::BLUESKY)?;
            run::cargo(["run", "--bin", "swap"])
        }
        other => bail!("there is no demo {}; there is `demo`, and `demo swap`", other.join(" ")),
    }
}

/// The main workflow.
fn publish() -> Result<()> {
    guests::build()?;
    run::title("programs");
    run::cargo(["build", "--bins"])?;

    let folder = run::target().join("demo");
    if folder.exists() {
        std::fs::remove_dir_all(&folder).context("the last demo cannot be cleared away")?;
    }
    std::fs::create_dir_all(&folder)?;
    let video = folder.join("soup.mp4");
    sample_video::write(&video, VIDEO)?;

    let simulator = Simulator::start()?;
    run::title(&format!("a TikTok of our own: {}", simulator.origin));
    let policy = folder.join("policy.toml");
    std::fs::write(&policy, mappings(&simulator.origin)?)?;

    // The person's browser: it opens the page, and the simulated account consents automatically.
    let browser = format!("{} browse %s", run::program("xtask").display());
    let stage = Stage { folder: &folder, policy: &policy };
    let component = guests::component("plugin_tiktok");
    stage.social_channel(&["providers", "add", &component.display().to_string()])?;
    let app = ["apps", "add", "demo", "--callback", "http://127.0.0.1:*/callback"];
    let settings = ["--set", "client-key=simkey-desktop", "--set-env", "client-secret=DEMO_SECRET", "--set"];
    stage.social_channel(&[&app[..], &settings[..], &["kind=desktop", "--set", "audited=true"]].concat())?;
    stage.social_channel(&["connect", "demo", "--browser", &browser])?;
    stage.social_channel(&["profile"])?;
    stage.social_channel(&["stats"])?;
    stage.social_channel(&["list", "--limit", "5", "--pages", "2"])?;
    let video = video.display().to_string();
    let post = ["--text", "Leek soup in 40 seconds #soup", "--visibility", "PUBLIC_TO_EVERYONE"];
    stage.social_channel(&[&["publish", "Demo Kitchen", &video], &post[..]].concat())
}

/// Maps the provider's requests to TikTok to the simulator; everything else is as in production.
fn mappings(origin: &str) -> Result<String> {
    let mut text = String::new();
    for from in ["https://www.tiktok.com", "https://*.tiktokapis.com", "https://*.tiktokcdn.com"] {
        writeln!(text, "[[connect_to]]\nfrom = \"{from}\"\nto = \"{origin}\"\n")?;
    }
    Ok(text)
}

struct Stage<'a> {
    folder: &'a Path,
    policy: &'a Path,
}

impl Stage<'_> {
    /// Runs the command line, and prints the command.
    fn social_channel(&self, arguments: &[&str]) -> Result<()> {
        eprintln!(
            "\n$ social-channel {}",
            arguments.iter().map(|word| shown(word)).collect::<Vec<_>>().join(" ")
        );
        let mut command = Command::new(run::program("social-channel"));
        command
            .args(arguments)
            .env("SOCIAL_CHANNEL_DATA", self.folder.join("data"))
            .env("SOCIAL_CHANNEL_POLICY", self.policy)
            .env("DEMO_SECRET", "simsecret-desktop-0001");
        run::run(&mut command)
    }
}

/// The printed form of an argument: the last component of long paths, and quotes if needed.
fn shown(word: &str) -> String {
    let word = match Path::new(word).file_name() {
        Some(name) if word.starts_with('/') && !word.contains(' ') => name.to_string_lossy().into_owned(),
        _ if word.contains("xtask browse") => "my-browser %s".to_owned(),
        _ => word.to_owned(),
    };
    if word.contains([' ', '*', '#', '%']) { format!("'{word}'") } else { word }
}

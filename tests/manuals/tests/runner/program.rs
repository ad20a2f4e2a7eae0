//! Blocks with `social-channel`, run as they stand against a simulator. Replaced are addresses, names and values that are
//! the reader's own.

use std::os::unix::fs::PermissionsExt as _;
use std::process::Stdio;

use anyhow::{Context as _, Result, ensure};
use cli_tests::{Stage, component, finish, interrupt};
use manual_tests::Block;
use tokio::process::Command;

/// The web app of the simulator's demo world.
const KEY: &str = "simkey-web";
const SECRET: &str = "simsecret-web-0001";

/// Each line is a service of its own: it starts, listens, and ends when it is told to.
pub(crate) async fn services(block: &Block) -> Result<()> {
    for line in super::lines(&block.text) {
        let stage = Stage::empty().await?;
        // Not a user's folder, and a port that is free.
        let line = line.replace("/run/sc/", &format!("{}/", stage.folder.path().display()));
        let words = line.strip_prefix("social-channel ").context("no service of ours")?;
        let words: Vec<&str> = words.split_whitespace().collect();
        let free: &[&str] = if words.contains(&"--listen") { &[] } else { &["--listen", "127.0.0.1:0"] };
        let (child, first, _out) = stage.begin(words.iter().chain(free)).await?;
        ensure!(first.starts_with("listening on "), "{line}: {first}");
        interrupt(&child).await?;
        let ran = finish(child).await?;
        ensure!(ran.code == 0, "{line}: {ran:?}");
    }
    Ok(())
}

/// The commands one after the other. The key and the address at which the browser ended come from standard input.
pub(crate) async fn command_line(block: &Block) -> Result<()> {
    let stage = Stage::empty().await?;
    stage.simulator.edit(|world| "My account".clone_into(&mut world.accounts[0].display_name));
    std::fs::rename(stage.video(6_000_000)?, stage.path("video.mp4"))?;
    let secret = stage.path("secret");
    std::fs::write(&secret, SECRET)?;
    // A browser that tells where the consent page sent it.
    let browser = stage.path("browser");
    let program =
        "#!/bin/sh\ncurl --silent --output /dev/null --write-out '%{redirect_url}\\n' \"$1\" >typed\n";
    std::fs::write(&browser, program)?;
    std::fs::set_permissions(&browser, std::fs::Permissions::from_mode(0o755))?;
    for line in super::lines(&block.text) {
        let line = line.replace("client-key=…", &format!("client-key={KEY}"));
        let input = if line.contains(" connect ") { "mkfifo typed; exec 0<>typed" } else { "exec 0<secret" };
        let script = format!("set -e\n{input}\n{line}");
        let ran = finish(bash(&stage, &script).env("SOCIAL_CHANNEL_BROWSER", &browser).spawn()?).await?;
        ensure!(ran.code == 0, "{line}: {ran:?}");
    }
    Ok(())
}

/// The whole block, as a script.
pub(crate) async fn script(block: &Block) -> Result<()> {
    let stage = Stage::empty().await?;
    std::fs::copy(component("plugin_tiktok")?, stage.path("plugin.wasm"))?;
    stage.video(6_000_000)?;
    // What a block starts in the background ends with it.
    let script = format!("set -e\ntrap 'kill %1' EXIT\n{}", block.text);
    let ran = finish(bash(&stage, &script).spawn()?).await?;
    ensure!(ran.code == 0, "{ran:?}");
    ensure!(ran.stdout.contains("published"), "nothing was published: {ran:?}");
    Ok(())
}

/// A policy file is accepted, and its mappings are shown.
pub(crate) async fn policy(block: &Block) -> Result<()> {
    let stage = Stage::with_app().await?;
    std::fs::write(stage.path("policy.toml"), &block.text)?;
    let ran = stage.say("--policy policy.toml doctor").await?;
    let from = block.text.lines().find_map(|line| line.strip_prefix("from = ")).context("no mapping")?;
    let shown = format!("{}{}", ran.stdout, ran.stderr);
    ensure!(shown.contains(from.trim_matches('"')), "the mapping is not shown: {ran:?}");
    Ok(())
}

/// A file of signers is accepted; from then on what is fetched must be signed.
pub(crate) async fn signers(block: &Block) -> Result<()> {
    let stage = Stage::with_app().await?;
    std::fs::write(stage.path("providers.toml"), &block.text)?;
    stage.say("--providers providers.toml providers list").await?.done();
    std::fs::write(stage.path("providers.toml"), block.text.replace("issuer", "vouches"))?;
    let refused = stage.say("--providers providers.toml providers list").await?;
    ensure!(refused.code != 0 && refused.stderr.contains("vouches"), "a member that is unknown: {refused:?}");
    Ok(())
}

/// A shell in the stage's folder, which finds the built programs. What else a block uses, `tools.sh` installs.
fn bash(stage: &Stage, script: &str) -> Command {
    let programs = stage.program().parent().unwrap_or(stage.program()).display().to_string();
    let stage_command = stage.command(["--version"]);
    let mut command = Command::new("bash");
    command.args(["-m", "-c", script]).env_clear();
    for (name, value) in stage_command.as_std().get_envs() {
        if let Some(value) = value {
            command.env(name, value);
        }
    }
    command
        .env("PATH", format!("{programs}:/usr/local/bin:/usr/bin:/bin"))
        .current_dir(stage.folder.path())
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .kill_on_drop(true);
    command
}

//! Blocks of the simulator's manual.

use anyhow::{Context as _, Result, ensure};
use cli_tests::{Stage, browser, finish};
use manual_tests::Block;
use tiktok_simulator::{Simulator, World};
use tokio::io::{AsyncBufReadExt as _, BufReader};
use tokio::process::Command;

/// The program accepts the flags: it says where it listens, and ends with its standard input.
pub(crate) async fn flags(block: &Block) -> Result<()> {
    // It builds the programs.
    let stage = Stage::empty().await?;
    for line in super::lines(&block.text) {
        let (_, flags) = line.split_once(" -- ").context("no flags")?;
        // A port that is free.
        let flags = flags.replace("--port 4010", "--port 0");
        let mut child = Command::new(stage.program().with_file_name("tiktok-simulator"))
            .args(flags.split_whitespace())
            .arg("--until-eof")
            .stdin(std::process::Stdio::piped())
            .stdout(std::process::Stdio::piped())
            .stderr(std::process::Stdio::piped())
            .kill_on_drop(true)
            .spawn()?;
        let mut first = String::new();
        let out = child.stdout.take().context("standard output is a pipe")?;
        BufReader::new(out).read_line(&mut first).await?;
        drop(child.stdin.take());
        let ran = finish(child).await?;
        ensure!(first.starts_with("http://127.0.0.1:"), "{line}: {first}{ran:?}");
    }
    Ok(())
}

/// A simulator starts with the world.
pub(crate) async fn world(block: &Block) -> Result<()> {
    let simulator = Simulator::start(World::from_json(&block.text)?).await?;
    ensure!(!simulator.settings().apps.is_empty(), "it has no apps");
    Ok(())
}

/// The running simulator accepts the fault.
pub(crate) async fn fault(block: &Block) -> Result<()> {
    let simulator = Simulator::start(World::demo()).await?;
    let request = browser(false)?
        .post(format!("{}/_simulator/faults", simulator.origin()))
        .header("content-type", "application/json")
        .body(block.text.clone());
    let answer = request.send().await?;
    let (status, text) = (answer.status(), answer.text().await?);
    ensure!(status.is_success(), "{status} {text}");
    ensure!(simulator.faults().armed().len() == 1, "it is not armed");
    Ok(())
}

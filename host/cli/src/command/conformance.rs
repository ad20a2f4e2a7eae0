//! `providers test`: whether a component keeps the contract, rule by rule. `providers replay`: whether another version does the
//! same with what a test server answered before.

use std::path::{Path, PathBuf};

use anyhow::Result;
use clap::Args;
use social_channel_conformance::{Description, Recording, check, record, replay};

use crate::failure::unreadable;
use crate::input;
use crate::output::plain;
use crate::progress;
use crate::session::Session;

/// What is tested, and where.
#[derive(Args, Debug)]
pub(crate) struct Flags {
    /// The component; `-` reads standard input
    file: PathBuf,
    /// The description of a test server, TOML or JSON; without it only what needs no server is tested
    #[arg(long, value_name = "FILE")]
    server: Option<PathBuf>,
    /// Write the report as JUnit into this file, too
    #[arg(long, value_name = "FILE")]
    junit: Option<PathBuf>,
    /// Also run the component once undisturbed, and write what the server answered into this file, without secrets
    #[arg(long, value_name = "FILE", requires = "server")]
    record: Option<PathBuf>,
}

/// What is replayed.
#[derive(Args, Debug)]
pub(crate) struct ReplayFlags {
    /// The component; `-` reads standard input
    file: PathBuf,
    /// What `providers test --record` has written
    recording: PathBuf,
}

/// Exit code 1: a rule is broken.
pub(crate) async fn run(session: &Session, flags: &Flags) -> Result<u8> {
    let component = input::bytes(&flags.file)?;
    let description = flags.server.as_deref().map(Description::read).transpose()?;
    let engine = session.host.engine();
    let report = check(&engine, &component, description.as_ref());
    let report = progress::testing(session.output, report).await?;
    if let Some(path) = &flags.junit {
        write(path, &report.junit())?;
    }
    if let (Some(path), Some(description)) = (&flags.record, &description) {
        let recording = record(&engine, &component, description);
        write(path, &progress::testing(session.output, recording).await?.document())?;
        session.output.note(&format!("what the server answered stands in {}", path.display()));
    }
    session
        .output
        .answer(&report, |report| report.text().lines().map(plain).collect::<Vec<_>>().join("\n"))?;
    Ok(u8::from(!report.passed()))
}

/// Exit code 1: something differs.
pub(crate) async fn run_replay(session: &Session, flags: &ReplayFlags) -> Result<u8> {
    let component = input::bytes(&flags.file)?;
    let recording = Recording::read(&flags.recording)?;
    let engine = session.host.engine();
    let replay = progress::testing(session.output, replay(&engine, &component, &recording)).await?;
    session
        .output
        .answer(&replay, |replay| replay.text().lines().map(plain).collect::<Vec<_>>().join("\n"))?;
    Ok(u8::from(!replay.differences.is_empty()))
}

fn write(path: &Path, text: &str) -> Result<()> {
    std::fs::write(path, text).map_err(|error| unreadable(path, error))?;
    Ok(())
}

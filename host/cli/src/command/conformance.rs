//! `providers test`: whether a component keeps the contract, rule by rule.

use std::path::{Path, PathBuf};

use anyhow::Result;
use clap::Args;
use social_channel_conformance::{Description, Report, check};

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
}

/// Exit code 1: a rule is broken.
pub(crate) async fn run(session: &Session, flags: &Flags) -> Result<u8> {
    let component = input::bytes(&flags.file)?;
    let description = flags.server.as_deref().map(Description::read).transpose()?;
    let engine = session.host.engine();
    let report = check(&engine, &component, description.as_ref());
    let report = progress::testing(session.output, report).await?;
    if let Some(path) = &flags.junit {
        write(path, &report)?;
    }
    session
        .output
        .answer(&report, |report| report.text().lines().map(plain).collect::<Vec<_>>().join("\n"))?;
    Ok(u8::from(!report.passed()))
}

fn write(path: &Path, report: &Report) -> Result<()> {
    std::fs::write(path, report.junit()).map_err(|error| unreadable(path, error))?;
    Ok(())
}

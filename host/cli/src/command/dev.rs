//! `providers dev`: an author's loop. Whenever the component changes, it is run and tested again.

use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime};

use anyhow::Result;
use clap::Args;
use social_channel_conformance::{Description, Verdict, check, record};

use crate::input;
use crate::output::plain;
use crate::progress;
use crate::report::report;
use crate::session::Session;
use crate::signal;

/// How often the files are looked at. A look is two calls of the system, and works on every kind of disk.
const LOOK: Duration = Duration::from_millis(200);

/// What is watched.
#[derive(Args, Debug)]
pub(crate) struct Flags {
    /// The component, which a build writes again and again
    file: PathBuf,
    /// The description of a test server, TOML or JSON; without it only what needs no server is run
    #[arg(long, value_name = "FILE")]
    server: Option<PathBuf>,
}

/// Until the program is asked to stop.
pub(crate) async fn run(session: &Session, flags: &Flags) -> Result<u8> {
    let stop = signal::stop();
    tokio::pin!(stop);
    let mut seen = None;
    loop {
        let now = (stamp(Some(&flags.file)), stamp(flags.server.as_deref()));
        if seen != Some(now) {
            seen = Some(now);
            tokio::select! {
                done = round(session, flags) => {
                    // What is wrong now is what the author changes next.
                    if let Err(error) = done {
                        report(&error, session.output.format);
                    }
                }
                () = &mut stop => return Ok(0),
            }
            session.output.note(&format!("waiting for a change of {}", flags.file.display()));
        }
        tokio::select! {
            () = tokio::time::sleep(LOOK) => {}
            () = &mut stop => return Ok(0),
        }
    }
}

/// When a file was written, and its size; None while there is none.
fn stamp(path: Option<&Path>) -> Option<(SystemTime, u64)> {
    let found = std::fs::metadata(path?).ok()?;
    Some((found.modified().ok()?, found.len()))
}

async fn round(session: &Session, flags: &Flags) -> Result<()> {
    let component = input::bytes(&flags.file)?;
    let description = flags.server.as_deref().map(Description::read).transpose()?;
    let engine = session.host.engine();
    if let Some(description) = &description {
        // One undisturbed run: every part with its requests, and what the provider printed.
        match progress::testing(session.output, record(&engine, &component, description)).await {
            Ok(recording) => session.output.raw(&plain_lines(&recording.text()))?,
            Err(error) => {
                report(&error.into(), session.output.format);
            }
        }
    }
    let found = progress::testing(session.output, check(&engine, &component, description.as_ref())).await?;
    // All rules at each change would hide the one that was just broken.
    let holds = found.rules.iter().filter(|line| line.verdict == Verdict::Holds).count();
    let broken = found.rules.iter().filter_map(|line| match &line.verdict {
        Verdict::Broken(seen) => Some((line.rule, seen)),
        _ => None,
    });
    for (rule, seen) in broken {
        let seen = seen.iter().map(|seen| format!("    {seen}\n")).collect::<String>();
        session.output.raw(&plain_lines(&format!("BROKEN  {}: {}\n{seen}", rule.id, rule.holds)))?;
    }
    let provider = found.provider.as_deref().unwrap_or("the component");
    session.output.raw(&format!("{provider}: {holds} rules hold, {} are broken\n", found.broken().len()))
}

/// The same lines, without what a terminal would take for a command.
fn plain_lines(text: &str) -> String {
    text.lines().map(|line| format!("{}\n", plain(line))).collect()
}

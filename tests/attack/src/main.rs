//! `attack [--seconds N] [NAME...]`: a service as an operator runs it, attacked from outside while another tenant goes on
//! with its work.
//!
//! Each attack has a service of its own, a process of `social-channel serve`. It asserts that the other tenant is answered,
//! that the memory comes back, and that afterwards everything works without a restart. Prints the figures. All together
//! have a limit of time: one that hangs ends the run with its name, and with it every process that it started.

mod attack;
mod neighbour;
mod stage;
mod victim;

use std::process::ExitCode;
use std::sync::Mutex;
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, bail};
use rustix::process::{Resource, Rlimit};

use crate::stage::Template;

/// Of all attacks together, in seconds: several times what they take on two cores, which other suites may use meanwhile.
const LONGEST: u64 = 1_200;

/// The end of this function ends the runtime, and so every task and every process that belongs to one.
#[tokio::main]
async fn main() -> ExitCode {
    match limited().await {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("error: {error:#}");
            ExitCode::FAILURE
        }
    }
}

async fn limited() -> Result<()> {
    let mut wanted: Vec<String> = std::env::args().skip(1).collect();
    let mut seconds = LONGEST;
    if wanted.first().is_some_and(|first| first == "--seconds") {
        seconds = wanted.get(1).context("--seconds needs a number")?.parse().context("--seconds")?;
        wanted.drain(..2);
    }
    let now = Mutex::new("the preparation");
    match tokio::time::timeout(Duration::from_secs(seconds), run(&wanted, &now)).await {
        Ok(ended) => ended,
        Err(_) => {
            let now = now.lock().map_or("something", |now| *now);
            bail!("the attacks took longer than {seconds} s; {now} was under way, and is ended")
        }
    }
}

async fn run(wanted: &[String], now: &Mutex<&'static str>) -> Result<()> {
    if let Some(unknown) = wanted.iter().find(|name| !attack::ALL.contains(&name.as_str())) {
        bail!("there is no attack {unknown}; there are {}", attack::ALL.join(", "));
    }
    // Another part of the process may have chosen one already.
    let _ = rustls::crypto::ring::default_provider().install_default();
    // The attacker's own connections are not what ends first.
    let files = rustix::process::getrlimit(Resource::Nofile);
    rustix::process::setrlimit(Resource::Nofile, Rlimit { current: files.maximum, ..files })?;
    let template = Template::make().await?;
    println!(
        "| attack | memory before | most | after | the other tenant's calls | p50 | p99 | longest | time |"
    );
    println!("| --- | --- | --- | --- | --- | --- | --- | --- | --- |");
    let mut failed = Vec::new();
    for name in attack::ALL {
        if !wanted.is_empty() && !wanted.iter().any(|it| it == name) {
            continue;
        }
        // Some containers allow no mounts. Asked for by name, it fails there.
        if name == attack::NEEDS_MOUNTS
            && wanted.is_empty()
            && let Err(error) = victim::Own::possible()
        {
            println!("| {name} NOT RUN: {error:#} |");
            continue;
        }
        if let Ok(mut now) = now.lock() {
            *now = name;
        }
        let begun = Instant::now();
        match attack::run(name, &template).await {
            Ok(figures) => println!("| {name} {figures} | {:.0} s |", begun.elapsed().as_secs_f64()),
            Err(error) => {
                println!("| {name} FAILED: {error:#} |");
                failed.push(name);
            }
        }
    }
    if !failed.is_empty() {
        bail!("failed: {}", failed.join(", "));
    }
    Ok(())
}

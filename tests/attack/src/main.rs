//! `attack [NAME...]`: a service as an operator runs it, attacked from outside while another tenant goes on with its work.
//!
//! Each attack has a service of its own, a process of `social-channel serve`. It asserts that the other tenant is answered,
//! that the memory comes back, and that afterwards everything works without a restart. Prints the figures.

mod attack;
mod neighbour;
mod stage;
mod victim;

use std::process::ExitCode;
use std::time::Instant;

use anyhow::{Result, bail};
use rustix::process::{Resource, Rlimit};

use crate::stage::Template;

#[tokio::main]
async fn main() -> ExitCode {
    match run().await {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("error: {error:#}");
            ExitCode::FAILURE
        }
    }
}

async fn run() -> Result<()> {
    let wanted: Vec<String> = std::env::args().skip(1).collect();
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

//! The command line `social-channel`: a front door of the library.
//!
//! `args` defines the arguments, `command` has one module per command, `output` formats results, `report`
//! formats failures, `trace` exports traces. Data goes to standard output, messages go to standard error.

mod args;
mod browser;
mod command;
mod failure;
mod global;
mod input;
mod loopback;
mod output;
mod progress;
mod report;
mod session;
mod shipped;
mod signal;
mod simulator;
mod trace;
mod variable;

use std::io::IsTerminal as _;
use std::process::ExitCode;

use clap::Parser as _;
use tracing_subscriber::layer::SubscriberExt as _;
use tracing_subscriber::util::SubscriberInitExt as _;
use tracing_subscriber::{EnvFilter, Layer as _};

fn main() -> ExitCode {
    return_large_blocks();
    let cli = match args::Cli::try_parse() {
        Ok(cli) => cli,
        Err(error) => {
            // Help and version are results. Other parse errors are for the user to fix (exit code 1), so
            // clap's exit code 2 is not used.
            let code = u8::from(error.use_stderr());
            // If the terminal is gone, there is nothing to report to.
            let _ = error.print();
            return ExitCode::from(code);
        }
    };
    // Without log, threads and everything else that a child process for one task does not need.
    if let args::Command::CompileComponent(flags) = &cli.command {
        return ExitCode::from(command::compile_component::run(flags));
    }
    let traces = log(&cli);
    let format = cli.global.format;
    let runtime = match tokio::runtime::Builder::new_multi_thread().enable_all().build() {
        Ok(runtime) => runtime,
        Err(error) => return ExitCode::from(report::report(&error.into(), format)),
    };
    let code = match runtime.block_on(cli.run()) {
        Ok(code) => code,
        Err(error) => report::report(&error, format),
    };
    // An unanswered prompt still reads from the terminal; nothing else is running.
    runtime.shutdown_background();
    if let Some(traces) = traces {
        traces.close();
    }
    ExitCode::from(code)
}

/// Large blocks, such as an uploaded component, go back to the system when they are freed. By itself glibc keeps those of up
/// to 32 MiB once one was freed, in each of its arenas: some hundred megabytes that nothing uses.
#[cfg(all(target_os = "linux", target_env = "gnu"))]
#[expect(unsafe_code, reason = "glibc has no safe function for it")]
fn return_large_blocks() {
    // Larger than the pieces in which media are sent, which come and go all the time.
    const LARGE: i32 = 4 << 20;
    // SAFETY: `mallopt` only changes how later allocations are made, and no other thread runs yet.
    unsafe {
        libc::mallopt(libc::M_MMAP_THRESHOLD, LARGE);
    }
}

#[cfg(not(all(target_os = "linux", target_env = "gnu")))]
fn return_large_blocks() {}

/// Sets up the log on standard error, and the traces for a collector.
fn log(cli: &args::Cli) -> Option<trace::Traces> {
    let usual = match (cli.command.stays(), cli.global.verbose) {
        (false, 0) => "off",
        (true, 0) | (false, 1) => "warn,social_channel=info,social_channel_server=info",
        (true, 1) | (false, 2) => "info,social_channel=debug,social_channel_server=debug",
        _ => "debug,social_channel=trace,social_channel_server=trace",
    };
    let filter = std::env::var(variable::LOG)
        .ok()
        .and_then(|wanted| limited(&wanted))
        .or_else(|| limited(usual))
        .unwrap_or_else(|| EnvFilter::new("off"));
    let words = tracing_subscriber::fmt::layer()
        .with_writer(std::io::stderr)
        .with_ansi(std::io::stderr().is_terminal() && console::colors_enabled_stderr())
        .with_target(false)
        .with_filter(filter);
    let (traces, failure) = match trace::Traces::open() {
        Ok(traces) => (traces, None),
        Err(why) => (None, Some(why)),
    };
    let traced = limited(trace::TRACED).unwrap_or_else(|| EnvFilter::new("off"));
    let traced = traces.as_ref().map(|traces| traces.layer(traced));
    tracing_subscriber::registry().with(traced).with(words).init();
    if let Some(why) = failure {
        cli.global.output().warn(&format!("no traces are sent: {why}"));
    }
    traces
}

/// A filter that ends with the rules that keep the engine from logging secrets.
fn limited(wanted: &str) -> Option<EnvFilter> {
    format!("{wanted},{}", social_channel::LOG_LIMITS).parse().ok()
}

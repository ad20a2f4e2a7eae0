//! The command line `social-channel`: a translation of the library, which decides everything.
//!
//! `args` is what may be typed, `command` one module for each command, `output` how answers look, `failure`
//! how failures do, `trace` what a collector gets. Data goes to standard output, words go to standard error.

mod args;
mod browser;
mod command;
mod failure;
mod input;
mod loopback;
mod output;
mod progress;
mod session;
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
    let cli = match args::Cli::try_parse() {
        Ok(cli) => cli,
        Err(error) => {
            // Help and version are answers; anything else is for the user to fix, and clap's own 2 would say
            // otherwise.
            let code = u8::from(error.use_stderr());
            // Nobody is left to tell when the terminal is gone.
            let _ = error.print();
            return ExitCode::from(code);
        }
    };
    let traces = log(&cli);
    let format = cli.global.format;
    let runtime = match tokio::runtime::Builder::new_multi_thread().enable_all().build() {
        Ok(runtime) => runtime,
        Err(error) => return ExitCode::from(failure::report(&error.into(), format)),
    };
    let code = match runtime.block_on(command::run(cli)) {
        Ok(code) => code,
        Err(error) => failure::report(&error, format),
    };
    // A prompt that was left alone still reads from the terminal; nothing else is under way.
    runtime.shutdown_background();
    if let Some(traces) = traces {
        traces.close();
    }
    ExitCode::from(code)
}

/// What is written to standard error, and the traces of a collector's.
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
    tracing_subscriber::registry().with(traces.as_ref().map(trace::Traces::layer)).with(words).init();
    if let Some(why) = failure {
        cli.global.output().warn(&format!("no traces are sent: {why}"));
    }
    traces
}

/// A filter, whose end keeps what the engine would say of secrets.
fn limited(wanted: &str) -> Option<EnvFilter> {
    format!("{wanted},{}", social_channel::LOG_LIMITS).parse().ok()
}

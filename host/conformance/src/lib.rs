//! Says whether a provider of *Social Channel* keeps the contract: rule by rule, with what was seen and what to do.
//!
//! A provider is given as its component, and, for what needs a platform, a [`Description`] of a test server. It is called as
//! the host calls it, and disturbed: the network is away, answers are lost, the host dies before and after every request and
//! every use of its storage. [`RULES`] has all rules. `social-channel providers test` is this crate for a terminal.
//!
//! ```no_run
//! # async fn story() -> Result<(), Box<dyn std::error::Error>> {
//! use social_channel_conformance::{Description, check};
//! use social_channel_runtime::{Engine, EngineOptions};
//!
//! let engine = Engine::new(EngineOptions::default())?;
//! let server = Description::read("server.toml".as_ref())?;
//! let report = check(&engine, &std::fs::read("provider.wasm")?, Some(&server)).await?;
//! println!("{}", report.text());
//! assert!(report.passed());
//! # Ok(())
//! # }
//! ```

mod account;
mod alone;
mod description;
mod drive;
mod fault;
mod post;
mod recording;
mod report;
mod rule;
mod server;
mod stage;
mod storage;
mod tape;
mod wire;

pub use description::Description;
pub use recording::{Recording, Replay, record, replay};
pub use report::{Line, Report, Verdict};
pub use rule::{Needs, RULES, Rule, rule};
pub use social_channel_runtime::CONTRACT;
pub use tape::Difference;

use social_channel_runtime::{Engine, ErrorKind, Provider, Result};

use crate::rule::{DECLARED_ORIGINS, LOADS, NO_TRAPS, NOTHING_LEAKS, SIZES_HOLD};
use crate::stage::Stage;

/// Checks a provider. Takes seconds, with a test server some more. Dropping the future ends it, and the server with it.
///
/// # Errors
/// If the engine or the test server fails; what the provider does wrong is in the report.
pub async fn check(engine: &Engine, component: &[u8], server: Option<&Description>) -> Result<Report> {
    let mut report = Report::new(0);
    report.judged(LOADS);
    let provider = match Provider::load(engine, component).await {
        Ok(provider) => provider,
        Err(error) if error.kind == ErrorKind::Internal || error.kind == ErrorKind::Misconfigured => {
            return Err(error);
        }
        Err(error) => {
            report.broke(LOADS, error.message);
            report.not_checked(|_| true, "the provider cannot be loaded");
            return Ok(report);
        }
    };
    let descriptor = provider.descriptor();
    report.provider = Some(format!("{} {}", descriptor.name, descriptor.version));
    let settings = alone::some_settings(&provider, server);
    let alone = Stage::alone(&provider, &settings)?;
    alone::check(&alone, &settings, &mut report).await?;
    notes(&alone, &mut report);
    match server {
        None => report.not_checked(|rule| rule.needs != Needs::Nothing, "no test server was described"),
        Some(description) => with_server(&provider, description, &mut report).await?,
    }
    Ok(report)
}

async fn with_server(provider: &Provider, description: &Description, report: &mut Report) -> Result<()> {
    let stage = Stage::with_server(provider, description).await?;
    match account::connect(&stage, report, description).await {
        None => report.not_checked(|rule| rule.needs != Needs::Nothing, "no account was connected"),
        Some(connection) => {
            let account = account::check(&stage, report, description, connection).await;
            let publish = description.publish.as_ref().filter(|_| stage.can("publish"));
            match publish {
                None => {
                    let why = if stage.can("publish") {
                        "the description has no post"
                    } else {
                        "the provider does not publish"
                    };
                    report.not_checked(|rule| rule.needs == Needs::Post, why);
                }
                Some(publish) => {
                    post::forms(&stage, report, &account, &publish.post).await;
                    let place = post::Place { first: &stage, account: account.into(), description };
                    if let Err(why) = post::publish(&place, report, &publish.post).await {
                        report.not_checked(|rule| rule.needs == Needs::Post, &why);
                        report.broke(rule::PUBLISHES, format!("it could not be followed: {why}"));
                    }
                }
            }
        }
    }
    notes(&stage, report);
    for origin in stage.wire.unmapped() {
        report.broke(
            rule::CONNECTS,
            format!("the description does not say where {origin} is: add it to `connect_to`"),
        );
    }
    Ok(())
}

/// What was noticed in all calls.
fn notes(stage: &Stage, report: &mut Report) {
    for id in [NO_TRAPS, SIZES_HOLD, NOTHING_LEAKS, DECLARED_ORIGINS] {
        report.judged(id);
    }
    for from in stage.leaks() {
        report.broke(NOTHING_LEAKS, format!("{from} has a secret in it"));
    }
    let notes = stage.notes();
    for (id, seen) in
        [(NO_TRAPS, &notes.traps), (SIZES_HOLD, &notes.sizes), (DECLARED_ORIGINS, &notes.denied)]
    {
        for seen in seen {
            report.broke(id, seen.clone());
        }
    }
}

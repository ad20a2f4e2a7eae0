//! `work`: a worker until it is stopped, or a single round for cron.

use std::time::Duration;

use anyhow::Result;
use clap::Args;

use crate::global::Global;
use crate::session::{Session, warn_of_mappings};
use crate::signal;

/// Flags of `work`.
#[derive(Args, Debug)]
pub(crate) struct Flags {
    /// Do what is due now, and exit
    #[arg(long, conflicts_with = "seconds")]
    pub(crate) once: bool,
    /// Exit after this many seconds, once running jobs have been released
    #[arg(long, value_name = "N")]
    seconds: Option<u64>,
}

pub(crate) async fn run(global: &Global, flags: Flags) -> Result<u8> {
    let session = Session::open(global, false).await?;
    warn_of_mappings(&session.place);
    let longest = if flags.once { Some(Duration::ZERO) } else { flags.seconds.map(Duration::from_secs) };
    if longest.is_none() {
        session.output.note("working; Ctrl-C ends it");
    }
    let host = session.host.clone();
    let mut working = tokio::spawn(async move { host.work(longest).await });
    let worked = tokio::select! {
        worked = &mut working => worked,
        () = signal::stop() => {
            session.output.note("stopping; jobs are released, and the next worker continues them");
            session.host.shutdown(Duration::from_secs(15 * 60)).await;
            working.await
        }
    };
    let worked = worked??;
    let facts = serde_json::json!({"jobs": worked.jobs, "accounts": worked.accounts});
    session
        .output
        .answer(&facts, |_| format!("jobs run: {}, connections renewed: {}", worked.jobs, worked.accounts))?;
    Ok(0)
}

//! `work`: a worker, for as long as it may be, or one round of it for cron.

use std::time::Duration;

use anyhow::Result;
use clap::Args;

use crate::args::Global;
use crate::session::{Session, warn_of_mappings};
use crate::signal;

/// Flags of `work`.
#[derive(Args, Debug)]
pub(crate) struct Flags {
    /// Do what is due now, and end
    #[arg(long, conflicts_with = "seconds")]
    pub(crate) once: bool,
    /// End after so many seconds, when what was begun is laid down
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
            session.output.note("stopping; jobs are laid down, the next worker goes on with them");
            session.host.shutdown(Duration::from_secs(15 * 60)).await;
            working.await
        }
    };
    let worked = worked??;
    let facts = serde_json::json!({"jobs": worked.jobs, "accounts": worked.accounts});
    session.output.answer(&facts, |_| {
        format!("jobs taken up: {}, connections renewed: {}", worked.jobs, worked.accounts)
    })?;
    Ok(0)
}

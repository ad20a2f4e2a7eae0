//! `events`: what happened to a tenant's jobs and channels.

use std::time::Duration;

use anyhow::Result;
use clap::Args;
use social_channel::{Event, EventPage};

use crate::global::Global;
use crate::output::{Column, Format, Output, plain, table};
use crate::session::Session;
use crate::signal;

/// How long one question waits while events are followed.
const WAIT: Duration = Duration::from_secs(3600);

/// Flags of `events`.
#[derive(Args, Debug)]
pub(crate) struct Flags {
    /// Only events after this number: the `next` of an earlier answer; 0 is from the oldest that is kept
    #[arg(long, value_name = "NUMBER")]
    after: Option<u64>,
    /// The maximum number, 1 to 500
    #[arg(long, value_name = "N", default_value_t = 100)]
    limit: u32,
    /// Wait for more, and write each one as it happens; without --after from now on. With --format json one document a line
    #[arg(long)]
    follow: bool,
}

pub(crate) async fn run(global: &Global, flags: Flags) -> Result<u8> {
    let session = Session::open(global, false).await?;
    if flags.follow {
        return follow(&session, &flags).await;
    }
    let page = session.tenant.events(flags.after, flags.limit, Duration::ZERO).await?;
    session.output.answer(&page, list)?;
    warn_of_missed(session.output, &page);
    Ok(0)
}

async fn follow(session: &Session, flags: &Flags) -> Result<u8> {
    let (tenant, output) = (&session.tenant, session.output);
    let mut after = match flags.after {
        Some(after) => after,
        None => tenant.events(None, 1, Duration::ZERO).await?.last,
    };
    let stop = signal::stop();
    tokio::pin!(stop);
    loop {
        let page = tokio::select! {
            page = tenant.events(Some(after), flags.limit, WAIT) => page?,
            () = &mut stop => return Ok(0),
        };
        warn_of_missed(output, &page);
        for event in &page.events {
            output.raw(&match output.format {
                Format::Text => plain(&cells(event).join("  ")),
                Format::Json => serde_json::to_string(event)?,
            })?;
        }
        after = page.next;
    }
}

fn warn_of_missed(output: Output, page: &EventPage) {
    if page.missed > 0 {
        output.warn(&format!("{} events were removed before they were read here", page.missed));
    }
}

fn list(page: &EventPage) -> String {
    if page.events.is_empty() {
        return "no events".to_owned();
    }
    let columns = [
        Column::Number("NUMBER"),
        Column::Text("WHEN"),
        Column::Text("TYPE"),
        Column::Text("OF"),
        Column::Text(""),
    ];
    table(&columns, page.events.iter().map(cells).collect())
}

/// Number, time, type, what it is about, and what there is to say.
fn cells(event: &Event) -> Vec<String> {
    let data = &event.data;
    let of = [&data.job, &data.channel, &data.app].into_iter().flatten().next().cloned();
    let error = data.error.as_ref().map(|error| error.message.clone());
    let said =
        error.or_else(|| data.url.clone()).or_else(|| data.detail.clone()).or_else(|| data.version.clone());
    vec![
        event.number.to_string(),
        event.timestamp.clone(),
        event.kind.clone(),
        of.unwrap_or_default(),
        said.unwrap_or_default(),
    ]
}

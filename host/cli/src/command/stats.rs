//! `stats`: the account's statistics, now and over time.

use anyhow::Result;
use clap::Args;
use indicatif::HumanCount;
use social_channel::model::Stats;

use crate::global::Global;
use crate::output::{Column, instant, parse_instant, table};
use crate::session::Session;

/// Flags of `stats`.
#[derive(Args, Debug)]
pub(crate) struct Flags {
    /// The channel: its id, or its account's name or @username; optional if there is only one
    channel: Option<String>,
    /// Stored statistics over time instead of the current ones
    #[arg(long)]
    history: bool,
    /// With --history: not before this instant
    #[arg(long, value_name = "INSTANT", requires = "history", value_parser = parse_instant)]
    since: Option<i64>,
}

pub(crate) async fn run(global: &Global, flags: Flags) -> Result<u8> {
    let session = Session::open(global, false).await?;
    let channel = session.channel(flags.channel.as_deref()).await?;
    if flags.history {
        let samples = session.tenant.stats_history(&channel.id, flags.since).await?;
        session.output.answer(&samples, |samples| {
            let rows = samples.iter().map(|sample| {
                let stats = &sample.stats;
                let mut row = vec![instant(sample.at)];
                row.extend([stats.followers, stats.following, stats.likes, stats.posts].map(count));
                row
            });
            let columns = [
                Column::Text("AT"),
                Column::Number("FOLLOWERS"),
                Column::Number("FOLLOWING"),
                Column::Number("LIKES"),
                Column::Number("POSTS"),
            ];
            table(&columns, rows.collect())
        })?;
        return Ok(0);
    }
    let stats = session.tenant.stats(&channel.id).await?;
    session.output.answer(&stats, show)?;
    Ok(0)
}

fn count(number: Option<u64>) -> String {
    number.map_or_else(|| "-".to_owned(), |number| HumanCount(number).to_string())
}

fn show(stats: &Stats) -> String {
    let mut rows = vec![
        ("followers".to_owned(), stats.followers),
        ("following".to_owned(), stats.following),
        ("likes".to_owned(), stats.likes),
        ("posts".to_owned(), stats.posts),
    ];
    rows.extend(stats.other.iter().map(|metric| (metric.name.clone(), Some(metric.value))));
    let known: Vec<_> = rows.into_iter().filter(|(_, number)| number.is_some()).collect();
    let text: Vec<String> = known.iter().map(|(_, number)| count(*number)).collect();
    let width = text.iter().map(String::len).max().unwrap_or_default();
    let fields =
        known.iter().zip(&text).fold(crate::output::Fields::default(), |fields, ((name, _), text)| {
            fields.with(name, format!("{text:>width$}"))
        });
    fields.show()
}

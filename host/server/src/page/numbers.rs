//! Numbers over time: charts for a choice of days, a table, and all of them as CSV; of channels and of posts.

use std::collections::BTreeMap;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use maud::{Markup, html};
use social_channel::{Channel, Tenant};

use super::csv::Csv;
use super::{chart, part};
use crate::problem::Problem;

/// Numbers older than this are not shown as the present ones.
const RECENT: Duration = Duration::from_secs(14 * 24 * 3600);

/// The followers of these channels by the newest stored samples; no network is asked.
pub(super) async fn followers(
    tenant: &Tenant,
    channels: &[Channel],
) -> Result<BTreeMap<String, u64>, Problem> {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default().saturating_sub(RECENT);
    // The newest sample is enough, and old ones need not be read for it.
    let since = i64::try_from(since.as_secs()).ok();
    let mut found = BTreeMap::new();
    for channel in channels {
        let history = tenant.stats_history(&channel.id, since).await?;
        found.extend(history.last().and_then(|sample| Some((channel.id.clone(), sample.stats.followers?))));
    }
    Ok(found)
}

/// Days that charts can show.
const RANGES: [i64; 3] = [7, 28, 90];
const DAY: i64 = 24 * 3600;
/// Rows of the table; the CSV has all.
const ROWS: usize = 100;

/// A number of `T`: its name in files and addresses, its title, and how to take it.
pub(super) type Number<T> = (&'static str, &'static str, fn(&T) -> Option<u64>);

/// Samples, oldest first, and what to show of them.
pub(super) struct Numbers<'a, T> {
    /// The address of the page, without a query.
    pub(super) here: &'a str,
    pub(super) kinds: &'a [Number<T>],
    pub(super) history: &'a [(i64, T)],
    /// The numbers of now, where they are known.
    pub(super) now: Option<&'a T>,
    /// The days that were asked for.
    pub(super) days: Option<i64>,
}

impl<T> Numbers<'_, T> {
    fn days(&self) -> i64 {
        self.days.filter(|days| RANGES.contains(days)).unwrap_or(28)
    }

    /// From the newest sample on, so that a service that stood still shows what it has.
    fn shown(&self) -> &[(i64, T)] {
        let newest = self.history.last().map_or(0, |(at, _)| *at);
        let first = self.history.partition_point(|(at, _)| *at < newest - self.days() * DAY);
        self.history.get(first..).unwrap_or_default()
    }

    /// The heading with the choice of days.
    pub(super) fn heading(&self) -> Markup {
        html! {
            div.headline {
                h2 id="numbers" { "Numbers" }
                nav.ranges aria-label="Time" {
                    @for range in RANGES { a href={(self.here) "?days=" (range) "#numbers"} aria-current=[(range == self.days()).then_some("true")] { (range) " days" } }
                }
            }
        }
    }

    /// A chart for each number that is known.
    pub(super) fn charts(&self) -> Markup {
        html! {
            @for (id, title, take) in self.kinds {
                @let points: Vec<_> = self.shown().iter().filter_map(|(at, numbers)| Some((*at, take(numbers)?))).collect();
                @let now = self.now.and_then(take);
                @if now.is_some() || !points.is_empty() { (chart::chart(&format!("n-{id}"), title, now, &points)) }
            }
        }
    }

    /// The same as a table, folded.
    pub(super) fn table(&self) -> Markup {
        html! {
            @if self.shown().len() > 1 {
                details {
                    summary { "As a table" }
                    div.scroll tabindex="0" role="region" aria-label="Numbers over time" {
                        table {
                            thead { tr { th scope="col" { "When" } @for (_, title, _) in self.kinds { th.num scope="col" { (title) } } } }
                            tbody {
                                @for (at, numbers) in self.shown().iter().rev().take(ROWS) {
                                    tr { td { (part::instant(*at)) } @for (.., take) in self.kinds { td.num { @match take(numbers) { Some(value) => (part::number(value)), None => "–" } } } }
                                }
                            }
                        }
                    }
                }
            }
        }
    }
}

/// All samples as CSV.
pub(super) fn csv<T>(kinds: &[Number<T>], history: &[(i64, T)]) -> Csv {
    let mut columns = vec!["at"];
    columns.extend(kinds.iter().map(|(name, ..)| *name));
    let mut file = Csv::new(&columns);
    for (at, numbers) in history {
        let mut cells = vec![part::instant_text(*at).0];
        cells.extend(
            kinds.iter().map(|(.., take)| take(numbers).map_or_else(String::new, |value| value.to_string())),
        );
        file.row(&cells);
    }
    file
}

//! Lists of jobs, by what there is to do with them. They follow their jobs: `jobs.js` shows the rows that the service
//! sends whenever they changed.

use std::convert::Infallible;
use std::time::Duration;

use axum::Router;
use axum::extract::State as Shared;
use axum::response::sse::{Event, KeepAlive, Sse};
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use maud::{Markup, html};
use serde::Deserialize;
use social_channel::{Channel, Job, JobGroup, JobStatus, Tenant};

use super::csv::Csv;
use super::job::{channel_name, next_step, title};
use super::layout::{Answer, Frame, Section};
use super::part;
use crate::State;
use crate::auth::{Browser, Operator};
use crate::extract::Query;
use crate::problem::Problem;

/// Jobs on a page.
const PAGE: u32 = 25;
/// Jobs of a list on another page; the rest is on the page of jobs.
const FEW: u32 = 5;
/// Many writes in a short time are shown at once.
const PAUSE: Duration = Duration::from_millis(300);
/// Proxies close connections that are idle for a minute.
const KEEP_ALIVE: Duration = Duration::from_secs(20);

const DAY: i64 = 24 * 3600;

const TABS: [(&str, Option<JobGroup>); 7] = [
    ("All", None),
    ("Needs attention", Some(JobGroup::Attention)),
    ("In progress", Some(JobGroup::InProgress)),
    ("Scheduled", Some(JobGroup::Scheduled)),
    ("Published", Some(JobGroup::Published)),
    ("Failed", Some(JobGroup::Failed)),
    ("Cancelled", Some(JobGroup::Cancelled)),
];

pub(super) fn routes() -> Router<State> {
    Router::new().route("/jobs", get(show)).route("/jobs/events", get(events)).route("/jobs.csv", get(export))
}

/// Which jobs a list has.
#[derive(Clone, Debug, Default, Deserialize)]
pub(super) struct List {
    show: Option<JobGroup>,
    before: Option<String>,
    channel: Option<String>,
    #[serde(default)]
    few: bool,
    /// The tenant that the page was drawn for, where the answer does not show it: rows and files.
    tenant: Option<String>,
}

impl List {
    /// The first jobs of a group, or of all, on another page.
    pub(super) fn few(show: Option<JobGroup>, channel: Option<&str>) -> Self {
        List { show, before: None, channel: channel.map(str::to_owned), few: true, tenant: None }
    }

    fn url(&self, path: &str) -> String {
        let show = self.show.and_then(|group| serde_json::to_value(group).ok());
        let show = show.as_ref().and_then(serde_json::Value::as_str);
        let few = self.few.then_some("true");
        let query = [
            ("show", show),
            ("before", self.before.as_deref()),
            ("channel", self.channel.as_deref()),
            ("few", few),
        ];
        let query: Vec<String> = query
            .into_iter()
            .filter_map(|(name, value)| Some(format!("{name}={}", part::encoded(value?))))
            .collect();
        if query.is_empty() { path.to_owned() } else { format!("{path}?{}", query.join("&")) }
    }

    /// The address of what belongs to this page and its tenant.
    fn own_url(&self, path: &str, tenant: &Tenant) -> String {
        let url = self.url(path);
        let and = if url.contains('?') { '&' } else { '?' };
        format!("{url}{and}tenant={}", part::encoded(tenant.id().as_str()))
    }

    /// The tenant, if it is the one that the page was drawn for.
    fn tenant(&self, state: &State, browser: &Browser) -> Result<Tenant, Problem> {
        self.tenant.as_deref().map_or(Ok(()), |drawn| browser.acts_for(drawn))?;
        Ok(browser.tenant(state))
    }

    /// The jobs, and whether there are more.
    async fn read(&self, tenant: &Tenant) -> Result<(Vec<Job>, bool), Problem> {
        let (channel, before) = (self.channel.as_deref(), self.before.as_deref());
        let most = if self.few { FEW } else { PAGE };
        let mut jobs = match self.show {
            Some(group) => tenant.jobs_in(channel, group, most + 1, before).await?,
            None => tenant.jobs_before(channel, None, most + 1, before).await?,
        };
        let more = jobs.len() > most as usize;
        jobs.truncate(most as usize);
        Ok((jobs, more))
    }

    /// The list, which follows its jobs. None: there are no such jobs.
    pub(super) async fn live(&self, tenant: &Tenant) -> Result<Option<Markup>, Problem> {
        let (jobs, _) = self.read(tenant).await?;
        let channels = tenant.channels().await?;
        Ok((!jobs.is_empty()).then(|| self.follow(tenant, &self.rows(&jobs, &channels))))
    }

    /// The instant by which a job is in its place in this list.
    fn day(&self, job: &Job) -> i64 {
        job.publish_at.filter(|_| self.show == Some(JobGroup::Scheduled)).unwrap_or(job.created_at)
    }

    fn follow(&self, tenant: &Tenant, rows: &Markup) -> Markup {
        html! { div data-live=(self.own_url("/jobs/events", tenant)) { (rows) } }
    }

    fn rows(&self, jobs: &[Job], channels: &[Channel]) -> Markup {
        html! {
            @if jobs.is_empty() {
                div.empty {
                    @match self.show {
                        None => { p { "No posts yet." } p { "Open a channel and publish: every post is a job, kept also when its channel is disconnected." } p { a.button href="/channels" { "Channels" } } },
                        Some(JobGroup::Attention) => p { "Nothing needs you." },
                        Some(JobGroup::InProgress) => p { "Nothing is being published." },
                        Some(JobGroup::Scheduled) => { p { "Nothing is scheduled." } p { "Choose “Later” when you publish." } },
                        Some(JobGroup::Published) => p { "Nothing was published yet." },
                        Some(JobGroup::Failed) => p { "No post failed." },
                        Some(JobGroup::Cancelled) => p { "No post was cancelled." },
                    }
                }
            } @else {
                @if self.few { ul.rows.jobs { @for job in jobs { (row(job, channels, self.day(job))) } } }
                @else {
                    @for day in jobs.chunk_by(|one, next| self.day(one).div_euclid(DAY) == self.day(next).div_euclid(DAY)) {
                        @if let Some(first) = day.first() { h2.day { (part::day(self.day(first))) } }
                        ul.rows.jobs { @for job in day { (row(job, channels, self.day(job))) } }
                    }
                }
            }
        }
    }
}

fn row(job: &Job, channels: &[Channel], day: i64) -> Markup {
    html! {
        li data-at=(part::instant_text(day).0) {
            div {
                a.whole href={"/jobs/" (job.id)} { (title(job)) }
                p.fine {
                    (channel_name(job, channels)) " · "
                    (part::words(&job.post.kind)) " · " (when(job))
                }
                @if let Some(error) = job.error.as_ref().filter(|_| job.status != JobStatus::Cancelled) { p.fine.said { (part::sentence(&error.message)) } }
            }
            // The whole row is the link to the job, so this only shows it.
            span.ends { (part::status(job)) span.button aria-hidden="true" { (next_step(job).0) } }
        }
    }
}

/// What there is to know of its time.
fn when(job: &Job) -> Markup {
    html! {
        @match (job.ended_at, job.publish_at) {
            (Some(at), _) => (part::moment(at)),
            (None, Some(at)) if job.is_scheduled() => { "scheduled for " (part::instant(at)) },
            _ if job.status == JobStatus::Active => {
                (part::words(&job.phase).to_lowercase())
                @if job.bytes_total > 0 && job.bytes_sent < job.bytes_total { " " (job.bytes_sent * 100 / job.bytes_total) " %" }
            },
            _ => { "since " (part::moment(job.updated_at)) },
        }
    }
}

async fn show(Shared(state): Shared<State>, Operator(browser): Operator, Query(list): Query<List>) -> Answer {
    let frame = Frame::new(&state, &browser).await?;
    let tenant = browser.tenant(&state);
    let (jobs, more) = list.read(&tenant).await?;
    let channels = tenant.channels().await?;
    let is_first = list.show.is_none() && list.before.is_none();
    let unfinished = if is_first { Some(super::crosspost::unfinished(&tenant).await?) } else { None };
    let first = List { before: None, ..list.clone() };
    let next = jobs.last().filter(|_| more).map(|job| List { before: Some(job.id.clone()), ..list.clone() });
    let soonest = list.show == Some(JobGroup::Scheduled);
    let body = html! {
        div.headline { h1 { "Jobs" } p.fine { a href="/uploads" { "Uploads" } " · " a href=(List { before: None, ..list.clone() }.own_url("/jobs.csv", &tenant)) { "As CSV" } } }
        @if let Some(unfinished) = unfinished { (unfinished) }
        nav.tabs aria-label="Show" {
            @for (label, group) in TABS {
                a href=(List { show: group, ..List::default() }.url("/jobs")) aria-current=[(group == list.show).then_some("page")] { (label) }
            }
        }
        (list.follow(&tenant, &list.rows(&jobs, &channels)))
        nav.pages aria-label="Pages of jobs" {
            @if list.before.is_some() { a.button href=(first.url("/jobs")) { @if soonest { "Next ones" } @else { "Newest" } } }
            @if let Some(next) = next { a.button rel="next" href=(next.url("/jobs")) { @if soonest { "Later jobs" } @else { "Older jobs" } } }
        }
    };
    Ok(frame.page(Section::Jobs, "Jobs", &["jobs.js"], &body))
}

/// Jobs of a file; callers with more ask the API.
const EXPORTED: u32 = 10_000;

/// All jobs of a list as CSV, as they stand.
async fn export(
    Shared(state): Shared<State>,
    Operator(browser): Operator,
    Query(list): Query<List>,
) -> Answer {
    let tenant = list.tenant(&state, &browser)?;
    let channel = list.channel.as_deref();
    let jobs = match list.show {
        Some(group) => tenant.jobs_in(channel, group, EXPORTED, None).await?,
        None => tenant.jobs(channel, None, EXPORTED).await?,
    };
    let channels = tenant.channels().await?;
    let mut file = Csv::new(&[
        "id",
        "channel",
        "kind",
        "text",
        "status",
        "created",
        "scheduled_for",
        "ended",
        "url",
        "error",
    ]);
    let at = |seconds: Option<i64>| seconds.map_or_else(String::new, |seconds| part::instant_text(seconds).0);
    for job in &jobs {
        let status = serde_json::to_value(job.status).ok();
        file.row(&[
            job.id.as_str(),
            channel_name(job, &channels),
            &job.post.kind,
            job.post.title.as_ref().or(job.post.text.as_ref()).map_or("", String::as_str),
            status.as_ref().and_then(serde_json::Value::as_str).unwrap_or_default(),
            &at(Some(job.created_at)),
            &at(job.publish_at),
            &at(job.ended_at),
            job.url.as_deref().unwrap_or_default(),
            job.error.as_ref().map_or("", |error| &error.message),
        ]);
    }
    Ok(file.answer("jobs.csv"))
}

/// The rows of a list at once, and again whenever they changed.
async fn events(
    Shared(state): Shared<State>,
    Operator(browser): Operator,
    Query(list): Query<List>,
) -> Result<Response, Problem> {
    let tenant = list.tenant(&state, &browser)?;
    let watch = tenant.watch_jobs();
    let stop = state.0.stop.clone();
    let events = futures::stream::unfold(
        (tenant, stop, list, watch, None),
        |(tenant, stop, list, mut watch, mut shown)| async move {
            loop {
                if shown.is_some() {
                    tokio::select! {
                        () = watch.changed() => tokio::time::sleep(PAUSE).await,
                        () = stop.cancelled() => return None,
                    }
                }
                let (jobs, _) = list.read(&tenant).await.ok()?;
                let channels = tenant.channels().await.ok()?;
                let rows = list.rows(&jobs, &channels).into_string();
                if shown.as_ref() != Some(&rows) {
                    let event = Event::default().event("rows").data(&rows);
                    shown = Some(rows);
                    return Some((Ok::<_, Infallible>(event), (tenant, stop, list, watch, shown)));
                }
            }
        },
    );
    let events = Sse::new(events).keep_alive(KeepAlive::new().interval(KEEP_ALIVE));
    // nginx then hands events on as they come, without a directive.
    Ok(([("x-accel-buffering", "no")], events).into_response())
}

//! Jobs: how they stand, live; what happened; and what to do, in one sentence.

use axum::Router;
use axum::extract::{Query, State as Shared};
use axum::response::{IntoResponse, Redirect};
use axum::routing::{get, post};
use maud::{Markup, html};
use serde::Deserialize;
use social_channel::model::Quota;
use social_channel::{Channel, ErrorKind, HistoryRow, Job, JobStatus, Resolution};

use super::layout::{Frame, Section};
use super::{Answer, part};
use crate::State;
use crate::auth::{Form, Operator};
use crate::extract::Path;

/// Jobs on a page.
const PAGE: u32 = 25;
/// Attempts shown; the API has all.
const HISTORY: usize = 200;

pub(super) fn routes() -> Router<State> {
    Router::new()
        .route("/jobs", get(list))
        .route("/jobs/{job}", get(show))
        .route("/jobs/{job}/cancel", post(cancel))
        .route("/jobs/{job}/resume", post(resume))
        .route("/jobs/{job}/retry", post(retry))
        .route("/jobs/{job}/resolve", post(resolve))
}

#[derive(Deserialize)]
struct Named {
    job: String,
}

#[derive(Deserialize)]
struct Asked {
    status: Option<JobStatus>,
    before: Option<String>,
}

/// What a job is called on the pages.
pub(super) fn title(job: &Job) -> String {
    let text = job.post.title.as_ref().or(job.post.text.as_ref()).filter(|text| !text.trim().is_empty());
    match text {
        Some(text) => text.chars().take(60).collect(),
        None => job
            .media
            .first()
            .and_then(|medium| medium.file_name.clone())
            .unwrap_or_else(|| part::words(&job.post.kind)),
    }
}

/// One sentence for the person.
pub(super) fn what_to_do(job: &Job) -> String {
    let remedy = job.error.as_ref().and_then(|error| error.remedy.as_deref());
    let own = match job.status {
        JobStatus::Active if job.cancel_requested => "Nothing: it is being cancelled.",
        JobStatus::Active if job.error.is_some() => {
            return match remedy {
                Some(remedy) => format!("It goes on by itself. {}", part::sentence(remedy)),
                None => "Nothing: it goes on by itself.".to_owned(),
            };
        }
        JobStatus::Active if job.phase == "waiting" && job.publish_at.is_some() => {
            "Nothing: it begins at its time."
        }
        JobStatus::Active => "Nothing: it goes on by itself, also when this page is closed.",
        JobStatus::Paused => "Do what it says above, then press Go on.",
        JobStatus::Published if job.url.is_none() => {
            "Nothing: it is out. The network has not told the link yet; processing can take some minutes."
        }
        JobStatus::Published => "Nothing: it is out.",
        JobStatus::Failed => "Nothing was posted. Repair what it says above, then try again.",
        JobStatus::Unknown => "Look at the network whether the post is there, then say below what you found.",
        JobStatus::Cancelled => "Nothing was posted.",
    };
    match (job.status, remedy) {
        (JobStatus::Paused | JobStatus::Failed | JobStatus::Unknown, Some(remedy)) => part::sentence(remedy),
        _ => own.to_owned(),
    }
}

/// Jobs as a table.
pub(super) fn table(jobs: &[Job], channels: &[Channel]) -> Markup {
    html! {
        ul.rows.jobs {
            @for job in jobs {
                li {
                    div {
                        a href={"/jobs/" (job.id)} { (title(job)) }
                        p.fine {
                            @if let Some(channel) = channels.iter().find(|channel| channel.id == job.channel) { (channel.display_name) " · " }
                            (part::words(&job.post.kind)) " · " (part::instant(job.created_at))
                        }
                    }
                    (part::status(job.status))
                }
            }
        }
    }
}

async fn list(
    Shared(state): Shared<State>,
    Operator(browser): Operator,
    Query(asked): Query<Asked>,
) -> Answer {
    let frame = Frame::new(&state, &browser).await?;
    let tenant = state.tenant();
    let mut jobs = tenant.jobs_before(None, asked.status, PAGE + 1, asked.before.as_deref()).await?;
    let more = jobs.len() > PAGE as usize;
    jobs.truncate(PAGE as usize);
    let channels = tenant.channels().await?;
    let filters = [
        ("All", None),
        ("Under way", Some((JobStatus::Active, "active"))),
        ("Waits for you", Some((JobStatus::Paused, "paused"))),
        ("Published", Some((JobStatus::Published, "published"))),
        ("Failed", Some((JobStatus::Failed, "failed"))),
        ("Unknown", Some((JobStatus::Unknown, "unknown"))),
    ];
    let name = filters.iter().flatten_status(asked.status);
    let body = html! {
        h1 { "Jobs" }
        nav.tabs aria-label="Show" {
            @for (label, filter) in filters {
                a href=(filter.map_or_else(|| "/jobs".to_owned(), |(_, name)| format!("/jobs?status={name}"))) aria-current=[(filter.map(|(status, _)| status) == asked.status).then_some("page")] { (label) }
            }
        }
        @if jobs.is_empty() { div.empty { p { "There are none." } p { "A job is made for every post; it is kept until you forget the channel." } } }
        (table(&jobs, &channels))
        nav.pages aria-label="Pages of jobs" {
            @if asked.before.is_some() { a.button href={"/jobs" @if let Some(name) = name { "?status=" (name) }} { "Newest" } }
            @if let Some(last) = jobs.last().filter(|_| more) {
                a.button rel="next" href={"/jobs?before=" (part::encoded(&last.id)) @if let Some(name) = name { "&status=" (name) }} { "Older jobs" }
            }
        }
    };
    Ok(frame.page(Section::Jobs, "Jobs", &[], &body))
}

/// What the part shows, as the page's script reads it off an event (`job.js`): a job may have changed between the
/// drawing of the page and the first event.
fn drawn(job: &Job) -> String {
    let error = job.error.as_ref().map(|error| error.message.as_str()).unwrap_or_default();
    let url = job.url.as_deref().unwrap_or_default();
    let shown = (job.status, &job.phase, error, job.cancel_requested, url, job.bytes_total > 0);
    serde_json::to_string(&shown).unwrap_or_default()
}

/// Finds the name of the chosen filter.
trait Filters {
    fn flatten_status(self, status: Option<JobStatus>) -> Option<&'static str>;
}

impl<'a, I: Iterator<Item = &'a (&'static str, Option<(JobStatus, &'static str)>)>> Filters for I {
    fn flatten_status(mut self, status: Option<JobStatus>) -> Option<&'static str> {
        self.find_map(|(_, filter)| filter.filter(|(own, _)| Some(*own) == status).map(|(_, name)| name))
    }
}

async fn show(
    Shared(state): Shared<State>,
    Operator(browser): Operator,
    Path(Named { job }): Path<Named>,
) -> Answer {
    let frame = Frame::new(&state, &browser).await?;
    let tenant = state.tenant();
    let job = tenant.job(&job).await?;
    let history = tenant.job_history(&job.id).await?;
    let channel = tenant.channel(&job.channel).await.ok();
    let body = html! {
        nav.crumbs aria-label="Path" {
            a href="/jobs" { "Jobs" } " / "
            @if let Some(channel) = &channel { a href={"/channels/" (channel.id)} { (channel.display_name) } " / " }
            (title(&job))
        }
        h1 { (title(&job)) }
        div id="job" data-job=(job.id) data-drawn=(drawn(&job)) data-ended[job.has_ended()] {
            (standing(&job))
            (actions(&frame, &job))
            (facts(&job))
            (past(&history))
        }
    };
    Ok(frame.page(Section::Jobs, &title(&job), &["job.js"], &body))
}

fn standing(job: &Job) -> Markup {
    html! {
        section.card aria-label="How it stands" {
            p.standing role="status" { (part::status(job.status)) " " span id="phase" data-phase=(job.phase) { (part::words(&job.phase)) } }
            @if job.bytes_total > 0 && !job.has_ended() {
                div.bar {
                    label.hidden for="bytes" { "Sent" }
                    progress id="bytes" max=(job.bytes_total) value=(job.bytes_sent) {}
                    span id="sent" { (part::bytes(job.bytes_sent)) " of " (part::bytes(job.bytes_total)) }
                }
            }
            @if let Some(error) = &job.error {
                div.note.(if job.status == JobStatus::Active { "info" } else { "bad" }) {
                    p { strong { (part::sentence(&error.message)) } }
                    (part::references(error))
                }
            }
            @if let Some(at) = job.next_attempt_at.filter(|_| job.status == JobStatus::Active) { p { "Next: " (part::instant(at)) } }
            p { strong { "What to do: " } span id="todo" { (what_to_do(job)) } }
            @if let Some(url) = job.url.as_deref().and_then(part::https) { p { (part::outward(Some(url), "See the post")) } }
        }
    }
}

fn actions(frame: &Frame, job: &Job) -> Markup {
    let button = |verb: &str, label: &str, class: &str, confirm: Option<&str>| {
        html! {
            form method="post" action={"/jobs/" (job.id) "/" (verb)} {
                (frame.token())
                button.(class) type="submit" data-confirm=[confirm] { (label) }
            }
        }
    };
    let asks = job.error.as_ref().is_some_and(|error| error.kind == ErrorKind::InvalidRequest);
    let open = job.sent_at.is_none();
    html! {
        @if job.status == JobStatus::Unknown {
            section.card aria-labelledby="found" {
                h2 id="found" { "What did you find?" }
                form method="post" action={"/jobs/" (job.id) "/resolve"} {
                    (frame.token())
                    label.check { input type="radio" name="posted" value="true" required; "The post is there" }
                    label.check { input type="radio" name="posted" value="false"; "I looked, and it is not there" }
                    div.field { label for="url" { "Its address, if you have it" } input id="url" name="url" type="url" placeholder="https://"; }
                    button.main type="submit" { "Save what I found" }
                }
            }
        }
        div.actions {
            @match job.status {
                JobStatus::Paused => {
                    @if asks && open { a.button.main href={"/jobs/" (job.id) "/change"} { "Look at the post again" } }
                    (button("resume", "Go on", "main", None))
                    (button("cancel", "Cancel", "danger", Some("Cancel this job?")))
                }
                JobStatus::Active => {
                    @if job.next_attempt_at.is_some() && job.publish_at.is_none() { (button("resume", "Try now", "plain", None)) }
                    @if open { a.button href={"/jobs/" (job.id) "/change"} { "Change the post" } }
                    @if !job.cancel_requested { (button("cancel", "Cancel", "danger", Some("Cancel this job? What was sent already may still be posted."))) }
                }
                JobStatus::Failed | JobStatus::Cancelled => (button("retry", "Try again", "main", None)),
                JobStatus::Published | JobStatus::Unknown => {}
            }
        }
    }
}

fn facts(job: &Job) -> Markup {
    html! {
        section.card aria-labelledby="about" {
            h2 id="about" { "About" }
            dl.facts {
                @if let Some(text) = job.post.text.as_ref().filter(|text| !text.is_empty()) { div { dt { "Text" } dd.text { (text) } } }
                @if let Some(visibility) = &job.post.visibility { div { dt { "Who can see it" } dd { (part::words(&visibility.to_lowercase())) } } }
                @for (name, value) in &job.post.options { div { dt { (part::words(name)) } dd { (serde_json::to_string(value).unwrap_or_default()) } } }
                @for medium in &job.media { div { dt { "File" } dd { (medium.file_name.as_deref().unwrap_or("")) " " (medium.content_type) " · " (part::bytes(medium.size)) @if let Some(ms) = medium.duration { " · " (part::length(ms)) } } } }
                @if let Some(at) = job.publish_at { div { dt { "Not before" } dd { (part::instant(at)) } } }
                @if !job.has_ended() { div { dt { "Given up after" } dd { (part::instant(job.deadline_at)) } } }
                @if let Some(old) = &job.retry_of { div { dt { "Repeats" } dd { a href={"/jobs/" (old)} { (old) } } } }
                @for reference in &job.references { div { dt { "The network's id" } dd { code.long { (reference) } } } }
            }
            @if let Some(consent) = &job.consent {
                h3 { "Consent" }
                dl.facts id="consent" {
                    @if let Some(by) = consent.get("by") { div { dt { "By" } dd { (by) } } }
                    @if let Some(at) = consent.get("at") { div { dt { "At" } dd { @match at.parse() { Ok(at) => (part::instant(at)), Err(_) => (at) } } } }
                    @if let Some(words) = consent.get("words") { div { dt { "To these words" } dd { @for line in words.lines() { p { (line) } } } } }
                }
            }
            @if !job.quotas.is_empty() { p.fine { "Allowances: " @for Quota { name, used, maximum, .. } in &job.quotas { (part::words(name)) " " (used) " of " (maximum) ". " } } }
        }
    }
}

fn past(history: &[HistoryRow]) -> Markup {
    html! {
        section aria-labelledby="history" {
            h2 id="history" { "History" }
            div.scroll tabindex="0" role="region" aria-label="All attempts" {
                table {
                    thead { tr { th scope="col" { "When" } th scope="col" { "Step" } th scope="col" { "Phase" } th scope="col" { "Result" } } }
                    tbody {
                        @for row in history.iter().rev().take(HISTORY) {
                            tr {
                                td { (part::instant(row.at_ms / 1000)) }
                                td { (part::words(&row.call)) }
                                td { (part::words(&row.phase)) }
                                td {
                                    (part::words(&row.result))
                                    @if let Some(message) = &row.message { br; span.fine { (part::sentence(message)) @if let Some(code) = &row.code { " " code { (code) } } @if let Some(trace) = &row.trace_id { " " code { (trace) } } } }
                                }
                            }
                        }
                    }
                }
            }
        }
    }
}

fn to(job: &str) -> axum::response::Response {
    Redirect::to(&format!("/jobs/{}", part::encoded(job))).into_response()
}

async fn cancel(
    Shared(state): Shared<State>,
    _: Operator,
    Path(Named { job }): Path<Named>,
    _: Form,
) -> Answer {
    Ok(to(&state.tenant().cancel_job(&job).await?.id))
}

async fn resume(
    Shared(state): Shared<State>,
    _: Operator,
    Path(Named { job }): Path<Named>,
    _: Form,
) -> Answer {
    Ok(to(&state.tenant().resume_job(&job).await?.id))
}

async fn retry(
    Shared(state): Shared<State>,
    _: Operator,
    Path(Named { job }): Path<Named>,
    _: Form,
) -> Answer {
    Ok(to(&state.tenant().retry_job(&job, false).await?.id))
}

async fn resolve(
    Shared(state): Shared<State>,
    _: Operator,
    Path(Named { job }): Path<Named>,
    form: Form,
) -> Answer {
    let url = form.get("url").map(str::trim).filter(|url| !url.is_empty()).map(str::to_owned);
    let found = Resolution { posted: form.get("posted") == Some("true"), post_id: None, url };
    Ok(to(&state.tenant().resolve_job(&job, found).await?.id))
}

//! A job: its live status, its history, and what to do, in one sentence.

use std::time::Duration;

use axum::Router;
use axum::extract::State as Shared;
use axum::response::{IntoResponse, Redirect};
use axum::routing::{get, post};
use http::StatusCode;
use maud::{Markup, html};
use serde::Deserialize;
use social_channel::model::{Field, OptionValue, PostStats, PublishForm, Quota};
use social_channel::{Channel, Error, ErrorKind, HistoryRow, Job, JobChange, JobStatus, Resolution, Tenant};

use super::layout::{Answer, Frame, Section};
use super::numbers::{self, Number, Numbers};
use super::part;
use crate::State;
use crate::auth::{Browser, Form, Operator};
use crate::extract::{Path, Query};
use crate::problem::Problem;

/// The page is there without the words of a form that is slow to come.
const PATIENCE: Duration = Duration::from_secs(3);

/// The account's name in a consent that was given on the pages.
pub(super) const ACCOUNT: &str = "account";

/// Attempts shown; the API has all.
const HISTORY: usize = 200;

pub(super) fn routes() -> Router<State> {
    Router::new()
        .route("/jobs/{job}", get(show))
        .route("/jobs/{job}/numbers.csv", get(export))
        .route("/jobs/{job}/cancel", post(cancel))
        .route("/jobs/{job}/resume", post(resume))
        .route("/jobs/{job}/time", post(reschedule))
        .route("/jobs/{job}/retry", post(retry))
        .route("/jobs/{job}/resolve", post(resolve))
}

#[derive(Deserialize)]
struct Named {
    job: String,
}

#[derive(Deserialize)]
struct Asked {
    days: Option<i64>,
}

/// Characters of a title: as many as fit a line beside a status.
const TITLE: usize = 60;

/// The title of a job on the pages.
pub(super) fn title(job: &Job) -> String {
    let text = job.post.title.as_ref().or(job.post.text.as_ref()).filter(|text| !text.trim().is_empty());
    match text {
        Some(text) => cut(text.trim(), TITLE),
        None => job
            .media
            .first()
            .and_then(|medium| medium.file_name.clone())
            .unwrap_or_else(|| part::words(&job.post.kind)),
    }
}

/// The beginning of a text, with an ellipsis where something is left out.
fn cut(text: &str, most: usize) -> String {
    match text.char_indices().nth(most) {
        Some((end, _)) => format!("{}…", text.get(..end).unwrap_or(text).trim_end()),
        None => text.to_owned(),
    }
}

/// The name of a job's channel. After a disconnect the consent still has the one that was shown beside the button.
pub(super) fn channel_name<'a>(job: &'a Job, channels: &'a [Channel]) -> &'a str {
    let known = channels.iter().find(|channel| channel.id == job.channel);
    let kept = || job.consent.as_ref().and_then(|consent| consent.get(ACCOUNT));
    known
        .map(|channel| &channel.display_name)
        .or_else(kept)
        .map_or("A channel that was disconnected", String::as_str)
}

/// Whether its post was refused before anything was sent: it can be changed, and then goes on.
fn wants_change(job: &Job) -> bool {
    job.sent_at.is_none() && job.error.as_ref().is_some_and(|error| error.kind == ErrorKind::InvalidRequest)
}

/// What a list offers for a job, and where that is done.
pub(super) fn next_step(job: &Job) -> (&'static str, String) {
    let here = format!("/jobs/{}", job.id);
    match job.status {
        JobStatus::Paused if wants_change(job) => ("Edit post", format!("{here}/change")),
        JobStatus::Paused => ("Fix", here),
        JobStatus::Unknown => ("Check", here),
        _ => ("View", here),
    }
}

/// What to do, as one sentence.
pub(super) fn what_to_do(job: &Job) -> String {
    let remedy = job.error.as_ref().and_then(|error| error.remedy.as_deref());
    let own = match job.status {
        JobStatus::Active if job.cancel_requested => "Nothing: it is being cancelled.",
        JobStatus::Active if job.error.is_some() => {
            return match remedy {
                Some(remedy) => format!("It continues automatically. {}", part::sentence(remedy)),
                None => "Nothing: it continues automatically.".to_owned(),
            };
        }
        JobStatus::Active if job.is_scheduled() => "Nothing: it starts at its scheduled time.",
        JobStatus::Active => "Nothing: it continues automatically, even if this page is closed.",
        JobStatus::Paused => "Do what it says above, then press Resume.",
        JobStatus::Published if job.url.is_none() && job.next_attempt_at.is_some() => {
            "Nothing: it is published. The network has not provided the link yet; processing can take some minutes."
        }
        JobStatus::Published if job.url.is_none() => {
            "Nothing: it is published. The network provides no link, as for posts that not everybody can see."
        }
        JobStatus::Published => "Nothing: it is published.",
        JobStatus::Failed => "Nothing was posted. Fix the problem above, then try again.",
        JobStatus::Unknown => {
            "Check at the network whether the post is there, then record below what you found."
        }
        JobStatus::Cancelled => "Nothing was posted.",
    };
    match (job.status, remedy) {
        (JobStatus::Paused | JobStatus::Failed | JobStatus::Unknown, Some(remedy)) => part::sentence(remedy),
        _ => own.to_owned(),
    }
}

/// The state that the page shows, in the form in which the page's script reads it from an event (`job.js`): a job
/// may have changed between the rendering of the page and the first event.
fn drawn(job: &Job) -> String {
    let error = job.error.as_ref().map(|error| error.message.as_str()).unwrap_or_default();
    let url = job.url.as_deref().unwrap_or_default();
    let shown =
        (job.status, &job.phase, error, job.cancel_requested, url, job.bytes_total > 0, job.publish_at);
    serde_json::to_string(&shown).unwrap_or_default()
}

async fn show(
    Shared(state): Shared<State>,
    Operator(browser): Operator,
    Path(Named { job }): Path<Named>,
    Query(Asked { days }): Query<Asked>,
) -> Answer {
    draw(&state, &browser, &job, days, None).await
}

/// The page; with what was refused, if something was.
async fn draw(
    state: &State,
    browser: &Browser,
    job: &str,
    days: Option<i64>,
    refused: Option<&Error>,
) -> Answer {
    let frame = Frame::new(state, browser).await?;
    let tenant = browser.tenant(state);
    let job = tenant.job(job).await?;
    let history = tenant.job_history(&job.id).await?;
    let channel = tenant.channel(&job.channel).await.ok();
    let form = words(&tenant, &job).await;
    let body = html! {
        nav.crumbs aria-label="Path" {
            a href="/jobs" { "Jobs" } " / "
            @match &channel {
                Some(channel) => a href={"/channels/" (channel.id)} { (channel.display_name) },
                None => (channel_name(&job, &[])),
            }
            " / "
            (title(&job))
        }
        h1 { (title(&job)) }
        div id="job" data-job=(job.id) data-drawn=(drawn(&job)) data-ended[job.has_ended()] {
            (standing(&frame, &job))
            @if let Some(error) = refused { (part::failure(error)) }
            @if job.status == JobStatus::Unknown { (found(&frame, &job)) }
            @if job.is_scheduled() { (schedule(&frame, &job)) }
            (numbers(&job, &post_history(&tenant, &job).await?, days))
            (facts(&job, form.as_ref()))
            (past(&history))
        }
    };
    let status = refused.map_or(StatusCode::OK, |_| StatusCode::UNPROCESSABLE_ENTITY);
    Ok(frame.page_at(status, Section::Jobs, &title(&job), &["job.js"], &body))
}

fn standing(frame: &Frame, job: &Job) -> Markup {
    html! {
        section.card aria-label="How it stands" {
            p.standing role="status" { (part::status(job)) " " span id="phase" data-phase=(job.phase) hidden[job.has_ended() || job.is_scheduled()] { (part::words(&job.phase)) } }
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
            @if let Some(at) = job.next_attempt_at.filter(|_| job.status == JobStatus::Active) { p { @if job.is_scheduled() { "Scheduled for " } @else { "Next: " } (part::instant(at)) } }
            p { strong { "What to do: " } span id="todo" { (what_to_do(job)) } }
            @if let Some(url) = job.url.as_deref().and_then(part::https) { p { (part::outward(Some(url), "See the post")) } }
            (actions(frame, job))
        }
    }
}

/// The question to a person after an unknown outcome.
fn found(frame: &Frame, job: &Job) -> Markup {
    html! {
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
    let open = job.sent_at.is_none();
    let has_some = !matches!(job.status, JobStatus::Published | JobStatus::Unknown);
    html! {
        @if has_some { div.actions {
            @match job.status {
                JobStatus::Paused => {
                    @if wants_change(job) { a.button.main href={"/jobs/" (job.id) "/change"} { "Look at the post again" } }
                    (button("resume", "Resume", "main", None))
                    (button("cancel", "Cancel", "danger", Some("Cancel this job?")))
                }
                JobStatus::Active => {
                    @if job.next_attempt_at.is_some() && !job.is_scheduled() { (button("resume", "Try now", "plain", None)) }
                    @if open { a.button href={"/jobs/" (job.id) "/change"} { "Edit post" } }
                    @if !job.cancel_requested { (button("cancel", "Cancel", "danger", Some("Cancel this job? What was already sent may still be posted."))) }
                }
                JobStatus::Failed | JobStatus::Cancelled => (button("retry", "Try again", "main", None)),
                JobStatus::Published | JobStatus::Unknown => {}
            }
        } }
    }
}

const NUMBERS: [Number<PostStats>; 4] = [
    ("views", "Views", |stats| stats.views),
    ("likes", "Likes", |stats| stats.likes),
    ("replies", "Comments", |stats| stats.replies),
    ("reposts", "Shares", |stats| stats.reposts),
];

/// The numbers of a job's post over time; none where the post is not known, or its channel is not connected.
async fn post_history(tenant: &Tenant, job: &Job) -> Result<Vec<(i64, PostStats)>, Problem> {
    let Some(post) = &job.post_id else { return Ok(Vec::new()) };
    match tenant.post_stats_history(&job.channel, post, None).await {
        Ok(samples) => Ok(samples.into_iter().map(|sample| (sample.at, sample.stats)).collect()),
        Err(error) if error.kind == ErrorKind::NotFound => Ok(Vec::new()),
        Err(error) => Err(error.into()),
    }
}

fn numbers(job: &Job, history: &[(i64, PostStats)], days: Option<i64>) -> Markup {
    let here = format!("/jobs/{}", job.id);
    let numbers = Numbers { here: &here, kinds: &NUMBERS, history, now: None, days };
    html! {
        @if job.status == JobStatus::Published && job.post_id.is_some() {
            section aria-labelledby="numbers" {
                @if history.is_empty() {
                    h2 id="numbers" { "Numbers" }
                    p.quiet { "There are no numbers yet. Those of a channel's newest posts are read every few hours while the service runs." }
                } @else {
                    (numbers.heading())
                    div.stats { (numbers.charts()) }
                    (numbers.table())
                    p.fine.quiet { "Updated every few hours, as long as the post is among the newest of its channel. " a href={(here) "/numbers.csv"} { "All numbers as CSV" } }
                }
            }
        }
    }
}

/// All numbers of a job's post as CSV.
async fn export(
    Shared(state): Shared<State>,
    Operator(browser): Operator,
    Path(Named { job }): Path<Named>,
) -> Answer {
    let tenant = browser.tenant(&state);
    let job = tenant.job(&job).await?;
    Ok(numbers::csv(&NUMBERS, &post_history(&tenant, &job).await?).answer("numbers.csv"))
}

/// Another time for a scheduled job, or now.
fn schedule(frame: &Frame, job: &Job) -> Markup {
    html! {
        section.card aria-labelledby="schedule" {
            h2 id="schedule" { "When" }
            form method="post" action={"/jobs/" (job.id) "/time"} {
                (frame.token())
                div.field { (part::instant_field("Day and time", job.publish_at, "")) }
                div.actions {
                    button type="submit" { "Change time" }
                    button type="submit" formaction={"/jobs/" (job.id) "/resume"} formnovalidate data-confirm="Publish this post now?" { "Post now" }
                }
            }
        }
    }
}

/// The form whose words name what the post says. None: the post says nothing that needs it, or it cannot be had now.
async fn words(tenant: &Tenant, job: &Job) -> Option<PublishForm> {
    let agreed = job.consent.as_ref().is_some_and(|consent| consent.contains_key("audience"));
    if job.post.options.is_empty() && (agreed || job.post.visibility.is_none()) {
        return None;
    }
    tokio::time::timeout(PATIENCE, tenant.last_publish_form(&job.channel)).await.ok()?.ok()
}

/// A field of the form, for this kind of post.
fn field<'a>(form: Option<&'a PublishForm>, job: &'a Job, name: &str) -> Option<&'a Field> {
    social_channel::form::fields(form?, &job.post.kind).find(|field| field.name == name)
}

/// The words of a choice; without its form, the value itself made readable.
fn choice(field: Option<&Field>, value: &str) -> String {
    let choice = field.and_then(|field| field.choices.iter().find(|choice| choice.value == value));
    choice.map_or_else(|| value.to_owned(), |choice| choice.label.clone())
}

/// Who can see the post: as the person agreed to it, otherwise as the form says it.
fn audience(job: &Job, form: Option<&PublishForm>, visibility: &str) -> String {
    let agreed = job.consent.as_ref().and_then(|consent| consent.get("audience"));
    match (agreed, choice(field(form, job, "visibility"), visibility)) {
        (Some(label), _) => label.clone(),
        (None, same) if same == visibility => part::words(&visibility.to_lowercase()),
        (None, label) => label,
    }
}

/// The value of an option, in words.
fn chosen(value: &OptionValue, field: Option<&Field>) -> String {
    match value {
        OptionValue::Boolean(flag) => if *flag { "Yes" } else { "No" }.to_owned(),
        OptionValue::Number(number) => match field {
            Some(field) if field.kind == "date-time" => part::instant_text(*number).1,
            _ => number.to_string(),
        },
        OptionValue::Decimal(number) => number.to_string(),
        OptionValue::Json(value) => value.to_string(),
        OptionValue::Text(text) => choice(field, text),
        OptionValue::TextList(texts) => {
            texts.iter().map(|text| choice(field, text)).collect::<Vec<_>>().join(", ")
        }
    }
}

fn facts(job: &Job, form: Option<&PublishForm>) -> Markup {
    html! {
        section.card aria-labelledby="about" {
            h2 id="about" { "About" }
            dl.facts {
                @if let Some(text) = job.post.text.as_ref().filter(|text| !text.is_empty()) { div { dt { "Text" } dd.text { (text) } } }
                @if let Some(visibility) = &job.post.visibility { div { dt { "Who can see it" } dd { (audience(job, form, visibility)) } } }
                @for (name, value) in &job.post.options {
                    @let field = field(form, job, name);
                    div { dt { @match field { Some(field) => (field.label), None => (part::words(name)) } } dd { (chosen(value, field)) } }
                }
                @for part in &job.post.parts { div { dt { "Followed by" } dd.text { (part.text.as_deref().unwrap_or_default()) } } }
                @if job.posts.len() > 1 || job.posts.iter().any(|post| post.state != "public") {
                    @for post in &job.posts {
                        div {
                            dt { (part::words(&post.role)) }
                            dd {
                                (part::words(&post.state))
                                @if let Some(at) = post.public_at.and_then(|at| i64::try_from(at).ok()) { " " (part::instant(at)) }
                                @if let Some(url) = &post.url { " · " a href=(url) rel="noreferrer" { "Open" } }
                            }
                        }
                    }
                }
                @for finding in &job.findings { div { dt { "Not as intended" } dd { (part::sentence(&finding.message)) @if let Some(remedy) = &finding.remedy { " " (part::sentence(remedy)) } } } }
                @for medium in &job.media { div { dt { "File" } dd { (medium.file_name.as_deref().unwrap_or("")) " · " (part::format(&medium.content_type)) " · " (part::bytes(medium.size)) @if let Some(ms) = medium.duration { " · " (part::length(ms)) } } } }
                @if let Some(at) = job.publish_at { div { dt { "Scheduled for" } dd { (part::instant(at)) } } }
                @if !job.has_ended() { div { dt { "Stops trying" } dd { (part::instant(job.deadline_at)) } } }
                @if let Some(by) = &job.submitted_by { div { dt { "Submitted by" } dd { (by) } } }
                @if let Some(old) = &job.retry_of { div { dt { "Retry of" } dd { a href={"/jobs/" (old)} { "an earlier job" } } } }
            }
            details {
                summary { "Identifiers" }
                dl.facts {
                    div { dt { "Job" } dd { code.long { (job.id) } } }
                    div { dt { "Channel" } dd { code.long { (job.channel) } } }
                    @for reference in &job.references { div { dt { "The network's id" } dd { code.long { (reference) } } } }
                }
            }
            @if let Some(consent) = &job.consent {
                details {
                summary { "Consent" }
                dl.facts id="consent" {
                    @if let Some(by) = consent.get("by") { div { dt { "By" } dd { (by) } } }
                    @if let Some(account) = consent.get(ACCOUNT) { div { dt { "Account" } dd { (account) } } }
                    @if let Some(at) = consent.get("at") { div { dt { "At" } dd { @match at.parse() { Ok(at) => (part::instant(at)), Err(_) => (at) } } } }
                    @if let Some(words) = consent.get("words") { div { dt { "Agreed text" } dd { @for line in words.lines() { p { (line) } } } } }
                }
                }
            }
            @if !job.quotas.is_empty() { p.fine id="quotas" { "Posting limits" @if let Some(at) = job.quotas_at { " before it was sent, " (part::instant(at)) } ": " @for Quota { name, label, used, maximum, .. } in &job.quotas { @if label.is_empty() { (part::words(name)) } @else { (label) } " " (used) @if let Some(maximum) = maximum { " of " (maximum) } ". " } } }
        }
    }
}

/// The attempts, newest first; repeats are one line.
fn past(history: &[HistoryRow]) -> Markup {
    let mut lines: Vec<(&HistoryRow, usize)> = Vec::new();
    for row in history.iter().rev().take(HISTORY) {
        let same = |last: &HistoryRow| (attempt(last), &last.message) == (attempt(row), &row.message);
        match lines.last_mut() {
            Some((last, times)) if same(last) => *times += 1,
            _ => lines.push((row, 1)),
        }
    }
    html! {
        section.card aria-labelledby="history" {
            details {
                summary { h2 id="history" { "History" } }
                ul.rows {
                    @for (row, times) in lines {
                        li {
                            div {
                                p { (attempt(row)) @if times > 1 { span.quiet { " ×" (times) } } }
                                @if let Some(message) = &row.message { p.fine { (part::sentence(message)) @if let Some(code) = &row.code { " Code " code { (code) } } @if let Some(trace) = &row.trace_id { " Reference " code { (trace) } } } }
                            }
                            span.fine { (part::instant(row.at_ms / 1000)) }
                        }
                    }
                }
            }
        }
    }
}

/// What an attempt came to, in words.
fn attempt(row: &HistoryRow) -> String {
    let phase = part::words(&row.phase);
    let who = row.by.as_deref().unwrap_or("a person");
    match (row.call.as_str(), row.result.as_str()) {
        ("cancel", _) => format!("Cancelled by {who}"),
        ("change", _) => format!("Changed by {who}"),
        ("move", _) => format!("Moved to another component by {who}"),
        ("resolve", result) => {
            format!("{}: {result}", part::sentence(&format!("{who} looked")).trim_end_matches('.'))
        }
        ("resume", _) => format!("Resumed by {who}"),
        (_, "active") => phase,
        (_, result) if result.eq_ignore_ascii_case(&row.phase) => phase,
        (_, result) => format!("{phase}: {}", part::words(result).to_lowercase()),
    }
}

fn to(job: &str) -> axum::response::Response {
    Redirect::to(&format!("/jobs/{}", part::encoded(job))).into_response()
}

async fn cancel(
    Shared(state): Shared<State>,
    Operator(browser): Operator,
    Path(Named { job }): Path<Named>,
    _: Form,
) -> Answer {
    Ok(to(&browser.tenant(&state).cancel_job(&job).await?.id))
}

async fn resume(
    Shared(state): Shared<State>,
    Operator(browser): Operator,
    Path(Named { job }): Path<Named>,
    _: Form,
) -> Answer {
    Ok(to(&browser.tenant(&state).resume_job(&job).await?.id))
}

async fn reschedule(
    Shared(state): Shared<State>,
    operator: Operator,
    Path(Named { job }): Path<Named>,
    form: Form,
) -> Answer {
    let publish_at = part::chosen_instant(&form);
    let missing = || {
        Error::new(ErrorKind::InvalidRequest, "the day and time are missing")
            .with_field("publish_at")
            .with_remedy("choose day and time, or press “Post now”")
    };
    let changed = match publish_at {
        Some(_) => {
            operator.0.tenant(&state).change_job(&job, JobChange { publish_at, ..JobChange::default() }).await
        }
        None => Err(missing()),
    };
    match changed {
        Ok(job) => Ok(to(&job.id)),
        Err(error) if error.kind == ErrorKind::InvalidRequest => {
            draw(&state, &operator.0, &job, None, Some(&error)).await
        }
        Err(error) => Err(error.into()),
    }
}

async fn retry(
    Shared(state): Shared<State>,
    Operator(browser): Operator,
    Path(Named { job }): Path<Named>,
    _: Form,
) -> Answer {
    match browser.tenant(&state).retry_job(&job, false).await {
        Ok(made) => Ok(to(&made.id)),
        Err(error) if error.kind == ErrorKind::InvalidRequest => {
            draw(&state, &browser, &job, None, Some(&error)).await
        }
        Err(error) => Err(error.into()),
    }
}

async fn resolve(
    Shared(state): Shared<State>,
    Operator(browser): Operator,
    Path(Named { job }): Path<Named>,
    form: Form,
) -> Answer {
    let url = form.get("url").map(str::trim).filter(|url| !url.is_empty()).map(str::to_owned);
    let found = Resolution { posted: form.get("posted") == Some("true"), post_id: None, url };
    Ok(to(&browser.tenant(&state).resolve_job(&job, found).await?.id))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_long_title_says_that_it_goes_on() {
        assert_eq!(cut("Soup", 4), "Soup");
        assert_eq!(cut("Soup today", 5), "Soup…");
        assert_eq!(cut("Süppe🎬x", 6), "Süppe🎬…");
    }
}

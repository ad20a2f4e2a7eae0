//! The publish page, built from the provider's form and validated by its check. Every page requests the form
//! again. Nothing is sent to the platform before the person presses Publish next to the words they agree to;
//! these words are stored with the job.

use std::collections::BTreeMap;
use std::time::{SystemTime, UNIX_EPOCH};

use axum::Router;
use axum::extract::State as Shared;
use axum::response::{IntoResponse, Redirect, Response};
use axum::routing::get;
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use http::StatusCode;
use maud::{Markup, html};
use serde::Deserialize;
use social_channel::form::{self, Drawn, Problem as Unfit};
use social_channel::model::{
    Field, Finding, MediaRule, Post, PostKind, PublishForm, Quota, Severity, TextLimit,
};
use social_channel::{Channel, Digest, Error, ErrorKind, Job, JobChange, PublishRequest, Tenant};

use super::channel::Named;
use super::crosspost::{self, Crosspost};
use super::draft::{Draft, FIELD};
use super::layout::{Answer, Frame, Section};
use super::{job, part, upload};
use crate::State;
use crate::auth::{Browser, Form, Operator};
use crate::extract::{Path, Query};
use crate::problem::Problem;

pub(super) fn routes() -> Router<State> {
    Router::new()
        .route("/channels/{channel}/publish", get(show).post(send))
        .route("/jobs/{job}/change", get(show_change).post(change))
}

#[derive(Deserialize)]
struct Asked {
    kind: Option<String>,
    /// The post on several channels that this form is one of.
    crosspost: Option<String>,
}

#[derive(Deserialize)]
struct NamedJob {
    job: String,
}

/// The data of one rendering of the page.
struct Page<'a> {
    channel: &'a Channel,
    form: &'a PublishForm,
    kind: &'a PostKind,
    draft: &'a Draft,
    drawn: &'a Drawn,
    /// The job whose post is being changed.
    job: Option<&'a Job>,
    /// The post on several channels that this form is one of.
    crosspost: Option<&'a Crosspost>,
    /// The channels that the same post may go to.
    others: &'a [Channel],
    /// The findings of the check; None: it did not run.
    findings: Option<&'a [Finding]>,
    error: Option<&'a Error>,
}

fn kind<'a>(form: &'a PublishForm, name: Option<&str>) -> Result<&'a PostKind, Problem> {
    // Links and drafts of versions before the contract was frozen say `photos`.
    let name = name.map(|name| if name == "photos" { "images" } else { name });
    let named = form.kinds.iter().find(|kind| Some(kind.name.as_str()) == name);
    let nothing = || {
        Error::new(ErrorKind::Unsupported, "this account can post nothing of that kind")
            .with_remedy("choose another kind of post")
    };
    Ok(named.or_else(|| form.kinds.first()).ok_or_else(nothing)?)
}

/// The form's own key: as long as the form is the same, so is this, whatever was answered or not.
fn new_key() -> Result<String, Problem> {
    let mut bytes = [0; 16];
    getrandom::fill(&mut bytes)
        .map_err(|error| Error::new(ErrorKind::Internal, format!("there are no random numbers: {error}")))?;
    Ok(URL_SAFE_NO_PAD.encode(bytes))
}

/// Of the form and of what it was filled in with: sent again it is the same post, and changed it is another. Nothing of
/// the network's answers goes in, so that it stays the same whatever these say by then.
fn idempotency_key(draft: &Draft, channel: &str, kind: &str) -> Result<String, Problem> {
    let filled_in =
        (channel, kind, &draft.values, &draft.uploads, &draft.urls, &draft.parts, draft.publish_at());
    let filled_in = serde_json::to_vec(&filled_in).map_err(|error| {
        Error::new(ErrorKind::Internal, format!("a form cannot be written down: {error}"))
    })?;
    Ok(format!("{}-{}", draft.key, Digest::of(&filled_in)))
}

fn now() -> i64 {
    let passed = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    i64::try_from(passed.as_secs()).unwrap_or(i64::MAX)
}

async fn show(
    Shared(state): Shared<State>,
    Operator(browser): Operator,
    Path(Named { channel }): Path<Named>,
    Query(asked): Query<Asked>,
) -> Answer {
    let tenant = browser.tenant(&state);
    let channel = tenant.channel(&channel).await?;
    let crosspost = match &asked.crosspost {
        Some(id) => Some(Crosspost::named(&tenant, id).await?),
        None => None,
    };
    if let Some(it) = &crosspost
        && (!it.has(&channel.id) || it.job(&tenant, &channel.id).await?.is_some())
    {
        return Ok(Redirect::to(&it.address()).into_response());
    }
    let form = tenant.publish_form(&channel.id).await?;
    let wanted = asked.kind.as_deref().or_else(|| Some(crosspost.as_ref()?.kind(&channel.id)));
    let kind = kind(&form, wanted)?;
    let draft = match &crosspost {
        Some(it) => it.draft(&channel.id, &form, &kind.name),
        None => Draft { key: new_key()?, ..Draft::new(&form, &kind.name) },
    };
    let drawn = form::draw(&form, &kind.name, &draft.values);
    let page = Page {
        channel: &channel,
        form: &form,
        kind,
        draft: &draft,
        drawn: &drawn,
        job: None,
        crosspost: crosspost.as_ref(),
        others: &others(&tenant, &channel).await?,
        findings: None,
        error: None,
    };
    draw(&state, &browser, StatusCode::OK, &page).await
}

async fn send(
    Shared(state): Shared<State>,
    operator: Operator,
    Path(Named { channel }): Path<Named>,
    posted: Form,
) -> Answer {
    let tenant = operator.0.tenant(&state);
    let channel = tenant.channel(&channel).await?;
    let mut draft = Draft::read(&posted);
    let keyless = draft.key.is_empty();
    if keyless {
        draft.key = new_key()?;
    }
    let action = posted.get("action").unwrap_or("publish");
    let own_key = idempotency_key(&draft, &channel.id, posted.get("kind").unwrap_or_default())?;
    // First of all: by now the first press may be why the account, the time, or the media say no.
    if action == "publish"
        && draft.also.is_empty()
        && let Some(job) = tenant.job_of_key(&own_key).await?
    {
        return Ok(Redirect::to(&format!("/jobs/{}", job.id)).into_response());
    }
    let form = tenant.publish_form(&channel.id).await?;
    let kind = kind(&form, posted.get("kind"))?;
    let drawn = form::draw(&form, &kind.name, &draft.values);
    let post = draft.post(&form, kind, &drawn.values);
    let media = draft.media(kind);
    let mut request = PublishRequest {
        publish_at: draft.publish_at(),
        consent: Some(consent(&operator.0, &form, &drawn)),
        ..PublishRequest::new(post, media)
    };
    let mut crosspost = Crosspost::load(&tenant, &draft.key).await?.filter(|it| it.has(&channel.id));
    let goes_on = action == "together" && !draft.also.is_empty() && !request.media.is_empty();
    if !keyless && (goes_on || (action == "publish" && !draft.also.is_empty())) {
        crosspost = Some(Crosspost::begin(&tenant, &channel.id, &kind.name, &draft, &own_key).await?);
    }
    if let Some(sent) = already_sent(&tenant, crosspost.as_ref(), &draft.key, &channel.id).await? {
        return Ok(sent);
    }
    if let Some(it) = crosspost.as_ref().filter(|_| goes_on) {
        return Ok(Redirect::to(&it.address()).into_response());
    }
    let others = others(&tenant, &channel).await?;
    let mut page = Page {
        channel: &channel,
        form: &form,
        kind,
        draft: &draft,
        drawn: &drawn,
        job: None,
        crosspost: crosspost.as_ref(),
        others: &others,
        findings: None,
        error: None,
    };
    if action == "update" {
        return draw(&state, &operator.0, StatusCode::OK, &page).await;
    }
    if action == "together" {
        let lacking = [wrong(
            "channels",
            "a file or a link, and at least one more channel, are needed to go on".to_owned(),
            "choose them, then go on",
        )];
        page.findings = Some(&lacking);
        return draw(&state, &operator.0, StatusCode::UNPROCESSABLE_ENTITY, &page).await;
    }
    let mut findings = missing(&page);
    if keyless {
        let message =
            "the form came without its key, by which a second press makes no second post".to_owned();
        findings.push(wrong("form", message, "press the button again"));
    }
    let mut failure = None;
    if findings.is_empty() {
        match tenant.check_publish(&channel.id, &request).await {
            Ok(found) => findings = found,
            Err(error) => failure = Some(error),
        }
    }
    let mut wrong = failure.is_some() || findings.iter().any(|finding| finding.severity == Severity::Error);
    if action == "publish" && !wrong {
        request.idempotency_key = Some(crosspost.as_ref().map_or(own_key, |it| it.key(&channel.id)));
        match tenant.publish(&channel.id, request).await {
            Ok(job) => return accepted(&tenant, crosspost, &channel.id, &job).await,
            Err(error) => failure = Some(error),
        }
        wrong = true;
        findings.clear();
    }
    if let Some(it) = crosspost.as_mut().filter(|_| action == "publish") {
        let reason = crosspost::reason(&findings, failure.as_ref());
        it.refused(&tenant, &channel.id, &kind.name, &draft, &reason).await?;
    }
    let page = Page {
        channel: &channel,
        form: &form,
        kind,
        draft: &draft,
        drawn: &drawn,
        job: None,
        crosspost: crosspost.as_ref(),
        others: &others,
        findings: Some(&findings),
        error: failure.as_ref(),
    };
    let status = if wrong { StatusCode::UNPROCESSABLE_ENTITY } else { StatusCode::OK };
    draw(&state, &operator.0, status, &page).await
}

/// The other channels of the tenant.
async fn others(tenant: &Tenant, channel: &Channel) -> Result<Vec<Channel>, Problem> {
    let mut channels = tenant.channels().await?;
    channels.retain(|other| other.id != channel.id);
    Ok(channels)
}

/// Where to, if this form has its job already as one of several channels: the form may have been left open in another
/// window, or come back with the browser's Back.
async fn already_sent(
    tenant: &Tenant,
    crosspost: Option<&Crosspost>,
    key: &str,
    channel: &str,
) -> Result<Option<Response>, Problem> {
    let (job, place) = match crosspost {
        Some(it) => (it.job(tenant, channel).await?, Some(it.address())),
        // What was stored of it may be over; its job is not.
        None => (tenant.job_of_key(&crosspost::key(key, channel)).await?, None),
    };
    let to = job.map(|job| place.unwrap_or_else(|| format!("/jobs/{}", job.id)));
    Ok(to.map(|to| Redirect::to(&to).into_response()))
}

/// The job is stored: on to it, or to how the other channels stand.
async fn accepted(tenant: &Tenant, crosspost: Option<Crosspost>, channel: &str, job: &Job) -> Answer {
    let Some(mut crosspost) = crosspost else {
        return Ok(Redirect::to(&format!("/jobs/{}", job.id)).into_response());
    };
    crosspost.sent(tenant, channel).await?;
    Ok(Redirect::to(&crosspost.address()).into_response())
}

/// The consent: who agreed, when, and to which words.
fn consent(browser: &Browser, form: &PublishForm, drawn: &Drawn) -> BTreeMap<String, String> {
    let audience = form.fields.iter().find(|field| field.name == "visibility").and_then(|field| {
        let value = drawn.values.get(&field.name)?;
        field.choices.iter().find(|choice| choice.value == *value).map(|choice| choice.label.clone())
    });
    let by = browser.person().unwrap_or("operator").to_owned();
    // The job's list names the account also after a disconnect.
    [
        (job::ACCOUNT, form.account_name.clone()),
        ("by", by),
        ("at", now().to_string()),
        ("words", drawn.words(form)),
    ]
    .into_iter()
    .chain(audience.map(|label| ("audience", label)))
    .map(|(name, value)| (name.to_owned(), value))
    .collect()
}

fn wrong(subject: &str, message: String, remedy: &str) -> Finding {
    Finding {
        severity: Severity::Error,
        subject: subject.to_owned(),
        message,
        remedy: Some(remedy.to_owned()),
        code: None,
        details: Default::default(),
    }
}

/// Where a post does not fit the form, with remedies.
fn unfit(form: &PublishForm, post: &Post) -> Vec<Finding> {
    let finding = |problem: &Unfit| {
        let error = problem.error();
        // A block applies to the form and not to a field.
        let subject = if matches!(problem, Unfit::Blocked { .. }) { "form" } else { problem.field() };
        wrong(subject, error.message, &error.remedy.unwrap_or_default())
    };
    form::validate(form, post).problems.iter().map(finding).collect()
}

/// What is missing in the form and in the page's own fields. The provider's check validates the rest.
fn missing(page: &Page<'_>) -> Vec<Finding> {
    let Page { form, kind, draft, drawn, .. } = *page;
    let mut found = Vec::new();
    if let Some(blocked) = &form.blocked {
        found.push(Finding {
            severity: Severity::Error,
            subject: "account".to_owned(),
            message: blocked.0.message.clone(),
            remedy: blocked.0.remedy.clone(),
            code: blocked.0.code.clone(),
            details: Default::default(),
        });
    }
    found.extend(unfit(form, &draft.post(form, kind, &drawn.values)));
    if page.job.is_none() {
        let count = draft.shown(kind);
        if count < kind.min_media as usize || count > kind.max_media as usize {
            let wanted = if kind.min_media == kind.max_media {
                kind.min_media.to_string()
            } else {
                format!("{} to {}", kind.min_media, kind.max_media)
            };
            found.push(wrong(
                "media",
                format!(
                    "{} needs {wanted} {}, and there are {count}",
                    kind.label,
                    if kind.max_media == 1 { "file or link" } else { "files or links" }
                ),
                "choose a file, or use a link",
            ));
        }
        if draft.later && draft.at.is_none() {
            found.push(wrong(
                "when",
                "the time to publish at is missing".to_owned(),
                "choose day and time, or publish now",
            ));
        }
    }
    if draft.words != drawn.words(form) {
        found.push(wrong(
            "consent",
            "what you agree to by publishing has changed".to_owned(),
            "read the text next to the button, and press it again",
        ));
    }
    found
}

async fn show_change(
    Shared(state): Shared<State>,
    Operator(browser): Operator,
    Path(NamedJob { job }): Path<NamedJob>,
) -> Answer {
    let tenant = browser.tenant(&state);
    let job = tenant.job(&job).await?;
    let channel = tenant.channel(&job.channel).await?;
    let form = tenant.publish_form(&channel.id).await?;
    let kind = kind(&form, Some(&job.post.kind))?;
    let draft = Draft::of_post(&job.post);
    let drawn = form::draw(&form, &kind.name, &draft.values);
    let page = Page {
        channel: &channel,
        form: &form,
        kind,
        draft: &draft,
        drawn: &drawn,
        job: Some(&job),
        crosspost: None,
        others: &[],
        findings: None,
        error: job.error.as_ref(),
    };
    draw(&state, &browser, StatusCode::OK, &page).await
}

async fn change(
    Shared(state): Shared<State>,
    operator: Operator,
    Path(NamedJob { job }): Path<NamedJob>,
    posted: Form,
) -> Answer {
    let tenant = operator.0.tenant(&state);
    let job = tenant.job(&job).await?;
    let channel = tenant.channel(&job.channel).await?;
    let form = tenant.publish_form(&channel.id).await?;
    let kind = kind(&form, Some(&job.post.kind))?;
    let draft = Draft::read(&posted);
    let drawn = form::draw(&form, &kind.name, &draft.values);
    let mut page = Page {
        channel: &channel,
        form: &form,
        kind,
        draft: &draft,
        drawn: &drawn,
        job: Some(&job),
        crosspost: None,
        others: &[],
        findings: None,
        error: None,
    };
    if posted.get("action") == Some("update") {
        return draw(&state, &operator.0, StatusCode::OK, &page).await;
    }
    let findings = missing(&page);
    if !findings.is_empty() {
        page.findings = Some(&findings);
        return draw(&state, &operator.0, StatusCode::UNPROCESSABLE_ENTITY, &page).await;
    }
    let change = JobChange {
        post: Some(changed(draft.post(&form, kind, &drawn.values), &job.post)),
        consent: Some(consent(&operator.0, &form, &drawn)),
        ..JobChange::default()
    };
    match tenant.change_job(&job.id, change).await {
        Ok(job) => Ok(Redirect::to(&format!("/jobs/{}", job.id)).into_response()),
        Err(error) => {
            page.error = Some(&error);
            draw(&state, &operator.0, StatusCode::UNPROCESSABLE_ENTITY, &page).await
        }
    }
}

/// The page edits the texts of a thread; what else its posts have, they keep.
fn changed(mut post: Post, before: &Post) -> Post {
    if post.parts.len() == before.parts.len() {
        for (part, before) in post.parts.iter_mut().zip(&before.parts) {
            part.media.clone_from(&before.media);
            part.options.clone_from(&before.options);
        }
    }
    post
}

async fn draw(state: &State, browser: &Browser, status: StatusCode, page: &Page<'_>) -> Answer {
    let frame = Frame::new(state, browser).await?;
    let title = format!("Publish on {}", page.channel.display_name);
    let body = view(&frame, page);
    Ok(frame.page_at(status, Section::Channels, &title, &["publish.js"], &body))
}

fn view(frame: &Frame, page: &Page<'_>) -> Markup {
    let Page { channel, form, kind, job, .. } = *page;
    let here = format!("/channels/{}/publish", channel.id);
    let action = job.map_or_else(|| here.clone(), |job| format!("/jobs/{}/change", job.id));
    html! {
        nav.crumbs aria-label="Path" { a href="/channels" { "Channels" } " / " a href={"/channels/" (channel.id)} { (channel.display_name) } " / Publish" }
        h1 { @if job.is_some() { "Edit post" } @else { "Publish" } }
        @if let Some(it) = page.crosspost { p { "Channel " (it.position(&channel.id)) ". " a href=(it.address()) { "All channels of this post" } } }
        section.author.card aria-label="Author" {
            (part::avatar(frame.picture(&page.channel.app, form.account_avatar_url.as_deref()), &form.account_name))
            p { "Posting as " strong.author-name { (form.account_name) } }
        }
        @if let Some(blocked) = &form.blocked {
            div.note.bad role="alert" id="blocked-form" {
                p { strong { (part::sentence(&blocked.0.message)) } }
                @if let Some(remedy) = &blocked.0.remedy { p { (part::sentence(remedy)) } }
                (part::references(&blocked.0))
            }
        }
        @if job.is_none() && form.kinds.len() > 1 {
            nav.tabs aria-label="Kind of post" {
                @for one in &form.kinds { a href={(here) "?kind=" (part::encoded(&one.name)) @if let Some(it) = page.crosspost { "&crosspost=" (part::encoded(&it.id)) }} aria-current=[(one.name == kind.name).then_some("page")] { (one.label) } }
            }
        }
        form id="publish" method="post" action=(action) data-kind=(kind.name) data-app=(channel.app) data-form=(serde_json::to_string(form).unwrap_or_default()) {
            (frame.token())
            input type="hidden" name="kind" value=(kind.name);
            @if job.is_none() { input type="hidden" name="key" value=(page.draft.key); }
            div id="answer" role="status" {
                @if let Some(error) = page.error { (part::failure_words(error)) }
                @if let Some(findings) = page.findings {
                    @if page.error.is_some() {}
                    @else if findings.is_empty() { div.note.good { p { strong { "Checked: no problems found." } } } }
                    @else { (part::findings(findings, &|_| None)) }
                }
                @if let Some(it) = page.crosspost.filter(|_| page.findings.is_some() || page.error.is_some()) { p { "This is about this channel only. " a href=(it.address()) { "Go on with the other channels" } } }
            }
            // It can be prepared, and not sent.
            @if form.blocked.is_some() { details.blocked { summary { "Show the form" } (fields(frame, page)) } }
            @else { (fields(frame, page)) }
        }
    }
}

/// What is filled in, with the preview and the closing words beside it, or below it on a phone.
fn fields(frame: &Frame, page: &Page<'_>) -> Markup {
    let Page { form, kind, job, .. } = *page;
    html! {
        div.publish {
            @if page.crosspost.is_some() { (same_media(page)) } @else if job.is_none() { (media(page)) }
            div.compose {
                @for field in form::fields(form, &kind.name).filter(|field| form::is_known(field)) { (self::field(page, field)) }
                @if kind.max_parts > 0 { (parts(page)) }
                @if job.is_none() { (when(page)) }
                @if job.is_none() && page.crosspost.is_none() { (crosspost::choice(page.others, &page.draft.also)) }
            }
            div.side { (preview(frame, page)) (closing(page)) }
        }
        p.fine.quiet { "Until you press Publish nothing of this is sent to the network; files stay with this service. When you press Publish, the service records that you agreed, when, and to which words." }
    }
}

fn media(page: &Page<'_>) -> Markup {
    let Page { kind, draft, .. } = *page;
    let many = kind.max_media > 1;
    let limits: Vec<String> = [
        (!kind.content_types.is_empty()).then(|| part::formats(&kind.content_types)),
        kind.max_size.map(|size| format!("up to {}", part::bytes(size))),
        kind.max_duration.map(|ms| format!("at most {} long", part::length(ms))),
        many.then(|| format!("at most {} files", kind.max_media)),
    ]
    .into_iter()
    .flatten()
    .collect();
    html! {
        // A kind without media may take something beside it, such as the picture of a link.
        @if kind.max_media == 0 && !kind.media.is_empty() {
            fieldset.field id="field-media" {
                legend { "Files" }
                @for rule in besides(kind) { (beside(rule)) }
                (uploads(page))
                div id="left-out" role="alert" {}
                div id="upload-status" role="status" {}
            }
        }
        @if kind.max_media > 0 {
            fieldset.field id="field-media" {
                legend { (kind.label) }
                p.help id="media-help" {
                    (limits.join(" · "))
                    @if kind.needs_public_url { " The network fetches the files itself, so it must be able to reach them: by an address of yours, or at this service's public address." }
                }
                div.scripted hidden {
                    label.drop for="file" {
                        span { @if many { "Drop files here, or" } @else { "Drop a file here, or" } }
                        span.button { @if many { "Choose files" } @else { "Choose a file" } }
                        input.hidden id="file" type="file" accept=(kind.content_types.join(",")) multiple[many] aria-describedby="media-help"
                        data-formats=(part::formats(&kind.content_types)) data-max-size=[kind.max_size] data-max-duration=[kind.max_duration] data-max-files=(kind.max_media);
                    }
                }
                @for rule in besides(kind) { (beside(rule)) }
                (uploads(page))
                div id="left-out" role="alert" {}
                div id="upload-status" role="status" {}
                noscript { p.note.info { "Without scripts files cannot be uploaded from here; use a link." } }
                @let by_link = if many { "Use links, one a line" } else { "Use a link" };
                details id="by-link" open[!draft.urls.is_empty()] {
                    summary { (by_link) }
                    @if many { textarea id="urls" name="urls" rows="2" spellcheck="false" placeholder="https://" aria-label=(by_link) { (draft.urls) } }
                    @else { input id="urls" name="urls" type="url" value=(draft.urls) placeholder="https://" spellcheck="false" aria-label=(by_link); }
                }
            }
        }
    }
}

/// What may go with a post besides what it shows: a cover, subtitles, the picture of a link.
fn besides(kind: &PostKind) -> impl Iterator<Item = &MediaRule> {
    kind.media.iter().filter(|rule| rule.role != "media" && rule.maximum > 0)
}

fn beside(rule: &MediaRule) -> Markup {
    let id = format!("file-{}", rule.role);
    let help = format!("{id}-help");
    let limits = [
        (!rule.content_types.is_empty()).then(|| part::formats(&rule.content_types)),
        rule.max_size.map(|size| format!("up to {}", part::bytes(size))),
    ];
    html! {
        div.scripted hidden {
            label for=(id) { (rule.label) @if rule.minimum > 0 { span.need { " (required)" } } }
            input id=(id) type="file" accept=(rule.content_types.join(",")) multiple[rule.maximum > 1] aria-describedby=(help)
                data-role=(rule.role) data-formats=(part::formats(&rule.content_types)) data-max-size=[rule.max_size] data-max-files=(rule.maximum);
            p.help id=(help) { (limits.into_iter().flatten().collect::<Vec<_>>().join(" · ")) }
        }
    }
}

/// The posts that follow as a thread: a text for each, and always an empty one for the next.
fn parts(page: &Page<'_>) -> Markup {
    let Page { form, kind, draft, .. } = *page;
    let limit = form::fields(form, &kind.name)
        .find(|field| field.name == "text")
        .and_then(|field| field.limits.iter().find(|limit| limit.maximum.is_some()));
    let most = kind.max_parts as usize;
    let texts = draft.parts.iter().map(String::as_str);
    let texts = texts.chain((draft.parts.len() < most).then_some(""));
    html! {
        details.field id="field-parts" open[!draft.parts.is_empty()] data-most=(most) {
            summary { "More posts (a thread)" }
            p.help { "Each answers the one before it; empty ones are left out." }
            @for (at, text) in texts.enumerate() {
                @let id = format!("part-{}", at + 2);
                div.field data-part {
                    label for=(id) { "Post " (at + 2) }
                    textarea id=(id) name="part" rows="3" { (text) }
                    @if let Some(limit) = limit { (counter(&id, text, limit, false)) }
                }
            }
        }
    }
}

/// How long a text is and may be. `later`: shown once the text is too long, as a second limit of one text.
fn counter(id: &str, text: &str, limit: &TextLimit, later: bool) -> Markup {
    let maximum = limit.maximum.unwrap_or(u32::MAX);
    let count = form::length(text, limit);
    let hidden = later && count.is_none_or(|count| count <= maximum as usize);
    html! {
        p.counter data-counter=(id) data-maximum=(maximum) data-unit=(limit.unit) data-link=[limit.link_length] data-later[later] hidden[hidden] {
            @if let Some(count) = count { span.count { (count) } " of " }
            (maximum) " " (unit(&limit.unit))
        }
    }
}

/// The files and links that all channels of a post share.
fn same_media(page: &Page<'_>) -> Markup {
    html! {
        section.field id="field-media" aria-labelledby="same-media" {
            h2 id="same-media" { "Files" }
            p.help { "The same for all channels of this post." }
            (uploads(page))
            input type="hidden" id="urls" name="urls" value=(page.draft.urls);
            @for url in page.draft.urls.lines() { p { (url) } }
        }
    }
}

fn uploads(page: &Page<'_>) -> Markup {
    html! {
        ul id="uploads" aria-label="Uploaded files" {
            @for uploaded in &page.draft.uploads {
                li.upload data-preview=(upload::content_address(&uploaded.upload, &page.channel.app)) {
                    input type="hidden" name="media" value=(serde_json::to_string(uploaded).unwrap_or_default());
                    span { (uploaded.name) " · " (part::bytes(uploaded.size)) " · uploaded" }
                }
            }
        }
    }
}

fn field(page: &Page<'_>, field: &Field) -> Markup {
    let Page { drawn, form, .. } = *page;
    let id = format!("f-{}", field.name);
    let name = format!("{FIELD}{}", field.name);
    let value = drawn.values.get(&field.name).map_or("", String::as_str);
    let because = drawn.disabled.get(&field.name);
    let off = because.is_some() || drawn.hidden.contains(&field.name);
    let help = format!("{id}-help");
    let wrong = page
        .findings
        .into_iter()
        .flatten()
        .find(|finding| finding.severity == Severity::Error && finding.subject == field.name);
    let described = format!("{help} {id}-because {id}-notices");
    let invalid = wrong.map(|_| "true");
    html! {
        div.field id={"field-" (field.name)} data-field=(field.name) data-kind=(field.kind) data-required[field.required] hidden[drawn.hidden.contains(&field.name)] title=[because] {
            @match field.kind.as_str() {
                "boolean" => {
                    label.check { input id=(id) type="checkbox" name=(name) value="true" checked[value == "true"] disabled[off] aria-describedby=(described); (field.label) }
                }
                kind => {
                    label for=(id) { (field.label) @if field.required { span.need { " (required)" } } }
                    @match kind {
                        "choice" => {
                            select id=(id) name=(name) required[field.required] disabled[off] aria-describedby=(described) aria-invalid=[invalid] {
                                option value="" selected[value.is_empty()] disabled[field.required] { @if field.required { "Choose…" } @else { "Not set" } }
                                @for choice in &field.choices {
                                    @let grey = drawn.choices.get(&(field.name.clone(), choice.value.clone()));
                                    option value=(choice.value) selected[choice.value == value] disabled[grey.is_some()] title=[grey] { (choice.label) }
                                }
                            }
                        }
                        "multi-choice" => {
                            select id=(id) name=(name) multiple required[field.required] disabled[off] aria-describedby=(described) aria-invalid=[invalid] {
                                @for choice in &field.choices {
                                    @let grey = drawn.choices.get(&(field.name.clone(), choice.value.clone()));
                                    option value=(choice.value) selected[value.lines().any(|line| line == choice.value)] disabled[grey.is_some()] title=[grey] { (choice.label) }
                                }
                            }
                        }
                        "date-time" => input id=(id) type="datetime-local" name=(name) value=(instant_value(value)) required[field.required] disabled[off] aria-describedby=(described) aria-invalid=[invalid];,
                        "decimal" => input id=(id) type="number" step="any" name=(name) value=(value) required[field.required] disabled[off] aria-describedby=(described) aria-invalid=[invalid];,
                        "number" => input id=(id) type="number" step="1" name=(name) value=(value) required[field.required] disabled[off] aria-describedby=(described) aria-invalid=[invalid];,
                        "url" => input id=(id) type="url" name=(name) value=(value) required[field.required] disabled[off] aria-describedby=(described) aria-invalid=[invalid];,
                        "text" | "secret" => {
                            input id=(id) type="text" name=(name) value=(value) required[field.required] disabled[off] aria-describedby=(described) aria-invalid=[invalid];
                        }
                        _ => textarea id=(id) name=(name) rows="4" required[field.required] disabled[off] aria-describedby=(described) aria-invalid=[invalid] { (value) },
                    }
                    @for (at, limit) in field.limits.iter().filter(|limit| limit.maximum.is_some()).enumerate() { (counter(&id, value, limit, at > 0)) }
                }
            }
            @if let Some(text) = &field.help { p.help id=(help) { (text) } }
            p.because id={(id) "-because"} hidden[because.is_none() && !drawn.choices.keys().any(|(own, _)| *own == field.name)] {
                @if let Some(because) = because { (because) }
                @for ((own, choice), why) in &drawn.choices {
                    @if *own == field.name { span { (field.choices.iter().find(|one| one.value == *choice).map_or(choice.as_str(), |one| one.label.as_str())) ": " (why) " " } }
                }
            }
            div.notices id={(id) "-notices"} role="status" {
                @for notice in drawn.notices(form, Some(&field.name)) { p.notice { (part::linked(&notice.text, &notice.links)) } }
            }
            @if let Some(finding) = wrong { p.wrong { (part::sentence(&finding.message)) } }
        }
    }
}

/// Seconds since 1970, as a `datetime-local` field shows them in UTC; anything else as it was typed.
fn instant_value(value: &str) -> String {
    let shown = |seconds| part::instant_text(seconds).0.get(..16).map(str::to_owned);
    value.parse().ok().and_then(shown).unwrap_or_else(|| value.to_owned())
}

fn unit(name: &str) -> &str {
    match name {
        // What users see as one character may count as two; the field's help can explain this.
        "utf-16" | "code-points" | "graphemes" => "characters",
        other => other,
    }
}

fn when(page: &Page<'_>) -> Markup {
    let draft = page.draft;
    html! {
        fieldset.field id="field-when" {
            legend { "When" }
            label.check { input type="radio" name="when" value="now" checked[!draft.later]; "Now" }
            label.check { input type="radio" name="when" value="later" checked[draft.later]; "Later" }
            div id="later" {
                (part::instant_field("Day and time", None, &draft.at_text))
                p.help { "What you agree to is kept with the job. If the network wants other words by then, the job stops and asks." }
            }
        }
    }
}

fn preview(frame: &Frame, page: &Page<'_>) -> Markup {
    let Page { form, drawn, draft, .. } = *page;
    let text = |name: &str| drawn.values.get(name).map_or("", String::as_str);
    html! {
        section.preview.card aria-labelledby="preview" {
            h2 id="preview" { "Preview" }
            div id="preview-media" {
                @let media = draft.shown(page.kind);
                @if let Some(job) = page.job { p.quiet { @for medium in &job.media { (medium.file_name.as_deref().unwrap_or("A file")) " · " (part::bytes(medium.size)) br; } } }
                @else if media == 0 { p.quiet { "Choose a file to see it here as it will be posted." } }
                @else if draft.uploads.is_empty() { p.quiet { (media) @if media == 1 { " file" } @else { " files" } } }
                @for uploaded in draft.uploads.iter().filter(|uploaded| uploaded.role() == "media") {
                    @let address = upload::content_address(&uploaded.upload, &page.channel.app);
                    @if is_film(page.kind) { video src=(address) controls preload="metadata" aria-label="Preview of the video" {} }
                    @else { img src=(address) alt="Preview of the photo"; }
                }
            }
            p.by { (part::avatar(frame.picture(&page.channel.app, form.account_avatar_url.as_deref()), &form.account_name)) strong { (form.account_name) } }
            p.title data-preview="title" { (text("title")) }
            p.text data-preview="text" { (text("text")) }
            p.fine.quiet { "Nothing is added to it: no watermark, no logo, no text." }
        }
    }
}

/// Whether its files are videos.
fn is_film(kind: &PostKind) -> bool {
    kind.content_types.first().is_none_or(|first| first.starts_with("video/"))
}

/// The words to which the person agrees, next to the button.
fn closing(page: &Page<'_>) -> Markup {
    let Page { form, drawn, .. } = *page;
    let blocked = form.blocked.as_ref().map(|blocked| blocked.0.message.clone());
    // Why the account is blocked is said above.
    let why = if blocked.is_some() { String::new() } else { drawn.blocks.join(" ") };
    // What this page cannot draw, nobody can fill in.
    let unknown =
        form::fields(form, &page.kind.name).filter(|field| field.required && !form::is_known(field));
    let unknown = unknown.map(|field| format!("{} cannot be filled in on this page.", field.label));
    let reasons: Vec<String> =
        blocked.into_iter().chain(drawn.blocks.iter().cloned()).chain(unknown).collect();
    html! {
        section.closing.card aria-label="Publish" {
            input type="hidden" name="words" id="words" value=(drawn.words(form));
            div id="consent" role="status" { @for notice in drawn.notices(form, None) { p.notice { (part::linked(&notice.text, &notice.links)) } } }
            div.actions {
                span id="press" title=[reasons.first()] {
                    button.main type="submit" name="action" value="publish" disabled[!reasons.is_empty()] aria-describedby="consent press-why" { @if page.job.is_some() { "Agree and save" } @else { "Publish" } }
                }
                @if page.job.is_none() { button type="submit" name="action" value="check" formnovalidate { "Check without posting" } }
                noscript { button type="submit" name="action" value="update" formnovalidate { "Update the form" } }
            }
            p.wrong id="press-why" role="status" { (why) }
            (quotas(&form.quotas))
        }
    }
}

/// What is counted, in words.
fn label(quota: &Quota) -> String {
    if quota.label.is_empty() { part::words(&quota.name) } else { quota.label.clone() }
}

fn quotas(quotas: &[Quota]) -> Markup {
    html! {
        // By the contract, what is posted is counted by the day, and planned by; limits of requests are only waited for.
        @let shown: Vec<&Quota> = quotas.iter().filter(|quota| quota.name.ends_with("-per-day")).collect();
        @if !shown.is_empty() {
            ul.quotas aria-label="Posting limits" {
                @for quota in shown {
                    li { (label(quota)) " " (quota.used) @if let Some(maximum) = quota.maximum { " of " (maximum) } @if quota.used > 0 { @if let Some(at) = quota.resets_at.and_then(|at| i64::try_from(at).ok()) { " · resets " (part::instant(at)) } } }
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_the_library_refuses_is_told_before_anything_is_sent() {
        let examples: serde_json::Value =
            serde_json::from_str(include_str!("../../assets/rules.json")).unwrap();
        let mut form: PublishForm = serde_json::from_value(examples["form"].clone()).unwrap();
        let mut text = form.fields[0].clone();
        text.name = "text".to_owned();
        text.kind = "text".to_owned();
        text.required = false;
        text.limits =
            vec![TextLimit { minimum: None, maximum: Some(3), unit: "utf-16".to_owned(), link_length: None }];
        form.fields.push(text);
        let told = |values: &[(&str, &str)]| {
            let values = values.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned()));
            let drawn = form::draw(&form, "video", &values.collect());
            let found = unfit(&form, &Draft::first(&form, "video", &drawn.values));
            found.into_iter().map(|it| (it.subject, it.message, it.remedy.unwrap())).collect::<Vec<_>>()
        };
        assert_eq!(told(&[("visibility", "all"), ("text", "abc")]), []);
        let label = &form.fields.iter().find(|field| field.name == "visibility").unwrap().label;
        for (values, subject, message, remedy) in [
            (
                &[][..],
                "visibility",
                format!("{label} is not chosen yet"),
                "choose it; nothing is chosen for you",
            ),
            (
                &[("visibility", "all"), ("text", "ab\u{1f600}")],
                "text",
                "text has 4 characters, but at most 3 are allowed".to_owned(),
                "shorten it",
            ),
            (
                &[("visibility", "friends")],
                "visibility",
                "the account does not offer visibility friends; offered are ".to_owned(),
                "choose from what the form shows",
            ),
        ] {
            let found = told(values);
            assert_eq!(found.len(), 1, "{found:?}");
            assert_eq!((found[0].0.as_str(), found[0].2.as_str()), (subject, remedy));
            assert!(found[0].1.starts_with(&message), "{found:?}");
        }
        // A block applies to the form and not to a field.
        let blocked = told(&[("visibility", "all"), ("ad", "true")]);
        assert_eq!(blocked[0].0, "form", "{blocked:?}");
        assert_eq!(blocked[0].2, "choose, then publish again");
    }
}

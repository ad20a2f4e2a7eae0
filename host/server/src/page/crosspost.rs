//! One post on several channels. File and texts are taken over into each channel's own form, which is filled in, agreed
//! to and sent by itself; this page says how each channel stands. What was chosen is stored under the first form's key.
//!
//! A channel's job has one key for good, whatever its form says: the post is sent to each channel once at most, however
//! often a button is pressed, and whatever was lost in between. The first channel's is the one that its form would have had
//! without the others: it may be under way already when they are chosen.

use std::collections::BTreeMap;
use std::time::{SystemTime, UNIX_EPOCH};

use axum::Router;
use axum::extract::State as Shared;
use axum::response::{IntoResponse, Redirect, Response};
use axum::routing::{get, post};
use maud::{Markup, html};
use serde::{Deserialize, Serialize};
use social_channel::model::{Finding, PublishForm, Severity};
use social_channel::{Channel, Draft as Stored, Error, ErrorKind, Health, Job, Tenant};

use super::draft::{Draft, Uploaded};
use super::layout::{Answer, Frame, Section};
use super::part;
use crate::State;
use crate::auth::{Form, Operator};
use crate::extract::Path;
use crate::problem::Problem;

/// As long as uploads are kept by default: a post that nobody finished in a week is not wanted.
const KEPT: i64 = 7 * 24 * 3600;
/// The texts that are taken over; everything else is the account's own.
const TEXTS: [&str; 2] = ["title", "text"];

pub(super) fn routes() -> Router<State> {
    Router::new().route("/crossposts/{id}", get(show)).route("/crossposts/{id}/discard", post(discard))
}

#[derive(Deserialize)]
struct Named {
    id: String,
}

/// What is stored of it.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
struct Content {
    kind: String,
    texts: BTreeMap<String, String>,
    uploads: Vec<Uploaded>,
    urls: String,
    #[serde(default)]
    parts: Vec<String>,
    when: When,
    channels: Vec<String>,
    /// The forms that were sent and refused.
    refused: BTreeMap<String, Refused>,
    /// The channel whose form came first, and the key of its job.
    first: Option<(String, String)>,
    /// Every channel has its job.
    done: bool,
}

#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
struct When {
    later: bool,
    at: Option<i64>,
    at_text: String,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
struct Refused {
    kind: String,
    values: BTreeMap<String, String>,
    #[serde(default)]
    parts: Vec<String>,
    when: When,
    reason: String,
}

impl When {
    fn of(draft: &Draft) -> Self {
        When { later: draft.later, at: draft.at, at_text: draft.at_text.clone() }
    }
}

/// A stored post on several channels.
#[derive(Clone, Debug)]
pub(super) struct Crosspost {
    /// The key of its forms.
    pub(super) id: String,
    content: Content,
    expires_at: i64,
}

impl Crosspost {
    pub(super) async fn load(tenant: &Tenant, id: &str) -> Result<Option<Self>, Problem> {
        let stored = tenant.draft::<Content>(id).await?;
        Ok(stored.map(|Stored { id, content, expires_at, .. }| Crosspost { id, content, expires_at }))
    }

    /// The one that a page names.
    pub(super) async fn named(tenant: &Tenant, id: &str) -> Result<Self, Problem> {
        let missing = || {
            Error::new(ErrorKind::NotFound, "this post on several channels is not here any more")
                .with_remedy("what was sent is among the jobs; for the rest, begin a new post")
        };
        Ok(Self::load(tenant, id).await?.ok_or_else(missing)?)
    }

    /// Takes what a form was filled in with, for its channel and the others that were chosen. Once a channel has its job,
    /// file and texts stay as they are for the rest. `own_key`: the key of this form's job without the others.
    pub(super) async fn begin(
        tenant: &Tenant,
        channel: &str,
        kind: &str,
        draft: &Draft,
        own_key: &str,
    ) -> Result<Self, Problem> {
        let now = now();
        let mut expires_at = now + KEPT;
        for uploaded in &draft.uploads {
            // One that is gone is told by the check.
            if let Ok(upload) = tenant.hold_upload(&uploaded.upload, true).await {
                expires_at = expires_at.min(upload.expires_at);
            }
        }
        let known = Self::load(tenant, &draft.key).await?;
        let sent = match &known {
            Some(known) => known.jobs(tenant).await?.into_keys().collect(),
            None => Vec::new(),
        };
        let first = known.as_ref().and_then(|known| known.content.first.clone());
        let mut content = match known {
            Some(known) if !sent.is_empty() => known.content,
            _ => Content {
                kind: kind.to_owned(),
                texts: draft
                    .values
                    .iter()
                    .filter(|(name, _)| TEXTS.contains(&name.as_str()))
                    .map(|(name, value)| (name.clone(), value.clone()))
                    .collect(),
                uploads: draft.uploads.clone(),
                urls: draft.urls.clone(),
                parts: draft.parts.clone(),
                when: When::of(draft),
                ..Content::default()
            },
        };
        content.first = first.or_else(|| Some((channel.to_owned(), own_key.to_owned())));
        let own = std::iter::once(channel.to_owned());
        let others = tenant.channels().await?.into_iter().map(|one| one.id);
        let others = others.filter(|one| draft.also.contains(one));
        let mut channels: Vec<String> = Vec::new();
        for one in sent.into_iter().chain(own).chain(others) {
            if !channels.contains(&one) {
                channels.push(one);
            }
        }
        content.channels = channels;
        content.done = false;
        let it = Crosspost { id: draft.key.clone(), content, expires_at };
        it.store(tenant).await?;
        Ok(it)
    }

    async fn store(&self, tenant: &Tenant) -> Result<(), Problem> {
        Ok(tenant.put_draft(&self.id, &self.content, self.expires_at).await?)
    }

    /// Where the page of it is.
    pub(super) fn address(&self) -> String {
        format!("/crossposts/{}", part::encoded(&self.id))
    }

    pub(super) fn has(&self, channel: &str) -> bool {
        self.content.channels.iter().any(|one| one == channel)
    }

    /// "2 of 3", for a channel's form.
    pub(super) fn position(&self, channel: &str) -> String {
        let at = self.content.channels.iter().position(|one| one == channel).unwrap_or_default();
        format!("{} of {}", at + 1, self.content.channels.len())
    }

    /// The kind of post that a channel's form begins with.
    pub(super) fn kind(&self, channel: &str) -> &str {
        self.content.refused.get(channel).map_or(&self.content.kind, |refused| &refused.kind)
    }

    /// A channel's form as it begins, or as it was refused. Only file, texts and time are taken over.
    pub(super) fn draft(&self, channel: &str, form: &PublishForm, kind: &str) -> Draft {
        let mut draft = Draft::new(form, kind);
        let mut when = &self.content.when;
        match self.content.refused.get(channel).filter(|refused| refused.kind == kind) {
            Some(refused) => {
                draft.values.clone_from(&refused.values);
                draft.parts.clone_from(&refused.parts);
                when = &refused.when;
            }
            None => {
                draft.parts.clone_from(&self.content.parts);
                let fields: Vec<&str> =
                    social_channel::form::fields(form, kind).map(|field| field.name.as_str()).collect();
                let texts = self.content.texts.iter().filter(|(name, _)| fields.contains(&name.as_str()));
                draft.values.extend(texts.map(|(name, value)| (name.clone(), value.clone())));
            }
        }
        Draft {
            uploads: self.content.uploads.clone(),
            urls: self.content.urls.clone(),
            later: when.later,
            at: when.at,
            at_text: when.at_text.clone(),
            key: self.id.clone(),
            ..draft
        }
    }

    /// The idempotency key of a channel's job.
    pub(super) fn key(&self, channel: &str) -> String {
        match &self.content.first {
            Some((first, key)) if first == channel => key.clone(),
            _ => key(&self.id, channel),
        }
    }

    /// The job of a channel.
    pub(super) async fn job(&self, tenant: &Tenant, channel: &str) -> Result<Option<Job>, Problem> {
        Ok(tenant.job_of_key(&self.key(channel)).await?)
    }

    async fn jobs(&self, tenant: &Tenant) -> Result<BTreeMap<String, Job>, Problem> {
        let mut jobs = BTreeMap::new();
        for channel in &self.content.channels {
            if let Some(job) = self.job(tenant, channel).await? {
                jobs.insert(channel.clone(), job);
            }
        }
        Ok(jobs)
    }

    /// Keeps what a refused form was filled in with, so that it can be tried again from any browser.
    pub(super) async fn refused(
        &mut self,
        tenant: &Tenant,
        channel: &str,
        kind: &str,
        draft: &Draft,
        reason: &str,
    ) -> Result<(), Problem> {
        let refused = Refused {
            kind: kind.to_owned(),
            values: draft.values.clone(),
            parts: draft.parts.clone(),
            when: When::of(draft),
            reason: reason.to_owned(),
        };
        self.content.refused.insert(channel.to_owned(), refused);
        self.store(tenant).await
    }

    /// Notes that a channel has its job. With the last one the uploads are let go of.
    pub(super) async fn sent(&mut self, tenant: &Tenant, channel: &str) -> Result<(), Problem> {
        self.content.refused.remove(channel);
        self.settle(tenant).await
    }

    async fn settle(&mut self, tenant: &Tenant) -> Result<(), Problem> {
        self.content.done = self.jobs(tenant).await?.len() == self.content.channels.len();
        self.store(tenant).await?;
        if self.content.done {
            self.let_go(tenant).await;
        }
        Ok(())
    }

    /// One that is held nevertheless goes with its age.
    async fn let_go(&self, tenant: &Tenant) {
        for uploaded in &self.content.uploads {
            let freed = tenant.hold_upload(&uploaded.upload, false).await;
            if let Err(error) = freed.map_err(|error| (error.kind != ErrorKind::NotFound).then_some(error)) {
                tracing::warn!(upload = uploaded.upload, ?error, "an upload could not be let go of");
            }
        }
    }

    fn title(&self) -> String {
        let text =
            TEXTS.iter().filter_map(|name| self.content.texts.get(*name)).find(|it| !it.trim().is_empty());
        match (text, self.content.uploads.first()) {
            (Some(text), _) => text.chars().take(60).collect(),
            (None, Some(uploaded)) if !uploaded.name.is_empty() => uploaded.name.clone(),
            _ => "A post without a text".to_owned(),
        }
    }
}

/// The idempotency key of a channel's job, unless its form came first.
pub(super) fn key(id: &str, channel: &str) -> String {
    format!("{id}-{channel}")
}

fn now() -> i64 {
    let passed = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    i64::try_from(passed.as_secs()).unwrap_or(i64::MAX)
}

/// Why a form was not sent, in one sentence.
pub(super) fn reason(findings: &[Finding], failure: Option<&Error>) -> String {
    let wrong = findings.iter().find(|finding| finding.severity == Severity::Error);
    match (failure, wrong) {
        (Some(error), _) => part::sentence(&error.message),
        (None, Some(finding)) => part::sentence(&finding.message),
        (None, None) => String::new(),
    }
}

/// Channels that a form offers: more would be a page of megabytes, and nobody ticks so many boxes.
const OFFERED: usize = 200;

/// The other channels that a form offers.
pub(super) fn choice(others: &[Channel], chosen: &[String]) -> Markup {
    let (first, rest): (Vec<&Channel>, Vec<&Channel>) =
        others.iter().partition(|channel| chosen.contains(&channel.id));
    html! {
        @if !others.is_empty() {
            details.field id="field-also" open[!chosen.is_empty()] {
                summary { "More channels" }
                fieldset.field {
                    legend { "Post the same on" }
                    @for channel in first.into_iter().chain(rest).take(OFFERED) {
                        label.check {
                            input type="checkbox" name="also" value=(channel.id) checked[chosen.contains(&channel.id)];
                            span { (channel.display_name) " " span.quiet { @if let Some(username) = &channel.username { "@" (username) " · " } (channel.app) } @if channel.health == Health::NeedsReconnect { " " (part::health(channel.health)) } }
                        }
                    }
                }
                @if others.len() > OFFERED { p.help { "Here are the first " (OFFERED) " of " (others.len()) " channels. A program publishes on any number of them by the API." } }
                p.help { "File, texts and time are taken over. Each channel then has its own form: who can see the post, what is allowed and what you agree to are chosen for each, and each is published by its own button." }
                div.actions { button type="submit" name="action" value="together" formnovalidate { "Continue with these channels" } }
            }
        }
    }
}

async fn show(
    Shared(state): Shared<State>,
    Operator(browser): Operator,
    Path(Named { id }): Path<Named>,
) -> Answer {
    let frame = Frame::new(&state, &browser).await?;
    let tenant = browser.tenant(&state);
    let mut it = Crosspost::named(&tenant, &id).await?;
    let channels = tenant.channels().await?;
    let jobs = it.jobs(&tenant).await?;
    let open = it.content.channels.len() - jobs.len();
    if open == 0 && !it.content.done {
        // The last job was stored, and the process ended before it was noted here.
        it.settle(&tenant).await?;
    }
    let next = it
        .content
        .channels
        .iter()
        .find(|one| !jobs.contains_key(*one) && channels.iter().any(|channel| channel.id == **one));
    let (title, total) = (it.title(), it.content.channels.len());
    let body = html! {
        nav.crumbs aria-label="Path" { a href="/jobs" { "Jobs" } " / " (title) }
        h1 { (title) }
        p role="status" {
            @if open == 0 { "The form of every channel is sent." }
            @else { (jobs.len()) " of " (total) " forms are sent. Nothing more is sent before you press Publish in a channel's form." }
        }
        ul.rows.jobs {
            @for id in &it.content.channels {
                @let channel = channels.iter().find(|channel| channel.id == *id);
                li { (row(&it, id, channel, jobs.get(id), next == Some(id))) }
            }
        }
        section.card aria-labelledby="same" {
            h2 id="same" { "The same for all" }
            dl.facts {
                @for uploaded in &it.content.uploads { div { dt { "File" } dd { (uploaded.name) " · " (part::bytes(uploaded.size)) } } }
                @for url in it.content.urls.lines().filter(|line| !line.trim().is_empty()) { div { dt { "Link" } dd { (url) } } }
                @for (name, text) in &it.content.texts { div { dt { (part::words(name)) } dd.text { (text) } } }
                @if open > 0 { div { dt { "Kept until" } dd { (part::instant(it.expires_at)) } } }
            }
            @if open > 0 {
                form method="post" action={(it.address()) "/discard"} {
                    (frame.token())
                    button.danger type="submit" data-confirm="Forget this post for the channels that do not have it yet?" { "Discard the rest" }
                }
            }
        }
    };
    Ok(frame.page(Section::Jobs, &title, &[], &body))
}

/// How a channel stands, and what there is to do.
fn row(it: &Crosspost, id: &str, channel: Option<&Channel>, job: Option<&Job>, is_next: bool) -> Markup {
    let name = channel.map_or(id, |channel| channel.display_name.as_str());
    let refused = it.content.refused.get(id);
    let form = format!("/channels/{}/publish?crosspost={}", part::encoded(id), part::encoded(&it.id));
    html! {
        div {
            @match job {
                Some(job) => a.whole href={"/jobs/" (job.id)} { (name) },
                None => strong { (name) },
            }
            @if let Some(channel) = channel { p.fine { (channel.app) } }
            @match (job, refused, channel) {
                (Some(job), ..) => { @if let Some(error) = &job.error { p.fine.said { (part::sentence(&error.message)) } } },
                (None, _, None) => p.fine { "This channel is not connected any more." },
                (None, Some(refused), _) => p.fine { "Not sent: " (refused.reason) },
                (None, None, _) => p.fine { "Not sent yet." },
            }
        }
        @match (job, channel) {
            (Some(job), _) => (part::status(job)),
            (None, None) => {},
            (None, Some(channel)) if channel.health == Health::NeedsReconnect => a.button href={"/channels/add/" (part::encoded(&channel.app)) "?reconnect=" (channel.id)} { "Reconnect" span.hidden { " " (name) } },
            (None, Some(_)) => a.button.main[is_next] href=(form) { @if refused.is_some() { "Try again" } @else { "Fill in" } span.hidden { " " (name) } },
        }
    }
}

async fn discard(
    Shared(state): Shared<State>,
    Operator(browser): Operator,
    Path(Named { id }): Path<Named>,
    _: Form,
) -> Result<Response, Problem> {
    let tenant = browser.tenant(&state);
    // Pressed twice: it is gone.
    if let Some(mut it) = Crosspost::load(&tenant, &id).await? {
        let sent = it.jobs(&tenant).await?;
        if sent.is_empty() {
            tenant.delete_draft(&id).await?;
        } else {
            // What was sent stays known: its form may still be open in another window.
            it.content.channels.retain(|channel| sent.contains_key(channel));
            it.content.done = true;
            it.store(&tenant).await?;
        }
        it.let_go(&tenant).await;
    }
    Ok(Redirect::to("/jobs").into_response())
}

/// Those that some channel still waits for, for the list of jobs.
pub(super) async fn unfinished(tenant: &Tenant) -> Result<Markup, Problem> {
    let mut open: Vec<Crosspost> = Vec::new();
    for Stored { id, content, expires_at, .. } in tenant.drafts::<Content>().await? {
        if !content.done {
            open.push(Crosspost { id, content, expires_at });
        }
    }
    Ok(html! {
        @if !open.is_empty() {
            section aria-labelledby="unfinished" {
                h2 id="unfinished" { "Not sent to every channel" }
                ul.rows.jobs {
                    @for it in &open {
                        li {
                            div {
                                a.whole href=(it.address()) { (it.title()) }
                                p.fine { (it.content.channels.len()) " channels · kept until " (part::instant(it.expires_at)) }
                            }
                            span.badge.warn { "Unfinished" }
                        }
                    }
                }
            }
        }
    })
}

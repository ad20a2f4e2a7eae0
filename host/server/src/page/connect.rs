//! Channels: connected channels, *Add channel*, and the return from a platform. The consent opens in a
//! separate window, or in the same window without scripts or if the browser blocks windows.

use std::collections::BTreeMap;

use axum::Router;
use axum::extract::State as Shared;
use axum::response::{IntoResponse, Redirect, Response};
use axum::routing::{get, post};
use http::header::HOST;
use http::{HeaderMap, StatusCode};
use maud::{Markup, html};
use serde::Deserialize;
use social_channel::model::{Copyable, Descriptor, Field, Scope};
use social_channel::{
    App, Candidate, Channel, Connect, ConnectOptions, Connected, Error, Health, JobGroup, ProviderInfo,
    Question, Tenant, form as forms,
};

use super::layout::{Answer, Frame, Section};
use super::{app, numbers, part};
use crate::State;
use crate::auth::{Browser, Form, Operator};
use crate::extract::{Path, Query};
use crate::problem::Problem;

pub(super) fn routes() -> Router<State> {
    Router::new()
        .route("/channels", get(list))
        .route("/channels/add", get(choose_provider))
        .route("/channels/add/{app}", get(add).post(begin))
        .route("/channels/choose", post(choose))
        .route("/channels/answer", post(answer))
}

#[derive(Deserialize)]
struct Named {
    app: String,
}

#[derive(Default, Deserialize)]
struct Asked {
    connected: Option<String>,
    reconnect: Option<String>,
    gone: Option<String>,
    /// Channels before the first one that is shown.
    #[serde(default)]
    from: usize,
}

/// Channels on one page: more would be a page of megabytes.
const SHOWN: usize = 200;

async fn list(
    Shared(state): Shared<State>,
    Operator(browser): Operator,
    Query(asked): Query<Asked>,
) -> Answer {
    let frame = Frame::new(&state, &browser).await?;
    let tenant = browser.tenant(&state);
    let channels = tenant.channels().await?;
    let (apps, providers) = (state.host().apps_now().await?, state.host().providers_now().await?);
    let shown = channels.get(asked.from..).unwrap_or_default();
    let shown = shown.get(..SHOWN).unwrap_or(shown);
    let followers = numbers::followers(&tenant, shown).await?;
    let posted = posted(&tenant, shown).await?;
    let new = asked.connected.and_then(|id| channels.iter().find(|channel| channel.id == id));
    let body = html! {
        div.headline { h1 { "Channels" } a.button.main href="/channels/add" { "+ Add channel" } }
        @if let Some(new) = new {
            div.note.good role="status" id="outcome" data-connected=(new.id) {
                p { strong { (new.display_name) " is connected." } " " a href={"/channels/" (new.id)} { "Open the channel" } }
            }
        }
        @if asked.gone.as_deref() == Some("yes") { div.note.good role="status" { p { strong { "The channel was disconnected." } " The permission was revoked at the network." } } }
        @else if asked.gone.is_some() { div.note.warn role="status" { p { strong { "The channel was disconnected here." } " The permission was not revoked at the network; remove the app in the account's own settings to be sure." } } }
        section aria-labelledby="connected" {
            h2 id="connected" { "Connected channels" }
            @if channels.is_empty() {
                div.empty { p { "No channels yet." } p { a href="/channels/add" { "Add channel" } " to see its profile and numbers, and to publish." } }
            }
            ul.channels { @for channel in shown { (row(&frame, channel, &apps, &providers, followers.get(&channel.id).copied(), posted.get(&channel.id).copied())) } }
            @if asked.from > 0 { a.button href={"/channels?from=" (asked.from.saturating_sub(SHOWN))} rel="prev" { "Previous channels" } " " }
            @let next = asked.from.saturating_add(SHOWN);
            @if next < channels.len() { a.button href={"/channels?from=" (next)} rel="next" { "More channels" } }
        }
    };
    Ok(frame.page(Section::Channels, "Channels", if new.is_some() { &["outcome.js"] } else { &[] }, &body))
}

/// When each of these channels was last published on from here.
async fn posted(tenant: &Tenant, channels: &[Channel]) -> Result<BTreeMap<String, i64>, Problem> {
    let mut found = BTreeMap::new();
    for channel in channels {
        let jobs = tenant.jobs_in(Some(&channel.id), JobGroup::Published, 1, None).await?;
        found.extend(jobs.first().and_then(|job| Some((channel.id.clone(), job.ended_at?))));
    }
    Ok(found)
}

fn row(
    frame: &Frame,
    channel: &Channel,
    apps: &[App],
    providers: &[ProviderInfo],
    followers: Option<u64>,
    posted: Option<i64>,
) -> Markup {
    let app = apps.iter().find(|app| app.id == channel.app);
    html! {
        li.card.channel {
            (part::avatar(frame.picture(&channel.app, channel.avatar_url.as_deref()), &channel.display_name))
            div.who {
                h3 { a href={"/channels/" (channel.id)} { (channel.display_name) } }
                p.fine {
                    @if let Some(username) = &channel.username { "@" (username) " · " }
                    @if let Some(app) = app { (provider_name(providers, app)) " · " (app::label(app)) } @else { (channel.app) }
                    @if let Some(count) = followers { " · " (part::short_number(count)) @if count == 1 { " follower" } @else { " followers" } }
                    @if let Some(at) = posted { " · last post " (part::moment(at)) }
                }
                @if channel.health != Health::Active || channel.health_detail.is_some() { p { @if channel.health != Health::Active { (part::health(channel.health)) " " } @if let Some(detail) = &channel.health_detail { (part::sentence(detail)) } } }
                @if let Some(warning) = &channel.warning { p.note.warn { (part::sentence(warning)) } }
            }
            div.actions {
                @if channel.health == Health::NeedsReconnect {
                    a.button.main href={"/channels/add/" (part::encoded(&channel.app)) "?reconnect=" (channel.id)} { "Reconnect" span.hidden { " " (channel.display_name) } }
                } @else {
                    a.button href={"/channels/" (channel.id) "/publish"} { "Publish" span.hidden { " on " (channel.display_name) } }
                }
            }
        }
    }
}

/// The permissions that the component of an app speaks of.
pub(super) fn scopes<'a>(providers: &'a [ProviderInfo], app: &App) -> &'a [Scope] {
    let own = providers.iter().find(|provider| provider.digest == app.digest);
    own.map_or(&[], |provider| provider.descriptor.scopes.as_slice())
}

/// The permissions that were granted, and those that were not.
pub(super) fn permissions(channel: &Channel, scopes: &[Scope]) -> Markup {
    html! {
        details.permissions {
            summary { (channel.scopes.len()) " permissions granted" span.hidden { " to " (channel.display_name) } @if !channel.missing_scopes.is_empty() { ", " (channel.missing_scopes.len()) " missing" } }
            ul.scopes {
                @for scope in &channel.scopes { li { span.yes aria-hidden="true" { "✓ " } (part::scope(scope, scopes)) } }
                @for scope in &channel.missing_scopes { li.missing { span.no aria-hidden="true" { "✗ " } (part::scope(scope, scopes)) " not granted" } }
            }
        }
    }
}

async fn choose_provider(Shared(state): Shared<State>, Operator(browser): Operator) -> Answer {
    let frame = Frame::new(&state, &browser).await?;
    let providers = state.host().providers_now().await?;
    let mut apps = state.host().apps_now().await?;
    apps.retain(|app| app.tenant.as_deref().is_none_or(|own| own == browser.tenant_id().as_str()));
    let body = html! {
        nav.crumbs aria-label="Path" { a href="/channels" { "Channels" } " / Add channel" }
        h1 { "Add channel" }
        @if apps.is_empty() {
            div.note.info {
                p { strong { "No keys are set yet." } }
                p { "A channel is connected through an app that you registered at the network. " a href="/settings" { "Enter its keys" } " first." }
            }
        }
        ul.cards {
            @for app in &apps {
                @let name = provider_name(&providers, app);
                li.card {
                    h2 { a href={"/channels/add/" (part::encoded(&app.id))} { (name) } }
                    p.quiet { (app::label(app)) }
                    @if !app.missing_settings.is_empty() { p { span.badge.warn { "Keys are missing" } } }
                }
            }
        }
    };
    Ok(frame.page(Section::Channels, "Add channel", &[], &body))
}

/// The name as the provider spells it; only it knows.
fn provider_name<'a>(providers: &'a [ProviderInfo], app: &'a App) -> &'a str {
    let provider = providers.iter().find(|provider| provider.digest == app.digest);
    provider.map_or(app.provider.as_str(), |provider| provider.descriptor.name.as_str())
}

pub(super) async fn app_and_descriptor(state: &State, name: &str) -> Result<(App, Descriptor), Problem> {
    let app = state.host().app(name).await?;
    let provider =
        state.host().providers_now().await?.into_iter().find(|provider| provider.digest == app.digest);
    let provider = provider.ok_or_else(|| {
        Error::new(social_channel::ErrorKind::NotFound, format!("the component of the app {name} is gone"))
            .with_remedy("install it again under Settings, Providers")
    })?;
    Ok((app, provider.loaded()?.descriptor))
}

async fn add(
    Shared(state): Shared<State>,
    Operator(browser): Operator,
    Path(Named { app }): Path<Named>,
    Query(asked): Query<Asked>,
    headers: HeaderMap,
) -> Answer {
    let (app, descriptor) = app_and_descriptor(&state, &app).await?;
    draw_add(&state, &browser, &headers, &app, &descriptor, asked.reconnect.as_deref(), None).await
}

async fn draw_add(
    state: &State,
    browser: &Browser,
    headers: &HeaderMap,
    app: &App,
    descriptor: &Descriptor,
    reconnect: Option<&str>,
    refused: Option<(&Error, &BTreeMap<String, String>)>,
) -> Answer {
    let frame = Frame::new(state, browser).await?;
    let again = match reconnect {
        Some(channel) => Some(browser.tenant(state).channel(channel).await?),
        None => None,
    };
    let elsewhere = elsewhere(app.redirect_uri.as_deref(), headers);
    let body = html! {
        nav.crumbs aria-label="Path" { a href="/channels" { "Channels" } " / " a href="/channels/add" { "Add channel" } " / " (descriptor.name) }
        @let moves = again.as_ref().is_some_and(|again| again.app != app.id);
        h1 { @if let Some(again) = &again { @if moves { "Move " } @else { "Reconnect " } (again.display_name) @if moves { " to " (app::label(app)) } } @else { "Add " (descriptor.name) " channel" } }
        div id="outcome" { @if let Some((error, _)) = refused { (part::failure(error)) } }
        @if !app.missing_settings.is_empty() {
            div.note.bad role="alert" { p { strong { "The keys of this app are not complete." } " Missing: " (app::missing(app)) ". " a href=(app::url(app)) { "Enter them" } "." } }
        }
        @if let Some((here, there)) = &elsewhere {
            div.note.warn role="alert" id="elsewhere" {
                p { strong { "The callback leads to a different address than the one you are using." } }
                p { "You opened this service at " code { (here) } ", and the callback URL leads to " code { (there) } ". Open the service there, or change the callback URL; otherwise the browser is not recognised when it returns." }
            }
        }
        div.columns {
            section.card aria-labelledby="go" {
                h2 id="go" { "Profile" }
                @let (asked, brought) = ways(descriptor);
                @if moves { p { "The channel keeps its history, numbers and scheduled posts, and goes on with this app. Posts under way must end first." } }
                @if asked.is_empty() { p { "You are sent to " (descriptor.name) ", see there which permissions are requested, agree, and come back." } }
                @else { p { "What you enter says how the account is connected: at once, or at " (descriptor.name) ", where you see which permissions are requested, agree, and come back." } }
                h3 id="scopes" { "Permissions requested" }
                ul.scopes aria-labelledby="scopes" { @for scope in &descriptor.scopes { li { (part::scope(&scope.name, &descriptor.scopes)) } } }
                form id="connect" method="post" action={"/channels/add/" (part::encoded(&app.id))} data-provider=(descriptor.name) {
                    (frame.token())
                    @if let Some(again) = &again { input type="hidden" name="reconnect" value=(again.id); }
                    @let entered = |input: &Field| refused.and_then(|(_, entered)| entered.get(&input.name));
                    @for input in asked { (input_field(input, entered(input))) }
                    @if !brought.is_empty() {
                        @let wrong = refused.and_then(|(error, _)| error.field.as_deref());
                        details data-brought open[brought.iter().any(|input| Some(input.name.as_str()) == wrong)] {
                            summary { "Connect without " (descriptor.name) "'s page" }
                            p.help { "Only if you have what it takes. Leave it empty to go to " (descriptor.name) "." }
                            @for input in brought { (input_field(input, entered(input))) }
                            @if again.is_none() { p.help { a href={"/channels/import/" (part::encoded(&app.id))} { "Import many accounts" } } }
                        }
                    }
                    button.main type="submit" { @if again.is_some() { "Reconnect" } @else { "+ Profile" } }
                }
                template id="blocked" {
                    div.note.bad {
                        p { strong { "The browser blocked the window." } }
                        p { "Allow pop-ups for this address and press the button again, or " button.link type="button" data-here="true" { "go on in this window" } "." }
                    }
                }
                template id="closed" {
                    div.note.warn {
                        p { strong { "The window was closed before " (descriptor.name) " answered." } }
                        p { "Press the button to try again. If the page there said that something is wrong with the app or its redirect address, see below." }
                    }
                }
                template id="waiting" {
                    div.note.info { p { strong { "Continue in the other window." } " This page shows the result." } }
                }
            }
            section.card aria-labelledby="trouble" {
                details { summary { h2 id="trouble" { "If " (descriptor.name) " shows an error instead" } }
                p { strong { "The redirect address does not match." } " It must be registered at " (descriptor.name) " exactly so, every letter and slash, in the same mode:" }
                @if let Some(uri) = &app.redirect_uri { (part::copyables(&[Copyable { label: "Callback URL".to_owned(), value: uri.clone() }])) }
                // A network without registrations has no keys.
                @if descriptor.settings.iter().any(|setting| setting.kind == "secret") { p { strong { "The key is unknown." } " Keys of a sandbox and of the live app are different ones." } }
                p { a href={"/settings/apps/" (part::encoded(&app.id)) "/guide"} { "Run the checks" } " to see what is wrong." }
                }
            }
        }
    };
    let status = if refused.is_some() { StatusCode::BAD_REQUEST } else { StatusCode::OK };
    Ok(frame.page_at(
        status,
        Section::Channels,
        &format!("Add {} channel", descriptor.name),
        &["connect.js"],
        &body,
    ))
}

/// What everybody is asked for, and what takes the place of the network's page: an optional secret of the account, and the
/// optional inputs after it.
fn ways(descriptor: &Descriptor) -> (Vec<&Field>, Vec<&Field>) {
    let inputs = &descriptor.connect_inputs;
    let secret = inputs.iter().position(|input| !input.required && input.kind == "secret");
    let (asked, brought): (Vec<_>, Vec<_>) = inputs
        .iter()
        .enumerate()
        .partition(|(place, input)| input.required || secret.is_none_or(|secret| *place < secret));
    let plain = |inputs: Vec<(usize, _)>| inputs.into_iter().map(|(_, input)| input).collect();
    (plain(asked), plain(brought))
}

/// A field, with what was entered before or its default. A secret is entered again.
fn input_field(input: &Field, entered: Option<&String>) -> Markup {
    let entered = entered.filter(|_| input.kind != "secret").cloned();
    let shown = entered.or_else(|| input.default_value.as_ref().map(forms::text));
    let id = format!("i-{}", input.name);
    let help = format!("{id}-help");
    html! {
        div.field {
            label for=(id) { (input.label) @if input.required { span.need { " (required)" } } }
            @match input.kind.as_str() {
                "boolean" => {
                    select id=(id) name={"i." (input.name)} {
                        @for (word, text) in [("", "Not chosen"), ("true", "Yes"), ("false", "No")] { option value=(word) selected[Some(word) == shown.as_deref()] { (text) } }
                    }
                }
                "text-list" | "multiline" | "multi-choice" => {
                    textarea id=(id) name={"i." (input.name)} rows="3" required[input.required] { (shown.as_deref().unwrap_or_default()) }
                }
                "choice" => {
                    select id=(id) name={"i." (input.name)} {
                        @for choice in &input.choices { option value=(choice.value) selected[Some(&choice.value) == shown.as_ref()] { (choice.label) } }
                    }
                }
                kind => {
                    input id=(id) name={"i." (input.name)} type=(match kind { "secret" => "password", "url" => "url", _ => "text" })
                        required[input.required] value=[shown.as_deref()] autocomplete="off" aria-describedby=[input.help.as_ref().map(|_| &help)];
                }
            }
            @if let Some(text) = &input.help { p.help id=(help) { (text) } }
        }
    }
}

/// The address in use and that of the callback, if they are different sites for a browser: its cookie would
/// not be sent to the callback.
fn elsewhere(redirect: Option<&str>, headers: &HeaderMap) -> Option<(String, String)> {
    let here = headers.get(HOST)?.to_str().ok()?;
    let callback = url::Url::parse(redirect?).ok()?;
    let name = url::Url::parse(&format!("http://{here}")).ok()?;
    (name.host() != callback.host()).then(|| (here.to_owned(), callback.origin().ascii_serialization()))
}

async fn begin(
    Shared(state): Shared<State>,
    operator: Operator,
    Path(Named { app }): Path<Named>,
    headers: HeaderMap,
    form: Form,
) -> Answer {
    let (app, descriptor) = app_and_descriptor(&state, &app).await?;
    let reconnect = form.get("reconnect").map(str::to_owned);
    let entered: BTreeMap<String, String> = form
        .fields
        .iter()
        .filter(|(_, value)| !value.is_empty())
        .filter_map(|(name, value)| Some((name.strip_prefix("i.")?.to_owned(), value.clone())))
        .collect();
    let inputs = entered.iter().map(|(name, value)| (name.clone(), value.as_str().into())).collect();
    let options = ConnectOptions {
        owner: operator.0.owner(),
        // Otherwise a network may connect the account that the browser is signed in to, without a question.
        choose_account: true,
        inputs,
        reconnect: reconnect.clone(),
        ..ConnectOptions::default()
    };
    match operator.0.tenant(&state).begin_connect(&app.id, options).await {
        Ok(Connect::Redirect { url, .. }) => redirecting(&state, &operator.0, &descriptor.name, &url).await,
        Ok(Connect::Ask(question)) => ask(&state, &operator.0, &app.id, &question).await,
        Ok(Connect::Done(connected)) => outcome(&state, &operator.0, &app.id, connected).await,
        Err(error) => {
            draw_add(
                &state,
                &operator.0,
                &headers,
                &app,
                &descriptor,
                reconnect.as_deref(),
                Some((&error, &entered)),
            )
            .await
        }
    }
}

/// Not a redirect, because browsers apply the form policy to redirects after a form.
async fn redirecting(state: &State, browser: &Browser, network: &str, url: &str) -> Answer {
    let frame = Frame::new(state, browser).await?;
    let body = html! {
        section.card.narrow {
            h1 { "Redirecting to " (network) }
            p { a.button.main id="go" href=(url) rel="noreferrer" data-go="true" { "Continue to " (network) } }
        }
    };
    Ok(frame.page(Section::Outside, "Redirecting", &["connect.js"], &body))
}

/// A question of the provider, before the account can be connected.
async fn ask(state: &State, browser: &Browser, app: &str, question: &Question) -> Answer {
    let frame = Frame::new(state, browser).await?;
    let body = html! {
        section.card.narrow {
            h1 { "One more question" }
            p { (question.prompt.text) }
            form method="post" action="/channels/answer" {
                (frame.token())
                input type="hidden" name="state" value=(question.state);
                input type="hidden" name="app" value=(app);
                @for field in question.prompt.fields.iter().filter(|field| forms::is_known(field)) { (input_field(field, None)) }
                button.main type="submit" { "Continue" }
            }
        }
    };
    Ok(frame.page(Section::Channels, "One more question", &[], &body))
}

async fn answer(Shared(state): Shared<State>, operator: Operator, form: Form) -> Answer {
    let field = |name| form.get(name).unwrap_or_default();
    let given =
        form.fields.iter().filter_map(|(name, value)| Some((name.strip_prefix("i.")?.to_owned(), value)));
    let given = given.filter(|(name, value)| name != "state" && !value.is_empty());
    let mut callback: Vec<_> = given.map(|(name, value)| (name, value.replace("\r\n", "\n"))).collect();
    callback.push(("state".to_owned(), field("state").to_owned()));
    let owner = operator.0.owner();
    match operator.0.tenant(&state).complete_connect(&owner, callback).await {
        Ok(connected) => outcome(&state, &operator.0, field("app"), connected).await,
        Err(error) => Ok(failed(&state, &operator.0, field("app"), &error).await),
    }
}

async fn outcome(state: &State, browser: &Browser, app: &str, connected: Connected) -> Answer {
    match connected {
        Connected::Channel(channel) => {
            Ok(Redirect::to(&format!("/channels?connected={}", channel.id)).into_response())
        }
        Connected::Choose { choice, candidates } => {
            pick(state, browser, app, &choice, &candidates, None).await
        }
        Connected::Ask(question) => ask(state, browser, app, &question).await,
        Connected::Redirect { url, .. } => redirecting(state, browser, "the network", &url).await,
    }
}

async fn pick(
    state: &State,
    browser: &Browser,
    app: &str,
    choice: &str,
    candidates: &[Candidate],
    error: Option<&Error>,
) -> Answer {
    let frame = Frame::new(state, browser).await?;
    let body = html! {
        section.card.narrow {
            @if let [_] = candidates {
                h1 { "Is this the account?" }
                p { "The network does not tell whether it is the same account as before: accounts have another id in each app. Go on only if it is." }
            } @else {
                h1 { "Which account?" }
                p { "The consent returned several accounts. Choose the one to connect." }
            }
            @if let Some(error) = error { (part::failure(error)) }
            form method="post" action="/channels/choose" {
                (frame.token())
                input type="hidden" name="choice" value=(choice);
                input type="hidden" name="app" value=(app);
                fieldset {
                    legend.hidden { "Accounts" }
                    @for candidate in candidates {
                        label.check.account {
                            input type="radio" name="account" value=(candidate.account_id) required;
                            (part::avatar(frame.picture(app, candidate.avatar_url.as_deref()), &candidate.display_name))
                            (candidate.display_name)
                            @if let Some(username) = &candidate.username { span.quiet { " @" (username) } }
                            @if let Some(kind) = &candidate.kind { span.quiet { " · " (part::words(kind)) } }
                        }
                    }
                }
                button.main type="submit" { "Connect" }
            }
        }
    };
    Ok(frame.page(Section::Channels, "Which account?", &[], &body))
}

async fn choose(Shared(state): Shared<State>, operator: Operator, form: Form) -> Answer {
    let field = |name| form.get(name).unwrap_or_default();
    let owner = operator.0.owner();
    match operator.0.tenant(&state).choose_account(&owner, field("choice"), field("account")).await {
        Ok(channel) => Ok(Redirect::to(&format!("/channels?connected={}", channel.id)).into_response()),
        Err(error) => Ok(failed(&state, &operator.0, field("app"), &error).await),
    }
}

/// The page for a browser that returns from a platform: the result of the consent, or why it failed.
pub(crate) async fn callback(
    state: &State,
    browser: &Browser,
    app: &str,
    result: Result<Connected, Error>,
) -> Response {
    match result {
        Ok(connected) => outcome(state, browser, app, connected).await.unwrap_or_else(Problem::into_response),
        Err(error) => failed(state, browser, app, &error).await,
    }
}

/// A failed consent: why, and what to do.
async fn failed(state: &State, browser: &Browser, app: &str, error: &Error) -> Response {
    let status = StatusCode::from_u16(error.kind.http_status()).unwrap_or(StatusCode::BAD_REQUEST);
    let frame = match Frame::new(state, browser).await {
        Ok(frame) => frame,
        Err(problem) => return problem.into_response(),
    };
    let is_app = state.host().app(app).await.is_ok();
    let body = html! {
        h1 { "The channel was not connected" }
        div id="outcome" data-failed="true" { (part::failure(error)) }
        p {
            @if is_app { a.button.main href={"/channels/add/" (part::encoded(app))} { "Begin again" } " " }
            a href="/channels" { "Connected channels" }
            @if is_app { " · " a href={"/settings/apps/" (part::encoded(app)) "/guide"} { "Run the checks" } }
        }
    };
    frame.page_at(status, Section::Channels, "Not connected", &["outcome.js"], &body)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn headers(host: &'static str) -> HeaderMap {
        HeaderMap::from_iter([(HOST, http::HeaderValue::from_static(host))])
    }

    #[test]
    fn a_callback_to_another_name_is_found_before_anybody_consents() {
        let uri = Some("http://127.0.0.1:8080/callback/a");
        assert_eq!(elsewhere(uri, &headers("127.0.0.1:8080")), None);
        assert!(elsewhere(uri, &headers("localhost:8080")).is_some());
        let (here, there) =
            elsewhere(Some("https://app.example.com/callback/a"), &headers("127.0.0.1:1")).unwrap();
        assert_eq!((here.as_str(), there.as_str()), ("127.0.0.1:1", "https://app.example.com"));
    }
}

//! Settings → Webhooks: addresses that get the tenant's events, what was sent to them, and sending it again. A secret is
//! shown once.

use axum::Router;
use axum::extract::State as Shared;
use axum::response::{IntoResponse, Redirect};
use axum::routing::{get, post};
use http::StatusCode;
use maud::{Markup, html};
use serde::Deserialize;
use social_channel::{
    Delivery, DeliveryAttempt, DeliveryStatus, EVENT_TYPES, Endpoint, EndpointChanges, EndpointWithSecret,
    Error, ErrorKind, NewEndpoint,
};

use super::layout::{Answer, Frame, Section, settings_tabs};
use super::part;
use crate::State;
use crate::auth::{Browser, Form, Operator};
use crate::extract::{Path, Query};

const HERE: &str = "/settings/endpoints";
/// Events on a page of the log.
const SHOWN: u32 = 50;

pub(super) fn routes() -> Router<State> {
    Router::new()
        .route("/settings/endpoints", get(show).post(add))
        .route("/settings/endpoints/{endpoint}", get(one).post(change))
        .route("/settings/endpoints/{endpoint}/secret", post(rotate))
        .route("/settings/endpoints/{endpoint}/enable", post(enable))
        .route("/settings/endpoints/{endpoint}/disable", post(disable))
        .route("/settings/endpoints/{endpoint}/remove", post(remove))
        .route("/settings/endpoints/{endpoint}/send", post(send))
}

#[derive(Deserialize)]
struct Named {
    endpoint: String,
}

/// Which part of the log.
#[derive(Default, Deserialize)]
struct Log {
    /// Events before this number.
    before: Option<u64>,
    /// The event whose attempts are shown.
    attempts: Option<u64>,
}

fn address(endpoint: &str) -> String {
    format!("{HERE}/{}", part::encoded(endpoint))
}

async fn show(Shared(state): Shared<State>, Operator(browser): Operator) -> Answer {
    draw(&state, &browser, None, None).await
}

async fn draw(
    state: &State,
    browser: &Browser,
    made: Option<&EndpointWithSecret>,
    error: Option<&Error>,
) -> Answer {
    let frame = Frame::new(state, browser).await?;
    let endpoints = browser.tenant(state).endpoints().await?;
    let body = html! {
        h1 { "Settings" }
        (settings_tabs(HERE))
        h2 { "Webhooks" }
        p { "Addresses of your programs that are told when a post is published, a job fails or a channel must be connected again. Each event is sent by the rules of " a href="https://www.standardwebhooks.com/" rel="noreferrer" { "Standard Webhooks" } ", and again for a day if nobody answers." }
        @if let Some(error) = error { (part::failure(error)) }
        @if let Some(made) = made { (secret(made)) }
        div {
            section.card aria-labelledby="all" {
                h3 id="all" { "Addresses" }
                @if endpoints.is_empty() { p.quiet { "No addresses yet." } }
                @else {
                    ul.rows {
                        @for endpoint in &endpoints {
                            li {
                                div {
                                    a href=(address(&endpoint.id)) { strong { (endpoint.url) } }
                                    p.fine { @if !endpoint.description.is_empty() { (endpoint.description) " · " } (types(endpoint)) }
                                }
                                (badge(endpoint))
                            }
                        }
                    }
                }
            }
            section.card aria-labelledby="new" {
                h3 id="new" { "New address" }
                form method="post" action=(HERE) {
                    (frame.token())
                    (fields("", "", &[]))
                    button.main type="submit" { "Add address" }
                }
            }
        }
    };
    let status = if error.is_some() { StatusCode::BAD_REQUEST } else { StatusCode::OK };
    Ok(frame.page_at(status, Section::Settings, "Webhooks", &[], &body))
}

fn secret(made: &EndpointWithSecret) -> Markup {
    html! {
        div.note.good role="status" {
            p { strong { "The secret of " (made.endpoint.url) "." } " Copy it now: it is not shown again. The receiver verifies with it what it gets." }
            dl.copies { (part::copyable("Secret", made.secret.expose())) }
        }
    }
}

fn fields(url: &str, description: &str, chosen: &[String]) -> Markup {
    html! {
        div.field {
            label for="url" { "Address" }
            input id="url" name="url" type="url" required maxlength="2000" value=(url) autocomplete="off" spellcheck="false" placeholder="https://";
            p.help { "It begins with https:// and is reachable from the internet." }
        }
        div.field {
            label for="description" { "Description" }
            input id="description" name="description" maxlength="200" value=(description) autocomplete="off";
            p.help { "For yourself: which program it is." }
        }
        fieldset {
            legend { "Events" }
            p.help { "None chosen: all of them." }
            @for kind in EVENT_TYPES {
                label.check { input type="checkbox" name="type" value=(kind) checked[chosen.iter().any(|one| one == kind)]; span { code { (kind) } } }
            }
        }
    }
}

fn types(endpoint: &Endpoint) -> String {
    if endpoint.types.is_empty() { "all events".to_owned() } else { endpoint.types.join(", ") }
}

fn badge(endpoint: &Endpoint) -> Markup {
    html! {
        @if endpoint.disabled.is_some() { span.badge.bad { "Disabled" } }
        @else if endpoint.failures > 0 { span.badge.warn { "Failing" } }
        @else { span.badge.good { "Good" } }
    }
}

async fn one(
    Shared(state): Shared<State>,
    Operator(browser): Operator,
    Path(Named { endpoint }): Path<Named>,
    Query(log): Query<Log>,
) -> Answer {
    draw_one(&state, &browser, &endpoint, &log, None, None).await
}

async fn draw_one(
    state: &State,
    browser: &Browser,
    id: &str,
    log: &Log,
    made: Option<&EndpointWithSecret>,
    error: Option<&Error>,
) -> Answer {
    let frame = Frame::new(state, browser).await?;
    let tenant = browser.tenant(state);
    let endpoint = tenant.endpoint(id).await?;
    let mut deliveries = tenant.deliveries(id, log.before, SHOWN + 1).await?;
    let more = deliveries.len() > SHOWN as usize;
    deliveries.truncate(SHOWN as usize);
    let older = deliveries.last().filter(|_| more).map(|delivery| delivery.number);
    let attempts = match log.attempts {
        Some(number) => tenant.delivery_attempts(id, number).await?,
        None => Vec::new(),
    };
    let here = address(id);
    let body = html! {
        nav.crumbs aria-label="Path" { a href=(HERE) { "Webhooks" } " / " (endpoint.url) }
        h1 { (endpoint.url) }
        @if let Some(error) = error { (part::failure(error)) }
        @if let Some(made) = made { (secret(made)) }
        @if let Some(why) = &endpoint.disabled {
            div.note.bad {
                p { strong { "Nothing is sent to this address." } " " (why) }
                form method="post" action={(here) "/enable"} { (frame.token()) button.main type="submit" { "Enable" } }
                p.fine { "What it missed follows, as long as it is kept: a week." }
            }
        } @else if let Some(since) = endpoint.failing_since {
            div.note.warn { p { "Nothing was accepted since " (part::moment(since)) ". It is tried again, and nothing is lost." } }
        }
        section.card aria-labelledby="log" {
            h2 id="log" { "Sent and waiting" }
            @if deliveries.is_empty() { p.quiet { "Nothing was sent yet." } }
            @else {
                div.scroll tabindex="0" role="region" aria-label="Events" {
                    table {
                        thead { tr { th scope="col" { "Event" } th scope="col" { "Happened" } th scope="col" { "State" } th scope="col" { "Attempts" } th scope="col" { "Next" } th { span.hidden { "Send again" } } } }
                        tbody {
                            @for delivery in &deliveries {
                                (row(&frame, &here, log, delivery, &endpoint))
                                @if log.attempts == Some(delivery.number) { tr { td colspan="6" { (tried(&attempts)) } } }
                            }
                        }
                    }
                }
                @if let Some(older) = older { p { a href={(here) "?before=" (older)} { "Older events" } } }
            }
        }
        section.card aria-labelledby="change" {
            h2 id="change" { "Change" }
            form method="post" action=(here) {
                (frame.token())
                (fields(&endpoint.url, &endpoint.description, &endpoint.types))
                button.main type="submit" { "Save" }
            }
        }
        section.card aria-labelledby="secret" {
            h2 id="secret" { "Secret" }
            p { @if endpoint.secrets > 1 { (endpoint.secrets) " secrets sign at the moment: a replaced one for a day, so that the receiver can be changed." } @else { "One secret signs." } }
            form method="post" action={(here) "/secret"} { (frame.token()) button type="submit" { "New secret" } }
        }
        section.card aria-labelledby="end" {
            h2 id="end" { "Stop" }
            @if endpoint.disabled.is_none() {
                form method="post" action={(here) "/disable"} { (frame.token()) button type="submit" { "Disable" } }
            }
            form method="post" action={(here) "/remove"} {
                (frame.token())
                button.danger type="submit" data-confirm="Nothing is sent to this address any more, and its log is removed." { "Remove" }
            }
        }
    };
    let status = if error.is_some() { StatusCode::BAD_REQUEST } else { StatusCode::OK };
    Ok(frame.page_at(status, Section::Settings, "Webhook", &[], &body))
}

fn row(frame: &Frame, here: &str, log: &Log, delivery: &Delivery, endpoint: &Endpoint) -> Markup {
    let before = log.before.map_or_else(String::new, |before| format!("before={before}&"));
    html! {
        tr {
            td { code { (delivery.kind) } p.fine { (delivery.event) } }
            td { (delivery.timestamp) }
            td {
                @match delivery.status {
                    DeliveryStatus::Delivered => span.badge.good { "Delivered" },
                    DeliveryStatus::Waiting => span.badge { "Waiting" },
                    DeliveryStatus::Failed => span.badge.bad { "Given up" },
                }
            }
            td { a href={(here) "?" (before) "attempts=" (delivery.number)} { (delivery.attempts) span.hidden { " attempts of " (delivery.event) } } }
            td { @if let Some(at) = delivery.next_attempt_at.filter(|_| delivery.attempts > 0) { (part::moment(at)) } }
            td {
                @if endpoint.disabled.is_none() {
                    form method="post" action={(here) "/send"} {
                        (frame.token())
                        input type="hidden" name="event" value=(delivery.event);
                        button type="submit" { "Send again" span.hidden { " " (delivery.event) } }
                    }
                }
            }
        }
    }
}

fn tried(attempts: &[DeliveryAttempt]) -> Markup {
    html! {
        @if attempts.is_empty() { p.quiet { "No attempt yet." } }
        ul {
            @for attempt in attempts {
                li { (part::moment(attempt.at_ms / 1000)) ", " (attempt.took_ms) " ms: " @match &attempt.failure { Some(why) => (why), None => "accepted" } }
            }
        }
    }
}

fn chosen(form: &Form) -> Vec<String> {
    form.all("type").map(str::to_owned).collect()
}

async fn add(Shared(state): Shared<State>, operator: Operator, form: Form) -> Answer {
    let text = |name| form.get(name).unwrap_or_default().trim().to_owned();
    let new = NewEndpoint {
        url: text("url"),
        description: text("description"),
        types: chosen(&form),
        secret: None,
    };
    match operator.0.tenant(&state).add_endpoint(new).await {
        Ok(made) => draw(&state, &operator.0, Some(&made), None).await,
        Err(error) => draw(&state, &operator.0, None, Some(&error)).await,
    }
}

async fn change(
    Shared(state): Shared<State>,
    operator: Operator,
    Path(Named { endpoint }): Path<Named>,
    form: Form,
) -> Answer {
    let text = |name| form.get(name).map(|text| text.trim().to_owned());
    let changes = EndpointChanges {
        url: text("url"),
        description: text("description"),
        types: Some(chosen(&form)),
        enabled: None,
    };
    changed(&state, &operator.0, &endpoint, changes).await
}

async fn changed(state: &State, browser: &Browser, endpoint: &str, changes: EndpointChanges) -> Answer {
    match browser.tenant(state).change_endpoint(endpoint, changes).await {
        Ok(_) => Ok(Redirect::to(&address(endpoint)).into_response()),
        Err(error) => draw_one(state, browser, endpoint, &Log::default(), None, Some(&error)).await,
    }
}

async fn enable(
    Shared(state): Shared<State>,
    operator: Operator,
    Path(Named { endpoint }): Path<Named>,
    _: Form,
) -> Answer {
    let changes = EndpointChanges { enabled: Some(true), ..EndpointChanges::default() };
    changed(&state, &operator.0, &endpoint, changes).await
}

async fn disable(
    Shared(state): Shared<State>,
    operator: Operator,
    Path(Named { endpoint }): Path<Named>,
    _: Form,
) -> Answer {
    let changes = EndpointChanges { enabled: Some(false), ..EndpointChanges::default() };
    changed(&state, &operator.0, &endpoint, changes).await
}

async fn rotate(
    Shared(state): Shared<State>,
    operator: Operator,
    Path(Named { endpoint }): Path<Named>,
    _: Form,
) -> Answer {
    let made = operator.0.tenant(&state).rotate_endpoint(&endpoint, None, None).await?;
    draw_one(&state, &operator.0, &endpoint, &Log::default(), Some(&made), None).await
}

async fn remove(
    Shared(state): Shared<State>,
    operator: Operator,
    Path(Named { endpoint }): Path<Named>,
    _: Form,
) -> Answer {
    match operator.0.tenant(&state).delete_endpoint(&endpoint).await {
        // Pressed twice: it is gone.
        Err(error) if error.kind != ErrorKind::NotFound => Err(error.into()),
        _ => Ok(Redirect::to(HERE).into_response()),
    }
}

async fn send(
    Shared(state): Shared<State>,
    operator: Operator,
    Path(Named { endpoint }): Path<Named>,
    form: Form,
) -> Answer {
    let event = form.get("event").unwrap_or_default();
    match operator.0.tenant(&state).send_event_again(&endpoint, event).await {
        Ok(()) => Ok(Redirect::to(&address(&endpoint)).into_response()),
        Err(error) => draw_one(&state, &operator.0, &endpoint, &Log::default(), None, Some(&error)).await,
    }
}

//! Settings → API keys: for programs. A key is shown once.

use crate::access::{Access, CreatedApiKey, is_key_id, new_key_id};
use axum::Router;
use axum::extract::State as Shared;
use axum::response::{IntoResponse, Redirect};
use axum::routing::{get, post};
use maud::html;
use social_channel::{Error, ErrorKind, TenantId};

use super::layout::{Answer, Frame, Section, settings_tabs};
use super::part;
use crate::State;
use crate::auth::{Browser, Form, Operator};
use crate::extract::Path;

pub(super) fn routes() -> Router<State> {
    Router::new()
        .route("/settings/keys", get(show).post(create))
        .route("/settings/keys/{key}/revoke", post(revoke))
}

#[derive(serde::Deserialize)]
struct Named {
    key: String,
}

async fn show(Shared(state): Shared<State>, Operator(browser): Operator) -> Answer {
    draw(&state, &browser, None, None).await
}

async fn draw(
    state: &State,
    browser: &Browser,
    made: Option<&CreatedApiKey>,
    error: Option<&Error>,
) -> Answer {
    let frame = Frame::new(state, browser).await?;
    let keys = Access::of(state.host()).api_keys(None).await?;
    let body = html! {
        h1 { "Settings" }
        (settings_tabs("/settings/keys"))
        h2 { "API keys" }
        p { "For programs that call " code { "/api/v1" } ". See the " a href="/api/v1/reference" { "API reference" } "." }
        @if let Some(error) = error { (part::failure(error)) }
        @if let Some(made) = made {
            div.note.good role="status" {
                p { strong { "The key " (made.key.name) " was made." } " Copy it now: it is not shown again." }
                dl.copies { (part::copyable("Key", made.text.expose())) }
            }
        }
        div {
            section.card aria-labelledby="all" {
                h3 id="all" { "Keys" }
                @if keys.is_empty() { p.quiet { "No keys yet." } }
                @else {
                    div.scroll tabindex="0" role="region" aria-label="API keys" {
                        table {
                            thead { tr { th scope="col" { "Name" } th scope="col" { "Key" } th scope="col" { "Tenant" } th scope="col" { "Made" } th scope="col" { "Used" } th { span.hidden { "Revoke" } } } }
                            tbody {
                                @for key in &keys {
                                    tr {
                                        td { strong { (key.name) } }
                                        td { code { (key.hint) } }
                                        td { @match &key.tenant { Some(tenant) => code { (tenant) }, None => span.badge.warn { "All tenants" } } }
                                        td { (part::moment(key.created_at)) }
                                        td { @match key.used_at { Some(at) => (part::moment(at)), None => "never" } }
                                        td {
                                            form method="post" action={"/settings/keys/" (part::encoded(&key.id)) "/revoke"} {
                                                (frame.token())
                                                button.danger type="submit" data-confirm="Programs that use this key stop working." { "Revoke" span.hidden { " " (key.name) } }
                                            }
                                        }
                                    }
                                }
                            }
                        }
                    }
                    @if keys.iter().any(|key| key.tenant.is_none()) { p.note.warn { "A key for all tenants can read and publish for every tenant. Give a program the key of its tenant instead where it needs only one." } }
                }
            }
            section.card aria-labelledby="new" {
                h3 id="new" { "New key" }
                form method="post" action="/settings/keys" {
                    (frame.token())
                    input type="hidden" name="id" value=(new_key_id()?);
                    div.field {
                        label for="name" { "Name" }
                        input id="name" name="name" required maxlength="100" autocomplete="off";
                        p.help { "For yourself: which program uses it." }
                    }
                    div.field {
                        label for="tenant" { "Tenant" }
                        input id="tenant" name="tenant" autocomplete="off" spellcheck="false";
                        p.help { "The key gives access to this tenant only. Empty: it is an operator's key with access to everything." }
                    }
                    button.main type="submit" { "Create key" }
                }
            }
        }
    };
    let status = if error.is_some() { http::StatusCode::BAD_REQUEST } else { http::StatusCode::OK };
    Ok(frame.page_at(status, Section::Settings, "API keys", &[], &body))
}

async fn create(Shared(state): Shared<State>, operator: Operator, form: Form) -> Answer {
    let access = Access::of(state.host());
    // The form names the key: sent again, by a reload or a second click, it makes no other.
    let id = form.get("id").filter(|id| is_key_id(id)).map_or_else(new_key_id, |id| Ok(id.to_owned()))?;
    let _one_at_a_time = state.0.making_keys.lock().await;
    if access.api_keys(None).await?.iter().any(|key| key.id == id) {
        let error =
            Error::new(ErrorKind::InvalidRequest, "this form made its key already, and a key is shown once")
                .with_remedy("use the key that you copied; without it revoke that key and make another");
        return draw(&state, &operator.0, None, Some(&error)).await;
    }
    let tenant = form.get("tenant").map(str::trim).filter(|tenant| !tenant.is_empty());
    let made = async {
        let tenant = tenant.map(str::parse::<TenantId>).transpose()?;
        access.create_api_key_as(id, form.get("name").unwrap_or_default().trim(), tenant.as_ref()).await
    };
    match made.await {
        Ok(made) => draw(&state, &operator.0, Some(&made), None).await,
        Err(error) => draw(&state, &operator.0, None, Some(&error)).await,
    }
}

async fn revoke(
    Shared(state): Shared<State>,
    _: Operator,
    Path(Named { key }): Path<Named>,
    _: Form,
) -> Answer {
    Access::of(state.host()).revoke_api_key(None, &key).await?;
    Ok(Redirect::to("/settings/keys").into_response())
}

//! Which tenant this browser acts for. The choice is its session's: every page, list, picture, upload and script call of the
//! browser follows it, and what a page sends that was drawn before is refused.

use axum::Router;
use axum::extract::State as Shared;
use axum::response::{IntoResponse, Redirect};
use axum::routing::get;
use maud::html;
use social_channel::{Error, TenantId};

use super::layout::{Answer, Frame, Section, settings_tabs};
use super::part;
use crate::State;
use crate::auth::{Browser, FrameForm, Operator};

const HERE: &str = "/tenants";

pub(super) fn routes() -> Router<State> {
    Router::new().route("/tenants", get(show).post(choose))
}

async fn show(Shared(state): Shared<State>, Operator(browser): Operator) -> Answer {
    draw(&state, &browser, "", None).await
}

async fn draw(state: &State, browser: &Browser, typed: &str, error: Option<&Error>) -> Answer {
    let frame = Frame::new(state, browser).await?;
    let (usual, now) = (&state.0.tenant, browser.tenant_id());
    let mut tenants = state.host().tenants().await?;
    tenants.extend([usual.clone(), now.clone()]);
    tenants.sort();
    tenants.dedup();
    let body = html! {
        h1 { "Settings" }
        (settings_tabs(HERE))
        h2 { "Tenants" }
        p { "Channels, jobs and uploads belong to a tenant. These pages show one tenant at a time, and everything that you do in this browser is done for that one. Apps and settings are the service's." }
        @if let Some(error) = error { (part::failure(error)) }
        div.columns {
            section.card aria-labelledby="all" {
                h3 id="all" { "Tenants of this service" }
                ul.rows {
                    @for tenant in &tenants {
                        li {
                            div { strong { (tenant) } @if tenant == usual { p.fine { "Where nothing was chosen" } } }
                            @if tenant == now { span.badge.good { "Acting for it" } }
                            @else {
                                form method="post" action="/tenants" {
                                    (frame.token())
                                    input type="hidden" name="tenant" value=(tenant);
                                    button type="submit" { "Switch" span.hidden { " to " (tenant) } }
                                }
                            }
                        }
                    }
                }
            }
            section.card aria-labelledby="other" {
                h3 id="other" { "Another tenant" }
                form method="post" action="/tenants" {
                    (frame.token())
                    div.field {
                        label for="tenant" { "Name" }
                        input id="tenant" name="tenant" value=(typed) required maxlength="64" pattern="[A-Za-z0-9._\\-]+" autocomplete="off" autocapitalize="none" spellcheck="false" aria-describedby="tenant-help";
                        p.help id="tenant-help" { "Letters, digits, dots, hyphens and underscores. A tenant is listed once it has a channel, a job or an upload." }
                    }
                    button.main type="submit" { "Switch" }
                }
            }
        }
    };
    let status = if error.is_some() { http::StatusCode::BAD_REQUEST } else { http::StatusCode::OK };
    Ok(frame.page_at(status, Section::Settings, "Tenants", &[], &body))
}

async fn choose(
    Shared(state): Shared<State>,
    Operator(browser): Operator,
    FrameForm(form): FrameForm,
) -> Answer {
    let typed = form.get("tenant").map(str::trim).filter(|tenant| !tenant.is_empty());
    let chosen = match typed.map(str::parse::<TenantId>).transpose() {
        Ok(chosen) => chosen.filter(|chosen| *chosen != state.0.tenant),
        Err(error) => return draw(&state, &browser, typed.unwrap_or_default(), Some(&error)).await,
    };
    browser.choose_tenant(&state, chosen.as_ref()).await?;
    Ok(Redirect::to("/").into_response())
}

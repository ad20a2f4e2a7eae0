//! Settings → API integration: the providers, and the apps of each.

use axum::Router;
use axum::extract::State as Shared;
use axum::routing::get;
use maud::{Markup, html};
use social_channel::{App, ProviderInfo};

use super::layout::{Answer, Frame, Section, settings_tabs};
use super::{app, part};
use crate::State;
use crate::auth::Operator;

pub(super) fn routes() -> Router<State> {
    Router::new().route("/settings", get(show))
}

async fn show(Shared(state): Shared<State>, Operator(browser): Operator) -> Answer {
    let frame = Frame::new(&state, &browser).await?;
    let mut providers = state.host().providers_now().await?;
    providers.retain(|provider| provider.installed);
    let apps = state.host().apps_now().await?;
    let body = html! {
        h1 { "Settings" }
        (settings_tabs("/settings"))
        h2 { "API integration" }
        @if providers.is_empty() {
            div.note.info {
                p { strong { "No provider is installed." } }
                p { "A provider is the component for one social network. " a href="/settings/providers" { "Install one" } "." }
            }
        }
        ul.cards {
            @for provider in &providers { (card(provider, &apps)) }
        }
    };
    Ok(frame.page(Section::Settings, "API integration", &[], &body))
}

fn card(provider: &ProviderInfo, apps: &[App]) -> Markup {
    let id = &provider.descriptor.id;
    let own: Vec<&App> = apps.iter().filter(|app| app.provider == *id).collect();
    html! {
        li.card {
            h3 { a href={"/settings/integration/" (id)} { (provider.descriptor.name) } }
            @if own.is_empty() {
                p.quiet { "No keys yet." }
            } @else {
                ul.plainlist {
                    @for app in own {
                        li {
                            a href=(app::url(app)) { (app::label(app)) }
                            " "
                            @if app.missing_settings.is_empty() { span.badge.good { "Keys set" } }
                            @else { span.badge.warn { "Missing: " (app::missing(app)) } }
                            " · " a href={"/settings/apps/" (part::encoded(&app.id)) "/guide"} { "Setup guide" span.hidden { " for " (app::label(app)) } }
                        }
                    }
                }
            }
        }
    }
}

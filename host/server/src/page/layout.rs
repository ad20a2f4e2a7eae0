//! The frame around every page: head, navigation, important warnings; and the tabs of Settings.

use crate::access::Access;
use axum::response::{IntoResponse, Response};
use http::StatusCode;
use maud::{DOCTYPE, Markup, html};

use super::{asset, picture};
use crate::State;
use crate::auth::Browser;
use crate::problem::Problem;

/// What handlers of pages return.
pub(super) type Answer = Result<Response, Problem>;

/// The navigation entry of a page.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Section {
    Home,
    Channels,
    Jobs,
    Settings,
    Outside,
}

/// The data for the frame of a page.
#[derive(Debug)]
pub(super) struct Frame {
    csrf: String,
    state: State,
    /// Whether signing out is possible.
    has_door: bool,
    /// Who signed in.
    person: Option<String>,
    /// The tenant that the page is drawn for.
    tenant: String,
    /// Whether that is the one of the configuration.
    is_usual: bool,
    /// Origins that are mapped to other addresses.
    mapped: Vec<(String, String)>,
}

impl Frame {
    pub(super) async fn new(state: &State, browser: &Browser) -> Result<Self, Problem> {
        let mapped = state.host().policy().connect_to.iter();
        Ok(Frame {
            csrf: browser.csrf().to_owned(),
            state: state.clone(),
            has_door: Access::of(state.host()).has_password().await?,
            person: browser.person().map(str::to_owned),
            tenant: browser.tenant_id().as_str().to_owned(),
            is_usual: *browser.tenant_id() == state.0.tenant,
            mapped: mapped.map(|mapping| (mapping.from.to_string(), mapping.to.to_string())).collect(),
        })
    }

    /// The CSRF field for every form.
    pub(super) fn token(&self) -> Markup {
        html! { input type="hidden" name=(crate::auth::CSRF_FIELD) value=(self.csrf); }
    }

    /// The address here of a picture that the app's provider named.
    pub(super) fn picture(&self, app: &str, url: Option<&str>) -> Option<String> {
        picture::address(&self.state, app, url?)
    }

    /// A page.
    pub(super) fn page(&self, section: Section, title: &str, scripts: &[&str], body: &Markup) -> Response {
        self.page_at(StatusCode::OK, section, title, scripts, body)
    }

    /// A page with another HTTP status.
    pub(super) fn page_at(
        &self,
        status: StatusCode,
        section: Section,
        title: &str,
        scripts: &[&str],
        body: &Markup,
    ) -> Response {
        (status, document(Some(self), section, title, scripts, body)).into_response()
    }
}

const SECTIONS: [(Section, &str, &str); 4] = [
    (Section::Home, "Overview", "/"),
    (Section::Channels, "Channels", "/channels"),
    (Section::Jobs, "Jobs", "/jobs"),
    (Section::Settings, "Settings", "/settings"),
];

pub(super) fn document(
    frame: Option<&Frame>,
    section: Section,
    title: &str,
    scripts: &[&str],
    body: &Markup,
) -> Markup {
    html! {
        (DOCTYPE)
        html lang="en" {
            head {
                meta charset="utf-8";
                meta name="viewport" content="width=device-width, initial-scale=1";
                meta name="color-scheme" content="light dark";
                @if let Some(frame) = frame { meta name="csrf" content=(frame.csrf); }
                title { (title) @if let Some(frame) = frame.filter(|frame| !frame.is_usual) { " · " (frame.tenant) } " · Social Channel" }
                link rel="icon" href=(asset::url("icon.svg")) type="image/svg+xml";
                link rel="stylesheet" href=(asset::url("app.css"));
                script type="module" src=(asset::url("app.js")) {}
                @for script in scripts { script type="module" src=(asset::url(script)) {} }
            }
            body {
                a.skip href="#main" { "Skip to the content" }
                header.top {
                    a.brand href="/" { img.mark src=(asset::url("icon.svg")) alt="" width="28" height="28"; span { "Social Channel" } }
                    @if section != Section::Outside {
                        nav aria-label="Main" {
                            @for (entry, name, url) in SECTIONS {
                                a href=(url) aria-current=[(entry == section).then_some("page")] { (name) }
                            }
                        }
                        @if let Some(frame) = frame.filter(|frame| frame.has_door) {
                            form.out method="post" action="/sign-out" {
                                (frame.token())
                                button.plain type="submit" { "Sign out" @if let Some(person) = &frame.person { span.who { " " (person) } } }
                            }
                        }
                    }
                }
                @if let Some(frame) = frame.filter(|frame| !frame.mapped.is_empty()) {
                    aside.mapped aria-label="Mapped addresses" {
                        details {
                            summary { strong { "Test mode:" } " requests go to a simulator." }
                            ul {
                                @for (from, to) in &frame.mapped { li { code { (from) } " goes to " code { (to) } } }
                            }
                        }
                    }
                }
                @if let Some(frame) = frame.filter(|frame| !frame.is_usual && section != Section::Outside) {
                    aside.acting aria-label="Tenant" {
                        p { "Acting for the tenant " strong { (frame.tenant) } }
                        form method="post" action="/tenants" { (frame.token()) button.link type="submit" { "Back to " (frame.state.0.tenant) } }
                        a href="/tenants" { "Switch" }
                    }
                }
                main id="main" tabindex="-1" { (body) }
                footer.bottom {
                    a href="/api/v1/reference" { "API reference" }
                    @if let Some(frame) = frame.filter(|_| section != Section::Outside) { " · " a href="/tenants" { "Tenant: " (frame.tenant) } }
                }
            }
        }
    }
}

/// The pages of Settings.
pub(super) fn settings_tabs(current: &str) -> Markup {
    html! {
        nav.tabs aria-label="Settings" {
            @for (name, url) in [("API integration", "/settings"), ("Providers", "/settings/providers"), ("API keys", "/settings/keys"), ("Webhooks", "/settings/endpoints"), ("People", "/settings/people"), ("Tenants", "/tenants")] {
                a href=(url) aria-current=[(url == current).then_some("page")] { (name) }
            }
        }
    }
}

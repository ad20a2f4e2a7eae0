//! The frame around every page: head, navigation, what the operator must not overlook.

use axum::response::{IntoResponse, Response};
use http::StatusCode;
use maud::{DOCTYPE, Markup, html};

use super::asset;
use crate::State;
use crate::auth::Browser;
use crate::problem::Problem;

/// Which entry of the navigation a page belongs to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Section {
    Home,
    Channels,
    Jobs,
    Settings,
    Outside,
}

/// What the frame of a page needs to know.
#[derive(Debug)]
pub(super) struct Frame {
    csrf: String,
    /// Somebody can sign out.
    has_door: bool,
    /// Origins that do not go where they say.
    mapped: Vec<(String, String)>,
}

impl Frame {
    pub(super) async fn new(state: &State, browser: &Browser) -> Result<Self, Problem> {
        let mapped = state.host().policy().connect_to.iter();
        Ok(Frame {
            csrf: browser.csrf().to_owned(),
            has_door: state.host().has_password().await?,
            mapped: mapped.map(|mapping| (mapping.from.to_string(), mapping.to.to_string())).collect(),
        })
    }

    /// The field that every form carries.
    pub(super) fn token(&self) -> Markup {
        html! { input type="hidden" name=(crate::auth::CSRF_FIELD) value=(self.csrf); }
    }

    /// A page.
    pub(super) fn page(&self, section: Section, title: &str, scripts: &[&str], body: &Markup) -> Response {
        self.page_at(StatusCode::OK, section, title, scripts, body)
    }

    /// A page with a status of its own.
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
                title { (title) " · Social Channel" }
                link rel="icon" href=(asset::url("icon.svg")) type="image/svg+xml";
                link rel="stylesheet" href=(asset::url("app.css"));
                script type="module" src=(asset::url("app.js")) {}
                @for script in scripts { script type="module" src=(asset::url(script)) {} }
            }
            body {
                a.skip href="#main" { "Skip to the content" }
                header.top {
                    a.brand href="/" { span.mark aria-hidden="true" {} "Social Channel" }
                    @if section != Section::Outside {
                        nav aria-label="Main" {
                            @for (entry, name, url) in SECTIONS {
                                a href=(url) aria-current=[(entry == section).then_some("page")] { (name) }
                            }
                        }
                        @if let Some(frame) = frame.filter(|frame| frame.has_door) {
                            form.out method="post" action="/sign-out" {
                                (frame.token())
                                button.plain type="submit" { "Sign out" }
                            }
                        }
                    }
                }
                @if let Some(frame) = frame.filter(|frame| !frame.mapped.is_empty()) {
                    aside.mapped aria-label="Mapped addresses" {
                        details {
                            summary { strong { "Not the real network." } " Requests go to a stand-in, as the operator's policy says." }
                            ul {
                                @for (from, to) in &frame.mapped { li { code { (from) } " goes to " code { (to) } } }
                            }
                        }
                    }
                }
                main id="main" tabindex="-1" { (body) }
                footer.bottom {
                    a href="/api/v1/reference" { "API reference" }
                }
            }
        }
    }
}

//! A failure as a page: handlers fail with the same [`Problem`](crate::problem::Problem) as the API, and this
//! layer shows it to people.

use axum::body::{Body, to_bytes};
use axum::extract::Request;
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use http::header::{ACCEPT, CONTENT_LENGTH, CONTENT_TYPE};
use http::{HeaderValue, StatusCode};
use maud::{Markup, html};
use social_channel::Error;

use super::layout::{Section, document};
use super::part;

/// The maximum size of a problem document.
const LONGEST: usize = 64 << 10;

/// Shows problems as pages.
pub(super) async fn as_page(request: Request, next: Next) -> Response {
    let list = list(request.uri().path());
    let response = next.run(request).await;
    let content_type = response.headers().get(CONTENT_TYPE).and_then(|value| value.to_str().ok());
    if content_type != Some("application/problem+json") {
        return response;
    }
    let (mut parts, body) = response.into_parts();
    let Ok(bytes) = to_bytes(body, LONGEST).await else {
        return StatusCode::INTERNAL_SERVER_ERROR.into_response();
    };
    let Ok(error) = serde_json::from_slice::<Error>(&bytes) else {
        return Response::from_parts(parts, Body::from(bytes));
    };
    let body = document(None, list.0, "Something went wrong", &[], &show(&error, list));
    parts.headers.insert(CONTENT_TYPE, HeaderValue::from_static("text/html; charset=utf-8"));
    parts.headers.remove(CONTENT_LENGTH);
    Response::from_parts(parts, Body::from(body.into_string()))
}

/// The same for what has no page of its own: a browser that asks for HTML anywhere but below `/api` is a person's.
pub(crate) async fn for_browsers(request: Request, next: Next) -> Response {
    let accepts = request.headers().get(ACCEPT).and_then(|value| value.to_str().ok()).unwrap_or_default();
    if accepts.contains("text/html") && !request.uri().path().starts_with("/api/") {
        return as_page(request, next).await;
    }
    next.run(request).await
}

/// The list that an address belongs to: its section, its words, and where it is.
type List = (Section, &'static str, &'static str);

const OVERVIEW: List = (Section::Home, "Go to the overview", "/");

fn list(path: &str) -> List {
    match path.split('/').nth(1) {
        Some("channels" | "callback") => (Section::Channels, "See all channels", "/channels"),
        Some("jobs" | "crossposts") => (Section::Jobs, "See all jobs", "/jobs"),
        Some("uploads") => (Section::Jobs, "See all uploads", "/uploads"),
        Some("settings") => (Section::Settings, "Go to Settings", "/settings"),
        Some("tenants") => (Section::Settings, "See all tenants", "/tenants"),
        _ => OVERVIEW,
    }
}

fn show(error: &Error, (section, words, place): List) -> Markup {
    html! {
        h1 { "That did not work" }
        (part::failure(error))
        p { a.button href=(place) { (words) } @if section != OVERVIEW.0 { " " a href=(OVERVIEW.2) { (OVERVIEW.1) } } }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_failure_leads_to_the_list_that_was_meant() {
        for (path, place) in [
            ("/channels/nothing", "/channels"),
            ("/jobs/job_1/change", "/jobs"),
            ("/settings/apps/none/guide", "/settings"),
            ("/nowhere", "/"),
        ] {
            assert_eq!(list(path).2, place, "{path}");
        }
    }
}

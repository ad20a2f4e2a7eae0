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
    let body = document(None, Section::Home, "Something went wrong", &[], &show(&error));
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

fn show(error: &Error) -> Markup {
    html! {
        h1 { "That did not work" }
        (part::failure(error))
        p { a href="/" { "Go to the overview" } }
    }
}

//! The interactive reference: a page that lists the operations and can call them. It consists of two files of
//! the service and the description; it needs no other host and no inline script.

use axum::Router;
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use http::HeaderValue;
use http::header::CONTENT_TYPE;
use maud::{DOCTYPE, Markup, html};

use crate::State;
use crate::auth::Operator;

const SCRIPT: &str = include_str!("reference.js");
const STYLE: &str = include_str!("reference.css");

/// The page is for the operator; its files contain no data.
pub(crate) fn routes() -> Router<State> {
    Router::new()
        .route("/api/v1/reference", get(page))
        .route("/api/v1/reference.js", get(async || file("text/javascript; charset=utf-8", SCRIPT)))
        .route("/api/v1/reference.css", get(async || file("text/css; charset=utf-8", STYLE)))
}

fn file(content_type: &'static str, text: &'static str) -> Response {
    ([(CONTENT_TYPE, HeaderValue::from_static(content_type))], text).into_response()
}

async fn page(Operator(browser): Operator) -> Markup {
    html! {
        (DOCTYPE)
        html lang="en" {
            head {
                meta charset="utf-8";
                meta name="viewport" content="width=device-width, initial-scale=1";
                meta name="csrf" content=(browser.csrf());
                title { "API reference" }
                link rel="stylesheet" href="/api/v1/reference.css";
                script src="/api/v1/reference.js" defer {}
            }
            body {
                header {
                    h1 { "API reference" }
                    p { a href="/" { "Back to the pages" } " · " a href="/api/v1/openapi.json" { "OpenAPI 3.1" } }
                }
                noscript { p { "This page lists the description with a script. Without one, read " a href="/api/v1/openapi.json" { "the description" } " itself." } }
                main id="operations" aria-live="polite" { p { "Loading…" } }
            }
        }
    }
}

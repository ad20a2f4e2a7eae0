//! A log line and a count for every request. Neither contains a query, a header or a body, which may contain secrets.

use std::time::Instant;

use axum::extract::{MatchedPath, Request};
use axum::middleware::Next;
use axum::response::Response;
use http::{HeaderMap, Method};
use tracing::Instrument as _;

use crate::State;

/// Names a request in the log and in the answer.
pub(crate) const REQUEST_ID: &str = "x-request-id";
/// A UUID has 36 characters, other services' ids some more.
const LONGEST_ID: usize = 128;

/// The method, from a closed set: a stranger's may be as long as a header.
fn method_name(method: &Method) -> &'static str {
    const KNOWN: [&str; 7] = ["GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"];
    KNOWN.into_iter().find(|known| *known == method.as_str()).unwrap_or("other")
}

/// Takes away a request's id that is no name: it would go to the log as it stands.
pub(crate) async fn plain_id(mut request: Request, next: Next) -> Response {
    fn is_plain(headers: &HeaderMap) -> bool {
        let mut ids = headers.get_all(REQUEST_ID).iter();
        let good = ids.next().is_none_or(|id| {
            id.len() <= LONGEST_ID && id.as_bytes().iter().all(u8::is_ascii_graphic) && !id.is_empty()
        });
        good && ids.next().is_none()
    }
    if !is_plain(request.headers()) {
        request.headers_mut().remove(REQUEST_ID);
    }
    next.run(request).await
}

/// Logs and counts every request.
pub(crate) async fn observe(
    axum::extract::State(state): axum::extract::State<State>,
    request: Request,
    next: Next,
) -> Response {
    let begun = Instant::now();
    let method = method_name(request.method());
    // The route and not the path, because ids would create unlimited series, and media paths are secret.
    let route = request.extensions().get::<MatchedPath>().map_or("other", MatchedPath::as_str).to_owned();
    let id = request.headers().get(REQUEST_ID).and_then(|id| id.to_str().ok()).unwrap_or("-").to_owned();
    let span = tracing::info_span!("request", id, method, route);
    let response = next.run(request).instrument(span.clone()).await;
    let took = begun.elapsed();
    let status = response.status().as_u16();
    state.0.metrics.count(route, method, status, took.as_secs_f64());
    span.in_scope(|| {
        tracing::debug!(status, took_ms = u64::try_from(took.as_millis()).unwrap_or(u64::MAX), "answered")
    });
    response
}

//! What others call: platforms (callbacks, webhooks, media, files they look for), and whoever watches over
//! the service (probes, metrics).

mod callback;
mod media;
mod probes;
mod webhook;

use axum::Router;
use axum::extract::State as Shared;
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post};
use http::header::{CONTENT_SECURITY_POLICY, CONTENT_TYPE};
use http::{HeaderValue, Method, Uri};

use crate::State;

pub(crate) use callback::{Callback, router as callback_router};

/// Routes that need no cookie.
pub(crate) fn router() -> Router<State> {
    Router::new()
        .route("/healthz", get(probes::healthy))
        .route("/readyz", get(probes::ready))
        .route("/metrics", get(probes::metrics))
        .route("/webhooks/{app}", post(webhook::receive).get(webhook::receive))
        .route("/media/{name}", get(media::serve))
}

/// Addresses that no route has: a file that the operator added, or nothing.
pub(crate) async fn fallback(Shared(state): Shared<State>, method: Method, uri: Uri) -> Response {
    if (method == Method::GET || method == Method::HEAD)
        && let Some(file) = site_file(&state, uri.path()).await
    {
        return file;
    }
    crate::router::nothing_at(&uri).into_response()
}

/// A file that the operator added, if there is one.
pub(super) async fn site_file(state: &State, path: &str) -> Option<Response> {
    let (file, bytes) = state.host().site_file(path.trim_start_matches('/')).await.ok()?;
    let content_type = HeaderValue::try_from(file.content_type).ok()?;
    let headers = [
        (CONTENT_TYPE, content_type),
        // Whatever it is, it runs nothing in our name.
        (CONTENT_SECURITY_POLICY, HeaderValue::from_static("default-src 'none'; sandbox")),
    ];
    Some((headers, bytes).into_response())
}

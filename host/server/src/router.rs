//! All routes and their layers, outermost first: request ids, a log line and a count for every request, the
//! guard against cross-site requests, security headers, body limits.

use std::any::Any;

use axum::extract::{DefaultBodyLimit, Request};
use axum::middleware::{from_fn, from_fn_with_state};
use axum::response::{IntoResponse, Response};
use axum::{Router, middleware::Next};
use http::HeaderValue;
use http::header::{
    CACHE_CONTROL, CONTENT_SECURITY_POLICY, HeaderName, REFERRER_POLICY, X_CONTENT_TYPE_OPTIONS,
    X_FRAME_OPTIONS,
};
use tower_http::catch_panic::CatchPanicLayer;
use tower_http::request_id::{MakeRequestUuid, PropagateRequestIdLayer, SetRequestIdLayer};

use crate::problem::Problem;
use crate::{State, api, auth, observe, page, public};

/// Pages load nothing from elsewhere, and no script that is not a file of ours. The one exception is the preview of a
/// video at an address that the person typed. `blob:` is a file that was chosen and not sent yet.
const POLICY: HeaderValue = HeaderValue::from_static(
    "default-src 'none'; script-src 'self'; style-src 'self'; font-src 'self'; connect-src 'self'; \
     img-src 'self' blob:; media-src 'self' https: blob:; \
     form-action 'self'; frame-ancestors 'none'; base-uri 'none'",
);

/// The complete service, to be served or called in process.
pub fn router(state: State) -> Router {
    let pages = page::router()
        .merge(api::reference_routes())
        .layer(from_fn_with_state(state.clone(), auth::keep_cookie));
    let callback = public::callback_router().layer(from_fn_with_state(state.clone(), auth::keep_cookie));
    let id = HeaderName::from_static(observe::REQUEST_ID);
    Router::new()
        .merge(pages)
        .merge(callback)
        .merge(public::router())
        .nest("/api/v1", api::router())
        .fallback(public::fallback)
        .method_not_allowed_fallback(async || Problem::no_method(None))
        .layer(DefaultBodyLimit::max(state.config().max_body))
        .layer(CatchPanicLayer::custom(panicked))
        .layer(from_fn_with_state(state.clone(), auth::guard))
        .layer(from_fn(page::for_browsers))
        .layer(from_fn(safe_headers))
        .layer(from_fn_with_state(state.clone(), observe::observe))
        .layer(PropagateRequestIdLayer::new(id.clone()))
        .layer(SetRequestIdLayer::new(id, MakeRequestUuid))
        .layer(from_fn(observe::plain_id))
        .with_state(state)
}

/// Sets headers that the handler did not set.
async fn safe_headers(request: Request, next: Next) -> Response {
    let mut response = next.run(request).await;
    let headers = response.headers_mut();
    headers.entry(CONTENT_SECURITY_POLICY).or_insert(POLICY);
    for (name, value) in [
        (X_CONTENT_TYPE_OPTIONS, "nosniff"),
        (X_FRAME_OPTIONS, "DENY"),
        // A callback's address holds a code, which no other site is told. Ours are: without, browsers say of a form's
        // origin nothing but `null`.
        (REFERRER_POLICY, "same-origin"),
        (CACHE_CONTROL, "no-store"),
    ] {
        headers.entry(name).or_insert(HeaderValue::from_static(value));
    }
    response
}

/// A bug in this service. The panic message is logged; the caller only gets a general error.
fn panicked(cause: Box<dyn Any + Send>) -> Response {
    let text = cause
        .downcast_ref::<String>()
        .map(String::as_str)
        .or_else(|| cause.downcast_ref::<&str>().copied())
        .unwrap_or("no message");
    tracing::error!(text, "a handler panicked");
    let error = social_channel::Error::internal("the service failed; this is a bug")
        .with_remedy("report it with the request's id and the log");
    Problem::from(error).into_response()
}

//! All routes, and what lies around them: outermost first, request ids, one line and one count for every
//! request, the guard against other sites' pages, safe headers, bounds on bodies.

use std::any::Any;

use axum::extract::{DefaultBodyLimit, Request};
use axum::middleware::from_fn_with_state;
use axum::response::{IntoResponse, Response};
use axum::{Router, middleware::Next};
use http::header::{
    CACHE_CONTROL, CONTENT_SECURITY_POLICY, HeaderName, REFERRER_POLICY, X_CONTENT_TYPE_OPTIONS,
    X_FRAME_OPTIONS,
};
use http::{HeaderValue, Uri};
use tower_http::catch_panic::CatchPanicLayer;
use tower_http::request_id::{MakeRequestUuid, PropagateRequestIdLayer, SetRequestIdLayer};

use crate::problem::Problem;
use crate::{State, api, auth, observe, outside, page};

/// Pages load nothing from elsewhere but pictures and players, and no script that is not a file of ours.
/// Where the operator maps an origin, as tests and sandboxes do, pictures come from there.
fn policy(state: &State) -> HeaderValue {
    let mut mapped: Vec<String> =
        state.host().policy().connect_to.iter().map(|mapping| mapping.to.to_string()).collect();
    mapped.dedup();
    let mapped = mapped.join(" ");
    HeaderValue::try_from(format!(
        "default-src 'none'; script-src 'self'; style-src 'self'; font-src 'self'; connect-src 'self'; \
         img-src 'self' https: data: blob: {mapped}; media-src 'self' https: blob:; frame-src https:; \
         form-action 'self'; frame-ancestors 'none'; base-uri 'none'"
    ))
    .unwrap_or(HeaderValue::from_static("default-src 'none'"))
}

/// The whole service, to be served or called in process.
pub fn router(state: State) -> Router {
    let pages = page::router()
        .merge(api::reference_routes())
        .layer(from_fn_with_state(state.clone(), auth::keep_cookie));
    let callback = outside::callback_router().layer(from_fn_with_state(state.clone(), auth::keep_cookie));
    let id = HeaderName::from_static("x-request-id");
    Router::new()
        .merge(pages)
        .merge(callback)
        .merge(outside::router())
        .nest("/api/v1", api::router())
        .fallback(outside::fallback)
        .method_not_allowed_fallback(async || Problem::no_method(None))
        .layer(DefaultBodyLimit::max(state.config().max_body))
        .layer(CatchPanicLayer::custom(panicked))
        .layer(from_fn_with_state(policy(&state), safe_headers))
        .layer(from_fn_with_state(state.clone(), auth::guard))
        .layer(from_fn_with_state(state.clone(), observe::observe))
        .layer(PropagateRequestIdLayer::new(id.clone()))
        .layer(SetRequestIdLayer::new(id, MakeRequestUuid))
        .with_state(state)
}

/// Sets what a handler did not set itself.
async fn safe_headers(
    axum::extract::State(policy): axum::extract::State<HeaderValue>,
    request: Request,
    next: Next,
) -> Response {
    let mut response = next.run(request).await;
    let headers = response.headers_mut();
    headers.entry(CONTENT_SECURITY_POLICY).or_insert(policy);
    for (name, value) in [
        (X_CONTENT_TYPE_OPTIONS, "nosniff"),
        (X_FRAME_OPTIONS, "DENY"),
        // A callback's address holds a code.
        (REFERRER_POLICY, "no-referrer"),
        (CACHE_CONTROL, "no-store"),
    ] {
        headers.entry(name).or_insert(HeaderValue::from_static(value));
    }
    response
}

/// A bug of ours. What it said goes to the log; the caller learns that there is one.
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

/// There is nothing at the address.
pub(crate) fn nothing_at(uri: &Uri) -> Problem {
    Problem::no_route(uri.path())
}

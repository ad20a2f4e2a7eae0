//! Whether the service lives, whether it can serve, and its numbers.

use axum::Extension;
use axum::extract::State as Shared;
use axum::response::{IntoResponse, Response};
use http::header::CONTENT_TYPE;
use http::{HeaderMap, HeaderValue, StatusCode};
use social_channel::Health;

use crate::State;
use crate::auth::{Arrival, is_operator_call};
use crate::problem::Problem;

/// The process answers.
pub(super) async fn healthy() -> &'static str {
    "ok\n"
}

/// The database answers, and nobody asked the service to stop.
pub(super) async fn ready(Shared(state): Shared<State>) -> Response {
    if state.0.stop.is_cancelled() {
        return (StatusCode::SERVICE_UNAVAILABLE, "stopping\n").into_response();
    }
    match state.host().has_api_keys().await {
        Ok(_) => "ready\n".into_response(),
        Err(error) => {
            tracing::warn!(%error, "not ready");
            (StatusCode::SERVICE_UNAVAILABLE, "the database does not answer\n").into_response()
        }
    }
}

/// Numbers for Prometheus.
pub(super) async fn metrics(
    Shared(state): Shared<State>,
    arrival: Option<Extension<Arrival>>,
    headers: HeaderMap,
) -> Result<Response, Problem> {
    let arrival = arrival.as_ref().map(|arrival| &arrival.0);
    if !state.config().public_metrics && !is_operator_call(&state, arrival, &headers).await? {
        return Err(Problem::unauthenticated("metrics are the operator's"));
    }
    let channels = state.tenant().channels().await?;
    for (name, health) in [
        ("active", Health::Active),
        ("limited", Health::Limited),
        ("needs_reconnect", Health::NeedsReconnect),
    ] {
        let count = channels.iter().filter(|channel| channel.health == health).count();
        state.0.metrics.channels(name, count);
    }
    let content_type = HeaderValue::from_static("text/plain; version=0.0.4; charset=utf-8");
    Ok(([(CONTENT_TYPE, content_type)], state.0.metrics.render()).into_response())
}

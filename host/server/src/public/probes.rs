//! Liveness, readiness and metrics.

use std::time::{Duration, Instant};

use axum::Extension;
use axum::extract::State as Shared;
use axum::response::{IntoResponse, Response};
use http::header::{self, CONTENT_TYPE};
use http::{HeaderMap, HeaderValue, StatusCode};
use social_channel::Health;

use crate::State;
use crate::auth::{Arrival, is_operator_call};
use crate::problem::{Problem, RETRY_AFTER};

/// How long one result holds: anybody may ask, and each check is a write.
const READY: Duration = Duration::from_secs(2);

/// The process responds.
pub(super) async fn healthy() -> &'static str {
    "ok\n"
}

/// The database accepts writes, and the service is not stopping.
pub(super) async fn ready(Shared(state): Shared<State>) -> Response {
    if state.0.stop.is_cancelled() {
        return not_ready("stopping\n");
    }
    // One check at a time; requests that arrive meanwhile get its result.
    let mut looked = state.0.ready.lock().await;
    let is_ready = match *looked {
        Some((at, is_ready)) if at.elapsed() < READY => is_ready,
        _ => {
            let checked = state.host().check_database().await;
            if let Err(error) = &checked {
                tracing::warn!(%error, "not ready");
            }
            *looked = Some((Instant::now(), checked.is_ok()));
            checked.is_ok()
        }
    };
    if is_ready {
        "ready\n".into_response()
    } else {
        not_ready("the database accepts no writes; see the log\n")
    }
}

fn not_ready(why: &'static str) -> Response {
    (StatusCode::SERVICE_UNAVAILABLE, [(header::RETRY_AFTER, RETRY_AFTER.as_secs())], why).into_response()
}

/// Metrics for Prometheus.
pub(super) async fn metrics(
    Shared(state): Shared<State>,
    arrival: Option<Extension<Arrival>>,
    headers: HeaderMap,
) -> Result<Response, Problem> {
    let arrival = arrival.as_ref().map(|arrival| &arrival.0);
    if !state.config().public_metrics && !is_operator_call(&state, arrival, &headers).await? {
        return Err(Problem::unauthenticated("metrics are for the operator only"));
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

//! Routes that are served without a cookie.

use axum::Router;
use axum::routing::{get, post};

use super::{media, probes, webhook};
use crate::State;

/// Routes that need no cookie.
pub(crate) fn router() -> Router<State> {
    Router::new()
        .route("/healthz", get(probes::healthy))
        .route("/readyz", get(probes::ready))
        .route("/metrics", get(probes::metrics))
        .route("/webhooks/{app}", post(webhook::receive).get(webhook::receive))
        .route("/media/{name}", get(media::serve))
}

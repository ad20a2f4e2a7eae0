//! What the service tells of itself: a line for every request, with its id, and numbers for Prometheus.
//! Neither holds a query, a header or a body: those may hold secrets.

use std::sync::Arc;
use std::time::Instant;

use axum::extract::{MatchedPath, Request};
use axum::middleware::Next;
use axum::response::Response;
use metrics::{Key, KeyName, Label, Level, Metadata, Recorder as _, SharedString, Unit};
use metrics_exporter_prometheus::{Matcher, PrometheusBuilder, PrometheusHandle, PrometheusRecorder};
use tracing::Instrument as _;

use crate::State;

/// Seconds; from a call to the database to one to a slow platform.
const BUCKETS: [f64; 9] = [0.001, 0.005, 0.02, 0.1, 0.25, 1.0, 2.5, 10.0, 30.0];
const REQUESTS: &str = "social_channel_http_requests_total";
const SECONDS: &str = "social_channel_http_request_seconds";
const CHANNELS: &str = "social_channel_channels";
const META: Metadata<'static> = Metadata::new("social_channel_server", Level::INFO, None);

/// This service's numbers. Not the process's global recorder: that one is the program's own.
#[derive(Clone)]
pub(crate) struct Metrics(Arc<(PrometheusRecorder, PrometheusHandle)>);

impl Metrics {
    pub(crate) fn new() -> Self {
        let matcher = Matcher::Full(SECONDS.to_owned());
        let builder = PrometheusBuilder::new();
        // The buckets are constants and not empty, which is all that can be wrong.
        let builder = builder.set_buckets_for_metric(matcher, &BUCKETS).unwrap_or_default();
        let recorder = builder.build_recorder();
        let handle = recorder.handle();
        let name = |text: &'static str| KeyName::from_const_str(text);
        let about = SharedString::const_str;
        recorder.describe_counter(name(REQUESTS), None, about("Requests by route, method and status."));
        recorder.describe_histogram(
            name(SECONDS),
            Some(Unit::Seconds),
            about("Seconds until the answer began."),
        );
        recorder.describe_gauge(
            name(CHANNELS),
            None,
            about("Connected channels by health, of the pages' tenant."),
        );
        Metrics(Arc::new((recorder, handle)))
    }

    fn count(&self, route: String, method: &http::Method, status: u16, took: f64) {
        let method = SharedString::from(method.as_str().to_owned());
        let labels = vec![Label::new("route", route.clone()), Label::new("method", method.clone())];
        self.0.0.register_histogram(&Key::from_parts(SECONDS, labels.clone()), &META).record(took);
        let labels = [labels, vec![Label::new("status", status.to_string())]].concat();
        self.0.0.register_counter(&Key::from_parts(REQUESTS, labels), &META).increment(1);
    }

    /// Sets how many channels there are of a health.
    pub(crate) fn channels(&self, health: &'static str, count: usize) {
        let key = Key::from_parts(CHANNELS, vec![Label::new("health", health)]);
        #[allow(clippy::cast_precision_loss, reason = "nobody has that many channels")]
        self.0.0.register_gauge(&key, &META).set(count as f64);
    }

    /// The text that Prometheus reads.
    pub(crate) fn render(&self) -> String {
        self.0.1.run_upkeep();
        self.0.1.render()
    }
}

/// One line and one count for every request.
pub(crate) async fn observe(
    axum::extract::State(state): axum::extract::State<State>,
    request: Request,
    next: Next,
) -> Response {
    let begun = Instant::now();
    let method = request.method().clone();
    // The route and not the path: ids would make endless many series, and media paths are secret.
    let route = request.extensions().get::<MatchedPath>().map_or("other", MatchedPath::as_str).to_owned();
    let id = request.headers().get("x-request-id").and_then(|id| id.to_str().ok()).unwrap_or("-").to_owned();
    let span = tracing::info_span!("request", id, %method, route);
    let response = next.run(request).instrument(span.clone()).await;
    let took = begun.elapsed();
    let status = response.status().as_u16();
    state.0.metrics.count(route, &method, status, took.as_secs_f64());
    span.in_scope(|| {
        tracing::debug!(status, took_ms = u64::try_from(took.as_millis()).unwrap_or(u64::MAX), "answered")
    });
    response
}

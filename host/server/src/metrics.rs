//! The service's metrics for Prometheus. No label contains secrets.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use metrics::{Key, KeyName, Label, Level, Metadata, Recorder as _, SharedString, Unit};
use metrics_exporter_prometheus::{Matcher, PrometheusBuilder, PrometheusHandle, PrometheusRecorder};

/// Bucket limits in seconds, from a database call to a slow platform call.
const BUCKETS: [f64; 9] = [0.001, 0.005, 0.02, 0.1, 0.25, 1.0, 2.5, 10.0, 30.0];
const REQUESTS: &str = "social_channel_http_requests_total";
const SECONDS: &str = "social_channel_http_request_seconds";
const CHANNELS: &str = "social_channel_channels";
/// Requests after which single values are put into their buckets: some kilobytes of them.
const UPKEEP: u64 = 1024;
const META: Metadata<'static> = Metadata::new("social_channel_server", Level::INFO, None);

/// This service's metrics. It does not use the process's global recorder, which belongs to the embedding program.
#[derive(Clone)]
pub(crate) struct Metrics(Arc<(PrometheusRecorder, PrometheusHandle, AtomicU64)>);

impl Metrics {
    pub(crate) fn new() -> Self {
        let matcher = Matcher::Full(SECONDS.to_owned());
        let builder = PrometheusBuilder::new();
        // Only empty buckets are an error, and these are constants.
        let builder = builder.set_buckets_for_metric(matcher, &BUCKETS).unwrap_or_default();
        let recorder = builder.build_recorder();
        let handle = recorder.handle();
        let name = |text: &'static str| KeyName::from_const_str(text);
        let about = SharedString::const_str;
        recorder.describe_counter(name(REQUESTS), None, about("Requests by route, method and status."));
        recorder.describe_histogram(
            name(SECONDS),
            Some(Unit::Seconds),
            about("Seconds until the response began."),
        );
        recorder.describe_gauge(
            name(CHANNELS),
            None,
            about("Connected channels by health, of the pages' tenant."),
        );
        Metrics(Arc::new((recorder, handle, AtomicU64::new(0))))
    }

    /// Counts a request.
    ///
    /// Route and method come from closed sets: what a stranger makes up must not become a series.
    pub(crate) fn count(&self, route: String, method: &'static str, status: u16, took: f64) {
        let labels = vec![Label::new("route", route), Label::new("method", method)];
        self.0.0.register_histogram(&Key::from_parts(SECONDS, labels.clone()), &META).record(took);
        let labels = [labels, vec![Label::new("status", status.to_string())]].concat();
        self.0.0.register_counter(&Key::from_parts(REQUESTS, labels), &META).increment(1);
        // Single values are kept until they are put into their buckets, which a scrape does. Nobody has to scrape.
        if self.0.2.fetch_add(1, Ordering::Relaxed) % UPKEEP == UPKEEP - 1 {
            self.0.1.run_upkeep();
        }
    }

    /// Sets the number of channels with a health.
    pub(crate) fn channels(&self, health: &'static str, count: usize) {
        let key = Key::from_parts(CHANNELS, vec![Label::new("health", health)]);
        #[allow(clippy::cast_precision_loss, reason = "nobody has that many channels")]
        self.0.0.register_gauge(&key, &META).set(count as f64);
    }

    /// The metrics in Prometheus's text format.
    pub(crate) fn render(&self) -> String {
        self.0.1.run_upkeep();
        self.0.1.render()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_piles_up_where_nobody_reads_the_numbers() {
        let metrics = Metrics::new();
        for _ in 0..3 * UPKEEP {
            metrics.count("/healthz".to_owned(), "GET", 200, 0.01);
        }
        // Rendered without the upkeep that a scrape does: all of it is in the buckets.
        let text = metrics.0.1.render();
        let count = format!(r#"{SECONDS}_count{{route="/healthz",method="GET"}} {}"#, 3 * UPKEEP);
        assert!(text.contains(&count), "{text}");
    }
}

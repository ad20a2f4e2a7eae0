//! Traces for a collector: the OpenTelemetry protocol over HTTP, in programs built with the feature `otlp`.

#[cfg(feature = "otlp")]
pub(crate) use with::Traces;
#[cfg(not(feature = "otlp"))]
pub(crate) use without::Traces;

use crate::variable;

/// The trace filter: it excludes the exporter's own requests, which would cause an endless loop.
pub(crate) const TRACED: &str =
    "info,social_channel=debug,social_channel_server=debug,opentelemetry=off,reqwest=off,hyper=off";

/// The collector's endpoint, if configured.
fn endpoint() -> Option<String> {
    std::env::var(variable::OTLP).ok().filter(|endpoint| !endpoint.is_empty())
}

#[cfg(feature = "otlp")]
mod with {
    use opentelemetry::trace::TracerProvider as _;
    use opentelemetry_otlp::{SpanExporter, WithExportConfig as _};
    use opentelemetry_sdk::Resource;
    use opentelemetry_sdk::trace::SdkTracerProvider;
    use tracing::Subscriber;
    use tracing_subscriber::registry::LookupSpan;
    use tracing_subscriber::{EnvFilter, Layer};

    const NAME: &str = "social-channel";

    /// Sends spans on its own thread.
    pub(crate) struct Traces(SdkTracerProvider);

    impl Traces {
        /// None: no collector is configured. Must not be called inside a runtime, because the exporter's client has
        /// its own.
        ///
        /// # Errors
        /// A sentence that says why no traces can be sent.
        pub(crate) fn open() -> Result<Option<Self>, String> {
            let Some(endpoint) = super::endpoint() else { return Ok(None) };
            let url = url::Url::parse(&endpoint).map_err(|_| format!("{endpoint} is not a URL"))?;
            let url = if url.path() == "/" { url.join("v1/traces").unwrap_or(url) } else { url };
            // The first caller installs the TLS provider; the library uses the same one.
            let _ = rustls::crypto::ring::default_provider().install_default();
            let exporter = SpanExporter::builder().with_http().with_endpoint(url).build();
            let exporter = exporter.map_err(|error| error.to_string())?;
            let resource = Resource::builder().with_service_name(NAME).build();
            let provider = SdkTracerProvider::builder().with_batch_exporter(exporter).with_resource(resource);
            Ok(Some(Traces(provider.build())))
        }

        /// The layer that exports the spans accepted by the filter.
        pub(crate) fn layer<S>(&self, filter: EnvFilter) -> impl Layer<S> + use<S>
        where
            S: Subscriber + for<'a> LookupSpan<'a>,
        {
            tracing_opentelemetry::layer().with_tracer(self.0.tracer(NAME)).with_filter(filter)
        }

        /// Sends the remaining spans. An unreachable collector is not a failure of this program.
        pub(crate) fn close(self) {
            let _ = self.0.shutdown();
        }
    }
}

#[cfg(not(feature = "otlp"))]
mod without {
    use tracing_subscriber::EnvFilter;
    use tracing_subscriber::layer::Identity;

    /// Without the feature there are no traces.
    pub(crate) enum Traces {}

    impl Traces {
        pub(crate) fn open() -> Result<Option<Self>, String> {
            match super::endpoint() {
                None => Ok(None),
                Some(_) => Err("this program was built without the feature `otlp`".to_owned()),
            }
        }

        pub(crate) fn layer(&self, _: EnvFilter) -> Identity {
            Identity::new()
        }

        pub(crate) fn close(self) {
            match self {}
        }
    }
}

//! Traces for a collector: OpenTelemetry's protocol over HTTP, in programs that were built with the feature `otlp`.

#[cfg(feature = "otlp")]
pub(crate) use with::Traces;
#[cfg(not(feature = "otlp"))]
pub(crate) use without::Traces;

use crate::variable;

/// The collector, if one is named.
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
    /// What is traced: not the exporter's own requests, which would never end.
    const TRACED: &str =
        "info,social_channel=debug,social_channel_server=debug,opentelemetry=off,reqwest=off,hyper=off";

    /// Sends spans by a thread of its own.
    pub(crate) struct Traces(SdkTracerProvider);

    impl Traces {
        /// None: nobody named a collector. Not inside a runtime: the exporter's client has its own.
        ///
        /// # Errors
        /// One sentence that says why nothing can be sent.
        pub(crate) fn open() -> Result<Option<Self>, String> {
            let Some(endpoint) = super::endpoint() else { return Ok(None) };
            let url = url::Url::parse(&endpoint).map_err(|_| format!("{endpoint} is no address"))?;
            let url = if url.path() == "/" { url.join("v1/traces").unwrap_or(url) } else { url };
            // The first to ask chooses; the library chooses the same.
            let _ = rustls::crypto::ring::default_provider().install_default();
            let exporter = SpanExporter::builder().with_http().with_endpoint(url).build();
            let exporter = exporter.map_err(|error| error.to_string())?;
            let resource = Resource::builder().with_service_name(NAME).build();
            let provider = SdkTracerProvider::builder().with_batch_exporter(exporter).with_resource(resource);
            Ok(Some(Traces(provider.build())))
        }

        /// What hands spans over.
        pub(crate) fn layer<S: Subscriber + for<'a> LookupSpan<'a>>(&self) -> impl Layer<S> + use<S> {
            let filter = crate::limited(TRACED).unwrap_or_else(|| EnvFilter::new("off"));
            tracing_opentelemetry::layer().with_tracer(self.0.tracer(NAME)).with_filter(filter)
        }

        /// Sends what is left. A collector that is gone is no failure of ours.
        pub(crate) fn close(self) {
            let _ = self.0.shutdown();
        }
    }
}

#[cfg(not(feature = "otlp"))]
mod without {
    use tracing_subscriber::layer::Identity;

    /// There are none.
    pub(crate) enum Traces {}

    impl Traces {
        pub(crate) fn open() -> Result<Option<Self>, String> {
            match super::endpoint() {
                None => Ok(None),
                Some(_) => Err("this program was built without the feature `otlp`".to_owned()),
            }
        }

        pub(crate) fn layer(&self) -> Identity {
            Identity::new()
        }

        pub(crate) fn close(self) {
            match self {}
        }
    }
}

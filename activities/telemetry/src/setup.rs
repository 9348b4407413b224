//! Sets up the process's subscriber.

use opentelemetry::trace::TracerProvider;
use opentelemetry_otlp::{
    ExporterBuildError, SpanExporter, WithExportConfig, WithTonicConfig, tonic_types::transport::ClientTlsConfig,
};
use opentelemetry_sdk::{
    Resource,
    trace::{SdkTracerProvider, TracerProviderBuilder},
};
use std::{
    io::{self, IsTerminal},
    time::Duration,
};
use tracing_subscriber::{EnvFilter, Layer, layer::SubscriberExt, util::SubscriberInitExt};

/// How long a process waits at its end for spans to be sent.
const FLUSH: Duration = Duration::from_secs(3);

/// Sends what is left when dropped. Keep it until the end of `main`.
#[must_use = "dropping it ends the export of spans"]
#[derive(Debug)]
pub struct Guard(Option<SdkTracerProvider>);

impl Drop for Guard {
    fn drop(&mut self) {
        if let Some(Err(error)) = self.0.take().map(|provider| provider.shutdown_with_timeout(FLUSH)) {
            report("the last spans were not sent", &error);
        }
    }
}

/// Sets up logs on standard error (compact on a terminal, else one JSON object a line; filter from `LOCK_LOG`, else `info`), and
/// spans. They have ids and can be continued in another process in any case; they are exported over OTLP/gRPC if an endpoint is given,
/// which needs a Tokio runtime of several threads round the call and round the guard's drop.
///
/// A second call, or a call after somebody else has set up a subscriber, changes nothing.
pub fn init(service: &str, otlp_endpoint: Option<&str>) -> Guard {
    let (builder, exports) = match otlp_endpoint.filter(|endpoint| !endpoint.is_empty()) {
        None => (SdkTracerProvider::builder(), false),
        Some(endpoint) => with_export(endpoint),
    };
    let provider = builder
        .with_resource(
            Resource::builder()
                .with_service_name(service.to_owned())
                .with_attribute(opentelemetry::KeyValue::new("service.version", env!("CARGO_PKG_VERSION")))
                .build(),
        )
        .build();
    let spans = tracing_opentelemetry::layer().with_tracer(provider.tracer("lock"));
    let subscriber = tracing_subscriber::registry().with(filter()).with(spans).with(logs());
    match subscriber.try_init() {
        Ok(()) => Guard(exports.then_some(provider)),
        Err(_) => Guard(None),
    }
}

fn with_export(endpoint: &str) -> (TracerProviderBuilder, bool) {
    // The exporter's channel belongs to the runtime that it is made in, and panics without one.
    let built = match tokio::runtime::Handle::try_current() {
        Ok(_) => exporter(endpoint).map_err(|error| error.to_string()),
        Err(error) => Err(error.to_string()),
    };
    match built {
        Ok(exporter) => (SdkTracerProvider::builder().with_batch_exporter(exporter), true),
        Err(error) => {
            report("spans are not exported", &error);
            (SdkTracerProvider::builder(), false)
        }
    }
}

fn exporter(endpoint: &str) -> Result<SpanExporter, ExporterBuildError> {
    let builder = SpanExporter::builder().with_tonic().with_endpoint(endpoint);
    if endpoint.starts_with("https:") {
        builder.with_tls_config(ClientTlsConfig::new().with_enabled_roots()).build()
    } else {
        builder.build()
    }
}

/// The SDK opens a span for each workflow in its cache (`RunWorkflow`) and closes it when the workflow leaves, weeks later. Nothing refers to it,
/// and it keeps 1.5 kB for each. Its warnings stay. Who wants it says so in `LOCK_LOG`: the later of two lines for a target counts.
const NO_SPAN_PER_WORKFLOW: &str = "temporalio_sdk::workflow_future=warn";

fn filter() -> EnvFilter {
    let wanted = std::env::var("LOCK_LOG").unwrap_or_default();
    let wanted = if wanted.is_empty() { "info" } else { &wanted };
    EnvFilter::try_new(lines(wanted)).unwrap_or_else(|error| {
        report("LOCK_LOG is not a filter, `info` is used", &error);
        EnvFilter::new(lines("info"))
    })
}

fn lines(wanted: &str) -> String {
    format!("{NO_SPAN_PER_WORKFLOW},{wanted}")
}

fn logs<S>() -> Box<dyn Layer<S> + Send + Sync>
where
    S: tracing::Subscriber + for<'a> tracing_subscriber::registry::LookupSpan<'a>,
{
    let layer = tracing_subscriber::fmt::layer().with_writer(io::stderr);
    if io::stderr().is_terminal() { layer.compact().boxed() } else { layer.json().flatten_event(true).boxed() }
}

/// For what goes wrong where there is no subscriber, or no longer one.
fn report(what: &str, error: &dyn std::fmt::Display) {
    eprintln!("{what}: {error}");
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(flavor = "multi_thread", worker_threads = 1)]
    async fn setting_up_again_or_with_a_dead_collector_harms_nobody() {
        let first = init("test", Some("http://127.0.0.1:1"));
        tracing::info_span!("lost").in_scope(|| tracing::info!("still alive"));
        drop(init("test", None));
        drop(init("test", Some("not a url")));
        drop(first);
    }

    #[test]
    fn a_workflow_in_the_cache_keeps_no_span_unless_somebody_wants_it() {
        let opened = |wanted: &str| {
            let subscriber = tracing_subscriber::registry().with(EnvFilter::new(lines(wanted)));
            tracing::subscriber::with_default(subscriber, || {
                let span = tracing::info_span!(target: "temporalio_sdk::workflow_future", "RunWorkflow");
                let warned = tracing::enabled!(target: "temporalio_sdk::workflow_future", tracing::Level::WARN);
                (!span.is_disabled(), warned)
            })
        };
        assert_eq!(opened("info"), (false, true));
        assert_eq!(opened("debug"), (false, true));
        assert_eq!(opened("info,temporalio_sdk::workflow_future=info"), (true, true));
    }

    #[test]
    fn an_endpoint_without_a_runtime_is_left_out() {
        assert!(!with_export("http://127.0.0.1:1").1);
    }
}

//! W3C trace context (<https://www.w3.org/TR/trace-context/>): the text that makes a span in another process a child of this one.
//!
//! A `traceparent` has 55 characters of ids and flags and is no secret. One that can't be read is ignored: the trace starts anew.

use opentelemetry::{
    Context,
    propagation::{Extractor, Injector, TextMapPropagator},
    trace::TraceContextExt,
};
use opentelemetry_sdk::propagation::TraceContextPropagator;
use tracing::Span;
use tracing_opentelemetry::OpenTelemetrySpanExt;

const HEADER: &str = "traceparent";

/// The current span as a `traceparent`, to be sent along. `None` outside of spans, or if they are not recorded.
pub fn current_traceparent() -> Option<String> {
    let mut carrier = Single(None);
    TraceContextPropagator::new().inject_context(&Span::current().context(), &mut carrier);
    carrier.0
}

/// Makes a span the child of the one that a `traceparent` names. Call it before the span is entered.
pub fn set_parent(span: &Span, traceparent: Option<&str>) {
    let Some(traceparent) = traceparent else { return };
    let carrier = Single(Some(traceparent.to_owned()));
    let parent = TraceContextPropagator::new().extract_with_context(&Context::new(), &carrier);
    if parent.span().span_context().is_valid() {
        // Fails for a span that is filtered out or has been entered: then there is nothing to connect.
        let _ = span.set_parent(parent);
    }
}

struct Single(Option<String>);

impl Injector for Single {
    fn set(&mut self, key: &str, value: String) {
        if key == HEADER {
            self.0 = Some(value);
        }
    }
}

impl Extractor for Single {
    fn get(&self, key: &str) -> Option<&str> {
        self.0.as_deref().filter(|_| key == HEADER)
    }

    fn keys(&self) -> Vec<&str> {
        vec![HEADER]
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use opentelemetry::trace::TracerProvider;
    use opentelemetry_sdk::trace::{InMemorySpanExporter, SdkTracerProvider};
    use tracing_subscriber::layer::SubscriberExt;

    /// Runs something under a subscriber that keeps its spans.
    fn recorded(run: impl FnOnce()) -> Vec<opentelemetry_sdk::trace::SpanData> {
        let exporter = InMemorySpanExporter::default();
        let provider = SdkTracerProvider::builder().with_simple_exporter(exporter.clone()).build();
        let layer = tracing_opentelemetry::layer().with_tracer(provider.tracer("test"));
        tracing::subscriber::with_default(tracing_subscriber::registry().with(layer), run);
        provider.force_flush().unwrap();
        exporter.get_finished_spans().unwrap()
    }

    #[test]
    fn a_trace_goes_on_in_the_next_process() {
        let mut carried = None;
        let here = recorded(|| {
            tracing::info_span!("request").in_scope(|| {
                tracing::info_span!("send").in_scope(|| carried = current_traceparent());
            });
        });
        let carried = carried.unwrap();
        assert_eq!(carried.len(), 55);
        let there = recorded(|| {
            let span = tracing::info_span!("activity");
            set_parent(&span, Some(&carried));
            span.in_scope(|| tracing::info_span!("vendor call").in_scope(|| ()));
        });
        let span = |spans: &[opentelemetry_sdk::trace::SpanData], name: &str| {
            spans.iter().find(|span| span.name == name).unwrap().clone()
        };
        let (request, send) = (span(&here, "request"), span(&here, "send"));
        let (activity, call) = (span(&there, "activity"), span(&there, "vendor call"));
        for other in [&send, &activity, &call] {
            assert_eq!(other.span_context.trace_id(), request.span_context.trace_id());
        }
        assert_eq!(activity.parent_span_id, send.span_context.span_id());
        assert_eq!(call.parent_span_id, activity.span_context.span_id());
    }

    #[test]
    fn nonsense_starts_a_trace_of_its_own() {
        let spans = recorded(|| {
            assert_eq!(current_traceparent(), None);
            for bad in [None, Some(""), Some("00-0-0-01"), Some("ü"), Some(&"f".repeat(10_000))] {
                let span = tracing::info_span!("alone");
                set_parent(&span, bad.map(|bad| bad as &str));
                span.in_scope(|| assert!(current_traceparent().is_some()));
            }
        });
        assert_eq!(spans.len(), 5);
    }
}

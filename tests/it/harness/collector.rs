//! An OpenTelemetry collector that keeps what it gets: OTLP over gRPC, as the real one takes it.

use opentelemetry_proto::tonic::{
    collector::trace::v1::{
        ExportTraceServiceRequest, ExportTraceServiceResponse,
        trace_service_server::{TraceService, TraceServiceServer},
    },
    common::v1::{KeyValue, any_value::Value},
    trace::v1::span::SpanKind,
};
use std::sync::{Arc, Mutex};
use temporalio_client::tonic::{
    Request, Response, Status, async_trait,
    transport::{Server, server::TcpIncoming},
};

/// A span as it arrived.
#[derive(Debug, Clone)]
pub struct Arrived {
    pub service: String,
    pub name: String,
    pub kind: SpanKind,
    pub trace: String,
    pub span: String,
    pub parent: String,
    pub attributes: Vec<(String, String)>,
}

/// A collector on a port of its own, for as long as the runtime lives.
#[derive(Clone, Default)]
pub struct Collector(Arc<Mutex<Vec<Arrived>>>);

impl Collector {
    /// Listens; returns itself and its endpoint.
    pub fn start() -> (Self, String) {
        let incoming = TcpIncoming::bind(([127, 0, 0, 1], 0).into()).unwrap();
        let endpoint = format!("http://{}", incoming.local_addr().unwrap());
        let collector = Self::default();
        let service = TraceServiceServer::new(collector.clone());
        tokio::spawn(Server::builder().serve_with_incoming(service, incoming));
        (collector, endpoint)
    }

    /// The spans of a trace so far.
    pub fn of(&self, trace: &str) -> Vec<Arrived> {
        self.0.lock().unwrap().iter().filter(|span| span.trace == trace).cloned().collect()
    }
}

fn texts(attributes: &[KeyValue]) -> Vec<(String, String)> {
    let text = |pair: &KeyValue| match pair.value.as_ref().and_then(|value| value.value.as_ref()) {
        Some(Value::StringValue(text)) => text.clone(),
        other => format!("{other:?}"),
    };
    attributes.iter().map(|pair| (pair.key.clone(), text(pair))).collect()
}

#[async_trait]
impl TraceService for Collector {
    async fn export(
        &self,
        request: Request<ExportTraceServiceRequest>,
    ) -> Result<Response<ExportTraceServiceResponse>, Status> {
        for resource in request.into_inner().resource_spans {
            let said = texts(&resource.resource.map(|resource| resource.attributes).unwrap_or_default());
            let service = said.into_iter().find(|(key, _)| key == "service.name").map(|(_, name)| name);
            let service = service.unwrap_or_default();
            for span in resource.scope_spans.into_iter().flat_map(|scope| scope.spans) {
                self.0.lock().unwrap().push(Arrived {
                    service: service.clone(),
                    kind: span.kind(),
                    name: span.name,
                    trace: hex::encode(span.trace_id),
                    span: hex::encode(span.span_id),
                    parent: hex::encode(span.parent_span_id),
                    attributes: texts(&span.attributes),
                });
            }
        }
        Ok(Response::new(ExportTraceServiceResponse::default()))
    }
}

//! What our processes export reaches a collector, as one trace from the caller to the lock vendor.

use crate::harness::{
    collector::{Arrived, Collector},
    house::{House, stay},
    until,
};
use opentelemetry_proto::tonic::trace::v1::span::SpanKind;
use std::time::Duration;
use uuid::Uuid;

/// A span of the caller's.
const CALLER: &str = "00f067aa0ba902b7";

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn one_trace_from_the_request_to_the_vendors_call_reaches_a_collector() {
    let (collector, endpoint) = Collector::start();
    let house = House::open().await;
    let house = house
        .blocking(move |d| {
            d.services.set_env("OTEL_EXPORTER_OTLP_ENDPOINT", &endpoint);
            d.worker.terminate().unwrap();
            d.worker = d.services.start_worker(None).unwrap();
            d.api.terminate().unwrap();
            d.api = d.services.start_api(None).unwrap();
        })
        .await;
    let trace = Uuid::new_v4().simple().to_string();
    let property = house.deployment.sandbox["property"].as_str().unwrap();
    let answer = house
        .http
        .post(format!("{}/v1/properties/{property}/stays?wait=20", house.deployment.api.url()))
        .bearer_auth(&house.token)
        .header("Idempotency-Key", &trace)
        .header("traceparent", format!("00-{trace}-{CALLER}-01"))
        .json(&stay("TRACED", "101"))
        .send()
        .await
        .unwrap();
    assert_eq!(answer.status(), 201, "{}", answer.text().await.unwrap());

    let called = |span: &Arrived| {
        span.name == "vendor.call" && span.attributes.contains(&("verb".into(), "keyboardPwd/add".into()))
    };
    let (request, work, call) = until("every span has arrived", Duration::from_secs(30), || async {
        let spans = collector.of(&trace);
        let request = spans.iter().find(|span| span.service == "lock-api" && span.parent == CALLER);
        let work =
            request.and_then(|request| spans.iter().find(|span| span.name == "perform" && span.parent == request.span));
        let call = work.and_then(|work| spans.iter().find(|span| called(span) && span.parent == work.span));
        match (request, work, call) {
            (Some(request), Some(work), Some(call)) => Ok((request.clone(), work.clone(), call.clone())),
            _ => Err(spans),
        }
    })
    .await;
    // The workflow has no span, since it is replayed; it hands on the trace that the command carries.
    assert_eq!((&request.name[..], request.kind), ("POST /v1/properties/{property}/stays", SpanKind::Server));
    assert_eq!((&work.service[..], &call.service[..]), ("lock-worker", "lock-worker"));
    assert!(work.attributes.iter().any(|(key, _)| key == "stay"), "{work:?}");
    let told = format!("{:?}", collector.of(&trace));
    assert!(!told.contains(house.token.rsplit('_').next().unwrap()), "a span tells the API key");
    house.close().await;
}

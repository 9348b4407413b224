//! A caller's trace goes on through API, workflow and activity to the vendor.

use crate::harness::{Hotel, shared};
use jiff::{SignedDuration, Timestamp};
use lock_api::scope::Scope;
use opentelemetry::trace::TracerProvider as _;
use opentelemetry_sdk::trace::SdkTracerProvider;
use secrecy::ExposeSecret as _;
use serde_json::{Value, json};
use tracing_subscriber::{
    Layer as _,
    filter::{LevelFilter, Targets},
    layer::SubscriberExt as _,
    util::SubscriberInitExt as _,
};
use uuid::Uuid;

/// Gives spans ids, as every process of ours does; without logs, and without an effect if logs were asked for and are set up already.
fn with_spans() {
    let provider = SdkTracerProvider::builder().build();
    let ours = Targets::new().with_target("lock", LevelFilter::INFO);
    let spans = tracing_opentelemetry::layer().with_tracer(provider.tracer("tests")).with_filter(ours);
    let _ = tracing_subscriber::registry().with(spans).try_init();
}

/// A write within a trace of the caller's; returns the trace's id and the answer's own `traceparent`.
async fn traced(hotel: &Hotel, path: &str, body: Value) -> (String, String) {
    let token = hotel.token(Scope::ALL, None, None).await;
    let trace = Uuid::new_v4().simple().to_string();
    let answer = reqwest::Client::new()
        .post(format!("{}/v1/properties/{}/{path}?wait=20", shared().api, hotel.property))
        .bearer_auth(token.expose_secret())
        .header("Idempotency-Key", &trace)
        .header("traceparent", format!("00-{trace}-00f067aa0ba902b7-01"))
        .json(&body)
        .send()
        .await
        .unwrap();
    let own = answer.headers().get("traceparent").expect("the answer names its span").to_str().unwrap().to_owned();
    assert!(answer.status().is_success(), "{}", answer.text().await.unwrap());
    (trace, own)
}

/// The trace and span of the latest call of a verb at the vendor.
fn seen(hotel: &Hotel, verb: &str) -> (String, String) {
    let stats = hotel.sim.sim().stats();
    let text =
        stats.last_traceparent.get(verb).unwrap_or_else(|| panic!("{verb} came without a traceparent: {stats:?}"));
    let parts: Vec<&str> = text.split('-').collect();
    (parts[1].to_owned(), parts[2].to_owned())
}

#[tokio::test]
async fn a_callers_trace_reaches_the_vendor() {
    with_spans();
    let hotel = Hotel::open().await;
    let (from, until) = (Timestamp::now(), Timestamp::now() + SignedDuration::from_hours(30));
    let body = json!({ "reservation": "R1", "room": "101", "from": from.to_string(), "until": until.to_string() });
    let (issue, answered) = traced(&hotel, "stays", body).await;
    let (trace, span) = seen(&hotel, "keyboardPwd/add");
    assert_eq!(trace, issue);
    assert!(answered.contains(&issue), "{answered}");
    assert!(span != "00f067aa0ba902b7" && !answered.contains(&span), "a span of its own");

    // Each verb's effects are in the trace of whoever asked for them, not of whoever began the stay.
    let (later, _) =
        traced(&hotel, "stays/R1/modify-stay", json!({ "until": (until + SignedDuration::from_hours(9)).to_string() }))
            .await;
    assert_eq!(seen(&hotel, "keyboardPwd/change").0, later);
    let (end, _) = traced(&hotel, "stays/R1/check-out", json!({})).await;
    assert_eq!(seen(&hotel, "keyboardPwd/delete").0, end);
    assert_eq!(seen(&hotel, "keyboardPwd/add").0, issue);
}

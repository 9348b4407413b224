//! Whoever asks too much is told to wait.

use crate::harness::{Client, Hotel, shared, still::Camera};
use lock_api::{
    engine::{Temporal, TemporalSettings},
    limits::Shares,
    scope::Scope,
};
use lock_store::Store;
use serde_json::json;
use std::{num::NonZeroU32, sync::Arc};

#[tokio::test]
async fn whoever_asks_too_much_is_told_to_wait() {
    let hotel = Hotel::open().await;
    let base = strict_api(4, 2).await;
    let pms = Client::new(&base, hotel.property, hotel.token(Scope::ALL, None, None).await);
    for left in [3, 2, 1, 0] {
        let answer = pms.get("rooms").await.expect(200);
        assert!(answer.header("ratelimit").unwrap().contains(&format!("r={left};")), "{:?}", answer.headers);
    }
    let refused = pms.get("rooms").await.problem(429, "rate_limited");
    let wait: u64 = refused.header("retry-after").unwrap().parse().unwrap();
    assert!((1..=60).contains(&wait), "{wait}");

    let pms = Client::new(&base, hotel.property, hotel.token(Scope::ALL, None, None).await);
    pms.check_in("R1", "101", 30).await.expect(201);
    for verb in ["suspend", "resume"] {
        pms.verb("R1", verb, json!({})).await.ok();
    }
    let mut camera = Camera::new(&hotel, &["R1"]).await;
    let before = camera.take_at_rest().await;
    pms.verb("R1", "suspend", json!({})).await.problem(429, "rate_limited");
    assert_eq!(camera.take().await, before);
    let endpoint = hotel.pms.post("webhook-endpoints", json!({ "sender": "ttlock" })).await.expect(201).body;
    for status in [200, 200, 429] {
        let url = format!("{base}{}", endpoint["path"].as_str().unwrap());
        let answer = reqwest::Client::new().post(url).body("notifyType=4").send().await.unwrap();
        assert_eq!(answer.status(), status);
    }
}

/// An API of its own with small shares, on the test's own threads.
async fn strict_api(requests: u32, commands: u32) -> String {
    let shared = shared();
    let store = Store::connect(&shared.app_url, 4).await.unwrap();
    let keys = shared.keys(&store);
    let converter = lock_kms::data_converter(keys.clone());
    let address = shared.stack.temporal_address().to_owned();
    let engine = Temporal::new(TemporalSettings { address, namespace: "default".to_owned(), converter });
    let number = |n| NonZeroU32::new(n).unwrap();
    let shares = Shares { requests: number(requests), commands: number(commands), webhooks: number(commands) };
    let config = lock_api::Config { shares, ..lock_api::Config::default() };
    let state = lock_api::AppState::new(store, keys, Arc::new(engine), config);
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let base = format!("http://{}", listener.local_addr().unwrap());
    tokio::spawn(lock_api::serve(listener, state, std::future::pending()));
    base
}

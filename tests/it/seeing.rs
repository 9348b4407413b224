//! Metrics: our own beside the SDK's, in one place to scrape.

use crate::harness::{Hotel, shared};
use serde_json::json;

#[tokio::test]
async fn the_worker_and_the_api_tell_what_they_do() {
    let hotel = Hotel::open().await;
    hotel.pms.check_in("R1", "101", 20).await.expect(201);
    hotel.pms.verb("R1", "check-out", json!({})).await.ok();
    let scrape = async |base: &str| reqwest::get(format!("{base}/metrics")).await.unwrap().text().await.unwrap();
    let worker = scrape(&shared().worker_metrics).await;
    for name in [
        "lock_time_to_key_seconds_count{vendor=\"ttlock\"}",
        "lock_effects_total{action=\"issue\",outcome=\"live\",vendor=\"ttlock\"}",
        "lock_effects_total{action=\"revoke\",outcome=\"gone\",vendor=\"ttlock\"}",
        "lock_vendor_calls_total{",
        "lock_outbox_lag_seconds",
        "temporal_workflow_task_execution_latency_seconds",
    ] {
        assert!(worker.contains(name), "{name} is missing in\n{worker}");
    }
    let api = scrape(&shared().api).await;
    assert!(api.contains("lock_api_requests_total{"), "{api}");
}

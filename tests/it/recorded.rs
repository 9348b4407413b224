//! Walks of the workflows that are no stays, for the histories that every later build has to replay.
//!
//! Others are where their long way is tested anyway: `inventory.rs`, `maintenance.rs` and `vault.rs`.

use crate::{
    contract::Night,
    harness::{Hotel, histories::walked, temporal::StayRun, until},
    vault::{ask, done, furnished},
};
use jiff::{SignedDuration, Timestamp};
use lock_workflows::DrainStart;
use serde_json::json;
use std::time::Duration;
use temporalio_client::WorkflowDescribeOptions;

/// Workflow types and the paths that are recorded of them.
pub const WALKS: &[(&str, &str)] = &[
    ("ContractCheck", "night"),
    ("Drain", "desk"),
    ("Drain", "continued"),
    ("Inventory", "plain"),
    ("Inventory", "continued"),
    ("KeyRotation", "roots"),
    ("KeyRotation", "whole"),
    ("KeyRotation", "continued"),
    ("Maintenance", "look"),
    ("Maintenance", "continued"),
];

/// The workflow of the latest outage.
pub async fn drain_of(hotel: &Hotel) -> StayRun {
    let notices = hotel.pms.get("/v1/notices").await.expect(200).body;
    let outage = notices["notices"][0]["outage"].as_str().unwrap().parse().unwrap();
    let start = DrainStart { tenant: hotel.tenant, property: hotel.property, outage };
    let run = StayRun::of_workflow(hotel, start.workflow_id()).await;
    until("the drain has begun", Duration::from_secs(30), || async {
        run.handle().describe(WorkflowDescribeOptions::default()).await.map_err(|error| error.to_string()).map(|_| ())
    })
    .await;
    run
}

/// An outage in which one guest goes to the desk; returns when his guest waits there.
async fn outage() -> (Hotel, StayRun) {
    let hotel = Hotel::open().await;
    hotel.drains_to(&["desk"]).await;
    hotel.force("open").await;
    let from = Timestamp::now() + SignedDuration::from_mins(1);
    let until = from + SignedDuration::from_hours(20);
    let body = json!({ "reservation": "R1", "room": "101", "from": from.to_string(), "until": until.to_string() });
    hotel.pms.post("stays", body).await.expect(202);
    hotel.desk(1).await;
    let run = drain_of(&hotel).await;
    (hotel, run)
}

#[tokio::test]
async fn a_drain_to_the_desk_and_its_end() {
    let (hotel, run) = outage().await;
    hotel.force("released").await;
    hotel.pms.phase("R1", "active").await;
    over(&run).await;
    walked(&run, "desk", "WorkflowExecutionCompletedEvent").await;
}

#[tokio::test]
async fn a_drain_of_a_long_outage_goes_on_in_another_run() {
    let (hotel, run) = outage().await;
    let id = async || run.describe().await.workflow_execution_info.unwrap().execution.unwrap().run_id;
    let first = id().await;
    until("another run", Duration::from_secs(120), || async {
        let now = id().await;
        if now == first { Err(run.events().await.len()) } else { Ok(()) }
    })
    .await;
    hotel.force("released").await;
    hotel.pms.phase("R1", "active").await;
    over(&run).await;
    walked(&run, "continued", "WorkflowExecutionContinuedAsNewEvent").await;
}

async fn over(run: &StayRun) {
    until("the workflow is over", Duration::from_secs(30), || async {
        let info = run.describe().await.workflow_execution_info.unwrap();
        if info.close_time.is_some() { Ok(()) } else { Err(info.history_length) }
    })
    .await;
}

#[tokio::test]
async fn a_night_at_a_vendor() {
    let hotel = Hotel::open().await;
    let night = Night::of(&hotel).await;
    assert_eq!(night.falls().await, "adopted");
    walked(&night.workflow().await, "night", "WorkflowExecutionCompletedEvent").await;
}

#[tokio::test]
async fn a_rotation_of_root_keys_and_one_of_everything() {
    let (hotel, _) = furnished().await;
    let (run, id) = ask(&hotel, json!({ "data_keys": false })).await;
    until("root keys alone wait for nobody", Duration::from_secs(30), || async {
        let now = hotel.pms.get(&format!("/v1/vault/rotations/{id}")).await.expect(200).body;
        if now["state"] == "done" { Ok(()) } else { Err(now) }
    })
    .await;
    walked(&run, "roots", "WorkflowExecutionCompletedEvent").await;
    let (run, id) = ask(&hotel, json!({})).await;
    done(&hotel, &run, &id).await;
    walked(&run, "whole", "TimerFiredEvent").await;
}

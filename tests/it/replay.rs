//! Histories replay: those that were recorded with every release, and those of this very build.
//!
//! The walks of stays are here, those of the other workflows in `recorded.rs`; `harness/histories.rs` says where they are kept.

use crate::{
    harness::{
        Hotel,
        histories::{RELEASE, all_replay, folder_of, recorded, recording, registered, replay, type_of, walked},
        invariants,
        temporal::StayRun,
        until,
    },
    recorded::WALKS,
};
use futures::{StreamExt as _, future::join_all, stream};
use jiff::{SignedDuration, Timestamp};
use lock_domain::clock::ClockOffset;
use lock_sim::ttlock::{FaultKind, FaultOrder};
use lock_workflows::KeyLifecycle;
use serde_json::{Value, json};
use std::{collections::BTreeSet, time::Duration};
use temporalio_client::WorkflowSignalOptions;
use temporalio_common::protos::temporal::api::enums::v1::EventType;
use temporalio_sdk::workflow_replayer::WorkflowReplayFailure;

/// A walk and what its history must hold, so that it is the walk that it is called after.
const PATHS: [(&str, &str); 16] = [
    ("plain", "WorkflowExecutionCompletedEvent"),
    ("dates", "WorkflowExecutionUpdateCompletedEvent"),
    ("move", "UpsertWorkflowSearchAttributesEvent"),
    ("refused_move", "WorkflowExecutionUpdateCompletedEvent"),
    ("suspension", "WorkflowExecutionUpdateCompletedEvent"),
    ("reissue", "WorkflowExecutionUpdateCompletedEvent"),
    ("read", "WorkflowExecutionUpdateCompletedEvent"),
    ("planned", "WorkflowExecutionSignaledEvent"),
    ("expired", "TimerFiredEvent"),
    ("outage", "TimerFiredEvent"),
    ("preempted", "ActivityTaskCanceledEvent"),
    ("crowd", "WorkflowExecutionUpdateCompletedEvent"),
    ("continued", "WorkflowExecutionContinuedAsNewEvent"),
    ("diverted", ELSEWHERE),
    ("returned", ELSEWHERE),
    ("diverted_continued", "WorkflowExecutionContinuedAsNewEvent"),
];
/// Something was done at the vendor that the stay went to.
const ELSEWHERE: &str = "\"vendor-salto_ks\"";
/// Walks at a time. Without a cache only one: sdk-core 0.10.1 then evicts the run that was used longest ago, even if that is another one
/// in the middle of a local activity, and panics in a debug build.
fn at_once(record: Option<&str>) -> usize {
    if record == Some("cold") { 1 } else { 6 }
}

async fn walk(hotel: &Hotel, path: &str) {
    let pms = &hotel.pms;
    let now = Timestamp::now();
    let days = |n: i64| (now + SignedDuration::from_hours(24 * n)).to_string();
    let run = StayRun::of(hotel, "R1").await;
    let from = if path == "planned" { days(3) } else { now.to_string() };
    if matches!(path, "outage" | "preempted") {
        hotel.sim.sim().add_fault(FaultOrder::always("keyboardPwd/add", FaultKind::Down));
    }
    let elsewhere = matches!(path, "diverted" | "returned" | "diverted_continued");
    let standby = if elsewhere {
        let standby = hotel.standby(&["101"], 9).await;
        hotel.drains_to(&["salto_ks", "desk"]).await;
        hotel.force("open").await;
        Some(standby)
    } else {
        None
    };
    pms.post("stays", json!({ "reservation": "R1", "room": "101", "from": from, "until": days(5) })).await.ok();
    match path {
        "planned" => {
            settled(hotel).await;
            hotel.advance(&days(4)).await;
        }
        "outage" => {
            rounds(&run, 2).await;
            hotel.sim.sim().clear_faults();
        }
        "preempted" => {
            until("the vendor was asked", Duration::from_secs(30), || async {
                let calls = hotel.sim.sim().stats().calls.get("keyboardPwd/add").copied();
                calls.ok_or(())
            })
            .await;
            pms.post("stays/R1/check-out", json!({})).await.ok();
            pms.phase("R1", "ended").await;
            return;
        }
        _ => {}
    }
    let stay = pms.phase("R1", "active").await;
    settled(hotel).await;
    if let Some(standby) = &standby {
        assert_eq!(standby.guests(), 1, "it went to the other vendor");
        hotel.force("released").await;
    }
    let verb = async |verb: &str, body: Value| {
        pms.post(&format!("stays/R1/{verb}"), body).await.ok();
        settled(hotel).await;
    };
    match path {
        "dates" => verb("modify-stay", json!({ "until": days(6) })).await,
        "move" => verb("room-move", json!({ "room": "102" })).await,
        "refused_move" => {
            let refusal = FaultOrder::always("keyboardPwd/add", FaultKind::Errcode { n: -4043 });
            hotel.sim.sim().add_fault(FaultOrder { lock: Some(hotel.lock("102")), ..refusal });
            verb("room-move", json!({ "room": "102" })).await;
        }
        "suspension" => {
            verb("suspend", json!({})).await;
            verb("resume", json!({})).await;
        }
        "reissue" => verb("reissue", json!({ "key": stay["keys"][0]["id"] })).await,
        "read" => {
            hotel.remove_code_behind_our_back("101").await;
            verb("read", json!({})).await;
        }
        "crowd" => {
            let all = [
                ("duplicate", json!({})),
                ("modify-stay", json!({ "until": days(6) })),
                ("duplicate", json!({})),
                ("read", json!({})),
                ("room-move", json!({ "room": "103" })),
            ];
            let sent = join_all(
                all.map(|(verb, body)| async move { pms.post(&format!("stays/R1/{verb}?wait=20"), body).await }),
            )
            .await;
            assert!(sent.iter().any(|answer| answer.status.is_success()));
            settled(hotel).await;
        }
        "expired" => {
            run.skip(Duration::from_secs(6 * 24 * 3600)).await;
            pms.phase("R1", "ended").await;
            return;
        }
        "planned" => {
            hotel.advance(&days(6)).await;
            pms.phase("R1", "ended").await;
            return;
        }
        "diverted" => verb("duplicate", json!({})).await,
        // That vendor has no reader there.
        "returned" => verb("room-move", json!({ "room": "103" })).await,
        "continued" | "diverted_continued" => {
            let first = run_id(&run).await;
            for ms in 1..400 {
                let clock = ClockOffset::from_millis(ms);
                run.handle().signal(KeyLifecycle::clock, clock, WorkflowSignalOptions::default()).await.unwrap();
                run.at_rest().await;
                if run_id(&run).await != first {
                    break;
                }
            }
            assert_ne!(run_id(&run).await, first, "the run goes on as another one");
            verb("modify-stay", json!({ "until": days(6) })).await;
        }
        _ => {}
    }
    pms.post("stays/R1/check-out", json!({})).await.ok();
    pms.phase("R1", "ended").await;
}

async fn settled(hotel: &Hotel) {
    until("every operation has ended", Duration::from_secs(90), || async {
        let open = invariants::open_operations(hotel).await;
        if open.is_empty() { Ok(()) } else { Err(open) }
    })
    .await;
}

async fn run_id(run: &StayRun) -> String {
    run.describe().await.workflow_execution_info.unwrap().execution.unwrap().run_id
}

/// Waits until so many rounds at the vendor have begun.
async fn rounds(run: &StayRun, wanted: usize) {
    until("another round", Duration::from_secs(60), || async {
        let handle = run.handle().describe(temporalio_client::WorkflowDescribeOptions::default()).await;
        let events = if handle.is_ok() { run.events().await } else { Vec::new() };
        let n = events.iter().filter(|event| event.event_type() == EventType::ActivityTaskScheduled).count();
        if n >= wanted { Ok(()) } else { Err(n) }
    })
    .await;
}

#[tokio::test]
async fn histories_are_recorded() {
    let walks = stream::iter(PATHS).map(|(path, holds)| async move {
        let hotel = Hotel::open().await;
        walk(&hotel, path).await;
        settled(&hotel).await;
        invariants::check(&hotel).await;
        walked(&StayRun::of(&hotel, "R1").await, path, holds).await;
    });
    walks.buffer_unordered(at_once(recording().as_deref())).collect::<()>().await;
}

#[tokio::test]
async fn recorded_histories_replay() {
    let histories = recorded();
    let names: BTreeSet<_> = histories.iter().map(|(name, _)| name.as_str()).collect();
    let stays = PATHS.map(|(path, _)| ("KeyLifecycle", path));
    for (workflow, path) in stays.iter().chain(WALKS) {
        for kind in ["", ".cold"] {
            let wanted =
                |path: &str| names.contains(format!("{}/{RELEASE}/{path}{kind}.json", folder_of(workflow)).as_str());
            assert!(
                wanted(path) || wanted(&format!("{path}-1")),
                "{workflow}: {path}{kind} is not recorded for {RELEASE}"
            );
        }
    }
    all_replay(&histories).await;
}

/// Workers and replays register by the same list, so that no workflow is forgotten here.
#[test]
fn every_workflow_that_a_worker_runs_has_recorded_histories() {
    let histories = recorded();
    let mut kinds: BTreeSet<(String, bool)> = BTreeSet::new();
    for (name, history) in &histories {
        let workflow = type_of(history);
        assert!(name.starts_with(&format!("{}/", folder_of(workflow))), "{name} is of a {workflow}");
        if name.contains(&format!("/{RELEASE}/")) {
            kinds.insert((workflow.to_owned(), name.ends_with(".cold.json")));
        }
    }
    let expected =
        registered().into_iter().flat_map(|workflow| [(workflow.clone(), false), (workflow, true)]).collect();
    assert_eq!(kinds, expected, "see temporal/README.md, Recorded histories");
}

#[tokio::test]
async fn an_altered_history_does_not_replay() {
    let plain = recorded().into_iter().find(|(name, _)| name.ends_with("key_lifecycle/v0.1/plain.json")).unwrap().1;
    let altered = |alter: &dyn Fn(&mut Vec<Value>)| {
        let mut history = plain.clone();
        alter(history["events"].as_array_mut().unwrap());
        history
    };
    let scheduled = |event: &Value| event["event_type"] == EventType::ActivityTaskScheduled as i32;
    let renamed = altered(&|events| {
        let event = events.iter_mut().find(|event| scheduled(event)).unwrap();
        let name = &mut event["attributes"]["ActivityTaskScheduledEventAttributes"]["activity_type"]["name"];
        assert_eq!(*name, "perform");
        *name = json!("another");
    });
    // The numbers close up, so that the history is sound and only our code can object.
    let dropped = altered(&|events| {
        let at = events.iter().position(|event| event["event_type"] == EventType::TimerCanceled as i32).unwrap();
        let gone = events.remove(at)["event_id"].as_i64().unwrap();
        events.iter_mut().for_each(|event| close_up(event, gone));
    });
    for (name, history) in [("renamed", renamed), ("dropped", dropped)] {
        let outcome = replay(&[(name.to_owned(), history)]).await.remove(0).1;
        assert!(matches!(outcome, Some(WorkflowReplayFailure::Nondeterminism { .. })), "{name}: {outcome:?}");
    }
}

/// Numbers events, and what refers to them, as if one had never been.
fn close_up(at: &mut Value, gone: i64) {
    match at {
        Value::Object(fields) => {
            for (name, value) in fields {
                match value.as_i64() {
                    Some(id) if name.ends_with("event_id") && id > gone => *value = json!(id - 1),
                    _ => close_up(value, gone),
                }
            }
        }
        Value::Array(items) => items.iter_mut().for_each(|item| close_up(item, gone)),
        _ => {}
    }
}

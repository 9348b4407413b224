//! Histories replay: those that were recorded with every release, and those of this very build.
//!
//! `temporal/histories/key_lifecycle/v{release}/{path}.json` are histories in clear of made-up stays; `{path}.cold.json` come from a
//! worker that keeps no workflow in memory, so that every task begins with a replay. `RECORD_HISTORIES=warm` or `=cold` makes this
//! test write those of its own walks (see `temporal/README.md`).

use crate::harness::{Hotel, invariants, temporal::StayRun, until};
use futures::{StreamExt as _, future::join_all, stream};
use jiff::{SignedDuration, Timestamp};
use lock_domain::clock::ClockOffset;
use lock_sim::ttlock::{FaultKind, FaultOrder};
use lock_workflows::KeyLifecycle;
use serde_json::{Value, json};
use std::{collections::BTreeSet, fs, path::PathBuf, time::Duration};
use temporalio_client::{WorkflowHistory, WorkflowSignalOptions};
use temporalio_common::protos::temporal::api::enums::v1::{EventType, TaskQueueKind};
use temporalio_sdk::workflow_replayer::{WorkflowReplayFailure, WorkflowReplayer, WorkflowReplayerOptions};

/// A walk and what its history must hold, so that it is the walk that it is called after.
const PATHS: [(&str, &str); 13] = [
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
];
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
        "continued" => {
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

fn folder() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../temporal/histories/key_lifecycle")
}

/// This release's folder.
fn release() -> PathBuf {
    folder().join(concat!("v", env!("CARGO_PKG_VERSION_MAJOR"), ".", env!("CARGO_PKG_VERSION_MINOR")))
}

/// Without what tells where it was recorded, and without what is not set.
pub fn scrub(at: &mut Value) {
    match at {
        Value::Object(fields) => {
            fields.retain(|_, value| !value.is_null());
            if fields.contains_key("identity") {
                fields.insert("identity".to_owned(), json!(""));
            }
            if fields.get("kind").is_some_and(|kind| *kind == TaskQueueKind::Sticky as i32) {
                fields.insert("name".to_owned(), json!("sticky"));
            }
            fields.values_mut().for_each(scrub);
        }
        Value::Array(items) => items.iter_mut().for_each(scrub),
        _ => {}
    }
}

async fn replay(histories: &[(String, Value)]) -> Vec<(String, Option<WorkflowReplayFailure>)> {
    let options = WorkflowReplayerOptions::new().register_workflow::<KeyLifecycle>().unwrap().build();
    let replayer = WorkflowReplayer::new(options).unwrap();
    let parsed = histories.iter().map(|(_, json)| WorkflowHistory::from_json(json.to_string().as_bytes()).unwrap());
    let results = replayer.replay_workflows(parsed).await.unwrap();
    assert_eq!(results.len(), histories.len());
    histories.iter().zip(results).map(|((name, _), result)| (name.clone(), result.replay_failure)).collect()
}

async fn all_replay(histories: &[(String, Value)]) {
    let failed: Vec<_> = replay(histories).await.into_iter().filter(|(_, failure)| failure.is_some()).collect();
    assert!(failed.is_empty(), "{failed:#?}");
}

#[tokio::test]
async fn histories_are_recorded() {
    let record = std::env::var("RECORD_HISTORIES").ok();
    let walks = stream::iter(PATHS).map(|(path, holds)| async move {
        let hotel = Hotel::open().await;
        walk(&hotel, path).await;
        settled(&hotel).await;
        invariants::check(&hotel).await;
        let run = StayRun::of(&hotel, "R1").await;
        run.at_rest().await;
        let runs = run.histories().await;
        assert!(runs.iter().any(|run| run.to_string().contains(holds)), "{path} without {holds}");
        let of = |n: usize| if runs.len() > 1 { format!("{path}-{}", n + 1) } else { path.to_owned() };
        runs.iter().cloned().enumerate().map(|(n, run)| (of(n), run)).collect::<Vec<_>>()
    });
    let mut histories = walks.buffer_unordered(at_once(record.as_deref())).collect::<Vec<_>>().await.concat();
    all_replay(&histories).await;
    if let Some(kind) = record {
        let suffix = if kind == "cold" { ".cold" } else { "" };
        fs::create_dir_all(release()).unwrap();
        for (name, history) in &mut histories {
            scrub(history);
            fs::write(release().join(format!("{name}{suffix}.json")), format!("{history}\n")).unwrap();
        }
    }
}

fn recorded() -> Vec<(String, Value)> {
    let mut files = Vec::new();
    for release in fs::read_dir(folder()).unwrap() {
        for file in fs::read_dir(release.unwrap().path()).unwrap() {
            let path = file.unwrap().path();
            let name = path.strip_prefix(folder()).unwrap().display().to_string();
            files.push((name, serde_json::from_slice(&fs::read(path).unwrap()).unwrap()));
        }
    }
    files.sort_by(|a: &(String, Value), b| a.0.cmp(&b.0));
    files
}

#[tokio::test]
async fn recorded_histories_replay() {
    let histories = recorded();
    let names: BTreeSet<_> = histories.iter().map(|(name, _)| name.as_str()).collect();
    let this = release().file_name().unwrap().to_str().unwrap().to_owned();
    for (path, _) in PATHS {
        for kind in ["", ".cold"] {
            let wanted = |name: &str| names.contains(format!("{this}/{name}{kind}.json").as_str());
            assert!(wanted(path) || wanted(&format!("{path}-1")), "{path}{kind} is not recorded for {this}");
        }
    }
    all_replay(&histories).await;
}

#[tokio::test]
async fn an_altered_history_does_not_replay() {
    let plain = recorded().into_iter().find(|(name, _)| name.ends_with("/plain.json")).unwrap().1;
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

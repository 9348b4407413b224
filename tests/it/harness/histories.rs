//! Recorded histories: where they lie, how they are written, and how they replay with whatever the worker registers.
//!
//! `temporal/histories/{workflow}/v{release}/{path}.json` are histories in clear of made-up runs; `{path}.cold.json` come from a worker that
//! keeps no workflow in memory, so that every task begins with a replay. With `RECORD_HISTORIES=warm` or `=cold` a walk writes its own
//! (see `temporal/README.md`).

use super::temporal::StayRun;
use lock_worker::workflows::{Registry, register};
use serde_json::{Value, json};
use std::{collections::BTreeSet, fs, path::PathBuf};
use temporalio_client::WorkflowHistory;
use temporalio_common::{WorkflowDefinition, protos::temporal::api::enums::v1::TaskQueueKind};
use temporalio_sdk::{
    workflow_replayer::{WorkflowReplayFailure, WorkflowReplayer, WorkflowReplayerOptions},
    workflows::{WorkflowImplementation, WorkflowRegistrationError},
};

/// This release's part of a path.
pub const RELEASE: &str = concat!("v", env!("CARGO_PKG_VERSION_MAJOR"), ".", env!("CARGO_PKG_VERSION_MINOR"));

/// What is being recorded, if anything: `warm` or `cold`.
pub fn recording() -> Option<String> {
    std::env::var("RECORD_HISTORIES").ok()
}

fn folder() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../temporal/histories")
}

/// Names of what the worker registers.
pub fn registered() -> BTreeSet<String> {
    struct Names(BTreeSet<String>);
    impl Registry for Names {
        fn take<W>(&mut self) -> Result<(), WorkflowRegistrationError>
        where
            W: WorkflowImplementation,
            <W::Run as WorkflowDefinition>::Input: Send,
        {
            self.0.insert(W::name().to_owned());
            Ok(())
        }
    }
    let mut names = Names(BTreeSet::new());
    register(&mut names).unwrap();
    names.0
}

/// The workflow type of a history.
pub fn type_of(history: &Value) -> &str {
    let started = &history["events"][0]["attributes"]["WorkflowExecutionStartedEventAttributes"];
    started["workflow_type"]["name"].as_str().expect("a first event")
}

/// The folder of a workflow type: `KeyRotation` is `key_rotation`.
pub fn folder_of(workflow: &str) -> String {
    let mut name = String::new();
    for letter in workflow.chars() {
        if letter.is_uppercase() && !name.is_empty() {
            name.push('_');
        }
        name.extend(letter.to_lowercase());
    }
    name
}

/// Waits until a run is at rest; then its histories, oldest run first, must hold something and replay. They are written if histories are
/// being recorded.
pub async fn walked(run: &StayRun, path: &str, holds: &str) {
    run.at_rest().await;
    let runs = run.histories().await;
    assert!(runs.iter().any(|run| run.to_string().contains(holds)), "{path} without {holds}");
    let of = |n: usize| if runs.len() > 1 { format!("{path}-{}", n + 1) } else { path.to_owned() };
    let named: Vec<_> = runs.iter().cloned().enumerate().map(|(n, run)| (of(n), run)).collect();
    all_replay(&named).await;
    let Some(kind) = recording() else { return };
    let suffix = if kind == "cold" { ".cold" } else { "" };
    for (name, mut history) in named {
        let folder = folder().join(folder_of(type_of(&history))).join(RELEASE);
        fs::create_dir_all(&folder).unwrap();
        scrub(&mut history);
        fs::write(folder.join(format!("{name}{suffix}.json")), format!("{history}\n")).unwrap();
    }
}

/// Every recorded history of every release, with its path from the folder of all.
pub fn recorded() -> Vec<(String, Value)> {
    let inside = |folder: PathBuf| fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path());
    let mut files: Vec<(String, Value)> = inside(folder())
        .flat_map(inside)
        .flat_map(inside)
        .map(|path| {
            let name = path.strip_prefix(folder()).unwrap().display().to_string();
            (name, serde_json::from_slice(&fs::read(path).unwrap()).unwrap())
        })
        .collect();
    files.sort_by(|a, b| a.0.cmp(&b.0));
    files
}

/// Without what tells where it was recorded, and without what is not set.
fn scrub(at: &mut Value) {
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

/// How each of them replays with the code as it is.
pub async fn replay(histories: &[(String, Value)]) -> Vec<(String, Option<WorkflowReplayFailure>)> {
    let mut options = WorkflowReplayerOptions::new().build();
    register(&mut options).unwrap();
    let replayer = WorkflowReplayer::new(options).unwrap();
    let parsed = histories.iter().map(|(_, json)| WorkflowHistory::from_json(json.to_string().as_bytes()).unwrap());
    let results = replayer.replay_workflows(parsed).await.unwrap();
    assert_eq!(results.len(), histories.len());
    histories.iter().zip(results).map(|((name, _), result)| (name.clone(), result.replay_failure)).collect()
}

/// All of them do.
pub async fn all_replay(histories: &[(String, Value)]) {
    let failed: Vec<_> = replay(histories).await.into_iter().filter(|(_, failure)| failure.is_some()).collect();
    assert!(failed.is_empty(), "{failed:#?}");
}

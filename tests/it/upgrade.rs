//! A new build of the worker takes over from the one before it while guests are in house.

use crate::harness::{
    house::{House, stay},
    until,
};
use lock_domain::ids::stay_workflow_id;
use lock_worker::{connection, versions};
use serde_json::json;
use std::time::Duration;
use temporalio_client::{Client, ClientOptions, UntypedWorkflow, WorkflowFetchHistoryOptions};
use temporalio_common::protos::temporal::api::history::v1::history_event::Attributes;

const DEPLOYMENT: &str = "lock";

/// Starts this build beside the one that runs, waits until the work is its, and stops the old one.
async fn roll(house: House, build: &'static str) -> House {
    let address = house.deployment.stack.temporal_address().to_owned();
    let temporal = connection(&address, "tests").await.unwrap();
    let (sender, started) = tokio::sync::oneshot::channel();
    let house = house
        .blocking(move |d| {
            d.services.set_env("LOCK_DEPLOYMENT", DEPLOYMENT);
            d.services.set_env("LOCK_SET_CURRENT", "true");
            d.services.set_env("LOCK_BUILD_ID", build);
            let next = d.services.start_worker_as(&format!("lock-worker-{build}"), None).unwrap();
            let _ = sender.send(std::mem::replace(&mut d.worker, next));
        })
        .await;
    until(&format!("{build} is current"), Duration::from_secs(60), || async {
        match versions::current(&temporal, "default", DEPLOYMENT).await {
            Ok(Some(current)) if current == build => Ok(()),
            other => Err(format!("{other:?}")),
        }
    })
    .await;
    let mut old = started.await.unwrap();
    tokio::task::spawn_blocking(move || assert!(old.terminate().unwrap(), "drains and ends by itself")).await.unwrap();
    house
}

/// The builds that wrote a stay's history, one after another.
#[allow(deprecated, reason = "the only field in which the server tells the build of a worker without a deployment")]
async fn builds(house: &House, reservation: &str) -> Vec<String> {
    let text = |name: &str| house.deployment.sandbox[name].as_str().unwrap().to_owned();
    let (tenant, property) = (text("tenant").parse().unwrap(), text("property").parse().unwrap());
    let id = stay_workflow_id(tenant, property, &reservation.parse().unwrap());
    let temporal = connection(house.deployment.stack.temporal_address(), "tests").await.unwrap();
    let client = Client::new(temporal, ClientOptions::new("default".to_owned()).build()).unwrap();
    let run = client.get_workflow_handle::<UntypedWorkflow>(id);
    let events = run.fetch_history(WorkflowFetchHistoryOptions::default()).into_events().await.unwrap();
    let mut builds: Vec<String> = Vec::new();
    for event in events {
        let Some(Attributes::WorkflowTaskCompletedEventAttributes(done)) = event.attributes else { continue };
        let version = done.deployment_version.map(|version| version.build_id);
        builds.push(version.or(done.worker_version.map(|stamp| stamp.build_id)).expect("every task names its build"));
    }
    builds.dedup();
    builds
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn stays_in_house_go_over_to_the_next_build() {
    let house = House::open().await;
    // The first worker takes part in no deployment: that is how everybody begins.
    house.pms.post("stays?wait=20", stay("FIRST", "101")).await.expect(201);
    let house = roll(house, "v1").await;
    house.pms.post("stays?wait=20", stay("SECOND", "102")).await.expect(201);
    house.pms.verb("FIRST", "duplicate", json!({})).await.expect(200);
    let house = roll(house, "v2").await;

    for reservation in ["FIRST", "SECOND"] {
        assert_eq!(house.pms.stay(reservation).await["phase"], "active", "nothing was dropped");
        house.pms.verb(reservation, "check-out", json!({})).await.expect(200);
        house.pms.phase(reservation, "ended").await;
    }
    assert_eq!(house.sim_get("/sim/credentials").await, json!([]));
    let first = builds(&house, "FIRST").await;
    assert!(first[0].starts_with(env!("CARGO_PKG_VERSION")), "{first:?}");
    assert_eq!(first[1..], ["v1", "v2"]);
    assert_eq!(builds(&house, "SECOND").await, ["v1", "v2"]);
    house.close().await;
}

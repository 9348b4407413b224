//! Runs of the contract suite: settled once, one incident at a time, accepted or restored.

use crate::{
    cluster::TestDb,
    world::{World, noon},
};
use futures::future::join_all;
use jiff::SignedDuration;
use lock_domain::{
    contract::{Check, CheckOutcome, Facts, IncidentState, Report},
    ids::IncidentId,
};
use lock_store::{ContractRun, ContractSettings, ContractVerdict, NoReport};
use uuid::Uuid;

fn report(name: &str) -> Report {
    let facts = |value: &str| Facts::from([("name".to_owned(), value.to_owned())]);
    let outcome = if name == "ours" { CheckOutcome::Passed } else { CheckOutcome::Failed };
    let check = Check { name: "create".to_owned(), outcome, expected: facts("ours"), seen: facts(name), took_ms: 3 };
    Report { vendor: "ttlock".to_owned(), suite: 1, checks: vec![check] }
}

fn run(world: &World, n: u128, report: Option<Report>) -> ContractRun {
    let at = noon() + SignedDuration::from_hours(i64::try_from(n).unwrap());
    let report = report.ok_or(NoReport::Away);
    ContractRun { run: Uuid::from_u128(n), property: world.property, vendor: "ttlock".to_owned(), at, report }
}

async fn settle(world: &World, run: &ContractRun) -> ContractVerdict {
    let mut tx = world.tx().await;
    let verdict = tx.settle_contract_run(run).await.unwrap();
    tx.commit().await.unwrap();
    verdict
}

/// A row in each of this part's tables.
pub(crate) async fn fill(world: &World) {
    settle(world, &run(world, world.property.as_uuid().as_u128() % 1000, Some(report("ours")))).await;
    settle(world, &run(world, world.property.as_uuid().as_u128() % 1000 + 1000, Some(report("another")))).await;
}

async fn incidents(world: &World) -> Vec<(IncidentId, IncidentState, u32)> {
    let all = world.tx().await.incidents(None, 10, None).await.unwrap();
    all.into_iter().map(|incident| (incident.id, incident.state, incident.runs)).collect()
}

#[tokio::test]
async fn r_lock_02_a_drift_is_one_incident_until_it_is_over() {
    let db = TestDb::new().await;
    let world = World::new(&db).await;
    assert_eq!(settle(&world, &run(&world, 1, Some(report("ours")))).await, ContractVerdict::Adopted);
    assert_eq!(settle(&world, &run(&world, 2, Some(report("ours")))).await, ContractVerdict::Same);
    let drifted = run(&world, 3, Some(report("another")));
    assert_eq!(settle(&world, &drifted).await, ContractVerdict::Drift);
    assert_eq!(settle(&world, &drifted).await, ContractVerdict::Drift);
    let [(id, IncidentState::Open, 1)] = incidents(&world).await[..] else { panic!("one run, told twice") };
    assert_eq!(settle(&world, &run(&world, 4, None)).await, ContractVerdict::Away);
    assert_eq!(settle(&world, &run(&world, 5, Some(report("another")))).await, ContractVerdict::Drift);
    assert_eq!(incidents(&world).await, [(id, IncidentState::Open, 2)]);
    assert_eq!(settle(&world, &run(&world, 6, Some(report("ours")))).await, ContractVerdict::Restored);
    assert_eq!(incidents(&world).await, [(id, IncidentState::Restored, 2)]);
    let mut tx = world.tx().await;
    assert!(!tx.accept_incident(id, world.api_key, noon()).await.unwrap(), "it is over");
    let kinds: Vec<_> = tx.events_after(None, 100, None).await.unwrap().into_iter().map(|event| event.kind).collect();
    assert_eq!(kinds, ["vendor.contract_drift.v1", "vendor.contract_restored.v1"]);
}

#[tokio::test]
async fn r_lock_02_what_is_accepted_is_expected_from_then_on() {
    let db = TestDb::new().await;
    let world = World::new(&db).await;
    settle(&world, &run(&world, 1, Some(report("ours")))).await;
    settle(&world, &run(&world, 2, Some(report("another")))).await;
    let [(id, ..)] = incidents(&world).await[..] else { panic!("one incident") };
    let mut tx = world.tx().await;
    assert!(tx.accept_incident(id, world.api_key, noon()).await.unwrap());
    tx.commit().await.unwrap();
    let accepted = world.tx().await.incident(id).await.unwrap().unwrap();
    assert_eq!((accepted.state, accepted.accepted_by), (IncidentState::Accepted, Some(world.api_key)));
    assert_eq!(settle(&world, &run(&world, 3, Some(report("another")))).await, ContractVerdict::Same);
    assert_eq!(settle(&world, &run(&world, 4, Some(report("ours")))).await, ContractVerdict::Drift);
    assert_eq!(incidents(&world).await.len(), 2);
}

/// A run of two checks, the second of which may be skipped.
fn two(create: &str, change: Option<&str>) -> Report {
    let mut both = report(create);
    let skipped = CheckOutcome::Skipped { reason: "not now".to_owned() };
    let mut second = change.map_or_else(
        || Check { outcome: skipped, expected: Facts::new(), seen: Facts::new(), ..both.checks[0].clone() },
        |name| report(name).checks.remove(0),
    );
    second.name = "change".to_owned();
    both.checks.push(second);
    both
}

#[tokio::test]
async fn r_lock_02_what_was_skipped_at_first_is_told_when_it_fails_and_learnt_when_it_is_well() {
    let db = TestDb::new().await;
    let world = World::new(&db).await;
    let settled = async |n, report| settle(&world, &run(&world, n, Some(report))).await;
    assert_eq!(settled(1, two("ours", None)).await, ContractVerdict::Adopted);
    assert_eq!(settled(2, two("ours", Some("another"))).await, ContractVerdict::Drift);
    let [(id, IncidentState::Open, 1)] = incidents(&world).await[..] else { panic!("one incident") };
    assert_eq!(settled(3, two("ours", None)).await, ContractVerdict::Silent, "nobody knows whether it is over");
    assert_eq!(incidents(&world).await, [(id, IncidentState::Open, 1)]);
    assert_eq!(settled(4, two("ours", Some("ours"))).await, ContractVerdict::Restored);
    assert_eq!(settled(5, two("ours", None)).await, ContractVerdict::Silent, "it spoke before");
    assert_eq!(settled(6, two("ours", Some("ours"))).await, ContractVerdict::Same);
    let mut odd = two("ours", Some("ours"));
    odd.checks[1].seen.insert("pin".to_owned(), "none".to_owned());
    assert_eq!(settled(7, odd).await, ContractVerdict::Drift, "it is compared like the rest");
}

#[tokio::test]
async fn r_lock_02_accepting_a_run_forgets_nothing_that_it_was_silent_about() {
    let db = TestDb::new().await;
    let world = World::new(&db).await;
    let settled = async |n, report| settle(&world, &run(&world, n, Some(report))).await;
    assert_eq!(settled(1, two("ours", Some("ours"))).await, ContractVerdict::Adopted);
    assert_eq!(settled(2, two("another", None)).await, ContractVerdict::Drift);
    let [(id, ..)] = incidents(&world).await[..] else { panic!("one incident") };
    let mut tx = world.tx().await;
    assert!(tx.accept_incident(id, world.api_key, noon()).await.unwrap());
    tx.commit().await.unwrap();
    assert_eq!(settled(3, two("another", Some("ours"))).await, ContractVerdict::Same);
    assert_eq!(settled(4, two("another", None)).await, ContractVerdict::Silent);
    let mut odd = two("another", Some("ours"));
    odd.checks[1].seen.insert("pin".to_owned(), "none".to_owned());
    assert_eq!(settled(5, odd).await, ContractVerdict::Drift);
}

#[tokio::test]
async fn r_lock_02_of_many_who_tell_at_once_one_opens_the_incident() {
    let db = TestDb::new().await;
    let world = World::with_connections(&db, 10).await;
    settle(&world, &run(&world, 1, Some(report("ours")))).await;
    let runs: Vec<_> = (2..10).map(|n| run(&world, n, Some(report("another")))).collect();
    let verdicts = join_all(runs.iter().map(|run| settle(&world, run))).await;
    assert!(verdicts.iter().all(|verdict| *verdict == ContractVerdict::Drift));
    assert_eq!(incidents(&world).await.len(), 1);
    assert_eq!(incidents(&world).await[0].2, 8);
    let events = world.tx().await.events_after(None, 100, None).await.unwrap();
    assert_eq!(events.len(), 1);
}

#[tokio::test]
async fn r_lock_02_nights_that_settle_nothing_are_counted_whatever_the_reason() {
    let db = TestDb::new().await;
    let world = World::new(&db).await;
    let settings = ContractSettings { lock: "1001".to_owned(), encoder: None };
    let mut tx = world.tx().await;
    tx.set_contract(world.property, Some(&settings)).await.unwrap();
    tx.commit().await.unwrap();
    let silence = async || world.tx().await.contract_silence().await.unwrap();
    let told = |runs| vec![("ttlock".to_owned(), runs)];
    assert_eq!(silence().await, told(0), "nothing was tried yet");
    let untried = ContractRun { report: Err(NoReport::Untried), ..run(&world, 1, None) };
    assert_eq!(settle(&world, &untried).await, ContractVerdict::Untried);
    assert_eq!(settle(&world, &untried).await, ContractVerdict::Untried);
    assert_eq!(settle(&world, &run(&world, 2, None)).await, ContractVerdict::Away);
    assert_eq!(silence().await, told(2), "also before any was well");
    settle(&world, &run(&world, 3, Some(two("ours", Some("ours"))))).await;
    assert_eq!(silence().await, told(0));
    settle(&world, &run(&world, 4, Some(two("ours", None)))).await;
    settle(&world, &run(&world, 5, None)).await;
    assert_eq!(silence().await, told(2));
    let mut tx = world.tx().await;
    tx.set_contract(world.property, None).await.unwrap();
    assert_eq!(tx.contract_silence().await.unwrap(), []);
}

#[tokio::test]
async fn only_sandboxes_that_are_set_up_are_checked() {
    let db = TestDb::new().await;
    let world = World::new(&db).await;
    let settings = ContractSettings { lock: "1001".to_owned(), encoder: None };
    let mut tx = world.tx().await;
    assert_eq!(tx.contract_targets().await.unwrap(), []);
    tx.set_contract(world.property, Some(&settings)).await.unwrap();
    let live = tx.property(world.property).await.unwrap().unwrap().live;
    let targets = tx.contract_targets().await.unwrap();
    assert_eq!(targets.len(), usize::from(!live));
    assert_eq!(tx.contract_settings(world.property).await.unwrap(), (!live).then_some(settings));
    tx.set_contract(world.property, None).await.unwrap();
    assert_eq!(tx.contract_targets().await.unwrap(), []);
}

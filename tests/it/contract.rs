//! The nightly check of a vendor's contract from outside: a schedule, a drift, an incident, and its end.

use crate::harness::{Hotel, shared, temporal::StayRun, until};
use jiff::Timestamp;
use lock_domain::{
    contract::{Check, CheckOutcome, Facts, Report},
    ids::IncidentId,
};
use lock_sim::ttlock::{FaultKind, FaultOrder};
use lock_store::{ContractRun, NoReport};
use lock_worker::nightly::Nightly;
use lock_workflows::ContractStart;
use reqwest::Method;
use serde_json::{Value, json};
use std::time::Duration;
use temporalio_client::{
    Client,
    schedules::{ScheduleOverlapPolicy, TriggerScheduleOptions},
};
use uuid::Uuid;

impl Hotel {
    /// An open incident that no check has to be run for.
    pub async fn incident(&self) -> IncidentId {
        let facts = |value: &str| Facts::from([("name".to_owned(), value.to_owned())]);
        let check = Check {
            name: "create".to_owned(),
            outcome: CheckOutcome::Failed,
            expected: facts("ours"),
            seen: facts("another"),
            took_ms: 1,
        };
        let report = Report { vendor: "ttlock".to_owned(), suite: 1, checks: vec![check] };
        let (property, vendor) = (self.property, "ttlock".to_owned());
        let run = ContractRun { run: Uuid::new_v4(), property, vendor, at: Timestamp::now(), report: Ok(report) };
        let mut tx = self.store.tenant(self.tenant).await.unwrap();
        tx.settle_contract_run(&run).await.unwrap();
        let incident = tx.incidents(None, 1, None).await.unwrap().remove(0).id;
        tx.commit().await.unwrap();
        incident
    }
}

/// The night's check of one hotel, on order.
pub struct Night<'a> {
    hotel: &'a Hotel,
    client: Client,
    schedule: String,
}

impl<'a> Night<'a> {
    pub async fn of(hotel: &'a Hotel) -> Self {
        let body = json!({ "lock": hotel.lock("104").to_string() });
        let body = Some(body.to_string().into_bytes());
        let key = Uuid::new_v4().to_string();
        hotel.pms.send(Method::PUT, "contract-check", Some(&key), body).await.expect(200);
        let keys = shared().keys(&hotel.store);
        let address = shared().stack.temporal_address();
        let client = lock_worker::connect(address, "default", &keys, "tests").await.unwrap();
        // What a worker does when it starts, twice: another one does so, too.
        for _ in 0..2 {
            Nightly::default().see_to(&client, &hotel.store).await.unwrap();
        }
        let start = ContractStart { tenant: hotel.tenant, property: hotel.property, vendor: "ttlock".to_owned() };
        Self { hotel, client, schedule: start.schedule_id() }
    }

    async fn runs(&self) -> Vec<String> {
        let mut db = crate::harness::invariants::owner().await;
        let sql = "SELECT verdict FROM contract_runs WHERE tenant_id = $1 ORDER BY at";
        sqlx::query_scalar(sql).bind(self.hotel.tenant.as_uuid()).fetch_all(&mut db).await.unwrap()
    }

    /// Triggers the schedule, and tells what came of it.
    pub async fn falls(&self) -> String {
        let before = self.runs().await.len();
        let schedule = self.client.get_schedule_handle(self.schedule.clone());
        schedule.trigger(ScheduleOverlapPolicy::BufferOne, TriggerScheduleOptions::default()).await.unwrap();
        until("the night's check is settled", Duration::from_secs(90), || async {
            let runs = self.runs().await;
            runs.get(before).cloned().ok_or(runs)
        })
        .await
    }

    /// The workflow of the latest night.
    pub async fn workflow(&self) -> StayRun {
        let schedule = self.client.get_schedule_handle(self.schedule.clone());
        let told = schedule.describe(Default::default()).await.unwrap();
        let latest = told.recent_actions().pop().expect("a night");
        StayRun::of_workflow(self.hotel, latest.workflow_id).await
    }

    async fn incidents(&self) -> Vec<Value> {
        let page = self.hotel.pms.get("/v1/incidents").await.expect(200).body;
        page["incidents"].as_array().unwrap().clone()
    }
}

#[tokio::test]
async fn r_lock_02_a_vendor_that_changes_its_answers_opens_one_incident_until_it_is_back() {
    let hotel = Hotel::open().await;
    let night = Night::of(&hotel).await;
    let told = night.client.get_schedule_handle(night.schedule.clone()).describe(Default::default()).await.unwrap();
    assert!(!told.future_action_times().is_empty(), "it runs every night");
    assert_eq!(night.falls().await, "adopted");
    assert_eq!(night.falls().await, "same");
    assert!(night.incidents().await.is_empty());
    assert!(hotel.codes().is_empty(), "nothing is left in the test lock");

    hotel.sim.sim().add_fault(FaultOrder::always("keyboardPwd/change", FaultKind::WrongTypes));
    hotel.sim.sim().add_fault(FaultOrder::always("keyboardPwd/add", FaultKind::Renamed));
    assert_eq!(night.falls().await, "drift");
    assert_eq!(night.falls().await, "drift");
    let [incident] = &night.incidents().await[..] else { panic!("one incident") };
    assert_eq!((&incident["state"], &incident["runs"]), (&json!("open"), &json!(2)), "{incident:#}");
    let differences = incident["differences"].as_array().unwrap();
    let named = |field: &str, kind: &str| differences.iter().any(|d| d["field"] == field && d["kind"] == kind);
    assert!(named("keyboardPwd/add keyboardPwdId", "removed"), "{incident:#}");
    assert!(named("keyboardPwd/add keyboardPwdIdV4", "added"), "{incident:#}");
    assert!(differences.iter().any(|d| d["check"] == "create" && d["field"] == "outcome" && d["seen"] == "failed"));
    let id = incident["id"].as_str().unwrap();
    assert_eq!(&hotel.pms.get(&format!("/v1/incidents/{id}")).await.expect(200).body, incident);

    hotel.sim.sim().clear_faults();
    assert_eq!(night.falls().await, "restored");
    let over = hotel.pms.get(&format!("/v1/incidents/{id}")).await.expect(200).body;
    assert_eq!(over["state"], "restored", "{over:#}");
    hotel.pms.post(&format!("/v1/incidents/{id}/accept"), json!({})).await.problem(409, "incident_over");
    let events = hotel.pms.get("/v1/events").await.expect(200).body;
    let kinds: Vec<&str> = events["events"].as_array().unwrap().iter().filter_map(|e| e["type"].as_str()).collect();
    assert_eq!(kinds, ["vendor.contract_drift.v1", "vendor.contract_restored.v1"]);
    assert!(hotel.codes().is_empty(), "nothing is left in the test lock: {:?}", hotel.codes());
}

/// The largest value of a gauge that the worker tells for a vendor.
async fn gauge(name: &str, vendor: &str) -> f64 {
    let text = reqwest::get(format!("{}/metrics", shared().worker_metrics)).await.unwrap().text().await.unwrap();
    let of = |line: &str| {
        let (labels, value) = line.strip_prefix(name)?.rsplit_once(' ')?;
        labels.contains(&format!("vendor=\"{vendor}\"")).then(|| value.parse::<f64>().unwrap())
    };
    text.lines().filter_map(of).fold(0.0, f64::max)
}

#[tokio::test]
async fn r_lock_02_nights_on_which_the_vendor_is_away_are_on_the_gauge_that_alerts() {
    let hotel = Hotel::open().await;
    let night = Night::of(&hotel).await;
    let settle = async |report: Result<Report, NoReport>| {
        let (property, vendor) = (hotel.property, "ttlock".to_owned());
        let run = ContractRun { run: Uuid::new_v4(), property, vendor, at: Timestamp::now(), report };
        let mut tx = hotel.store.tenant(hotel.tenant).await.unwrap();
        tx.settle_contract_run(&run).await.unwrap();
        tx.commit().await.unwrap();
        // What a worker does every ten minutes.
        night_watch(&night).await;
        gauge("lock_contract_runs_unsettled", "ttlock").await
    };
    // Other tests have nights, too, but no three in a row that settle nothing.
    for n in 1..=3 {
        let told = settle(Err(NoReport::Away)).await;
        assert!(told >= f64::from(n), "{told} after {n} nights");
        assert_eq!(told > 2.0, n > 2, "the alert's threshold");
    }
    let check = Check {
        name: "create".to_owned(),
        outcome: CheckOutcome::Passed,
        expected: Facts::new(),
        seen: Facts::new(),
        took_ms: 1,
    };
    let told = settle(Ok(Report { vendor: "ttlock".to_owned(), suite: 1, checks: vec![check] })).await;
    assert!(told <= 2.0, "{told}");
}

async fn night_watch(night: &Night<'_>) {
    until("it is told", Duration::from_secs(30), || async {
        // Another test's tenant may refuse its key just now; then nothing is told.
        Nightly::default().see_to(&night.client, &night.hotel.store).await.map_err(|error| error.to_string())
    })
    .await;
}

#[tokio::test]
async fn r_lock_02_what_a_person_accepts_is_expected_from_then_on() {
    let hotel = Hotel::open().await;
    let night = Night::of(&hotel).await;
    assert_eq!(night.falls().await, "adopted");
    // Texts for numbers: the adapter takes them, and nobody would have noticed.
    hotel.sim.sim().add_fault(FaultOrder::always("keyboardPwd/delete", FaultKind::Renamed));
    assert_eq!(night.falls().await, "drift");
    let [incident] = &night.incidents().await[..] else { panic!("one incident") };
    assert!(incident["differences"].as_array().unwrap().iter().all(|d| d["check"] == "answers"), "{incident:#}");
    let path = format!("/v1/incidents/{}/accept", incident["id"].as_str().unwrap());
    let accepted = hotel.pms.post_as(&path, "k1", json!({})).await.expect(200).body;
    assert_eq!(accepted["state"], "accepted");
    assert_eq!(
        hotel.pms.post_as(&path, "k1", json!({})).await.expect(200).header("idempotency-replayed"),
        Some("true")
    );
    assert_eq!(hotel.pms.post(&path, json!({})).await.expect(200).body, accepted, "twice is no more than once");
    assert_eq!(night.falls().await, "same");
    hotel.pms.get("/v1/incidents/inc_00000000000000000000000000000000").await.problem(404, "not_found");
}

#[tokio::test]
async fn r_lock_02_a_vendor_that_is_down_breaks_no_contract_and_a_live_property_is_never_tried() {
    let hotel = Hotel::open().await;
    let live = hotel.another_property(true).await;
    let key = Uuid::new_v4().to_string();
    let body = Some(br#"{"lock":"1"}"#.to_vec());
    let path = format!("/v1/properties/{live}/contract-check");
    let refused = hotel.pms.send(Method::PUT, &path, Some(&key), body).await.problem(422, "invalid_field");
    assert_eq!(refused.body["field"], "lock");
    let night = Night::of(&hotel).await;
    hotel.sim.sim().add_fault(FaultOrder::always("*", FaultKind::Down));
    let schedule = night.client.get_schedule_handle(night.schedule.clone());
    schedule.trigger(ScheduleOverlapPolicy::BufferOne, TriggerScheduleOptions::default()).await.unwrap();
    let asked = || hotel.sim.sim().stats().calls.values().sum::<u64>();
    until("the vendor was asked", Duration::from_secs(60), || async {
        if asked() > 0 { Ok(()) } else { Err(asked()) }
    })
    .await;
    assert!(night.incidents().await.is_empty());
    // Nobody wants it any more: the schedule goes, and a run that is waiting will find nothing to do.
    let key = Uuid::new_v4().to_string();
    hotel.pms.send(Method::PUT, "contract-check", Some(&key), Some(b"{}".to_vec())).await.expect(200);
    until("the schedule is gone", Duration::from_secs(30), || async {
        // Temporal's list of schedules is a little late.
        Nightly::default().see_to(&night.client, &hotel.store).await.unwrap();
        if schedule.describe(Default::default()).await.is_err() { Ok(()) } else { Err("it stands") }
    })
    .await;
}

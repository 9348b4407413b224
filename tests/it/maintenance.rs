//! Devices from outside: clocks that drift, batteries, links; what is told of them, what people are asked for, and what is set by itself.
//!
//! The shared worker begins no maintenance loop by itself; a test begins its hotel's by asking for a look, or by a record of a door.

use crate::harness::{
    Hotel,
    faults::{self, Mode},
    histories::walked,
    invariants, shared,
    temporal::StayRun,
    until,
};
use futures::{StreamExt as _, stream};
use jiff::{SignedDuration, Timestamp};
use lock_activities::maintenance::Waker as _;
use lock_api::scope::Scope;
use lock_domain::{device::TaskReason, policy::StayPolicy};
use lock_sim::ttlock::{CallbackOrder, FaultKind, FaultOrder, GatewayPatch, LockPatch};
use lock_store::{DeviceKind, DeviceRef};
use lock_worker::maintenance::Loops;
use serde_json::{Value, json};
use std::time::Duration;
use temporalio_common::protos::temporal::api::enums::v1::EventType;

const LIMIT: Duration = Duration::from_secs(60);

async fn small() -> Hotel {
    Hotel::with(2, StayPolicy { retry_cap_s: 1, ..StayPolicy::default() }).await
}

/// A hotel with a lock of room 101 whose clock is off by so many seconds.
impl Hotel {
    fn skew(&self, room: &str, seconds: i64) {
        self.patch(room, LockPatch { skew_ms: Some(seconds * 1_000), ..LockPatch::default() });
    }

    fn patch(&self, room: &str, patch: LockPatch) {
        assert!(self.sim.sim().patch_lock(self.lock(room), &patch));
    }

    fn gateway(&self) -> i64 {
        self.sim.sim().gateways()[0].gateway_id
    }

    fn link(&self, online: bool) {
        let patch = GatewayPatch { online: Some(online), ..GatewayPatch::default() };
        assert!(self.sim.sim().patch_gateway(self.gateway(), &patch));
    }

    /// How far the lock's clock really is off, in seconds.
    fn real_drift(&self, room: &str) -> i64 {
        self.sim.sim().lock(self.lock(room)).unwrap().clock_error_ms / 1_000
    }

    async fn ask_for_a_look(&self) {
        self.pms.post("maintenance/run", json!({})).await.expect(202);
    }

    async fn devices(&self) -> Vec<Value> {
        self.pms.get("devices").await.expect(200).body["devices"].as_array().unwrap().clone()
    }

    pub async fn device(&self, room: &str) -> Value {
        let id = self.lock(room).to_string();
        self.devices().await.into_iter().find(|device| device["id"] == id.as_str()).unwrap()
    }

    pub async fn until_device(&self, room: &str, what: &str, fits: impl Fn(&Value) -> bool) -> Value {
        until(&format!("the lock of {room} {what}"), LIMIT, || async {
            let device = self.device(room).await;
            if fits(&device) { Ok(device) } else { Err(format!("{device:#}")) }
        })
        .await
    }

    /// Asks for a look, waits until gateways and locks have been looked at, and lets the loop's pause pass.
    pub async fn looked_at(&self) {
        let asked = Timestamp::now();
        self.ask_for_a_look().await;
        until("a look at everything", LIMIT, || async {
            let seen = self.seen_since(asked).await;
            if seen { Ok(()) } else { Err(format!("{:#?}", self.devices().await)) }
        })
        .await;
        let run = StayRun::of_devices(self).await;
        until("nothing is under way", LIMIT, || async {
            let raw = run.describe().await;
            if raw.pending_activities.is_empty() && raw.pending_workflow_task.is_none() { Ok(()) } else { Err(()) }
        })
        .await;
        run.skip(Duration::from_secs(61)).await;
    }

    /// Whether every lock's clock and the gateways have been looked at since.
    async fn seen_since(&self, since: Timestamp) -> bool {
        let sql = "SELECT count(*) FILTER (WHERE kind = 'lock' AND looked_at > $2) >= (SELECT count(*) FROM doors WHERE tenant_id = $1)
                   AND count(*) FILTER (WHERE kind = 'gateway' AND seen_at > $2) > 0 FROM device_states WHERE tenant_id = $1";
        let at = since.as_microsecond() as f64 / 1e6;
        let sql = sql.replace("$2", &format!("to_timestamp({at})"));
        let asked = sqlx::query_scalar(sqlx::AssertSqlSafe(sql)).bind(self.tenant.as_uuid());
        asked.fetch_one(&mut invariants::owner().await).await.unwrap()
    }

    /// What was told of devices, oldest first: the type's middle part and the payload.
    pub async fn told_of_devices(&self) -> Vec<(String, Value)> {
        let page = self.pms.get("/v1/events?limit=500").await.expect(200).body;
        let events = page["events"].as_array().unwrap().iter();
        let of = |event: &Value| {
            let kind = event["type"].as_str().unwrap().strip_prefix("device.")?.strip_suffix(".v1")?.to_owned();
            Some((kind, event["data"].clone()))
        };
        events.filter_map(of).collect()
    }

    /// How often something of a kind was told.
    pub async fn count_told(&self, what: &str, kind: &str) -> usize {
        let all = self.told_of_devices().await;
        all.iter().filter(|(told, data)| told == what && (data["kind"] == kind || data["reason"] == kind)).count()
    }

    pub async fn open_tasks(&self) -> Vec<Value> {
        self.pms.get("maintenance-tasks").await.expect(200).body["tasks"].as_array().unwrap().clone()
    }

    /// Something that a person has to do at room 101.
    pub async fn task(&self) -> String {
        let id = self.lock("101").to_string();
        let device = DeviceRef { property: self.property, vendor: "ttlock", kind: DeviceKind::Lock, id: &id };
        let mut tx = self.store.tenant(self.tenant).await.unwrap();
        let task = tx.open_task(device, None, TaskReason::NoGateway, Timestamp::now()).await.unwrap().unwrap();
        tx.commit().await.unwrap();
        task.to_string()
    }

    async fn records_come_in(&self) {
        let endpoint = self.pms.post("webhook-endpoints", json!({ "sender": "ttlock" })).await.expect(201).body;
        let url = Some(format!("{}{}", shared().api, endpoint["path"].as_str().unwrap()));
        self.sim.sim().set_callbacks(CallbackOrder { url, copies: 1, hold: false });
    }

    /// Of each time that a clock was set, how it ended.
    async fn syncs(&self) -> Vec<Option<String>> {
        let sql = "SELECT o.outcome FROM clock_syncs i LEFT JOIN clock_syncs o
                     ON o.tenant_id = i.tenant_id AND o.attempt_id = i.attempt_id AND o.phase = 'outcome'
                   WHERE i.tenant_id = $1 AND i.phase = 'intent' ORDER BY i.at";
        let asked = sqlx::query_scalar(sql).bind(self.tenant.as_uuid());
        asked.fetch_all(&mut invariants::owner().await).await.unwrap()
    }
}

fn is_right(device: &Value) -> bool {
    device["drift_s"].as_f64().is_some_and(|drift| drift.abs() < 5.0) && device["alerts"] == json!([])
}

#[tokio::test]
async fn r_lock_09_a_drift_is_found_by_asking_set_and_told() {
    let hotel = small().await;
    hotel.pms.check_in("R1", "101", 30).await.expect(201);
    let pin = hotel.pms.reveal("R1").await;
    hotel.skew("101", -420);
    assert!(!hotel.try_pin("101", &pin).opened, "seven minutes slow: more than the five that keys work early");
    hotel.ask_for_a_look().await;
    let device = hotel.until_device("101", "is right", is_right).await;
    assert!(device["summary"].as_str().unwrap().contains("clock is right"), "{device:#}");
    assert_eq!((hotel.real_drift("101"), hotel.syncs().await), (0, vec![Some("confirmed".to_owned())]));
    assert!(hotel.try_pin("101", &pin).opened);
    hotel.until_device("102", "was looked at", is_right).await;
    let told = hotel.told_of_devices().await;
    let [(alert, data), (over, _)] = &told[..] else { panic!("{told:#?}") };
    assert_eq!((alert.as_str(), over.as_str()), ("health_alert", "health_resolved"));
    assert_eq!((&data["kind"], &data["device"]), (&json!("clock_drift"), &json!(hotel.lock("101").to_string())));
    assert!((-422..=-418).contains(&data["drift_s"].as_i64().unwrap()), "{data}");
    assert_eq!(hotel.open_tasks().await, [] as [Value; 0]);
}

#[tokio::test]
async fn r_lock_09_a_doors_own_record_has_its_clock_set_at_once() {
    let hotel = small().await;
    hotel.records_come_in().await;
    // Fast: its record comes from the future, which proves it. Slow: a record that seems late is worth a question.
    for (room, seconds) in [("101", 400), ("102", -400)] {
        hotel.skew(room, seconds);
        assert!(!hotel.try_pin(room, "000000").opened);
        hotel.until_device(room, "is right", is_right).await;
        assert_eq!(hotel.real_drift(room), 0);
        let run = StayRun::of_devices(&hotel).await;
        run.at_rest().await;
    }
    assert_eq!(hotel.count_told("health_alert", "clock_drift").await, 2);
    assert_eq!(hotel.count_told("health_resolved", "clock_drift").await, 2);
    // The same records once more, and new ones of clocks that are right, wake nobody.
    let before = hotel.sim.sim().stats().calls.get("lock/queryDate").copied();
    let _ = (hotel.try_pin("101", "000001"), hotel.try_pin("102", "000001"));
    until("the records are stored", LIMIT, || async {
        let sql = "SELECT count(*) FROM door_records WHERE tenant_id = $1";
        let asked = sqlx::query_scalar(sql).bind(hotel.tenant.as_uuid());
        let stored: i64 = asked.fetch_one(&mut invariants::owner().await).await.unwrap();
        if stored == 4 { Ok(()) } else { Err(stored) }
    })
    .await;
    assert_eq!(hotel.sim.sim().stats().calls.get("lock/queryDate").copied(), before);
}

#[tokio::test]
async fn r_lock_09_what_cant_be_set_is_a_task_for_a_person_until_it_is_right() {
    let hotel = small().await;
    hotel.pms.check_in("R1", "101", 30).await.expect(201);
    hotel.records_come_in().await;
    let gateway = hotel.gateway();
    hotel.patch("101", LockPatch { gateway_id: Some(0), skew_ms: Some(600_000), ..LockPatch::default() });
    for pin in ["000000", "000001"] {
        let _ = hotel.try_pin("101", pin);
        // Somebody with the vendor's app comes by; no gateway does.
        assert!(hotel.sim.sim().carry_records(hotel.lock("101")));
    }
    let tasks = until("a task", LIMIT, || async {
        let tasks = hotel.open_tasks().await;
        if tasks.is_empty() { Err(format!("{:#?}", hotel.devices().await)) } else { Ok(tasks) }
    })
    .await;
    let [task] = &tasks[..] else { panic!("{tasks:#?}") };
    assert_eq!((&task["reason"], &task["door_name"]), (&json!("no_gateway"), &json!("Room 101")));
    assert!(task["next_action"].as_str().unwrap().contains("vendor's app"), "{task:#}");
    let stay = hotel.pms.stay("R1").await;
    let warning = stay["keys"][0]["credentials"][0]["clock"].as_str().unwrap_or_default().to_owned();
    assert!(warning.contains("10 min fast"), "{stay:#}");
    // Looking again, and being told again, opens nothing more.
    hotel.looked_at().await;
    assert_eq!((hotel.open_tasks().await.len(), hotel.count_told("health_alert", "clock_drift").await), (1, 1));
    assert_eq!(hotel.syncs().await, [] as [Option<String>; 0]);

    // Somebody says that he was there, twice, and was not: another look opens another task.
    let done = format!("maintenance-tasks/{}/done", task["id"].as_str().unwrap());
    let closed = hotel.pms.post_as(&done, "k1", json!({})).await.expect(200);
    assert!(closed.body["closed_by"].is_string(), "{:#}", closed.body);
    assert_eq!(
        hotel.pms.post_as(&done, "k1", json!({})).await.expect(200).header("idempotency-replayed"),
        Some("true")
    );
    assert_eq!(hotel.pms.post(&done, json!({})).await.expect(200).body, closed.body);
    assert_eq!(hotel.count_told("maintenance_task_closed", "no_gateway").await, 1);
    hotel.looked_at().await;
    assert_eq!(hotel.count_told("maintenance_task_opened", "no_gateway").await, 2);

    hotel.patch("101", LockPatch { gateway_id: Some(gateway), ..LockPatch::default() });
    hotel.looked_at().await;
    hotel.until_device("101", "is right", is_right).await;
    assert_eq!((hotel.open_tasks().await.len(), hotel.real_drift("101")), (0, 0));
    let all = hotel.pms.get("maintenance-tasks?closed=true").await.expect(200).body;
    let by: Vec<bool> = all["tasks"].as_array().unwrap().iter().map(|task| task["closed_by"].is_string()).collect();
    assert_eq!(by, [true, false], "by hand, and by itself: {all:#}");
    assert_eq!(hotel.pms.stay("R1").await["keys"][0]["credentials"][0]["clock"], Value::Null);
}

#[tokio::test]
async fn r_lock_09_a_sync_that_does_not_help_is_a_task_too() {
    let hotel = small().await;
    hotel.skew("101", 300);
    hotel.sim.sim().add_fault(FaultOrder::always("lock/updateDate", FaultKind::Errcode { n: -4043 }));
    hotel.looked_at().await;
    let tasks = hotel.open_tasks().await;
    assert_eq!((tasks.len(), &tasks[0]["reason"]), (1, &json!("sync_did_not_help")), "{tasks:#?}");
    assert_eq!(hotel.syncs().await, vec![Some("failed".to_owned()); 2]);
    assert!(hotel.device("101").await["drift_s"].as_f64().unwrap() > 290.0);
    hotel.sim.sim().clear_faults();
    hotel.looked_at().await;
    hotel.until_device("101", "is right", is_right).await;
    assert_eq!(hotel.open_tasks().await, [] as [Value; 0]);
}

#[tokio::test]
async fn r_lock_09_no_clock_is_asked_or_set_while_the_breaker_is_open() {
    let hotel = small().await;
    hotel.looked_at().await;
    let calls = |verb: &str| hotel.sim.sim().stats().calls.get(verb).copied().unwrap_or(0);
    let asked = || calls("lock/queryDate") + calls("lock/updateDate");
    let doors = hotel.store.tenant(hotel.tenant).await.unwrap().devices(hotel.property, None, 10).await.unwrap();
    let doors: Vec<_> = doors.into_iter().filter_map(|device| device.door).collect();
    hotel.skew("101", -420);
    hotel.force("open").await;
    let (before, run) = (asked(), StayRun::of_devices(&hotel).await);
    let looks = async || {
        let done = EventType::ActivityTaskCompleted;
        run.at_rest().await.iter().filter(|event| event.event_type() == done).count()
    };
    let looked = looks().await;
    // A batch that is on its way when the breaker opens: the loop is told of doors, as by their records.
    let keys = shared().keys(&hotel.store);
    let client = lock_worker::connect(shared().stack.temporal_address(), "default", &keys, "tests");
    Loops::new(client.await.unwrap()).wake(hotel.tenant, hotel.property, doors).await.unwrap();
    until("the batch is over", LIMIT, || async {
        let now = looks().await;
        if now > looked { Ok(()) } else { Err(now) }
    })
    .await;
    assert_eq!((asked(), hotel.syncs().await), (before, Vec::new()), "neither asked nor set");
    hotel.force("released").await;
    run.skip(Duration::from_secs(61)).await;
    hotel.ask_for_a_look().await;
    until("the clock is set", LIMIT, || async {
        let drift = hotel.real_drift("101");
        if drift == 0 { Ok(()) } else { Err(drift) }
    })
    .await;
}

#[tokio::test]
async fn r_lock_09_batteries_and_gateways_are_told_once_an_episode() {
    let hotel = small().await;
    let battery = |percent| hotel.patch("102", LockPatch { battery: Some(percent), ..LockPatch::default() });
    battery(15);
    hotel.link(false);
    hotel.looked_at().await;
    assert_eq!(hotel.count_told("health_alert", "battery_low").await, 1);
    assert_eq!(hotel.count_told("health_alert", "gateway_offline").await, 0, "it has only just gone");
    let tasks = hotel.open_tasks().await;
    assert_eq!((tasks.len(), &tasks[0]["reason"]), (1, &json!("battery_low")), "{tasks:#?}");
    // Twenty minutes later it is still gone; a battery that recovers a little is still low.
    let later = |minutes| (Timestamp::now() + SignedDuration::from_mins(minutes)).to_string();
    hotel.advance(&later(20)).await;
    battery(25);
    for _ in 0..2 {
        hotel.looked_at().await;
        let devices = hotel.devices().await;
        assert_eq!(devices[0]["alerts"][0]["kind"], "gateway_offline", "{devices:#?}");
    }
    // It comes for a moment, and again: the same episode.
    for online in [true, false, true] {
        hotel.link(online);
        hotel.looked_at().await;
    }
    assert_eq!(hotel.count_told("health_alert", "gateway_offline").await, 1);
    assert_eq!(hotel.count_told("health_resolved", "gateway_offline").await, 0);
    hotel.advance(&later(40)).await;
    battery(90);
    hotel.looked_at().await;
    for kind in ["gateway_offline", "battery_low"] {
        let counts = (hotel.count_told("health_alert", kind).await, hotel.count_told("health_resolved", kind).await);
        assert_eq!(counts, (1, 1), "{kind}: {:#?}", hotel.told_of_devices().await);
    }
    assert_eq!(hotel.open_tasks().await, [] as [Value; 0]);
}

#[tokio::test]
async fn r_lock_09_the_night_comes_by_itself() {
    let hotel = small().await;
    hotel.looked_at().await;
    let asked = hotel.sim.sim().stats().calls.get("lock/queryDate").copied();
    let run = StayRun::of_devices(&hotel).await;
    hotel.skew("102", -100);
    let begun = run.at_rest().await.len();
    // Less than the alert's limit: nothing urgent, so that it waits for the night.
    run.skip(Duration::from_secs(25 * 3600)).await;
    hotel.until_device("102", "is right", is_right).await;
    assert_eq!(hotel.real_drift("102"), 0);
    assert_eq!(hotel.told_of_devices().await, [], "no guest could have noticed");
    assert!(hotel.sim.sim().stats().calls.get("lock/queryDate").copied() > asked);
    let events = run.at_rest().await;
    let lasting = events.iter().filter(|event| !crate::harness::temporal::of_skipping(event)).count();
    let looks = events.iter().filter(|event| event.event_type() == EventType::ActivityTaskScheduled).count();
    println!("a day of two locks: {looks} activities, {lasting} history events, {begun} of them before");
    assert!(looks >= 24 && lasting <= looks * 12 + 5, "{looks} looks, {lasting} events");
}

#[tokio::test]
async fn a_look_costs_eleven_events_and_its_history_replays() {
    let hotel = Hotel::open().await;
    hotel.skew("103", 200);
    hotel.looked_at().await;
    let run = StayRun::of_devices(&hotel).await;
    let events = run.at_rest().await;
    let lasting = events.iter().filter(|event| !crate::harness::temporal::of_skipping(event)).count();
    // Start and signal, a survey, four locks in one batch, and the timer that it sleeps on.
    assert!(
        lasting <= 2 + 11 + 11 + 1,
        "{lasting} events: {:?}",
        events.iter().map(|e| e.event_type()).collect::<Vec<_>>()
    );
    walked(&run, "look", "WorkflowExecutionSignaledEvent").await;
}

#[tokio::test]
async fn two_days_of_looks_go_on_in_another_run_and_replay() {
    let hotel = small().await;
    hotel.looked_at().await;
    let run = StayRun::of_devices(&hotel).await;
    let id = async || run.describe().await.workflow_execution_info.unwrap().execution.unwrap().run_id;
    let first = id().await;
    let next = until("another run", LIMIT, || async {
        let now = id().await;
        if now == first { Err(run.events().await.len()) } else { Ok(()) }
    });
    // A skip is of one run, and is not told when another one takes over.
    tokio::select! {
        () = run.skip(Duration::from_secs(48 * 3600)) => panic!("two days in one run"),
        () = next => {}
    }
    walked(&run, "continued", "WorkflowExecutionContinuedAsNewEvent").await;
}

#[tokio::test]
async fn only_who_may_has_devices_looked_at() {
    let hotel = small().await;
    let desk = hotel.pms.with_token(hotel.token(&[Scope::StaysRead], None, None).await);
    desk.post("maintenance/run", json!({})).await.problem(403, "scope_missing");
    desk.get("devices").await.expect(200);
    let devices = hotel.pms.get("devices?limit=1").await.expect(200).body;
    let next = hotel.pms.get(&format!("devices?cursor={}", devices["next_cursor"].as_str().unwrap())).await.expect(200);
    assert_eq!(next.body["devices"].as_array().unwrap().len(), 1, "{:#}", next.body);
    let nobody = format!("maintenance-tasks/mt_{}/done", "0".repeat(32));
    hotel.pms.post(&nobody, json!({})).await.problem(404, "not_found");
}

/// Every activity of a look, in turn, refused, repeated, and lost with its worker.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn r_lock_09_every_step_of_a_look_may_fail_repeat_or_crash() {
    let walk = async |nth: usize, mode: Mode| {
        let hotel = small().await;
        faults::plan(hotel.tenant, nth, mode);
        hotel.skew("101", -420);
        hotel.ask_for_a_look().await;
        hotel.until_device("101", "is right", is_right).await;
        hotel.until_device("102", "was looked at", is_right).await;
        StayRun::of_devices(&hotel).await.at_rest().await;
        assert_eq!(hotel.real_drift("101"), 0);
        for what in ["health_alert", "health_resolved"] {
            assert_eq!(
                hotel.count_told(what, "clock_drift").await,
                1,
                "{nth} {mode:?}: {:#?}",
                hotel.told_of_devices().await
            );
        }
        let syncs = hotel.syncs().await;
        assert!(!syncs.is_empty() && syncs.iter().all(Option::is_some), "{nth} {mode:?}: {syncs:?}");
        faults::seen(hotel.tenant)
    };
    let (seen, _) = walk(usize::MAX, Mode::Fail).await;
    assert_eq!(seen, ["survey", "look_at_locks"]);
    let cases = (1..=seen.len()).flat_map(|nth| Mode::ALL.map(|mode| (nth, mode)));
    stream::iter(cases)
        .for_each_concurrent(6, |(nth, mode)| async move {
            let (_, hit) = walk(nth, mode).await;
            assert!(hit, "activity {nth} was to {mode:?}, and did not");
        })
        .await;
}

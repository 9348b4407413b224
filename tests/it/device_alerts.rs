//! Alarms of locks, and locks that keep dropping off, from outside: told once, and over when they are.

use crate::{
    harness::{Hotel, invariants, shared, until},
    salto_ks::House,
};
use jiff::{SignedDuration, Timestamp};
use lock_domain::policy::StayPolicy;
use lock_sim::ttlock::{CallbackOrder, FaultKind, FaultOrder, LockAlarm};
use lock_store::{DeviceKind, DeviceRef};
use serde_json::{Value, json};
use sqlx::Connection as _;
use std::time::Duration;

const LIMIT: Duration = Duration::from_secs(60);
/// `recordType`s of TTLock.
const FORCE: i64 = 29;
const TAMPER: i64 = 44;
const MINUTE_MS: i64 = 60_000;

async fn hotel(rooms: usize) -> Hotel {
    Hotel::with(rooms, StayPolicy { retry_cap_s: 1, ..StayPolicy::default() }).await
}

fn ago(minutes: i64) -> Timestamp {
    Timestamp::now() - SignedDuration::from_mins(minutes)
}

impl Hotel {
    fn alarm(&self, room: &str, record_type: i64, ago_ms: i64) {
        assert!(self.sim.sim().alarm(self.lock(room), LockAlarm { record_type, ago_ms }));
    }

    /// Records reach us by callbacks that each come so often.
    async fn called_back(&self, copies: u32) {
        let endpoint = self.pms.post("webhook-endpoints", json!({ "sender": "ttlock" })).await.expect(201).body;
        let url = Some(format!("{}{}", shared().api, endpoint["path"].as_str().unwrap()));
        self.sim.sim().set_callbacks(CallbackOrder { url, copies, hold: false });
    }

    async fn until_stored(&self, count: i64) {
        until(&format!("{count} records"), LIMIT, || async {
            let sql = "SELECT count(*) FROM door_records WHERE tenant_id = $1";
            let asked = sqlx::query_scalar(sql).bind(self.tenant.as_uuid());
            let stored: i64 = asked.fetch_one(&mut invariants::owner().await).await.unwrap();
            if stored == count { Ok(()) } else { Err(stored) }
        })
        .await;
    }

    async fn alerts(&self, room: &str) -> Vec<Value> {
        self.device(room).await["alerts"].as_array().unwrap().clone()
    }

    /// How often a kind of trouble was told, and how often that it is over.
    async fn told(&self, kind: &str) -> (usize, usize) {
        (self.count_told("health_alert", kind).await, self.count_told("health_resolved", kind).await)
    }
}

#[tokio::test]
async fn an_alarm_is_told_once_and_over_when_somebody_was_there() {
    let hotel = hotel(2).await;
    hotel.called_back(3).await;
    hotel.alarm("101", TAMPER, 0);
    let device = hotel.until_device("101", "is tampered with", |device| device["alerts"] != json!([])).await;
    let alert = &device["alerts"][0];
    assert_eq!((&alert["kind"], &alert["times"], &alert["last_at"]), (&json!("tampered"), &json!(1), &Value::Null));
    let tasks = hotel.open_tasks().await;
    assert_eq!((tasks.len(), &tasks[0]["reason"], &tasks[0]["door_name"]), (1, &json!("tampered"), &json!("Room 101")));
    let told = hotel.told_of_devices().await;
    let (_, data) = told.iter().find(|(kind, _)| kind == "health_alert").unwrap();
    assert_eq!((&data["kind"], &data["since"]), (&json!("tampered"), &alert["since"]), "{told:#?}");

    // Another one, each told three times: counted once, and nobody is told. Nor by a try in vain, after which all records are read again.
    hotel.alarm("101", FORCE, 0);
    hotel.until_stored(2).await;
    assert!(!hotel.try_pin("101", "000000").opened);
    hotel.until_stored(3).await;
    let alerts = hotel.alerts("101").await;
    assert_eq!(
        (alerts.len(), &alerts[0]["times"], &alerts[0]["since"]),
        (1, &json!(2), &alert["since"]),
        "{alerts:#?}"
    );
    assert!(alerts[0]["last_at"].as_str() > alerts[0]["since"].as_str(), "{alerts:#?}");
    assert_eq!((hotel.told("tampered").await, hotel.open_tasks().await.len()), ((1, 0), 1));
    assert_eq!(hotel.alerts("102").await, [] as [Value; 0]);

    // No reading ends it; somebody who was there does, however often he says so.
    hotel.looked_at().await;
    assert_eq!((hotel.told("tampered").await, hotel.open_tasks().await.len()), ((1, 0), 1));
    let done = format!("maintenance-tasks/{}/done", tasks[0]["id"].as_str().unwrap());
    for key in ["k1", "k1", "k2"] {
        hotel.pms.post_as(&done, key, json!({})).await.expect(200);
    }
    assert_eq!((hotel.told("tampered").await, hotel.open_tasks().await.len()), ((1, 1), 0));
    assert_eq!(hotel.count_told("maintenance_task_closed", "tampered").await, 1);
    assert_eq!(hotel.alerts("101").await, [] as [Value; 0]);

    // One from before he was there that is found only now is what he has seen. One from after it is another.
    hotel.alarm("101", TAMPER, 10 * MINUTE_MS);
    hotel.until_stored(4).await;
    assert_eq!((hotel.told("tampered").await, hotel.alerts("101").await.len()), ((1, 1), 0));
    hotel.alarm("101", TAMPER, 0);
    hotel.until_stored(5).await;
    let device = hotel.until_device("101", "is tampered with", |device| device["alerts"] != json!([])).await;
    assert_eq!((&device["alerts"][0]["kind"], &device["alerts"][0]["times"]), (&json!("tampered"), &json!(1)));
    assert_eq!(hotel.told("tampered").await, (2, 1));
}

#[tokio::test]
async fn an_alarm_that_is_a_day_old_is_kept_and_not_told() {
    let hotel = hotel(1).await;
    hotel.called_back(1).await;
    hotel.alarm("101", TAMPER, 25 * 60 * MINUTE_MS);
    hotel.until_stored(1).await;
    assert_eq!((hotel.told("tampered").await, hotel.open_tasks().await.len()), ((0, 0), 0));
    // The one that begins an episode says when it was, not when it was found.
    hotel.alarm("101", FORCE, 60 * MINUTE_MS);
    let device = hotel.until_device("101", "is tampered with", |device| device["alerts"] != json!([])).await;
    let since: Timestamp = device["alerts"][0]["since"].as_str().unwrap().parse().unwrap();
    assert!((59..=61).contains(&Timestamp::now().duration_since(since).as_mins()), "{device:#}");
}

#[tokio::test]
async fn r_lock_22_a_lock_that_falls_again_and_again_is_told_once_and_over_after_half_a_day() {
    let hotel = hotel(1).await;
    hotel.looked_at().await;
    // Three drops of this night, and one that a look meets.
    let id = hotel.lock("101").to_string();
    let lock = DeviceRef { property: hotel.property, vendor: "ttlock", kind: DeviceKind::Lock, id: &id };
    let mut tx = hotel.store.tenant(hotel.tenant).await.unwrap();
    assert!(tx.hold_device(lock).await.unwrap().is_some());
    tx.set_drops(lock, &[ago(300), ago(240), ago(180)]).await.unwrap();
    tx.commit().await.unwrap();
    let later = |minutes: i64| ago(-minutes).to_string();
    hotel.advance(&later(5)).await;
    let fault = FaultOrder::always("lock/queryDate", FaultKind::Errcode { n: -3036 });
    for _ in 0..2 {
        hotel.sim.sim().add_fault(fault.clone());
        hotel.looked_at().await;
        assert_eq!(hotel.device("101").await["online"], json!(false));
        assert_eq!(hotel.told("connection_flaky").await, (0, 0), "three, and one too young to be judged");
    }
    hotel.sim.sim().clear_faults();
    hotel.advance(&later(10)).await;
    for _ in 0..2 {
        hotel.looked_at().await;
        assert_eq!(hotel.told("connection_flaky").await, (1, 0), "{:#?}", hotel.told_of_devices().await);
    }
    let reasons = |tasks: Vec<Value>| tasks.into_iter().map(|task| task["reason"].clone()).collect::<Vec<_>>();
    assert!(reasons(hotel.open_tasks().await).contains(&json!("connection_flaky")));
    let told = hotel.told_of_devices().await;
    let (_, data) = told.iter().find(|(_, data)| data["kind"] == "connection_flaky").unwrap();
    let since: Timestamp = data["since"].as_str().unwrap().parse().unwrap();
    assert!((299..=301).contains(&Timestamp::now().duration_since(since).as_mins()), "the first that counts: {data}");

    hotel.advance(&later(13 * 60)).await;
    hotel.looked_at().await;
    assert_eq!(hotel.told("connection_flaky").await, (1, 1), "{:#?}", hotel.told_of_devices().await);
    assert!(!reasons(hotel.open_tasks().await).contains(&json!("connection_flaky")));
}

#[tokio::test]
async fn r_lock_22_of_a_house_only_the_lock_that_falls_alone_is_told() {
    let house = House::open().await;
    let worker = house.listening().await;
    // Five hours of today: the first lock falls by itself, two others with each other.
    for hour in 0..5 {
        for (which, minute) in [(0, 0), (1, 20), (2, 21)] {
            for (category, after) in [("lock_offline", 0), ("lock_online", 5)] {
                let at = ago(600 - 60 * hour - minute - after);
                house.server.sim().record(json!({
                    "id": format!("{which}-{hour}-{category}"), "lock_id": house.locks[which].1,
                    "utc_date_time": at.to_string(), "event_category": category,
                }));
            }
        }
    }
    until("all drops are noted", LIMIT, || async {
        let sql = "SELECT coalesce(array_agg(cardinality(drops) ORDER BY device_id), '{}') FROM device_states
                   WHERE tenant_id = $1 AND cardinality(drops) > 0";
        let asked = sqlx::query_scalar(sql).bind(house.site.tenant.as_uuid());
        let noted: Vec<i32> = asked.fetch_one(&mut invariants::owner().await).await.unwrap();
        if noted == [5, 5, 5] { Ok(()) } else { Err(noted) }
    })
    .await;
    assert_eq!(house.events_of("device.health_alert.v1").await, [] as [Value; 0], "the hourly look judges");
    house.site.pms.post("maintenance/run", json!({})).await.expect(202);
    let alerts = house.until_events("device.health_alert.v1", 1).await;
    assert_eq!(alerts[0]["data"]["kind"], "connection_flaky", "{alerts:#?}");
    assert_eq!(alerts[0]["data"]["device"], house.locks[0].1.as_str(), "{alerts:#?}");
    // Another look, of which a reading tells that it is over.
    house.site.pms.post("test-clock", json!({ "to": ago(-13 * 60).to_string() })).await.ok();
    house.site.pms.post("maintenance/run", json!({})).await.expect(202);
    let over = house.until_events("device.health_resolved.v1", 1).await;
    assert_eq!(over[0]["data"]["kind"], "connection_flaky", "{over:#?}");
    assert_eq!(house.events_of("device.health_alert.v1").await.len(), 1, "and of the others nobody is told");
    worker.stop().await;
}

#[tokio::test]
async fn an_alarm_that_a_stream_tells_is_an_alarm() {
    let house = House::open().await;
    let worker = house.listening().await;
    for _ in 0..2 {
        house.row("t1", "tamper_alarm");
    }
    let alerts = house.until_events("device.health_alert.v1", 1).await;
    assert_eq!(alerts[0]["data"]["kind"], "tampered", "{alerts:#?}");
    let tasks = house.site.pms.get("maintenance-tasks").await.expect(200).body["tasks"].clone();
    assert_eq!((tasks.as_array().unwrap().len(), &tasks[0]["reason"]), (1, &json!("tampered")), "{tasks:#}");
    house.row("t2", "intrusion");
    until("it is counted", LIMIT, || async {
        let devices = house.site.pms.get("devices").await.expect(200).body["devices"].clone();
        let alerts: Vec<_> = devices.as_array().unwrap().iter().filter_map(|d| d["alerts"].get(0)).cloned().collect();
        if alerts.len() == 1 && alerts[0]["times"] == 2 { Ok(()) } else { Err(alerts) }
    })
    .await;
    assert_eq!(house.events_of("device.health_alert.v1").await.len(), 1, "told once");
    worker.stop().await;
}

/// Whoever notes something of a lock and whoever ends its alarm take turns, so that no alarm falls between the two.
#[tokio::test]
async fn an_alarm_is_not_ended_while_another_may_be_being_noted() {
    let hotel = hotel(1).await;
    hotel.called_back(1).await;
    hotel.alarm("101", TAMPER, 0);
    hotel.until_device("101", "is tampered with", |device| device["alerts"] != json!([])).await;
    let done = format!("maintenance-tasks/{}/done", hotel.open_tasks().await[0]["id"].as_str().unwrap());
    let mut noting = invariants::owner().await;
    let pid: i32 = sqlx::query_scalar("SELECT pg_backend_pid()").fetch_one(&mut noting).await.unwrap();
    let mut noting = noting.begin().await.unwrap();
    let sql = "SELECT device_id FROM device_states WHERE tenant_id = $1 AND kind = 'lock' FOR NO KEY UPDATE";
    sqlx::query(sql).bind(hotel.tenant.as_uuid()).execute(&mut *noting).await.unwrap();
    let pms = hotel.pms.clone();
    let ending = tokio::spawn(async move { pms.post(&done, json!({})).await.expect(200) });
    until("the end waits", LIMIT, || async {
        let sql = "SELECT count(*) FROM pg_stat_activity WHERE $1 = ANY (pg_blocking_pids(pid))";
        let waiting: i64 = sqlx::query_scalar(sql).bind(pid).fetch_one(&mut invariants::owner().await).await.unwrap();
        if waiting > 0 { Ok(()) } else { Err(format!("ended: {}", ending.is_finished())) }
    })
    .await;
    assert_eq!(hotel.told("tampered").await, (1, 0));
    noting.commit().await.unwrap();
    ending.await.unwrap();
    assert_eq!((hotel.told("tampered").await, hotel.alerts("101").await.len()), ((1, 1), 0));
}

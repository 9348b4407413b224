//! Stays at SALTO KS: one user with one PIN opens all doors of a key, and the vendor makes the digits up. Proven at the simulated doors.

use crate::harness::{
    SetUp, Site, api,
    faults::{self, Mode},
    invariants, until,
};
use futures::{StreamExt as _, stream};
use jiff::{SignedDuration, Timestamp};
use lock_sim::salto_ks::{
    DEFAULT_CLIENT_ID, DEFAULT_CLIENT_SECRET, DEFAULT_PASSWORD, DEFAULT_USERNAME, FaultKind, FaultOrder, SeedSpec,
    SimHandle, SimServer,
};
use serde_json::{Value, json};
use std::time::Duration;

pub struct House {
    pub site: Site,
    pub server: SimHandle,
    pub locks: Vec<(String, String)>,
}

impl House {
    /// Rooms 101 to 103 and a front door.
    pub async fn open() -> Self {
        let server = SimServer::start(([127, 0, 0, 1], 0).into()).await.unwrap();
        let seeded = server.sim().seed(&SeedSpec {
            rooms: ["101", "102", "103", "Front"].map(str::to_owned).to_vec(),
            ..SeedSpec::default()
        });
        let locks: Vec<_> = seeded.locks.iter().map(|lock| (lock.name.clone(), lock.lock_id.clone())).collect();
        let (rooms, common) = (locks[..3].to_vec(), vec![locks[3].1.clone()]);
        let config = json!({
            "base_url": server.base_url(), "identity_url": server.base_url(), "site_id": seeded.site_id,
            "client_id": DEFAULT_CLIENT_ID, "username": DEFAULT_USERNAME, "settle_pause_ms": 10,
            "events_url": server.base_url(), "stream_pause_ms": 5,
        });
        let secrets = json!({ "client_secret": DEFAULT_CLIENT_SECRET, "password": DEFAULT_PASSWORD });
        let site = Site::open(SetUp { vendor: "salto_ks", config, secrets, rooms, common }).await;
        Self { site, server, locks }
    }

    pub fn opens(&self, door: &str, pin: &str) -> bool {
        let (_, lock) = self.locks.iter().find(|(name, _)| name == door).unwrap();
        self.server.sim().try_pin(lock, pin).unwrap().opened
    }

    fn guests(&self) -> usize {
        self.server.sim().guests().len()
    }

    pub async fn check_in(&self) -> Value {
        self.site.pms.check_in("R1", "101", 20).await.expect(201).body
    }

    fn once(&self, verb: &str, kind: FaultKind) {
        self.server.sim().add_fault(FaultOrder::times(verb, kind, 1));
    }
}

#[tokio::test]
async fn r_lock_13_a_stay_runs_on_salto_ks_from_check_in_to_check_out() {
    let house = House::open().await;
    let pms = &house.site.pms;
    let stay = house.check_in().await;
    assert_eq!(stay["phase"], "active", "{stay:#}");
    assert_eq!(stay["keys"][0]["credentials"].as_array().unwrap().len(), 2, "{stay:#}");
    let pin = pms.reveal("R1").await;
    assert!(house.opens("101", &pin) && house.opens("Front", &pin) && !house.opens("102", &pin));
    assert_eq!(house.guests(), 1, "one seat for all doors of a key");

    let later = Timestamp::now() + SignedDuration::from_hours(40);
    pms.verb("R1", "modify-stay", json!({ "until": later.to_string() })).await.ok();
    let guests = house.server.sim().guests();
    assert!(guests[0].expires_at.is_some_and(|at| at >= later.as_millisecond()), "{guests:?}");
    assert!(house.opens("101", &pin), "the dates change and the digits don't");

    // The new room opens by the same digits before the old one stops opening.
    let slow = FaultOrder::times("POST access_groups/{id}/users", FaultKind::Latency { ms: 700 }, 1);
    house.server.sim().add_fault(slow);
    let moving = pms.post("stays/R1/room-move", json!({ "room": "102" })).await.expect(202).body;
    until("the move is complete", Duration::from_secs(30), || async {
        let (old, new) = (house.opens("101", &pin), house.opens("102", &pin));
        assert!(old || new, "no moment without a working key");
        if !old && new { Ok(()) } else { Err((old, new)) }
    })
    .await;
    assert_eq!(pms.ended(&moving["operation"]).await, "done");
    assert!(house.opens("Front", &pin));
    assert_eq!(house.guests(), 1);

    let out = pms.verb("R1", "check-out", json!({})).await.ok().body;
    assert_eq!((out["phase"].as_str(), house.guests()), (Some("ended"), 0), "{out:#}");
    assert!(["101", "102", "Front"].iter().all(|door| !house.opens(door, &pin)));
}

#[tokio::test]
async fn more_keys_suspension_and_reissue_at_salto_ks() {
    let house = House::open().await;
    let pms = &house.site.pms;
    let stay = house.check_in().await;
    let first = pms.reveal("R1").await;
    pms.verb("R1", "duplicate", json!({})).await.ok();
    assert_eq!(house.guests(), 2);
    pms.verb("R1", "reissue", json!({ "key": stay["keys"][0]["id"] })).await.ok();
    assert!(!house.opens("101", &first) && house.guests() == 2, "the old digits open nothing");
    pms.verb("R1", "suspend", json!({})).await.ok();
    assert_eq!(house.guests(), 0);
    pms.verb("R1", "resume", json!({})).await.ok();
    assert_eq!(house.guests(), 2);
    pms.verb("R1", "read", json!({})).await.ok();
    pms.verb("R1", "check-out", json!({})).await.ok();
    assert_eq!(house.guests(), 0);
}

#[tokio::test]
async fn a_key_that_would_open_at_once_is_made_when_its_window_begins() {
    let house = House::open().await;
    let now = Timestamp::now();
    let (from, until) = (now + SignedDuration::from_hours(3), now + SignedDuration::from_hours(30));
    let body = json!({ "reservation": "R1", "room": "101", "from": from.to_string(), "until": until.to_string() });
    let stay = house.site.pms.post("stays?wait=20", body).await.expect(201).body;
    assert_eq!((stay["phase"].as_str(), house.guests()), (Some("planned"), 0), "{stay:#}");
}

#[tokio::test]
async fn so_it_is_when_the_dispatcher_begins_the_stay() {
    let house = House::open().await;
    let now = Timestamp::now();
    let (from, until) = (now + SignedDuration::from_hours(3), now + SignedDuration::from_hours(30));
    let body = json!({ "reservation": "R1", "room": "101", "from": from.to_string(), "until": until.to_string() });
    let deaf = house.site.pms.at(&api::deaf().await);
    let accepted = deaf.post("stays", body).await.expect(202).body;
    assert_eq!(house.site.pms.ended(&accepted["operation"]).await, "done");
    let stay = house.site.pms.stay("R1").await;
    assert_eq!((stay["phase"].as_str(), house.guests()), (Some("planned"), 0), "{stay:#}");
    assert!(stay["attention"].is_null(), "nothing was tried too early: {stay:#}");
}

#[tokio::test]
async fn r_lock_13_lost_answers_at_salto_ks_leave_one_key_whose_digits_open() {
    for verb in ["POST guests", "PUT users/{id}/pin", "POST access_groups/{id}/users", "DELETE users/{id}"] {
        let house = House::open().await;
        house.once(verb, FaultKind::ActThenDrop);
        house.site.pms.post("stays", body()).await.expect(202);
        house.site.pms.phase("R1", "active").await;
        let pin = house.site.pms.reveal("R1").await;
        assert!(house.opens("101", &pin) && house.opens("Front", &pin), "{verb}");
        assert_eq!(house.guests(), 1, "{verb}");
        house.site.pms.post("stays/R1/check-out", json!({})).await.ok();
        house.site.pms.phase("R1", "ended").await;
        assert!(house.guests() == 0 && !house.opens("101", &pin), "{verb}");
    }
}

#[tokio::test]
async fn a_room_move_whose_answer_gets_lost_keeps_the_digits() {
    let house = House::open().await;
    house.check_in().await;
    let pin = house.site.pms.reveal("R1").await;
    house.once("POST access_groups/{id}/users", FaultKind::ActThenDrop);
    let moved = house.site.pms.verb("R1", "room-move", json!({ "room": "102" })).await.ok().body;
    house.site.pms.ended(&moved["operation"]).await;
    assert!(house.opens("102", &pin) && !house.opens("101", &pin), "{moved:#}");
}

#[tokio::test]
async fn a_key_that_somebody_deleted_at_the_vendor_comes_back_with_digits_that_are_told() {
    let house = House::open().await;
    let pms = &house.site.pms;
    house.check_in().await;
    let first = pms.reveal("R1").await;
    house.server.sim().forget_guests();
    pms.verb("R1", "read", json!({})).await.ok();
    pms.phase("R1", "active").await;
    let second = until("other digits are there", Duration::from_secs(20), || async {
        let stay = pms.stay("R1").await;
        if stay["keys"][0]["pin_ready"] == true { Ok(pms.reveal("R1").await) } else { Err(stay.to_string()) }
    })
    .await;
    assert!(first != second && house.opens("101", &second) && house.opens("Front", &second));
    // A key that vanishes before a move is found out by the move.
    house.server.sim().forget_guests();
    pms.verb("R1", "room-move", json!({ "room": "102" })).await.ok();
    pms.phase("R1", "active").await;
    let third = pms.reveal("R1").await;
    assert!(house.opens("102", &third) && house.opens("Front", &third) && house.guests() == 1);
}

fn body() -> Value {
    let now = Timestamp::now();
    let until = now + SignedDuration::from_hours(20);
    json!({ "reservation": "R1", "room": "101", "from": now.to_string(), "until": until.to_string() })
}

/// Check-in, move and check-out, with each effect in turn refused, repeated and lost with its worker.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn r_lock_13_every_effect_at_salto_ks_may_fail_repeat_or_crash() {
    let cases = (1..=8).flat_map(|nth| Mode::ALL.map(|mode| (nth, mode)));
    stream::iter(cases)
        .for_each_concurrent(8, |(nth, mode)| async move {
            let house = House::open().await;
            faults::plan(house.site.tenant, nth, mode);
            let pms = &house.site.pms;
            pms.post("stays", body()).await.expect(202);
            pms.phase("R1", "active").await;
            let moving = pms.post("stays/R1/room-move", json!({ "room": "102" })).await.ok().body;
            assert_eq!(pms.ended(&moving["operation"]).await, "done");
            pms.phase("R1", "active").await;
            let pin = pms.reveal("R1").await;
            assert!(house.opens("102", &pin) && house.opens("Front", &pin), "{nth} {mode:?}");
            assert!(!house.opens("101", &pin) && house.guests() == 1, "{nth} {mode:?}");
            pms.post("stays/R1/check-out", json!({})).await.ok();
            pms.phase("R1", "ended").await;
            assert!(house.guests() == 0 && !house.opens("102", &pin), "{nth} {mode:?}");
            invariants::log_of(&house.site).await;
            let (seen, hit) = faults::seen(house.site.tenant);
            assert!(hit || (mode == Mode::Crash && seen[nth - 1] != "perform"), "{nth} {mode:?}: {seen:?}");
        })
        .await;
}

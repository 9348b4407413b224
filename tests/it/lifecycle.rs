//! The verbs, each through the API, each proven at the lock.

use crate::harness::{Hotel, until};
use jiff::{SignedDuration, Timestamp};
use lock_sim::ttlock::{FaultKind, FaultOrder};
use serde_json::json;
use std::time::Duration;

#[tokio::test]
async fn a_guest_checks_in_opens_the_door_and_checks_out() {
    let hotel = Hotel::open().await;
    let stay = hotel.pms.check_in("R1", "101", 20).await.expect(201).body;
    assert_eq!(stay["phase"], "active", "{stay:#}");
    let pin = hotel.pms.reveal("R1").await;
    assert!(hotel.try_pin("101", &pin).opened);
    assert!(!hotel.try_pin("102", &pin).opened);
    let out = hotel.pms.verb("R1", "check-out", json!({})).await.ok().body;
    assert_eq!((out["phase"].as_str(), out["ended_by"].as_str()), (Some("ended"), Some("checked_out")), "{out:#}");
    assert!(!hotel.try_pin("101", &pin).opened);
    assert!(hotel.codes().is_empty());
}

#[tokio::test]
async fn r_lock_09_keys_work_five_minutes_early() {
    let hotel = Hotel::open().await;
    let stay = hotel.pms.check_in("R1", "101", 20).await.expect(201).body;
    let window = |place: &str| -> (Timestamp, Timestamp) {
        let window = match place {
            "stay" => &stay["window"],
            _ => &stay["keys"][0]["credentials"][0]["effective"],
        };
        (window["from"].as_str().unwrap().parse().unwrap(), window["until"].as_str().unwrap().parse().unwrap())
    };
    let early = window("stay").0.duration_since(window("lock").0);
    assert!((300..360).contains(&early.as_secs()), "{early}");
    assert!(window("lock").1 >= window("stay").1);
}

#[tokio::test]
async fn duplicate_and_remove_leave_the_other_keys_alone() {
    let hotel = Hotel::open().await;
    hotel.pms.check_in("R1", "101", 20).await.expect(201);
    let first = hotel.pms.reveal("R1").await;
    let stay = hotel.pms.verb("R1", "duplicate", json!({})).await.ok().body;
    assert_eq!(stay["keys"].as_array().unwrap().len(), 2, "{stay:#}");
    assert_eq!(hotel.codes().len(), 2);
    let second = stay["keys"][1]["id"].as_str().unwrap();
    hotel.pms.verb("R1", "remove", json!({ "key": second })).await.ok();
    assert_eq!(hotel.codes().len(), 1);
    assert!(hotel.try_pin("101", &first).opened);
}

#[tokio::test]
async fn a_reissue_replaces_one_key_and_kills_the_old_one() {
    let hotel = Hotel::open().await;
    let stay = hotel.pms.check_in("R1", "101", 20).await.expect(201).body;
    let old = hotel.pms.reveal("R1").await;
    hotel.pms.verb("R1", "reissue", json!({ "key": stay["keys"][0]["id"] })).await.ok();
    assert!(!hotel.try_pin("101", &old).opened);
    assert_eq!(hotel.codes().len(), 1);
}

#[tokio::test]
async fn dates_change_and_the_pin_does_not() {
    let hotel = Hotel::open().await;
    hotel.pms.check_in("R1", "101", 20).await.expect(201);
    let pin = hotel.pms.reveal("R1").await;
    for hours in [40, 10] {
        let until = Timestamp::now() + SignedDuration::from_hours(hours);
        hotel.pms.verb("R1", "modify-stay", json!({ "until": until.to_string() })).await.ok();
        let [code] = &hotel.codes()[..] else { panic!("{:?}", hotel.codes()) };
        let late = code.until - until.as_millisecond();
        assert!((0..60_000).contains(&late), "{late}");
        assert!(hotel.try_pin("101", &pin).opened);
    }
    let adds = hotel.sim.sim().stats().calls.get("keyboardPwd/add").copied();
    assert_eq!(adds, Some(1), "{:?}", hotel.sim.sim().stats().calls);
}

#[tokio::test]
async fn a_room_move_opens_the_new_door_before_it_closes_the_old_one() {
    let hotel = Hotel::open().await;
    hotel.pms.check_in("R1", "101", 20).await.expect(201);
    let pin = hotel.pms.reveal("R1").await;
    let slow = FaultOrder {
        lock: Some(hotel.lock("102")),
        ..FaultOrder::times("keyboardPwd/add", FaultKind::Latency { ms: 700 }, 1)
    };
    hotel.sim.sim().add_fault(slow);
    let moving = hotel.pms.post("stays/R1/room-move", json!({ "room": "102" })).await.expect(202).body;
    assert!(moving["operation"]["id"].is_string(), "{moving:#}");
    hotel.pms.phase("R1", "moving").await;
    assert!(hotel.try_pin("101", &pin).opened, "the old room opens until the new one is proven");
    until("the move is complete", Duration::from_secs(30), || async {
        let (old, new) = (hotel.try_pin("101", &pin).opened, hotel.try_pin("102", &pin).opened);
        assert!(old || new, "no moment without a working key");
        if !old && new { Ok(()) } else { Err((old, new)) }
    })
    .await;
    assert_eq!(hotel.pms.ended(&moving["operation"]).await, "done");
    let stay = hotel.pms.phase("R1", "active").await;
    assert_eq!(stay["room"]["number"], "102");
    // The old room is free for somebody else.
    hotel.pms.check_in("R2", "101", 20).await.expect(201);
}

#[tokio::test]
async fn a_room_move_that_is_refused_leaves_everything_as_it_was() {
    let hotel = Hotel::open().await;
    hotel.pms.check_in("R1", "101", 20).await.expect(201);
    let pin = hotel.pms.reveal("R1").await;
    let refused = FaultOrder {
        lock: Some(hotel.lock("102")),
        ..FaultOrder::always("keyboardPwd/add", FaultKind::Errcode { n: -4043 })
    };
    hotel.sim.sim().add_fault(refused);
    hotel.pms.verb("R1", "room-move", json!({ "room": "102" })).await.problem(422, "lock_unfit");
    assert!(hotel.try_pin("101", &pin).opened);
    assert_eq!(hotel.pms.stay("R1").await["room"]["number"], "101");
    hotel.pms.check_in("R2", "103", 20).await.expect(201);
    // The room that was wanted is free again, as soon as it is proven that nothing of R1 stands in its lock.
    hotel.sim.sim().clear_faults();
    until("102 is free", Duration::from_secs(30), || async {
        let answer = hotel.pms.check_in("R3", "102", 20).await;
        if answer.status == 201 { Ok(()) } else { Err(answer.code().to_owned()) }
    })
    .await;
}

#[tokio::test]
async fn a_suspension_sticks_until_somebody_resumes() {
    let hotel = Hotel::open().await;
    hotel.pms.check_in("R1", "101", 20).await.expect(201);
    let pin = hotel.pms.reveal("R1").await;
    let stay = hotel.pms.verb("R1", "suspend", json!({})).await.ok().body;
    assert_eq!(stay["phase"], "suspended");
    assert!(!hotel.try_pin("101", &pin).opened);
    let until = Timestamp::now() + SignedDuration::from_hours(60);
    hotel.pms.verb("R1", "modify-stay", json!({ "until": until.to_string() })).await.ok();
    assert!(!hotel.try_pin("101", &pin).opened, "an edit in the PMS does not undo a suspension");
    hotel.pms.verb("R1", "resume", json!({})).await.ok();
    assert!(hotel.try_pin("101", &pin).opened, "and the PIN is the same as before");
}

#[tokio::test]
async fn a_code_that_somebody_took_out_is_put_back_by_read() {
    let hotel = Hotel::open().await;
    hotel.pms.check_in("R1", "101", 20).await.expect(201);
    let pin = hotel.pms.reveal("R1").await;
    hotel.remove_code_behind_our_back("101").await;
    assert!(!hotel.try_pin("101", &pin).opened);
    hotel.pms.verb("R1", "read", json!({})).await.ok();
    hotel.pms.phase("R1", "active").await;
    until("the PIN opens again", Duration::from_secs(20), || async {
        if hotel.try_pin("101", &pin).opened { Ok(()) } else { Err(hotel.pms.stay("R1").await) }
    })
    .await;
}

#[tokio::test]
async fn a_future_stay_is_planned_issued_in_time_and_runs_out() {
    let hotel = Hotel::open().await;
    let now = Timestamp::now();
    let days = |n: i64| (now + SignedDuration::from_hours(24 * n)).to_string();
    let body = json!({ "reservation": "R1", "room": "101", "from": days(5), "until": days(8) });
    let stay = hotel.pms.post("stays?wait=20", body).await.expect(201).body;
    assert_eq!(stay["phase"], "planned", "{stay:#}");
    assert!(hotel.codes().is_empty());
    hotel.advance(&days(4)).await;
    hotel.pms.phase("R1", "active").await;
    let pin = hotel.pms.reveal("R1").await;
    assert!(!hotel.try_pin("101", &pin).opened, "a day too early for the door");
    hotel.advance(&days(6)).await;
    assert!(hotel.try_pin("101", &pin).opened);
    hotel.advance(&days(9)).await;
    let over = hotel.pms.phase("R1", "ended").await;
    assert_eq!(over["ended_by"], "expired");
    assert!(hotel.codes().is_empty());
}

#[tokio::test]
async fn a_stay_that_is_cancelled_before_arrival_never_reaches_a_lock() {
    let hotel = Hotel::open().await;
    let now = Timestamp::now();
    let days = |n: i64| (now + SignedDuration::from_hours(24 * n)).to_string();
    let body = json!({ "reservation": "R1", "room": "101", "from": days(5), "until": days(8) });
    hotel.pms.post("stays?wait=20", body).await.expect(201);
    let over = hotel.pms.verb("R1", "cancel", json!({})).await.ok().body;
    assert_eq!((over["phase"].as_str(), over["ended_by"].as_str()), (Some("ended"), Some("cancelled")), "{over:#}");
    assert!(hotel.sim.sim().journal(0).is_empty());
}

#[tokio::test]
async fn a_revoke_waits_for_the_vendor_and_says_until_when_the_door_opens() {
    let hotel = Hotel::open().await;
    hotel.pms.check_in("R1", "101", 20).await.expect(201);
    let pin = hotel.pms.reveal("R1").await;
    hotel.sim.sim().add_fault(FaultOrder::always("*", FaultKind::Down));
    hotel.pms.post("stays/R1/check-out", json!({})).await.expect(202);
    let ending = until("the stay says so", Duration::from_secs(30), || async {
        let stay = hotel.pms.stay("R1").await;
        if stay["still_valid_until"].is_string() { Ok(stay) } else { Err(stay.to_string()) }
    })
    .await;
    assert_eq!(ending["phase"], "ending");
    assert!(hotel.try_pin("101", &pin).opened, "and it is true");
    hotel.sim.sim().clear_faults();
    hotel.pms.phase("R1", "ended").await;
    assert!(!hotel.try_pin("101", &pin).opened);
}

#[tokio::test]
async fn an_answer_that_got_lost_is_looked_up_and_not_sent_again() {
    let hotel = Hotel::open().await;
    hotel.sim.sim().add_fault(FaultOrder::times("keyboardPwd/add", FaultKind::ActThenDrop, 1));
    let stay = hotel.pms.check_in("R1", "101", 20).await.expect(201).body;
    assert_eq!(stay["phase"], "active", "{stay:#}");
    assert_eq!(hotel.codes().len(), 1);
    assert_eq!(hotel.sim.sim().stats().calls.get("keyboardPwd/add"), Some(&1));
    let timeline = hotel.pms.get("stays/R1/timeline").await.expect(200).body;
    assert!(timeline.to_string().contains("answer had got lost"), "{timeline:#}");
}

//! Keys that open a room once, proven at the lock.

use crate::harness::{Hotel, until};
use jiff::{SignedDuration, Timestamp};
use lock_api::scope::Scope;
use lock_sim::ttlock::{FaultKind, FaultOrder, TryReason};
use serde_json::json;
use std::time::Duration;

fn instant(text: &serde_json::Value) -> Timestamp {
    text.as_str().unwrap().parse().unwrap()
}

#[tokio::test]
async fn a_one_shot_key_opens_once_beside_the_guest() {
    let hotel = Hotel::open().await;
    hotel.pms.check_in("R1", "101", 20).await.expect(201);
    let guest = hotel.pms.reveal("R1").await;
    let made = hotel.pms.post("one-shot-keys?wait=20", json!({ "room": "101", "purpose": "maintenance" })).await;
    let stay = made.expect(201).body;
    assert_eq!((stay["kind"].as_str(), stay["purpose"].as_str()), (Some("one_shot"), Some("maintenance")), "{stay:#}");
    assert_eq!(
        (stay["phase"].as_str(), stay["keys"][0]["one_time"].as_bool()),
        (Some("active"), Some(true)),
        "{stay:#}"
    );
    let credential = &stay["keys"][0]["credentials"][0];
    let (from, until) = (instant(&credential["effective"]["from"]), instant(&credential["effective"]["until"]));
    assert_eq!((from.as_second() % 3600, until.duration_since(from)), (0, SignedDuration::from_hours(6)));
    assert!(
        credential["rounding"].as_str().unwrap().contains("opens"),
        "the lock's whole hours are shown: {credential:#}"
    );

    let reservation = stay["reservation"].as_str().unwrap().to_owned();
    let pin = hotel.pms.reveal(&reservation).await;
    assert!(hotel.try_pin("101", &pin).opened, "first try");
    let second = hotel.try_pin("101", &pin);
    assert!(!second.opened && second.reason == TryReason::UsedUp, "second try: {:?}", second.reason);
    assert!(hotel.try_pin("101", &guest).opened, "the guest's key is as it was");

    let timeline = hotel.pms.get(&format!("stays/{reservation}/timeline")).await.expect(200).body.to_string();
    assert!(timeline.contains("opens the room once: maintenance"), "{timeline}");
    let events = hotel.pms.get("/v1/events?limit=200").await.expect(200).body;
    let asked = events["events"].as_array().unwrap().iter().find(|e| e["type"] == "stay.one_shot_asked.v1");
    assert!(asked.unwrap()["data"]["by"].as_str().unwrap().starts_with("ak_"), "{asked:#?}");
    // Lists of guests' stays don't show it.
    let listed = async |query: &str| {
        let page = hotel.pms.get(&format!("stays{query}")).await.expect(200).body;
        page["stays"].as_array().unwrap().iter().map(|s| s["kind"].as_str().unwrap().to_owned()).collect::<Vec<_>>()
    };
    assert_eq!(listed("").await, ["guest"]);
    assert_eq!(listed("?kind=one_shot").await, ["one_shot"]);
}

#[tokio::test]
async fn it_can_be_taken_back_and_nothing_else() {
    let hotel = Hotel::open().await;
    let body = json!({ "room": "102", "purpose": "show_room" });
    let stay = hotel.pms.post("one-shot-keys?wait=20", body).await.expect(201).body;
    let name = stay["reservation"].as_str().unwrap().to_owned();
    let pin = hotel.pms.reveal(&name).await;
    for (verb, body) in [
        ("duplicate", json!({})),
        ("reissue", json!({ "key": stay["keys"][0]["id"] })),
        ("modify-stay", json!({ "until": (Timestamp::now() + SignedDuration::from_hours(2)).to_string() })),
        ("room-move", json!({ "room": "103" })),
        ("suspend", json!({})),
        ("resume", json!({})),
    ] {
        hotel.pms.verb(&name, verb, body).await.problem(409, "one_shot_fixed");
    }
    let out = hotel.pms.post(&format!("one-shot-keys/{name}/revoke?wait=20"), json!({})).await.ok().body;
    assert_eq!((out["phase"].as_str(), out["ended_by"].as_str()), (Some("ended"), Some("revoked")), "{out:#}");
    assert!(!hotel.try_pin("102", &pin).opened && hotel.codes().is_empty());
    // The room was nobody's all the while, and another key for the same hours can be had.
    hotel.pms.check_in("R1", "102", 20).await.expect(201);
    hotel.pms.post("one-shot-keys?wait=20", json!({ "room": "102", "purpose": "other" })).await.expect(201);
    // A guest's stay is not taken away by that route.
    hotel.pms.post("one-shot-keys/R1/revoke", json!({})).await.problem(404, "stay_not_found");
}

#[tokio::test]
async fn it_runs_out_by_itself() {
    let hotel = Hotel::open().await;
    let stay = hotel.pms.post("one-shot-keys?wait=20", json!({ "room": "101", "purpose": "inspection" })).await;
    let name = stay.expect(201).body["reservation"].as_str().unwrap().to_owned();
    let pin = hotel.pms.reveal(&name).await;
    hotel.advance(&(Timestamp::now() + SignedDuration::from_hours(7)).to_string()).await;
    let over = hotel.pms.phase(&name, "ended").await;
    assert_eq!(over["ended_by"], "expired", "{over:#}");
    assert!(!hotel.try_pin("101", &pin).opened);
    until("the lock has forgotten it", Duration::from_secs(20), || async {
        if hotel.codes().is_empty() { Ok(()) } else { Err(format!("{:?}", hotel.codes())) }
    })
    .await;
}

#[tokio::test]
async fn gone_from_its_lock_it_is_used_and_not_put_back() {
    let hotel = Hotel::open().await;
    let stay = hotel.pms.post("one-shot-keys?wait=20", json!({ "room": "101", "purpose": "delivery" })).await;
    let name = stay.expect(201).body["reservation"].as_str().unwrap().to_owned();
    hotel.remove_code_behind_our_back("101").await;
    let over = hotel.pms.verb(&name, "read", json!({})).await.ok().body;
    assert_eq!((over["phase"].as_str(), over["ended_by"].as_str()), (Some("ended"), Some("used")), "{over:#}");
    assert!(hotel.codes().is_empty());
    assert_eq!(hotel.sim.sim().stats().calls.get("keyboardPwd/get"), Some(&1));
}

#[tokio::test]
async fn a_lost_answer_leaves_one_key_that_opens_once() {
    let hotel = Hotel::open().await;
    hotel.sim.sim().add_fault(FaultOrder::times("keyboardPwd/get", FaultKind::ActThenDrop, 1));
    let stay = hotel.pms.post("one-shot-keys", json!({ "room": "101", "purpose": "maintenance" })).await.expect(202);
    let name = stay.body["reservation"].as_str().unwrap().to_owned();
    hotel.pms.phase(&name, "active").await;
    let pin = hotel.pms.reveal(&name).await;
    assert_eq!(hotel.codes().len(), 1);
    assert!(hotel.try_pin("101", &pin).opened && !hotel.try_pin("101", &pin).opened);
}

#[tokio::test]
async fn it_takes_its_own_scope_and_a_vendor_that_can() {
    let hotel = Hotel::open().await;
    let asked = || json!({ "room": "101", "purpose": "maintenance" });
    let desk = hotel.pms.with_token(hotel.token(&[Scope::StaysWrite, Scope::StaysRead], None, None).await);
    desk.post("one-shot-keys", asked()).await.problem(403, "scope_missing");
    let janitor = hotel.pms.with_token(hotel.token(&[Scope::OneShotWrite], None, None).await);
    let made = janitor.post("one-shot-keys?wait=20", asked()).await.expect(201).body;
    let name = made["reservation"].as_str().unwrap();
    janitor.post(&format!("stays/{name}/check-out"), json!({})).await.problem(403, "scope_missing");
    janitor.post(&format!("one-shot-keys/{name}/revoke?wait=20"), json!({})).await.ok();

    let field = |answer: crate::harness::Answer| answer.body["field"].as_str().unwrap_or_default().to_owned();
    let hours = |n: i64| (Timestamp::now() + SignedDuration::from_hours(n)).to_string();
    let long = json!({ "room": "101", "purpose": "maintenance", "until": hours(7) });
    assert_eq!(field(janitor.post("one-shot-keys", long).await.problem(422, "invalid_field")), "until");
    let text = json!({ "room": "101", "purpose": "for Mrs Smith in 204" });
    assert_eq!(janitor.post("one-shot-keys", text).await.status.as_u16() / 100, 4);
    janitor.post("one-shot-keys", json!({ "room": "999", "purpose": "other" })).await.problem(422, "room_unknown");
    hotel.door_of_another_vendor("108", "salto_ks").await;
    let cannot = janitor.post("one-shot-keys", json!({ "room": "108", "purpose": "other" })).await;
    let cannot = cannot.problem(422, "capability_missing");
    let detail = cannot.body["detail"].as_str().unwrap();
    assert!(detail.contains("one_time_pin") && detail.contains("short window"), "{detail}");
}

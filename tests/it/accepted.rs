//! What was accepted counts, also while no workflow knows of it: an API that reaches no workflow stands for one that died in between.

use crate::harness::{Client, Hotel, api, invariants, still::Camera, until};
use futures::future::join_all;
use jiff::{SignedDuration, Timestamp};
use lock_api::scope::Scope;
use lock_domain::{pin, policy::StayPolicy};
use lock_sim::ttlock::{FaultKind, FaultOrder};
use serde_json::{Value, json};
use std::{collections::BTreeSet, time::Duration};

fn hours(n: i64) -> String {
    lock_store::to_stored(Timestamp::now() + SignedDuration::from_hours(n)).to_string()
}

fn stay(reservation: &str, room: &str, from: i64, until: i64) -> Value {
    json!({ "reservation": reservation, "room": room, "from": hours(from), "until": hours(until) })
}

async fn through(base: &str, hotel: &Hotel) -> Client {
    Client::new(base, hotel.property, hotel.token(Scope::ALL, None, None).await)
}

#[tokio::test]
async fn dates_and_rooms_follow_what_was_accepted_last() {
    let hotel = Hotel::open().await;
    let deaf = through(&api::deaf().await, &hotel).await;
    hotel.pms.check_in("R1", "101", 20).await.expect(201);
    hotel.pms.post("stays?wait=20", stay("R2", "102", 25, 40)).await.expect(201);
    let longer = hours(30);
    let first = deaf.post("stays/R1/modify-stay", json!({ "until": longer })).await.expect(202).body;
    assert_ne!(first["window"]["until"], longer, "the record has not heard of it");
    // By the record it would fit.
    deaf.post("stays/R1/room-move", json!({ "room": "102" })).await.problem(409, "room_taken");
    hotel.pms.post("stays?wait=20", stay("R3", "101", 22, 24)).await.problem(409, "room_taken");
    // And this keeps the end that was accepted, not the record's.
    let early = deaf.post("stays/R1/modify-stay", json!({ "from": hours(-1) })).await.expect(202).body;
    for one in [&first, &early] {
        let ended = hotel.pms.ended(&one["operation"]).await;
        assert!(matches!(&ended[..], "done" | "overtaken"), "{ended}");
    }
    let after = hotel.pms.phase("R1", "active").await;
    assert_eq!(after["window"]["until"], longer);
    invariants::check(&hotel).await;
}

#[tokio::test]
async fn what_a_shorter_stay_gives_up_is_free_once_the_record_says_so() {
    let hotel = Hotel::open().await;
    let deaf = through(&api::deaf().await, &hotel).await;
    hotel.pms.check_in("R1", "101", 20).await.expect(201);
    let shorter = deaf.post("stays/R1/modify-stay", json!({ "until": hours(5) })).await.expect(202).body;
    let next = stay("R2", "101", 10, 15);
    hotel.pms.post("stays?wait=20", next.clone()).await.problem(409, "room_taken");
    assert_eq!(hotel.pms.ended(&shorter["operation"]).await, "done");
    hotel.pms.post("stays?wait=20", next).await.expect(201);
    invariants::check(&hotel).await;
}

#[tokio::test]
async fn a_guest_moves_back_into_a_room_that_he_has_not_left_yet() {
    let hotel = Hotel::open().await;
    hotel.pms.check_in("R1", "101", 20).await.expect(201);
    let pin = hotel.pms.reveal("R1").await;
    let stuck = FaultOrder {
        lock: Some(hotel.lock("101")),
        ..FaultOrder::always("keyboardPwd/delete", FaultKind::Errcode { n: -2012 })
    };
    hotel.sim.sim().add_fault(stuck);
    let away = hotel.pms.post("stays/R1/room-move", json!({ "room": "102" })).await.expect(202).body;
    until("the new room opens", Duration::from_secs(30), || async {
        let stay = hotel.pms.stay("R1").await;
        let open = hotel.try_pin("102", &pin).opened && stay["phase"] == "active";
        if open && stay["room"]["number"] == "102" { Ok(()) } else { Err(stay["phase"].to_string()) }
    })
    .await;
    let back = hotel.pms.post("stays/R1/room-move", json!({ "room": "101" })).await.expect(202).body;
    hotel.sim.sim().clear_faults();
    for one in [&away, &back] {
        assert_eq!(hotel.pms.ended(&one["operation"]).await, "done");
    }
    let after = hotel.pms.phase("R1", "active").await;
    assert_eq!(after["room"]["number"], "101");
    assert!(hotel.try_pin("101", &pin).opened && !hotel.try_pin("102", &pin).opened);
    hotel.pms.check_in("R2", "102", 10).await.expect(201);
    invariants::check(&hotel).await;
}

#[tokio::test]
async fn a_refusal_that_the_dispatcher_meets_fails_the_operation_and_gives_everything_back() {
    let hotel = Hotel::open().await;
    let deaf = through(&api::deaf().await, &hotel).await;
    hotel.pms.check_in("R1", "101", 20).await.expect(201);
    let slow = FaultOrder {
        lock: Some(hotel.lock("102")),
        ..FaultOrder::times("keyboardPwd/add", FaultKind::Latency { ms: 6_000 }, 1)
    };
    hotel.sim.sim().add_fault(slow);
    let first = deaf.post("stays/R1/room-move", json!({ "room": "102" })).await.expect(202).body;
    // Nothing in the record speaks against a second move, so that only the workflow can.
    let second = deaf.post_as("stays/R1/room-move", "second", json!({ "room": "103" })).await.expect(202).body;
    hotel.pms.post("stays?wait=20", stay("R3", "103", 0, 10)).await.problem(409, "room_taken");
    assert_eq!(hotel.pms.ended(&second["operation"]).await, "failed");
    let path = format!("/v1/operations/{}", second["operation"]["id"].as_str().unwrap());
    let told = hotel.pms.get(&path).await.expect(200).body;
    assert_eq!(told["reason"]["code"], "move_under_way", "{told:#}");
    hotel.pms.post("stays?wait=20", stay("R3", "103", 0, 10)).await.expect(201);
    assert_eq!(hotel.pms.ended(&first["operation"]).await, "done");
    assert_eq!(hotel.pms.stay("R1").await["room"]["number"], "102");
    invariants::check(&hotel).await;
}

#[tokio::test]
async fn a_property_without_a_free_pin_says_so_and_nothing_changes() {
    let hotel = Hotel::with(2, StayPolicy { pin_digits: 4, ..StayPolicy::default() }).await;
    let keys = crate::harness::shared().keys(&hotel.store);
    let mut taken = Vec::new();
    for digits in 0..10_000 {
        let named = pin::fingerprinted(hotel.property, &format!("{digits:04}"));
        taken.push(keys.fingerprint(hotel.tenant, pin::FINGERPRINT_LABEL, named.as_bytes()).await.unwrap().to_vec());
    }
    sqlx::query(
        "INSERT INTO pins (tenant_id, property_id, fingerprint, key_id, reserved_at)
         SELECT $1, $2, print, gen_random_uuid(), now() FROM unnest($3::bytea[]) AS print",
    )
    .bind(hotel.tenant.as_uuid())
    .bind(hotel.property.as_uuid())
    .bind(&taken)
    .execute(&mut invariants::owner().await)
    .await
    .unwrap();
    let mut camera = Camera::new(&hotel, &["R1"]).await;
    let before = camera.take().await;
    let refused = hotel.pms.check_in("R1", "101", 20).await.problem(503, "pins_exhausted");
    assert!(refused.body["remedy"].as_str().unwrap().contains("pin_digits"));
    assert_eq!(camera.take().await, before);
    assert!(hotel.codes().is_empty());
    // The guest's request goes through once there are PINs again.
    hotel.pms.send(reqwest::Method::PUT, "policy", Some("six"), Some(br#"{"pin_digits":6}"#.to_vec())).await.ok();
    hotel.pms.check_in("R1", "101", 20).await.expect(201);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn two_processes_with_one_key_at_once_have_one_effect_and_one_answer() {
    let hotel = Hotel::open().await;
    let token = hotel.token(Scope::ALL, None, None).await;
    let (one, other) = (api::another().await, api::another().await);
    let clients = [&one, &other].map(|base| Client::new(base, hotel.property, token.clone()));
    for (verb, body) in [("stays?wait=20", stay("R1", "101", 0, 20)), ("stays/R1/duplicate?wait=20", json!({}))] {
        let asks = (0..12).map(|n| clients[n % 2].post_as(verb, "one-key", body.clone()));
        let answers = join_all(asks).await;
        let (done, busy): (Vec<_>, Vec<_>) = answers.into_iter().partition(|answer| answer.status.is_success());
        for answer in busy {
            answer.problem(409, "idempotency_in_progress");
        }
        let operations: BTreeSet<String> = done.iter().map(|a| a.body["operation"]["id"].to_string()).collect();
        assert_eq!(operations.len(), 1, "{operations:?}");
        // And afterwards both give the same answer, word for word.
        let [left, right] = [&clients[0], &clients[1]].map(|client| client.post_as(verb, "one-key", body.clone()));
        let (left, right) = tokio::join!(left, right);
        assert_eq!((left.status, &left.body), (right.status, &right.body));
        assert!(operations.contains(&left.body["operation"]["id"].to_string()));
    }
    assert_eq!(hotel.codes().len(), 2, "one key, and one more");
    invariants::check(&hotel).await;
}

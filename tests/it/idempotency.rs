//! A PMS repeats its requests: the same answer comes back, and nothing happens twice.

use crate::harness::{Client, Hotel, invariants, shared};
use futures::future::join_all;
use jiff::{SignedDuration, Timestamp};
use lock_api::scope::Scope;
use lock_sim::ttlock::{Effect, FaultKind, FaultOrder};
use serde_json::{Value, json};
use std::collections::BTreeSet;

fn stay(reservation: &str, room: &str) -> Value {
    let (from, until) = (Timestamp::now(), Timestamp::now() + SignedDuration::from_hours(30));
    json!({ "reservation": reservation, "room": room, "from": from.to_string(), "until": until.to_string() })
}

fn adds(hotel: &Hotel) -> usize {
    hotel.sim.sim().journal(0).iter().filter(|entry| entry.effect == Effect::Add).count()
}

#[tokio::test]
async fn a_repeat_gets_the_first_answer_and_has_no_effect() {
    let hotel = Hotel::open().await;
    let body = stay("R1", "101");
    let first = hotel.pms.post_as("stays?wait=20", "k1", body.clone()).await.expect(201);
    assert_eq!(first.header("idempotency-replayed"), None);
    for path in ["stays?wait=20", "stays"] {
        let again = hotel.pms.post_as(path, "k1", body.clone()).await.expect(201);
        assert_eq!(again.header("idempotency-replayed"), Some("true"));
        assert_eq!((&again.body, again.header("location")), (&first.body, first.header("location")));
    }
    assert_eq!(
        hotel.pms.post_as("stays", "\"k1\"", body.clone()).await.expect(201).body,
        first.body,
        "quoted is the same"
    );
    assert_eq!(adds(&hotel), 1);

    let more = hotel.pms.post_as("stays/R1/duplicate?wait=20", "k1", json!({})).await.expect(200);
    assert_eq!(more.header("idempotency-replayed"), None, "another route's key is another key");
    let again = hotel.pms.post_as("stays/R1/duplicate?wait=20", "k1", json!({})).await.expect(200);
    assert_eq!((again.header("idempotency-replayed"), &again.body), (Some("true"), &more.body));
    assert_eq!((adds(&hotel), hotel.codes().len()), (2, 2));
    // With a key of its own, the same body is another request.
    hotel.pms.post("stays", body).await.problem(409, "stay_exists");
    invariants::check(&hotel).await;
}

#[tokio::test]
async fn a_key_stands_for_one_request_only() {
    let hotel = Hotel::open().await;
    hotel.pms.post_as("stays?wait=20", "k1", stay("R1", "101")).await.expect(201);
    let reused =
        hotel.pms.post_as("stays?wait=20", "k1", stay("R2", "102")).await.problem(422, "idempotency_key_reused");
    assert_eq!(reused.body["field"], "Idempotency-Key");
    hotel.pms.post_as("stays?wait=20", "k2", stay("R2", "102")).await.expect(201);
    hotel.pms.post_as("stays/R1/suspend?wait=20", "k3", json!({})).await.ok();
    hotel.pms.post_as("stays/R2/suspend?wait=20", "k3", json!({})).await.problem(422, "idempotency_key_reused");
    assert_eq!(hotel.pms.stay("R2").await["phase"], "active");
    // Another API key's keys are its own.
    let other = Client::new(&shared().api, hotel.property, hotel.token(Scope::ALL, None, None).await);
    other.post_as("stays?wait=20", "k1", stay("R3", "103")).await.expect(201);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn twenty_at_once_with_one_key_have_one_effect() {
    let hotel = Hotel::open().await;
    let body = stay("R1", "101");
    let answers = join_all((0..20).map(|_| hotel.pms.post_as("stays?wait=20", "k1", body.clone()))).await;
    let mut ids = BTreeSet::new();
    for answer in answers {
        if answer.status.is_success() {
            ids.insert(answer.body["id"].as_str().unwrap().to_owned());
        } else {
            let busy = answer.problem(409, "idempotency_in_progress");
            assert_eq!(busy.header("retry-after"), Some("1"));
        }
    }
    assert_eq!(ids.len(), 1);
    let again = hotel.pms.post_as("stays?wait=20", "k1", body).await.expect(201);
    assert_eq!(again.header("idempotency-replayed"), Some("true"));
    assert!(ids.contains(again.body["id"].as_str().unwrap()));
    assert_eq!((adds(&hotel), hotel.codes().len()), (1, 1));
    invariants::check(&hotel).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_write_asks_for_a_key() {
    let hotel = Hotel::open().await;
    let document: Value = serde_json::from_str(&lock_api::openapi_document()).unwrap();
    let mut asked = 0;
    for (path, calls) in document["paths"].as_object().unwrap() {
        for (method, call) in calls.as_object().unwrap() {
            let parameters = call["parameters"].as_array().cloned().unwrap_or_default();
            if !parameters.iter().any(|p| p["name"] == "Idempotency-Key") {
                assert!(
                    method == "get" || path.starts_with("/codec/"),
                    "{method} {path} changes something without a key"
                );
                continue;
            }
            let body = &call["requestBody"]["content"]["application/json"]["schema"]["$ref"];
            let body = match body.as_str().unwrap().rsplit('/').next().unwrap() {
                "NewStay" => stay("R1", "101"),
                "OneShotKey" => json!({ "room": "101", "purpose": "maintenance" }),
                "Replace" => json!({ "key": "key_00000000000000000000000000000001" }),
                "OtherRoom" => json!({ "room": "102" }),
                "NewEndpoint" => json!({ "sender": "ttlock" }),
                "NewVendor" => json!({ "config": {} }),
                "BreakerOverride" => json!({ "state": "open", "reason": "drill", "for_s": 60 }),
                "PriceList" => json!({ "valid_from": "2026-01-01", "currency": "EUR", "rates": {} }),
                _ => json!({}),
            };
            let path = path
                .replace("{property}", &hotel.property.to_string())
                .replace("{reservation}", "R1")
                .replace("{key}", "x")
                .replace("{endpoint}", "x");
            let method = method.to_uppercase().parse().unwrap();
            let answer = hotel.pms.send(method, &path, None, Some(body.to_string().into_bytes())).await;
            let answer = answer.problem(400, "idempotency_key_missing");
            assert_eq!(answer.body["field"], "Idempotency-Key");
            asked += 1;
        }
    }
    assert!(asked >= 14, "{asked}");
}

#[tokio::test]
async fn a_refused_request_leaves_its_key_free_and_a_failed_one_is_remembered() {
    let hotel = Hotel::open().await;
    hotel.pms.check_in("R1", "101", 30).await.expect(201);
    hotel.pms.post_as("stays?wait=20", "k1", stay("R2", "101")).await.problem(409, "room_taken");
    hotel.pms.post_as("stays?wait=20", "k1", stay("R2", "102")).await.expect(201);

    let unfit = FaultOrder {
        lock: Some(hotel.lock("103")),
        ..FaultOrder::always("keyboardPwd/add", FaultKind::Errcode { n: -4043 })
    };
    hotel.sim.sim().add_fault(unfit);
    let to = json!({ "room": "103" });
    let failed = hotel.pms.post_as("stays/R2/room-move?wait=20", "k2", to.clone()).await.problem(422, "lock_unfit");
    hotel.sim.sim().clear_faults();
    let calls = hotel.sim.sim().stats().calls;
    let again = hotel.pms.post_as("stays/R2/room-move?wait=20", "k2", to).await.problem(422, "lock_unfit");
    assert_eq!(again.header("idempotency-replayed"), Some("true"));
    assert_eq!(again.body["operation_id"], failed.body["operation_id"]);
    assert_eq!(hotel.sim.sim().stats().calls, calls, "the vendor was not asked again");
}

#[tokio::test]
async fn a_pin_is_shown_to_one_request_and_its_repeats() {
    let hotel = Hotel::open().await;
    let stay = hotel.pms.check_in("R1", "101", 30).await.expect(201).body;
    assert_eq!(stay["keys"][0]["pin"].as_str().unwrap_or("******"), "******");
    let path = format!("stays/R1/keys/{}/reveal", stay["keys"][0]["id"].as_str().unwrap());
    let first = hotel.pms.post_as(&path, "k1", json!({})).await.expect(200);
    assert_eq!(first.header("cache-control"), Some("no-store"));
    assert!(hotel.try_pin("101", first.body["pin"].as_str().unwrap()).opened);
    let again = hotel.pms.post_as(&path, "k1", json!({})).await.expect(200);
    assert_eq!(again.body, first.body);
    hotel.pms.post_as(&path, "k2", json!({})).await.problem(410, "pin_revealed");
    let other = Client::new(&shared().api, hotel.property, hotel.token(Scope::ALL, None, None).await);
    other.post_as(&path, "k1", json!({})).await.problem(410, "pin_revealed");
    let timeline = hotel.pms.get("stays/R1/timeline").await.expect(200).body.to_string();
    assert_eq!(timeline.matches("The PIN was shown, once.").count(), 1, "{timeline}");
    assert!(!timeline.contains(first.body["pin"].as_str().unwrap()));
}

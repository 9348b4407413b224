//! A feed that suddenly cancels everybody must not lock everybody out.

use crate::harness::{Client, Hotel, invariants, until};
use futures::future::join_all;
use jiff::{SignedDuration, Timestamp};
use lock_api::scope::Scope;
use lock_domain::policy::StayPolicy;
use reqwest::Method;
use serde_json::{Value, json};
use std::time::Duration;

const STAYS: usize = 30;
/// 20 % of them.
const PASS: usize = 6;

fn name(n: usize) -> String {
    format!("R{n}")
}

fn room(n: usize) -> String {
    // The simulator's hotels have twenty rooms on a floor.
    format!("{}{:02}", n / 20 + 1, n % 20 + 1)
}

/// Thirty guests in house for two days, each with a key that opens, and one more room.
async fn full_house() -> Hotel {
    let hotel = Hotel::with(STAYS + 1, StayPolicy { retry_cap_s: 1, ..StayPolicy::default() }).await;
    let pms = &hotel.pms;
    let guests = (0..STAYS).map(|n| async move { pms.check_in(&name(n), &room(n), 50).await.expect(201) });
    join_all(guests).await;
    hotel
}

/// A key that decides and does nothing else.
async fn manager(hotel: &Hotel) -> Client {
    hotel.pms.with_token(hotel.token(&[Scope::StaysApprove, Scope::StaysRead], None, None).await)
}

async fn held(client: &Client) -> Vec<Value> {
    client.get("held?limit=500").await.expect(200).body["held"].as_array().unwrap().clone()
}

/// How many rooms still open.
fn open_rooms(hotel: &Hotel) -> usize {
    let codes = hotel.codes();
    (0..STAYS).filter(|n| codes.iter().any(|code| code.lock_id == hotel.lock(&room(*n)) && code.opens_now)).count()
}

/// Waits until so many rooms open, and makes sure that it stays so as far as anything is under way.
async fn rooms_that_open(hotel: &Hotel, wanted: usize) {
    until(&format!("{wanted} rooms open"), Duration::from_secs(60), || async {
        let (open, running) = (open_rooms(hotel), invariants::open_operations(hotel).await);
        let settled = running.iter().all(|operation| operation.ends_with(": held"));
        if open == wanted && settled { Ok(()) } else { Err((open, running)) }
    })
    .await;
}

async fn cancel_all(hotel: &Hotel) -> Vec<Value> {
    let asks = (0..STAYS).map(|n| async move {
        let path = format!("stays/{}/cancel?wait=20", name(n));
        hotel.pms.post_as(&path, &format!("cancel-{n}"), json!({})).await.ok().body
    });
    join_all(asks).await
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_feed_that_cancels_everybody_is_held_until_somebody_else_approves() {
    let hotel = full_house().await;
    assert_eq!(open_rooms(&hotel), STAYS);
    let answers = cancel_all(&hotel).await;
    let stopped: Vec<&Value> = answers.iter().filter(|body| body["operation"]["status"] == "held").collect();
    assert_eq!(stopped.len(), STAYS - PASS, "the first few pass, at once or not");
    let one = stopped[0];
    assert_eq!(one["operation"]["reason"]["code"], "held_for_approval");
    assert!(one["operation"]["reason"]["remedy"].as_str().unwrap().contains("stays:approve"), "{one:#}");
    rooms_that_open(&hotel, STAYS - PASS).await;

    // Everybody who looks is told.
    let reservation = one["reservation"].as_str().unwrap();
    let stay = hotel.pms.stay(reservation).await;
    assert_eq!((&stay["phase"], &stay["attention"]["code"]), (&json!("active"), &json!("held_for_approval")));
    let timeline = hotel.pms.get(&format!("stays/{reservation}/timeline")).await.expect(200).body;
    let told = |line: &Value| {
        line["type"] == "stay.command_held.v1"
            && line["text"].as_str().unwrap().contains("Held for approval: cancel the stay.")
    };
    assert!(timeline["lines"].as_array().unwrap().iter().any(told), "{timeline:#}");
    let attention = hotel.pms.get("stays?needs_attention=true&limit=500").await.expect(200).body;
    assert_eq!(attention["stays"].as_array().unwrap().len(), STAYS - PASS);
    let first = hotel.pms.get("held?limit=10").await.expect(200).body;
    let cursor = first["next_cursor"].as_str().unwrap();
    let rest = hotel.pms.get(&format!("held?limit=500&cursor={cursor}")).await.expect(200).body;
    assert_eq!(rest["held"].as_array().unwrap().len(), STAYS - PASS - 10);
    assert_eq!(first["held"][0]["phase"], "active");

    // A repeat gets the same answer, and another try of the feed is held as well.
    let n = (0..STAYS).find(|n| name(*n) == reservation).unwrap();
    let again =
        hotel.pms.post_as(&format!("stays/{reservation}/cancel?wait=20"), &format!("cancel-{n}"), json!({})).await;
    assert_eq!((again.status.as_u16(), again.header("idempotency-replayed")), (202, Some("true")));
    assert_eq!(&again.body, one);
    let other = hotel.pms.verb(reservation, "check-out", json!({})).await.expect(202).body;
    assert_eq!(other["operation"]["status"], "held");

    // One who comes later today is cancelled, too.
    let at = |hours| (Timestamp::now() + SignedDuration::from_hours(hours)).to_string();
    let late = json!({ "reservation": "LATE", "room": room(STAYS), "from": at(10), "until": at(40) });
    hotel.pms.post("stays?wait=20", late).await.expect(201);
    let late = hotel.pms.verb("LATE", "cancel", json!({})).await.expect(202).body;
    assert_eq!(late["operation"]["status"], "held");

    // Who asked may not approve; somebody else may.
    hotel.pms.post("held/approve", json!({})).await.problem(403, "second_person_needed");
    let manager = manager(&hotel).await;
    manager.post("stays/R0/cancel", json!({})).await.problem(403, "scope_missing");
    let unknown = json!({ "operations": [one["operation"]["id"], "op_00000000000000000000000000000001"] });
    let refused = manager.post("held/approve", unknown).await.problem(409, "operation_not_held");
    assert_eq!(refused.body["field"], "operations[1]");
    manager.post("held/reject", json!({ "operations": [other["operation"]["id"]] })).await.expect(200);
    assert_eq!(hotel.pms.ended(&other["operation"]).await, "failed");
    hotel.advance(&at(12)).await;
    let decided = manager.post_as("held/approve", "yes", json!({})).await.expect(200).body;
    assert_eq!((decided["operations"].as_array().unwrap().len(), &decided["left"]), (STAYS - PASS + 1, &json!(0)));
    assert_eq!(decided["operations"][0]["status"], "accepted");
    let repeated = manager.post_as("held/approve", "yes", json!({})).await.expect(200);
    assert_eq!(repeated.header("idempotency-replayed"), Some("true"));
    assert_eq!(repeated.body, decided);
    rooms_that_open(&hotel, 0).await;
    // Judged when it was released: by then the guest should have come.
    let over = hotel.pms.phase("LATE", "ended").await;
    assert_eq!(over["ended_by"], "no_show");
    let over = hotel.pms.stay(reservation).await;
    assert_eq!(over["phase"], "ended");
    assert_eq!(over.get("attention"), None);
    assert_eq!(hotel.pms.ended(&one["operation"]).await, "done");
    invariants::check(&hotel).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_is_rejected_leaves_the_stays_as_they_are() {
    let hotel = full_house().await;
    let answers = cancel_all(&hotel).await;
    rooms_that_open(&hotel, STAYS - PASS).await;
    let manager = manager(&hotel).await;
    let decided = manager.post("held/reject", json!({})).await.expect(200).body;
    assert_eq!((decided["operations"].as_array().unwrap().len(), &decided["left"]), (STAYS - PASS, &json!(0)));
    assert_eq!(held(&manager).await, Vec::<Value>::new());
    rooms_that_open(&hotel, STAYS - PASS).await;
    let stopped = answers.iter().find(|body| body["operation"]["status"] == "held").unwrap();
    let operation = format!("/v1/operations/{}", stopped["operation"]["id"].as_str().unwrap());
    let operation = hotel.pms.get(&operation).await.expect(200).body;
    assert_eq!((&operation["status"], &operation["reason"]["code"]), (&json!("failed"), &json!("approval_refused")));
    let reservation = stopped["reservation"].as_str().unwrap();
    let stay = hotel.pms.stay(reservation).await;
    assert_eq!((&stay["phase"], stay.get("attention")), (&json!("active"), None));
    let timeline = hotel.pms.get(&format!("stays/{reservation}/timeline")).await.expect(200).body;
    assert!(timeline.to_string().contains("Rejected: cancel the stay."), "{timeline:#}");
    invariants::check(&hotel).await;
    // The stay goes on like any other.
    let more = hotel.pms.verb(reservation, "duplicate", json!({})).await.expect(200).body;
    assert_eq!(more["keys"].as_array().unwrap().len(), 2);
}

/// A house that empties on the day of departure asks nobody, and neither does one whose guard is off.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn who_leaves_on_his_day_is_not_held() {
    let hotel = full_house().await;
    let last_evening = Timestamp::now() + SignedDuration::from_hours(27);
    hotel.advance(&last_evening.to_string()).await;
    let leave = (0..15).map(|n| {
        let hotel = &hotel;
        async move { hotel.pms.verb(&name(n), "check-out", json!({})).await.expect(200) }
    });
    join_all(leave).await;
    rooms_that_open(&hotel, STAYS - 15).await;
    let off = br#"{"percent":100}"#.to_vec();
    let answer = hotel.pms.send(Method::PUT, "feed-guard", Some("off"), Some(off)).await.expect(200);
    assert_eq!(
        answer.body["feed_guard"],
        json!({ "window_s": 900, "least": 5, "percent": 100, "early_check_out_s": 86_400 })
    );
    let bad = br#"{"percent":101}"#.to_vec();
    let refused = hotel.pms.send(Method::PUT, "feed-guard", Some("bad"), Some(bad)).await.problem(422, "invalid_field");
    assert_eq!(refused.body["field"], "percent");
    let remove = (15..STAYS).map(|n| {
        let hotel = &hotel;
        async move { hotel.pms.verb(&name(n), "remove", json!({})).await.expect(200) }
    });
    join_all(remove).await;
    rooms_that_open(&hotel, 0).await;
    assert_eq!(held(&hotel.pms).await, Vec::<Value>::new());
    invariants::check(&hotel).await;
}

//! Where PINs come from: a phone number's digits, and digits that the vendor makes up. Proven at the lock.

use crate::harness::{Hotel, shared, until};
use jiff::{SignedDuration, Timestamp};
use lock_domain::{
    pin::{PinSource, PinStrategy},
    policy::StayPolicy,
};
use lock_sim::ttlock::{Effect, FaultKind, FaultOrder, GatewayPatch};
use serde_json::{Value, json};
use sqlx::{Connection as _, PgConnection, Row as _};
use std::time::Duration;

fn guest(reservation: &str, room: &str, more: Value) -> Value {
    let now = Timestamp::now();
    let until = now + SignedDuration::from_hours(20);
    let mut body =
        json!({ "reservation": reservation, "room": room, "from": now.to_string(), "until": until.to_string() });
    for (name, value) in more.as_object().unwrap() {
        body[name] = value.clone();
    }
    body
}

async fn hotel(policy: StayPolicy) -> Hotel {
    Hotel::with(4, StayPolicy { retry_cap_s: 1, ..policy }).await
}

async fn vendors() -> Hotel {
    hotel(StayPolicy { pin_source: PinSource::Vendor, ..StayPolicy::default() }).await
}

#[tokio::test]
async fn the_last_digits_of_the_phone_number_open_the_door_and_the_number_is_kept_nowhere() {
    let hotel = hotel(StayPolicy { pin_strategy: PinStrategy::FromPhone, ..StayPolicy::default() }).await;
    let phone = "+351 914 829 137";
    let body = guest("R1", "101", json!({ "phone": phone }));
    let stay = hotel.pms.post_as("stays?wait=20", "same", body.clone()).await.expect(201).body;
    assert_eq!(stay["keys"][0]["pin_origin"], "phone_last", "{stay:#}");
    assert!(stay["keys"][0]["pin_why"].as_str().unwrap().contains("last digits"), "{stay:#}");
    assert_eq!(hotel.pms.reveal("R1").await, "829137");
    assert!(hotel.try_pin("101", "829137").opened);
    // A repeat is a repeat although the request's hash is keyed, and another number is another request.
    let again = hotel.pms.post_as("stays?wait=20", "same", body).await.expect(201);
    assert_eq!(again.header("idempotency-replayed"), Some("true"), "{:?}", again.headers);
    let other = guest("R1", "101", json!({ "phone": "914829138" }));
    hotel.pms.post_as("stays?wait=20", "same", other).await.problem(422, "idempotency_key_reused");

    // The same number for somebody else: its last digits are taken, so others of its digits are used, and the answer says so.
    let second = hotel.pms.post("stays?wait=20", guest("R2", "102", json!({ "phone": "914829137" }))).await.expect(201);
    assert_eq!(second.body["keys"][0]["pin_origin"], "phone_other", "{:#}", second.body);
    let pin = hotel.pms.reveal("R2").await;
    assert!("914829137".contains(&pin) && pin != "829137" && hotel.try_pin("102", &pin).opened, "{pin}");
    // Nothing of this number is fit.
    let weak = hotel.pms.post("stays?wait=20", guest("R3", "103", json!({ "phone": "999 999 999" }))).await.expect(201);
    assert_eq!(weak.body["keys"][0]["pin_origin"], "phone_unfit", "{:#}", weak.body);
    let none = hotel.pms.post("stays?wait=20", guest("R4", "104", json!({}))).await.expect(201);
    assert_eq!(none.body["keys"][0]["pin_origin"], "phone_missing", "{:#}", none.body);

    // Neither the number nor a hash of the request that anybody could try numbers against.
    let mut db = PgConnection::connect(shared().stack.database_url()).await.unwrap();
    let tables =
        sqlx::query("SELECT tablename FROM pg_tables WHERE schemaname = 'public'").fetch_all(&mut db).await.unwrap();
    for table in tables {
        let table: String = table.get(0);
        let sql =
            format!(r#"SELECT count(*) FROM "{table}" t WHERE t::text LIKE '%914829137%' OR t::text LIKE '%914 829%'"#);
        let found: i64 = sqlx::query_scalar(sqlx::AssertSqlSafe(sql)).fetch_one(&mut db).await.unwrap();
        assert_eq!(found, 0, "{table}");
    }
}

#[tokio::test]
async fn what_a_request_says_about_digits_is_judged_when_it_comes() {
    let hotel = hotel(StayPolicy::default()).await;
    let ask = async |more: Value| hotel.pms.post("stays", guest("N1", "101", more)).await;
    let field = |answer: crate::harness::Answer| answer.body["field"].as_str().unwrap_or_default().to_owned();
    assert_eq!(field(ask(json!({ "phone": "call me" })).await.problem(422, "invalid_field")), "phone");
    assert_eq!(field(ask(json!({ "pin_strategy": "from_phone" })).await.problem(422, "invalid_field")), "phone");
    assert_eq!(field(ask(json!({ "pin_strategy": "chosen" })).await.problem(422, "invalid_field")), "pin");
    let both = json!({ "pin_strategy": "random", "pin": "482913" });
    assert_eq!(field(ask(both).await.problem(422, "invalid_field")), "pin_strategy");
    // Digits that collide are refused with a reason, and are not replaced behind the caller's back.
    ask(json!({ "pin": "482913" })).await.expect(202);
    let taken = hotel.pms.post("stays", guest("N2", "102", json!({ "pin": "482913" }))).await.problem(409, "pin_taken");
    assert_eq!(field(taken), "pin");
}

#[tokio::test]
async fn digits_of_the_vendor_s_are_told_once_they_exist() {
    let hotel = vendors().await;
    // The gateway is away: digits of the vendor's need none.
    for gateway in hotel.sim.sim().gateways() {
        hotel
            .sim
            .sim()
            .patch_gateway(gateway.gateway_id, &GatewayPatch { online: Some(false), ..GatewayPatch::default() });
    }
    let body = guest("R1", "101", json!({}));
    let slow = FaultOrder::times("keyboardPwd/get", FaultKind::Latency { ms: 1_500 }, 1);
    hotel.sim.sim().add_fault(slow);
    let stay = hotel.pms.post("stays", body).await.expect(202).body;
    let key = &stay["keys"][0];
    assert_eq!((key["pin_source"].as_str(), key["pin_ready"].as_bool()), (Some("vendor"), Some(false)), "{stay:#}");
    let reveal = format!("stays/R1/keys/{}/reveal", key["id"].as_str().unwrap());
    hotel.pms.post(&reveal, json!({})).await.problem(409, "pin_not_ready");
    let stay = hotel.pms.phase("R1", "active").await;
    assert_eq!(stay["keys"][0]["pin_ready"], true, "{stay:#}");
    assert!(stay["keys"][0]["credentials"][0]["rounding"].is_string(), "whole hours are shown: {stay:#}");
    let pin = hotel.pms.reveal("R1").await;
    assert!(hotel.try_pin("101", &pin).opened);
    hotel.pms.post(&reveal, json!({})).await.problem(410, "pin_revealed");
    let timeline = hotel.pms.get("stays/R1/timeline").await.expect(200).body.to_string();
    assert!(timeline.contains("key.pin_made.v1") && !timeline.contains(&pin), "{timeline}");
}

#[tokio::test]
async fn a_lost_answer_takes_its_digits_along_and_the_guest_is_told_others_that_open() {
    let hotel = vendors().await;
    hotel.sim.sim().add_fault(FaultOrder::times("keyboardPwd/get", FaultKind::ActThenDrop, 1));
    hotel.pms.post("stays", guest("R1", "101", json!({}))).await.expect(202);
    hotel.pms.phase("R1", "active").await;
    let pin = hotel.pms.reveal("R1").await;
    assert!(hotel.try_pin("101", &pin).opened);
    assert_eq!(hotel.codes().len(), 1, "the one that nobody knows is gone: {:?}", hotel.codes());
    let journal = hotel.sim.sim().journal(0);
    assert_eq!(journal.iter().filter(|entry| entry.effect == Effect::Get).count(), 2, "{journal:?}");
    let out = hotel.pms.verb("R1", "check-out", json!({})).await.ok().body;
    assert_eq!(out["phase"], "ended", "{out:#}");
    assert!(hotel.codes().is_empty() && !hotel.try_pin("101", &pin).opened);
}

#[tokio::test]
async fn keys_that_come_back_have_other_digits_that_can_be_revealed() {
    let hotel = vendors().await;
    hotel.pms.post("stays?wait=20", guest("R1", "101", json!({}))).await.expect(201);
    let first = hotel.pms.reveal("R1").await;
    let stay = hotel.pms.verb("R1", "suspend", json!({})).await.ok().body;
    assert_eq!(stay["keys"][0]["pin_ready"], false, "what opens nothing is forgotten: {stay:#}");
    hotel.pms.verb("R1", "resume", json!({})).await.ok();
    let second = hotel.pms.reveal("R1").await;
    assert!(first != second && hotel.try_pin("101", &second).opened && !hotel.try_pin("101", &first).opened);
    // The next room has another lock, and so other digits; the old ones open the old room until then.
    hotel.pms.verb("R1", "room-move", json!({ "room": "102" })).await.ok();
    let third = hotel.pms.reveal("R1").await;
    assert!(hotel.try_pin("102", &third).opened && !hotel.try_pin("101", &second).opened);
    let timeline = hotel.pms.get("stays/R1/timeline").await.expect(200).body.to_string();
    assert!(timeline.contains("made up another PIN"), "{timeline}");
    until("one code is left", Duration::from_secs(20), || async {
        if hotel.codes().len() == 1 { Ok(()) } else { Err(format!("{:?}", hotel.codes())) }
    })
    .await;
}

#[tokio::test]
async fn what_the_vendor_can_t_do_is_refused_when_it_is_asked() {
    let hotel = vendors().await;
    hotel.common_door("Front").await;
    let refused = hotel.pms.post("stays", guest("N1", "101", json!({}))).await.problem(422, "capability_missing");
    assert!(refused.body["detail"].as_str().unwrap().contains("pin_source"), "{:#}", refused.body);
    hotel.pms.post("stays", guest("N1", "101", json!({ "pin": "482913" }))).await.problem(422, "capability_missing");
}

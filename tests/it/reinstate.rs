//! A reservation whose stay is over comes back: checked out by mistake, cancelled and booked again, too late and here after all.

use crate::harness::{Hotel, invariants, until};
use jiff::{SignedDuration, Timestamp};
use lock_domain::ids::{CommandId, StayId};
use lock_sim::ttlock::{FaultKind, FaultOrder};
use serde_json::{Value, json};
use sqlx::Row as _;
use std::time::Duration;

fn stay(reservation: &str, room: &str, from: i64, until: i64) -> Value {
    let hours = |n: i64| (Timestamp::now() + SignedDuration::from_hours(n)).to_string();
    json!({ "reservation": reservation, "room": room, "from": hours(from), "until": hours(until) })
}

async fn timeline(hotel: &Hotel, name: &str) -> String {
    hotel.pms.get(&format!("stays/{name}/timeline")).await.expect(200).body.to_string()
}

#[tokio::test]
async fn a_check_out_by_mistake_is_made_good_under_the_same_reservation() {
    let hotel = Hotel::open().await;
    let body = stay("R1", "101", 0, 20);
    let first = hotel.pms.post_as("stays?wait=20", "first", body.clone()).await.expect(201).body;
    let old_pin = hotel.pms.reveal("R1").await;
    hotel.pms.verb("R1", "check-out", json!({})).await.ok();
    hotel.pms.phase("R1", "ended").await;

    // A repeat of the first request is still that request.
    let repeat = hotel.pms.post_as("stays?wait=20", "first", body.clone()).await.expect(201);
    assert_eq!((repeat.header("idempotency-replayed"), &repeat.body["id"]), (Some("true"), &first["id"]));
    let again = hotel.pms.post("stays?wait=20", body.clone()).await.expect(201).body;
    assert_ne!(again["id"], first["id"]);
    assert_eq!((&again["reinstates"], &again["phase"]), (&first["id"], &json!("active")), "{again:#}");
    let pin = hotel.pms.reveal("R1").await;
    assert!(hotel.try_pin("101", &pin).opened && !hotel.try_pin("101", &old_pin).opened);
    hotel.pms.post("stays?wait=20", body).await.problem(409, "stay_exists");

    // The reservation's name is the latest stay; the earlier one keeps its story.
    assert_eq!(hotel.pms.stay("R1").await["id"], again["id"]);
    let old = first["id"].as_str().unwrap();
    assert_eq!(hotel.pms.stay(old).await["ended_by"], "checked_out");
    let listed = hotel.pms.get("stays?reservation=R1").await.expect(200).body;
    let ids: Vec<&Value> = listed["stays"].as_array().unwrap().iter().map(|line| &line["id"]).collect();
    assert_eq!(ids, [&first["id"], &again["id"]], "{listed:#}");
    let (then, now) = (timeline(&hotel, old).await, timeline(&hotel, "R1").await);
    assert!(now.contains(&format!("Reinstated: the reservation's stay {old} is over")), "{now}");
    assert!(then.contains("Over: checked out") && !then.contains("Reinstated"), "{then}");

    for verb in ["suspend", "resume", "check-out"] {
        hotel.pms.verb("R1", verb, json!({})).await.ok();
    }
    hotel.pms.phase("R1", "ended").await;
    let third = hotel.pms.check_in("R1", "102", 20).await.expect(201).body;
    assert_eq!(third["reinstates"], again["id"]);
    invariants::check(&hotel).await;
}

#[tokio::test]
async fn nobody_moves_in_while_the_former_keys_may_open() {
    let hotel = Hotel::open().await;
    hotel.pms.check_in("R1", "101", 20).await.expect(201);
    hotel.sim.sim().add_fault(FaultOrder::always("*", FaultKind::Down));
    hotel.pms.post("stays/R1/check-out", json!({})).await.expect(202);
    hotel.pms.phase("R1", "ending").await;
    let body = stay("R1", "102", 0, 20);
    let refused = hotel.pms.post_as("stays?wait=20", "again", body.clone()).await.problem(409, "stay_ending");
    assert_eq!(refused.body["field"], "reservation");
    hotel.sim.sim().clear_faults();
    hotel.pms.phase("R1", "ended").await;
    hotel.pms.post_as("stays?wait=20", "again", body).await.expect(201);
    invariants::check(&hotel).await;
}

#[tokio::test]
async fn what_was_cancelled_and_what_ran_out_is_booked_again() {
    let hotel = Hotel::open().await;
    hotel.pms.post("stays?wait=20", stay("C1", "101", 72, 96)).await.expect(201);
    hotel.pms.verb("C1", "cancel", json!({})).await.ok();
    hotel.pms.check_in("X1", "102", 2).await.expect(201);
    hotel.advance(&(Timestamp::now() + SignedDuration::from_hours(3)).to_string()).await;
    for (reservation, cause) in [("C1", "cancelled"), ("X1", "expired")] {
        assert_eq!(hotel.pms.phase(reservation, "ended").await["ended_by"], cause);
    }
    for (reservation, room) in [("C1", "101"), ("X1", "102")] {
        let again = hotel.pms.post("stays?wait=20", stay(reservation, room, 1, 30)).await.expect(201).body;
        assert!(again["reinstates"].is_string(), "{again:#}");
        assert_eq!(hotel.pms.phase(reservation, "active").await["id"], again["id"]);
    }
}

#[tokio::test]
async fn nothing_that_was_meant_for_the_former_stay_reaches_the_new_one() {
    let hotel = Hotel::open().await;
    let first = hotel.pms.check_in("R1", "101", 20).await.expect(201).body;
    hotel.pms.verb("R1", "check-out", json!({})).await.ok();
    hotel.pms.phase("R1", "ended").await;
    let again = hotel.pms.check_in("R1", "101", 20).await.expect(201).body;
    let pin = hotel.pms.reveal("R1").await;
    let codes = hotel.codes().len();

    // A New and a check-out that were accepted for the former stay, and lay about until now.
    let mut db = invariants::owner().await;
    let late = sqlx::query(
        "INSERT INTO commands (tenant_id, command_id, property_id, stay_id, reservation, verb, payload, status, by_key, accepted_at)
         SELECT tenant_id, id, property_id, stay_id, reservation, verb,
                jsonb_set(payload, '{id}', to_jsonb('op_' || replace(id::text, '-', ''))), 'accepted', by_key, accepted_at
         FROM (SELECT c.*, gen_random_uuid() AS id FROM commands c WHERE tenant_id = $1 AND stay_id = $2) AS old
         RETURNING command_id",
    )
    .bind(hotel.tenant.as_uuid())
    .bind(first["id"].as_str().unwrap().parse::<StayId>().unwrap().as_uuid())
    .fetch_all(&mut db)
    .await
    .unwrap();
    let late: Vec<uuid::Uuid> = late.iter().map(|row| row.get(0)).collect();
    assert_eq!(late.len(), 2);
    until("the dispatcher has met them", Duration::from_secs(30), || async {
        let open = invariants::open_operations(&hotel).await;
        if open.is_empty() { Ok(()) } else { Err(open) }
    })
    .await;
    for id in late {
        let path = format!("/v1/operations/{}", CommandId::from_uuid(id));
        let told = hotel.pms.get(&path).await.expect(200).body;
        assert_eq!((&told["status"], &told["reason"]["code"]), (&json!("failed"), &json!("stay_ended")), "{told:#}");
    }
    let now = hotel.pms.stay("R1").await;
    assert_eq!((&now["id"], &now["phase"]), (&again["id"], &json!("active")), "{now:#}");
    assert!(hotel.try_pin("101", &pin).opened);
    assert_eq!(hotel.codes().len(), codes, "no run of the former stay began again");
    let former = hotel.pms.stay(first["id"].as_str().unwrap()).await;
    assert_eq!((&former["phase"], &former["ended_by"]), (&json!("ended"), &json!("checked_out")));
}

//! Every live stay of a sandbox follows its property's clock, whenever it was accepted and however far its deadline is.

use crate::harness::{Hotel, temporal::StayRun, until};
use jiff::{SignedDuration, Timestamp};
use lock_domain::clock::ClockOffset;
use lock_workflows::KeyLifecycle;
use serde_json::json;
use std::time::Duration;
use temporalio_client::WorkflowQueryOptions;

/// What the stay's workflow knows of its property's clock.
async fn known(run: &StayRun) -> ClockOffset {
    run.handle().query(KeyLifecycle::stay, (), WorkflowQueryOptions::default()).await.unwrap().clock
}

async fn offset(hotel: &Hotel) -> ClockOffset {
    hotel.store.tenant(hotel.tenant).await.unwrap().property(hotel.property).await.unwrap().unwrap().clock
}

#[tokio::test]
async fn a_stay_hears_of_the_clock_before_it_falls_due_and_no_earlier() {
    let hotel = Hotel::open().await;
    let end = Timestamp::now() + SignedDuration::from_hours(20);
    hotel.pms.check_in("R1", "101", 20).await.expect(201);
    hotel.pms.check_in("FAR", "102", 24 * 9).await.expect(201);
    let (run, far) = (StayRun::of(&hotel, "R1").await, StayRun::of(&hotel, "FAR").await);
    // A little more than five minutes are left, so that nobody is told at once.
    hotel.advance(&(end - SignedDuration::from_secs(305)).to_string()).await;
    until("the stay has heard of it", Duration::from_secs(60), || async {
        let (told, moved) = (known(&run).await, offset(&hotel).await);
        if told == moved { Ok(()) } else { Err(told) }
    })
    .await;
    assert_eq!(known(&far).await, ClockOffset::REAL, "one that sleeps for days is left alone");
    hotel.advance(&(end + SignedDuration::from_secs(1)).to_string()).await;
    assert_eq!(hotel.pms.phase("R1", "ended").await["ended_by"], "expired");
}

#[tokio::test]
async fn a_stay_that_was_accepted_while_the_clock_moved_is_told_afterwards() {
    let hotel = Hotel::open().await;
    hotel.pms.check_in("R1", "101", 20).await.expect(201);
    // The move looked for stays to tell before this one's transaction was committed.
    let mut tx = hotel.store.tenant(hotel.tenant).await.unwrap();
    tx.advance_clock(hotel.property, ClockOffset::from_millis(21 * 3_600_000)).await.unwrap();
    tx.commit().await.unwrap();
    assert_eq!(hotel.pms.phase("R1", "ended").await["ended_by"], "expired");
    assert!(hotel.codes().is_empty());
}

#[tokio::test]
async fn a_stay_whose_first_key_is_on_its_way_is_told_as_well() {
    let hotel = Hotel::open().await;
    hotel.sim.sim().add_fault(lock_sim::ttlock::FaultOrder::always("*", lock_sim::ttlock::FaultKind::Down));
    let until_text = (Timestamp::now() + SignedDuration::from_hours(20)).to_string();
    let body = json!({ "reservation": "R1", "room": "101", "from": Timestamp::now().to_string(), "until": until_text });
    hotel.pms.post("stays", body).await.expect(202);
    hotel.pms.phase("R1", "issuing").await;
    // No deadline is known of it.
    sqlx::query("UPDATE stays SET next_deadline = NULL WHERE tenant_id = $1")
        .bind(hotel.tenant.as_uuid())
        .execute(&mut crate::harness::invariants::owner().await)
        .await
        .unwrap();
    hotel.pms.post("test-clock", json!({ "advance_by_s": 21 * 3600 })).await.ok();
    until("the stay is over", Duration::from_secs(30), || async {
        let stay = hotel.pms.stay("R1").await;
        if stay["ended_by"] == "expired" { Ok(()) } else { Err(stay["phase"].to_string()) }
    })
    .await;
    hotel.sim.sim().clear_faults();
    hotel.pms.phase("R1", "ended").await;
}

//! Days and weeks of one stay, in seconds: the server skips the execution's time, and real timers fire.
//!
//! The API, the activities and the simulated locks stay in the present. That is sound here: what a lock is told comes from the
//! workflow's state, and an activity's round then ends by the server's time-outs instead of its own look at the clock.

use crate::harness::{
    Hotel,
    temporal::{StayRun, of_skipping},
    until,
};
use jiff::{SignedDuration, Timestamp};
use lock_domain::policy::StayPolicy;
use lock_sim::ttlock::{FaultKind, FaultOrder};
use serde_json::json;
use std::time::{Duration, Instant};
use temporalio_common::protos::temporal::api::enums::v1::EventType;

const DAY: Duration = Duration::from_secs(24 * 3600);
/// After so many events a run continues as new (lock-workflows).
const HISTORY_LIMIT: usize = 1_000;

#[tokio::test]
async fn fourteen_days_pass_and_the_key_is_taken_away() {
    let hotel = Hotel::open().await;
    hotel.pms.check_in("R1", "101", 14 * 24).await.expect(201);
    let pin = hotel.pms.reveal("R1").await;
    let run = StayRun::of(&hotel, "R1").await;
    let begun = Instant::now();
    run.skip(13 * DAY).await;
    assert!(hotel.try_pin("101", &pin).opened, "a day is left");
    assert_eq!(hotel.pms.stay("R1").await["phase"], "active");
    run.skip(DAY + Duration::from_secs(120)).await;
    let over = hotel.pms.phase("R1", "ended").await;
    assert!(begun.elapsed() < Duration::from_secs(10), "{:?}", begun.elapsed());
    assert_eq!(over["ended_by"], "expired");
    assert!(!hotel.try_pin("101", &pin).opened && hotel.codes().is_empty());
}

#[tokio::test]
async fn a_planned_stay_gets_its_keys_a_day_before_arrival() {
    let hotel = Hotel::open().await;
    let now = Timestamp::now();
    let days = |n: i64| now + SignedDuration::from_hours(24 * n);
    let body =
        json!({ "reservation": "R1", "room": "101", "from": days(20).to_string(), "until": days(23).to_string() });
    let stay = hotel.pms.post("stays?wait=20", body).await.expect(201).body;
    assert_eq!(stay["phase"], "planned", "{stay:#}");
    let run = StayRun::of(&hotel, "R1").await;
    run.skip(18 * DAY).await;
    assert!(hotel.codes().is_empty(), "two days are left");
    run.skip(DAY + Duration::from_secs(120)).await;
    hotel.pms.phase("R1", "active").await;
    let [code] = &hotel.codes()[..] else { panic!("{:?}", hotel.codes()) };
    let early = days(20).as_millisecond() - code.from;
    assert!((300_000..=360_000).contains(&early), "{early}");
    run.skip(4 * DAY).await;
    assert_eq!(hotel.pms.phase("R1", "ended").await["ended_by"], "expired");
    assert!(hotel.codes().is_empty());
}

#[tokio::test]
async fn a_day_without_the_vendor_costs_few_events() {
    let hotel = Hotel::with(1, StayPolicy { retry_cap_s: 600, ..StayPolicy::default() }).await;
    hotel.pms.check_in("R1", "101", 20).await.expect(201);
    let pin = hotel.pms.reveal("R1").await;
    hotel.sim.sim().add_fault(FaultOrder::always("*", FaultKind::Down));
    hotel.pms.post("stays/R1/check-out", json!({})).await.expect(202);
    let run = StayRun::of(&hotel, "R1").await;
    until("the first try has failed", Duration::from_secs(30), || async {
        let tries = run.describe().await.pending_activities.first().map_or(0, |activity| activity.attempt);
        if tries > 1 { Ok(()) } else { Err(tries) }
    })
    .await;
    run.skip(DAY).await;
    let events = run.events().await;
    let count = |kind: EventType| events.iter().filter(|event| event.event_type() == kind).count();
    let (rounds, skips) =
        (count(EventType::ActivityTaskScheduled), count(EventType::WorkflowExecutionTimeSkippingTransitioned));
    let lasting = events.iter().filter(|event| !of_skipping(event)).count();
    println!("a day without the vendor: {rounds} rounds, {skips} skips, {lasting} events");
    assert!(rounds >= 5 && skips >= 100, "{rounds} rounds, {skips} skips: the day did not pass");
    assert!(lasting < HISTORY_LIMIT / 5, "{lasting} events");
    assert!(hotel.try_pin("101", &pin).opened, "and the stay still says so");
    assert_eq!(hotel.pms.stay("R1").await["phase"], "ending");

    hotel.sim.sim().clear_faults();
    run.skip(Duration::from_secs(3600)).await;
    hotel.pms.phase("R1", "ended").await;
    assert!(hotel.codes().is_empty());
}

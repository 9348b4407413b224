//! Locks that have no room for another code: whoever arrives first has the place, and a booking for later gives way and comes back.

use crate::{
    every_step::settled,
    harness::{
        Hotel,
        faults::{self, Mode},
        invariants, until,
    },
};
use futures::{StreamExt as _, stream};
use jiff::{SignedDuration, Timestamp};
use lock_domain::policy::StayPolicy;
use lock_sim::ttlock::PolicyPatch;
use serde_json::{Value, json};
use std::{
    sync::atomic::{AtomicUsize, Ordering},
    time::Duration,
};

const LIMIT: Duration = Duration::from_secs(60);
/// Walks at a time. Each is mostly waiting.
const AT_ONCE: usize = 24;

/// A hotel whose locks hold so many codes, and whose keys are made a week ahead.
async fn hotel(codes_per_lock: usize) -> Hotel {
    let policy = StayPolicy { retry_cap_s: 1, issue_ahead_s: 7 * 86_400, ..StayPolicy::default() };
    let hotel = Hotel::with(2, policy).await;
    hotel.sim.sim().patch_policy(&PolicyPatch { codes_per_lock: Some(codes_per_lock), ..PolicyPatch::default() });
    hotel
}

/// Books room 101 for ten hours, from so many hours from now on.
async fn book(hotel: &Hotel, reservation: &str, hours: i64) -> Timestamp {
    let from = Timestamp::now() + SignedDuration::from_hours(hours);
    let to = from + SignedDuration::from_hours(10);
    let body = json!({ "reservation": reservation, "room": "101", "from": from.to_string(), "until": to.to_string() });
    hotel.pms.post("stays", body).await.expect(202);
    from
}

fn adds(hotel: &Hotel) -> u64 {
    hotel.sim.sim().stats().calls.get("keyboardPwd/add").copied().unwrap_or(0)
}

/// Waits until the stay waits for a place.
async fn waits(hotel: &Hotel, reservation: &str) -> Value {
    until(&format!("{reservation} waits for a place"), LIMIT, || async {
        let stay = hotel.pms.stay(reservation).await;
        let waits = stay["phase"] == "issuing" && stay.to_string().contains("lock_full");
        if waits { Ok(stay) } else { Err(stay.to_string()) }
    })
    .await
}

#[tokio::test]
async fn a_booking_for_later_gives_its_place_in_a_full_lock_to_a_nearer_one_and_gets_it_back() {
    let hotel = hotel(1).await;
    let arrives = book(&hotel, "LATER", 30).await;
    hotel.pms.phase("LATER", "active").await;
    let digits = hotel.pms.reveal("LATER").await;
    book(&hotel, "LATEST", 60).await;
    waits(&hotel, "LATEST").await;
    hotel.pms.phase("LATER", "active").await;

    // Somebody walks in: the lock is full.
    book(&hotel, "NOW", 0).await;
    hotel.pms.phase("NOW", "active").await;
    waits(&hotel, "LATER").await;
    assert_eq!(hotel.codes().len(), 1, "{:?}", hotel.codes());
    let pin = hotel.pms.reveal("NOW").await;
    assert!(hotel.try_pin("101", &pin).opened);
    let timeline = hotel.pms.get("stays/LATER/timeline").await.expect(200).body.to_string();
    assert!(timeline.contains("give a place in a full lock to a guest who arrives earlier"), "{timeline}");
    let asked = adds(&hotel);
    let locks = hotel.pms.get("full-locks").await.expect(200).body;
    let waiting: Vec<_> =
        locks["locks"][0]["waiting"].as_array().unwrap().iter().map(|one| &one["reservation"]).collect();
    assert_eq!(waiting, ["LATER", "LATEST"], "in the order of their turns: {locks}");
    assert_eq!((&locks["locks"][0]["fits"], &locks["locks"][0]["held"]), (&json!(1), &json!(1)), "{locks}");

    // He leaves: the one who arrives next has the place, not the one who arrives last.
    hotel.pms.verb("NOW", "check-out", json!({})).await.ok();
    hotel.pms.phase("LATER", "active").await;
    waits(&hotel, "LATEST").await;
    assert_eq!(adds(&hotel), asked + 1, "nobody knocks at a lock that is known to be full");
    hotel.advance(&(arrives + SignedDuration::from_mins(1)).to_string()).await;
    until("the digits that the guest was told open", LIMIT, || async {
        let outcome = hotel.try_pin("101", &digits);
        if outcome.opened { Ok(()) } else { Err(outcome) }
    })
    .await;
    // He is there: nobody displaces him.
    hotel.pms.verb("LATER", "check-out", json!({})).await.ok();
    hotel.pms.phase("LATEST", "active").await;
    hotel.pms.verb("LATEST", "cancel", json!({})).await.ok();
    for reservation in ["NOW", "LATER", "LATEST"] {
        hotel.pms.phase(reservation, "ended").await;
    }
    assert!(hotel.codes().is_empty(), "{:?}", hotel.codes());
    invariants::check(&hotel).await;
}

#[tokio::test]
async fn a_lock_that_others_have_filled_is_tried_again_by_the_first_to_arrive() {
    let hotel = hotel(0).await;
    book(&hotel, "SECOND", 50).await;
    waits(&hotel, "SECOND").await;
    book(&hotel, "FIRST", 30).await;
    waits(&hotel, "FIRST").await;
    let asked = adds(&hotel);
    // Somebody takes a code out that we know nothing of, and the lock's word is old.
    hotel.sim.sim().patch_policy(&PolicyPatch { codes_per_lock: Some(1), ..PolicyPatch::default() });
    let sql = "UPDATE full_locks SET told_at = told_at - interval '1 hour' WHERE tenant_id = $1";
    sqlx::query(sql).bind(hotel.tenant.as_uuid()).execute(&mut invariants::owner().await).await.unwrap();
    hotel.pms.phase("FIRST", "active").await;
    waits(&hotel, "SECOND").await;
    assert_eq!(hotel.codes().len(), 1);
    assert!(adds(&hotel) <= asked + 2, "one was let in, and one more may have looked: {}", adds(&hotel));
    for reservation in ["FIRST", "SECOND"] {
        hotel.pms.verb(reservation, "cancel", json!({})).await.ok();
        hotel.pms.phase(reservation, "ended").await;
    }
    invariants::check(&hotel).await;
}

/// Somebody walks in while a booking for later holds the only place, leaves, and the later one has it back. How many activities there were
/// until he had his key: how many follow depends on how often the other one asks.
async fn give_and_take(hotel: &Hotel) -> Vec<String> {
    book(hotel, "LATER", 30).await;
    hotel.pms.phase("LATER", "active").await;
    book(hotel, "NOW", 0).await;
    hotel.pms.phase("NOW", "active").await;
    let (seen, _) = faults::seen(hotel.tenant);
    hotel.pms.verb("NOW", "check-out", json!({})).await.ok();
    hotel.pms.phase("LATER", "active").await;
    hotel.pms.verb("LATER", "cancel", json!({})).await.ok();
    for reservation in ["NOW", "LATER"] {
        hotel.pms.phase(reservation, "ended").await;
    }
    settled(hotel).await;
    assert!(hotel.codes().is_empty(), "{:?}", hotel.codes());
    seen
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_step_of_giving_way_may_fail_repeat_or_crash() {
    let undisturbed = hotel(1).await;
    faults::plan(undisturbed.tenant, usize::MAX, Mode::Fail);
    let seen = give_and_take(&undisturbed).await;
    invariants::check(&undisturbed).await;
    // By name: which stay's step comes first is not the same in each walk.
    let mut cases = Vec::new();
    for (name, modes) in [("perform", &Mode::ALL[..]), ("record_stay", &[Mode::Fail, Mode::Repeat])] {
        let times = seen.iter().filter(|one| *one == name).count();
        cases.extend((1..=times).flat_map(|nth| modes.iter().map(move |mode| (name, nth, *mode))));
    }
    assert!(cases.len() >= 12 && seen.iter().all(|name| name == "perform" || name == "record_stay"), "{seen:?}");
    let hits = AtomicUsize::new(0);
    stream::iter(cases.iter())
        .for_each_concurrent(AT_ONCE, async |(name, nth, mode)| {
            let hotel = hotel(1).await;
            faults::plan_of(hotel.tenant, name, *nth, *mode);
            give_and_take(&hotel).await;
            let (seen, hit) = faults::seen(hotel.tenant);
            assert!(hit, "{name} {nth} was to {mode:?}, and did not: {seen:?}");
            hits.fetch_add(1, Ordering::Relaxed);
            invariants::check(&hotel).await;
        })
        .await;
    assert_eq!(hits.into_inner(), cases.len());
}

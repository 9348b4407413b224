//! Breakers: claimed by one, written once, with their event; and what is kept of rounds.

use crate::{
    cluster::TestDb,
    world::{World, noon},
};
use futures::future::join_all;
use jiff::{SignedDuration, Timestamp};
use lock_domain::{
    event::Event,
    health::{Breaker, BreakerState, Evidence, Finding, ProbeKind, Reach, Tuning, Verdict},
    problem::Code,
};
use lock_store::{ClaimedBreaker, DevicesSeen, HealthSettings, ProbeResult};

const BAD: Finding = Finding::Bad { reach: Reach::Link, code: Code::VendorUnreachable };

fn probes(finding: Finding) -> Vec<ProbeResult> {
    [ProbeKind::SignIn, ProbeKind::Gateways]
        .map(|kind| ProbeResult { evidence: Evidence { kind, finding }, took_ms: 3 })
        .to_vec()
}

fn tuning() -> Tuning {
    Tuning::every(SignedDuration::from_secs(10))
}

async fn claim(world: &World, now: Timestamp) -> Vec<ClaimedBreaker> {
    let mut tx = world.tx().await;
    tx.enter_breakers(now, now).await.unwrap();
    let claimed = tx.claim_probes(now, now + SignedDuration::from_secs(60), 10).await.unwrap();
    tx.commit().await.unwrap();
    claimed
}

async fn settle(world: &World, claimed: &ClaimedBreaker, finding: Finding, now: Timestamp) -> bool {
    let round = match finding {
        Finding::Bad { code, .. } => Verdict::Bad { code },
        _ => Verdict::Well,
    };
    let step = claimed.row.breaker.after(round, finding == Finding::Well, now, &tuning());
    let mut tx = world.tx().await;
    let devices = DevicesSeen { locks: 4, gateways: 1, gateways_offline: vec!["Lobby".to_owned()] };
    let done = tx.settle_round(claimed, &step, &probes(finding), &devices, now).await.unwrap();
    tx.commit().await.unwrap();
    done
}

/// A round that is well.
pub(crate) async fn one_round(world: &World) {
    let claimed = claim(world, noon()).await;
    assert!(settle(world, &claimed[0], Finding::Well, noon()).await);
}

#[tokio::test]
async fn r_lock_01_of_many_workers_one_makes_the_round() {
    let db = TestDb::new().await;
    let world = World::with_connections(&db, 10).await;
    let claims = join_all((0..10).map(|_| claim(&world, noon()))).await;
    let claimed: Vec<_> = claims.into_iter().flatten().collect();
    let [claimed] = &claimed[..] else { panic!("{claimed:?}") };
    assert_eq!(claimed.row.breaker, Breaker::new(noon(), noon()));
    assert!(claimed.some_lock.is_some());
    // A worker that died: its lease runs out, another one takes the round, and what the first writes comes too late.
    let later = noon() + SignedDuration::from_secs(61);
    let again = claim(&world, later).await;
    assert_eq!(again.len(), 1);
    assert!(!settle(&world, claimed, BAD, later).await);
    assert!(settle(&world, &again[0], BAD, later).await);
    assert!(!settle(&world, &again[0], BAD, later).await, "once");
    assert_eq!(world.tx().await.breakers(None).await.unwrap()[0].breaker.bad, 1);
    assert_eq!(claim(&world, later).await, [], "not due");
}

#[tokio::test]
async fn r_lock_01_a_breaker_opens_with_its_event_and_the_state_stays() {
    let db = TestDb::new().await;
    let world = World::new(&db).await;
    let mut now = noon();
    for finding in [BAD, BAD, Finding::Well, BAD] {
        let claimed = claim(&world, now).await;
        assert!(settle(&world, &claimed[0], finding, now).await);
        now += SignedDuration::from_secs(60);
    }
    let mut tx = world.tx().await;
    let rows = tx.breakers(Some(world.property)).await.unwrap();
    let row = &rows[0];
    assert_eq!((row.breaker.state, row.opens, row.round, row.false_positives), (BreakerState::Open, 1, 4, 1));
    assert_eq!(row.breaker.opened_at, Some(noon() + SignedDuration::from_secs(60)));
    assert_eq!((row.evidence.len(), row.devices.locks), (2, 4));
    let events = tx.events_after(None, 10, None).await.unwrap();
    let kinds: Vec<&str> = events.iter().map(|event| &event.kind[..]).collect();
    assert_eq!(kinds, ["vendor.breaker_opened.v1", "vendor.outage.v1", "vendor.breaker_half_open.v1"]);
    let Some(Event::BreakerOpened { code, since, .. }) = events[0].event() else { panic!("{events:?}") };
    assert_eq!((code, Some(since)), (Code::VendorUnreachable, row.breaker.opened_at));
}

#[tokio::test]
async fn calls_are_counted_for_the_next_round_and_settings_are_kept() {
    let db = TestDb::new().await;
    let world = World::new(&db).await;
    let mut tx = world.tx().await;
    tx.count_calls(world.property, "ttlock", 1, 1).await.unwrap();
    let health = HealthSettings { canary_lock: Some("7".to_owned()), ..HealthSettings::default() };
    tx.set_health(world.property, &health).await.unwrap();
    tx.commit().await.unwrap();
    let before = claim(&world, noon()).await.remove(0);
    assert_eq!((before.row.calls_well, before.row.calls_bad), (0, 0), "there was no breaker to count for");
    assert_eq!(before.health, health);
    let vendor = before.row.vendor.clone();
    let mut tx = world.tx().await;
    tx.count_calls(world.property, &vendor, 2, 5).await.unwrap();
    tx.commit().await.unwrap();
    assert!(settle(&world, &before, Finding::Well, noon()).await);
    let later = noon() + SignedDuration::from_secs(60);
    let next = claim(&world, later).await.remove(0);
    assert_eq!((next.row.calls_well, next.row.calls_bad), (2, 5), "what came during a round is for the next");
    assert!(settle(&world, &next, Finding::Well, later).await);
    let rows = world.tx().await.breakers(None).await.unwrap();
    assert_eq!((rows[0].calls_well, rows[0].calls_bad), (0, 0));
}

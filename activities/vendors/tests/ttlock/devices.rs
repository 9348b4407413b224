//! Gateways, clocks and locks.

use std::sync::Arc;

use jiff::{SignedDuration, Timestamp};
use lock_sim::ttlock::{GatewayPatch, LockPatch, TryReason};
use lock_vendors::error::{Condition, EffectOutcome};
use lock_vendors::records::{Means, RecordKind, Refusal};

use super::support::{PIN, Pin, Pins, Rig, call, spec, stay, token};

#[tokio::test]
async fn a_gateway_that_is_down_or_busy_is_retried() {
    let rig = Rig::new(1).await;
    let gateway = rig.seeded.gateways[0];
    let refused = async || rig.vendor.create_pin(&call(), &rig.lock(), &spec(1, PIN)).await.unwrap_err();

    rig.sim().patch_gateway(gateway, &GatewayPatch { online: Some(false), ..GatewayPatch::default() });
    let error = refused().await;
    assert_eq!((error.code(), error.outcome()), ("vendor.gateway_offline", EffectOutcome::Retryable { after: None }));
    assert!(error.remedy().contains("gateway's power"));
    assert!(!rig.vendor.gateways(&call()).await.unwrap()[0].online);

    rig.sim().patch_gateway(gateway, &GatewayPatch { online: Some(true), busy: Some(true), ..GatewayPatch::default() });
    let error = refused().await;
    assert_eq!(error.condition(), Condition::GatewayBusy);
    assert!(matches!(error.outcome(), EffectOutcome::Retryable { after: Some(_) }));

    rig.sim().patch_gateway(gateway, &GatewayPatch { busy: Some(false), ..GatewayPatch::default() });
    rig.vendor.create_pin(&call(), &rig.lock(), &spec(1, PIN)).await.unwrap();
}

#[tokio::test]
async fn what_happened_at_a_lock_is_read_without_digits() {
    let rig = Rig::new(2).await;
    rig.vendor.create_pin(&call(), &rig.lock(), &spec(1, PIN)).await.unwrap();
    let before = Timestamp::now().saturating_sub(SignedDuration::from_secs(60)).unwrap();
    assert!(rig.opens(PIN) && !rig.opens("482913"));
    let mut records = rig.vendor.records(&call(), &rig.lock(), before).await.unwrap();
    records.sort_by_key(|record| record.id.clone());
    let [opened, refused] = records.as_slice() else { panic!("{records:?}") };
    assert_eq!((&opened.kind, opened.token.clone()), (&RecordKind::Opened, Some(token(1))));
    assert_eq!((&refused.kind, refused.means), (&RecordKind::Refused(Refusal::Unsaid), Means::Pin));
    assert!(!format!("{records:?}").contains(PIN));
    assert!(rig.vendor.records(&call(), &rig.nth_lock(1), before).await.unwrap().is_empty());
    let later = Timestamp::now().saturating_add(SignedDuration::from_secs(60)).unwrap();
    assert!(rig.vendor.records(&call(), &rig.lock(), later).await.unwrap().is_empty());
}

#[tokio::test]
async fn commands_for_one_gateway_take_turns() {
    let rig = Rig::new(10).await;
    rig.sim().patch_gateway(rig.seeded.gateways[0], &GatewayPatch { latency_ms: Some(5), ..GatewayPatch::default() });
    let mut tasks = tokio::task::JoinSet::new();
    for n in 0..10 {
        let (vendor, lock) = (Arc::clone(&rig.vendor), rig.nth_lock(n));
        tasks.spawn(async move { vendor.create_pin(&call(), &lock, &spec(n as u32, PIN)).await });
    }
    while let Some(result) = tasks.join_next().await {
        result.unwrap().unwrap();
    }
    assert_eq!(rig.sim().stats().gateway_collisions, 0);
    assert_eq!(rig.sim().credentials().len(), 10);
}

#[tokio::test]
async fn a_slow_clock_shuts_a_guest_out_until_it_is_set() {
    let rig = Rig::new(1).await;
    let starts_now = Pin { window: lock_domain::window::Window { from: Timestamp::now(), ..stay() }, ..spec(1, PIN) };
    rig.vendor.create_pin(&call(), &rig.lock(), &starts_now).await.unwrap();
    rig.sim().patch_lock(rig.lock_id(), &LockPatch { skew_ms: Some(-20 * 60_000), ..LockPatch::default() });
    assert_eq!(rig.sim().try_pin(rig.lock_id(), PIN).unwrap().reason, TryReason::NotYetValid);

    let error = |clock: Timestamp| clock.duration_since(Timestamp::now()).abs();
    let shown = rig.vendor.lock_clock(&call(), &rig.lock()).await.unwrap();
    assert!(error(shown) > SignedDuration::from_mins(19));
    let set = rig.vendor.sync_clock(&call(), &rig.lock()).await.unwrap();
    assert!(error(set) < SignedDuration::from_secs(30));
    assert!(rig.opens(PIN));
}

#[tokio::test]
async fn the_test_clock_moves_the_locks_and_not_the_login() {
    let rig = Rig::new(1).await;
    rig.vendor.create_pin(&call(), &rig.lock(), &spec(1, PIN)).await.unwrap();
    assert!(rig.opens(PIN));
    rig.sim().set_clock(3 * 24 * 3_600_000);
    assert_eq!(rig.sim().try_pin(rig.lock_id(), PIN).unwrap().reason, TryReason::Expired);
    assert!(rig.vendor.find(&call(), &[rig.lock()], &token(1)).await.unwrap().is_some());
}

#[tokio::test]
async fn a_whole_hotel_is_listed() {
    let rig = Rig::new(450).await;
    let locks = rig.vendor.locks(&call()).await.unwrap();
    assert_eq!(locks.len(), 450);
    assert!(locks.iter().all(|lock| lock.has_gateway && lock.battery_percent == Some(90)));
    let gateways = rig.vendor.gateways(&call()).await.unwrap();
    assert_eq!((gateways.len(), gateways[0].lock_count), (45, 10));
    let near = rig.vendor.gateway_locks(&call(), &gateways[0].id).await.unwrap();
    let seeded: Vec<_> = rig.seeded.locks[..10].iter().map(|lock| lock.lock_id.to_string()).collect();
    assert_eq!(near, seeded);
    let error = rig.vendor.gateway_locks(&call(), "7").await.unwrap_err();
    assert_eq!(error.condition(), Condition::GatewayUnknown);
}

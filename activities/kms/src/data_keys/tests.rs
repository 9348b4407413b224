//! Data keys: made once, kept for a while, rotated, refused.

#![allow(clippy::unwrap_used, clippy::panic)]
use super::*;
use crate::testing::{Rig, tenant};
use Purpose::{Fingerprint, Histories, Rows};

#[tokio::test]
async fn a_hundred_callers_cost_one_key_and_one_unwrap() {
    let rig = Rig::new();
    let calls = (0..100).map(|_| rig.keys.newest(tenant(1), Rows));
    let all = futures::future::try_join_all(calls).await.unwrap();
    assert!(all.iter().all(|key| Arc::ptr_eq(key, &all[0])));
    assert_eq!((rig.kms.wraps(), rig.kms.unwraps()), (1, 1));
}

#[tokio::test]
async fn two_processes_agree_on_the_first_key() {
    let rig = Rig::new();
    let other = rig.another_process();
    let (a, b) = tokio::join!(rig.keys.newest(tenant(1), Rows), other.newest(tenant(1), Rows));
    assert_eq!(a.unwrap().mac("x", b""), b.unwrap().mac("x", b""));
}

#[tokio::test(start_paused = true)]
async fn a_key_is_unwrapped_again_after_its_time() {
    let rig = Rig::new();
    rig.keys.newest(tenant(1), Rows).await.unwrap();
    tokio::time::advance(TTL - Duration::from_secs(1)).await;
    rig.keys.newest(tenant(1), Rows).await.unwrap();
    assert_eq!(rig.kms.unwraps(), 1);
    tokio::time::advance(Duration::from_secs(2)).await;
    rig.keys.newest(tenant(1), Rows).await.unwrap();
    assert_eq!(rig.kms.unwraps(), 2);
}

#[tokio::test(start_paused = true)]
async fn an_outage_spares_keys_in_use_and_stops_new_owners() {
    let rig = Rig::new();
    rig.keys.newest(tenant(1), Rows).await.unwrap();
    rig.kms.fail(Some(KmsError::Unavailable("down".into())));
    let error = rig.keys.newest(tenant(2), Rows).await.err().unwrap();
    assert_eq!(error.retry_class(), RetryClass::Later);
    tokio::time::advance(TTL + Duration::from_secs(1)).await;
    rig.keys.newest(tenant(1), Rows).await.unwrap();
    tokio::time::advance(GRACE).await;
    assert!(rig.keys.newest(tenant(1), Rows).await.is_err());
    rig.kms.fail(None);
    rig.keys.newest(tenant(1), Rows).await.unwrap();
    rig.keys.newest(tenant(2), Rows).await.unwrap();
}

#[tokio::test(start_paused = true)]
async fn a_hanging_kms_is_an_outage() {
    let rig = Rig::new();
    rig.kms.hang(true);
    let error = rig.keys.newest(tenant(1), Rows).await.err().unwrap();
    assert!(matches!(error, KeyError::Kms(KmsError::Unconfirmed(_))));
}

#[tokio::test(start_paused = true)]
async fn a_denial_holds_at_once_and_is_asked_again_after_seconds() {
    let rig = Rig::new();
    rig.keys.newest(tenant(1), Rows).await.unwrap();
    rig.kms.fail(Some(KmsError::Denied));
    tokio::time::advance(TTL + Duration::from_secs(1)).await;
    for _ in 0..10 {
        let error = rig.keys.newest(tenant(1), Rows).await.err().unwrap();
        assert!(matches!(error, KeyError::Kms(KmsError::Denied)));
    }
    assert_eq!(rig.kms.unwraps(), 2, "ten refusals cost one call");
    rig.kms.fail(None);
    tokio::time::advance(DENIAL).await;
    rig.keys.newest(tenant(1), Rows).await.unwrap();
}

#[tokio::test(start_paused = true)]
async fn a_denied_first_key_does_not_become_a_storm() {
    let rig = Rig::new();
    rig.kms.fail(Some(KmsError::Denied));
    for _ in 0..10 {
        assert!(rig.keys.newest(tenant(1), Rows).await.is_err());
    }
    assert_eq!(rig.kms.wraps(), 1);
    rig.kms.fail(None);
    tokio::time::advance(DENIAL).await;
    rig.keys.newest(tenant(1), Rows).await.unwrap();
}

#[tokio::test(start_paused = true)]
async fn rotation_keeps_old_versions_and_reaches_other_processes() {
    let rig = Rig::new();
    let other = rig.another_process();
    assert_eq!(rig.keys.newest(tenant(1), Rows).await.unwrap().version, 1);
    other.newest(tenant(1), Rows).await.unwrap();
    assert_eq!(rig.keys.rotate(tenant(1), Rows).await.unwrap(), 2);
    assert_eq!(rig.keys.newest(tenant(1), Rows).await.unwrap().version, 2);
    assert_eq!(rig.keys.version(tenant(1), Rows, 1).await.unwrap().version, 1);
    assert_eq!(other.version(tenant(1), Rows, 2).await.unwrap().version, 2, "met before its own refresh");
    let unwraps = rig.kms.unwraps();
    for _ in 0..10 {
        assert!(matches!(other.version(tenant(1), Rows, 7).await, Err(KeyError::Gone { version: 7, .. })));
    }
    assert_eq!(rig.kms.unwraps() - unwraps, 2, "what is not there is looked for once in a while");
    assert!(matches!(rig.keys.version(tenant(1), Rows, 9).await, Err(KeyError::Gone { version: 9, .. })));
    assert!(matches!(rig.keys.rotate(tenant(1), Fingerprint).await, Err(KeyError::Fixed)));
}

#[tokio::test]
async fn purposes_and_owners_have_keys_of_their_own() {
    let rig = Rig::new();
    let mut macs = Vec::new();
    for owner in [tenant(1), tenant(2), Owner::System] {
        for purpose in [Rows, Histories, Fingerprint] {
            macs.push(rig.keys.newest(owner, purpose).await.unwrap().mac("x", b""));
        }
    }
    macs.sort_unstable();
    macs.dedup();
    assert_eq!(macs.len(), 9);
}

#[tokio::test]
async fn states_decide_who_may_use_a_version() {
    let rig = Rig::new();
    rig.keys.newest(tenant(1), Rows).await.unwrap();
    rig.keys.rotate(tenant(1), Rows).await.unwrap();
    rig.record.set(tenant(1), Rows, 2, KeyState::DecryptOnly);
    let fresh = rig.another_process();
    assert_eq!(fresh.newest(tenant(1), Rows).await.unwrap().version, 1);
    fresh.version(tenant(1), Rows, 2).await.unwrap();
    rig.record.set(tenant(1), Rows, 1, KeyState::Destroyed);
    rig.record.set(tenant(1), Rows, 2, KeyState::Destroyed);
    let fresh = rig.another_process();
    assert!(matches!(fresh.newest(tenant(1), Rows).await, Err(KeyError::Gone { .. })), "nothing is made in its place");
    assert_eq!(fresh.rotate(tenant(1), Rows).await.unwrap(), 3, "unless somebody says so");
}

#[tokio::test(start_paused = true)]
async fn unused_keys_leave_the_memory() {
    let rig = Rig::new();
    rig.keys.newest(tenant(1), Rows).await.unwrap();
    tokio::time::advance(TTL + GRACE).await;
    rig.keys.newest(tenant(2), Rows).await.unwrap();
    let owners: Vec<_> = rig.keys.0.slots.lock().unwrap().keys().map(|(owner, _)| *owner).collect();
    assert_eq!(owners, [tenant(2)]);
}

#[tokio::test]
async fn a_store_that_does_not_answer_can_be_asked_again() {
    let rig = Rig::new();
    rig.record.fail(true);
    assert_eq!(rig.keys.newest(tenant(1), Rows).await.err().unwrap().retry_class(), RetryClass::Later);
    rig.record.fail(false);
    rig.keys.newest(tenant(1), Rows).await.unwrap();
}

#[tokio::test(start_paused = true)]
async fn r_lock_03_a_disabled_root_key_is_noticed_within_the_lifetime_of_a_cached_one() {
    let rig = Rig::new();
    rig.keys.usable(tenant(1)).await.unwrap();
    rig.kms.inner.set_disabled(tenant(1), true).unwrap();
    tokio::time::advance(TTL - Duration::from_secs(1)).await;
    rig.keys.usable(tenant(1)).await.unwrap();
    tokio::time::advance(Duration::from_secs(1)).await;
    assert!(rig.keys.usable(tenant(1)).await.err().unwrap().is_denied());
    rig.kms.inner.set_disabled(tenant(1), false).unwrap();
    tokio::time::advance(DENIAL).await;
    rig.keys.usable(tenant(1)).await.unwrap();
}

#[tokio::test]
async fn rewrapping_changes_the_wrapping_and_not_the_key() {
    let rig = Rig::new();
    let before = rig.keys.newest(tenant(1), Rows).await.unwrap().mac("x", b"");
    rig.kms.inner.add_root_key().unwrap();
    for _ in 0..2 {
        assert_eq!(rig.keys.rewrap(tenant(1), Rows, 1).await.unwrap().as_deref(), Some("local/2"));
    }
    assert_eq!(rig.record.all(tenant(1), Rows).await.unwrap()[0].root, "local/2");
    assert_eq!(rig.another_process().newest(tenant(1), Rows).await.unwrap().mac("x", b""), before);
    assert_eq!(rig.keys.rewrap(tenant(1), Rows, 9).await.unwrap(), None);
}

#[tokio::test(start_paused = true)]
async fn r_lock_03_nobody_seals_under_an_earlier_version_after_the_wait_even_if_loading_took_long() {
    let rig = Rig::new();
    let owner = tenant(1);
    rig.keys.newest(owner, Rows).await.unwrap();
    let slow = rig.another_process();
    rig.kms.hang(true);
    let loading = slow.clone();
    let load = tokio::spawn(async move { loading.newest(owner, Rows).await.map(|key| key.version) });
    // It has read the record and is at the service when the new version comes up.
    while rig.kms.unwraps() < 2 {
        tokio::task::yield_now().await;
    }
    tokio::time::advance(KMS_TIMEOUT - Duration::from_millis(1)).await;
    rig.kms.hang(false);
    rig.kms.answer();
    assert_eq!(load.await.unwrap().unwrap(), 1);
    rig.keys.rotate(owner, Rows).await.unwrap();
    rig.kms.fail(Some(KmsError::Unavailable("down".into())));
    tokio::time::advance(TTL + GRACE - KMS_TIMEOUT + Duration::from_millis(1)).await;
    assert!(slow.newest(owner, Rows).await.is_err(), "its age counts from the reading of the record");
    const { assert!(SETTLE.as_secs() >= TTL.as_secs() + GRACE.as_secs() + 120) };
}

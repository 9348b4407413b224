//! Credentials: intent before effect, outcome after, and nobody in between.

use crate::{
    cluster::TestDb,
    world::{World, fresh, noon, window},
};
use lock_domain::{credential::CredentialState, event::Event, ids::*, problem::Code, stay::Action};
use lock_store::{Outcome, OutcomeKind, Recorded, StoreError};
use std::sync::Arc;

fn outcome(attempt: AttemptId, credential: CredentialId) -> Outcome<'static> {
    Outcome {
        attempt,
        credential,
        kind: OutcomeKind::Live,
        state: CredentialState::Live,
        vendor_ref: Some("4711"),
        requested: Some(window(0, 24)),
        effective: Some(window(0, 25)),
        code: None,
        still_valid_until: None,
        unresolved_since: None,
        detail: None,
        at: noon(),
    }
}

#[tokio::test]
async fn a_life() {
    let db = TestDb::new().await;
    let world = World::new(&db).await;
    let stay = world.stay("R-1").await;
    let (key, door) = (world.key(stay).await, world.doors[0]);
    let credential = CredentialId::of(key, door);
    let issue = Action::Issue { window: window(0, 24) };

    let mut tx = world.tx().await;
    let target = tx.effect_target(credential, key, door, stay, 1, noon()).await.unwrap();
    assert_eq!((target.state, target.open_intent), (CredentialState::Planned, None));
    assert_eq!((target.vendor_lock_id.as_str(), target.door_name.as_str()), ("1000", "Room 101"));
    assert_eq!((target.pin_sealed.as_deref(), target.token), (Some(b"sealed".as_slice()), credential.vendor_token()));
    let attempt = tx.record_intent(credential, &issue, CredentialState::Issuing, 1, noon()).await.unwrap();
    tx.commit().await.unwrap();

    // Whoever comes after a crash finds the open attempt, and can't begin another.
    let mut tx = world.tx().await;
    let target = tx.effect_target(credential, key, door, stay, 1, noon()).await.unwrap();
    let open = target.open_intent.unwrap();
    assert_eq!((open.id, open.action, open.no, open.at), (attempt, issue, 1, noon()));
    assert_eq!(target.state, CredentialState::Issuing);
    let second = tx.record_intent(credential, &Action::Revoke, CredentialState::Revoking, 2, noon()).await;
    assert!(matches!(second, Err(StoreError::IntentOpen(id)) if id == attempt));

    assert_eq!(tx.record_outcome(&outcome(attempt, credential)).await.unwrap(), Recorded::Applied);
    let live = Event::CredentialLive { key, door, window: window(0, 25), adopted: false };
    assert_eq!(tx.append(noon(), world.property, Some(stay), &[live]).await.unwrap(), [0]);
    tx.commit().await.unwrap();
    let mut tx = world.tx().await;
    assert_eq!(tx.record_outcome(&outcome(attempt, credential)).await.unwrap(), Recorded::Repeated);
    let row = tx.credentials_of(stay).await.unwrap().remove(0);
    assert_eq!((row.state, row.vendor_ref.as_deref()), (CredentialState::Live, Some("4711")));
    assert_eq!((row.requested, row.effective), (Some(window(0, 24)), Some(window(0, 25))));

    // A revoke without an answer keeps what is known; a proven one clears it.
    let revoke = tx.record_intent(credential, &Action::Revoke, CredentialState::Revoking, 1, noon()).await.unwrap();
    let pending = Outcome {
        kind: OutcomeKind::Unconfirmed,
        state: CredentialState::Revoking,
        vendor_ref: None,
        requested: None,
        effective: None,
        code: Some(Code::GatewayOffline),
        still_valid_until: Some(window(0, 25).until),
        ..outcome(revoke, credential)
    };
    assert_eq!(tx.record_outcome(&pending).await.unwrap(), Recorded::Applied);
    let row = tx.credentials_of(stay).await.unwrap().remove(0);
    assert_eq!((row.vendor_ref.as_deref(), row.effective), (Some("4711"), Some(window(0, 25))));
    assert_eq!((row.last_code, row.still_valid_until), (Some(Code::GatewayOffline), Some(window(0, 25).until)));
    let again = tx.record_intent(credential, &Action::Revoke, CredentialState::Revoking, 2, noon()).await.unwrap();
    let gone = Outcome { kind: OutcomeKind::Gone, state: CredentialState::Gone, ..outcome(again, credential) };
    assert_eq!(tx.record_outcome(&gone).await.unwrap(), Recorded::Applied);
    let row = tx.credentials_of(stay).await.unwrap().remove(0);
    assert_eq!((row.state, row.vendor_ref, row.effective, row.last_code), (CredentialState::Gone, None, None, None));

    let unknown = outcome(fresh!(AttemptId), credential);
    assert!(matches!(tx.record_outcome(&unknown).await, Err(StoreError::NotFound(_))));
}

#[tokio::test]
async fn strangers_are_not_found() {
    let db = TestDb::new().await;
    let world = World::new(&db).await;
    let other = World::enter(&db, world.store.clone()).await;
    let stay = world.stay("R-1").await;
    let key = world.key(stay).await;
    let mut tx = world.tx().await;
    for (door, stay) in [(other.doors[0], stay), (world.doors[0], fresh!(StayId))] {
        let target = tx.effect_target(CredentialId::of(key, door), key, door, stay, 1, noon()).await;
        assert!(matches!(target, Err(StoreError::NotFound(_))));
    }
    let intent = tx.record_intent(fresh!(CredentialId), &Action::Revoke, CredentialState::Revoking, 1, noon()).await;
    assert!(matches!(intent, Err(StoreError::NotFound(_))));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn of_many_workers_with_one_effect_one_sends() {
    let db = TestDb::new().await;
    let world = Arc::new(World::with_connections(&db, 20).await);
    let stay = world.stay("R-1").await;
    let (key, door) = (world.key(stay).await, world.doors[0]);
    let credential = CredentialId::of(key, door);
    let workers: Vec<_> = (0..30)
        .map(|_| {
            let world = world.clone();
            tokio::spawn(async move {
                let mut tx = world.tx().await;
                let target = tx.effect_target(credential, key, door, stay, 1, noon()).await.unwrap();
                if target.open_intent.is_some() {
                    return 0;
                }
                let issue = Action::Issue { window: window(0, 24) };
                tx.record_intent(credential, &issue, CredentialState::Issuing, 1, noon()).await.unwrap();
                tx.commit().await.unwrap();
                1
            })
        })
        .collect();
    let mut sent = 0;
    for worker in workers {
        sent += worker.await.unwrap();
    }
    assert_eq!(sent, 1);
}

#[tokio::test]
async fn the_latest_round_that_looked_at_a_credential_is_noted() {
    let db = TestDb::new().await;
    let world = World::new(&db).await;
    let stay = world.stay("R-1").await;
    let (key, door) = (world.key(stay).await, world.doors[0]);
    // What each round finds: itself, or a later one that it must give way to.
    for (round, found) in [(5, 5), (5, 5), (4, 5), (9, 9), (5, 9)] {
        let mut tx = world.tx().await;
        let target = tx.effect_target(CredentialId::of(key, door), key, door, stay, round, noon()).await.unwrap();
        assert_eq!(target.round, found);
        tx.commit().await.unwrap();
    }
}

//! PINs that a vendor makes up: filed when they are known, shown anew when they are new, forgotten with what they open.

use crate::{
    cluster::TestDb,
    world::{World, fresh, noon},
};
use lock_domain::{
    credential::{CredentialState, KeyKind},
    ids::*,
    pin::{PinOrigin, PinSource},
    stay::Action,
};
use lock_store::{KeptPin, MadePin, NewKeyRow, PinReservation, Reveal, StoreError, TenantTx};

async fn vendor_key(world: &World, stay: StayId) -> KeyId {
    let id = fresh!(KeyId);
    let new = NewKeyRow {
        id,
        stay,
        holder: 0,
        pin_fingerprint: None,
        pin_sealed: None,
        pin_source: PinSource::Vendor,
        pin_origin: PinOrigin::Vendor,
        one_time: true,
        kind: KeyKind::Pin,
        encoder: None,
        at: noon(),
    };
    let mut tx = world.tx().await;
    tx.insert_key(new).await.unwrap();
    tx.commit().await.unwrap();
    id
}

/// The key's credential on a door, taken for being on its way.
async fn stands(tx: &mut TenantTx<'_>, stay: StayId, key: KeyId, door: DoorId) -> CredentialId {
    let credential = CredentialId::of(key, door);
    tx.effect_target(credential, key, door, stay, 1, noon()).await.unwrap();
    let window = crate::world::window(0, 6);
    tx.record_intent(credential, &Action::Issue { window }, CredentialState::Issuing, 1, noon()).await.unwrap();
    credential
}

fn made<'a>(world: &World, key: KeyId, credential: CredentialId, digits: &'a [u8]) -> MadePin<'a> {
    MadePin { property: world.property, key, credential, fingerprint: digits, sealed: digits, now: noon() }
}

#[tokio::test]
async fn digits_are_known_when_they_are_made_and_can_be_shown_again_when_they_are_new() {
    let db = TestDb::new().await;
    let world = World::new(&db).await;
    let stay = world.stay("R-1").await;
    let key = vendor_key(&world, stay).await;
    let mut tx = world.tx().await;
    assert_eq!(tx.reveal(key, world.api_key, "k", noon()).await.unwrap(), Reveal::Unknown);
    let credential = stands(&mut tx, stay, key, world.doors[0]).await;
    let target = tx.effect_target(credential, key, world.doors[0], stay, 1, noon()).await.unwrap();
    assert_eq!((target.pin_sealed, target.pin_source, target.pin_credential), (None, PinSource::Vendor, None));
    assert!(target.one_time);

    let kept = tx.keep_made_pin(&made(&world, key, credential, b"one")).await.unwrap();
    assert_eq!(kept, KeptPin { again: false, shared_with: None });
    assert_eq!(tx.reveal(key, world.api_key, "k", noon()).await.unwrap(), Reveal::Fresh(b"one".to_vec()));
    let kept = tx.keep_made_pin(&made(&world, key, credential, b"two")).await.unwrap();
    assert_eq!(kept, KeptPin { again: true, shared_with: None });
    assert_eq!(tx.reveal(key, world.api_key, "k", noon()).await.unwrap(), Reveal::Fresh(b"two".to_vec()));
    let row = tx.keys_of(stay).await.unwrap().remove(0);
    assert_eq!((row.pin_known, row.pin_origin, row.one_time), (true, PinOrigin::Vendor, true));

    tx.forget_made_pin(key, CredentialId::of(key, world.doors[1]), false).await.unwrap();
    assert_eq!(tx.reveal(key, world.api_key, "other", noon()).await.unwrap(), Reveal::Already);
    tx.forget_made_pin(key, credential, false).await.unwrap();
    assert_eq!(tx.reveal(key, world.api_key, "k", noon()).await.unwrap(), Reveal::Unknown);
    // Both are out of the allocator's hands until the key is retired.
    for digits in [b"one", b"two"] {
        let reserved = tx.reserve_pin(world.property, fresh!(KeyId), digits, noon()).await.unwrap();
        assert_eq!(reserved, PinReservation::Taken);
    }
}

#[tokio::test]
async fn digits_of_a_whole_key_outlive_one_of_its_doors() {
    let db = TestDb::new().await;
    let world = World::new(&db).await;
    let stay = world.stay("R-1").await;
    let key = vendor_key(&world, stay).await;
    let mut tx = world.tx().await;
    let first = stands(&mut tx, stay, key, world.doors[0]).await;
    stands(&mut tx, stay, key, world.doors[2]).await;
    tx.keep_made_pin(&made(&world, key, first, b"one")).await.unwrap();
    tx.forget_made_pin(key, first, true).await.unwrap();
    assert!(tx.keys_of(stay).await.unwrap()[0].pin_known, "the other door still opens by it");
    tx.forget_made_pin(key, first, false).await.unwrap();
    assert!(!tx.keys_of(stay).await.unwrap()[0].pin_known);
}

#[tokio::test]
async fn equal_digits_are_told_where_they_meet_at_a_door() {
    let db = TestDb::new().await;
    let world = World::new(&db).await;
    let (a, b) = (world.stay("R-1").await, world.stay("R-2").await);
    let (first, second, third) =
        (vendor_key(&world, a).await, vendor_key(&world, b).await, vendor_key(&world, b).await);
    let mut tx = world.tx().await;
    let one = stands(&mut tx, a, first, world.doors[0]).await;
    tx.keep_made_pin(&made(&world, first, one, b"digits")).await.unwrap();
    let elsewhere = stands(&mut tx, b, second, world.doors[1]).await;
    let kept = tx.keep_made_pin(&made(&world, second, elsewhere, b"digits")).await.unwrap();
    assert_eq!(kept.shared_with, None, "no door opens by both");
    let there = stands(&mut tx, b, third, world.doors[0]).await;
    let kept = tx.keep_made_pin(&made(&world, third, there, b"digits")).await.unwrap();
    assert_eq!(kept.shared_with, Some(first));

    // Digits that rest are taken over.
    tx.release_pins(first, noon()).await.unwrap();
    let kept = tx.keep_made_pin(&made(&world, third, there, b"digits")).await.unwrap();
    assert_eq!(kept, KeptPin { again: true, shared_with: None });
    let ours = world.key(a).await;
    let refused = tx.keep_made_pin(&made(&world, ours, one, b"other")).await;
    assert!(matches!(refused, Err(StoreError::NotFound(_))), "digits of ours are never replaced");
}

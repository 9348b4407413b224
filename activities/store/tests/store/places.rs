//! Locks that have said that they are full: who is there, who waits, who is about to go, and that one asks after the other.

use crate::{
    cluster::TestDb,
    lock_order::waiting,
    world::{World, noon, window},
};
use jiff::{SignedDuration, Timestamp};
use lock_domain::{
    command::Verb,
    credential::CredentialState,
    ids::{CredentialId, StayId},
    slots::{LOOK_AGAIN, STALE, Standing, Turn, turn},
    stay::Action,
};
use lock_store::{Outcome, OutcomeKind, TenantTx};

fn later(seconds: i64) -> Timestamp {
    noon() + SignedDuration::from_secs(seconds)
}

/// A stay with a key that was never sent to the first door.
async fn planned(world: &World, name: &str) -> (StayId, CredentialId) {
    let stay = world.stay(name).await;
    let key = world.key(stay).await;
    let credential = CredentialId::of(key, world.doors[0]);
    let mut tx = world.tx().await;
    tx.effect_target(credential, key, world.doors[0], stay, 1, noon()).await.unwrap();
    tx.commit().await.unwrap();
    (stay, credential)
}

/// A code is in the lock, or was refused with the intent settled.
async fn put(tx: &mut TenantTx<'_>, credential: CredentialId, state: CredentialState) {
    let issue = Action::Issue { window: window(0, 24) };
    let attempt = tx.record_intent(credential, &issue, CredentialState::Issuing, 1, noon()).await.unwrap();
    let kind = if state == CredentialState::Live { OutcomeKind::Live } else { OutcomeKind::Unconfirmed };
    let outcome = Outcome {
        attempt,
        credential,
        kind,
        state,
        vendor_ref: None,
        requested: Some(window(0, 24)),
        effective: Some(window(0, 24)),
        code: None,
        still_valid_until: None,
        unresolved_since: (kind == OutcomeKind::Unconfirmed).then(noon),
        detail: None,
        at: noon(),
    };
    tx.record_outcome(&outcome).await.unwrap();
}

async fn standing(world: &World, now: Timestamp) -> Vec<(StayId, Standing)> {
    let mut tx = world.tx().await;
    let full = tx.full_lock(world.doors[0], now).await.unwrap().expect("it has said so");
    let mut all: Vec<_> = full.claims.iter().map(|claim| (claim.stay, claim.standing)).collect();
    all.sort_by_key(|(stay, _)| *stay);
    all
}

/// A row in each of this part's tables.
pub(crate) async fn fill(world: &World) {
    let (_, credential) = planned(world, "R-places").await;
    let mut tx = world.tx().await;
    tx.note_full_lock(world.property, world.doors[0], noon()).await.unwrap();
    tx.wait_for_place(credential, world.doors[0], noon()).await.unwrap();
    tx.commit().await.unwrap();
}

#[tokio::test]
async fn who_is_in_a_full_lock_who_waits_and_who_is_about_to_go() {
    let db = TestDb::new().await;
    let world = World::new(&db).await;
    let door = world.doors[0];
    let (there, live) = planned(&world, "THERE").await;
    let (maybe, unknown) = planned(&world, "MAYBE").await;
    let (asks, wants) = planned(&world, "ASKS").await;
    let (_, silent) = planned(&world, "SILENT").await;
    let mut tx = world.tx().await;
    put(&mut tx, live, CredentialState::Live).await;
    put(&mut tx, unknown, CredentialState::Unconfirmed).await;
    assert_eq!(tx.full_lock(door, noon()).await.unwrap(), None, "it has not said that it is full");
    tx.note_full_lock(world.property, door, noon()).await.unwrap();
    tx.wait_for_place(wants, door, later(60)).await.unwrap();
    tx.wait_for_place(silent, door, later(60) - STALE).await.unwrap();
    tx.commit().await.unwrap();

    // Who has never asked wants nothing, and who has stopped asking either.
    let wanted = [(there, Standing::Holds), (maybe, Standing::Holds), (asks, Standing::Waits)];
    assert_eq!(standing(&world, later(60)).await, wanted);
    let mut tx = world.tx().await;
    let full = tx.full_lock(door, later(60)).await.unwrap().unwrap();
    assert_eq!((full.said.ours, full.said.at), (2, noon()));
    let rows = tx.full_locks(world.property, None, 10, later(60)).await.unwrap();
    assert_eq!((rows.len(), rows[0].fits, rows[0].held, rows[0].told_at), (1, 2, 2, Some(noon())));
    assert_eq!(rows[0].waiting.iter().map(|one| one.stay).collect::<Vec<_>>(), [asks]);
    assert_eq!(rows[0].waiting[0].since, later(60));
    assert!(tx.full_locks(world.property, Some(door), 10, later(60)).await.unwrap().is_empty());
    drop(tx);

    // Asked to go, it goes: nobody else is asked for the same place.
    world.accepted(maybe, "MAYBE", Verb::GiveWay { door: world.doors[1] }).await;
    assert_eq!(standing(&world, later(60)).await, wanted, "of another door");
    world.accepted(maybe, "MAYBE", Verb::GiveWay { door }).await;
    let wanted = [(there, Standing::Holds), (maybe, Standing::Leaves), (asks, Standing::Waits)];
    assert_eq!(standing(&world, later(60)).await, wanted);
}

#[tokio::test]
async fn a_lock_that_takes_more_than_it_had_room_for_has_room() {
    let db = TestDb::new().await;
    let world = World::new(&db).await;
    let door = world.doors[0];
    let [(_, first), (_, second), (_, third)] =
        [planned(&world, "1").await, planned(&world, "2").await, planned(&world, "3").await];
    let mut tx = world.tx().await;
    put(&mut tx, first, CredentialState::Live).await;
    tx.note_full_lock(world.property, door, noon()).await.unwrap();
    tx.note_room(door, noon()).await.unwrap();
    assert!(tx.full_lock(door, noon()).await.unwrap().is_some(), "as many as it had room for: no news");
    tx.wait_for_place(third, door, noon()).await.unwrap();
    put(&mut tx, second, CredentialState::Live).await;
    tx.note_room(door, noon()).await.unwrap();
    let full = tx.full_lock(door, noon()).await.unwrap().unwrap();
    assert_eq!(full.said.ours, 2);
    let (asking, others): (Vec<_>, Vec<_>) = full.claims.iter().partition(|claim| claim.credential == third);
    assert_eq!(
        turn(full.said, &others, &asking[0], noon(), noon()),
        Turn::Take { look: true },
        "who waits may try at once"
    );
    tx.take_place(third, door, true, noon()).await.unwrap();
    let said = tx.full_lock(door, noon()).await.unwrap().unwrap().said;
    assert_eq!(said.at, noon(), "one at a time, until {LOOK_AGAIN} are over");
    put(&mut tx, third, CredentialState::Live).await;
    tx.note_room(door, noon()).await.unwrap();
    assert_eq!(tx.full_lock(door, noon()).await.unwrap(), None, "nobody waits: it is a lock as any other");
}

#[tokio::test]
async fn of_two_who_ask_at_once_the_second_sees_what_the_first_has_taken() {
    let db = TestDb::new().await;
    let world = World::new(&db).await;
    let mut superuser = db.superuser().await;
    let door = world.doors[0];
    let [(early, one), (late, two)] = [planned(&world, "1").await, planned(&world, "2").await];
    let mut tx = world.tx().await;
    tx.note_full_lock(world.property, door, noon()).await.unwrap();
    tx.commit().await.unwrap();

    let mut first = world.tx().await;
    first.wait_for_place(one, door, noon()).await.unwrap();
    first.full_lock(door, noon()).await.unwrap().unwrap();
    let mut second = world.tx().await;
    let asks = tokio::spawn(async move {
        second.wait_for_place(two, door, noon()).await.unwrap();
        second.full_lock(door, noon()).await.unwrap().unwrap().claims
    });
    waiting(&mut superuser, 1).await;
    first.take_place(one, door, true, noon()).await.unwrap();
    put(&mut first, one, CredentialState::Live).await;
    first.commit().await.unwrap();
    let mut seen: Vec<_> = asks.await.unwrap().iter().map(|claim| (claim.stay, claim.standing)).collect();
    seen.sort_by_key(|(stay, _)| *stay);
    assert_eq!(seen, [(early, Standing::Holds), (late, Standing::Waits)]);
}

//! Inventories: one at a time per property, each lock settled once, and nothing after the end.

use crate::{
    cluster::TestDb,
    world::{World, fresh, noon, window},
};
use lock_domain::{
    credential::CredentialState,
    ids::{ApiKeyId, CredentialId, InventoryId},
    inventory::{Recorded, Seen, compare},
    problem::Code,
    stay::Action,
};
use lock_store::{InventoryScope, InventoryState, LockFilter, LockResult, LockState, Progress};

async fn accept(world: &World, scope: &InventoryScope) -> (InventoryId, Option<u32>) {
    let id = fresh!(InventoryId);
    let mut tx = world.tx().await;
    let locks = tx.accept_inventory(id, world.property, scope, world.api_key, noon()).await.unwrap();
    tx.commit().await.unwrap();
    (id, locks)
}

async fn settle(world: &World, id: InventoryId, place: u32, result: &LockResult) -> bool {
    let mut tx = world.tx().await;
    let settled = tx.settle_inventory_lock(id, place, result, noon()).await.unwrap();
    tx.commit().await.unwrap();
    settled
}

async fn all(world: &World, id: InventoryId) -> Progress {
    let mut all = Progress::default();
    world.tx().await.inventory_progress(id).await.unwrap().values().for_each(|progress| all.add(progress));
    all
}

/// What stands at a lock that is none of ours.
fn foreign() -> LockResult {
    let seen = Seen { reference: "4711".to_owned(), name: "Anna".to_owned(), window: None, at_lock: true };
    LockResult::Read(compare("ttlock", &[seen], &[], noon()))
}

/// An inventory with a lock that was read.
pub(crate) async fn fill(world: &World) {
    let (id, _) = accept(world, &InventoryScope::default()).await;
    assert!(settle(world, id, 1, &foreign()).await);
}

#[tokio::test]
async fn one_at_a_time_and_a_lock_is_settled_once() {
    let db = TestDb::new().await;
    let world = World::new(&db).await;
    let (id, locks) = accept(&world, &InventoryScope::default()).await;
    assert_eq!(locks, Some(3));
    assert_eq!(accept(&world, &InventoryScope::default()).await.1, None, "one at a time");
    let mut tx = world.tx().await;
    assert_eq!(tx.inventory_under_way(world.property).await.unwrap(), Some(id));
    assert_eq!(tx.undelivered_inventories(noon()).await.unwrap(), [], "it is young");
    let late = noon() + jiff::SignedDuration::from_secs(7);
    assert_eq!(tx.undelivered_inventories(late).await.unwrap(), [(world.property, id)]);
    tx.begin_inventory(id, noon()).await.unwrap();
    tx.mark_inventory_delivered(id, noon()).await.unwrap();
    assert_eq!(tx.undelivered_inventories(late).await.unwrap(), []);
    assert_eq!(tx.inventory_next_vendor(id).await.unwrap().as_deref(), Some("ttlock"));
    assert_eq!(tx.inventory_waiting(id, "ttlock", 2).await.unwrap().len(), 2);
    assert_eq!(tx.inventory_waiting(id, "salto_ks", 2).await.unwrap(), []);
    tx.commit().await.unwrap();

    assert!(settle(&world, id, 1, &foreign()).await);
    assert!(!settle(&world, id, 1, &LockResult::NotRead(Code::LockOffline)).await, "it has its result");
    assert!(settle(&world, id, 2, &LockResult::NotRead(Code::LockOffline)).await);
    let progress = all(&world, id).await;
    assert_eq!((progress.read, progress.not_read, progress.waiting, progress.found.unknown), (1, 1, 1, 1));
    let mut tx = world.tx().await;
    tx.settle_unlistable(id, "ttlock", noon()).await.unwrap();
    assert_eq!(tx.inventory_next_vendor(id).await.unwrap(), None);
    assert!(tx.end_inventory(id, None, noon()).await.unwrap());
    assert!(!tx.end_inventory(id, Some(world.api_key), noon()).await.unwrap(), "it is over");
    assert_eq!(tx.inventory(id).await.unwrap().unwrap().state, InventoryState::Done);
    let rows = tx.inventory_locks(id, LockFilter { limit: 10, ..LockFilter::default() }).await.unwrap();
    let states: Vec<_> = rows.iter().map(|row| (row.place, row.state, row.code)).collect();
    assert_eq!(
        states,
        [
            (1, LockState::Read, None),
            (2, LockState::NotRead, Some(Code::LockOffline)),
            (3, LockState::CannotList, None)
        ]
    );
    assert_eq!(rows[0].entries.len(), 1);
    tx.commit().await.unwrap();
    let (next, locks) =
        accept(&world, &InventoryScope { room: Some(world.rooms[0]), ..InventoryScope::default() }).await;
    assert_eq!(locks, Some(1));
    let mut tx = world.tx().await;
    let latest: Vec<_> = tx.inventories(world.property, None, 10).await.unwrap().iter().map(|row| row.id).collect();
    assert_eq!(latest, [next, id]);
    assert_eq!(tx.inventories(world.property, Some(next), 10).await.unwrap().len(), 1);
}

#[tokio::test]
async fn nothing_is_written_after_the_end() {
    let db = TestDb::new().await;
    let world = World::new(&db).await;
    let door = InventoryScope { door: Some(world.doors[2]), ..InventoryScope::default() };
    let (id, locks) = accept(&world, &door).await;
    assert_eq!(locks, Some(1));
    let mut tx = world.tx().await;
    let somebody = fresh!(ApiKeyId);
    assert!(tx.end_inventory(id, Some(somebody), noon()).await.unwrap());
    assert_eq!(tx.inventory_waiting(id, "ttlock", 10).await.unwrap(), []);
    assert_eq!(tx.inventory_next_vendor(id).await.unwrap(), None);
    tx.commit().await.unwrap();
    assert!(!settle(&world, id, 1, &foreign()).await);
    assert_eq!(all(&world, id).await.waiting, 1);
    let nobody = InventoryScope { vendor: Some("visionline".to_owned()), ..InventoryScope::default() };
    assert_eq!(accept(&world, &nobody).await.1, Some(0));
}

#[tokio::test]
async fn what_is_recorded_at_a_door_is_found_by_its_stay_and_by_its_name() {
    let db = TestDb::new().await;
    let world = World::new(&db).await;
    let stay = world.stay("R-1").await;
    let key = world.key(stay).await;
    let door = world.doors[0];
    let credential = CredentialId::of(key, door);
    let mut tx = world.tx().await;
    tx.effect_target(credential, key, door, stay, 1, noon()).await.unwrap();
    let action = Action::Issue { window: window(0, 24) };
    tx.record_intent(credential, &action, CredentialState::Issuing, 1, noon()).await.unwrap();
    tx.commit().await.unwrap();
    let mut tx = world.tx().await;
    let rows = tx.recorded_at(world.property, door, &[]).await.unwrap();
    let Recorded { token, moving, state, .. } = &rows[0].recorded;
    assert_eq!((rows.len(), *moving, *state), (1, true, CredentialState::Issuing));
    assert_eq!(tx.recorded_at(world.property, world.doors[1], &[token.as_str()]).await.unwrap(), [], "another lock");
    drop(tx);
    // Gone, it is found by its name only: as a credential's, or as a key's.
    let mut owner = db.superuser().await;
    sqlx::query("UPDATE credentials SET state = 'gone', open_intent = NULL").execute(&mut owner).await.unwrap();
    let mut tx = world.tx().await;
    assert_eq!(tx.recorded_at(world.property, door, &["Anna", "lis-nobody"]).await.unwrap(), []);
    for name in [credential.vendor_token(), key.vendor_token()] {
        let rows = tx.recorded_at(world.property, door, &["Anna", &name]).await.unwrap();
        assert_eq!((rows.len(), rows[0].recorded.state), (1, CredentialState::Gone), "{name}");
    }
    let of = tx.reservations_of(&[stay].into()).await.unwrap();
    assert_eq!(of[&stay].as_str(), "R-1");
}

#[tokio::test]
async fn a_vendor_of_the_property_is_reached_by_its_own_settings() {
    let db = TestDb::new().await;
    let world = World::new(&db).await;
    crate::drains::fill(&world).await;
    let mut tx = world.tx().await;
    let main = tx.vendor_settings(world.property, "ttlock").await.unwrap().unwrap();
    assert_eq!((main.row, main.sealed), (None, Some(vec![9])));
    let second = tx.vendor_settings(world.property, "salto_ks").await.unwrap().unwrap();
    assert!(second.row.is_some() && second.sealed == Some(vec![7]));
    assert_eq!(tx.vendor_settings(world.property, "visionline").await.unwrap(), None);
}

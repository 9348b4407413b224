//! Who gets a room.

use crate::{
    cluster::TestDb,
    world::{World, fresh, noon, reservation, window},
};
use futures::future::join_all;
use lock_domain::{command::Verb, ids::*};
use lock_store::{CommandStatus, StoreError};
use sqlx::Row;

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn r_lock_08_of_200_concurrent_claims_of_a_room_one_wins() {
    let db = TestDb::new().await;
    let world = World::with_connections(&db, 40).await;
    let claims = (0..200).map(|n| {
        let world = &world;
        async move {
            let new = world.new_stay(&format!("R-{n}"));
            let mut tx = world.tx().await;
            tx.insert_stay(&new).await.unwrap();
            // Twenty windows, which all have the hours from 19 to 24 in common.
            let window = window(n % 20, 24);
            let claimed = tx.claim_room(world.property, world.rooms[0], new.id, window, fresh!(CommandId)).await;
            match claimed {
                Ok(()) => tx.commit().await.map(|()| Some(new.reservation)),
                Err(StoreError::RoomTaken { reservation: Some(other) }) => {
                    assert_ne!(other, new.reservation);
                    Ok(None)
                }
                Err(other) => Err(other),
            }
        }
    });
    let winners: Vec<ReservationRef> = join_all(claims).await.into_iter().filter_map(|r| r.unwrap()).collect();
    assert_eq!(winners.len(), 1, "{winners:?}");

    let mut tx = world.tx().await;
    let late = tx.claim_room(world.property, world.rooms[0], fresh!(StayId), window(20, 1), fresh!(CommandId)).await;
    assert!(matches!(late, Err(StoreError::RoomTaken { reservation: Some(by) }) if by == winners[0]));
}

#[tokio::test]
async fn r_lock_08_the_constraint_holds_without_the_lock() {
    let db = TestDb::new().await;
    let world = World::new(&db).await;
    let (first, second) = (world.stay("R-1").await, world.stay("R-2").await);
    let mut tx = world.tx().await;
    tx.claim_room(world.property, world.rooms[0], first, window(0, 24), fresh!(CommandId)).await.unwrap();
    tx.commit().await.unwrap();
    let mut superuser = db.superuser().await;
    let error = sqlx::query(
        "INSERT INTO room_claims (tenant_id, claim_id, property_id, room_id, stay_id, command_id, during)
         SELECT tenant_id, gen_random_uuid(), property_id, room_id, $1, command_id, during FROM room_claims",
    )
    .bind(second.as_uuid())
    .execute(&mut superuser)
    .await
    .unwrap_err();
    assert!(matches!(StoreError::from(error), StoreError::RoomTaken { reservation: None }));
}

#[tokio::test]
async fn a_room_is_free_outside_the_window_in_the_other_hotel_and_after_release() {
    let db = TestDb::new().await;
    let world = World::new(&db).await;
    let (first, second) = (world.stay("R-1").await, world.stay("R-2").await);
    let (property, [room, next]) = (world.property, world.rooms);
    let mut tx = world.tx().await;
    let moving = fresh!(CommandId);
    tx.claim_room(property, room, first, window(0, 24), fresh!(CommandId)).await.unwrap();
    // The end is exclusive, so the next guest may come at that instant.
    tx.claim_room(property, room, second, window(24, 24), fresh!(CommandId)).await.unwrap();
    tx.claim_room(property, next, first, window(0, 24), moving).await.unwrap();

    // Longer is refused in both rooms alike, and changes nothing.
    let refused = tx.change_claims(property, first, window(0, 30)).await;
    assert!(matches!(refused, Err(StoreError::RoomTaken { reservation: Some(r) }) if r == reservation("R-2")));
    tx.change_claims(property, first, window(2, 20)).await.unwrap();
    tx.claim_room(property, next, second, window(0, 2), fresh!(CommandId)).await.unwrap();

    // A move that comes to nothing gives its room back; one that succeeds gives the old one back.
    assert_eq!(tx.release_claims_of_command(moving).await.unwrap(), 1);
    tx.claim_room(property, next, first, window(2, 20), moving).await.unwrap();
    assert_eq!(tx.release_claims(first, Some(next)).await.unwrap(), 1);
    tx.claim_room(property, room, second, window(0, 24), fresh!(CommandId)).await.unwrap();
    assert_eq!(tx.release_claims(first, None).await.unwrap(), 1);
    assert_eq!(tx.release_claims(first, None).await.unwrap(), 0);
    tx.commit().await.unwrap();
    let mut superuser = db.superuser().await;
    let row = sqlx::query(
        "SELECT count(*) AS live, now() > $1::text::timestamptz AS later FROM room_claims WHERE released_at IS NULL",
    )
    .bind(noon().to_string())
    .fetch_one(&mut superuser)
    .await
    .unwrap();
    assert_eq!(row.get::<i64, _>("live"), 3);
}

#[tokio::test]
async fn a_left_room_is_given_up_once_its_command_has_a_verdict() {
    let db = TestDb::new().await;
    let world = World::new(&db).await;
    let stay = world.stay("R-1").await;
    let begun = world.accepted(stay, "R-1", Verb::CheckOut).await;
    let moving = world.accepted(stay, "R-1", Verb::Suspend).await;
    let (property, [room, next]) = (world.property, world.rooms);
    let mut tx = world.tx().await;
    tx.claim_room(property, room, stay, window(0, 24), begun.id).await.unwrap();
    tx.settle_command(begun.id, CommandStatus::Done, None, noon()).await.unwrap();
    tx.claim_room(property, next, stay, window(0, 24), moving.id).await.unwrap();
    // The workflow does not know of the move yet, and keeps both rooms.
    assert_eq!(tx.release_left_rooms(stay, &[world.doors[0], world.doors[2]]).await.unwrap(), 0);
    assert_eq!(tx.release_left_rooms(stay, &world.doors).await.unwrap(), 0);
    // It has moved.
    tx.settle_command(moving.id, CommandStatus::Done, None, noon()).await.unwrap();
    assert_eq!(tx.release_left_rooms(stay, &[world.doors[1], world.doors[2]]).await.unwrap(), 1);
    let other = world.new_stay("R-2");
    tx.insert_stay(&other).await.unwrap();
    tx.claim_room(property, room, other.id, window(0, 24), fresh!(CommandId)).await.unwrap();
    let taken = tx.claim_room(property, next, other.id, window(0, 24), fresh!(CommandId)).await;
    assert!(matches!(taken, Err(StoreError::RoomTaken { reservation: Some(r) }) if r == reservation("R-1")));
}

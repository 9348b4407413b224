//! Who gets a room.

use crate::{
    cluster::TestDb,
    world::{World, fresh, noon, reservation, window},
};
use futures::future::join_all;
use lock_domain::{
    command::{Command, Verb},
    ids::*,
    problem::Code,
    stay::StayPhase,
    window::Window,
};
use lock_store::{CommandStatus, NewCommand, StayRecord, StoreError, TenantTx};
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
            let claimed = tx.claim_room(world.property, world.rooms[0], new.id, &[window], fresh!(CommandId)).await;
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
    let late = tx.claim_room(world.property, world.rooms[0], fresh!(StayId), &[window(20, 1)], fresh!(CommandId)).await;
    assert!(matches!(late, Err(StoreError::RoomTaken { reservation: Some(by) }) if by == winners[0]));
}

#[tokio::test]
async fn r_lock_08_the_constraint_holds_without_the_lock() {
    let db = TestDb::new().await;
    let world = World::new(&db).await;
    let (first, second) = (world.stay("R-1").await, world.stay("R-2").await);
    let mut tx = world.tx().await;
    tx.claim_room(world.property, world.rooms[0], first, &[window(0, 24)], fresh!(CommandId)).await.unwrap();
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
    tx.claim_room(property, room, first, &[window(0, 24)], fresh!(CommandId)).await.unwrap();
    // The end is exclusive, so the next guest may come at that instant.
    tx.claim_room(property, room, second, &[window(24, 24)], fresh!(CommandId)).await.unwrap();
    tx.claim_room(property, next, first, &[window(0, 24)], moving).await.unwrap();

    // Longer is refused in both rooms alike, and changes nothing.
    let refused = tx.extend_claims(property, first, window(0, 30)).await;
    assert!(matches!(refused, Err(StoreError::RoomTaken { reservation: Some(r) }) if r == reservation("R-2")));
    // Shorter is given up once the record says so.
    tx.extend_claims(property, first, window(2, 20)).await.unwrap();
    let early = tx.claim_room(property, next, second, &[window(0, 2)], fresh!(CommandId)).await;
    assert!(matches!(early, Err(StoreError::RoomTaken { reservation: Some(r) }) if r == reservation("R-1")));
    redate(&mut tx, first, room, window(2, 20)).await;
    tx.claim_room(property, next, second, &[window(0, 2)], fresh!(CommandId)).await.unwrap();

    // A move that comes to nothing gives its room back; one that succeeds gives the old one back.
    assert_eq!(tx.release_claims_of_command(moving).await.unwrap(), 1);
    tx.claim_room(property, next, first, &[window(2, 20)], moving).await.unwrap();
    assert_eq!(tx.release_claims(first, Some(next)).await.unwrap(), 1);
    tx.claim_room(property, room, second, &[window(0, 24)], fresh!(CommandId)).await.unwrap();
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
    let (property, [room, next]) = (world.property, world.rooms);
    let begun = world.accepted(stay, "R-1", moving_to(&world, 0)).await;
    let moving = world.accepted(stay, "R-1", moving_to(&world, 1)).await;
    let mut tx = world.tx().await;
    tx.claim_room(property, room, stay, &[window(0, 24)], begun.id).await.unwrap();
    tx.settle_command(begun.id, CommandStatus::Done, None, noon()).await.unwrap();
    tx.claim_room(property, next, stay, &[window(0, 24)], moving.id).await.unwrap();
    // The workflow does not know of the move yet, and keeps both rooms.
    assert_eq!(tx.release_left_rooms(stay, &[world.doors[0], world.doors[2]]).await.unwrap(), 0);
    assert_eq!(tx.release_left_rooms(stay, &world.doors).await.unwrap(), 0);
    // It has moved.
    tx.settle_command(moving.id, CommandStatus::Done, None, noon()).await.unwrap();
    assert_eq!(tx.release_left_rooms(stay, &[world.doors[1], world.doors[2]]).await.unwrap(), 1);
    let other = world.new_stay("R-2");
    tx.insert_stay(&other).await.unwrap();
    tx.claim_room(property, room, other.id, &[window(0, 24)], fresh!(CommandId)).await.unwrap();
    let taken = tx.claim_room(property, next, other.id, &[window(0, 24)], fresh!(CommandId)).await;
    assert!(matches!(taken, Err(StoreError::RoomTaken { reservation: Some(r) }) if r == reservation("R-1")));
}

/// A move to one of the hotel's rooms, whose keys also open the common door.
fn moving_to(world: &World, room: usize) -> Verb {
    Verb::RoomMove { room: world.rooms[room], doors: vec![world.doors[room], world.doors[2]], keys: vec![] }
}

/// The workflow has recorded this window.
async fn redate(tx: &mut TenantTx<'_>, stay: StayId, room: RoomId, window: Window) {
    let record = StayRecord {
        phase: StayPhase::Active,
        cause: None,
        suspended: false,
        needs_attention: false,
        code: None,
        next_deadline: None,
        window,
        room,
        doors: Vec::new(),
        at: noon(),
    };
    tx.record_stay(stay, &record).await.unwrap();
    tx.narrow_claims(stay).await.unwrap();
}

/// Which room is claimed, from and until when, in hours after noon.
async fn claimed(db: &TestDb) -> Vec<(String, i64, i64)> {
    let sql = "SELECT number, hours(lower(piece)) AS opens, hours(upper(piece)) AS closes FROM (
                   SELECT number, unnest(range_agg(during)) AS piece FROM room_claims JOIN rooms USING (tenant_id, property_id, room_id)
                   WHERE released_at IS NULL GROUP BY number) AS pieces ORDER BY 1, 2";
    let hours = |end: &str| format!("(extract(epoch FROM {end}(piece) - $1::text::timestamptz) / 3600)::bigint");
    let sql = sql.replace("hours(lower(piece))", &hours("lower")).replace("hours(upper(piece))", &hours("upper"));
    let rows =
        sqlx::query(sqlx::AssertSqlSafe(sql)).bind(noon().to_string()).fetch_all(&mut db.superuser().await).await;
    rows.unwrap().iter().map(|row| (row.get("number"), row.get("opens"), row.get("closes"))).collect()
}

fn rooms(pieces: &[(&str, i64, i64)]) -> Vec<(String, i64, i64)> {
    pieces.iter().map(|(room, from, until)| ((*room).to_owned(), *from, *until)).collect()
}

#[tokio::test]
async fn a_change_that_comes_to_nothing_leaves_what_a_later_one_needs() {
    let db = TestDb::new().await;
    let world = World::new(&db).await;
    let (property, [room, _]) = (world.property, world.rooms);
    let stay = world.stay("R-1").await;
    let mut tx = world.tx().await;
    tx.claim_room(property, room, stay, &[window(0, 24)], fresh!(CommandId)).await.unwrap();
    tx.commit().await.unwrap();
    let dates = |window| Verb::ModifyStay { window, keys: vec![] };
    let first = world.accepted(stay, "R-1", dates(window(0, 36))).await;
    let second = world.accepted(stay, "R-1", dates(window(0, 30))).await;
    let other_year = world.accepted(stay, "R-1", dates(window(72, 24))).await;
    let mut tx = world.tx().await;
    let accepted = tx.accepted(stay).await.unwrap();
    assert_eq!((accepted.window, accepted.windows.len(), accepted.room), (window(72, 24), 4, Some(room)));
    for one in [window(0, 36), window(0, 30), window(72, 24)] {
        tx.extend_claims(property, stay, one).await.unwrap();
    }
    tx.commit().await.unwrap();
    assert_eq!(claimed(&db).await, rooms(&[("101", 0, 36), ("101", 72, 96)]), "and nothing between");

    for (failed, left) in [(other_year, ("101", 0, 36)), (first, ("101", 0, 30))] {
        let mut tx = world.tx().await;
        tx.settle_command(failed.id, CommandStatus::Failed, Some(Code::StayEnded), noon()).await.unwrap();
        tx.narrow_claims(stay).await.unwrap();
        assert_eq!(tx.accepted(stay).await.unwrap().window, window(0, 30));
        tx.commit().await.unwrap();
        assert_eq!(claimed(&db).await, rooms(&[left]));
    }
    let mut tx = world.tx().await;
    tx.settle_command(second.id, CommandStatus::Done, None, noon()).await.unwrap();
    redate(&mut tx, stay, room, window(0, 30)).await;
    tx.commit().await.unwrap();
    assert_eq!(claimed(&db).await, rooms(&[("101", 0, 30)]));
}

#[tokio::test]
async fn a_stay_may_move_back_into_a_room_that_it_has_not_left_yet() {
    let db = TestDb::new().await;
    let world = World::new(&db).await;
    let (property, [room, next]) = (world.property, world.rooms);
    let stay = world.stay("R-1").await;
    let away = world.accepted(stay, "R-1", moving_to(&world, 1)).await;
    let mut tx = world.tx().await;
    tx.claim_room(property, room, stay, &[window(0, 24)], fresh!(CommandId)).await.unwrap();
    tx.claim_room(property, next, stay, &[window(0, 24)], away.id).await.unwrap();
    assert_eq!(tx.accepted(stay).await.unwrap().room, None);
    tx.settle_command(away.id, CommandStatus::Done, None, noon()).await.unwrap();
    tx.commit().await.unwrap();

    // And for longer than before.
    let back = world.accepted(stay, "R-1", moving_to(&world, 0)).await;
    let mut tx = world.tx().await;
    tx.claim_room(property, room, stay, &[window(0, 24), window(0, 26)], back.id).await.unwrap();
    // The workflow has not heard of it, and says that the old room is left: it is kept for the move.
    assert_eq!(tx.release_left_rooms(stay, &[world.doors[1], world.doors[2]]).await.unwrap(), 0);
    tx.commit().await.unwrap();
    assert_eq!(claimed(&db).await, rooms(&[("101", 0, 26), ("102", 0, 24)]));

    // The move comes to nothing, and so does what was kept for it.
    let mut tx = world.tx().await;
    tx.settle_command(back.id, CommandStatus::Failed, Some(Code::StayEnded), noon()).await.unwrap();
    assert_eq!(tx.release_claims_of_command(back.id).await.unwrap(), 2);
    tx.commit().await.unwrap();
    assert_eq!(claimed(&db).await, rooms(&[("102", 0, 24)]));
}

#[tokio::test]
async fn a_refused_move_leaves_a_room_to_the_move_that_wants_it_too() {
    let db = TestDb::new().await;
    let world = World::new(&db).await;
    let stay = world.stay("R-1").await;
    let [first, second] = [
        world.accepted(stay, "R-1", moving_to(&world, 1)).await,
        world.accepted(stay, "R-1", moving_to(&world, 1)).await,
    ];
    let mut tx = world.tx().await;
    for command in [&first, &second] {
        tx.claim_room(world.property, world.rooms[1], stay, &[window(0, 24)], command.id).await.unwrap();
    }
    for (command, given_up) in [(&first, 0), (&second, 1)] {
        tx.settle_command(command.id, CommandStatus::Failed, Some(Code::StayEnded), noon()).await.unwrap();
        assert_eq!(tx.release_claims_of_command(command.id).await.unwrap(), given_up);
    }
}

#[tokio::test]
async fn commands_of_a_stay_are_in_the_order_of_their_acceptance() {
    let db = TestDb::new().await;
    let world = World::new(&db).await;
    let stay = world.stay("R-1").await;
    // All at one instant, as two processes' clocks may say, and with ids in no order.
    let mut ids = Vec::new();
    for n in [3_u128, 1, 2] {
        let command = Command { id: CommandId::from_uuid(uuid::Uuid::from_u128(n)), ..world.command(Verb::Suspend) };
        let mut tx = world.tx().await;
        let name = reservation("R-1");
        let new = NewCommand { command: &command, property: world.property, stay, reservation: &name, at: noon() };
        tx.insert_command(new).await.unwrap();
        tx.commit().await.unwrap();
        ids.push(command.id);
    }
    let mut tx = world.tx().await;
    let rows = tx.commands_of(stay).await.unwrap();
    assert_eq!(rows.iter().map(lock_store::CommandRow::id).collect::<Vec<_>>(), ids);
}

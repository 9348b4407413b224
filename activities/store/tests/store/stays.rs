//! Stays: one live per reservation, records, lists.

use crate::{
    cluster::TestDb,
    world::{World, fresh, noon, reservation, window},
};
use jiff::SignedDuration;
use lock_domain::{
    ids::*,
    problem::Code,
    stay::{EndCause, StayPhase},
};
use lock_store::{StayFilter, StayRecord, StoreError};

fn ended(world: &World) -> StayRecord {
    StayRecord {
        phase: StayPhase::Ended,
        cause: Some(EndCause::CheckedOut),
        suspended: false,
        needs_attention: true,
        code: Some(Code::LockOffline),
        next_deadline: None,
        window: window(1, 2),
        room: world.rooms[1],
        doors: Vec::new(),
        at: noon() + SignedDuration::from_hours(3),
    }
}

#[tokio::test]
async fn a_reservation_has_one_live_stay() {
    let db = TestDb::new().await;
    let world = World::new(&db).await;
    let first = world.stay("R-1").await;
    let mut tx = world.tx().await;
    let name = reservation("R-1");
    assert!(matches!(tx.insert_stay(&world.new_stay("R-1")).await, Err(StoreError::StayExists)));
    // The transaction goes on.
    assert_eq!(tx.live_stay(world.property, &name).await.unwrap().unwrap().id, first);
    let record = ended(&world);
    tx.record_stay(first, &record).await.unwrap();
    assert_eq!(tx.live_stay(world.property, &name).await.unwrap(), None);
    let row = tx.stay(world.property, &name).await.unwrap().unwrap();
    assert_eq!(
        (row.phase, row.cause, row.attention_code, row.window, row.room, row.updated_at),
        (record.phase, record.cause, record.code, record.window, record.room, record.at)
    );
    let again = world.new_stay("R-1");
    tx.insert_stay(&again).await.unwrap();
    assert_eq!(tx.stay(world.property, &name).await.unwrap().unwrap().id, again.id);
    assert_eq!(tx.stay_by_id(first).await.unwrap().unwrap().id, first);
    assert!(matches!(tx.record_stay(fresh!(StayId), &record).await, Err(StoreError::NotFound("stay"))));
}

#[tokio::test]
async fn lists() {
    let db = TestDb::new().await;
    let world = World::new(&db).await;
    let mut ids = Vec::new();
    for name in ["R-1", "R-2", "R-3"] {
        ids.push(world.stay(name).await);
    }
    let mut tx = world.tx().await;
    tx.record_stay(ids[1], &ended(&world)).await.unwrap();
    let all = StayFilter::default();
    for (filter, wanted) in [
        (all.clone(), vec![ids[0], ids[1], ids[2]]),
        (StayFilter { phases: vec![StayPhase::Ended, StayPhase::Ending], ..all.clone() }, vec![ids[1]]),
        (StayFilter { needs_attention: true, ..all.clone() }, vec![ids[1]]),
        (StayFilter { room: Some(world.rooms[0]), ..all.clone() }, vec![ids[0], ids[2]]),
        (StayFilter { arrival_from: Some(window(1, 1).from), ..all.clone() }, vec![ids[1]]),
        (StayFilter { arrival_until: Some(window(1, 1).from), ..all.clone() }, vec![ids[0], ids[2]]),
        (StayFilter { after: Some(ids[0]), limit: 1, ..all }, vec![ids[1]]),
    ] {
        let found: Vec<StayId> = tx.stays(world.property, &filter).await.unwrap().iter().map(|s| s.id).collect();
        assert_eq!(found, wanted, "{filter:?}");
    }
}

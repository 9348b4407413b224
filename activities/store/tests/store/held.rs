//! Commands that are held: counted one after another, listed, decided once.

use crate::{
    cluster::TestDb,
    world::{World, fresh, noon},
};
use futures::future::join_all;
use jiff::SignedDuration;
use lock_domain::{
    command::Verb,
    guard::{FeedGuard, Judgement},
    ids::*,
    problem::Code,
};
use lock_store::{CommandStatus, StayFilter};

#[tokio::test]
async fn a_held_command_waits_until_it_is_released() {
    let db = TestDb::new().await;
    let world = World::new(&db).await;
    let stay = world.stay("R-1").await;
    let mut command = world.accepted(stay, "R-1", Verb::Cancel).await;
    let mut tx = world.tx().await;
    tx.mark_early(command.id, noon(), true).await.unwrap();
    let row = tx.command(command.id).await.unwrap().unwrap();
    assert_eq!((row.status, row.code), (CommandStatus::Held, Some(Code::HeldForApproval)));
    assert_eq!(tx.undelivered(noon(), 10).await.unwrap(), [], "nobody delivers it");
    let listed = tx.held(world.property, None, 10).await.unwrap();
    assert_eq!((listed.len(), &listed[0].command), (1, &row));
    assert_eq!(tx.held(world.property, Some(command.id), 10).await.unwrap(), []);
    assert_eq!(tx.held_count(None).await.unwrap(), 1);
    let found = tx.stay_by_id(stay).await.unwrap().unwrap();
    assert_eq!((found.needs_attention, found.attention_code), (true, Some(Code::HeldForApproval)));
    let filter = StayFilter { needs_attention: true, ..StayFilter::default() };
    assert_eq!(tx.stays(world.property, &filter).await.unwrap().len(), 1);

    // Held, it counts however old it is; not against its own stay.
    let later = noon() + SignedDuration::from_hours(9);
    let other = fresh!(StayId);
    assert_eq!(tx.count_early(world.property, other, later).await.unwrap().others, 1);
    assert_eq!(tx.count_early(world.property, stay, later).await.unwrap().others, 0);

    command.at = later;
    assert_eq!(tx.lock_held(world.property, Some(&[fresh!(CommandId)]), 10).await.unwrap(), []);
    assert_eq!(tx.lock_held(world.property, None, 10).await.unwrap().len(), 1);
    assert!(tx.release_held(&command).await.unwrap());
    assert!(!tx.release_held(&command).await.unwrap(), "once");
    let row = tx.command(command.id).await.unwrap().unwrap();
    assert_eq!((row.status, row.code, &row.command), (CommandStatus::Accepted, None, &command));
    assert_eq!(tx.undelivered(noon(), 10).await.unwrap().len(), 1);
    assert_eq!(tx.count_early(world.property, other, noon() - SignedDuration::from_hours(1)).await.unwrap().others, 0);
    assert!(!tx.stay_by_id(stay).await.unwrap().unwrap().needs_attention);
}

/// Of many at once exactly as many pass as the guard lets pass.
#[tokio::test]
async fn of_many_early_commands_at_once_the_limit_passes() {
    const STAYS: usize = 40;
    let db = TestDb::new().await;
    let world = World::with_connections(&db, 20).await;
    let guard = FeedGuard::default();
    let mut asked = Vec::new();
    for n in 0..STAYS {
        let reservation = format!("R-{n}");
        let stay = world.stay(&reservation).await;
        asked.push((stay, world.accepted(stay, &reservation, Verb::Cancel).await.id));
    }
    let held = join_all(asked.into_iter().map(|(stay, id)| {
        let world = &world;
        async move {
            let mut tx = world.tx().await;
            let counted = tx.count_early(world.property, stay, guard.since(noon())).await.unwrap();
            let held = guard.judge(counted) != Judgement::Pass;
            tx.mark_early(id, noon(), held).await.unwrap();
            tx.commit().await.unwrap();
            held
        }
    }))
    .await;
    let passed = held.iter().filter(|held| !**held).count();
    assert_eq!(passed, 8, "20 % of {STAYS}");
    assert_eq!(world.tx().await.held_count(Some(world.property)).await.unwrap(), (STAYS - passed) as u64);
}

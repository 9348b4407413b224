//! Commands: accepted, delivered, settled once.

use crate::{
    cluster::TestDb,
    world::{World, fresh, noon, window},
};
use jiff::SignedDuration;
use lock_domain::{
    command::{NewKey, Verb},
    ids::*,
    problem::Code,
};
use lock_store::CommandStatus;

#[tokio::test]
async fn a_command_goes_its_way() {
    let db = TestDb::new().await;
    let world = World::new(&db).await;
    let stay = world.stay("R-1").await;
    let verb = Verb::New {
        kind: lock_domain::stay::StayKind::Guest,
        window: window(0, 24),
        room: world.rooms[0],
        doors: world.doors.to_vec(),
        keys: vec![NewKey { id: fresh!(KeyId), holder: 0 }],
    };
    let command = world.accepted(stay, "R-1", verb).await;
    let later = noon() + SignedDuration::from_secs(5);
    let mut tx = world.tx().await;
    let row = tx.command(command.id).await.unwrap().unwrap();
    assert_eq!(
        (row.id(), row.status, &row.command, row.by),
        (command.id, CommandStatus::Accepted, &command, world.api_key)
    );
    assert_eq!(tx.command(fresh!(CommandId)).await.unwrap(), None);

    let before = noon() - SignedDuration::from_secs(1);
    assert_eq!(tx.undelivered(before, 10).await.unwrap(), []);
    assert_eq!(tx.undelivered(noon(), 10).await.unwrap(), [row]);
    tx.mark_delivered(command.id, later).await.unwrap();
    tx.mark_delivered(command.id, noon()).await.unwrap();
    assert_eq!(tx.undelivered(noon(), 10).await.unwrap(), []);
    let row = tx.commands_of(stay).await.unwrap().remove(0);
    assert_eq!((row.status, row.delivered_at), (CommandStatus::Running, Some(later)));

    let stuck = Some(Code::VendorAccess);
    assert!(tx.settle_command(command.id, CommandStatus::NeedsHuman, stuck, later).await.unwrap().is_some());
    assert!(tx.settle_command(command.id, CommandStatus::NeedsHuman, stuck, later).await.unwrap().is_none());
    let row = tx.command(command.id).await.unwrap().unwrap();
    assert_eq!((row.status, row.code, row.settled_at), (CommandStatus::NeedsHuman, stuck, None));
    assert!(tx.settle_command(command.id, CommandStatus::Done, None, later).await.unwrap().is_some());
    assert!(tx.settle_command(command.id, CommandStatus::Failed, Some(Code::LockFull), later).await.unwrap().is_none());
    let row = tx.command(command.id).await.unwrap().unwrap();
    assert_eq!((row.status, row.code, row.settled_at), (CommandStatus::Done, None, Some(later)));
}

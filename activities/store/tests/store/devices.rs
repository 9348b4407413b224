//! Devices: what is known, episodes that are told once, tasks, and clocks that are set.

use crate::{
    cluster::TestDb,
    world::{World, noon},
};
use futures::future::join_all;
use jiff::{SignedDuration, Timestamp};
use lock_domain::{
    clock::ClockOffset,
    device::{AlertKind, Dark, TaskReason},
};
use lock_store::{
    ClockSeen, Darkness, DeviceAlert, DeviceKind, DeviceRef, DeviceSeen, DoorRecordRow, DriftSource, Episode,
    SyncOutcome,
};

const KIND: AlertKind = AlertKind::ClockDrift;

fn later(minutes: i64) -> Timestamp {
    noon() + SignedDuration::from_mins(minutes)
}

async fn lock(world: &World) -> String {
    let mut tx = world.tx().await;
    tx.doors(world.property).await.unwrap().into_iter().find(|door| door.id == world.doors[0]).unwrap().vendor_lock_id
}

fn device<'a>(world: &World, id: &'a str) -> DeviceRef<'a> {
    DeviceRef { property: world.property, vendor: "ttlock", kind: DeviceKind::Lock, id }
}

fn query(ms: i64, at: Timestamp) -> ClockSeen {
    ClockSeen { drift: Some((SignedDuration::from_millis(ms), DriftSource::Query)), in_vain: Some(0), at }
}

/// A row in each of this part's tables.
pub(crate) async fn fill(world: &World) {
    let id = lock(world).await;
    let mut tx = world.tx().await;
    tx.note_clock(device(world, &id), query(-400_000, noon())).await.unwrap();
    assert!(tx.raise_alert(device(world, &id), KIND, noon()).await.unwrap());
    let door = world.doors[0];
    let task = tx.open_task(device(world, &id), Some(door), TaskReason::NoGateway, noon()).await.unwrap();
    assert!(task.is_some());
    tx.intend_sync(world.property, door, SignedDuration::from_secs(-400), noon()).await.unwrap();
    tx.commit().await.unwrap();
}

#[tokio::test]
async fn r_lock_09_of_many_who_see_it_one_tells() {
    let db = TestDb::new().await;
    let world = World::with_connections(&db, 10).await;
    let raise = async |at| {
        let mut tx = world.tx().await;
        let (first, task) = (
            tx.raise_alert(device(&world, "7"), KIND, at).await.unwrap(),
            tx.open_task(device(&world, "7"), None, TaskReason::NoGateway, at).await.unwrap().is_some(),
        );
        tx.commit().await.unwrap();
        assert_eq!(first, task);
        first
    };
    let raised = join_all((0..8).map(|n| raise(later(n)))).await;
    assert_eq!(raised.iter().filter(|first| **first).count(), 1);
    let mut tx = world.tx().await;
    assert_eq!(tx.resolve_alert(device(&world, "8"), KIND, later(9)).await.unwrap(), None);
    let since = tx.resolve_alert(device(&world, "7"), KIND, later(9)).await.unwrap();
    assert!(since.is_some_and(|since| since < later(9)));
    assert_eq!(tx.resolve_alert(device(&world, "7"), KIND, later(9)).await.unwrap(), None);
    let closed = tx.close_task(device(&world, "7"), KIND, later(9)).await.unwrap();
    assert!(matches!(closed, Some((_, TaskReason::NoGateway))));
    assert_eq!(tx.close_task(device(&world, "7"), KIND, later(9)).await.unwrap(), None);
    tx.commit().await.unwrap();
    assert!(raise(later(10)).await, "another episode");
}

#[tokio::test]
async fn a_device_shows_what_is_known_and_unseen_locks_show_as_well() {
    let db = TestDb::new().await;
    let world = World::new(&db).await;
    fill(&world).await;
    let id = lock(&world).await;
    let mut tx = world.tx().await;
    let seen = DeviceSeen {
        property: world.property,
        vendor: "ttlock",
        kind: DeviceKind::Gateway,
        id: "g1",
        online: Some(false),
        battery_percent: None,
        name: Some("Lobby"),
        has_gateway: None,
        at: noon(),
        present: later(60),
    };
    tx.note_device(seen).await.unwrap();
    tx.note_device(DeviceSeen { present: later(70), ..seen }).await.unwrap();
    let all = tx.devices(world.property, None, 10).await.unwrap();
    assert_eq!(all.len(), 4, "three doors and a gateway: {all:?}");
    let gateway = all.iter().find(|d| d.kind == DeviceKind::Gateway).unwrap();
    assert_eq!(
        (gateway.online, gateway.online_since, gateway.name.as_deref()),
        (Some(false), Some(later(60)), Some("Lobby"))
    );
    let known = all.iter().find(|d| d.id == id).unwrap();
    let told = DeviceAlert { kind: KIND, since: noon(), times: 1, last_at: None };
    assert_eq!((known.door, known.drift), (Some(world.doors[0]), Some(SignedDuration::from_secs(-400))));
    assert_eq!((&known.alerts[..], &known.tasks[..]), (&[told][..], &[KIND][..]));
    assert_eq!(tx.device_of_door(world.property, world.doors[0]).await.unwrap().as_ref(), Some(known));
    assert_eq!(tx.device(device(&world, &id)).await.unwrap().as_ref(), Some(known));
    assert_eq!(tx.device(device(&world, "none")).await.unwrap(), None);
    let after = ("gateway", "ttlock", "g1");
    assert_eq!(tx.devices(world.property, Some(after), 10).await.unwrap(), &all[1..]);
    let off = tx.clocks_off(world.property, &world.doors).await.unwrap();
    assert_eq!(off, [(world.doors[0], SignedDuration::from_secs(-400))]);
    // What was suspected is over when the clock has been looked at.
    tx.suspect_clock(device(&world, &id), later(1)).await.unwrap();
    assert_eq!(tx.device(device(&world, &id)).await.unwrap().unwrap().suspected_at, Some(later(1)));
    tx.note_clock(device(&world, &id), ClockSeen { drift: None, in_vain: None, at: later(2) }).await.unwrap();
    let now = tx.device(device(&world, &id)).await.unwrap().unwrap();
    assert_eq!((now.suspected_at, now.drift_at, now.looked_at), (None, Some(noon()), Some(later(2))));
}

#[tokio::test]
async fn tasks_are_closed_once_and_by_somebody() {
    let db = TestDb::new().await;
    let world = World::new(&db).await;
    fill(&world).await;
    let mut tx = world.tx().await;
    let tasks = tx.tasks(world.property, false, None, 10).await.unwrap();
    let [task] = &tasks[..] else { panic!("{tasks:?}") };
    assert_eq!((task.reason, task.door), (TaskReason::NoGateway, Some(world.doors[0])));
    assert!(tx.finish_task(world.property, task.id, world.api_key, later(5)).await.unwrap());
    assert!(!tx.finish_task(world.property, task.id, world.api_key, later(6)).await.unwrap());
    let done = tx.task(world.property, task.id).await.unwrap().unwrap();
    assert_eq!((done.closed_at, done.closed_by), (Some(later(5)), Some(world.api_key)));
    assert_eq!(tx.tasks(world.property, false, None, 10).await.unwrap(), []);
    assert_eq!(tx.tasks(world.property, true, None, 10).await.unwrap(), [done]);
}

#[tokio::test]
async fn an_attempt_at_a_clock_has_one_outcome() {
    let db = TestDb::new().await;
    let world = World::new(&db).await;
    fill(&world).await;
    let mut tx = world.tx().await;
    let open = tx.open_syncs(world.doors[0]).await.unwrap();
    let [attempt] = open[..] else { panic!("{open:?}") };
    tx.sync_outcome(attempt, SyncOutcome::Confirmed, Some(SignedDuration::ZERO), None, later(1)).await.unwrap();
    tx.sync_outcome(attempt, SyncOutcome::Failed, None, None, later(2)).await.unwrap();
    assert_eq!(tx.open_syncs(world.doors[0]).await.unwrap(), []);
}

#[tokio::test]
async fn arrivals_are_grouped_newest_first() {
    let db = TestDb::new().await;
    let world = World::new(&db).await;
    let mut tx = world.tx().await;
    // Two that came together, one before, and one that says no arrival.
    let rows =
        [("1", 0, Some(30)), ("2", 29, Some(30)), ("3", 10, Some(9)), ("4", 50, None)].map(|(id, at, server)| {
            DoorRecordRow {
                id: id.to_owned(),
                at: later(at),
                at_server: server.map(later),
                kind: "opened".to_owned(),
                means: "pin",
                credential: None,
                battery_percent: None,
            }
        });
    tx.store_door_records(world.property, "ttlock", world.doors[0], &rows, noon()).await.unwrap();
    let ahead =
        |uploads: Vec<lock_domain::device::Upload>| uploads.iter().map(|u| u.ahead.as_secs() / 60).collect::<Vec<_>>();
    assert_eq!(ahead(tx.uploads(world.doors[0], None).await.unwrap()), [-1, 1]);
    assert_eq!(ahead(tx.uploads(world.doors[0], Some(later(9))).await.unwrap()), [-1]);
}

#[tokio::test]
async fn an_episode_counts_what_comes_again_and_remembers_its_end() {
    let db = TestDb::new().await;
    let world = World::new(&db).await;
    let (id, kind) = (lock(&world).await, AlertKind::Tampered);
    let lock = device(&world, &id);
    let mut tx = world.tx().await;
    assert_eq!(tx.episode(lock, kind).await.unwrap(), Episode::default());
    assert!(!tx.add_to_alert(lock, kind, later(1)).await.unwrap(), "none lasts");
    assert!(tx.raise_alert(lock, kind, later(5)).await.unwrap());
    for at in [7, 6, 1] {
        assert!(tx.add_to_alert(lock, kind, later(at)).await.unwrap());
    }
    let alerts = tx.device_of_door(world.property, world.doors[0]).await.unwrap().unwrap().alerts;
    assert_eq!(alerts, [DeviceAlert { kind, since: later(5), times: 4, last_at: Some(later(7)) }]);
    assert_eq!(tx.episode(lock, kind).await.unwrap(), Episode { since: Some(later(5)), ended: None });
    assert_eq!(tx.episode(lock, KIND).await.unwrap(), Episode::default(), "of another kind");
    tx.resolve_alert(lock, kind, later(9)).await.unwrap();
    assert_eq!(tx.episode(lock, kind).await.unwrap(), Episode { since: None, ended: Some(later(9)) });
    assert!(tx.raise_alert(lock, kind, later(10)).await.unwrap());
    assert_eq!(tx.episode(lock, kind).await.unwrap(), Episode { since: Some(later(10)), ended: Some(later(9)) });
}

#[tokio::test]
async fn drops_are_kept_and_what_else_was_dark_is_found() {
    let db = TestDb::new().await;
    let world = World::new(&db).await;
    let sight = |kind, id, online, present| DeviceSeen {
        property: world.property,
        vendor: "ttlock",
        kind,
        id,
        online: Some(online),
        battery_percent: None,
        name: None,
        has_gateway: None,
        at: noon(),
        present,
    };
    let mut tx = world.tx().await;
    assert_eq!(tx.hold_device(device(&world, "7")).await.unwrap(), None);
    for (id, drops) in [("7", &[later(1), later(2)][..]), ("8", &[later(2), later(30)])] {
        tx.note_device(sight(DeviceKind::Lock, id, true, noon())).await.unwrap();
        tx.set_drops(device(&world, id), drops).await.unwrap();
        let held = tx.hold_device(device(&world, id)).await.unwrap().unwrap();
        assert_eq!((held.online, &held.drops[..]), (Some(true), drops));
    }
    let known = tx.device(device(&world, "7")).await.unwrap().unwrap();
    assert_eq!(known.drops, [later(1), later(2)]);
    let back = |minutes| SignedDuration::from_mins(minutes);
    let mut seen = tx.darkness(device(&world, "7"), ClockOffset::REAL, back(60), later(40)).await.unwrap();
    seen.others.sort_unstable();
    assert_eq!(seen, Darkness { others: vec![later(2), later(30)], dark: Vec::new() });
    let seen = tx.darkness(device(&world, "7"), ClockOffset::REAL, back(20), later(40)).await.unwrap();
    assert_eq!(seen.others, [later(30)]);
    // One gateway is away, one came back, one was told to be away and is back.
    let gateway = DeviceRef { kind: DeviceKind::Gateway, ..device(&world, "g3") };
    tx.note_device(sight(DeviceKind::Gateway, "g1", false, later(3))).await.unwrap();
    tx.note_device(sight(DeviceKind::Gateway, "g2", true, later(4))).await.unwrap();
    tx.raise_alert(gateway, AlertKind::GatewayOffline, later(5)).await.unwrap();
    tx.resolve_alert(gateway, AlertKind::GatewayOffline, later(6)).await.unwrap();
    let mut seen = tx.darkness(device(&world, "7"), ClockOffset::REAL, back(60), later(40)).await.unwrap();
    seen.dark.sort_by_key(|dark| dark.from);
    let dark = |from, until: Option<i64>| Dark { from: later(from), until: until.map(later) };
    assert_eq!(seen.dark, [dark(3, None), dark(4, Some(4)), dark(5, Some(6))]);
    let seen = tx.darkness(device(&world, "7"), ClockOffset::REAL, back(30), later(40)).await.unwrap();
    assert_eq!(seen.dark, [dark(3, None)], "what is long over is left out");
}

/// While versions run side by side, an old one lists what it knows.
#[tokio::test]
async fn a_task_for_an_unknown_reason_is_left_to_those_who_know_it() {
    let db = TestDb::new().await;
    let world = World::new(&db).await;
    fill(&world).await;
    let mut tx = world.tx().await;
    let task = tx.open_task(device(&world, "7"), None, TaskReason::BatteryLow, noon()).await.unwrap().unwrap();
    tx.commit().await.unwrap();
    let mut owner = db.superuser().await;
    let sql = "UPDATE maintenance_tasks SET reason = 'of_tomorrow' WHERE device_id = '7'";
    sqlx::query(sql).execute(&mut owner).await.unwrap();
    let mut tx = world.tx().await;
    assert_eq!(tx.tasks(world.property, true, None, 10).await.unwrap().len(), 1);
    assert_eq!(tx.task(world.property, task).await.unwrap(), None);
}

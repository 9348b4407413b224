//! Hotels, rooms, doors and test clocks.

use crate::{
    cluster::TestDb,
    world::{World, fresh, window},
};
use lock_domain::{clock::ClockOffset, ids::*, policy::StayPolicy};
use lock_store::{NewProperty, Room, StoreError};
use serde_json::json;

#[tokio::test]
async fn rooms_and_doors() {
    let db = TestDb::new().await;
    let world = World::new(&db).await;
    let mut tx = world.tx().await;
    let rooms = tx.rooms(world.property, None, 10).await.unwrap();
    let seen: Vec<_> = rooms.iter().map(|r| (r.room.number.as_str(), r.doors.len())).collect();
    assert_eq!(seen, [("101", 1), ("102", 1)]);
    assert_eq!(tx.rooms(world.property, Some("101"), 10).await.unwrap(), rooms[1..]);
    assert_eq!(tx.rooms(world.property, None, 1).await.unwrap(), rooms[..1]);
    let by_number = tx.room_by_number(world.property, "102").await.unwrap().unwrap();
    assert_eq!(tx.room(world.property, by_number.id).await.unwrap(), Some(by_number));
    assert_eq!(tx.room_by_number(world.property, "103").await.unwrap(), None);
    let doors = tx.doors_for_room(world.property, world.rooms[1]).await.unwrap();
    assert_eq!(doors.iter().map(|d| d.id).collect::<Vec<_>>(), [world.doors[1], world.doors[2]]);
    assert_eq!(tx.doors(world.property).await.unwrap().len(), 3);
    let twin = Room { id: fresh!(RoomId), property: world.property, number: "101".into() };
    let refused = tx.create_room(&twin).await;
    assert!(matches!(refused, Err(StoreError::Duplicate(name)) if name == "rooms_number"));
}

#[tokio::test]
async fn a_clock_moves_forward_and_only_in_a_sandbox() {
    let db = TestDb::new().await;
    let world = World::new(&db).await;
    let stay = world.stay("R-1").await;
    let mut tx = world.tx().await;
    let hour = ClockOffset::from_millis(3_600_000);
    assert_eq!(tx.advance_clock(world.property, hour).await.unwrap(), hour);
    assert_eq!(tx.advance_clock(world.property, ClockOffset::REAL).await.unwrap(), hour);
    assert_eq!(tx.property(world.property).await.unwrap().unwrap().clock, hour);
    // It has to be told once its deadline is due on the property's clock, and once.
    assert_eq!(tx.untold(None, window(0, 22).until, 10).await.unwrap(), []);
    let due = tx.untold(Some(world.property), window(0, 23).until, 10).await.unwrap();
    assert_eq!(due.iter().map(|(id, offset)| (id.stay, *offset)).collect::<Vec<_>>(), [(stay, hour)]);
    tx.clock_told(&[stay], hour).await.unwrap();
    assert_eq!(tx.untold(None, window(0, 23).until, 10).await.unwrap(), []);
    let later = ClockOffset::from_millis(7_200_000);
    tx.advance_clock(world.property, later).await.unwrap();
    assert_eq!(tx.untold(None, window(0, 23).until, 10).await.unwrap().len(), 1);
    tx.clock_told(&[stay], later).await.unwrap();
    // An older reading that arrives late does not count.
    tx.clock_told(&[stay], hour).await.unwrap();
    assert_eq!(tx.untold(None, window(0, 23).until, 10).await.unwrap(), []);

    let policy = StayPolicy { pin_digits: 8, ..StayPolicy::default() };
    tx.set_policy(world.property, &policy).await.unwrap();
    tx.set_vendor(world.property, "ttlock", &json!({"base_url": "x"}), None).await.unwrap();
    let property = tx.property(world.property).await.unwrap().unwrap();
    assert_eq!((property.policy, property.config_version, property.vendor_sealed), (policy.clone(), 2, None));
    assert!(matches!(tx.set_policy(fresh!(PropertyId), &policy).await, Err(StoreError::NotFound(_))));

    let live = NewProperty {
        id: fresh!(PropertyId),
        name: "Grand".into(),
        zone: "UTC".into(),
        live: true,
        clock_hook_url: None,
        policy,
        vendor: "ttlock".into(),
        vendor_config: json!({}),
        vendor_sealed: None,
    };
    tx.create_property(&live).await.unwrap();
    assert!(matches!(tx.advance_clock(fresh!(PropertyId), hour).await, Err(StoreError::NotFound(_))));
    assert!(matches!(tx.advance_clock(live.id, hour).await, Err(StoreError::ClockLive)));
}

//! Outages and drains: an operator's word opens and closes an outage, who waits is found once, and the desk's list is in order.

use crate::{
    cluster::TestDb,
    world::{World, noon, reservation, window},
};
use jiff::{SignedDuration, Timestamp};
use lock_domain::{
    clock::ClockOffset,
    command::Verb,
    drain::{Channel, OnVendorDown, plan},
    health::{BreakerState, ForceReason, Forced},
    ids::{CommandId, DoorId, OutageId},
    problem::Code,
};
use lock_store::{NewDoor, NewStay, OutageRow, PropertyVendor};
use uuid::Uuid;

async fn force(world: &World, state: Option<BreakerState>, now: Timestamp) {
    let mut tx = world.tx().await;
    tx.enter_breakers(now, now).await.unwrap();
    let until = now + SignedDuration::from_hours(1);
    let word = state.map(|state| Forced { state, reason: ForceReason::Drill, until });
    tx.force_breaker(world.property, "ttlock", word, world.api_key, ClockOffset::REAL, now).await.unwrap();
    tx.commit().await.unwrap();
}

fn salto(world: &World) -> PropertyVendor {
    PropertyVendor {
        property: world.property,
        vendor: "salto_ks".to_owned(),
        row: PropertyVendor::row_of(world.property, "salto_ks"),
        config: serde_json::json!({ "base_url": "http://127.0.0.1:2" }),
        sealed: Some(vec![7]),
        standby_rank: Some(1),
        most_keys: Some(1),
    }
}

async fn outage(world: &World) -> OutageRow {
    world.tx().await.outages(None, None, 10).await.unwrap().remove(0)
}

/// An outage with a guest at the desk, and a vendor on standby.
pub(crate) async fn fill(world: &World) {
    force(world, Some(BreakerState::Open), noon()).await;
    let stay = world.stay("R-desk").await;
    let outage = outage(world).await;
    let mut tx = world.tx().await;
    tx.set_property_vendor(&salto(world), noon()).await.unwrap();
    let step = lock_domain::drain::Step { stay, channel: Channel::Desk };
    tx.enter_steps(&outage, &[step], ClockOffset::REAL, noon()).await.unwrap();
    tx.commit().await.unwrap();
}

#[tokio::test]
async fn r_lock_11_an_operators_word_opens_and_ends_an_outage_and_is_in_the_log() {
    let db = TestDb::new().await;
    let world = World::new(&db).await;
    force(&world, Some(BreakerState::Open), noon()).await;
    force(&world, Some(BreakerState::Open), noon()).await;
    let first = outage(&world).await;
    assert_eq!((first.closed_at, first.code, first.vendor.as_str()), (None, None, "ttlock"));
    let later = noon() + SignedDuration::from_mins(5);
    force(&world, None, later).await;
    assert_eq!(outage(&world).await.closed_at, Some(later));
    force(&world, Some(BreakerState::Open), later).await;
    let mut tx = world.tx().await;
    tx.end_forced_breakers(later + SignedDuration::from_mins(59)).await.unwrap();
    assert_eq!(tx.outages(None, None, 10).await.unwrap()[0].closed_at, None, "not yet");
    tx.end_forced_breakers(later + SignedDuration::from_mins(60)).await.unwrap();
    tx.commit().await.unwrap();
    let mut tx = world.tx().await;
    let events = tx.events_after(None, 50, None).await.unwrap();
    let kinds: Vec<&str> = events.iter().map(|e| e.kind.strip_prefix("vendor.").unwrap()).collect();
    let (forced, released, began, over) = ("breaker_forced.v1", "breaker_released.v1", "outage.v1", "outage_over.v1");
    assert_eq!(kinds, [forced, began, forced, released, over, forced, began, released, over]);
}

#[tokio::test]
async fn r_lock_01_who_waits_is_found_once_in_order_and_the_desk_is_told() {
    let db = TestDb::new().await;
    let world = World::new(&db).await;
    let mut tx = world.tx().await;
    tx.set_property_vendor(&salto(&world), noon()).await.unwrap();
    for (place, room) in world.rooms.iter().enumerate() {
        let door = NewDoor {
            id: DoorId::from_uuid(Uuid::new_v4()),
            property: world.property,
            room: Some(*room),
            name: format!("Reader {place}"),
            vendor: "salto_ks".to_owned(),
            vendor_lock_id: format!("ks-{place}"),
        };
        tx.create_door(&door).await.unwrap();
    }
    assert_eq!(tx.doors_for_room(world.property, world.rooms[0]).await.unwrap().len(), 2, "not those on standby");
    assert_eq!(tx.doors_for_room_at(world.property, world.rooms[0], "salto_ks").await.unwrap().len(), 1);
    tx.commit().await.unwrap();
    let mut stays = Vec::new();
    for (name, from) in [("R-2", 3), ("R-1", 2), ("R-far", 20)] {
        let room = world.rooms[usize::from(name == "R-1")];
        let new = NewStay { window: window(from, 24 + from), room, ..world.new_stay(name) };
        let mut tx = world.tx().await;
        tx.insert_stay(&new).await.unwrap();
        tx.commit().await.unwrap();
        world.key(new.id).await;
        let command = world.accepted(new.id, name, Verb::Suspend).await;
        let mut tx = world.tx().await;
        let windows = [window(from, from + 1)];
        tx.claim_room(world.property, room, new.id, &windows, command.id).await.unwrap();
        tx.commit().await.unwrap();
        stays.push(new.id);
    }
    force(&world, Some(BreakerState::Open), noon()).await;
    let outage = outage(&world).await;
    let policy = OnVendorDown::default();
    let mut tx = world.tx().await;
    let waiting = tx.waiting(&outage, noon(), policy.horizon(noon())).await.unwrap();
    assert_eq!(
        waiting.iter().map(|w| w.stay).collect::<Vec<_>>(),
        [stays[1], stays[0]],
        "by arrival, and not who comes later"
    );
    assert!(waiting.iter().all(|w| w.doors_at.contains(&"salto_ks".to_owned())), "{waiting:?}");
    let standby = tx.standby(world.property, "ttlock", noon()).await.unwrap();
    assert_eq!((standby.len(), standby[0].works, standby[0].free), (1, true, Some(1)));
    let steps = plan(&policy, &waiting, &standby);
    assert_eq!(steps.iter().map(|s| s.channel.to_string()).collect::<Vec<_>>(), ["salto_ks", "desk"], "one seat");
    tx.enter_steps(&outage, &steps, ClockOffset::REAL, noon()).await.unwrap();
    tx.enter_steps(&outage, &steps, ClockOffset::REAL, noon()).await.unwrap();
    let again = tx.waiting(&outage, noon(), policy.horizon(noon())).await.unwrap();
    let standby = tx.standby(world.property, "ttlock", noon()).await.unwrap();
    assert_eq!(
        (plan(&policy, &again, &standby), standby[0].free),
        (vec![], Some(0)),
        "a second look finds nothing to do"
    );
    tx.commit().await.unwrap();

    let mut tx = world.tx().await;
    let desk = tx.desk(world.property, 10).await.unwrap();
    assert_eq!(desk.iter().map(|row| row.reservation.clone()).collect::<Vec<_>>(), [reservation("R-2")]);
    let row = tx.stay_by_id(stays[0]).await.unwrap().unwrap();
    assert_eq!((row.needs_attention, row.attention_code), (true, Some(Code::DeskIssue)));
    let asked = tx.asked_steps(10).await.unwrap();
    assert_eq!((asked.len(), asked[0].stay, asked[0].to.as_str()), (1, stays[1], "salto_ks"));
    assert!(tx.lock_step(&asked[0]).await.unwrap());
    tx.settle_step(&asked[0], Ok(CommandId::from_uuid(Uuid::now_v7())), noon()).await.unwrap();
    assert!(!tx.lock_step(&asked[0]).await.unwrap());
    assert_eq!(
        tx.steps_of(outage.id, 10).await.unwrap().iter().map(|s| s.state.as_str()).collect::<Vec<_>>(),
        ["accepted", "at_desk"]
    );
    tx.commit().await.unwrap();
    force(&world, None, noon() + SignedDuration::from_mins(1)).await;
    let mut tx = world.tx().await;
    assert!(tx.undrained(5).await.unwrap().is_empty());
    tx.end_steps(outage.id, true, noon()).await.unwrap();
    assert_eq!(tx.desk(world.property, 10).await.unwrap(), []);
    assert_eq!(tx.touched_by(outage.id, 10).await.unwrap(), []);
    assert_eq!(tx.outage(OutageId::from_uuid(Uuid::nil())).await.unwrap(), None);
}

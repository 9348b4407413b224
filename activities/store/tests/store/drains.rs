//! Outages and drains: an operator's word opens and closes an outage, who waits is found once, and the desk's list is in order.

use crate::{
    cluster::TestDb,
    world::{World, noon, reservation, window},
};
use jiff::{SignedDuration, Timestamp};
use lock_domain::{
    clock::ClockOffset,
    command::Verb,
    drain::{Channel, OnVendorDown, Step, plan},
    health::{BreakerState, ForceReason, Forced},
    ids::{CommandId, DoorId, OutageId, StayId},
    problem::Code,
    stay::StayPhase,
};
use lock_store::{CommandStatus, NewCommand, NewDoor, NewStay, OutageRow, PropertyVendor, StayRecord};
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

/// Takes a stay to a phase, as its workflow would report it.
async fn report(world: &World, stay: StayId, phase: StayPhase) {
    let mut tx = world.tx().await;
    let row = tx.stay_by_id(stay).await.unwrap().unwrap();
    let suspended = phase == StayPhase::Suspended;
    let new = StayRecord {
        phase,
        cause: None,
        suspended,
        needs_attention: false,
        code: None,
        next_deadline: None,
        window: row.window,
        room: row.room,
        doors: Vec::new(),
        at: noon(),
    };
    tx.record_stay(stay, &new).await.unwrap();
    tx.commit().await.unwrap();
}

/// A look of the drain; who is on the desk's list after it.
async fn look(world: &World, outage: &OutageRow) -> Vec<StayId> {
    let policy = OnVendorDown { arriving_within_h: 24, ..OnVendorDown::default() };
    let mut tx = world.tx().await;
    tx.end_steps(outage.id, false, noon()).await.unwrap();
    let waiting = tx.waiting(outage, noon(), policy.horizon(noon())).await.unwrap();
    let steps = plan(&policy, &waiting, &[]);
    tx.enter_steps(outage, &steps, ClockOffset::REAL, noon()).await.unwrap();
    tx.commit().await.unwrap();
    world.tx().await.desk(world.property, 10).await.unwrap().iter().map(|row| row.stay).collect()
}

#[tokio::test]
async fn r_lock_01_a_guest_at_the_desk_is_listed_until_he_has_a_key() {
    use StayPhase::{Active, Issuing, Moving, Planned, Suspended};
    let db = TestDb::new().await;
    let world = World::new(&db).await;
    force(&world, Some(BreakerState::Open), noon()).await;
    let outage = outage(&world).await;
    let (there, moved) = (world.stay("R-1").await, world.new_stay("R-2"));
    let moved = NewStay { room: world.rooms[1], phase: Moving, ..moved };
    let mut tx = world.tx().await;
    tx.insert_stay(&moved).await.unwrap();
    tx.commit().await.unwrap();
    for stay in [there, moved.id] {
        world.key(stay).await;
    }
    let sorted = |mut stays: Vec<StayId>| {
        stays.sort();
        stays
    };
    let both = sorted(vec![there, moved.id]);
    assert_eq!(sorted(look(&world, &outage).await), both, "also who moves already");
    for (phase, listed) in [
        (Moving, true),
        (Suspended, false),
        (Issuing, true),
        (Planned, false),
        (Issuing, true),
        (Active, false),
        (Issuing, true),
    ] {
        report(&world, there, phase).await;
        let expected = if listed { both.clone() } else { vec![moved.id] };
        assert_eq!(sorted(look(&world, &outage).await), expected, "{phase:?}");
        let row = world.tx().await.stay_by_id(there).await.unwrap().unwrap();
        assert_eq!(row.attention_code == Some(Code::DeskIssue), listed, "{phase:?}");
    }
    let steps = world.tx().await.steps_of(outage.id, 10).await.unwrap();
    assert_eq!(steps.len(), 2, "one line for each: {steps:?}");
    let events = world.tx().await.events_after(None, 50, None).await.unwrap();
    let left = events.iter().filter(|event| event.kind == "stay.left_to_desk.v1").count();
    assert_eq!(
        left, 4,
        "both, and one again after each time at which he needed nobody; not after a move or a suspension"
    );
}

#[tokio::test]
async fn r_lock_01_a_step_that_becomes_no_request_is_given_up() {
    let db = TestDb::new().await;
    let world = World::new(&db).await;
    fill(&world).await;
    let outage = outage(&world).await;
    let stay = world.stay("R-ks").await;
    let mut tx = world.tx().await;
    let channel: Channel = "salto_ks".parse().unwrap();
    tx.enter_steps(&outage, &[Step { stay, channel }], ClockOffset::REAL, noon()).await.unwrap();
    let later = noon() + SignedDuration::from_secs(1);
    assert_eq!(tx.give_up_steps(outage.id, noon(), Code::Unavailable, later).await.unwrap(), 0, "not yet");
    assert_eq!(tx.asked_steps(10).await.unwrap().len(), 1);
    assert_eq!(tx.give_up_steps(outage.id, later, Code::Unavailable, later).await.unwrap(), 1, "not those at the desk");
    assert_eq!(tx.asked_steps(10).await.unwrap(), []);
    let steps = tx.steps_of(outage.id, 10).await.unwrap();
    let states: Vec<_> = steps.iter().map(|step| (step.channel.to_string(), step.state.clone())).collect();
    assert_eq!(
        states,
        [("desk", "at_desk"), ("salto_ks", "failed")].map(|(to, state)| (to.to_owned(), state.to_owned()))
    );
}

#[tokio::test]
async fn r_lock_01_a_refused_divert_leaves_the_one_before() {
    let db = TestDb::new().await;
    let world = World::new(&db).await;
    let mut tx = world.tx().await;
    let mut doors = Vec::new();
    for vendor in ["salto_ks", "other"] {
        tx.set_property_vendor(
            &PropertyVendor {
                vendor: vendor.to_owned(),
                row: PropertyVendor::row_of(world.property, vendor),
                ..salto(&world)
            },
            noon(),
        )
        .await
        .unwrap();
        let id = DoorId::from_uuid(Uuid::new_v4());
        let (name, vendor, vendor_lock_id) = ("Reader".to_owned(), vendor.to_owned(), "1".to_owned());
        let door = NewDoor { id, property: world.property, room: Some(world.rooms[0]), name, vendor, vendor_lock_id };
        tx.create_door(&door).await.unwrap();
        doors.push(id);
    }
    tx.commit().await.unwrap();
    force(&world, Some(BreakerState::Open), noon()).await;
    let outage = outage(&world).await;
    let stay = world.stay("R-1").await;
    let own = Verb::RoomMove { room: world.rooms[0], doors: vec![world.doors[0]], keys: vec![] };
    let mut minute = 0;
    let mut tx = world.tx().await;
    let mut sent = Vec::new();
    let divert = |door: DoorId| Verb::Divert { vendor: None, doors: vec![door], keys: vec![], issue_ahead_s: 300 };
    for (verb, channel) in [(own, None), (divert(doors[0]), Some("salto_ks")), (divert(doors[1]), Some("other"))] {
        minute += 1;
        let command = world.command(verb);
        let at = noon() + SignedDuration::from_mins(minute);
        let reservation = reservation("R-1");
        let new = NewCommand { command: &command, property: world.property, stay, reservation: &reservation, at };
        tx.insert_command(new).await.unwrap();
        if let Some(to) = channel {
            let step = Step { stay, channel: to.parse().unwrap() };
            tx.enter_steps(&outage, &[step], ClockOffset::REAL, noon()).await.unwrap();
            let asked = tx.asked_steps(1).await.unwrap().remove(0);
            tx.settle_step(&asked, Ok(command.id), noon()).await.unwrap();
            tx.set_diverted(stay, Some(to)).await.unwrap();
        }
        sent.push(command.id);
    }
    assert_eq!(tx.left_vendors(stay).await.unwrap(), ["ttlock"]);
    let failed = CommandStatus::Failed;
    for (command, back) in [(sent[2], Some("salto_ks")), (sent[1], None)] {
        tx.settle_command(command, failed, Some(Code::MoveUnderWay), noon()).await.unwrap();
        tx.restore_diverted(stay).await.unwrap();
        assert_eq!(tx.diverted_to(stay).await.unwrap().as_deref(), back);
    }
    assert_eq!(tx.left_vendors(stay).await.unwrap(), Vec::<String>::new());
}

//! Tx 1 of a new stay: room claims, stay row, keys with PINs.

use super::{Context, Planned, accepted};
use crate::{
    dto::{NewStay, TimesBody},
    engine::Target,
    failure,
    intent::{self, PinPlan},
    kinds,
    pins::{Holder, Pool},
    problem::Problem,
    view::{self, StayParts},
};
use lock_domain::{
    command::{NewKey, Verb},
    ids::{CommandId, DoorId, KeyId, PropertyId, RoomId, StayId},
    problem::Code,
    stay::{Purpose, Stay, StayKind, StayRef, may_follow},
    vendor::VendorTraits,
    window::Window,
};
use lock_store::{KeyRow, Room, StayRow, StoreError, TenantTx};
use lock_workflows::StayStart;
use uuid::Uuid;

pub(super) async fn plan(context: &Context<'_>, tx: &mut TenantTx<'_>, asked: NewStay) -> Result<Planned, Problem> {
    let property = context.property;
    let (window, times) = intent::window((&asked).into(), &view::zone(property), context.now, None)?;
    let count = intent::key_count(asked.guests, asked.keys, &property.policy)?;
    let vendor = VendorTraits::of(&property.vendor);
    let plans = kinds::plans((&asked).into(), count, &property.policy, &property.vendor)?;
    let rooms = rooms(tx, property.id, &asked.room, &asked.additional_rooms).await?;
    let former = tx.stay(property.id, &asked.reservation).await.map_err(failure::store)?;
    if let Some(other) = &former {
        let detail = || format!("the stay {} is {}", other.reservation, other.phase.name());
        may_follow(other.phase).map_err(|code| Problem::field(code, "reservation", detail()))?;
    }
    let reinstates = former.map(|other| other.id);
    let id = StayRef {
        tenant: context.ask.key.tenant,
        property: property.id,
        reservation: asked.reservation.clone(),
        stay: StayId::from_uuid(Uuid::now_v7()),
        reinstates,
    };
    let doors = doors(tx, property.id, &rooms).await?;
    one_door_each(vendor, &plans, doors.len())?;
    let draft = Draft { id, kind: StayKind::Guest, purpose: None, window, rooms, doors, plans, times };
    enter(context, tx, draft).await
}

/// A stay that makes sense, before anything is written.
pub(super) struct Draft {
    pub(super) id: StayRef,
    pub(super) kind: StayKind,
    pub(super) purpose: Option<Purpose>,
    pub(super) window: Window,
    /// The guest's own first.
    pub(super) rooms: Vec<Room>,
    pub(super) doors: Vec<DoorId>,
    /// One per key.
    pub(super) plans: Vec<PinPlan>,
    pub(super) times: Option<TimesBody>,
}

/// Writes the stay, its claims if it is a guest's, and its keys.
pub(super) async fn enter(context: &Context<'_>, tx: &mut TenantTx<'_>, draft: Draft) -> Result<Planned, Problem> {
    let property = context.property;
    let Draft { id, kind, purpose, window, rooms, doors, plans, times } = draft;
    let reinstates = id.reinstates;
    let holders = (0..).zip(&plans).map(|(holder, _)| holder);
    let keys: Vec<NewKey> = holders.map(|holder| NewKey { id: KeyId::from_uuid(Uuid::now_v7()), holder }).collect();
    let verb = Verb::New { kind, window, room: rooms[0].id, doors, keys: keys.clone() };
    let command = context.command(verb);
    let policy = property.policy.at(VendorTraits::of(&property.vendor), kinds::kind(&plans));
    let stay = Stay::begin(id.clone(), policy.clone(), &command)?;
    let at = lock_store::to_stored(context.at);
    let row = StayRow {
        kind,
        purpose,
        id: id.stay,
        property: property.id,
        reservation: id.reservation.clone(),
        window,
        room: rooms[0].id,
        phase: stay.phase(context.now),
        cause: None,
        suspended: false,
        needs_attention: false,
        attention_code: None,
        next_deadline: Some(stay.issue_at().max(context.now)),
        reinstates,
        created_at: at,
        updated_at: at,
    };
    let new = lock_store::NewStay {
        kind,
        purpose,
        id: row.id,
        property: row.property,
        reservation: row.reservation.clone(),
        window,
        room: row.room,
        phase: row.phase,
        next_deadline: row.next_deadline,
        reinstates,
        clock: property.clock,
        at: context.at,
    };
    tx.insert_stay(&new).await.map_err(failure::store)?;
    if kind.is_guest() {
        claim(tx, property.id, &rooms, id.stay, &[window], command.id).await?;
    }
    let key_rows = allot(context, tx, id.stay, &keys, plans).await?;
    let body = view::stay(StayParts {
        property,
        stay: &row,
        room: &rooms[0],
        keys: &key_rows,
        credentials: &[],
        operation: Some(view::operation(&accepted(context, &id, &command))),
        times,
    });
    let start =
        StayStart { id: id.clone(), policy, command: command.clone(), vendor: property.vendor.clone(), carried: None };
    let counted = rooms[0].id.as_uuid();
    Ok(Planned { id, command, target: Target::Begin(Box::new(start)), body, times, counted })
}

/// Enters keys, each with the digits that its plan leads to.
pub(super) async fn allot(
    context: &Context<'_>,
    tx: &mut TenantTx<'_>,
    stay: StayId,
    keys: &[NewKey],
    plans: Vec<PinPlan>,
) -> Result<Vec<KeyRow>, Problem> {
    let property = context.property;
    let digits = VendorTraits::of(&property.vendor).digits(property.policy.pin_digits);
    let pool = Pool { tenant: context.ask.key.tenant, property: property.id, digits };
    let mut rows = Vec::with_capacity(keys.len());
    for (key, plan) in keys.iter().zip(plans) {
        let holder = Holder { stay, key: *key, now: context.now, at: context.at };
        rows.push(pool.allot(context.state, tx, holder, plan).await?);
    }
    Ok(rows)
}

/// Refuses keys for several doors whose digits the vendor makes up for each door alone: nobody could be told one PIN.
pub(super) fn one_door_each(vendor: &VendorTraits, plans: &[PinPlan], doors: usize) -> Result<(), Problem> {
    let made = plans.iter().any(|plan| matches!(plan, PinPlan::Vendor { .. }));
    if made && vendor.made_pin_per_door && doors > 1 {
        let detail = format!(
            "a PIN that this vendor makes up opens one door, and the key would open {doors}; set the policy's `pin_source` to `ours`"
        );
        return Err(Problem::field(Code::CapabilityMissing, "room", detail));
    }
    Ok(())
}

/// The rooms that a request names by id or number, the guest's own first.
pub(super) async fn rooms(
    tx: &mut TenantTx<'_>,
    property: PropertyId,
    own: &str,
    additional: &[String],
) -> Result<Vec<Room>, Problem> {
    if additional.len() > intent::MOST_ROOMS {
        let detail = format!("at most {} additional rooms", intent::MOST_ROOMS);
        return Err(Problem::field(Code::InvalidField, "additional_rooms", detail));
    }
    let mut found: Vec<Room> = Vec::with_capacity(1 + additional.len());
    let fields = std::iter::once("room".to_owned()).chain((0..).map(|n| format!("additional_rooms[{n}]")));
    for (text, field) in std::iter::once(own).chain(additional.iter().map(String::as_str)).zip(fields) {
        let named = room(tx, property, text).await;
        let room = named.map_err(|problem| Problem { field: Some(field.clone()), ..problem })?;
        if found.iter().any(|other| other.id == room.id) {
            return Err(Problem::field(Code::InvalidField, field, format!("room {} is named twice", room.number)));
        }
        found.push(room);
    }
    Ok(found)
}

/// A room by its id or number.
pub(crate) async fn room(tx: &mut TenantTx<'_>, property: PropertyId, text: &str) -> Result<Room, Problem> {
    let found = match text.parse::<RoomId>() {
        Ok(id) => tx.room(property, id).await,
        // PostgreSQL's text can't hold a zero byte.
        Err(_) if (1..=32).contains(&text.len()) && !text.contains('\0') => tx.room_by_number(property, text).await,
        Err(_) => Ok(None),
    };
    let shown: String = text.chars().filter(|c| !c.is_control()).take(40).collect();
    let unknown = || Problem::field(Code::RoomUnknown, "room", format!("the property has no room {shown}"));
    found.map_err(failure::store)?.ok_or_else(unknown)
}

/// Every door that a key for these rooms opens.
pub(super) async fn doors(tx: &mut TenantTx<'_>, property: PropertyId, rooms: &[Room]) -> Result<Vec<DoorId>, Problem> {
    let mut doors = Vec::new();
    for room in rooms {
        let own = tx.doors_for_room(property, room.id).await.map_err(failure::store)?;
        if !own.iter().any(|door| door.room == Some(room.id)) {
            let detail = format!("room {} has no door with a lock", room.number);
            return Err(Problem::field(Code::RoomUnknown, "room", detail));
        }
        doors.extend(own.into_iter().map(|door| door.id).filter(|door| !doors.contains(door)).collect::<Vec<_>>());
    }
    Ok(doors)
}

/// Claims rooms, in one order for everybody, so that two claimants can't wait for each other.
pub(super) async fn claim(
    tx: &mut TenantTx<'_>,
    property: PropertyId,
    rooms: &[Room],
    stay: StayId,
    windows: &[Window],
    command: CommandId,
) -> Result<(), Problem> {
    let mut ordered: Vec<&Room> = rooms.iter().collect();
    ordered.sort_by_key(|room| room.id);
    for room in ordered {
        tx.claim_room(property, room.id, stay, windows, command).await.map_err(|error| match error {
            StoreError::RoomTaken { reservation } => {
                failure::room_taken(&format!("room {}", room.number), reservation.as_ref())
            }
            other => failure::store(other),
        })?;
    }
    Ok(())
}

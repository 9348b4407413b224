//! Tx 1 of a stay that goes to another vendor's doors because its own vendor is down: doors there, and a key for each that is wanted.
//!
//! It must not decide who goes where: that stands in the record, as a step of a drain, and is locked here until the stay has gone.

use super::Context;
use crate::{
    failure,
    intent::PinPlan,
    pins::{Holder, Pool},
    problem::Problem,
};
use lock_domain::{
    command::{Command, NewKey, Successor, Verb},
    credential::KeyKind,
    ids::{DoorId, KeyId, RoomId},
    pin::{PinOrigin, PinSource},
    problem::Code,
    stay::Wish,
    vendor::VendorTraits,
};
use lock_store::{AskedStep, Property, Room, StayRow, TenantTx};
use uuid::Uuid;

pub(super) async fn plan(
    context: &Context<'_>,
    tx: &mut TenantTx<'_>,
    stay: &StayRow,
    step: &AskedStep,
) -> Result<Command, Problem> {
    let property = context.property;
    // First, as everybody who changes a stay does.
    tx.accepted(stay.id).await.map_err(failure::store)?;
    let over = || Problem::new(Code::StayNotWaiting, "the vendor is back, or somebody else has sent the stay");
    if !tx.lock_step(step).await.map_err(failure::store)? || stay.id != step.stay {
        return Err(over());
    }
    let rooms = tx.claimed_rooms(stay.id).await.map_err(failure::store)?;
    let doors = doors(tx, property, &rooms, &step.from, &step.to).await?;
    let keys = tx.keys_of(stay.id).await.map_err(failure::store)?;
    let wanted: Vec<_> = keys.into_iter().filter(|key| key.wish == Wish::Wanted).collect();
    let vendor = VendorTraits::of(&step.to);
    let made = property.policy.source_at(vendor) == PinSource::Vendor;
    if made && vendor.made_pin_per_door && doors.len() > 1 {
        let detail = format!("a PIN that {} makes up opens one door, and the key would open {}", step.to, doors.len());
        return Err(Problem::new(Code::CapabilityMissing, detail));
    }
    let digits = vendor.digits(property.policy.pin_digits);
    let pool = Pool { tenant: context.ask.key.tenant, property: property.id, digits };
    let mut successors = Vec::with_capacity(wanted.len());
    for old in wanted {
        let key = NewKey { id: KeyId::from_uuid(Uuid::now_v7()), holder: old.holder };
        let plan = if made { PinPlan::Vendor { one_time: false } } else { PinPlan::Draw(PinOrigin::Random) };
        let holder = Holder { stay: stay.id, key, now: context.now, at: context.at };
        pool.allot(context.state, tx, holder, plan).await?;
        tx.set_wish(old.id, Wish::Until(key.id)).await.map_err(failure::store)?;
        successors.push(Successor { old: old.id, key });
    }
    tx.set_diverted(stay.id, Some(&step.to)).await.map_err(failure::store)?;
    let issue_ahead_s = property.policy.at(vendor, KeyKind::Pin).issue_ahead_s;
    let command = context.command(Verb::Divert { doors, keys: successors, issue_ahead_s });
    tx.settle_step(step, Ok(command.id), context.at).await.map_err(failure::store)?;
    Ok(command)
}

/// The doors of a move of a stay that has gone to another vendor: there, where every room has one, else the property's usual ones.
pub(super) async fn doors_of_move(
    tx: &mut TenantTx<'_>,
    property: &Property,
    rooms: &[Room],
    vendor: &str,
) -> Result<Vec<DoorId>, Problem> {
    let ids: Vec<RoomId> = rooms.iter().map(|room| room.id).collect();
    match doors(tx, property, &ids, &property.vendor, vendor).await {
        Err(problem) if problem.code == Code::RoomUnknown => super::new::doors(tx, property.id, rooms).await,
        found => found,
    }
}

/// The doors of these rooms at `to`, and those that the stay has at vendors other than `from`.
async fn doors(
    tx: &mut TenantTx<'_>,
    property: &Property,
    rooms: &[RoomId],
    from: &str,
    to: &str,
) -> Result<Vec<DoorId>, Problem> {
    let mut doors: Vec<DoorId> = Vec::new();
    for room in rooms {
        let there = tx.doors_for_room_at(property.id, *room, to).await.map_err(failure::store)?;
        if !there.iter().any(|door| door.room == Some(*room)) {
            return Err(Problem::new(Code::RoomUnknown, format!("a room of the stay has no door of {to}")));
        }
        let usual = tx.doors_for_room(property.id, *room).await.map_err(failure::store)?;
        let others = usual.into_iter().filter(|door| door.vendor != from && door.vendor != to);
        for door in there.into_iter().chain(others).map(|door| door.id) {
            if !doors.contains(&door) {
                doors.push(door);
            }
        }
    }
    Ok(doors)
}

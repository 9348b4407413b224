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
    ids::{DoorId, KeyId, RoomId, StayId},
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
    let mut left = match tx.diverted_to(stay.id).await.map_err(failure::store)? {
        Some(_) => tx.left_vendors(stay.id).await.map_err(failure::store)?,
        None => Vec::new(),
    };
    left.push(step.from.clone());
    let doors = doors(tx, property, &rooms, &left, &step.to)
        .await?
        .ok_or_else(|| Problem::new(Code::RoomUnknown, format!("a room of the stay has no door of {}", step.to)))?;
    let vendor = VendorTraits::of(&step.to);
    let made = property.policy.source_at(vendor) == PinSource::Vendor;
    if made && vendor.made_pin_per_door && doors.len() > 1 {
        let detail = format!("a PIN that {} makes up opens one door, and the key would open {}", step.to, doors.len());
        return Err(Problem::new(Code::CapabilityMissing, detail));
    }
    let keys = successors(context, tx, stay.id, &step.to).await?;
    tx.set_diverted(stay.id, Some(&step.to)).await.map_err(failure::store)?;
    let issue_ahead_s = property.policy.at(vendor, KeyKind::Pin).issue_ahead_s;
    let command = context.command(Verb::Divert { vendor: Some(step.to.clone()), doors, keys, issue_ahead_s });
    tx.settle_step(step, Ok(command.id), context.at).await.map_err(failure::store)?;
    Ok(command)
}

/// A PIN of a vendor for each key that is wanted, in its place: one vendor's digits are not another's.
pub(super) async fn successors(
    context: &Context<'_>,
    tx: &mut TenantTx<'_>,
    stay: StayId,
    vendor: &str,
) -> Result<Vec<Successor>, Problem> {
    let property = context.property;
    let vendor = VendorTraits::of(vendor);
    let made = property.policy.source_at(vendor) == PinSource::Vendor;
    let digits = vendor.digits(property.policy.pin_digits);
    let pool = Pool { tenant: context.ask.key.tenant, property: property.id, digits };
    let keys = tx.keys_of(stay).await.map_err(failure::store)?;
    let mut successors = Vec::with_capacity(keys.len());
    for old in keys.into_iter().filter(|key| key.wish == Wish::Wanted) {
        let key = NewKey { id: KeyId::from_uuid(Uuid::now_v7()), holder: old.holder };
        let plan = if made { PinPlan::Vendor { one_time: false } } else { PinPlan::Draw(PinOrigin::Random) };
        let holder = Holder { stay, key, now: context.now, at: context.at };
        pool.allot(context.state, tx, holder, plan).await?;
        tx.set_wish(old.id, Wish::Until(key.id)).await.map_err(failure::store)?;
        successors.push(Successor { old: old.id, key });
    }
    Ok(successors)
}

/// The doors of a move of a stay that has gone to `to`: there, and not at the vendors that it left. `None` if some room has no door there, so
/// that the stay has to return.
pub(super) async fn doors_of_move(
    tx: &mut TenantTx<'_>,
    property: &Property,
    stay: StayId,
    rooms: &[Room],
    to: &str,
) -> Result<Option<Vec<DoorId>>, Problem> {
    let left = tx.left_vendors(stay).await.map_err(failure::store)?;
    let rooms: Vec<RoomId> = rooms.iter().map(|room| room.id).collect();
    doors(tx, property, &rooms, &left, to).await
}

/// The doors of these rooms at `to`, and the usual ones of vendors that the stay has not left. `None` if some room has no door of `to`.
async fn doors(
    tx: &mut TenantTx<'_>,
    property: &Property,
    rooms: &[RoomId],
    left: &[String],
    to: &str,
) -> Result<Option<Vec<DoorId>>, Problem> {
    let mut doors: Vec<DoorId> = Vec::new();
    for room in rooms {
        let there = tx.doors_for_room_at(property.id, *room, to).await.map_err(failure::store)?;
        if !there.iter().any(|door| door.room == Some(*room)) {
            return Ok(None);
        }
        let usual = tx.doors_for_room(property.id, *room).await.map_err(failure::store)?;
        let others = usual.into_iter().filter(|door| door.vendor != to && !left.contains(&door.vendor));
        for door in there.into_iter().chain(others).map(|door| door.id) {
            if !doors.contains(&door) {
                doors.push(door);
            }
        }
    }
    Ok(Some(doors))
}

//! Tx 1 of a key that opens a room once: a stay of another kind, beside whatever guest has the room.
//!
//! It claims nothing, and its digits are always the vendor's: a lock knows by them that they open once.

use super::{Context, Planned, new};
use crate::{dto::OneShotKey, failure, intent, intent::PinPlan, problem::Problem, view};
use lock_domain::{
    ids::{DoorId, StayId},
    problem::Code,
    stay::{StayKind, StayRef},
    vendor::{OneTime, VendorTraits},
};
use lock_store::{Room, TenantTx};
use uuid::Uuid;

pub(super) async fn plan(context: &Context<'_>, tx: &mut TenantTx<'_>, asked: OneShotKey) -> Result<Planned, Problem> {
    let property = context.property;
    let count = intent::in_range("keys", asked.keys.unwrap_or(1))?;
    let rooms = new::rooms(tx, property.id, &asked.room, &[]).await?;
    let (door, lasts) = sole_door(context, tx, &rooms[0]).await?;
    let window = intent::one_shot_window(asked.from, asked.until, lasts, &view::zone(property), context.now)?;
    let stay = StayId::from_uuid(Uuid::now_v7());
    let reservation = format!("os-{}", stay.as_uuid().simple());
    let id = StayRef {
        tenant: context.ask.key.tenant,
        property: property.id,
        reservation: reservation.parse().map_err(Problem::internal)?,
        stay,
        reinstates: None,
    };
    let draft = new::Draft {
        id,
        kind: StayKind::OneShot,
        purpose: Some(asked.purpose),
        window,
        rooms,
        doors: vec![door],
        plans: vec![PinPlan::Vendor { one_time: true }; count.into()],
        times: None,
    };
    new::enter(context, tx, draft).await
}

/// The room's one door, and how long digits last there that open once.
async fn sole_door(context: &Context<'_>, tx: &mut TenantTx<'_>, room: &Room) -> Result<(DoorId, OneTime), Problem> {
    let doors = tx.doors_for_room(context.property.id, room.id).await.map_err(failure::store)?;
    let own: Vec<_> = doors.into_iter().filter(|door| door.room == Some(room.id)).collect();
    let instead = "make an ordinary stay with a short window instead";
    let missing = |detail: String| Problem::field(Code::CapabilityMissing, "room", detail);
    match &own[..] {
        [] => {
            let detail = format!("room {} has no door with a lock", room.number);
            Err(Problem::field(Code::RoomUnknown, "room", detail))
        }
        [door] => {
            let lasts = VendorTraits::of(&door.vendor).one_time.map(|lasts| (door.id, lasts));
            lasts.ok_or_else(|| {
                missing(format!("the vendor {} has no `one_time_pin`, digits that open once; {instead}", door.vendor))
            })
        }
        more => {
            let count = more.len();
            Err(missing(format!("room {} has {count} doors, and a `one_time_pin` opens one; {instead}", room.number)))
        }
    }
}

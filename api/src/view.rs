//! From rows to answers. Pure but for the loading functions at the end.

use crate::{dto::*, failure, problem::Problem, words};
use jiff::tz::TimeZone;
use lock_domain::{
    Timestamp,
    credential::KeyKind,
    device::{ClockLimits, guest_words},
    ids::{DoorId, StayId},
    stay::Wish,
};
use lock_store::{CommandRow, CommandStatus, CredentialRow, KeyRow, Property, Room, StayRow, TenantTx};

/// What stands in place of a PIN.
const MASK: &str = "******";

/// Everything that a stay's answer is made of.
pub(crate) struct StayParts<'a> {
    pub(crate) property: &'a Property,
    pub(crate) stay: &'a StayRow,
    pub(crate) room: &'a Room,
    pub(crate) keys: &'a [KeyRow],
    pub(crate) credentials: &'a [CredentialRow],
    pub(crate) operation: Option<OperationBody>,
    pub(crate) times: Option<TimesBody>,
}

/// The property's time zone; UTC if the stored name is of a newer zone database than ours.
pub(crate) fn zone(property: &Property) -> TimeZone {
    lock_domain::window::zone(&property.zone).unwrap_or(TimeZone::UTC)
}

/// The property's present.
pub(crate) fn present(property: &Property) -> Timestamp {
    property.clock.now(Timestamp::now())
}

pub(crate) fn stay(parts: StayParts<'_>) -> StayBody {
    let StayParts { property, stay, room, keys, credentials, operation, times } = parts;
    let zone = zone(property);
    let local = LocalWindow {
        zone: property.zone.clone(),
        from: words::local(stay.window.from, &zone),
        until: words::local(stay.window.until, &zone),
    };
    StayBody {
        kind: stay.kind,
        purpose: stay.purpose,
        id: stay.id,
        property: stay.property,
        reservation: stay.reservation.clone(),
        reinstates: stay.reinstates,
        phase: stay.phase,
        summary: words::phase(stay.phase, stay.cause),
        ended_by: stay.cause,
        room: room_body(room),
        window: stay.window,
        local,
        suspended: stay.suspended,
        attention: stay.attention_code.filter(|_| stay.needs_attention).map(Reason::from),
        still_valid_until: credentials.iter().filter_map(|c| c.still_valid_until).max(),
        keys: keys.iter().map(|k| key(k, credentials, &zone)).collect(),
        operation,
        times,
    }
}

fn key(row: &KeyRow, credentials: &[CredentialRow], zone: &TimeZone) -> KeyBody {
    KeyBody {
        id: row.id,
        holder: row.holder,
        wish: match row.wish {
            Wish::Wanted => KeyWish::Wanted,
            Wish::Until(_) => KeyWish::BeingReplaced,
            Wish::Unwanted => KeyWish::Unwanted,
        },
        replaced_by: row.superseded_by,
        kind: row.kind,
        encoder: row.encoder.clone(),
        pin: MASK.to_owned(),
        pin_source: row.pin_source,
        pin_origin: row.pin_origin,
        pin_why: match row.kind {
            KeyKind::Pin => row.pin_origin.why().to_owned(),
            KeyKind::Card => "A card: it has no PIN.".to_owned(),
        },
        pin_ready: row.pin_known,
        one_time: row.one_time,
        revealed_at: row.revealed_at,
        credentials: credentials.iter().filter(|c| c.key == row.id).map(|c| credential(c, zone)).collect(),
    }
}

fn credential(row: &CredentialRow, zone: &TimeZone) -> CredentialBody {
    CredentialBody {
        id: row.id,
        door: row.door,
        door_name: row.door_name.clone(),
        state: row.state,
        requested: row.requested,
        effective: row.effective,
        rounding: words::rounding(row.requested, row.effective),
        clock: None,
        reason: words::credential(row.state, &row.door_name, row.last_code, row.effective, row.still_valid_until, zone),
        code: row.last_code,
        still_valid_until: row.still_valid_until,
    }
}

pub(crate) fn room_body(room: &Room) -> RoomBody {
    RoomBody { id: room.id, number: room.number.clone() }
}

pub(crate) fn line(stay: &StayRow) -> StayLine {
    StayLine {
        kind: stay.kind,
        id: stay.id,
        reservation: stay.reservation.clone(),
        reinstates: stay.reinstates,
        phase: stay.phase,
        ended_by: stay.cause,
        room: stay.room,
        window: stay.window,
        attention: stay.attention_code.filter(|_| stay.needs_attention),
    }
}

pub(crate) fn operation(row: &CommandRow) -> OperationBody {
    OperationBody {
        id: row.id(),
        verb: row.command.verb.kind(),
        status: match row.status {
            CommandStatus::Accepted => OperationStatus::Accepted,
            CommandStatus::Held => OperationStatus::Held,
            CommandStatus::Running => OperationStatus::Running,
            CommandStatus::NeedsHuman => OperationStatus::NeedsHuman,
            CommandStatus::Done => OperationStatus::Done,
            CommandStatus::Failed => OperationStatus::Failed,
            CommandStatus::Overtaken => OperationStatus::Overtaken,
        },
        reason: row.code.map(Reason::from),
        property: row.property,
        reservation: row.reservation.clone(),
        by: row.by,
        accepted_at: row.accepted_at,
        settled_at: row.settled_at,
    }
}

pub(crate) fn property(row: &Property) -> PropertyBody {
    PropertyBody {
        id: row.id,
        name: row.name.clone(),
        zone: row.zone.clone(),
        sandbox: !row.live,
        vendor: row.vendor.clone(),
        now: present(row),
        policy: row.policy.clone(),
        feed_guard: row.feed_guard,
    }
}

/// Says of each credential whose lock's clock is off what the guest will notice. One round trip.
pub(crate) async fn tell_clocks(
    tx: &mut TenantTx<'_>,
    property: &Property,
    stay: &mut StayBody,
) -> Result<(), Problem> {
    let doors: Vec<DoorId> = stay.keys.iter().flat_map(|key| key.credentials.iter().map(|one| one.door)).collect();
    let off = tx.clocks_off(property.id, &doors).await.map_err(failure::store)?;
    let limits = ClockLimits::for_padding(property.policy.pad_before());
    for one in stay.keys.iter_mut().flat_map(|key| &mut key.credentials).filter(|one| one.state.may_open()) {
        one.clock = off.iter().find(|(door, _)| *door == one.door).map(|(_, drift)| guest_words(*drift, &limits));
    }
    Ok(())
}

/// Loads what a stay's answer is made of. Three round trips.
pub(crate) async fn load(
    tx: &mut TenantTx<'_>,
    property: &Property,
    id: StayId,
    command: Option<&CommandRow>,
    times: Option<TimesBody>,
) -> Result<StayBody, Problem> {
    let found = tx.stay_with_room(id).await.map_err(failure::store)?;
    let (row, room) = found.ok_or_else(|| Problem::internal("a stay or its room has vanished"))?;
    let keys = tx.keys_of(id).await.map_err(failure::store)?;
    let credentials = tx.credentials_of(id).await.map_err(failure::store)?;
    let operation = command.map(operation);
    Ok(stay(StayParts { property, stay: &row, room: &room, keys: &keys, credentials: &credentials, operation, times }))
}

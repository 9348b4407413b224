//! Cards: made, listed, checked out, held to a lock.

use std::collections::BTreeMap;

use axum::http::StatusCode;
use jiff::Timestamp;
use jiff::civil::DateTime;
use serde::Deserialize;
use serde_json::{Value, json};

use super::calls::Refusal;
use super::views::{CardState, Effect, JournalEntry, TryReason};
use super::world::{Card, Delivery, World};

#[derive(Debug, Clone, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(crate) struct Wanted {
    start_time: String,
    expire_time: String,
    format: String,
    door_operations: Vec<DoorOperation>,
    #[serde(default)]
    description: String,
    #[serde(default)]
    label: String,
    #[serde(rename = "endPointID")]
    end_point: Option<String>,
}

#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
struct DoorOperation {
    doors: Vec<String>,
    operation: String,
}

/// How it stands beside the cards that are there.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Standing {
    Joins,
    Overrides,
}

fn bad(message: &'static str) -> Refusal {
    Refusal::new(StatusCode::BAD_REQUEST, 2001, message)
}

impl Wanted {
    pub(crate) fn read(world: &World, body: &[u8], mobile: bool) -> Result<Self, Refusal> {
        let wanted: Self = serde_json::from_slice(body).map_err(|_| bad("the card's description can't be read"))?;
        if !matches!(wanted.format.as_str(), "rfid48" | "TLCode") {
            return Err(bad("unknown format"));
        }
        if wanted.end_point.as_ref().is_some_and(|id| !id.is_empty()) != mobile {
            return Err(bad("endPointID is for telephones, and needed there"));
        }
        if wanted.door_operations.iter().any(|op| op.operation != "guest") || wanted.doors().next().is_none() {
            return Err(bad("unknown operation or no door"));
        }
        if wanted.doors().any(|door| !world.doors.contains_key(door)) {
            return Err(Refusal::new(StatusCode::NOT_FOUND, 2002, "unknown door"));
        }
        let (from, until) = wanted.window(world)?;
        if until <= from || until <= world.now() {
            return Err(bad("the card ends before it starts, or has ended"));
        }
        Ok(wanted)
    }

    fn doors(&self) -> impl Iterator<Item = &String> {
        self.door_operations.iter().flat_map(|op| &op.doors)
    }

    fn window(&self, world: &World) -> Result<(Timestamp, Timestamp), Refusal> {
        Ok((instant(world, &self.start_time)?, instant(world, &self.expire_time)?))
    }
}

/// The hotel's wall clock, exactly `yyyyMMddTHHmm`; of two instants the first.
fn instant(world: &World, text: &str) -> Result<Timestamp, Refusal> {
    let unreadable = || bad("a time must be yyyyMMddTHHmm");
    if text.len() != 13 {
        return Err(unreadable());
    }
    let civil = DateTime::strptime("%Y%m%dT%H%M", text).map_err(|_| unreadable())?;
    world.zone.to_ambiguous_timestamp(civil).compatible().map_err(|_| unreadable())
}

/// Makes a card. `serial` is the plastic that it is written on, if any.
pub(crate) fn make(
    world: &mut World,
    wanted: &Wanted,
    standing: Standing,
    serial: Option<String>,
    overwrite: bool,
) -> Result<u64, Refusal> {
    let (from, until) = wanted.window(world)?;
    let now = world.now();
    let before = |card: &&mut Card| serial.is_some() && card.serial == serial && !card.overwritten;
    if let Some(card) = world.cards.iter_mut().find(before) {
        if !overwrite && !card.cancelled && !card.overridden && now < card.until {
            return Err(Refusal::new(StatusCode::CONFLICT, 13, "the card is valid"));
        }
        card.overwritten = true;
    }
    let mut doors = BTreeMap::new();
    for name in wanted.doors() {
        let sequence = world.doors.get_mut(name).map_or(0, |door| {
            if standing == Standing::Overrides || door.sequence == 0 {
                door.sequence = door.sequence.saturating_add(1);
            }
            door.sequence
        });
        doors.insert(name.clone(), sequence);
    }
    if standing == Standing::Overrides {
        for card in &mut world.cards {
            card.overridden |= card.doors.keys().any(|door| doors.contains_key(door));
        }
    }
    let id = world.next_id();
    let mobile = wanted.end_point.is_some();
    let names = doors.keys().cloned().collect();
    world.cards.push(Card {
        id,
        start: wanted.start_time.clone(),
        expire: wanted.expire_time.clone(),
        from,
        until,
        format: wanted.format.clone(),
        description: wanted.description.clone(),
        label: wanted.label.chars().take(32).collect(),
        doors,
        serial,
        end_point: wanted.end_point.clone(),
        delivery: mobile.then_some(Delivery::Issuing),
        cancelled: false,
        overridden: false,
        overwritten: false,
    });
    world.note(JournalEntry {
        seq: 0,
        effect: if mobile { Effect::Mobile } else { Effect::Encode },
        card: id,
        description: wanted.description.clone(),
        doors: names,
        joined: standing == Standing::Joins,
    });
    Ok(id)
}

/// The server's list for a door.
pub(crate) fn of_door(world: &World, door: &str) -> Result<Value, Refusal> {
    if !world.doors.contains_key(door) {
        return Err(Refusal::new(StatusCode::NOT_FOUND, 2002, "unknown door"));
    }
    let now = world.now();
    Ok(world.cards.iter().filter(|card| card.doors.contains_key(door)).map(|card| row(card, now)).collect())
}

fn row(card: &Card, now: Timestamp) -> Value {
    let mut row = json!({
        "id": card.id,
        "startTime": card.start,
        "expireTime": card.expire,
        "format": card.format,
        "description": card.description,
        "label": card.label,
        "doorOperations": [{ "doors": card.doors.keys().collect::<Vec<_>>(), "operation": "guest" }],
        "expired": card.until <= now,
        "cancelled": card.cancelled,
        "discarded": false,
        "overwritten": card.overwritten,
        "overridden": card.overridden,
    });
    if let Some(delivery) = card.delivery {
        row["credentialID"] = format!("c{}", card.id).into();
        row["endPointID"] = card.end_point.clone().into();
        row["credentialStatus"] = delivery.word().into();
    }
    row
}

/// Checks a room out; the ids of the keys in telephones that end by it.
pub(crate) fn check_out(world: &mut World, door: &str, body: &[u8]) -> Result<Vec<u64>, Refusal> {
    let asked: Value = serde_json::from_slice(body).map_err(|_| bad("not JSON"))?;
    if asked != json!({ "checkedOut": true }) {
        return Err(bad("checkedOut must be true"));
    }
    if !world.doors.contains_key(door) {
        return Err(Refusal::new(StatusCode::NOT_FOUND, 2002, "unknown door"));
    }
    let mut keys = Vec::new();
    for card in world.cards.iter_mut().filter(|card| card.doors.contains_key(door) && !card.cancelled) {
        card.cancelled = true;
        if card.delivery.is_some() {
            keys.push(card.id);
        }
    }
    world.note(JournalEntry {
        seq: 0,
        effect: Effect::CheckOut,
        card: 0,
        description: String::new(),
        doors: vec![door.to_owned()],
        joined: false,
    });
    Ok(keys)
}

/// What the lock of `door` does with a card, without holding it there.
pub(crate) fn judge(world: &World, door: &str, card: &Card) -> TryReason {
    let (Some(lock), Some(sequence)) = (world.doors.get(door), card.doors.get(door)) else {
        return TryReason::WrongDoor;
    };
    let now = world.now();
    if card.overwritten {
        TryReason::Overwritten
    } else if card.delivery.is_some_and(|delivery| delivery != Delivery::Issued) {
        TryReason::NotDelivered
    } else if card.cancelled && lock.online {
        TryReason::Cancelled
    } else if now < card.from {
        TryReason::NotYetValid
    } else if now >= card.until {
        TryReason::Expired
    } else if *sequence < lock.lock_sequence {
        TryReason::Overridden
    } else {
        TryReason::Opened
    }
}

/// Holds a card to a lock, which learns from it.
pub(crate) fn hold(world: &mut World, door: &str, id: u64) -> Option<TryReason> {
    let card = world.cards.iter().find(|card| card.id == id)?.clone();
    let reason = judge(world, door, &card);
    if reason == TryReason::Opened
        && let (Some(lock), Some(sequence)) = (world.doors.get_mut(door), card.doors.get(door))
    {
        lock.lock_sequence = lock.lock_sequence.max(*sequence);
    }
    Some(reason)
}

pub(crate) fn state(world: &World, card: &Card) -> CardState {
    let live = !(card.cancelled || card.overridden || card.overwritten || card.until <= world.now());
    CardState {
        id: card.id,
        description: card.description.clone(),
        doors: card.doors.keys().cloned().collect(),
        mobile: card.end_point.is_some(),
        from: card.from.as_millisecond(),
        until: card.until.as_millisecond(),
        live,
        opens: card.doors.keys().all(|door| judge(world, door, card) == TryReason::Opened),
    }
}

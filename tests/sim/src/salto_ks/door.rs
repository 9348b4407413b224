//! A keypad: who types a PIN, and whether the door opens. Each try is written into the site's log and goes over the stream.

use jiff::Timestamp;
use jiff::tz::TimeZone;
use serde_json::{Value, json};

use super::views::{TryOutcome, TryReason};
use super::world::{Group, Schedule, User, World, iso};

/// The `user_id` of a row about a PIN that the lock does not know. It is nobody's.
const NOBODY: &str = "ee8f17b4-701b-4aa6-9f1c-22f71cc61ca6";

/// Types `pin` at a keypad at an instant of the world's time; none for an unknown lock.
pub(crate) fn type_pin(world: &mut World, lock_id: &str, pin: &str, at: i64) -> Option<TryOutcome> {
    world.locks.get(lock_id)?;
    let known = world.users.values().find(|user| {
        let fits = |held: &super::world::Pin| {
            held.digits == pin && at >= held.set_at.saturating_add(world.policy.propagation_ms)
        };
        user.deleted_at.is_none() && user.pin.as_ref().is_some_and(fits)
    });
    let judged = known.map(|user| (judge(world, user, lock_id, at), user.clone()));
    let (reason, user) = match judged {
        // A group without a schedule is never rolled out to the lock: it does not know the PIN.
        Some((TryReason::NoAccess, _)) | None => (judged.map_or(TryReason::UnknownCode, |(reason, _)| reason), None),
        Some((reason, user)) => (reason, Some(user)),
    };
    let alias = user.as_ref().and_then(|user| user.alias.clone());
    write(world, lock_id, at, reason, user.as_ref());
    Some(TryOutcome { opened: reason == TryReason::Opened, reason, alias })
}

fn judge(world: &World, user: &User, lock_id: &str, at: i64) -> TryReason {
    let arrived = |since: i64| at >= since.saturating_add(world.policy.propagation_ms);
    let groups: Vec<&Group> = world
        .groups
        .values()
        .filter(|group| group.locks.contains(lock_id))
        .filter(|group| group.users.get(&user.user_id).is_some_and(|since| arrived(*since)))
        .collect();
    let rolled_out = |row: &&Schedule| at >= row.made_at.saturating_add(world.policy.schedule_ms);
    let schedules: Vec<&Schedule> = groups.iter().flat_map(|group| group.schedules.iter()).filter(rolled_out).collect();
    if schedules.is_empty() {
        return TryReason::NoAccess;
    }
    if !user.subscribed {
        return TryReason::Suspended;
    }
    if !user.use_pin {
        return TryReason::PinOff;
    }
    if user.expires_at.is_some_and(|end| at >= end) {
        return TryReason::UserExpired;
    }
    if user.pin.as_ref().is_none_or(|pin| at >= pin.until) {
        return TryReason::PinExpired;
    }
    if schedules.iter().any(|row| covers(world, row, at)) { TryReason::Opened } else { TryReason::OutsideSchedule }
}

fn covers(world: &World, schedule: &Schedule, at: i64) -> bool {
    let zone = TimeZone::get(&world.time_zone).unwrap_or(TimeZone::UTC);
    let Ok(at) = Timestamp::from_millisecond(at) else { return false };
    let local = at.to_zoned(zone);
    let day = usize::try_from(local.weekday().to_monday_zero_offset()).unwrap_or(0);
    let date = local.date();
    schedule.days.get(day) == Some(&true)
        && schedule.first.is_none_or(|first| date >= first)
        && schedule.last.is_none_or(|last| date <= last)
        && (schedule.from..=schedule.until.saturating_add(jiff::SignedDuration::from_millis(999)))
            .contains(&local.time())
}

fn write(world: &mut World, lock_id: &str, at: i64, reason: TryReason, user: Option<&User>) {
    let (category, detail) = match reason {
        TryReason::Opened => ("lock_opened", None),
        TryReason::Suspended => ("lock_rejected", Some("suspended")),
        TryReason::UnknownCode | TryReason::NoAccess => ("lock_rejected", Some("no_access")),
        _ => ("lock_rejected", None),
    };
    let named = user.filter(|_| reason != TryReason::Suspended);
    let row = json!({
        "id": world.uuid(),
        "utc_date_time": iso(at),
        "lock_id": lock_id,
        "lock_name": world.locks.get(lock_id).map(|lock| lock.name.clone()),
        "event_category": category,
        "event_detail": detail,
        "access_by": "pin_code",
        "user_id": user.map_or(NOBODY, |user| user.user_id.as_str()),
        "user_alias": named.and_then(|user| user.alias.clone()),
        "user_first_name": "Anna",
    });
    record(world, at, row);
}

/// Any row, for what no keypad makes.
pub(crate) fn record(world: &mut World, at: i64, row: Value) {
    world.entries.push((at, row.clone()));
    // An error means that nobody listens, which is how events get missed.
    let _ = world.events.send(row);
}

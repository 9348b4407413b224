//! `keyboardPwd/add`, `get`, `change`, `delete`.
//!
//! Sources: the TTLock pages of the same names. Not published and chosen here: which digits count as too simple (all equal, or a run
//! up or down), and that custom windows are cut to whole minutes.

use serde_json::{Value, json};

use super::auth::Caller;
use super::errcode::{
    BAD_LENGTH, CODE_SPACE_FULL, Errcode, INVALID_PARAMETER, NEVER_USED, PASSCODE_MISSING, PERIOD_USED,
    SAME_CODE_EXISTS, TOO_SIMPLE, done,
};
use super::journal::Effect;
use super::lock::{HOUR_MS, Lock, MINUTE_MS, ONE_TIME, PERIOD, PERMANENT, Passcode, Plan, floor_to};
use super::params::Params;
use super::world::World;

/// Codes that open once, for one starting hour of a lock. The number is published, the answer to one too many is not.
const ONE_TIME_CODES_PER_START: usize = 200;
const LONGEST_NAME: usize = 100;

pub(crate) fn add(world: &mut World, caller: &Caller, params: &Params) -> Result<Value, Errcode> {
    let lock_id = params.required_number("lockId")?;
    let pin = params.text("keyboardPwd").ok_or(INVALID_PARAMETER)?.to_owned();
    let kind = params.one_of("keyboardPwdType", PERIOD, &[PERMANENT, PERIOD])?;
    let reaches = params.one_of("addType", 1, &[1, 2, 4])? != 1;
    let name = name(params)?;
    let dates = if kind == PERIOD { Some(required_dates(params)?) } else { None };
    let room = world.policy.codes_per_lock;
    let lock = world.lock_of(&caller.username, lock_id)?;
    check_digits(&pin)?;
    if lock.pin_in_use(&pin, None) {
        return Err(SAME_CODE_EXISTS);
    }
    if lock.custom_count() >= room {
        return Err(CODE_SPACE_FULL);
    }
    let plan = minutes(pin, dates, lock);
    let id = world.next_id();
    let sent_at = world.now();
    let code = Passcode {
        id,
        name: name.clone(),
        kind,
        custom: true,
        cloud: Some(plan.clone()),
        door: reaches.then(|| plan.clone()),
        sent_at,
        sender: caller.username.clone(),
        first_used_at: None,
    };
    world.lock_of(&caller.username, lock_id)?.passcodes.insert(id, code);
    world.note(Effect::Add, lock_id, (id, name), reaches, Some(&plan));
    world.note_peak(lock_id);
    Ok(json!({ "keyboardPwdId": id }))
}

pub(crate) fn get(world: &mut World, caller: &Caller, params: &Params) -> Result<Value, Errcode> {
    let lock_id = params.required_number("lockId")?;
    let kind = params.required_number("keyboardPwdType")?;
    if !(1..=14).contains(&kind) {
        return Err(INVALID_PARAMETER);
    }
    let from = params.required_number("startDate")?;
    let until = params.number("endDate")?.unwrap_or(0);
    if !matches!(kind, ONE_TIME | PERMANENT | 4) && until <= from {
        return Err(INVALID_PARAMETER);
    }
    let name = name(params)?;
    let lock = world.lock_of(&caller.username, lock_id)?;
    let from = floor_to(from, HOUR_MS, lock.utc_offset_ms);
    let until = if until > 0 { floor_to(until, HOUR_MS, lock.utc_offset_ms) } else { 0 };
    if lock.deleted_periods.contains(&(kind, from, until)) {
        return Err(PERIOD_USED);
    }
    let same_start =
        lock.passcodes.values().filter(|code| code.kind == ONE_TIME && code.sent_from() == Some(from)).count();
    if kind == ONE_TIME && same_start >= ONE_TIME_CODES_PER_START {
        return Err(CODE_SPACE_FULL);
    }
    let pin = loop {
        let candidate = format!("{:07}", world.next_digits() % 10_000_000);
        let lock = world.lock_of(&caller.username, lock_id)?;
        if check_digits(&candidate).is_ok() && !lock.pin_in_use(&candidate, None) {
            break candidate;
        }
    };
    let plan = Plan { pin: pin.clone(), from, until };
    let id = world.next_id();
    let code = Passcode {
        id,
        name: name.clone(),
        kind,
        custom: false,
        cloud: Some(plan.clone()),
        door: Some(plan.clone()),
        sent_at: world.now(),
        sender: caller.username.clone(),
        first_used_at: None,
    };
    world.lock_of(&caller.username, lock_id)?.passcodes.insert(id, code);
    world.note(Effect::Get, lock_id, (id, name), true, Some(&plan));
    world.note_peak(lock_id);
    Ok(json!({ "keyboardPwd": pin, "keyboardPwdId": id }))
}

pub(crate) fn change(world: &mut World, caller: &Caller, params: &Params) -> Result<Value, Errcode> {
    let lock_id = params.required_number("lockId")?;
    let id = params.required_number("keyboardPwdId")?;
    let reaches = params.one_of("changeType", 1, &[1, 2])? == 2;
    let new_name = params.text("keyboardPwdName").map(|_| name(params)).transpose()?;
    let new_pin = params.text("newKeyboardPwd").map(str::to_owned);
    // One date without the other has no effect, and the vendor doesn't say so.
    let dates = match (params.number("startDate")?, params.number("endDate")?) {
        (Some(from), Some(until)) if until > from => Some((from, until)),
        (Some(_), Some(_)) => return Err(INVALID_PARAMETER),
        _ => None,
    };
    let strict = world.policy.refuse_change_of_unused;
    let lock = world.lock_of(&caller.username, lock_id)?;
    let offset = lock.utc_offset_ms;
    if let Some(pin) = &new_pin {
        check_digits(pin)?;
        if lock.pin_in_use(pin, Some(id)) {
            return Err(SAME_CODE_EXISTS);
        }
    }
    let code = lock.passcodes.get_mut(&id).filter(|code| code.cloud.is_some()).ok_or(PASSCODE_MISSING)?;
    let substance = new_pin.is_some() || dates.is_some();
    if strict && substance && !code.custom && code.first_used_at.is_none() {
        return Err(NEVER_USED);
    }
    if let Some(name) = new_name {
        code.name = name;
    }
    if let Some(mut plan) = code.cloud.clone().filter(|_| substance) {
        if let Some(pin) = new_pin {
            plan.pin = pin;
        }
        if let Some((from, until)) = dates {
            plan.from = floor_to(from, MINUTE_MS, offset);
            plan.until = floor_to(until, MINUTE_MS, offset);
        }
        code.cloud = Some(plan.clone());
        if reaches && code.door.is_some() {
            code.door = Some(plan);
        }
    }
    let (name, plan) = (code.name.clone(), code.cloud.clone());
    world.note(Effect::Change, lock_id, (id, name), reaches && substance, plan.as_ref());
    Ok(done())
}

pub(crate) fn delete(world: &mut World, caller: &Caller, params: &Params) -> Result<Value, Errcode> {
    let lock_id = params.required_number("lockId")?;
    let id = params.required_number("keyboardPwdId")?;
    let reaches = params.one_of("deleteType", 1, &[1, 2])? == 2;
    let lock = world.lock_of(&caller.username, lock_id)?;
    let code = lock.passcodes.get_mut(&id).filter(|code| code.cloud.is_some()).ok_or(PASSCODE_MISSING)?;
    let plan = code.cloud.take();
    if reaches {
        code.door = None;
    }
    let (name, random, kind, gone) = (code.name.clone(), !code.custom, code.kind, code.door.is_none());
    if gone {
        lock.passcodes.remove(&id);
    }
    if let Some(plan) = plan.as_ref().filter(|_| random) {
        lock.deleted_periods.push((kind, plan.from, plan.until));
    }
    world.note(Effect::Delete, lock_id, (id, name), reaches, plan.as_ref());
    Ok(done())
}

fn name(params: &Params) -> Result<String, Errcode> {
    let name = params.text("keyboardPwdName").unwrap_or_default();
    if name.chars().count() > LONGEST_NAME { Err(INVALID_PARAMETER) } else { Ok(name.to_owned()) }
}

fn required_dates(params: &Params) -> Result<(i64, i64), Errcode> {
    let (from, until) = (params.required_number("startDate")?, params.required_number("endDate")?);
    if until > from { Ok((from, until)) } else { Err(INVALID_PARAMETER) }
}

fn minutes(pin: String, dates: Option<(i64, i64)>, lock: &Lock) -> Plan {
    let (from, until) = dates.map_or((0, 0), |(from, until)| {
        (floor_to(from, MINUTE_MS, lock.utc_offset_ms), floor_to(until, MINUTE_MS, lock.utc_offset_ms))
    });
    Plan { pin, from, until }
}

fn check_digits(pin: &str) -> Result<(), Errcode> {
    if !pin.bytes().all(|b| b.is_ascii_digit()) {
        return Err(INVALID_PARAMETER);
    }
    if !(4..=9).contains(&pin.len()) {
        return Err(BAD_LENGTH);
    }
    let steps: Vec<i16> =
        pin.as_bytes().iter().zip(pin.as_bytes().iter().skip(1)).map(|(a, b)| i16::from(*b) - i16::from(*a)).collect();
    if [0, 1, -1].iter().any(|step| steps.iter().all(|s| s == step)) { Err(TOO_SIMPLE) } else { Ok(()) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn digits_are_judged() {
        assert_eq!(check_digits("7391"), Ok(()));
        assert_eq!(check_digits("1123"), Ok(()));
        assert_eq!(check_digits("123"), Err(BAD_LENGTH));
        assert_eq!(check_digits("1234567890"), Err(BAD_LENGTH));
        assert_eq!(check_digits("12a4"), Err(INVALID_PARAMETER));
        for simple in ["1111", "123456", "987654"] {
            assert_eq!(check_digits(simple), Err(TOO_SIMPLE), "{simple}");
        }
    }
}

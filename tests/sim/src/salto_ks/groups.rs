//! Access groups: their locks, members and schedules.

use jiff::civil::{Date, Time};
use serde_json::{Value, json};

use super::routes::Asked;
use super::views::Effect;
use super::world::{Group, INVALID, NOT_FOUND, Outcome, Schedule, USER_NOT_FOUND, World};

const DAYS: [&str; 7] = ["monday", "tuesday", "wednesday", "thursday", "friday", "saturday", "sunday"];

fn view(group: &Group) -> Value {
    json!({ "id": group.id, "customer_reference": group.customer_reference })
}

fn text<'a>(asked: &'a Asked<'_>, name: &str) -> Option<&'a str> {
    let body = asked.body.as_ref()?.as_object()?;
    // One member and no other.
    if body.len() == 1 { body.get(name)?.as_str().filter(|text| !text.is_empty()) } else { None }
}

pub(crate) fn list(world: &mut World, asked: &Asked<'_>) -> Outcome {
    let rows = world.groups.values().map(view).collect();
    let path = format!("/v1.2/sites/{}/access_groups", world.site_id);
    Ok((200, world.listed(rows, true, &path, asked.skip()?)))
}

pub(crate) fn add(world: &mut World, asked: &Asked<'_>) -> Outcome {
    let customer_reference = text(asked, "customer_reference").ok_or(INVALID)?.to_owned();
    let group = Group { id: world.uuid(), customer_reference, ..Group::default() };
    let answer = view(&group);
    world.note(Effect::AddGroup, &group.id, &group.customer_reference);
    world.groups.insert(group.id.clone(), group);
    Ok((200, answer))
}

pub(crate) fn delete(world: &mut World, asked: &Asked<'_>) -> Outcome {
    let group = world.groups.remove(asked.id(1)).ok_or(NOT_FOUND)?;
    world.note(Effect::DeleteGroup, &group.id, &group.customer_reference);
    Ok((204, Value::Null))
}

pub(crate) fn locks(world: &mut World, asked: &Asked<'_>) -> Outcome {
    let group = world.group_mut(asked.id(1))?;
    let (id, held) = (group.id.clone(), group.locks.clone());
    let rows = held
        .iter()
        .filter_map(|lock| world.locks.get(lock))
        .map(|lock| json!({ "id": lock.id, "customer_reference": lock.name }))
        .collect();
    let path = format!("/v1.2/sites/{}/access_groups/{id}/locks", world.site_id);
    Ok((200, world.listed(rows, true, &path, asked.skip()?)))
}

pub(crate) fn add_lock(world: &mut World, asked: &Asked<'_>) -> Outcome {
    let lock_id = text(asked, "lock_id").ok_or(INVALID)?.to_owned();
    let lock = world.locks.get(&lock_id).ok_or(NOT_FOUND)?.clone();
    let group = world.group_mut(asked.id(1))?;
    if !group.locks.insert(lock_id) {
        return Err(INVALID);
    }
    let (id, name) = (group.id.clone(), group.customer_reference.clone());
    world.note(Effect::AddLock, &id, &name);
    Ok((200, json!({ "id": lock.id, "customer_reference": lock.name })))
}

pub(crate) fn users(world: &mut World, asked: &Asked<'_>) -> Outcome {
    let group = world.group_mut(asked.id(1))?;
    let (id, rows) = (group.id.clone(), group.users.keys().map(|user| json!({ "id": user })).collect());
    let path = format!("/v1.2/sites/{}/access_groups/{id}/users", world.site_id);
    Ok((200, world.listed(rows, true, &path, asked.skip()?)))
}

pub(crate) fn join(world: &mut World, asked: &Asked<'_>) -> Outcome {
    let user_id = text(asked, "user_id").ok_or(INVALID)?.to_owned();
    let now = world.now();
    let settled = now.saturating_sub(world.policy.settle_ms);
    // Only by the platform's id; the site user's is not found.
    let user = world
        .users
        .values()
        .find(|user| user.user_id == user_id && user.deleted_at.is_none() && user.made_at <= settled)
        .ok_or(USER_NOT_FOUND)?
        .clone();
    let group = world.group_mut(asked.id(1))?;
    if group.users.contains_key(&user_id) {
        return Err(INVALID);
    }
    group.users.insert(user_id.clone(), now);
    world.note(Effect::Join, &user.id, user.alias.as_deref().unwrap_or_default());
    Ok((200, json!({ "id": user_id, "first_name": null, "last_name": null })))
}

pub(crate) fn leave(world: &mut World, asked: &Asked<'_>) -> Outcome {
    let user_id = asked.id(3).to_owned();
    let group = world.group_mut(asked.id(1))?;
    group.users.remove(&user_id).ok_or(USER_NOT_FOUND)?;
    let name = group.customer_reference.clone();
    world.note(Effect::Leave, &user_id, &name);
    Ok((204, Value::Null))
}

pub(crate) fn schedules(world: &mut World, asked: &Asked<'_>) -> Outcome {
    let group = world.group_mut(asked.id(1))?;
    let (id, rows) = (group.id.clone(), group.schedules.iter().map(|schedule| schedule.body.clone()).collect());
    let path = format!("/v1.1/sites/{}/access_groups/{id}/time_schedules", world.site_id);
    Ok((200, world.listed(rows, true, &path, asked.skip()?)))
}

pub(crate) fn add_schedule(world: &mut World, asked: &Asked<'_>) -> Outcome {
    let body = asked.body.as_ref().and_then(Value::as_object).ok_or(INVALID)?;
    let known = |key: &String| {
        DAYS.contains(&key.as_str()) || ["start_time", "end_time", "start_date", "end_date"].contains(&key.as_str())
    };
    if !body.keys().all(known) {
        return Err(INVALID);
    }
    let days = DAYS.map(|day| body.get(day).and_then(Value::as_bool).unwrap_or(false));
    if !days.contains(&true) {
        return Err(INVALID);
    }
    let time = |name: &str| -> Option<Time> { body.get(name)?.as_str()?.parse().ok() };
    let date = |name: &str| match body.get(name).and_then(Value::as_str) {
        None => Ok(None),
        Some(text) => text.parse::<Date>().map(Some).map_err(|_| INVALID),
    };
    let (from, until) = (time("start_time").ok_or(INVALID)?, time("end_time").ok_or(INVALID)?);
    if from >= until {
        return Err(INVALID);
    }
    let (first, last) = (date("start_date")?, date("end_date")?);
    let until = until.with().second(59).build().map_err(|_| INVALID)?;
    let made_at = world.now();
    let id = world.uuid();
    let mut echo = body.clone();
    echo.insert("id".to_owned(), id.clone().into());
    for (day, set) in DAYS.iter().zip(days) {
        echo.insert((*day).to_owned(), set.into());
    }
    echo.insert("start_time".to_owned(), from.strftime("%H:%M:%S").to_string().into());
    echo.insert("end_time".to_owned(), until.strftime("%H:%M:%S").to_string().into());
    let body = Value::Object(echo);
    let group = world.group_mut(asked.id(1))?;
    group.schedules.push(Schedule { id, body: body.clone(), days, from, until, first, last, made_at });
    let (id, name) = (group.id.clone(), group.customer_reference.clone());
    world.note(Effect::AddSchedule, &id, &name);
    Ok((200, body))
}

pub(crate) fn delete_schedule(world: &mut World, asked: &Asked<'_>) -> Outcome {
    let schedule = asked.id(3).to_owned();
    let group = world.group_mut(asked.id(1))?;
    let before = group.schedules.len();
    group.schedules.retain(|row| row.id != schedule);
    if group.schedules.len() == before { Err(NOT_FOUND) } else { Ok((204, Value::Null)) }
}

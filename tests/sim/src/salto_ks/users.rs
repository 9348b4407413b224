//! Users, guests, their PINs and keys.

use serde_json::{Map, Value, json};

use super::routes::Asked;
use super::views::Effect;
use super::world::{
    BAD_PARAMETER, Failure, INVALID, NO_PERMISSION, Outcome, Pin, USER_NOT_FOUND, User, World, iso, parsed,
};

const DAY_MS: i64 = 24 * 3_600_000;
/// PINs end after 90 days unless the caller says otherwise.
const PIN_LIFE_MS: i64 = 90 * DAY_MS;

fn view(world: &World, user: &User) -> Value {
    let settled = user.made_at <= world.now().saturating_sub(world.policy.settle_ms);
    json!({
        "id": user.id,
        "user": { "id": user.user_id, "first_name": null, "last_name": null, "email": null },
        "roles": if settled { json!([{ "code": user.role }]) } else { json!([]) },
        "alias": user.alias,
        "subscription_state": if user.subscribed { "subscribed" } else { "suspended" },
        "use_pin": user.use_pin,
        "remote_access": false,
        "expires_at": user.expires_at.map(iso),
    })
}

pub(crate) fn list(world: &mut World, asked: &Asked<'_>) -> Outcome {
    let listed_before = world.now().saturating_sub(world.policy.list_lag_ms);
    let wanted = match asked.query("$filter") {
        None => None,
        Some(filter) => {
            let alias = filter.strip_prefix("alias eq '").and_then(|rest| rest.strip_suffix('\''));
            Some(alias.ok_or(BAD_PARAMETER)?.to_owned())
        }
    };
    let rows = world
        .users
        .values()
        .filter(|user| world.shown(user) && user.made_at <= listed_before)
        .filter(|user| wanted.is_none() || user.alias == wanted)
        .map(|user| view(world, user))
        .collect();
    let path = format!("/{}/sites/{}/users", asked.version, world.site_id);
    Ok((200, world.listed(rows, asked.version == "v1.1", &path, asked.skip()?)))
}

pub(crate) fn get(world: &mut World, asked: &Asked<'_>) -> Outcome {
    let user = world.users.get(asked.id(1)).filter(|user| world.shown(user)).ok_or(USER_NOT_FOUND)?;
    Ok((200, view(world, user)))
}

/// The body's members, all of which must be known.
fn members<'a>(asked: &'a Asked<'_>, known: &[&str]) -> Result<&'a Map<String, Value>, Failure> {
    let body = asked.body.as_ref().and_then(Value::as_object).ok_or(INVALID)?;
    if body.keys().all(|key| known.contains(&key.as_str())) { Ok(body) } else { Err(INVALID) }
}

fn instant(value: &Value, now: i64) -> Result<i64, Failure> {
    let at = parsed(value.as_str().ok_or(INVALID)?)?;
    if at > now { Ok(at) } else { Err(INVALID) }
}

pub(crate) fn add_guest(world: &mut World, asked: &Asked<'_>) -> Outcome {
    let body = members(asked, &["alias", "expires_at"])?;
    let now = world.now();
    let alias = body.get("alias").and_then(Value::as_str).filter(|alias| !alias.is_empty()).ok_or(INVALID)?;
    let expires_at = body.get("expires_at").map(|value| instant(value, now)).transpose()?;
    let (id, user_id) = (world.uuid(), world.uuid());
    let user = User {
        alias: Some(alias.to_owned()),
        role: "site_guest",
        subscribed: world.seats_taken() < world.policy.seats,
        use_pin: false,
        expires_at,
        pin: None,
        made_at: now,
        deleted_at: None,
        id: id.clone(),
        user_id,
    };
    let answer = view(world, &user);
    world.users.insert(id.clone(), user);
    world.note(Effect::AddGuest, &id, alias);
    Ok((201, answer))
}

pub(crate) fn change(world: &mut World, asked: &Asked<'_>) -> Outcome {
    let body = members(asked, &["use_pin", "expires_at", "alias", "remote_access"])?.clone();
    let now = world.now();
    let user = world.user_mut(asked.id(1))?;
    if let Some(value) = body.get("use_pin") {
        user.use_pin = value.as_bool().ok_or(INVALID)?;
    }
    if let Some(value) = body.get("expires_at") {
        user.expires_at = Some(instant(value, now)?);
    }
    if let Some(value) = body.get("alias") {
        user.alias = Some(value.as_str().ok_or(INVALID)?.to_owned());
    }
    let user = user.clone();
    world.note(Effect::ChangeUser, &user.id, user.alias.as_deref().unwrap_or_default());
    Ok((200, view(world, &user)))
}

pub(crate) fn subscription(world: &mut World, asked: &Asked<'_>) -> Outcome {
    let subscribed = match members(asked, &["state"])?.get("state").and_then(Value::as_str) {
        Some("subscribed") => true,
        Some("suspended") => false,
        _ => return Err(INVALID),
    };
    let free = world.seats_taken() < world.policy.seats;
    let user = world.user_mut(asked.id(1))?;
    if subscribed && !user.subscribed && !free {
        return Err(INVALID);
    }
    user.subscribed = subscribed;
    Ok((204, Value::Null))
}

pub(crate) fn set_pin(world: &mut World, asked: &Asked<'_>) -> Outcome {
    let body = members(asked, &["expiry_date"])?.clone();
    let now = world.now();
    let until = match body.get("expiry_date") {
        Some(value) => instant(value, now)?,
        None => now.saturating_add(PIN_LIFE_MS),
    };
    let digits = world.digits();
    // Also for a suspended user, whom no door will let in.
    let user = world.user_mut(asked.id(1))?;
    user.pin = Some(Pin { digits: digits.clone(), until, set_at: now });
    let (id, alias) = (user.id.clone(), user.alias.clone());
    world.note(Effect::SetPin, &id, alias.as_deref().unwrap_or_default());
    Ok((200, Value::String(digits)))
}

pub(crate) fn keys(world: &mut World, asked: &Asked<'_>) -> Outcome {
    let user = world.users.get(asked.id(1)).filter(|user| world.shown(user)).ok_or(USER_NOT_FOUND)?;
    let keys = user.pin.as_ref().map(
        |pin| json!({ "type": "pin", "key_identifier": "pin", "expiry_date": iso(pin.until), "offline_access": false }),
    );
    Ok((200, json!({ "items": keys.into_iter().collect::<Vec<_>>() })))
}

pub(crate) fn access_groups(world: &mut World, asked: &Asked<'_>) -> Outcome {
    if !world.policy.groups_of_user {
        return Err(Failure::Bare(404));
    }
    let user = world.users.get(asked.id(1)).filter(|user| world.shown(user)).ok_or(USER_NOT_FOUND)?;
    let rows = world
        .groups
        .values()
        .filter(|group| group.users.contains_key(&user.user_id))
        .map(|group| json!({ "id": group.id, "customer_reference": group.customer_reference }))
        .collect();
    let path = format!("/v1.2/sites/{}/users/{}/access_groups", world.site_id, user.id);
    Ok((200, world.listed(rows, true, &path, asked.skip()?)))
}

pub(crate) fn delete(world: &mut World, asked: &Asked<'_>) -> Outcome {
    let now = world.now();
    let id = asked.id(1);
    let user = world.user_mut(id)?;
    if user.role != "site_guest" {
        return Err(NO_PERMISSION);
    }
    user.deleted_at = Some(now);
    let (user_id, alias) = (user.user_id.clone(), user.alias.clone());
    for group in world.groups.values_mut() {
        group.users.remove(&user_id);
    }
    world.note(Effect::DeleteUser, id, alias.as_deref().unwrap_or_default());
    Ok((202, Value::Null))
}

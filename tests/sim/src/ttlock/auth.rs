//! Tokens and the fields that every call carries.
//!
//! Sources: TTLock "Get access token", "Refresh access token", "Error code". Two points are not published and chosen strictly: a
//! refresh ends the old pair at once (`10004` for the old access token), and a second password grant leaves the first pair alive.

use serde_json::{Value, json};

use super::errcode::{
    CLIENT_MISMATCH, CLIENT_UNKNOWN, DATE_TOO_FAR, Errcode, INVALID_PARAMETER, LOGIN_REFUSED, PASSWORD_NOT_MD5,
    QUOTA_EXHAUSTED, REFRESH_INVALID, TOKEN_EXPIRED, TOKEN_UNKNOWN, TOO_FREQUENT,
};
use super::params::Params;
use super::world::{Access, Refresh, World, real_now};

const DATE_TOLERANCE_MS: i64 = 5 * 60 * 1000;
const REFRESH_LIFE_MS: i64 = 10 * 365 * 24 * 3_600_000;
const BEIJING_MS: i64 = 8 * 3_600_000;

/// Who calls.
#[derive(Debug, Clone)]
pub(crate) struct Caller {
    pub(crate) username: String,
    pub(crate) client_id: String,
}

/// `POST /oauth2/token`.
pub(crate) fn token(world: &mut World, params: &Params) -> Result<Value, Errcode> {
    let client_id = params.either("clientId", "client_id").ok_or(CLIENT_UNKNOWN)?.to_owned();
    let secret = params.either("clientSecret", "client_secret").ok_or(CLIENT_MISMATCH)?;
    if world.apps.get(&client_id).ok_or(CLIENT_UNKNOWN)?.secret != secret {
        return Err(CLIENT_MISMATCH);
    }
    match params.text("grant_type") {
        Some("refresh_token") => refresh(world, params, client_id),
        None | Some("password") => password(world, params, client_id),
        Some(_) => Err(INVALID_PARAMETER),
    }
}

fn password(world: &mut World, params: &Params, client_id: String) -> Result<Value, Errcode> {
    let username = params.text("username").ok_or(LOGIN_REFUSED)?.to_owned();
    let md5 = params.text("password").ok_or(LOGIN_REFUSED)?;
    if md5.len() != 32 || !md5.bytes().all(|b| matches!(b, b'0'..=b'9' | b'a'..=b'f')) {
        return Err(PASSWORD_NOT_MD5);
    }
    if world.accounts.get(&username).is_none_or(|account| account.password_md5 != md5) {
        return Err(LOGIN_REFUSED);
    }
    grant(world, client_id, username)
}

fn refresh(world: &mut World, params: &Params, client_id: String) -> Result<Value, Errcode> {
    let presented = params.either("refresh_token", "refreshToken").ok_or(REFRESH_INVALID)?;
    let known = world.refresh.get(presented).filter(|row| row.client_id == client_id && row.expires_at > real_now());
    let old = known.cloned().ok_or(REFRESH_INVALID)?;
    world.refresh.remove(presented);
    world.access.remove(&old.access);
    world.revoked_access.insert(old.access);
    grant(world, client_id, old.username)
}

fn grant(world: &mut World, client_id: String, username: String) -> Result<Value, Errcode> {
    let uid = world.accounts.get(&username).ok_or(LOGIN_REFUSED)?.uid;
    let access = format!("{:032x}", rand::random::<u128>());
    let refresh = format!("{:032x}", rand::random::<u128>());
    let life = world.policy.token_life_s;
    let now = real_now();
    world.access.insert(
        access.clone(),
        Access {
            client_id: client_id.clone(),
            username: username.clone(),
            expires_at: now.saturating_add(life.saturating_mul(1000)),
        },
    );
    world.refresh.insert(
        refresh.clone(),
        Refresh { client_id, username, access: access.clone(), expires_at: now.saturating_add(REFRESH_LIFE_MS) },
    );
    world.touch();
    Ok(json!({ "access_token": access, "uid": uid, "refresh_token": refresh, "expires_in": life }))
}

/// Checks `clientId`, `date`, `accessToken` and the limits, in that order.
pub(crate) fn check(world: &mut World, params: &Params) -> Result<Caller, Errcode> {
    let client_id = params.either("clientId", "client_id").ok_or(CLIENT_UNKNOWN)?.to_owned();
    let now = real_now();
    if !world.apps.contains_key(&client_id) {
        return Err(CLIENT_UNKNOWN);
    }
    let date = params.number("date")?.ok_or(DATE_TOO_FAR)?;
    if date.saturating_sub(now).saturating_abs() > DATE_TOLERANCE_MS {
        return Err(DATE_TOO_FAR);
    }
    let token = params.either("accessToken", "access_token").ok_or(TOKEN_UNKNOWN)?;
    if world.revoked_access.contains(token) {
        return Err(TOKEN_EXPIRED);
    }
    let access = world.access.get(token).filter(|row| row.client_id == client_id).ok_or(TOKEN_UNKNOWN)?;
    if access.expires_at <= now {
        return Err(TOKEN_EXPIRED);
    }
    let username = access.username.clone();
    count(world, &client_id, now)?;
    Ok(Caller { username, client_id })
}

fn count(world: &mut World, client_id: &str, now: i64) -> Result<(), Errcode> {
    let quota = world.policy.monthly_quota;
    let per_second = usize::try_from(world.policy.calls_per_second).unwrap_or(usize::MAX);
    let app = world.apps.get_mut(client_id).ok_or(CLIENT_UNKNOWN)?;
    let month = month_of(now);
    if app.month != month {
        app.month = month;
        app.month_calls = 0;
    }
    app.month_calls = app.month_calls.saturating_add(1);
    if quota > 0 && app.month_calls > quota {
        return Err(QUOTA_EXHAUSTED);
    }
    if per_second > 0 {
        while app.recent_calls.front().is_some_and(|at| now.saturating_sub(*at) >= 1000) {
            app.recent_calls.pop_front();
        }
        if app.recent_calls.len() >= per_second {
            return Err(TOO_FREQUENT);
        }
        app.recent_calls.push_back(now);
    }
    Ok(())
}

/// Months since the epoch in Beijing, where the vendor's month begins.
fn month_of(now: i64) -> i64 {
    let beijing =
        jiff::Timestamp::from_millisecond(now.saturating_add(BEIJING_MS)).unwrap_or(jiff::Timestamp::UNIX_EPOCH);
    let date = jiff::tz::Offset::UTC.to_datetime(beijing).date();
    i64::from(date.year()) * 12 + i64::from(date.month())
}

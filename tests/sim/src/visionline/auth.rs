//! Who calls: sessions, and the signature over what arrived, byte for byte.

use axum::http::request::Parts;
use axum::http::{HeaderMap, StatusCode};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use hmac::{Hmac, KeyInit, Mac};
use jiff::Timestamp;
use md5::{Digest, Md5};
use serde_json::{Value, json};
use sha1::Sha1;

use super::calls::Refusal;
use super::world::{DEFAULT_PASSWORD, DEFAULT_USERNAME, Session, World};

/// How far `Date` may be off, in seconds.
const SKEW_S: u64 = 300;

const BAD_LOGIN: i64 = 1001;
const NO_SESSION: i64 = 1002;
const BAD_SIGNATURE: i64 = 1003;
const STALE_DATE: i64 = 1004;
const BAD_MD5: i64 = 1005;

fn refused(code: i64, message: &'static str) -> Refusal {
    Refusal { status: StatusCode::UNAUTHORIZED, code, message }
}

fn header<'a>(headers: &'a HeaderMap, name: &str) -> Option<&'a str> {
    headers.get(name)?.to_str().ok()
}

/// The date as its line in what is signed, when it is near enough.
fn date_line(world: &World, headers: &HeaderMap) -> Result<String, Refusal> {
    let (line, text) = match (header(headers, "date"), header(headers, "x-aah-date")) {
        (Some(date), None) => (date.to_owned(), date),
        (None, Some(date)) => (format!("X-Aah-Date:{date}"), date),
        _ => return Err(refused(STALE_DATE, "one date is needed")),
    };
    let at = jiff::fmt::rfc2822::parse(text).map_err(|_| refused(STALE_DATE, "the date can't be read"))?;
    let off = at.timestamp().as_second().abs_diff(world.server_clock().as_second());
    if off > SKEW_S { Err(refused(STALE_DATE, "the date is too far off")) } else { Ok(line) }
}

fn body_md5(headers: &HeaderMap, body: &[u8]) -> Result<String, Refusal> {
    let bad = Refusal { status: StatusCode::BAD_REQUEST, code: BAD_MD5, message: "Content-MD5 does not fit the body" };
    let sent = header(headers, "content-md5").ok_or_else(|| bad.clone())?;
    if sent == STANDARD.encode(Md5::digest(body)) { Ok(sent.to_owned()) } else { Err(bad) }
}

/// Opens a session.
pub(crate) fn open(world: &mut World, parts: &Parts, body: &[u8]) -> Result<(StatusCode, Value), Refusal> {
    date_line(world, &parts.headers)?;
    body_md5(&parts.headers, body)?;
    let asked: Value = serde_json::from_slice(body).map_err(|_| Refusal {
        status: StatusCode::BAD_REQUEST,
        code: BAD_LOGIN,
        message: "not JSON",
    })?;
    if asked["username"] != DEFAULT_USERNAME || asked["password"] != DEFAULT_PASSWORD {
        return Err(refused(BAD_LOGIN, "unknown user or wrong password"));
    }
    let id = format!("s{:x}-{:08x}", world.next_id(), rand::random::<u32>());
    let key = hex::encode(rand::random::<[u8; 16]>());
    world.sessions.insert(id.clone(), Session { key: key.clone(), used: Timestamp::now() });
    Ok((StatusCode::CREATED, json!({ "id": id, "accessKey": key })))
}

/// Checks a signed call and returns its session.
pub(crate) fn check(world: &mut World, parts: &Parts, body: &[u8]) -> Result<String, Refusal> {
    let headers = &parts.headers;
    let given = header(headers, "authorization").and_then(|text| text.strip_prefix("AWS "));
    let (id, signature) =
        given.and_then(|text| text.split_once(':')).ok_or_else(|| refused(BAD_SIGNATURE, "no signature"))?;
    let life = i64::try_from(world.policy.session_life_s).unwrap_or(i64::MAX);
    let now = Timestamp::now();
    world.sessions.retain(|_, session| now.as_second().saturating_sub(session.used.as_second()) < life);
    let key = world.sessions.get(id).ok_or_else(|| refused(NO_SESSION, "no such session"))?.key.clone();
    let (md5, kind) = if body.is_empty() {
        (String::new(), String::new())
    } else {
        (body_md5(headers, body)?, header(headers, "content-type").unwrap_or_default().to_owned())
    };
    let date = date_line(world, headers)?;
    let target = parts.uri.path_and_query().map(ToString::to_string).unwrap_or_default();
    let text = [parts.method.as_str(), &md5, &kind, &date, &target].join("\n");
    let mac = Hmac::<Sha1>::new_from_slice(key.as_bytes());
    let expected = mac.map(|mut mac| {
        mac.update(text.as_bytes());
        STANDARD.encode(mac.finalize().into_bytes())
    });
    if expected.ok().as_deref() != Some(signature) {
        return Err(refused(BAD_SIGNATURE, "the signature does not fit"));
    }
    if let Some(session) = world.sessions.get_mut(id) {
        session.used = now;
    }
    Ok(id.to_owned())
}

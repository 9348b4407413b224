//! The identity server's token endpoint, and the bearer check.
//!
//! Refresh tokens are given with the scope `offline_access` only and are good once. An authorisation code is whatever a test put there
//! as a refresh token: the page on which a person logs in is not modelled.

use std::collections::BTreeMap;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde_json::json;

use super::world::{Access, Failure, Outcome, World, real_now};

const SCOPE: &str = "user_api.full_access";

pub(crate) fn token(world: &mut World, authorization: Option<&str>, form: &BTreeMap<String, String>) -> Outcome {
    let known = authorization.and_then(basic).is_some_and(|(id, secret)| world.clients.get(&id) == Some(&secret));
    if !known {
        return Err(Failure::OAuth("invalid_client"));
    }
    let field = |name: &str| form.get(name).map(String::as_str).unwrap_or_default();
    let offline = match field("grant_type") {
        "password" => {
            if !field("scope").split(' ').any(|scope| scope == SCOPE) {
                return Err(Failure::OAuth("invalid_scope"));
            }
            if world.accounts.get(field("username")).is_none_or(|password| password != field("password")) {
                return Err(Failure::OAuth("invalid_grant"));
            }
            field("scope").contains("offline_access")
        }
        "refresh_token" => {
            if !world.refresh.remove(field("refresh_token")) {
                return Err(Failure::OAuth("invalid_grant"));
            }
            true
        }
        _ => return Err(Failure::OAuth("unsupported_grant_type")),
    };
    let life = world.policy.token_life_s;
    let access = format!("{:032x}", rand::random::<u128>());
    world.access.insert(access.clone(), Access { expires_at: real_now().saturating_add(life.saturating_mul(1000)) });
    let mut body = json!({ "access_token": access, "expires_in": life, "token_type": "Bearer", "scope": SCOPE });
    if offline {
        let refresh = format!("{:032x}", rand::random::<u128>());
        world.refresh.insert(refresh.clone());
        if let Some(fields) = body.as_object_mut() {
            fields.insert("refresh_token".to_owned(), refresh.into());
        }
    }
    Ok((200, body))
}

fn basic(header: &str) -> Option<(String, String)> {
    let decoded = STANDARD.decode(header.strip_prefix("Basic ")?).ok()?;
    let text = String::from_utf8(decoded).ok()?;
    let (id, secret) = text.split_once(':')?;
    Some((id.to_owned(), secret.to_owned()))
}

/// 401 unless the bearer token is good.
pub(crate) fn check(world: &World, authorization: Option<&str>) -> Result<(), Failure> {
    let token = authorization.and_then(|header| header.strip_prefix("Bearer "));
    let good = token.and_then(|token| world.access.get(token)).is_some_and(|access| access.expires_at > real_now());
    if good { Ok(()) } else { Err(Failure::Bare(401)) }
}

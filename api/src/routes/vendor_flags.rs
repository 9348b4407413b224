//! Flags of a property's lock vendor: how its adapter behaves, changed while it runs.
//!
//! A change raises the version of the vendor's settings, by which workers tell that their adapter is out of date: the next call is made by
//! one with the new flags. Addresses and logins can't be changed here, nor seen.

use crate::{
    auth::{self, Allowed},
    dto::{FlagState, VendorFlags, VendorFlagsBody},
    extract::{Json, Param},
    failure, idempotency,
    once::{self, First},
    problem::{Problem, ProblemBody},
    scope::{PolicyWrite, StaysRead},
    state::AppState,
};
use axum::{
    extract::State,
    response::{IntoResponse, Response},
};
use http::{HeaderMap, StatusCode};
use lock_domain::{
    Timestamp,
    event::Event,
    problem::Code,
    vendor_flags::{FlagValue, check, flags},
};
use lock_store::{IdempotencyScope, Property};
use serde_json::Value;
use std::collections::BTreeMap;

/// Read a property's vendor flags
///
/// What the adapter of its lock vendor takes, what each means, and how it is set.
#[utoipa::path(
    get, path = "/v1/properties/{property}/vendor-flags", tag = "Properties",
    params(("property" = String, Path, description = "The property's id")),
    responses(
        (status = 200, description = "The flags", body = VendorFlagsBody),
        (status = "4XX", description = "Refused", body = ProblemBody, content_type = "application/problem+json"),
    ),
    security(("api_key" = ["stays:read"]))
)]
pub(crate) async fn show(
    State(state): State<AppState>,
    allowed: Allowed<StaysRead>,
    Param(property): Param<String>,
) -> Result<axum::Json<VendorFlagsBody>, Problem> {
    let mut tx = state.store().tenant(allowed.key.tenant).await.map_err(failure::store)?;
    let property = auth::property(&mut tx, &allowed.key, &property).await?;
    Ok(axum::Json(body(&property.vendor, &property.vendor_config, property.config_version)))
}

/// Replace a property's vendor flags
///
/// Flags that are left out get their defaults. They hold for the next call at the vendor, without a restart.
#[utoipa::path(
    put, path = "/v1/properties/{property}/vendor-flags", tag = "Properties",
    params(
        ("property" = String, Path, description = "The property's id"),
        ("Idempotency-Key" = String, Header, description = "1 to 128 visible characters, new for each new request"),
    ),
    request_body = VendorFlags,
    responses(
        (status = 200, description = "The flags", body = VendorFlagsBody),
        (status = "4XX", description = "Refused", body = ProblemBody, content_type = "application/problem+json"),
    ),
    security(("api_key" = ["policy:write"]))
)]
pub(crate) async fn replace(
    State(state): State<AppState>,
    allowed: Allowed<PolicyWrite>,
    Param(property): Param<String>,
    headers: HeaderMap,
    asked: Json<VendorFlags>,
) -> Result<Response, Problem> {
    let key = idempotency::key(&headers)?;
    let route = "PUT /v1/properties/{property}/vendor-flags";
    let scope = IdempotencyScope { client: allowed.key.id, route, key: &key };
    let wanted = asked.value.flags;
    let mut tx = state.store().tenant(allowed.key.tenant).await.map_err(failure::store)?;
    let Property { id, vendor, clock, .. } = auth::property(&mut tx, &allowed.key, &property).await?;
    check(&vendor, &wanted)
        .map_err(|error| Problem::field(Code::InvalidField, format!("flags.{}", error.field), error.reason))?;
    let now = Timestamp::now();
    if let First::No { status, body } = once::begin(&mut tx, scope, &asked.hash, now).await? {
        return once::replay(status, body);
    }
    let old = tx.lock_vendor_config(id).await.map_err(failure::store)?;
    let new = with_flags(&vendor, old.clone(), &wanted);
    let version = tx.set_vendor_config(id, &new).await.map_err(failure::store)?;
    let answer = body(&vendor, &new, version);
    let before = body(&vendor, &old, version);
    let changed = answer.flags.iter().zip(&before.flags).filter(|(new, old)| new.value != old.value);
    let changed: Vec<String> = changed.map(|(flag, _)| flag.flag.name.to_owned()).collect();
    let value = serde_json::to_value(&answer).map_err(Problem::internal)?;
    tx.idempotency_finish(scope, StatusCode::OK.as_u16(), &value).await.map_err(failure::store)?;
    if !changed.is_empty() {
        let event = Event::VendorFlagsChanged { vendor, flags: changed, by: allowed.key.id };
        tx.append(clock.now(now), id, None, &[event]).await.map_err(failure::store)?;
    }
    tx.commit().await.map_err(failure::store)?;
    Ok(axum::Json(answer).into_response())
}

fn body(vendor: &str, config: &Value, version: i64) -> VendorFlagsBody {
    let state = |flag: &'static lock_domain::vendor_flags::Flag| {
        let place = format!("/{}", flag.name.replace('.', "/"));
        let set = config.pointer(&place).and_then(|value| serde_json::from_value(value.clone()).ok());
        FlagState { value: set.unwrap_or_else(|| flag.default.clone()), flag: flag.clone() }
    };
    VendorFlagsBody { vendor: vendor.to_owned(), version, flags: flags(vendor).iter().map(state).collect() }
}

/// The settings with these flags and no others; what is no flag stays as it is.
fn with_flags(vendor: &str, mut config: Value, wanted: &BTreeMap<String, FlagValue>) -> Value {
    let Some(fields) = config.as_object_mut() else { return config };
    for flag in flags(vendor) {
        let value = wanted.get(flag.name).and_then(|value| serde_json::to_value(value).ok());
        let (fields, name) = match flag.name.split_once('.') {
            None => (&mut *fields, flag.name),
            Some((object, name)) => {
                let inner = fields.entry(object).or_insert_with(|| Value::Object(serde_json::Map::new()));
                match inner.as_object_mut() {
                    Some(inner) => (inner, name),
                    None => continue,
                }
            }
        };
        match value {
            Some(value) => fields.insert(name.to_owned(), value),
            None => fields.remove(name),
        };
    }
    config
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use serde_json::json;

    #[test]
    fn flags_are_replaced_and_the_rest_stays() {
        let config = json!({ "base_url": "u", "date_unit": "s", "read_method": "get" });
        let wanted = BTreeMap::from([("change_in_place".to_owned(), FlagValue::Switch(false))]);
        let new = with_flags("ttlock", config, &wanted);
        assert_eq!(new, json!({ "base_url": "u", "change_in_place": false }));
        let shown = body("ttlock", &new, 2);
        let value = |name: &str| shown.flags.iter().find(|state| state.flag.name == name).unwrap().value.clone();
        assert_eq!(value("change_in_place"), FlagValue::Switch(false));
        assert_eq!(value("date_unit"), FlagValue::Text("ms".into()));
    }

    #[test]
    fn nested_flags_find_their_place() {
        let wanted = BTreeMap::from([("assumptions.clock_tolerance_s".to_owned(), FlagValue::Number(60))]);
        let new = with_flags("visionline", json!({ "base_url": "u" }), &wanted);
        assert_eq!(new, json!({ "base_url": "u", "assumptions": { "clock_tolerance_s": 60 } }));
        assert!(!serde_json::to_string(&body("visionline", &new, 1)).unwrap().contains("base_url"));
    }
}

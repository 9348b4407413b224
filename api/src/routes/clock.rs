//! The test clock of a sandbox property: a whole stay in seconds.
//!
//! The simulator is told first; if it does not answer nothing has changed. Then the offset is stored, and stays that are due are told
//! ([`crate::clocks`]); the others are told before they are.

use crate::{
    auth::{self, Allowed},
    clocks,
    dto::{ClockBody, ClockMove},
    extract::{Json, Param},
    failure, idempotency,
    once::{self, First},
    problem::{Problem, ProblemBody},
    scope::{ClockWrite, StaysRead},
    state::AppState,
};
use axum::{
    extract::State,
    response::{IntoResponse, Response},
};
use http::{HeaderMap, StatusCode};
use jiff::SignedDuration;
use lock_domain::{
    Timestamp,
    clock::{ClockError, ClockOffset},
    event::Event,
    problem::Code,
};
use lock_store::{IdempotencyScope, Property};

/// Read a property's clock
#[utoipa::path(
    get, path = "/v1/properties/{property}/test-clock", tag = "Test clock",
    params(("property" = String, Path, description = "The property's id")),
    responses(
        (status = 200, description = "The clock", body = ClockBody),
        (status = "4XX", description = "Refused", body = ProblemBody, content_type = "application/problem+json"),
    ),
    security(("api_key" = ["stays:read"]))
)]
pub(crate) async fn show(
    State(state): State<AppState>,
    allowed: Allowed<StaysRead>,
    Param(property): Param<String>,
) -> Result<axum::Json<ClockBody>, Problem> {
    let mut tx = state.store().tenant(allowed.key.tenant).await.map_err(failure::store)?;
    let property = auth::property(&mut tx, &allowed.key, &property).await?;
    Ok(axum::Json(body(&property, property.clock, Timestamp::now())))
}

/// Move a sandbox property's clock forward
///
/// By `advance_by_s` seconds, or to the instant `to`. Stays, their windows and the simulated locks follow. Refused on a live property.
#[utoipa::path(
    post, path = "/v1/properties/{property}/test-clock", tag = "Test clock",
    params(
        ("property" = String, Path, description = "The property's id"),
        ("Idempotency-Key" = String, Header, description = "1 to 128 visible characters, new for each new request"),
    ),
    request_body = ClockMove,
    responses(
        (status = 200, description = "The clock", body = ClockBody),
        (status = "4XX", description = "Refused", body = ProblemBody, content_type = "application/problem+json"),
        (status = 503, description = "The simulator or the workflow engine does not answer; repeat with the same Idempotency-Key", body = ProblemBody, content_type = "application/problem+json"),
    ),
    security(("api_key" = ["clock:write"]))
)]
pub(crate) async fn advance(
    State(state): State<AppState>,
    allowed: Allowed<ClockWrite>,
    Param(property): Param<String>,
    headers: HeaderMap,
    asked: Json<ClockMove>,
) -> Result<Response, Problem> {
    let key = idempotency::key(&headers)?;
    let route = "POST /v1/properties/{property}/test-clock";
    let scope = IdempotencyScope { client: allowed.key.id, route, key: &key };
    let tenant = allowed.key.tenant;
    let mut tx = state.store().tenant(tenant).await.map_err(failure::store)?;
    let property = auth::property(&mut tx, &allowed.key, &property).await?;
    if property.live {
        return Err(Problem::new(Code::ClockLive, "the property is live"));
    }
    let real = Timestamp::now();
    if let First::No { status, body } = once::begin(&mut tx, scope, &asked.hash, real).await? {
        drop(tx);
        clocks::tell(&state, tenant, Some(property.id), None).await?;
        return once::replay(status, body);
    }
    let offset = target(asked.value, property.clock, real)?;
    if let Some(url) = &property.clock_hook_url {
        let told = state.hook().tell(url, offset).await;
        told.map_err(|error| Problem::unavailable("lock simulator", error))?;
    }
    let offset = tx.advance_clock(property.id, offset).await.map_err(failure::store)?;
    let answer = body(&property, offset, real);
    let value = serde_json::to_value(answer).map_err(Problem::internal)?;
    tx.idempotency_finish(scope, StatusCode::OK.as_u16(), &value).await.map_err(failure::store)?;
    let event = Event::ClockAdvanced { now: answer.now };
    tx.append(answer.now, property.id, None, &[event]).await.map_err(failure::store)?;
    tx.commit().await.map_err(failure::store)?;
    clocks::tell(&state, tenant, Some(property.id), None).await?;
    Ok(axum::Json(answer).into_response())
}

/// The offset that was asked for.
fn target(asked: ClockMove, clock: ClockOffset, real: Timestamp) -> Result<ClockOffset, Problem> {
    let (field, to) = match (asked.advance_by_s, asked.to) {
        (Some(by), None) => {
            let later = clock.now(real).saturating_add(SignedDuration::from_secs(by));
            ("advance_by_s", later.unwrap_or(if by > 0 { Timestamp::MAX } else { Timestamp::MIN }))
        }
        (None, Some(to)) => ("to", to),
        _ => return Err(Problem::field(Code::InvalidField, "to", "send either advance_by_s or to")),
    };
    clock.advanced_to(real, to).map_err(|error| match error {
        ClockError::Backwards | ClockError::TooFar => Problem::field(Code::ClockBackwards, field, error.to_string()),
    })
}

fn body(property: &Property, offset: ClockOffset, real: Timestamp) -> ClockBody {
    ClockBody { now: offset.now(real), offset_ms: offset.as_millis(), movable: !property.live }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn forward_by_one_of_two_ways() {
        let real: Timestamp = "2026-11-23T10:00:00Z".parse().unwrap();
        let ahead = |asked| target(asked, ClockOffset::from_millis(60_000), real);
        let by = |s| ClockMove { advance_by_s: Some(s), to: None };
        let to = |t: &str| ClockMove { advance_by_s: None, to: Some(t.parse().unwrap()) };
        assert_eq!(ahead(by(60)).unwrap().as_millis(), 120_000);
        assert_eq!(ahead(to("2026-11-23T10:02:00Z")).unwrap().as_millis(), 120_000);
        for bad in [by(-1), by(i64::MAX), by(i64::MIN), to("2026-11-23T10:00:30Z"), to("2046-01-01T00:00:00Z")] {
            assert_eq!(ahead(bad).unwrap_err().code, Code::ClockBackwards);
        }
        for neither in [ClockMove { advance_by_s: None, to: None }, ClockMove { advance_by_s: Some(1), to: Some(real) }]
        {
            assert_eq!(ahead(neither).unwrap_err().code, Code::InvalidField);
        }
    }
}

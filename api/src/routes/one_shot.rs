//! Keys that open a room once.

use super::Wait;
use crate::{
    accept::{self, Ask, Wanted},
    auth::Allowed,
    dto::*,
    extract::{Asked, Json, Param},
    problem::{Problem, ProblemBody},
    scope::OneShotWrite,
    state::AppState,
};
use axum::{extract::State, response::Response};
use http::HeaderMap;
use lock_domain::ids::ReservationRef;

/// Make a key that opens a room once
///
/// To show a room, to repair something. It opens the room's own door once, within six hours from the whole hour in which it starts; the
/// answer shows the hours that the lock keeps. A guest who has the room keeps it, and his keys. The lock vendor makes up the digits:
/// `reveal` shows them once the key is made. It is a stay of the kind `one_shot` under a reference of ours, ends by itself, and can be
/// read like any stay.
#[utoipa::path(
    post, path = "/v1/properties/{property}/one-shot-keys", tag = "One-shot keys",
    params(
        ("property" = String, Path, description = "The property's id"), Wait,
        ("Idempotency-Key" = String, Header, description = "1 to 128 visible characters, new for each new request"),
    ),
    request_body = OneShotKey,
    responses(
        (status = 201, description = "It is made, or planned for later", body = StayBody),
        (status = 202, description = "Accepted; follow `operation`", body = StayBody),
        (status = "4XX", description = "Refused, and nothing has changed", body = ProblemBody, content_type = "application/problem+json"),
        (status = "5XX", description = "Repeat with the same Idempotency-Key", body = ProblemBody, content_type = "application/problem+json"),
    ),
    security(("api_key" = ["one_shot:write"]))
)]
pub(crate) async fn new(
    State(state): State<AppState>,
    allowed: Allowed<OneShotWrite>,
    Param(property): Param<String>,
    Asked(wait): Asked<Wait>,
    headers: HeaderMap,
    body: Json<OneShotKey>,
) -> Result<Response, Problem> {
    let route = "POST /v1/properties/{property}/one-shot-keys";
    let ask = Ask::read(allowed.key, property, None, route, &headers)?;
    let ask = Ask { hash: body.hash, wait: wait.duration()?, ..ask };
    Box::pin(accept::carry(&state, ask, Wanted::OneShot(body.value))).await
}

/// Take a one-shot key back
///
/// It is taken out of the lock, for as long as that takes. Until it is proven the stay says until when the door may open.
#[utoipa::path(
    post, path = "/v1/properties/{property}/one-shot-keys/{reservation}/revoke", tag = "One-shot keys",
    params(
        ("property" = String, Path, description = "The property's id"),
        ("reservation" = ReservationRef, Path, description = "The key's reference, from the answer that made it"), Wait,
        ("Idempotency-Key" = String, Header, description = "1 to 128 visible characters, new for each new request"),
    ),
    request_body = Nothing,
    responses(
        (status = 200, description = "It is gone", body = StayBody),
        (status = 202, description = "Accepted; follow `operation`", body = StayBody),
        (status = "4XX", description = "Refused, and everything is as before", body = ProblemBody, content_type = "application/problem+json"),
        (status = "5XX", description = "Repeat with the same Idempotency-Key", body = ProblemBody, content_type = "application/problem+json"),
    ),
    security(("api_key" = ["one_shot:write"]))
)]
pub(crate) async fn revoke(
    State(state): State<AppState>,
    allowed: Allowed<OneShotWrite>,
    Param((property, reservation)): Param<(String, String)>,
    Asked(wait): Asked<Wait>,
    headers: HeaderMap,
    body: Json<Nothing>,
) -> Result<Response, Problem> {
    let route = "POST /v1/properties/{property}/one-shot-keys/{reservation}/revoke";
    let ask = Ask::read(allowed.key, property, Some(reservation), route, &headers)?;
    let ask = Ask { hash: body.hash, wait: wait.duration()?, ..ask };
    Box::pin(accept::carry(&state, ask, Wanted::Revoke)).await
}

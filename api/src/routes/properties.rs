//! Properties, their rooms and their policies.

use super::Page;
use crate::{
    auth::{self, Allowed},
    cursor,
    dto::{PropertyBody, PropertyPage, RoomPage},
    extract::{Asked, Json, Param},
    failure, idempotency,
    once::{self, First},
    problem::{Problem, ProblemBody},
    scope::{PolicyWrite, StaysRead},
    state::AppState,
    view,
};
use axum::{
    extract::State,
    response::{IntoResponse, Response},
};
use http::{HeaderMap, StatusCode};
use lock_domain::{
    Timestamp, guard::FeedGuard, ids::PropertyId, policy::StayPolicy, problem::Code, vendor::VendorTraits,
};
use lock_store::IdempotencyScope;

/// List properties
///
/// Those that the API key may touch.
#[utoipa::path(
    get, path = "/v1/properties", tag = "Properties", params(Page),
    responses(
        (status = 200, description = "A page", body = PropertyPage),
        (status = "4XX", description = "Refused", body = ProblemBody, content_type = "application/problem+json"),
    ),
    security(("api_key" = ["stays:read"]))
)]
pub(crate) async fn list(
    State(state): State<AppState>,
    allowed: Allowed<StaysRead>,
    Asked(page): Asked<Page>,
) -> Result<axum::Json<PropertyPage>, Problem> {
    let page = cursor::slice::<PropertyId>("properties", page.cursor.as_deref(), page.limit)?;
    let mut tx = state.store().tenant(allowed.key.tenant).await.map_err(failure::store)?;
    let mut rows = tx.properties(page.after, page.rows()).await.map_err(failure::store)?;
    let next_cursor = page.cut(&mut rows, |row| row.id);
    let seen = rows.iter().filter(|row| allowed.key.may_touch(row.id));
    Ok(axum::Json(PropertyPage { properties: seen.map(view::property).collect(), next_cursor }))
}

/// Read a property
#[utoipa::path(
    get, path = "/v1/properties/{property}", tag = "Properties",
    params(("property" = String, Path, description = "The property's id")),
    responses(
        (status = 200, description = "The property", body = PropertyBody),
        (status = "4XX", description = "Refused", body = ProblemBody, content_type = "application/problem+json"),
    ),
    security(("api_key" = ["stays:read"]))
)]
pub(crate) async fn show(
    State(state): State<AppState>,
    allowed: Allowed<StaysRead>,
    Param(property): Param<String>,
) -> Result<axum::Json<PropertyBody>, Problem> {
    let mut tx = state.store().tenant(allowed.key.tenant).await.map_err(failure::store)?;
    let property = auth::property(&mut tx, &allowed.key, &property).await?;
    Ok(axum::Json(view::property(&property)))
}

/// List rooms
///
/// In the order of their numbers as text.
#[utoipa::path(
    get, path = "/v1/properties/{property}/rooms", tag = "Properties",
    params(("property" = String, Path, description = "The property's id"), Page),
    responses(
        (status = 200, description = "A page", body = RoomPage),
        (status = "4XX", description = "Refused", body = ProblemBody, content_type = "application/problem+json"),
    ),
    security(("api_key" = ["stays:read"]))
)]
pub(crate) async fn rooms(
    State(state): State<AppState>,
    allowed: Allowed<StaysRead>,
    Param(property): Param<String>,
    Asked(page): Asked<Page>,
) -> Result<axum::Json<RoomPage>, Problem> {
    let page = cursor::slice::<String>("rooms", page.cursor.as_deref(), page.limit)?;
    let mut tx = state.store().tenant(allowed.key.tenant).await.map_err(failure::store)?;
    let property = auth::property(&mut tx, &allowed.key, &property).await?;
    let mut rows = tx.rooms(property.id, page.after.as_deref(), page.rows()).await.map_err(failure::store)?;
    let next_cursor = page.cut(&mut rows, |row| row.room.number.clone());
    Ok(axum::Json(RoomPage { rooms: rows.iter().map(|row| view::room_body(&row.room)).collect(), next_cursor }))
}

/// Replace a property's policy
///
/// Fields that are left out get their defaults. Stays that have begun keep the policy that they began with.
#[utoipa::path(
    put, path = "/v1/properties/{property}/policy", tag = "Properties",
    params(
        ("property" = String, Path, description = "The property's id"),
        ("Idempotency-Key" = String, Header, description = "1 to 128 visible characters, new for each new request"),
    ),
    request_body = StayPolicy,
    responses(
        (status = 200, description = "The property", body = PropertyBody),
        (status = "4XX", description = "Refused", body = ProblemBody, content_type = "application/problem+json"),
    ),
    security(("api_key" = ["policy:write"]))
)]
pub(crate) async fn policy(
    State(state): State<AppState>,
    allowed: Allowed<PolicyWrite>,
    Param(property): Param<String>,
    headers: HeaderMap,
    body: Json<StayPolicy>,
) -> Result<Response, Problem> {
    let key = idempotency::key(&headers)?;
    let route = "PUT /v1/properties/{property}/policy";
    let scope = IdempotencyScope { client: allowed.key.id, route, key: &key };
    let bad = |e: lock_domain::policy::PolicyError| Problem::field(Code::InvalidField, e.field, e.to_string());
    body.value.check().map_err(bad)?;
    let mut tx = state.store().tenant(allowed.key.tenant).await.map_err(failure::store)?;
    let mut property = auth::property(&mut tx, &allowed.key, &property).await?;
    body.value.check_at(VendorTraits::of(&property.vendor)).map_err(bad)?;
    if let First::No { status, body } = once::begin(&mut tx, scope, &body.hash, Timestamp::now()).await? {
        return once::replay(status, body);
    }
    tx.set_policy(property.id, &body.value).await.map_err(failure::store)?;
    property.policy = body.value;
    let answer = view::property(&property);
    let value = serde_json::to_value(&answer).map_err(Problem::internal)?;
    tx.idempotency_finish(scope, StatusCode::OK.as_u16(), &value).await.map_err(failure::store)?;
    tx.commit().await.map_err(failure::store)?;
    Ok(axum::Json(answer).into_response())
}

/// Replace a property's feed guard
///
/// How many stays may lose their keys early within a while before a person is asked. Fields that are left out get their defaults. It holds for
/// what is asked from now on; what is held already stays held.
#[utoipa::path(
    put, path = "/v1/properties/{property}/feed-guard", tag = "Properties",
    params(
        ("property" = String, Path, description = "The property's id"),
        ("Idempotency-Key" = String, Header, description = "1 to 128 visible characters, new for each new request"),
    ),
    request_body = FeedGuard,
    responses(
        (status = 200, description = "The property", body = PropertyBody),
        (status = "4XX", description = "Refused", body = ProblemBody, content_type = "application/problem+json"),
    ),
    security(("api_key" = ["policy:write"]))
)]
pub(crate) async fn feed_guard(
    State(state): State<AppState>,
    allowed: Allowed<PolicyWrite>,
    Param(property): Param<String>,
    headers: HeaderMap,
    body: Json<FeedGuard>,
) -> Result<Response, Problem> {
    let key = idempotency::key(&headers)?;
    let route = "PUT /v1/properties/{property}/feed-guard";
    let scope = IdempotencyScope { client: allowed.key.id, route, key: &key };
    let bad = |e: lock_domain::policy::PolicyError| Problem::field(Code::InvalidField, e.field, e.to_string());
    body.value.check().map_err(bad)?;
    let mut tx = state.store().tenant(allowed.key.tenant).await.map_err(failure::store)?;
    let mut property = auth::property(&mut tx, &allowed.key, &property).await?;
    if let First::No { status, body } = once::begin(&mut tx, scope, &body.hash, Timestamp::now()).await? {
        return once::replay(status, body);
    }
    tx.set_feed_guard(property.id, &body.value).await.map_err(failure::store)?;
    property.feed_guard = body.value;
    let answer = view::property(&property);
    let value = serde_json::to_value(&answer).map_err(Problem::internal)?;
    tx.idempotency_finish(scope, StatusCode::OK.as_u16(), &value).await.map_err(failure::store)?;
    tx.commit().await.map_err(failure::store)?;
    Ok(axum::Json(answer).into_response())
}

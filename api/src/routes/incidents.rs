//! Incidents: lock vendors that do something else than what was accepted of them, and what the nightly check works on.

use super::Page;
use crate::{
    auth::{self, Allowed},
    cursor,
    dto::{AcceptIncident, ContractCheckBody, IncidentPage},
    extract::{Asked, Json, Param},
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
    contract::{Incident, IncidentState},
    ids::IncidentId,
    problem::Code,
};
use lock_store::{ApiKey, ContractSettings, IdempotencyScope, TenantTx};

async fn find(tx: &mut TenantTx<'_>, key: &ApiKey, id: &str) -> Result<Incident, Problem> {
    let nothing = || Problem::new(Code::NotFound, "no such incident is visible to this API key");
    let id: IncidentId = id.parse().map_err(|_| nothing())?;
    let found = tx.incident(id).await.map_err(failure::store)?;
    found.filter(|incident| key.may_touch(incident.property)).ok_or_else(nothing)
}

/// List incidents
///
/// Lock vendors that do something else than what was accepted of them, as the nightly checks of sandbox properties found. Newest first.
#[utoipa::path(
    get, path = "/v1/incidents", tag = "Incidents", params(Page),
    responses(
        (status = 200, description = "A page", body = IncidentPage),
        (status = "4XX", description = "Refused", body = ProblemBody, content_type = "application/problem+json"),
    ),
    security(("api_key" = ["stays:read"]))
)]
pub(crate) async fn list(
    State(state): State<AppState>,
    allowed: Allowed<StaysRead>,
    Asked(page): Asked<Page>,
) -> Result<axum::Json<IncidentPage>, Problem> {
    let page = cursor::slice::<IncidentId>("incidents", page.cursor.as_deref(), page.limit)?;
    let mut tx = state.store().tenant(allowed.key.tenant).await.map_err(failure::store)?;
    let own = allowed.key.properties.as_deref();
    let mut incidents = tx.incidents(page.after, page.rows(), own).await.map_err(failure::store)?;
    let next_cursor = page.cut(&mut incidents, |row| row.id);
    Ok(axum::Json(IncidentPage { incidents, next_cursor }))
}

/// Read an incident
///
/// What was expected of the vendor, and what was seen.
#[utoipa::path(
    get, path = "/v1/incidents/{incident}", tag = "Incidents",
    params(("incident" = String, Path, description = "The incident's id")),
    responses(
        (status = 200, description = "The incident", body = Incident),
        (status = "4XX", description = "Refused", body = ProblemBody, content_type = "application/problem+json"),
    ),
    security(("api_key" = ["stays:read"]))
)]
pub(crate) async fn show(
    State(state): State<AppState>,
    allowed: Allowed<StaysRead>,
    Param(incident): Param<String>,
) -> Result<axum::Json<Incident>, Problem> {
    let mut tx = state.store().tenant(allowed.key.tenant).await.map_err(failure::store)?;
    Ok(axum::Json(find(&mut tx, &allowed.key, &incident).await?))
}

/// Accept an incident
///
/// What the vendor does now is expected of it from now on. An incident that ended by itself can't be accepted any more.
#[utoipa::path(
    post, path = "/v1/incidents/{incident}/accept", tag = "Incidents",
    params(
        ("incident" = String, Path, description = "The incident's id"),
        ("Idempotency-Key" = String, Header, description = "1 to 128 visible characters, new for each new request"),
    ),
    request_body = AcceptIncident,
    responses(
        (status = 200, description = "The incident", body = Incident),
        (status = "4XX", description = "Refused", body = ProblemBody, content_type = "application/problem+json"),
    ),
    security(("api_key" = ["policy:write"]))
)]
pub(crate) async fn accept(
    State(state): State<AppState>,
    allowed: Allowed<PolicyWrite>,
    Param(incident): Param<String>,
    headers: HeaderMap,
    asked: Json<AcceptIncident>,
) -> Result<Response, Problem> {
    let key = idempotency::key(&headers)?;
    let route = "POST /v1/incidents/{incident}/accept";
    let scope = IdempotencyScope { client: allowed.key.id, route, key: &key };
    let now = Timestamp::now();
    let mut tx = state.store().tenant(allowed.key.tenant).await.map_err(failure::store)?;
    let found = find(&mut tx, &allowed.key, &incident).await?;
    if let First::No { status, body } = once::begin(&mut tx, scope, &asked.hash, now).await? {
        return once::replay(status, body);
    }
    let accepted = tx.accept_incident(found.id, allowed.key.id, now).await.map_err(failure::store)?;
    let answer = find(&mut tx, &allowed.key, &incident).await?;
    if !accepted && answer.state == IncidentState::Restored {
        return Err(Problem::new(Code::IncidentOver, format!("incident {} ended by itself", answer.id)));
    }
    let value = serde_json::to_value(&answer).map_err(Problem::internal)?;
    tx.idempotency_finish(scope, StatusCode::OK.as_u16(), &value).await.map_err(failure::store)?;
    tx.commit().await.map_err(failure::store)?;
    Ok(axum::Json(answer).into_response())
}

/// Set up the nightly check of a property's vendor
///
/// Every night the contract suite makes keys at this lock and takes them away again. Without a lock nothing is checked. For sandbox
/// properties only.
#[utoipa::path(
    put, path = "/v1/properties/{property}/contract-check", tag = "Incidents",
    params(
        ("property" = String, Path, description = "The property's id"),
        ("Idempotency-Key" = String, Header, description = "1 to 128 visible characters, new for each new request"),
    ),
    request_body = ContractCheckBody,
    responses(
        (status = 200, description = "As it is set up", body = ContractCheckBody),
        (status = "4XX", description = "Refused", body = ProblemBody, content_type = "application/problem+json"),
    ),
    security(("api_key" = ["policy:write"]))
)]
pub(crate) async fn set_up(
    State(state): State<AppState>,
    allowed: Allowed<PolicyWrite>,
    Param(property): Param<String>,
    headers: HeaderMap,
    asked: Json<ContractCheckBody>,
) -> Result<Response, Problem> {
    let key = idempotency::key(&headers)?;
    let route = "PUT /v1/properties/{property}/contract-check";
    let scope = IdempotencyScope { client: allowed.key.id, route, key: &key };
    let body = asked.value;
    for (field, text) in [("lock", &body.lock), ("encoder", &body.encoder)] {
        if text.as_ref().is_some_and(|text| !(1..=200).contains(&text.chars().count())) {
            return Err(Problem::field(Code::InvalidField, field, "1 to 200 characters"));
        }
    }
    let mut tx = state.store().tenant(allowed.key.tenant).await.map_err(failure::store)?;
    let property = auth::property(&mut tx, &allowed.key, &property).await?;
    if property.live && body.lock.is_some() {
        let detail =
            "the property is live, and a check makes keys: set up a sandbox property with the vendor's test account";
        return Err(Problem::field(Code::InvalidField, "lock", detail));
    }
    if let First::No { status, body } = once::begin(&mut tx, scope, &asked.hash, Timestamp::now()).await? {
        return once::replay(status, body);
    }
    let settings = body.lock.clone().map(|lock| ContractSettings { lock, encoder: body.encoder.clone() });
    tx.set_contract(property.id, settings.as_ref()).await.map_err(failure::store)?;
    let value = serde_json::to_value(&body).map_err(Problem::internal)?;
    tx.idempotency_finish(scope, StatusCode::OK.as_u16(), &value).await.map_err(failure::store)?;
    tx.commit().await.map_err(failure::store)?;
    Ok(axum::Json(body).into_response())
}

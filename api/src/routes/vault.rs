//! Rotations of a tenant's keys: asked for, and followed.

use crate::{
    auth::Allowed,
    dto::{NewRotation, RotationBody},
    extract::{Json, Param},
    failure, idempotency,
    once::{self, First},
    problem::{Problem, ProblemBody},
    rotations,
    scope::VaultRotate,
    state::AppState,
};
use axum::{
    extract::State,
    response::{IntoResponse, Response},
};
use http::{HeaderMap, StatusCode};
use lock_domain::{
    Timestamp,
    ids::{RotationId, TenantId},
    problem::Code,
    vault::{RotationRef, RotationWish},
};
use lock_store::{ApiKey, IdempotencyScope, RotationRow, RotationState};
use uuid::Uuid;

fn body(row: &RotationRow) -> RotationBody {
    let state = match row.state {
        RotationState::Accepted => "accepted",
        RotationState::Running => "running",
        RotationState::Done => "done",
    };
    RotationBody {
        id: row.id,
        state: state.to_owned(),
        root_keys: row.wish.root_keys,
        data_keys: row.wish.data_keys,
        rewrapped: row.rewrapped,
        resealed: row.resealed,
        left_behind: row.left_behind,
        accepted_at: row.accepted_at,
        begun_at: row.begun_at,
        finished_at: row.finished_at,
    }
}

/// Keys belong to the tenant as a whole.
fn whole_tenant(key: &ApiKey) -> Result<TenantId, Problem> {
    let refusal = || Problem::new(Code::ScopeMissing, "this needs an API key for all properties of the tenant");
    key.properties.is_none().then_some(key.tenant).ok_or_else(refusal)
}

/// Rotate the tenant's keys
///
/// Data keys are replaced, what is stored is sealed under the new ones, and all data keys are wrapped under the root key of today. Nothing stops
/// meanwhile. The operation runs for a little more than an hour; one at a time.
#[utoipa::path(
    post, path = "/v1/vault/rotations", tag = "Vault",
    params(("Idempotency-Key" = String, Header, description = "1 to 128 visible characters, new for each new request")),
    request_body = NewRotation,
    responses(
        (status = 202, description = "The rotation", body = RotationBody),
        (status = "4XX", description = "Refused", body = ProblemBody, content_type = "application/problem+json"),
    ),
    security(("api_key" = ["vault:rotate"]))
)]
pub(crate) async fn rotate(
    State(state): State<AppState>,
    allowed: Allowed<VaultRotate>,
    headers: HeaderMap,
    asked: Json<NewRotation>,
) -> Result<Response, Problem> {
    let key = idempotency::key(&headers)?;
    let scope = IdempotencyScope { client: allowed.key.id, route: "POST /v1/vault/rotations", key: &key };
    let tenant = whole_tenant(&allowed.key)?;
    let wish = RotationWish { root_keys: asked.value.root_keys, data_keys: asked.value.data_keys };
    if !wish.root_keys && !wish.data_keys {
        return Err(Problem::field(Code::InvalidField, "data_keys", "ask for root_keys, data_keys or both"));
    }
    let now = Timestamp::now();
    let id = RotationId::from_uuid(Uuid::now_v7());
    let mut tx = state.store().tenant(tenant).await.map_err(failure::store)?;
    if let First::No { status, body } = once::begin(&mut tx, scope, &asked.hash, now).await? {
        return once::replay(status, body);
    }
    if !tx.accept_rotation(id, wish, allowed.key.id, now).await.map_err(failure::store)? {
        let other = tx.rotation_under_way().await.map_err(failure::store)?;
        drop(tx);
        if let Some(rotation) = other {
            // Its workflow may have been terminated: then it goes on from here.
            let begun = rotations::deliver(&state, RotationRef { tenant, rotation }).await;
            begun
                .inspect_err(|problem| tracing::info!(%rotation, code = %problem.code, "a rotation is not begun"))
                .ok();
        }
        return Err(Problem::new(Code::RotationUnderWay, "another rotation of this tenant's keys is not done yet"));
    }
    let row = tx.rotation(id).await.map_err(failure::store)?.ok_or_else(|| Problem::internal("a rotation got lost"))?;
    let answer = body(&row);
    let kept = serde_json::to_value(&answer).map_err(Problem::internal)?;
    tx.idempotency_finish(scope, StatusCode::ACCEPTED.as_u16(), &kept).await.map_err(failure::store)?;
    tx.commit().await.map_err(failure::store)?;
    // What fails here is made up for by the dispatcher.
    if let Err(problem) = rotations::deliver(&state, RotationRef { tenant, rotation: id }).await {
        tracing::info!(rotation = %id, code = %problem.code, "a rotation is begun later");
    }
    Ok((StatusCode::ACCEPTED, axum::Json(answer)).into_response())
}

/// Follow a rotation
#[utoipa::path(
    get, path = "/v1/vault/rotations/{rotation}", tag = "Vault",
    params(("rotation" = String, Path, description = "The rotation's id")),
    responses(
        (status = 200, description = "How far it is", body = RotationBody),
        (status = "4XX", description = "Refused", body = ProblemBody, content_type = "application/problem+json"),
    ),
    security(("api_key" = ["vault:rotate"]))
)]
pub(crate) async fn show(
    State(state): State<AppState>,
    allowed: Allowed<VaultRotate>,
    Param(rotation): Param<String>,
) -> Result<axum::Json<RotationBody>, Problem> {
    let nothing = || Problem::new(Code::NotFound, "no such rotation is visible to this API key");
    let tenant = whole_tenant(&allowed.key).map_err(|_| nothing())?;
    let id: RotationId = rotation.parse().map_err(|_| nothing())?;
    let mut tx = state.store().tenant(tenant).await.map_err(failure::store)?;
    let row = tx.rotation(id).await.map_err(failure::store)?.ok_or_else(nothing)?;
    Ok(axum::Json(body(&row)))
}

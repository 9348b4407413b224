//! Operations: how far an accepted request is.

use crate::{
    auth::Allowed,
    dto::OperationBody,
    extract::Param,
    failure,
    problem::{Problem, ProblemBody},
    scope::StaysRead,
    state::AppState,
    view,
};
use axum::{Json, extract::State};
use lock_domain::{ids::CommandId, problem::Code};

/// Read an operation
#[utoipa::path(
    get, path = "/v1/operations/{operation}", tag = "Operations",
    params(("operation" = CommandId, Path, description = "The operation's id")),
    responses(
        (status = 200, description = "How far it is", body = OperationBody),
        (status = "4XX", description = "Refused", body = ProblemBody, content_type = "application/problem+json"),
    ),
    security(("api_key" = ["stays:read"]))
)]
pub(crate) async fn show(
    State(state): State<AppState>,
    allowed: Allowed<StaysRead>,
    Param(operation): Param<String>,
) -> Result<Json<OperationBody>, Problem> {
    let nothing = || Problem::new(Code::OperationNotFound, "no such operation is visible to this API key");
    let id: CommandId = operation.parse().map_err(|_| nothing())?;
    let mut tx = state.store().tenant(allowed.key.tenant).await.map_err(failure::store)?;
    let row = tx.command(id).await.map_err(failure::store)?;
    let row = row.filter(|row| allowed.key.may_touch(row.property)).ok_or_else(nothing)?;
    Ok(Json(view::operation(&row)))
}

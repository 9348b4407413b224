//! Requests that the feed guard holds: which they are, and a person's decision.
//!
//! A decision changes the record only. What is approved is delivered by [`crate::dispatcher`], like all that was accepted and not yet
//! delivered; what is rejected is given back by the same function as what a workflow refuses.

use super::Page;
use crate::{
    accept::undo::undo,
    auth::{self, Allowed},
    cursor,
    dto::{Decided, Decision, HeldBody, HeldPage},
    extract::{Asked, Json, Param},
    failure, idempotency,
    once::{self, First},
    problem::{Problem, ProblemBody},
    scope::{StaysApprove, StaysRead},
    state::AppState,
    view,
};
use axum::{
    extract::State,
    response::{IntoResponse, Response},
};
use http::{HeaderMap, StatusCode};
use lock_domain::{
    Timestamp,
    command::Command,
    event::Event,
    ids::{ApiKeyId, CommandId},
    problem::Code,
};
use lock_store::{ApiKey, CommandRow, HeldRow, IdempotencyScope, Property, TenantTx};

/// No decision covers more; the answer says how many are left.
const MOST: u32 = 500;

/// List requests that are held
///
/// Oldest first. Too many stays of the property were to lose their keys at once (the property's `feed_guard`), so that a broken feed can't
/// lock everybody out. Every key works as before until somebody decides.
#[utoipa::path(
    get, path = "/v1/properties/{property}/held", tag = "Held",
    params(("property" = String, Path, description = "The property's id"), Page),
    responses(
        (status = 200, description = "A page", body = HeldPage),
        (status = "4XX", description = "Refused", body = ProblemBody, content_type = "application/problem+json"),
    ),
    security(("api_key" = ["stays:read"]))
)]
pub(crate) async fn list(
    State(state): State<AppState>,
    allowed: Allowed<StaysRead>,
    Param(property): Param<String>,
    Asked(page): Asked<Page>,
) -> Result<axum::Json<HeldPage>, Problem> {
    let page = cursor::slice::<CommandId>("held", page.cursor.as_deref(), page.limit)?;
    let mut tx = state.store().tenant(allowed.key.tenant).await.map_err(failure::store)?;
    let property = auth::property(&mut tx, &allowed.key, &property).await?;
    let mut rows = tx.held(property.id, page.after, page.rows()).await.map_err(failure::store)?;
    let next_cursor = page.cut(&mut rows, |row| row.command.id());
    let held = rows.iter().map(|row| HeldBody {
        operation: view::operation(&row.command),
        phase: row.phase,
        window: row.window,
    });
    Ok(axum::Json(HeldPage { held: held.collect(), next_cursor }))
}

macro_rules! decisions {
    ($($(#[$doc:meta])* $name:ident: $path:literal, $approve:literal;)*) => {$(
        $(#[$doc])*
        #[utoipa::path(
            post, path = $path, tag = "Held",
            params(
                ("property" = String, Path, description = "The property's id"),
                ("Idempotency-Key" = String, Header, description = "1 to 128 visible characters, new for each new request"),
            ),
            request_body = Decision,
            responses(
                (status = 200, description = "Decided", body = Decided),
                (status = "4XX", description = "Refused, and nothing is decided", body = ProblemBody, content_type = "application/problem+json"),
            ),
            security(("api_key" = ["stays:approve"]))
        )]
        pub(crate) async fn $name(
            State(state): State<AppState>,
            allowed: Allowed<StaysApprove>,
            Param(property): Param<String>,
            headers: HeaderMap,
            body: Json<Decision>,
        ) -> Result<Response, Problem> {
            Box::pin(decide(&state, allowed.key, &property, concat!("POST ", $path), &headers, body, $approve)).await
        }
    )*};
}

decisions! {
    /// Approve requests that are held
    ///
    /// All of them, or those that are named. They go to their stays as if they had been asked now. Another API key than the one that asked
    /// must approve: with one of its own among them nothing is approved.
    approve: "/v1/properties/{property}/held/approve", true;
    /// Reject requests that are held
    ///
    /// All of them, or those that are named. They fail with `approval_refused`, and their stays go on.
    reject: "/v1/properties/{property}/held/reject", false;
}

async fn decide(
    state: &AppState,
    key: ApiKey,
    property: &str,
    route: &'static str,
    headers: &HeaderMap,
    body: Json<Decision>,
    approve: bool,
) -> Result<Response, Problem> {
    let idempotency = idempotency::key(headers)?;
    let scope = IdempotencyScope { client: key.id, route, key: &idempotency };
    let at = Timestamp::now();
    let mut tx = state.store().tenant(key.tenant).await.map_err(failure::store)?;
    let property = auth::property(&mut tx, &key, property).await?;
    if let First::No { status, body } = once::begin(&mut tx, scope, &body.hash, at).await? {
        return once::replay(status, body);
    }
    let rows = asked(&mut tx, &property, &body.value).await?;
    if approve && rows.iter().any(|row| row.command.by == key.id) {
        let detail = "this API key asked for one of them itself";
        return Err(Problem::field(Code::SecondPersonNeeded, "operations", detail));
    }
    let mut operations = Vec::with_capacity(rows.len());
    for row in rows {
        let row = if approve {
            release(&mut tx, &property, row.command, key.id, at).await?
        } else {
            refuse(&mut tx, &property, row.command, key.id, at).await?
        };
        operations.push(view::operation(&row));
    }
    let left = tx.held_count(Some(property.id)).await.map_err(failure::store)?;
    let answer = Decided { operations, left };
    let value = serde_json::to_value(&answer).map_err(Problem::internal)?;
    tx.idempotency_finish(scope, StatusCode::OK.as_u16(), &value).await.map_err(failure::store)?;
    tx.commit().await.map_err(failure::store)?;
    tracing::info!(count = answer.operations.len(), approve, "held requests are decided");
    Ok(axum::Json(answer).into_response())
}

/// The held commands that a decision is about, locked.
async fn asked(tx: &mut TenantTx<'_>, property: &Property, body: &Decision) -> Result<Vec<HeldRow>, Problem> {
    let ids = body.operations.as_deref();
    if ids.is_some_and(|ids| ids.len() > MOST as usize) {
        return Err(Problem::field(Code::InvalidField, "operations", format!("at most {MOST} at once")));
    }
    let rows = tx.lock_held(property.id, ids, MOST).await.map_err(failure::store)?;
    for (n, id) in ids.unwrap_or_default().iter().enumerate() {
        if !rows.iter().any(|row| row.command.id() == *id) {
            let detail = format!("no operation {id} of the property is held");
            return Err(Problem::field(Code::OperationNotHeld, format!("operations[{n}]"), detail));
        }
    }
    Ok(rows)
}

/// Lets a command go, as if it had been asked now.
async fn release(
    tx: &mut TenantTx<'_>,
    property: &Property,
    row: CommandRow,
    by: ApiKeyId,
    at: Timestamp,
) -> Result<CommandRow, Problem> {
    let now = property.clock.now(at);
    let command = Command { at: now, clock: property.clock, ..row.command };
    tx.release_held(&command).await.map_err(failure::store)?;
    let (verb, operation) = (command.verb.kind(), command.id);
    let decided = Event::HoldDecided { verb, operation, approved: true, by };
    tx.append(now, property.id, Some(row.stay), &[decided]).await.map_err(failure::store)?;
    reread(tx, operation).await
}

/// Refuses a command; its stay goes on.
async fn refuse(
    tx: &mut TenantTx<'_>,
    property: &Property,
    row: CommandRow,
    by: ApiKeyId,
    at: Timestamp,
) -> Result<CommandRow, Problem> {
    let now = property.clock.now(at);
    let (verb, operation) = (row.command.verb.kind(), row.id());
    let decided = Event::HoldDecided { verb, operation, approved: false, by };
    tx.append(now, property.id, Some(row.stay), &[decided]).await.map_err(failure::store)?;
    let stay = tx.stay_by_id(row.stay).await.map_err(failure::store)?;
    let stay = stay.ok_or_else(|| Problem::internal("the stay of a held command is gone"))?;
    undo(tx, property, &stay, &row.command, Code::ApprovalRefused, (now, at)).await?;
    reread(tx, operation).await
}

async fn reread(tx: &mut TenantTx<'_>, operation: CommandId) -> Result<CommandRow, Problem> {
    let row = tx.command(operation).await.map_err(failure::store)?;
    row.ok_or_else(|| Problem::internal("a held command has vanished"))
}

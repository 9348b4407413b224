//! Locks of a property that have no room for another code, and who waits there.

use super::Page;
use crate::{
    auth::{self, Allowed},
    cursor,
    dto::{FullLockBody, FullLockPage, WaitingBody},
    extract::{Asked, Param},
    failure,
    problem::{Problem, ProblemBody},
    scope::StaysRead,
    state::AppState,
};
use axum::extract::State;
use lock_domain::{Timestamp, ids::DoorId, slots};
use lock_store::FullLockRow;

/// List full locks
///
/// Locks that have said that they have no room for another code, how many of this service's codes they hold, and the stays that wait for a
/// place there in the order of their turns: who arrives first. A lock leaves the list when it has taken a code more than fitted, and nobody waits.
#[utoipa::path(
    get, path = "/v1/properties/{property}/full-locks", tag = "Devices",
    params(("property" = String, Path, description = "The property's id"), Page),
    responses(
        (status = 200, description = "A page", body = FullLockPage),
        (status = "4XX", description = "Refused", body = ProblemBody, content_type = "application/problem+json"),
    ),
    security(("api_key" = ["stays:read"]))
)]
pub(crate) async fn list(
    State(state): State<AppState>,
    allowed: Allowed<StaysRead>,
    Param(property): Param<String>,
    Asked(page): Asked<Page>,
) -> Result<axum::Json<FullLockPage>, Problem> {
    let page = cursor::slice::<DoorId>("full-locks", page.cursor.as_deref(), page.limit)?;
    let mut tx = state.store().tenant(allowed.key.tenant).await.map_err(failure::store)?;
    let property = auth::property(&mut tx, &allowed.key, &property).await?;
    let rows = tx.full_locks(property.id, page.after, page.rows(), Timestamp::now()).await;
    let mut rows = rows.map_err(failure::store)?;
    let next_cursor = page.cut(&mut rows, |row| row.door);
    Ok(axum::Json(FullLockPage { locks: rows.into_iter().map(lock).collect(), next_cursor }))
}

fn lock(row: FullLockRow) -> FullLockBody {
    let summary = slots::summary(row.fits, row.held, row.waiting.len());
    let waits = |one: lock_store::WaitingRow| WaitingBody {
        stay: one.stay,
        reservation: one.reservation,
        arrives: one.arrives,
        since: one.since,
    };
    let FullLockRow { door, door_name, fits, held, told_at, waiting } = row;
    FullLockBody { door, door_name, summary, fits, held, told_at, waiting: waiting.into_iter().map(waits).collect() }
}

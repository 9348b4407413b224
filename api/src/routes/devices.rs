//! A property's devices, what people have to do at them, and a look at all of them at once.

use super::Page;
use crate::{
    auth::{self, Allowed},
    cursor,
    dto::*,
    extract::{Asked, Json, Param},
    failure, idempotency,
    once::{self, First},
    problem::{Problem, ProblemBody},
    scope::{MaintenanceWrite, StaysRead},
    state::AppState,
};
use axum::{
    extract::State,
    response::{IntoResponse, Response},
};
use http::{HeaderMap, StatusCode};
use lock_domain::{
    Timestamp,
    device::{LOCKS_PER_MINUTE, drift_words},
    event::Event,
    ids::{MaintenanceTaskId, PropertyId},
    problem::Code,
};
use lock_store::{DeviceKind, DeviceRef, DeviceRow, IdempotencyScope, TaskRow};
use serde::Deserialize;
use utoipa::IntoParams;

/// Which maintenance tasks.
#[derive(Debug, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(crate) struct TaskFilter {
    /// Also those that are closed.
    #[serde(default)]
    closed: bool,
    /// `next_cursor` of the page before.
    #[serde(default)]
    cursor: Option<String>,
    /// At most so many, 1 to 500.
    #[serde(default)]
    #[param(minimum = 1, maximum = 500, default = 100)]
    limit: Option<u32>,
}

/// List devices
///
/// Gateways, and the lock of every door: whether they can be reached, their batteries, how far their clocks are off, and what is the matter
/// with them.
#[utoipa::path(
    get, path = "/v1/properties/{property}/devices", tag = "Devices",
    params(("property" = String, Path, description = "The property's id"), Page),
    responses(
        (status = 200, description = "A page", body = DevicePage),
        (status = "4XX", description = "Refused", body = ProblemBody, content_type = "application/problem+json"),
    ),
    security(("api_key" = ["stays:read"]))
)]
pub(crate) async fn list(
    State(state): State<AppState>,
    allowed: Allowed<StaysRead>,
    Param(property): Param<String>,
    Asked(page): Asked<Page>,
) -> Result<axum::Json<DevicePage>, Problem> {
    let page = cursor::slice::<(String, String, String)>("devices", page.cursor.as_deref(), page.limit)?;
    let after = page.after.as_ref().map(|(kind, vendor, id)| (kind.as_str(), vendor.as_str(), id.as_str()));
    let mut tx = state.store().tenant(allowed.key.tenant).await.map_err(failure::store)?;
    let property = auth::property(&mut tx, &allowed.key, &property).await?;
    let mut rows = tx.devices(property.id, after, page.rows()).await.map_err(failure::store)?;
    let place = |row: &DeviceRow| (row.kind.name().to_owned(), row.vendor.clone(), row.id.clone());
    let next_cursor = page.cut(&mut rows, place);
    Ok(axum::Json(DevicePage { devices: rows.iter().map(device).collect(), next_cursor }))
}

/// List maintenance tasks
///
/// What a person has to do at a device, with the reason and the next step. A task closes by itself when a reading is good again.
#[utoipa::path(
    get, path = "/v1/properties/{property}/maintenance-tasks", tag = "Devices",
    params(("property" = String, Path, description = "The property's id"), TaskFilter),
    responses(
        (status = 200, description = "A page", body = MaintenanceTaskPage),
        (status = "4XX", description = "Refused", body = ProblemBody, content_type = "application/problem+json"),
    ),
    security(("api_key" = ["stays:read"]))
)]
pub(crate) async fn tasks(
    State(state): State<AppState>,
    allowed: Allowed<StaysRead>,
    Param(property): Param<String>,
    Asked(filter): Asked<TaskFilter>,
) -> Result<axum::Json<MaintenanceTaskPage>, Problem> {
    let page = cursor::slice::<MaintenanceTaskId>("maintenance-tasks", filter.cursor.as_deref(), filter.limit)?;
    let mut tx = state.store().tenant(allowed.key.tenant).await.map_err(failure::store)?;
    let property = auth::property(&mut tx, &allowed.key, &property).await?;
    let mut rows = tx.tasks(property.id, filter.closed, page.after, page.rows()).await.map_err(failure::store)?;
    let next_cursor = page.cut(&mut rows, |row| row.id);
    let tasks = rows.iter().map(|row| task(property.id, row)).collect();
    Ok(axum::Json(MaintenanceTaskPage { tasks, next_cursor }))
}

/// Close a maintenance task
///
/// Somebody was there. If the next reading of a clock is bad all the same, another task is opened. An alarm (`tampered`) is over with its task:
/// no reading could tell.
#[utoipa::path(
    post, path = "/v1/properties/{property}/maintenance-tasks/{task}/done", tag = "Devices",
    params(
        ("property" = String, Path, description = "The property's id"),
        ("task" = String, Path, description = "The task's id"),
        ("Idempotency-Key" = String, Header, description = "1 to 128 visible characters, new for each new request"),
    ),
    request_body = TaskDone,
    responses(
        (status = 200, description = "The task, closed; one that was closed already stays as it is", body = MaintenanceTaskBody),
        (status = "4XX", description = "Refused", body = ProblemBody, content_type = "application/problem+json"),
    ),
    security(("api_key" = ["maintenance:write"]))
)]
pub(crate) async fn done(
    State(state): State<AppState>,
    allowed: Allowed<MaintenanceWrite>,
    Param((property, id)): Param<(String, String)>,
    headers: HeaderMap,
    asked: Json<TaskDone>,
) -> Result<Response, Problem> {
    let key = idempotency::key(&headers)?;
    let route = "POST /v1/properties/{property}/maintenance-tasks/{task}/done";
    let scope = IdempotencyScope { client: allowed.key.id, route, key: &key };
    let nothing = || Problem::new(Code::NotFound, "the property has no such maintenance task");
    let mut tx = state.store().tenant(allowed.key.tenant).await.map_err(failure::store)?;
    let property = auth::property(&mut tx, &allowed.key, &property).await?;
    let id: MaintenanceTaskId = id.parse().map_err(|_| nothing())?;
    let found = tx.task(property.id, id).await.map_err(failure::store)?.ok_or_else(nothing)?;
    if let First::No { status, body } = once::begin(&mut tx, scope, &asked.hash, Timestamp::now()).await? {
        return once::replay(status, body);
    }
    let TaskRow { reason, device, door, vendor, .. } = found;
    let kind = reason.kind();
    let lock = DeviceRef { property: property.id, vendor: &vendor, kind: DeviceKind::Lock, id: &device };
    if kind.ends_by_hand() {
        // Whoever notes an alarm of this lock waits, or has been waited for.
        tx.hold_device(lock).await.map_err(failure::store)?;
    }
    let present = property.clock.now(Timestamp::now());
    let mut events = Vec::new();
    if tx.finish_task(property.id, id, allowed.key.id, present).await.map_err(failure::store)? {
        let (device, by) = (device.clone(), Some(allowed.key.id));
        events.push(Event::MaintenanceTask { task: id, reason, device: device.clone(), door, open: false, by });
        if kind.ends_by_hand()
            && let Some(raised) = tx.resolve_alert(lock, kind, present).await.map_err(failure::store)?
        {
            let after_s = present.duration_since(raised).as_secs().max(0);
            events.push(Event::HealthResolved { kind, device, door, after_s });
        }
    }
    let row = tx.task(property.id, id).await.map_err(failure::store)?.ok_or_else(nothing)?;
    let answer = task(property.id, &row);
    let value = serde_json::to_value(&answer).map_err(Problem::internal)?;
    tx.idempotency_finish(scope, StatusCode::OK.as_u16(), &value).await.map_err(failure::store)?;
    tx.append(present, property.id, None, &events).await.map_err(failure::store)?;
    tx.commit().await.map_err(failure::store)?;
    Ok(axum::Json(answer).into_response())
}

/// Look at all devices now
///
/// Whatever the hour: batteries, links, and every lock's clock, which is set where that is needed. It goes on in the background at a pace that
/// leaves the gateways to the guests.
#[utoipa::path(
    post, path = "/v1/properties/{property}/maintenance/run", tag = "Devices",
    params(
        ("property" = String, Path, description = "The property's id"),
        ("Idempotency-Key" = String, Header, description = "1 to 128 visible characters, new for each new request"),
    ),
    request_body = RunMaintenance,
    responses(
        (status = 202, description = "It begins", body = MaintenanceRun),
        (status = "4XX", description = "Refused", body = ProblemBody, content_type = "application/problem+json"),
        (status = "5XX", description = "Repeat with the same Idempotency-Key", body = ProblemBody, content_type = "application/problem+json"),
    ),
    security(("api_key" = ["maintenance:write"]))
)]
pub(crate) async fn run(
    State(state): State<AppState>,
    allowed: Allowed<MaintenanceWrite>,
    Param(property): Param<String>,
    headers: HeaderMap,
    asked: Json<RunMaintenance>,
) -> Result<Response, Problem> {
    let key = idempotency::key(&headers)?;
    let route = "POST /v1/properties/{property}/maintenance/run";
    let scope = IdempotencyScope { client: allowed.key.id, route, key: &key };
    let (tenant, now) = (allowed.key.tenant, Timestamp::now());
    let mut tx = state.store().tenant(tenant).await.map_err(failure::store)?;
    let property = auth::property(&mut tx, &allowed.key, &property).await?;
    if let First::No { status, body } = once::begin(&mut tx, scope, &asked.hash, now).await? {
        return once::replay(status, body);
    }
    let answer = MaintenanceRun { asked_at: now, locks_per_minute: LOCKS_PER_MINUTE };
    let value = serde_json::to_value(answer).map_err(Problem::internal)?;
    tx.idempotency_finish(scope, StatusCode::ACCEPTED.as_u16(), &value).await.map_err(failure::store)?;
    // First the workflow, then the commit: asking twice costs one more look, and a look that was answered for and never begins costs trust.
    let begun = state.engine().look_after_devices(tenant, property.id).await;
    begun.map_err(|error| Problem::unavailable("workflow engine", error))?;
    tx.commit().await.map_err(failure::store)?;
    Ok((StatusCode::ACCEPTED, axum::Json(answer)).into_response())
}

fn device(row: &DeviceRow) -> DeviceBody {
    #[expect(clippy::cast_precision_loss, reason = "a drift in milliseconds is far below 2^52")]
    let drift_s = row.drift.map(|drift| drift.as_millis() as f64 / 1e3);
    DeviceBody {
        kind: match row.kind {
            DeviceKind::Gateway => DeviceSort::Gateway,
            DeviceKind::Lock => DeviceSort::Lock,
        },
        vendor: row.vendor.clone(),
        id: row.id.clone(),
        name: row.name.clone(),
        door: row.door,
        door_name: row.door_name.clone(),
        summary: summary(row),
        online: row.online,
        online_since: row.online_since,
        has_gateway: row.has_gateway,
        battery_percent: row.battery_percent,
        drift_s,
        drift_at: row.drift_at,
        drift_source: row.drift_source.map(|source| source.name().to_owned()),
        last_seen: row.seen_at,
        alerts: row
            .alerts
            .iter()
            .map(|alert| DeviceAlertBody {
                kind: alert.kind,
                since: alert.since,
                times: alert.times,
                last_at: alert.last_at,
                meaning: alert.kind.meaning().to_owned(),
            })
            .collect(),
    }
}

/// How a device is, in sentences.
fn summary(row: &DeviceRow) -> String {
    let mut parts = Vec::new();
    match (row.kind, row.online, row.has_gateway) {
        (DeviceKind::Gateway, Some(true), _) => parts.push("It can be reached.".to_owned()),
        (_, Some(false), _) => parts.push("It can't be reached.".to_owned()),
        (DeviceKind::Lock, _, Some(false)) => {
            parts.push("No gateway serves it: nothing can be changed from afar.".to_owned())
        }
        _ => {}
    }
    if let Some(percent) = row.battery_percent {
        parts.push(format!("Its battery has {percent} %."));
    }
    match row.drift {
        Some(drift) if drift.unsigned_abs().as_secs() < 10 => parts.push("Its clock is right.".to_owned()),
        Some(drift) => parts.push(format!("Its clock is {}.", drift_words(drift))),
        None => {}
    }
    parts.extend(row.alerts.iter().map(|alert| alert.kind.meaning().to_owned()));
    if parts.is_empty() { "Nothing is known of it yet.".to_owned() } else { parts.join(" ") }
}

fn task(property: PropertyId, row: &TaskRow) -> MaintenanceTaskBody {
    MaintenanceTaskBody {
        id: row.id,
        property,
        vendor: row.vendor.clone(),
        device: row.device.clone(),
        door: row.door,
        door_name: row.door_name.clone(),
        reason: row.reason,
        why: row.reason.why().to_owned(),
        next_action: row.reason.next_action().to_owned(),
        opened_at: row.opened_at,
        closed_at: row.closed_at,
        closed_by: row.closed_by,
    }
}

//! Inventories: what stands at a property's locks at the vendor, ours and others'. Asked for, followed, read and ended.

use super::Page;
use crate::{
    accept,
    auth::{self, Allowed},
    cursor,
    dto::*,
    extract::{Asked, Json, Param},
    failure, idempotency, inventories,
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
    event::Event,
    ids::{DoorId, InventoryId, PropertyId, ReservationRef, StayId},
    inventory::{Entry, InventoryRef, Listing, Verdict},
    problem::Code,
};
use lock_store::{
    IdempotencyScope, InventoryLockRow, InventoryRow, InventoryScope, LockFilter, LockState, Progress, TenantTx,
};
use serde::Deserialize;
use std::collections::{BTreeMap, BTreeSet};
use utoipa::IntoParams;
use uuid::Uuid;

/// Which locks of an inventory.
#[derive(Debug, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(crate) struct InventoryFilter {
    /// Only locks with something to look at: with a finding, or not read.
    #[serde(default)]
    findings: bool,
    /// `next_cursor` of the page before.
    #[serde(default)]
    cursor: Option<String>,
    /// At most so many, 1 to 500.
    #[serde(default)]
    #[param(minimum = 1, maximum = 500, default = 100)]
    limit: Option<u32>,
}

/// Take an inventory
///
/// Has the vendors list what stands at the property's locks, or at some of them, and compares it with our record: our keys, keys of ours that
/// are missing, keys that should be gone, and codes that are not ours. Nothing is changed at a vendor. It goes on in the background at about
/// 30 locks a minute, so that the vendors' quotas are left to guests; one at a time per property.
#[utoipa::path(
    post, path = "/v1/properties/{property}/inventories", tag = "Inventories",
    params(
        ("property" = String, Path, description = "The property's id"),
        ("Idempotency-Key" = String, Header, description = "1 to 128 visible characters, new for each new request"),
    ),
    request_body = NewInventory,
    responses(
        (status = 202, description = "The inventory", body = InventoryBody),
        (status = "4XX", description = "Refused", body = ProblemBody, content_type = "application/problem+json"),
    ),
    security(("api_key" = ["maintenance:write"]))
)]
pub(crate) async fn take(
    State(state): State<AppState>,
    allowed: Allowed<MaintenanceWrite>,
    Param(property): Param<String>,
    headers: HeaderMap,
    asked: Json<NewInventory>,
) -> Result<Response, Problem> {
    let key = idempotency::key(&headers)?;
    let route = "POST /v1/properties/{property}/inventories";
    let scope = IdempotencyScope { client: allowed.key.id, route, key: &key };
    let (tenant, now) = (allowed.key.tenant, Timestamp::now());
    let mut tx = state.store().tenant(tenant).await.map_err(failure::store)?;
    let property = auth::property(&mut tx, &allowed.key, &property).await?;
    if let First::No { status, body } = once::begin(&mut tx, scope, &asked.hash, now).await? {
        return once::replay(status, body);
    }
    let wanted = wanted(&mut tx, property.id, &asked.value).await?;
    let id = InventoryId::from_uuid(Uuid::now_v7());
    let entered = tx.accept_inventory(id, property.id, &wanted, allowed.key.id, now).await.map_err(failure::store)?;
    let Some(locks) = entered else {
        let other = tx.inventory_under_way(property.id).await.map_err(failure::store)?;
        drop(tx);
        if let Some(inventory) = other {
            // Its workflow may have been terminated: then it goes on from here.
            let begun = inventories::deliver(&state, InventoryRef { tenant, property: property.id, inventory }).await;
            begun
                .inspect_err(|problem| tracing::info!(%inventory, code = %problem.code, "an inventory is not begun"))
                .ok();
        }
        let detail = "another inventory of this property is not done yet";
        return Err(Problem::new(Code::InventoryUnderWay, detail));
    };
    if locks == 0 {
        let detail = "no door of the property fits: check room, door and vendor";
        return Err(Problem::field(Code::InvalidField, "door", detail));
    }
    let row = tx.inventory(id).await.map_err(failure::store)?;
    let row = row.ok_or_else(|| Problem::internal("an inventory got lost"))?;
    let answer = body(&mut tx, &row).await?;
    let kept = serde_json::to_value(&answer).map_err(Problem::internal)?;
    tx.idempotency_finish(scope, StatusCode::ACCEPTED.as_u16(), &kept).await.map_err(failure::store)?;
    let event = Event::InventoryAsked { inventory: id, locks, by: allowed.key.id };
    tx.append(property.clock.now(now), property.id, None, &[event]).await.map_err(failure::store)?;
    tx.commit().await.map_err(failure::store)?;
    // What fails here is made up for by the dispatcher.
    if let Err(problem) =
        inventories::deliver(&state, InventoryRef { tenant, property: property.id, inventory: id }).await
    {
        tracing::info!(inventory = %id, code = %problem.code, "an inventory is begun later");
    }
    Ok((StatusCode::ACCEPTED, axum::Json(answer)).into_response())
}

/// List inventories
///
/// The latest first, each with how far it is and what it has found.
#[utoipa::path(
    get, path = "/v1/properties/{property}/inventories", tag = "Inventories",
    params(("property" = String, Path, description = "The property's id"), Page),
    responses(
        (status = 200, description = "A page", body = InventoryPage),
        (status = "4XX", description = "Refused", body = ProblemBody, content_type = "application/problem+json"),
    ),
    security(("api_key" = ["stays:read"]))
)]
pub(crate) async fn list(
    State(state): State<AppState>,
    allowed: Allowed<StaysRead>,
    Param(property): Param<String>,
    Asked(page): Asked<Page>,
) -> Result<axum::Json<InventoryPage>, Problem> {
    let page = cursor::slice::<InventoryId>("inventories", page.cursor.as_deref(), page.limit)?;
    let mut tx = state.store().tenant(allowed.key.tenant).await.map_err(failure::store)?;
    let property = auth::property(&mut tx, &allowed.key, &property).await?;
    let mut rows = tx.inventories(property.id, page.after, page.rows()).await.map_err(failure::store)?;
    let next_cursor = page.cut(&mut rows, |row| row.id);
    let mut inventories = Vec::with_capacity(rows.len());
    for row in &rows {
        inventories.push(body(&mut tx, row).await?);
    }
    Ok(axum::Json(InventoryPage { inventories, next_cursor }))
}

/// Follow an inventory
#[utoipa::path(
    get, path = "/v1/properties/{property}/inventories/{inventory}", tag = "Inventories",
    params(
        ("property" = String, Path, description = "The property's id"),
        ("inventory" = String, Path, description = "The inventory's id"),
    ),
    responses(
        (status = 200, description = "How far it is, and what it has found so far", body = InventoryBody),
        (status = "4XX", description = "Refused", body = ProblemBody, content_type = "application/problem+json"),
    ),
    security(("api_key" = ["stays:read"]))
)]
pub(crate) async fn show(
    State(state): State<AppState>,
    allowed: Allowed<StaysRead>,
    Param((property, id)): Param<(String, String)>,
) -> Result<axum::Json<InventoryBody>, Problem> {
    let mut tx = state.store().tenant(allowed.key.tenant).await.map_err(failure::store)?;
    let property = auth::property(&mut tx, &allowed.key, &property).await?;
    let row = find(&mut tx, property.id, &id).await?;
    Ok(axum::Json(body(&mut tx, &row).await?))
}

/// Read an inventory's locks
///
/// Each with what stands at it and what is missed, or why it was not read. Those that are still to be read come as `waiting`.
#[utoipa::path(
    get, path = "/v1/properties/{property}/inventories/{inventory}/locks", tag = "Inventories",
    params(
        ("property" = String, Path, description = "The property's id"),
        ("inventory" = String, Path, description = "The inventory's id"),
        InventoryFilter,
    ),
    responses(
        (status = 200, description = "A page", body = InventoryLockPage),
        (status = "4XX", description = "Refused", body = ProblemBody, content_type = "application/problem+json"),
    ),
    security(("api_key" = ["stays:read"]))
)]
pub(crate) async fn locks(
    State(state): State<AppState>,
    allowed: Allowed<StaysRead>,
    Param((property, id)): Param<(String, String)>,
    Asked(filter): Asked<InventoryFilter>,
) -> Result<axum::Json<InventoryLockPage>, Problem> {
    let page = cursor::slice::<u32>("inventory-locks", filter.cursor.as_deref(), filter.limit)?;
    let mut tx = state.store().tenant(allowed.key.tenant).await.map_err(failure::store)?;
    let property = auth::property(&mut tx, &allowed.key, &property).await?;
    let inventory = find(&mut tx, property.id, &id).await?;
    let which = LockFilter { after: page.after.unwrap_or(0), findings: filter.findings, limit: page.rows() };
    let mut rows = tx.inventory_locks(inventory.id, which).await.map_err(failure::store)?;
    let next_cursor = page.cut(&mut rows, |row| row.place);
    let stays: BTreeSet<StayId> = rows.iter().flat_map(|row| &row.entries).filter_map(|entry| entry.stay).collect();
    let reservations = tx.reservations_of(&stays).await.map_err(failure::store)?;
    let locks = rows.into_iter().map(|row| lock(row, &reservations)).collect();
    Ok(axum::Json(InventoryLockPage { locks, next_cursor }))
}

/// End an inventory
///
/// No further lock is read; what was read stays. One that is over stays as it is.
#[utoipa::path(
    post, path = "/v1/properties/{property}/inventories/{inventory}/cancel", tag = "Inventories",
    params(
        ("property" = String, Path, description = "The property's id"),
        ("inventory" = String, Path, description = "The inventory's id"),
        ("Idempotency-Key" = String, Header, description = "1 to 128 visible characters, new for each new request"),
    ),
    request_body = CancelInventory,
    responses(
        (status = 200, description = "The inventory, ended", body = InventoryBody),
        (status = "4XX", description = "Refused", body = ProblemBody, content_type = "application/problem+json"),
    ),
    security(("api_key" = ["maintenance:write"]))
)]
pub(crate) async fn cancel(
    State(state): State<AppState>,
    allowed: Allowed<MaintenanceWrite>,
    Param((property, id)): Param<(String, String)>,
    headers: HeaderMap,
    asked: Json<CancelInventory>,
) -> Result<Response, Problem> {
    let key = idempotency::key(&headers)?;
    let route = "POST /v1/properties/{property}/inventories/{inventory}/cancel";
    let scope = IdempotencyScope { client: allowed.key.id, route, key: &key };
    let now = Timestamp::now();
    let mut tx = state.store().tenant(allowed.key.tenant).await.map_err(failure::store)?;
    let property = auth::property(&mut tx, &allowed.key, &property).await?;
    let found = find(&mut tx, property.id, &id).await?;
    if let First::No { status, body } = once::begin(&mut tx, scope, &asked.hash, now).await? {
        return once::replay(status, body);
    }
    let ended = tx.end_inventory(found.id, Some(allowed.key.id), now).await.map_err(failure::store)?;
    let row = find(&mut tx, property.id, &id).await?;
    let answer = body(&mut tx, &row).await?;
    let value = serde_json::to_value(&answer).map_err(Problem::internal)?;
    tx.idempotency_finish(scope, StatusCode::OK.as_u16(), &value).await.map_err(failure::store)?;
    if ended {
        let (read, all) = (answer.locks.read, answer.locks.all);
        let (inventory, found) = (found.id, answer.found);
        let event = Event::InventoryFinished { inventory, cancelled: true, read, not_read: all - read, found };
        tx.append(property.clock.now(now), property.id, None, &[event]).await.map_err(failure::store)?;
    }
    tx.commit().await.map_err(failure::store)?;
    Ok(axum::Json(answer).into_response())
}

async fn wanted(tx: &mut TenantTx<'_>, property: PropertyId, asked: &NewInventory) -> Result<InventoryScope, Problem> {
    let room = match &asked.room {
        Some(text) => Some(accept::room(tx, property, text).await?.id),
        None => None,
    };
    let door = asked.door.as_deref().map(str::parse::<DoorId>).transpose();
    let door = door.map_err(|_| Problem::field(Code::InvalidField, "door", "not the id of a door"))?;
    if asked.vendor.as_ref().is_some_and(|name| !(1..=60).contains(&name.len()) || name.contains('\0')) {
        return Err(Problem::field(Code::InvalidField, "vendor", "the name of one of the property's vendors"));
    }
    Ok(InventoryScope { room, door, vendor: asked.vendor.clone() })
}

async fn find(tx: &mut TenantTx<'_>, property: PropertyId, id: &str) -> Result<InventoryRow, Problem> {
    let nothing = || Problem::new(Code::NotFound, "the property has no such inventory");
    let id: InventoryId = id.parse().map_err(|_| nothing())?;
    let found = tx.inventory(id).await.map_err(failure::store)?;
    found.filter(|row| row.property == property).ok_or_else(nothing)
}

async fn body(tx: &mut TenantTx<'_>, row: &InventoryRow) -> Result<InventoryBody, Problem> {
    let by_vendor = tx.inventory_progress(row.id).await.map_err(failure::store)?;
    let mut all = Progress::default();
    by_vendor.values().for_each(|progress| all.add(progress));
    let vendor = |(name, progress): (String, Progress)| {
        let listing = Listing::of(&name);
        InventoryVendor {
            vendor: name,
            can_list: listing.can(),
            kinds: listing.kinds.to_vec(),
            without: listing.without.to_owned(),
            locks: progress.all(),
        }
    };
    Ok(InventoryBody {
        id: row.id,
        state: row.state.name().to_owned(),
        room: row.scope.room,
        door: row.scope.door,
        vendor: row.scope.vendor.clone(),
        locks: InventoryProgress {
            all: all.all(),
            waiting: all.waiting,
            read: all.read,
            not_read: all.not_read,
            cannot_list: all.cannot_list,
        },
        found: all.found,
        findings: all.found.findings(),
        vendors: by_vendor.into_iter().map(vendor).collect(),
        accepted_at: row.accepted_at,
        begun_at: row.begun_at,
        finished_at: row.finished_at,
    })
}

fn lock(row: InventoryLockRow, reservations: &BTreeMap<StayId, ReservationRef>) -> InventoryLockBody {
    let summary = summary(&row);
    let (room, room_number) = row.room.unzip();
    InventoryLockBody {
        door: row.door,
        door_name: row.door_name,
        room,
        room_number,
        vendor: row.vendor,
        lock: row.vendor_lock_id,
        state: row.state.name().to_owned(),
        code: row.code,
        summary,
        online: row.online,
        at: row.at,
        credentials: row.entries.into_iter().map(|entry| credential(entry, reservations)).collect(),
    }
}

fn summary(row: &InventoryLockRow) -> String {
    let findings = row.entries.iter().filter(|entry| entry.verdict.is_finding()).count();
    let said = match (row.state, row.code) {
        (LockState::Waiting, _) => "Still to be read.".to_owned(),
        (LockState::NotRead, Some(code)) => format!("Not read: {}. {}", code.title(), code.remedy()),
        (LockState::NotRead, None) => "Not read.".to_owned(),
        (LockState::CannotList, _) => format!("Nobody knows what stands here. {}", Listing::of(&row.vendor).without),
        (LockState::Read, _) if row.entries.is_empty() => "Nothing stands here.".to_owned(),
        (LockState::Read, _) if row.entries.iter().all(|entry| entry.verdict == Verdict::AsRecorded) => {
            "Everything here is ours and as recorded.".to_owned()
        }
        (LockState::Read, _) if findings == 0 => "Nothing to look at.".to_owned(),
        (LockState::Read, _) => format!("{findings} of {} to look at.", row.entries.len()),
    };
    if row.state == LockState::Read && row.online == Some(false) {
        return format!("{said} The lock is out of reach: the vendor's list may be ahead of what the lock holds.");
    }
    said
}

fn credential(entry: Entry, reservations: &BTreeMap<StayId, ReservationRef>) -> InventoryEntry {
    InventoryEntry {
        verdict: entry.verdict,
        summary: entry.verdict.words().to_owned(),
        ours: entry.credential.is_some(),
        kind: entry.kind,
        vendor_id: entry.reference,
        named_as_ours: entry.named_as_ours,
        window: entry.window,
        opens: entry.opens,
        at_lock: entry.at_lock,
        stay: entry.stay,
        reservation: entry.stay.and_then(|stay| reservations.get(&stay)).map(ReservationRef::to_string),
        key: entry.key,
        credential: entry.credential,
        state: entry.state,
        recorded_window: entry.recorded,
    }
}

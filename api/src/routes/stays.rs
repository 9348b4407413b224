//! Reading stays: one, many, and what happened to one.

use super::{limit, verbs::reservation};
use crate::{
    auth::{self, Allowed},
    cursor,
    dto::*,
    extract::{Asked, Param},
    failure,
    problem::{Problem, ProblemBody},
    scope::StaysRead,
    state::AppState,
    view,
};
use axum::{Json, extract::State};
use lock_domain::{
    Timestamp,
    ids::{DoorId, IdError, ReservationRef, StayId},
    problem::Code,
    stay::{StayKind, StayPhase},
};
use lock_store::{StayFilter, StayRow, TenantTx};
use serde::Deserialize;
use std::collections::BTreeMap;
use utoipa::IntoParams;

/// Which stays.
#[derive(Debug, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(crate) struct Filter {
    /// Guests' stays, or keys that open a room once.
    #[serde(default)]
    #[param(inline)]
    kind: StayKind,
    /// In this phase.
    #[serde(default)]
    phase: Option<StayPhase>,
    /// Arriving at this instant or later, RFC 3339.
    #[serde(default)]
    #[param(value_type = Option<String>, format = DateTime)]
    arrival_from: Option<Timestamp>,
    /// Arriving before this instant, RFC 3339.
    #[serde(default)]
    #[param(value_type = Option<String>, format = DateTime)]
    arrival_until: Option<Timestamp>,
    /// In the room of this id or number.
    #[serde(default)]
    room: Option<String>,
    /// Of this reservation: also its stays that are over.
    #[serde(default)]
    reservation: Option<String>,
    /// Only those that a person should look at.
    #[serde(default)]
    needs_attention: bool,
    /// `next_cursor` of the page before.
    #[serde(default)]
    cursor: Option<String>,
    /// At most so many, 1 to 500.
    #[serde(default)]
    #[param(minimum = 1, maximum = 500, default = 100)]
    limit: Option<u32>,
}

/// List stays
///
/// In the order in which they were accepted.
#[utoipa::path(
    get, path = "/v1/properties/{property}/stays", tag = "Stays",
    params(("property" = String, Path, description = "The property's id"), Filter),
    responses(
        (status = 200, description = "A page", body = StayPage),
        (status = "4XX", description = "Refused", body = ProblemBody, content_type = "application/problem+json"),
    ),
    security(("api_key" = ["stays:read"]))
)]
pub(crate) async fn list(
    State(state): State<AppState>,
    allowed: Allowed<StaysRead>,
    Param(property): Param<String>,
    Asked(filter): Asked<Filter>,
) -> Result<Json<StayPage>, Problem> {
    let page = cursor::slice::<StayId>("stays", filter.cursor.as_deref(), filter.limit)?;
    let mut tx = state.store().tenant(allowed.key.tenant).await.map_err(failure::store)?;
    let property = auth::property(&mut tx, &allowed.key, &property).await?;
    let room = match &filter.room {
        None => None,
        Some(text) => Some(crate::accept::room(&mut tx, property.id, text).await?.id),
    };
    let wanted = StayFilter {
        kind: Some(filter.kind),
        phases: filter.phase.into_iter().collect(),
        arrival_from: filter.arrival_from,
        arrival_until: filter.arrival_until,
        room,
        reservation: filter
            .reservation
            .as_deref()
            .map(|text| text.parse())
            .transpose()
            .map_err(|error: IdError| Problem::field(Code::InvalidField, "reservation", error.to_string()))?,
        needs_attention: filter.needs_attention,
        after: page.after,
        limit: page.rows(),
    };
    let mut rows = tx.stays(property.id, &wanted).await.map_err(failure::store)?;
    let next_cursor = page.cut(&mut rows, |row| row.id);
    Ok(Json(StayPage { stays: rows.iter().map(view::line).collect(), next_cursor }))
}

/// Read a stay
///
/// With its keys and their presence in each lock: what was asked for, what the lock keeps, why, and until when. Of a reservation that was
/// reinstated it is the latest stay; an earlier one is shown by its own id, which `GET …/stays?reservation=` lists.
#[utoipa::path(
    get, path = "/v1/properties/{property}/stays/{reservation}", tag = "Stays",
    params(
        ("property" = String, Path, description = "The property's id"),
        ("reservation" = ReservationRef, Path, description = "The PMS's reference"),
    ),
    responses(
        (status = 200, description = "The stay", body = StayBody),
        (status = "4XX", description = "Refused", body = ProblemBody, content_type = "application/problem+json"),
    ),
    security(("api_key" = ["stays:read"]))
)]
pub(crate) async fn show(
    State(state): State<AppState>,
    allowed: Allowed<StaysRead>,
    Param((property, name)): Param<(String, String)>,
) -> Result<Json<StayBody>, Problem> {
    let mut tx = state.store().tenant(allowed.key.tenant).await.map_err(failure::store)?;
    let property = auth::property(&mut tx, &allowed.key, &property).await?;
    let stay = find(&mut tx, &property, &name).await?;
    let mut body = view::load(&mut tx, &property, stay.id, None, None).await?;
    view::tell_clocks(&mut tx, &property, &mut body).await?;
    Ok(Json(body))
}

/// Read what happened to a stay
///
/// In words, oldest first, on the property's clock.
#[utoipa::path(
    get, path = "/v1/properties/{property}/stays/{reservation}/timeline", tag = "Stays",
    params(
        ("property" = String, Path, description = "The property's id"),
        ("reservation" = ReservationRef, Path, description = "The PMS's reference"),
        super::Page,
    ),
    responses(
        (status = 200, description = "The lines", body = Timeline),
        (status = "4XX", description = "Refused", body = ProblemBody, content_type = "application/problem+json"),
    ),
    security(("api_key" = ["stays:read"]))
)]
pub(crate) async fn timeline(
    State(state): State<AppState>,
    allowed: Allowed<StaysRead>,
    Param((property, name)): Param<(String, String)>,
    Asked(page): Asked<super::Page>,
) -> Result<Json<Timeline>, Problem> {
    let limit = limit(page.limit)?;
    let after: Option<u64> = page.cursor.as_deref().map(|c| cursor::decode("timeline", c)).transpose()?;
    let mut tx = state.store().tenant(allowed.key.tenant).await.map_err(failure::store)?;
    let property = auth::property(&mut tx, &allowed.key, &property).await?;
    let stay = find(&mut tx, &property, &name).await?;
    let doors = tx.doors(property.id).await.map_err(failure::store)?;
    let names: BTreeMap<DoorId, String> = doors.into_iter().map(|door| (door.id, door.name)).collect();
    let rows = tx.timeline(stay.id, after, limit).await.map_err(failure::store)?;
    let next_cursor = rows.last().map(|row| cursor::encode("timeline", row.seq));
    let name = |door: DoorId| names.get(&door).cloned().unwrap_or_else(|| door.to_string());
    let lines = rows.iter().map(|row| TimelineLine {
        at: row.at,
        text: row
            .event()
            .map_or_else(|| format!("Something newer than this version: {}.", row.kind), |e| e.sentence(name)),
        kind: row.kind.clone(),
        event: row.id,
    });
    Ok(Json(Timeline { reservation: stay.reservation.clone(), lines: lines.collect(), next_cursor }))
}

/// A stay of a path: a reservation's latest, or the one of this id.
pub(crate) async fn find(
    tx: &mut TenantTx<'_>,
    property: &lock_store::Property,
    name: &str,
) -> Result<StayRow, Problem> {
    let mut found = tx.stay(property.id, &reservation(name)?).await.map_err(failure::store)?;
    if let (None, Ok(id)) = (&found, name.parse::<StayId>()) {
        let by_id = tx.stay_by_id(id).await.map_err(failure::store)?;
        found = by_id.filter(|stay| stay.property == property.id);
    }
    found.ok_or_else(|| Problem::new(Code::StayNotFound, "the property has no stay under this reservation"))
}

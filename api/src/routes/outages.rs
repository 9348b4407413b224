//! Outages of lock vendors: notices of them, what each touched, and the desk's list.

use super::Page;
use crate::{
    auth::{self, Allowed},
    cursor,
    dto::{DeskBody, DeskLine, DrainStepBody, NoticeBody, NoticePage, OutageBody, Reason, ServedBody, TouchedBody},
    extract::{Asked, Json, Param},
    failure, idempotency,
    once::{self, First},
    problem::{Problem, ProblemBody},
    scope::{StaysRead, StaysWrite},
    state::AppState,
};
use axum::{extract::State, response::Response};
use http::HeaderMap;
use lock_domain::{
    Timestamp,
    credential::CredentialState,
    drain::OnVendorDown,
    event::Event,
    health::outage_notice,
    ids::{OutageId, ReservationRef},
    problem::Code,
};
use lock_store::{DeskRow, IdempotencyScope, OutageRow};

/// No answer lists more of one outage; a larger one is read from the event log.
const MOST: u32 = 10_000;

/// List notices of outages
///
/// Those that last and those that are over, the latest first, each with a text for a status page.
#[utoipa::path(
    get, path = "/v1/notices", tag = "Outages", params(Page),
    responses(
        (status = 200, description = "A page", body = NoticePage),
        (status = "4XX", description = "Refused", body = ProblemBody, content_type = "application/problem+json"),
    ),
    security(("api_key" = ["stays:read"]))
)]
pub(crate) async fn notices(
    State(state): State<AppState>,
    allowed: Allowed<StaysRead>,
    Asked(page): Asked<Page>,
) -> Result<axum::Json<NoticePage>, Problem> {
    let page = cursor::slice::<OutageId>("notices", page.cursor.as_deref(), page.limit)?;
    let mut tx = state.store().tenant(allowed.key.tenant).await.map_err(failure::store)?;
    let rows = tx.outages(allowed.key.properties.as_deref(), page.after, page.rows()).await;
    let mut rows = rows.map_err(failure::store)?;
    let next_cursor = page.cut(&mut rows, |row| row.id);
    Ok(axum::Json(NoticePage { notices: rows.iter().map(notice).collect(), next_cursor }))
}

/// Read an outage
///
/// Everything that it touched: where stays that waited went, and each credential at the vendor's doors that was held back or tried while it
/// lasted, with where it stands now.
#[utoipa::path(
    get, path = "/v1/outages/{outage}", tag = "Outages",
    params(("outage" = String, Path, description = "The outage's id")),
    responses(
        (status = 200, description = "The outage", body = OutageBody),
        (status = "4XX", description = "Refused", body = ProblemBody, content_type = "application/problem+json"),
    ),
    security(("api_key" = ["stays:read"]))
)]
pub(crate) async fn show(
    State(state): State<AppState>,
    allowed: Allowed<StaysRead>,
    Param(outage): Param<String>,
) -> Result<axum::Json<OutageBody>, Problem> {
    let nothing = || Problem::new(Code::NotFound, "no such outage is visible to this API key");
    let id: OutageId = outage.parse().map_err(|_| nothing())?;
    let mut tx = state.store().tenant(allowed.key.tenant).await.map_err(failure::store)?;
    let row = tx.outage(id).await.map_err(failure::store)?;
    let row = row.filter(|row| allowed.key.may_touch(row.property)).ok_or_else(nothing)?;
    let steps = tx.steps_of(id, MOST).await.map_err(failure::store)?;
    let touched = tx.touched_by(id, MOST).await.map_err(failure::store)?;
    let credentials: Vec<TouchedBody> = touched
        .into_iter()
        .map(|row| TouchedBody {
            stay: row.stay,
            reservation: row.reservation,
            key: row.key,
            credential: row.credential,
            door: row.door,
            held: row.held,
            sent: row.sent,
            unconfirmed: row.unconfirmed,
            state: row.state,
            resolved: matches!(row.state, CredentialState::Live | CredentialState::Gone | CredentialState::Planned),
        })
        .collect();
    let steps = steps.into_iter().map(|row| DrainStepBody {
        place: row.place,
        stay: row.stay,
        reservation: row.reservation,
        channel: row.channel,
        state: row.state,
        reason: row.code.map(Reason::from),
    });
    Ok(axum::Json(OutageBody {
        notice: notice(&row),
        steps: steps.collect(),
        unresolved: credentials.iter().filter(|one| !one.resolved).count(),
        credentials,
    }))
}

fn notice(row: &OutageRow) -> NoticeBody {
    let (outage, vendor, since) = (row.id, row.vendor.clone(), row.opened_at);
    let event = match row.closed_at {
        None => Event::VendorOutage { outage, vendor, since, code: row.code },
        Some(over) => Event::VendorOutageOver { outage, vendor, since, after_s: over.duration_since(since).as_secs() },
    };
    NoticeBody {
        outage: row.id,
        property: row.property,
        vendor: row.vendor.clone(),
        since: row.opened_at,
        over: row.closed_at,
        reason: row.code.map(Reason::from),
        event: event.name().to_owned(),
        text: outage_notice(&row.vendor, row.opened_at, row.code, row.closed_at),
    }
}

/// List guests whom the desk lets in
///
/// While a vendor is down: guests who arrive soon and whose keys can't be made elsewhere, in the order of arrival, each with the reason and
/// the next step. Who is not served when the vendor is back vanishes from the list by himself.
#[utoipa::path(
    get, path = "/v1/properties/{property}/desk", tag = "Outages",
    params(("property" = String, Path, description = "The property's id")),
    responses(
        (status = 200, description = "The list", body = DeskBody),
        (status = "4XX", description = "Refused", body = ProblemBody, content_type = "application/problem+json"),
    ),
    security(("api_key" = ["stays:read"]))
)]
pub(crate) async fn desk(
    State(state): State<AppState>,
    allowed: Allowed<StaysRead>,
    Param(property): Param<String>,
) -> Result<axum::Json<DeskBody>, Problem> {
    let mut tx = state.store().tenant(allowed.key.tenant).await.map_err(failure::store)?;
    let property = auth::property(&mut tx, &allowed.key, &property).await?;
    let rows = tx.desk(property.id, MOST).await.map_err(failure::store)?;
    Ok(axum::Json(DeskBody { guests: rows.into_iter().map(line).collect() }))
}

fn line(row: DeskRow) -> DeskLine {
    let why = row.code.map_or("an operator has taken it out of use", Code::title);
    let elsewhere = match row.refused {
        None => "no other vendor had a free place at a door of the room".to_owned(),
        Some(code) => format!("another vendor could not take it: {}", code.title()),
    };
    DeskLine {
        next_action: format!(
            "Let the guest into room {} by a staff card or a key from the safe, then mark `{}` as served. Repeat nothing: the stay's own key is made \
             when {} is back.",
            row.room, row.reservation, row.vendor
        ),
        reason: format!("{} is down ({why}), and {elsewhere}.", row.vendor),
        reservation: row.reservation,
        stay: row.stay,
        room: row.room,
        arrival: row.arrival,
        since: row.since,
        outage: row.outage,
    }
}

/// Say that the desk has let a guest in
///
/// He leaves the list. His stay is as before: its own key is made when the vendor is back.
#[utoipa::path(
    post, path = "/v1/properties/{property}/desk/{reservation}/served", tag = "Outages",
    params(
        ("property" = String, Path, description = "The property's id"),
        ("reservation" = String, Path, description = "The PMS's reference"),
        ("Idempotency-Key" = String, Header, description = "1 to 128 visible characters, new for each new request"),
    ),
    request_body = crate::dto::Nothing,
    responses(
        (status = 200, description = "Noted, if the guest was on the list", body = ServedBody),
        (status = "4XX", description = "Refused", body = ProblemBody, content_type = "application/problem+json"),
    ),
    security(("api_key" = ["stays:write"]))
)]
pub(crate) async fn served(
    State(state): State<AppState>,
    allowed: Allowed<StaysWrite>,
    Param((property, reservation)): Param<(String, String)>,
    headers: HeaderMap,
    body: Json<crate::dto::Nothing>,
) -> Result<Response, Problem> {
    let key = idempotency::key(&headers)?;
    let route = "POST /v1/properties/{property}/desk/{reservation}/served";
    let scope = IdempotencyScope { client: allowed.key.id, route, key: &key };
    let at = Timestamp::now();
    let mut tx = state.store().tenant(allowed.key.tenant).await.map_err(failure::store)?;
    let property = auth::property(&mut tx, &allowed.key, &property).await?;
    let nothing = || Problem::new(Code::StayNotFound, "the property has no stay under this reservation");
    let reservation: ReservationRef = reservation.parse().map_err(|_| nothing())?;
    let stay = tx.stay(property.id, &reservation).await.map_err(failure::store)?.ok_or_else(nothing)?;
    if let First::No { status, body } = once::begin(&mut tx, scope, &body.hash, at).await? {
        return once::replay(status, body);
    }
    let off = tx.served_at_desk(property.id, &reservation, allowed.key.id, at).await.map_err(failure::store)?;
    let events: Vec<Event> =
        off.iter().map(|(outage, _)| Event::ServedAtDesk { outage: *outage, by: allowed.key.id }).collect();
    tx.append(property.clock.now(at), property.id, Some(stay.id), &events).await.map_err(failure::store)?;
    once::finish(tx, scope, ServedBody { reservation, served: !off.is_empty() }).await
}

/// Read what happens to stays when a vendor is down
#[utoipa::path(
    get, path = "/v1/properties/{property}/on-vendor-down", tag = "Outages",
    params(("property" = String, Path, description = "The property's id")),
    responses(
        (status = 200, description = "The choices", body = OnVendorDown),
        (status = "4XX", description = "Refused", body = ProblemBody, content_type = "application/problem+json"),
    ),
    security(("api_key" = ["stays:read"]))
)]
pub(crate) async fn choices(
    State(state): State<AppState>,
    allowed: Allowed<StaysRead>,
    Param(property): Param<String>,
) -> Result<axum::Json<OnVendorDown>, Problem> {
    let mut tx = state.store().tenant(allowed.key.tenant).await.map_err(failure::store)?;
    let property = auth::property(&mut tx, &allowed.key, &property).await?;
    Ok(axum::Json(tx.on_vendor_down(property.id).await.map_err(failure::store)?))
}

/// Replace what happens to stays when a vendor is down
///
/// After how long stays that wait go elsewhere, where, and which of them. Fields that are left out get their defaults. It counts from the next
/// look on, also in an outage that has begun.
#[utoipa::path(
    put, path = "/v1/properties/{property}/on-vendor-down", tag = "Outages",
    params(
        ("property" = String, Path, description = "The property's id"),
        ("Idempotency-Key" = String, Header, description = "1 to 128 visible characters, new for each new request"),
    ),
    request_body = OnVendorDown,
    responses(
        (status = 200, description = "The choices", body = OnVendorDown),
        (status = "4XX", description = "Refused", body = ProblemBody, content_type = "application/problem+json"),
    ),
    security(("api_key" = ["policy:write"]))
)]
pub(crate) async fn choose(
    State(state): State<AppState>,
    allowed: Allowed<crate::scope::PolicyWrite>,
    Param(property): Param<String>,
    headers: HeaderMap,
    body: Json<OnVendorDown>,
) -> Result<Response, Problem> {
    let key = idempotency::key(&headers)?;
    let scope =
        IdempotencyScope { client: allowed.key.id, route: "PUT /v1/properties/{property}/on-vendor-down", key: &key };
    let mut tx = state.store().tenant(allowed.key.tenant).await.map_err(failure::store)?;
    let property = auth::property(&mut tx, &allowed.key, &property).await?;
    let vendors = tx.property_vendors(property.id).await.map_err(failure::store)?;
    let standby: Vec<String> =
        vendors.into_iter().filter(|v| v.standby_rank.is_some()).map(|vendor| vendor.vendor).collect();
    body.value.check(&standby).map_err(|error| {
        let field = match &error {
            lock_domain::drain::DrainPolicyError::Range(range) => range.field,
            _ => "channels",
        };
        Problem::field(Code::InvalidField, field, error.to_string())
    })?;
    if let First::No { status, body } = once::begin(&mut tx, scope, &body.hash, Timestamp::now()).await? {
        return once::replay(status, body);
    }
    tx.set_on_vendor_down(property.id, &body.value).await.map_err(failure::store)?;
    once::finish(tx, scope, body.value).await
}

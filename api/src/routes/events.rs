//! The tenant's event log, by cursor.

use super::limit;
use crate::{
    auth::Allowed,
    cursor,
    dto::{EventBody, EventPage},
    extract::Asked,
    failure,
    problem::{Problem, ProblemBody},
    scope::EventsRead,
    state::AppState,
};
use axum::{Json, extract::State};
use serde::Deserialize;
use utoipa::IntoParams;

/// Where to go on.
#[derive(Debug, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(crate) struct From {
    /// `next_cursor` of the page before; left out, from the first event on.
    #[serde(default)]
    after: Option<String>,
    /// At most so many, 1 to 500.
    #[serde(default)]
    #[param(minimum = 1, maximum = 500, default = 100)]
    limit: Option<u32>,
}

/// Read the event log
///
/// Everything that happened, in one order without gaps, for as long as the log is kept. Ask again with `next_cursor`, also after an
/// empty page. A key of some properties sees the events of those.
#[utoipa::path(
    get, path = "/v1/events", tag = "Events", params(From),
    responses(
        (status = 200, description = "A page", body = EventPage),
        (status = "4XX", description = "Refused", body = ProblemBody, content_type = "application/problem+json"),
    ),
    security(("api_key" = ["events:read"]))
)]
pub(crate) async fn list(
    State(state): State<AppState>,
    allowed: Allowed<EventsRead>,
    Asked(from): Asked<From>,
) -> Result<Json<EventPage>, Problem> {
    let limit = limit(from.limit)?;
    let decode = |text: &str| {
        let place: Result<Option<u64>, Problem> = cursor::decode("events", text);
        place.map_err(|problem| Problem { field: Some("after".to_owned()), ..problem })
    };
    let after = from.after.as_deref().map(decode).transpose()?.flatten();
    let mut tx = state.store().tenant(allowed.key.tenant).await.map_err(failure::store)?;
    let rows = tx.events_after(after, limit, allowed.key.properties.as_deref()).await.map_err(failure::store)?;
    let next_cursor = cursor::encode("events", rows.last().map(|row| row.seq).or(after));
    let events = rows.into_iter().map(|row| EventBody {
        id: row.id,
        seq: row.seq,
        kind: row.kind,
        at: row.at,
        property: row.property,
        stay: row.stay,
        data: row.payload,
    });
    Ok(Json(EventPage { events: events.collect(), next_cursor }))
}

//! What has come in from vendors and partners, and what became of it.

use super::Page;
use crate::{
    auth::{self, Allowed},
    cursor,
    dto::{DeliveryBody, InboundPage, StreamBody},
    extract::{Asked, Param},
    failure,
    problem::{Problem, ProblemBody},
    scope::WebhooksWrite,
    state::AppState,
};
use axum::extract::State;
use lock_domain::Timestamp;
use lock_store::{DeliverySeen, StreamRow};

fn stream(row: StreamRow, now: Timestamp) -> StreamBody {
    StreamBody {
        listening: row.leased_until.is_some_and(|until| until > now),
        vendor: row.vendor,
        listening_since: row.listening_since,
        heard_at: row.heard_at,
        trouble: row.trouble,
    }
}

fn delivery(seen: DeliverySeen) -> DeliveryBody {
    let DeliverySeen { id, endpoint, sender, meaning, received_at, state, attempts, settled_at, trouble } = seen;
    DeliveryBody { id, endpoint, sender, meaning, received_at, state, attempts, settled_at, trouble }
}

/// List what has come in
///
/// Webhooks that were genuine, newest first, for 30 days, with what each gave reason for and whether it has led to it; bodies are not shown. And
/// vendors' streams of events: whether somebody listens, and why not.
#[utoipa::path(
    get, path = "/v1/properties/{property}/inbound", tag = "Webhooks in",
    params(("property" = String, Path, description = "The property's id"), Page),
    responses(
        (status = 200, description = "A page", body = InboundPage),
        (status = "4XX", description = "Refused", body = ProblemBody, content_type = "application/problem+json"),
    ),
    security(("api_key" = ["webhooks:write"]))
)]
pub(crate) async fn list(
    State(state): State<AppState>,
    allowed: Allowed<WebhooksWrite>,
    Param(property): Param<String>,
    Asked(page): Asked<Page>,
) -> Result<axum::Json<InboundPage>, Problem> {
    let page = cursor::slice("inbound", page.cursor.as_deref(), page.limit)?;
    let now = Timestamp::now();
    let mut tx = state.store().tenant(allowed.key.tenant).await.map_err(failure::store)?;
    let property = auth::property(&mut tx, &allowed.key, &property).await?;
    let streams = tx.streams(property.id).await.map_err(failure::store)?;
    let mut rows = tx.deliveries_seen(property.id, page.after, page.rows()).await.map_err(failure::store)?;
    let next_cursor = page.cut(&mut rows, |row| row.id);
    Ok(axum::Json(InboundPage {
        streams: streams.into_iter().map(|row| stream(row, now)).collect(),
        deliveries: rows.into_iter().map(delivery).collect(),
        next_cursor,
    }))
}

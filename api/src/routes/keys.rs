//! The one way to see a PIN.

use crate::{
    auth::{self, Allowed},
    dto::RevealedPin,
    extract::{Json, Param},
    failure, idempotency, pins,
    problem::{Problem, ProblemBody},
    scope::PinsReveal,
    state::AppState,
    view,
};
use axum::{
    extract::State,
    response::{IntoResponse, Response},
};
use http::{HeaderMap, HeaderValue, header};
use lock_domain::{
    Timestamp,
    event::Event,
    ids::{KeyId, ReservationRef},
    problem::Code,
    stay::Wish,
};
use lock_store::Reveal;

/// Show a key's PIN, once
///
/// A repeat with the same Idempotency-Key and API key brings the same answer; any other request gets `pin_revealed`. Who has seen it
/// stands in the stay's timeline.
#[utoipa::path(
    post, path = "/v1/properties/{property}/stays/{reservation}/keys/{key}/reveal", tag = "Keys",
    params(
        ("property" = String, Path, description = "The property's id"),
        ("reservation" = ReservationRef, Path, description = "The PMS's reference"),
        ("key" = KeyId, Path, description = "The key's id"),
        ("Idempotency-Key" = String, Header, description = "1 to 128 visible characters, new for each new request"),
    ),
    request_body = crate::dto::Nothing,
    responses(
        (status = 200, description = "The PIN. Not to be stored.", body = RevealedPin),
        (status = "4XX", description = "Refused", body = ProblemBody, content_type = "application/problem+json"),
    ),
    security(("api_key" = ["pins:reveal"]))
)]
pub(crate) async fn reveal(
    State(state): State<AppState>,
    allowed: Allowed<PinsReveal>,
    Param((property, name, key)): Param<(String, String, String)>,
    headers: HeaderMap,
    Json { .. }: Json<crate::dto::Nothing>,
) -> Result<Response, Problem> {
    let idempotency = idempotency::key(&headers)?;
    let caller = allowed.key;
    pins::warm(&state, caller.tenant).await?;
    let mut tx = state.store().tenant(caller.tenant).await.map_err(failure::store)?;
    let property = auth::property(&mut tx, &caller, &property).await?;
    let stay = super::stays::find(&mut tx, &property, &name).await?;
    let nothing = || Problem::new(Code::KeyNotFound, "the stay has no such key, or it has been taken away");
    let key: KeyId = key.parse().map_err(|_| nothing())?;
    let keys = tx.keys_of(stay.id).await.map_err(failure::store)?;
    let row = keys.into_iter().find(|row| row.id == key && row.wish != Wish::Unwanted).ok_or_else(nothing)?;
    let at = Timestamp::now();
    let sealed = match tx.reveal(key, caller.id, &idempotency, at).await.map_err(failure::store)? {
        Reveal::Fresh(sealed) => {
            let event = Event::PinRevealed { key, by: caller.id };
            let now = view::present(&property);
            tx.append(now, property.id, Some(stay.id), &[event]).await.map_err(failure::store)?;
            sealed
        }
        Reveal::Same(sealed) => sealed,
        Reveal::Unknown => {
            return Err(Problem::new(
                Code::PinNotReady,
                format!("the lock vendor has not made up the PIN of {key} yet"),
            ));
        }
        Reveal::Already => {
            return Err(Problem::new(Code::PinRevealed, format!("the PIN of {key} was revealed before")));
        }
    };
    let pin = state.keys().open(caller.tenant, &pins::place(key), &sealed).await.map_err(failure::seal)?;
    // Only after the event is durable does the PIN leave.
    tx.commit().await.map_err(failure::store)?;
    let pin = String::from_utf8(pin.to_vec()).map_err(|_| Problem::internal("a PIN is not text"))?;
    let revealed_at = row.revealed_at.unwrap_or_else(|| lock_store::to_stored(at));
    let mut response = axum::Json(RevealedPin { key, pin, revealed_at }).into_response();
    response.headers_mut().insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
    Ok(response)
}

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
    credential::KeyKind,
    event::Event,
    ids::{KeyId, ReservationRef},
    problem::Code,
    stay::Wish,
    vault::{Accessor, Oddity, oddity},
};
use lock_kms::{RetryClass, accesses::REVEAL};
use lock_store::{AccessOutcome, ApiKey, NewAccess, Property, Reveal, TenantTx};

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
    if row.kind == KeyKind::Card {
        return Err(Problem::new(Code::CapabilityMissing, format!("{key} is a card; it has no PIN")));
    }
    let at = Timestamp::now();
    let (sealed, shown) = match tx.reveal(key, caller.id, &idempotency, at).await.map_err(failure::store)? {
        Reveal::Fresh(sealed) => (sealed, Some(Event::PinRevealed { key, by: caller.id })),
        // No news for the stay; but digits leave once more, and that is an access like any other.
        Reveal::Same(sealed) => (sealed, None),
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
    let odd = access(&mut tx, &property, &caller, key, at).await?;
    let events: Vec<Event> = odd.map(|oddity| alert(&caller, oddity)).into_iter().chain(shown).collect();
    if !events.is_empty() {
        let now = view::present(&property);
        tx.append(now, property.id, Some(stay.id), &events).await.map_err(failure::store)?;
    }
    let keys = state.keys().for_purpose(REVEAL);
    let pin = match keys.open(caller.tenant, &pins::place(key), &sealed).await {
        Ok(pin) => pin,
        Err(error) => {
            // The key is not revealed, and the log says who was refused: neither needs the root key. A service that does not answer has refused
            // nobody.
            drop(tx);
            if error.retry_class() == RetryClass::Never {
                refused(&state, &caller, key, at).await?;
            }
            return Err(failure::seal(error));
        }
    };
    // Only after the event is durable does the PIN leave.
    tx.commit().await.map_err(failure::store)?;
    if let Some(oddity) = odd {
        lock_telemetry::metrics::vault_alert(oddity.name());
    }
    let pin = String::from_utf8(pin.to_vec()).map_err(|_| Problem::internal("a PIN is not text"))?;
    let revealed_at = row.revealed_at.unwrap_or_else(|| lock_store::to_stored(at));
    let mut response = axum::Json(RevealedPin { key, pin, revealed_at }).into_response();
    response.headers_mut().insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
    Ok(response)
}

fn row<'a>(who: &'a str, key: KeyId, at: Timestamp, outcome: AccessOutcome) -> NewAccess<'a> {
    let row = key.as_uuid();
    NewAccess { at, who, purpose: REVEAL, place: "keys.pin_sealed", row, outcome, times: 1, oddity: None }
}

/// Records the access in the transaction of the reveal, and says what is out of pattern about it.
async fn access(
    tx: &mut TenantTx<'_>,
    property: &Property,
    caller: &ApiKey,
    key: KeyId,
    at: Timestamp,
) -> Result<Option<Oddity>, Problem> {
    let (accessor, who, zone) = (Accessor::Client(caller.id), caller.id.to_string(), view::zone(property));
    let hour = |at: Timestamp| u8::try_from(at.to_zoned(zone.clone()).hour()).unwrap_or(0);
    let past = tx.access_past(&who, at, hour).await.map_err(failure::store)?;
    let odd = oddity(&accessor, at, hour(at), &past);
    let access = NewAccess { oddity: odd, ..row(&who, key, at, AccessOutcome::Opened) };
    tx.record_accesses(&[access]).await.map_err(failure::store)?;
    Ok(odd)
}

fn alert(caller: &ApiKey, oddity: Oddity) -> Event {
    let (purpose, place) = (REVEAL.to_owned(), "keys.pin_sealed".to_owned());
    Event::VaultAccessAlert { who: caller.id.to_string(), oddity, purpose, place }
}

async fn refused(state: &AppState, caller: &ApiKey, key: KeyId, at: Timestamp) -> Result<(), Problem> {
    let mut tx = state.store().tenant(caller.tenant).await.map_err(failure::store)?;
    let who = caller.id.to_string();
    tx.record_accesses(&[row(&who, key, at, AccessOutcome::Refused)]).await.map_err(failure::store)?;
    tx.commit().await.map_err(failure::store)
}

//! `POST /v1/webhooks/{sender}/{endpoint}`: where vendors and partners call us.
//!
//! ```text
//! read the raw body -> find room for it -> know the path -> count against its share -> check the signature -> read what it says -> seal
//! -> store once, in one transaction with others of the moment -> answer
//! ```
//! Nothing is parsed before the signature fits. A path that nobody has gets the answer of any path that does not exist, after the same
//! work. It is not in the API's description: its callers have no API key, and each has a description of its own (docs/webhooks.md).

use crate::{
    extract, failure,
    problem::Problem,
    state::AppState,
    webhooks::{
        inbox::Delivery,
        read::{self, Read, Unreadable},
        room::Share,
        signature,
    },
};
use axum::{
    extract::{Path, Request, State},
    response::{IntoResponse, Response},
};
use http::{StatusCode, header};
use lock_domain::{
    Timestamp,
    ids::DeliveryId,
    problem::Code,
    webhook::{BODY_MOST, Refusal, Sender},
};
use lock_kms::Place;
use lock_store::{Intake, WebhookEndpoint, WebhookPath};
use lock_telemetry::metrics;
use std::collections::BTreeMap;
use uuid::Uuid;

/// What fingerprints of bodies and of digits in them are labelled with.
const BODY: &str = "webhook-body";
const DIGITS: &str = "webhook-digits";

/// Takes a webhook.
pub(crate) async fn take(
    State(state): State<AppState>,
    Path((sender, path)): Path<(String, String)>,
    request: Request,
) -> Response {
    let sender = Sender::from_name(&sender);
    // A path's words are anybody's; a label's must be few.
    let label = sender.map_or("unknown", Sender::name);
    match taken(&state, sender, &path, request).await {
        Ok(taken) => {
            let outcome = match taken {
                Intake::Fresh => "fresh",
                Intake::Duplicate => "duplicate",
                Intake::OtherBody => "other_body",
            };
            metrics::webhook(label, outcome);
            match (taken, sender) {
                (Intake::OtherBody, _) => {
                    Problem::new(Code::WebhookIdReused, "another body came under this id before").into_response()
                }
                // TTLock sends again until the answer is this word and nothing else.
                (_, Some(Sender::Ttlock)) => {
                    ([(header::CONTENT_TYPE, "text/plain; charset=utf-8")], "success").into_response()
                }
                _ => StatusCode::NO_CONTENT.into_response(),
            }
        }
        Err(problem) => {
            if matches!(problem.code, Code::WebhookRefused | Code::WebhookTooOld | Code::NotFound) {
                metrics::webhook_signature_failed(label);
            }
            metrics::webhook(label, problem.code.text());
            problem.into_response()
        }
    }
}

async fn taken(state: &AppState, sender: Option<Sender>, path: &str, request: Request) -> Result<Intake, Problem> {
    let (parts, body) = request.into_parts();
    let body = extract::read(&parts, body, BODY_MOST).await?;
    let share = state.inbox().admit(&body)?;
    let now = Timestamp::now();
    let path = WebhookPath::parse(path);
    let known = state.inbox().endpoint(&path).await?;
    let Some(endpoint) = known.recognise(sender, &path, now) else {
        signature::idle(&body);
        return Err(Problem::new(Code::NotFound, "no route has this path"));
    };
    tracing::Span::current().record("tenant", tracing::field::display(endpoint.tenant));
    state.limits().webhook(endpoint.id)?;
    let keys = known.keys(state.keys(), endpoint, now).await?;
    let id = signature::verify(endpoint.scheme, &keys, &parts.headers, &body, now).map_err(|refusal| {
        tracing::warn!(endpoint = %endpoint.id, %refusal, "a webhook is refused");
        refused(refusal)
    })?;
    store(state, endpoint, id.as_deref(), (&body, share), now).await
}

fn refused(refusal: Refusal) -> Problem {
    match refusal {
        // Which of the two it is, nobody is told.
        Refusal::Malformed | Refusal::Signature => Problem::new(refusal.code(), "no signature of this webhook fits"),
        Refusal::Time => Problem::new(refusal.code(), "signed more than 5 minutes from our time"),
    }
}

async fn store(
    state: &AppState,
    endpoint: &WebhookEndpoint,
    id: Option<&str>,
    (body, share): (&[u8], Share),
    now: Timestamp,
) -> Result<Intake, Problem> {
    let (keys, tenant) = (state.keys(), endpoint.tenant);
    let digest = keys.fingerprint(tenant, BODY, body).await.map_err(failure::seal)?;
    let said = said(state, endpoint, id, body, now, &digest).await?;
    let delivery = DeliveryId::from_uuid(Uuid::now_v7());
    let place = Place { table: "webhook_deliveries", column: "body_sealed", row: delivery.as_uuid() };
    let body_sealed = keys.seal(tenant, &place, body).await.map_err(failure::seal)?;
    let new = Delivery {
        id: delivery,
        endpoint: endpoint.id,
        property: endpoint.property,
        key: said.key,
        digest,
        body_sealed,
        meaning: said.meaning,
        at: now,
        share,
    };
    let taken = state.inbox().store(tenant, new).await?;
    // Without an id of the sender's, another body under one key says the same in other words.
    Ok(match taken {
        Intake::OtherBody if id.is_none() => Intake::Duplicate,
        taken => taken,
    })
}

async fn said(
    state: &AppState,
    endpoint: &WebhookEndpoint,
    id: Option<&str>,
    body: &[u8],
    now: Timestamp,
    digest: &[u8; 32],
) -> Result<Read, Problem> {
    let unreadable = |Unreadable| Problem::new(Code::InvalidRequest, "the body is not of the sender's published form");
    // Digits are short: only a keyed digest hides them. A first look collects them, because making one waits for the key.
    let seen = std::cell::RefCell::new(BTreeMap::new());
    let first = read::read(endpoint.sender, id, body, now, digest, |pin| {
        seen.borrow_mut().insert(pin.to_owned(), [0; 32]);
        [0; 32]
    })
    .map_err(unreadable)?;
    let mut digests = seen.into_inner();
    if digests.is_empty() {
        return Ok(first);
    }
    for (pin, digest) in &mut digests {
        let keyed = state.keys().fingerprint(endpoint.tenant, DIGITS, pin.as_bytes()).await;
        *digest = keyed.map_err(failure::seal)?;
    }
    read::read(endpoint.sender, id, body, now, digest, |pin| digests.get(pin).copied().unwrap_or_default())
        .map_err(unreadable)
}

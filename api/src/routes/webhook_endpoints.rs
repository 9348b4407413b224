//! Endpoints of webhooks that come in: made, listed, rotated, revoked. A path or secret is shown once; a repeat of the request does not show
//! it again, because then it would have to be stored.

use super::Page;
use crate::{
    auth::{self, Allowed},
    cursor,
    dto::{EndpointBody, EndpointPage, NewEndpoint, RevokeEndpoint, RotateEndpoint},
    extract::{Asked, Json, Param},
    failure, idempotency,
    once::{self, First},
    problem::{Problem, ProblemBody},
    scope::WebhooksWrite,
    state::AppState,
    webhooks::{secrets::Secrets, signature},
};
use axum::{
    extract::State,
    response::{IntoResponse, Response},
};
use http::{HeaderMap, StatusCode};
use jiff::SignedDuration;
use lock_domain::{
    Timestamp,
    ids::{PropertyId, WebhookEndpointId},
    problem::Code,
    webhook::{OVERLAP, OVERLAP_MOST, Scheme},
};
use lock_store::{IdempotencyScope, NewWebhookEndpoint, TenantTx, WebhookEndpoint};
use secrecy::{ExposeSecret, SecretString};
use uuid::Uuid;

fn body(endpoint: &WebhookEndpoint) -> EndpointBody {
    EndpointBody {
        id: endpoint.id,
        property: endpoint.property,
        sender: endpoint.sender,
        scheme: endpoint.scheme,
        path: None,
        secret: None,
        created_at: endpoint.created_at,
        rotated_at: endpoint.rotated_at,
        revoked_at: endpoint.revoked_at,
    }
}

/// The secret that an endpoint gets, and whether it was made here.
fn secret(scheme: Scheme, given: Option<SecretString>) -> Result<Option<(SecretString, bool)>, Problem> {
    let refuse = |detail| Err(Problem::field(Code::InvalidField, "secret", detail));
    match (scheme, given) {
        (Scheme::PathOnly, None) => Ok(None),
        (Scheme::PathOnly, Some(_)) => refuse("this sender signs nothing; its path is its secret"),
        (_, None) => Ok(Some((signature::new_secret(), true))),
        (scheme, Some(given)) if signature::is_usable(scheme, &given) => Ok(Some((given, false))),
        _ => refuse("send `whsec_` and 24 to 64 bytes in base64, or for standard_webhooks `whpk_` and an Ed25519 key"),
    }
}

fn shown(path: &SecretString, endpoint: &WebhookEndpoint) -> Option<String> {
    Some(format!("/v1/webhooks/{}/{}", endpoint.sender.name(), path.expose_secret()))
}

/// Stores the answer as it is without secrets, commits, and answers with them.
async fn finish(
    mut tx: TenantTx<'_>,
    scope: IdempotencyScope<'_>,
    status: StatusCode,
    answer: EndpointBody,
) -> Result<Response, Problem> {
    let kept = EndpointBody { path: None, secret: None, ..answer.clone() };
    let kept = serde_json::to_value(kept).map_err(Problem::internal)?;
    tx.idempotency_finish(scope, status.as_u16(), &kept).await.map_err(failure::store)?;
    tx.commit().await.map_err(failure::store)?;
    Ok((status, [(http::header::CACHE_CONTROL, "no-store")], axum::Json(answer)).into_response())
}

async fn find(tx: &mut TenantTx<'_>, property: PropertyId, id: &str) -> Result<WebhookEndpoint, Problem> {
    let nothing = || Problem::new(Code::NotFound, "the property has no such webhook endpoint");
    let id: WebhookEndpointId = id.parse().map_err(|_| nothing())?;
    tx.webhook_endpoint(property, id).await.map_err(failure::store)?.ok_or_else(nothing)
}

/// List webhook endpoints
///
/// Where vendors and partners may call this service for the property, revoked ones as well. Paths and secrets are not shown again.
#[utoipa::path(
    get, path = "/v1/properties/{property}/webhook-endpoints", tag = "Webhooks in",
    params(("property" = String, Path, description = "The property's id"), Page),
    responses(
        (status = 200, description = "A page", body = EndpointPage),
        (status = "4XX", description = "Refused", body = ProblemBody, content_type = "application/problem+json"),
    ),
    security(("api_key" = ["webhooks:write"]))
)]
pub(crate) async fn list(
    State(state): State<AppState>,
    allowed: Allowed<WebhooksWrite>,
    Param(property): Param<String>,
    Asked(page): Asked<Page>,
) -> Result<axum::Json<EndpointPage>, Problem> {
    let page = cursor::slice("webhook-endpoints", page.cursor.as_deref(), page.limit)?;
    let mut tx = state.store().tenant(allowed.key.tenant).await.map_err(failure::store)?;
    let property = auth::property(&mut tx, &allowed.key, &property).await?;
    let mut rows = tx.webhook_endpoints(property.id, page.after, page.rows()).await.map_err(failure::store)?;
    let next_cursor = page.cut(&mut rows, |row| row.id);
    Ok(axum::Json(EndpointPage { endpoints: rows.iter().map(body).collect(), next_cursor }))
}

/// Make a webhook endpoint
///
/// The path, and the secret if one was made, are shown in this answer and never again; a repeat with the same Idempotency-Key does not show
/// them either.
#[utoipa::path(
    post, path = "/v1/properties/{property}/webhook-endpoints", tag = "Webhooks in",
    params(
        ("property" = String, Path, description = "The property's id"),
        ("Idempotency-Key" = String, Header, description = "1 to 128 visible characters, new for each new request"),
    ),
    request_body = NewEndpoint,
    responses(
        (status = 201, description = "The endpoint", body = EndpointBody),
        (status = "4XX", description = "Refused", body = ProblemBody, content_type = "application/problem+json"),
    ),
    security(("api_key" = ["webhooks:write"]))
)]
pub(crate) async fn create(
    State(state): State<AppState>,
    allowed: Allowed<WebhooksWrite>,
    Param(property): Param<String>,
    headers: HeaderMap,
    asked: Json<NewEndpoint>,
) -> Result<Response, Problem> {
    let key = idempotency::key(&headers)?;
    let route = "POST /v1/properties/{property}/webhook-endpoints";
    let scope = IdempotencyScope { client: allowed.key.id, route, key: &key };
    let (tenant, now) = (allowed.key.tenant, Timestamp::now());
    let NewEndpoint { sender, scheme, secret: given } = asked.value;
    let scheme = scheme.or(sender.schemes().first().copied()).filter(|scheme| sender.schemes().contains(scheme));
    let scheme = scheme.ok_or_else(|| {
        let names: Vec<&str> = sender.schemes().iter().map(|scheme| scheme.name()).collect();
        Problem::field(Code::InvalidField, "scheme", format!("{} can do: {}", sender.name(), names.join(", ")))
    })?;
    let secret = secret(scheme, given)?;
    let mut tx = state.store().tenant(tenant).await.map_err(failure::store)?;
    let property = auth::property(&mut tx, &allowed.key, &property).await?;
    if let First::No { status, body } = once::begin(&mut tx, scope, &asked.hash, now).await? {
        return once::replay(status, body);
    }
    let id = WebhookEndpointId::from_uuid(Uuid::now_v7());
    let sealed = match &secret {
        Some((secret, _)) => Some(Secrets::of(secret).seal(state.keys(), tenant, id).await?),
        None => None,
    };
    let new = NewWebhookEndpoint { id, property: property.id, sender, scheme, secrets_sealed: sealed.as_deref() };
    let path = tx.create_webhook_endpoint(new, now).await.map_err(failure::store)?;
    let made = find(&mut tx, property.id, &id.to_string()).await?;
    let answer = EndpointBody {
        path: shown(&path, &made),
        secret: secret.filter(|(_, own)| *own).map(|(secret, _)| secret.expose_secret().to_owned()),
        ..body(&made)
    };
    finish(tx, scope, StatusCode::CREATED, answer).await
}

/// Rotate a webhook endpoint
///
/// Another secret; for a sender that signs nothing, another path. The former one works beside it for the overlap.
#[utoipa::path(
    post, path = "/v1/properties/{property}/webhook-endpoints/{endpoint}/rotate", tag = "Webhooks in",
    params(
        ("property" = String, Path, description = "The property's id"),
        ("endpoint" = String, Path, description = "The endpoint's id"),
        ("Idempotency-Key" = String, Header, description = "1 to 128 visible characters, new for each new request"),
    ),
    request_body = RotateEndpoint,
    responses(
        (status = 200, description = "The endpoint", body = EndpointBody),
        (status = "4XX", description = "Refused", body = ProblemBody, content_type = "application/problem+json"),
    ),
    security(("api_key" = ["webhooks:write"]))
)]
pub(crate) async fn rotate(
    State(state): State<AppState>,
    allowed: Allowed<WebhooksWrite>,
    Param((property, endpoint)): Param<(String, String)>,
    headers: HeaderMap,
    asked: Json<RotateEndpoint>,
) -> Result<Response, Problem> {
    let key = idempotency::key(&headers)?;
    let route = "POST /v1/properties/{property}/webhook-endpoints/{endpoint}/rotate";
    let scope = IdempotencyScope { client: allowed.key.id, route, key: &key };
    let (tenant, now) = (allowed.key.tenant, Timestamp::now());
    let overlap = asked.value.overlap_s.map_or(OVERLAP, |s| SignedDuration::from_secs(i64::from(s)));
    if overlap > OVERLAP_MOST {
        return Err(Problem::field(Code::InvalidField, "overlap_s", "at most 604800, which is 7 days"));
    }
    let until = now.saturating_add(overlap).unwrap_or(now);
    let mut tx = state.store().tenant(tenant).await.map_err(failure::store)?;
    let property = auth::property(&mut tx, &allowed.key, &property).await?;
    let found = find(&mut tx, property.id, &endpoint).await?;
    let secret = secret(found.scheme, asked.value.secret)?;
    if let First::No { status, body } = once::begin(&mut tx, scope, &asked.hash, now).await? {
        return once::replay(status, body);
    }
    let (mut path, mut made) = (None, None);
    match (secret, &found.secrets_sealed) {
        (Some((secret, own)), Some(sealed)) => {
            let secrets = Secrets::open(state.keys(), tenant, found.id, sealed).await?.rotated(&secret, until, now);
            let sealed = secrets.seal(state.keys(), tenant, found.id).await?;
            tx.set_webhook_secrets(found.id, &sealed, now).await.map_err(failure::store)?;
            made = own.then(|| secret.expose_secret().to_owned());
        }
        _ => {
            let moved = tx.move_webhook_endpoint(found.id, until, now).await.map_err(failure::store)?;
            path = shown(&moved, &found);
        }
    }
    let answer = EndpointBody { path, secret: made, rotated_at: Some(lock_store::to_stored(now)), ..body(&found) };
    finish(tx, scope, StatusCode::OK, answer).await
}

/// Revoke a webhook endpoint
///
/// From now on its path is one that nobody has. What came in before is still processed.
#[utoipa::path(
    post, path = "/v1/properties/{property}/webhook-endpoints/{endpoint}/revoke", tag = "Webhooks in",
    params(
        ("property" = String, Path, description = "The property's id"),
        ("endpoint" = String, Path, description = "The endpoint's id"),
        ("Idempotency-Key" = String, Header, description = "1 to 128 visible characters, new for each new request"),
    ),
    request_body = RevokeEndpoint,
    responses(
        (status = 200, description = "The endpoint", body = EndpointBody),
        (status = "4XX", description = "Refused", body = ProblemBody, content_type = "application/problem+json"),
    ),
    security(("api_key" = ["webhooks:write"]))
)]
pub(crate) async fn revoke(
    State(state): State<AppState>,
    allowed: Allowed<WebhooksWrite>,
    Param((property, endpoint)): Param<(String, String)>,
    headers: HeaderMap,
    asked: Json<RevokeEndpoint>,
) -> Result<Response, Problem> {
    let key = idempotency::key(&headers)?;
    let route = "POST /v1/properties/{property}/webhook-endpoints/{endpoint}/revoke";
    let scope = IdempotencyScope { client: allowed.key.id, route, key: &key };
    let now = Timestamp::now();
    let mut tx = state.store().tenant(allowed.key.tenant).await.map_err(failure::store)?;
    let property = auth::property(&mut tx, &allowed.key, &property).await?;
    let found = find(&mut tx, property.id, &endpoint).await?;
    if let First::No { status, body } = once::begin(&mut tx, scope, &asked.hash, now).await? {
        return once::replay(status, body);
    }
    tx.revoke_webhook_endpoint(found.id, now).await.map_err(failure::store)?;
    let answer = EndpointBody { revoked_at: found.revoked_at.or(Some(lock_store::to_stored(now))), ..body(&found) };
    finish(tx, scope, StatusCode::OK, answer).await
}

//! The codec endpoint of the Temporal UI: decodes payloads of workflow histories for whoever may read them.
//!
//! Authenticated by an API key with `histories:read`, or by a cookie that `/codec/login` sets for browsers. Only payloads of the caller's
//! tenant and of the system are opened; one foreign payload refuses the whole call, and a key of some properties opens none. The cookie
//! holds no key: it names one, with an end and a keyed hash, and the key's rights are looked up on each use.

use crate::{
    auth::{self, Allowed},
    extract::read,
    failure, html,
    problem::{Problem, ProblemBody},
    scope::{HistoriesRead, Scope},
    state::AppState,
};
use axum::{
    Form,
    extract::{FromRequestParts, Request, State, rejection::FormRejection},
    response::{Html, IntoResponse, Response},
};
use http::{HeaderMap, HeaderValue, StatusCode, header, request::Parts};
use jiff::{SignedDuration, Timestamp};
use lock_domain::{
    ids::{ApiKeyId, TenantId},
    problem::Code,
};
use lock_kms::{CodecError, RetryClass};
use lock_store::ApiKey;
use secrecy::{ExposeSecret, SecretString};
use serde::Deserialize;
use subtle::ConstantTimeEq;

/// Histories hold up to 2 MB a payload, and the UI asks for a page of them.
const MOST: usize = 8 * 1024 * 1024;
const COOKIE: &str = "lock_codec";
const LABEL: &str = "codec session";
const SESSION: SignedDuration = SignedDuration::from_hours(8);

/// Decode payloads of workflow histories
///
/// The call of a Temporal codec server; Temporal's UI and CLI speak it.
#[utoipa::path(
    post, path = "/codec/decode", tag = "Codec",
    request_body(content = Object, description = "Payloads in Temporal's JSON form", content_type = "application/json"),
    responses(
        (status = 200, description = "The payloads, decoded", body = Object),
        (status = "4XX", description = "Refused", body = ProblemBody, content_type = "application/problem+json"),
    ),
    security(("api_key" = ["histories:read"]))
)]
pub(crate) async fn decode(State(state): State<AppState>, request: Request) -> Result<Response, Problem> {
    let (tenant, body) = caller(&state, request).await?;
    let permitted = permitted(tenant);
    answer(state.codec().decode_payloads_json(&permitted, &body).await)
}

/// Encode payloads for workflows
#[utoipa::path(
    post, path = "/codec/encode", tag = "Codec",
    request_body(content = Object, description = "Payloads in Temporal's JSON form", content_type = "application/json"),
    responses(
        (status = 200, description = "The payloads, encrypted", body = Object),
        (status = "4XX", description = "Refused", body = ProblemBody, content_type = "application/problem+json"),
    ),
    security(("api_key" = ["histories:read"]))
)]
pub(crate) async fn encode(State(state): State<AppState>, request: Request) -> Result<Response, Problem> {
    let (tenant, body) = caller(&state, request).await?;
    let permitted = permitted(tenant);
    answer(state.codec().encode_payloads_json(&permitted, &body).await)
}

/// Ids of keys that a tenant's callers may use: its own and the system's.
fn permitted(tenant: TenantId) -> impl Fn(&str) -> bool + Sync {
    let own = format!("{tenant}/");
    move |id| id.starts_with(&own) || id.starts_with("system/")
}

async fn caller(state: &AppState, request: Request) -> Result<(TenantId, bytes::Bytes), Problem> {
    let (mut parts, body) = request.into_parts();
    let tenant = match cookie(&parts.headers) {
        Some(session) if !parts.headers.contains_key(header::AUTHORIZATION) => by_cookie(state, &session).await?,
        _ => {
            let allowed = <Allowed<HistoriesRead> as FromRequestParts<AppState>>::from_request_parts(&mut parts, state);
            whole_tenant(&allowed.await?.key)?
        }
    };
    Ok((tenant, read(&parts, body, MOST).await?))
}

fn answer(decoded: Result<Vec<u8>, CodecError>) -> Result<Response, Problem> {
    let body = decoded.map_err(|error| match error {
        CodecError::Body => Problem::new(Code::InvalidRequest, error.to_string()),
        CodecError::Refused => Problem::new(Code::CodecRefused, "a payload belongs to another tenant"),
        CodecError::Seal(inner) if inner.retry_class() == RetryClass::Later => failure::seal(inner),
        CodecError::Seal(_) => Problem::new(Code::CodecRefused, "a payload's key is gone, or the payload is damaged"),
    })?;
    let headers = [(header::CONTENT_TYPE, "application/json"), (header::CACHE_CONTROL, "no-store")];
    Ok((headers, body).into_response())
}

/// The page where a browser shows its API key once.
pub(crate) async fn login_page() -> Html<String> {
    Html(page(""))
}

fn page(said: &str) -> String {
    let form = "<h1>Decode workflow histories</h1><p>Temporal&#39;s web UI shows encrypted payloads until you log in here with an API key \
                that has the scope <code>histories:read</code>. The browser then keeps a cookie for eight hours.</p>\
                <form method=post action=/codec/login><label>API key <input type=password name=api_key size=60 required \
                autocomplete=off></label><button>Log in</button></form>";
    html::document("Decode workflow histories", &format!("{form}<p>{}</p>", html::escape(said)))
}

/// What the page sends.
#[derive(Deserialize)]
pub(crate) struct Login {
    api_key: String,
}

/// Sets the cookie.
pub(crate) async fn login(
    State(state): State<AppState>,
    parts: Parts,
    form: Result<Form<Login>, FormRejection>,
) -> Result<Response, Problem> {
    let said = |status: StatusCode, text: &str| (status, Html(page(text))).into_response();
    let Ok(Form(Login { api_key })) = form else {
        return Ok(said(StatusCode::BAD_REQUEST, "The form could not be read."));
    };
    let api_key = SecretString::from(api_key);
    let key = match auth::recognise(&state, &parts, api_key.expose_secret()).await {
        Ok(key) if key.has_scope(Scope::HistoriesRead.text()) && whole_tenant(&key).is_ok() => key,
        Ok(_) => {
            let refusal = "This key lacks the scope histories:read, or is for some properties only.";
            return Ok(said(StatusCode::FORBIDDEN, refusal));
        }
        Err(problem) if problem.code == Code::Unauthorized => {
            return Ok(said(StatusCode::UNAUTHORIZED, "This key is unknown, revoked or expired."));
        }
        Err(problem) => return Err(problem),
    };
    let end = Timestamp::now().saturating_add(SESSION).unwrap_or(Timestamp::MAX).as_second();
    let session = Session { tenant: key.tenant, key: key.id, end };
    let value = format!("{}.{}", session.named(), hex::encode(session.proof(&state).await?));
    let secure = parts.headers.get("x-forwarded-proto").is_some_and(|proto| proto == "https");
    let attributes = format!("Path=/codec; HttpOnly; SameSite=Strict; Max-Age={}", SESSION.as_secs());
    let cookie = format!("{COOKIE}={value}; {attributes}{}", if secure { "; Secure" } else { "" });
    let mut response = said(StatusCode::OK, "Logged in. Reload the workflow's page in Temporal's web UI.");
    response.headers_mut().insert(header::SET_COOKIE, HeaderValue::from_str(&cookie).map_err(Problem::internal)?);
    Ok(response)
}

/// What a cookie says.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Session {
    tenant: TenantId,
    key: ApiKeyId,
    /// Second since 1970.
    end: i64,
}

impl Session {
    fn named(&self) -> String {
        format!("{}.{}.{}", self.tenant, self.key, self.end)
    }

    /// Takes a cookie's value apart, into what it says and its proof.
    fn parse(value: &str) -> Option<(Self, Vec<u8>)> {
        let mut parts = value.split('.');
        let [tenant, key, end, proof] = [parts.next()?, parts.next()?, parts.next()?, parts.next()?];
        let session = Self { tenant: tenant.parse().ok()?, key: key.parse().ok()?, end: end.parse().ok()? };
        let proof = hex::decode(proof).ok()?;
        parts.next().is_none().then_some((session, proof))
    }

    async fn proof(&self, state: &AppState) -> Result<[u8; 32], Problem> {
        let proof = state.keys().fingerprint(self.tenant, LABEL, self.named().as_bytes()).await;
        proof.map_err(failure::seal)
    }
}

fn cookie(headers: &HeaderMap) -> Option<String> {
    let cookies = headers.get_all(header::COOKIE).iter().filter_map(|value| value.to_str().ok());
    let mut pairs = cookies.flat_map(|line| line.split(';')).filter_map(|pair| pair.trim().split_once('='));
    pairs.find(|(name, _)| *name == COOKIE).map(|(_, value)| value.to_owned())
}

async fn by_cookie(state: &AppState, value: &str) -> Result<TenantId, Problem> {
    let now = Timestamp::now();
    let (session, proof) = Session::parse(value).ok_or_else(auth::refused)?;
    if session.end <= now.as_second() {
        return Err(auth::refused());
    }
    // The tenant is only believed after its row has been found: nobody makes a key for one that does not exist.
    let mut tx = state.store().tenant(session.tenant).await.map_err(failure::store)?;
    let key = tx.api_key(session.key).await.map_err(failure::store)?.ok_or_else(auth::refused)?;
    drop(tx);
    let over = |at: Option<Timestamp>| at.is_some_and(|at| at <= now);
    let genuine = bool::from(proof.ct_eq(&session.proof(state).await?[..]));
    if !genuine || over(key.expires_at) || over(key.revoked_at) {
        return Err(auth::refused());
    }
    state.limits().request(key.id).map_err(|(problem, _)| problem)?;
    auth::require(&key, Scope::HistoriesRead)?;
    whole_tenant(&key)
}

/// The key's tenant, unless the key is for some properties only: a payload does not tell which property it is of.
fn whole_tenant(key: &ApiKey) -> Result<TenantId, Problem> {
    let refusal =
        || Problem::new(Code::CodecRefused, "histories are of all properties, and this key is for some of them");
    key.properties.is_none().then_some(key.tenant).ok_or_else(refusal)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use uuid::Uuid;

    #[test]
    fn cookies_are_found_and_taken_apart() {
        let [tenant, other] = [1, 2].map(|n| TenantId::from_uuid(Uuid::from_u128(n)));
        let session = Session { tenant, key: ApiKeyId::from_uuid(Uuid::from_u128(3)), end: 7 };
        let mut headers = HeaderMap::new();
        headers.insert(header::COOKIE, format!("a=b; {COOKIE}={}.0aff", session.named()).parse().unwrap());
        assert_eq!(Session::parse(&cookie(&headers).unwrap()), Some((session, vec![10, 255])));
        for bad in ["", "a.b.c.d", &format!("{}.zz", session.named()), &format!("{}.00.00", session.named())] {
            assert_eq!(Session::parse(bad), None, "{bad}");
        }
        let permitted = permitted(tenant);
        assert!(permitted(&format!("{tenant}/1")) && permitted("system/4") && !permitted(&format!("{other}/1")));
    }
}

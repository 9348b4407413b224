//! Who calls, and whether he may: an extractor that is the permission.
//!
//! `Allowed<StaysWrite>` in a handler's arguments means that the key was recognised, is within its rate and has the scope. A key sees
//! nothing of other tenants: what it asks for by id is looked up in its own tenant only, so that the answer is 404.

use crate::{
    limits::Share,
    problem::Problem,
    scope::{Permission, Scope},
    state::AppState,
};
use axum::extract::{FromRequestParts, OptionalFromRequestParts};
use http::{HeaderMap, header, request::Parts};
use lock_domain::{Timestamp, ids::PropertyId, problem::Code};
use lock_store::{ApiKey, Property, TenantTx};
use std::{
    marker::PhantomData,
    sync::{Arc, OnceLock},
};

/// Where the extractor leaves what the outermost layer writes into headers and the log. One per request.
#[derive(Debug, Clone, Default)]
pub(crate) struct Noted(pub(crate) Arc<OnceLock<Share>>);

/// A caller with a permission.
#[derive(Debug)]
pub(crate) struct Allowed<P> {
    /// The key.
    pub(crate) key: ApiKey,
    permission: PhantomData<P>,
}

impl<P: Permission> FromRequestParts<AppState> for Allowed<P> {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, state: &AppState) -> Result<Self, Problem> {
        let token = bearer(&parts.headers).ok_or_else(refused)?;
        let key = recognise(state, parts, token).await?;
        if let Some(scope) = P::NEEDS {
            require(&key, scope)?;
        }
        Ok(Self { key, permission: PhantomData })
    }
}

impl<P: Permission> OptionalFromRequestParts<AppState> for Allowed<P> {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, state: &AppState) -> Result<Option<Self>, Problem> {
        if parts.headers.contains_key(header::AUTHORIZATION) {
            <Self as FromRequestParts<AppState>>::from_request_parts(parts, state).await.map(Some)
        } else {
            Ok(None)
        }
    }
}

/// The key that a token belongs to, counted against its rate.
pub(crate) async fn recognise(state: &AppState, parts: &Parts, token: &str) -> Result<ApiKey, Problem> {
    let found = state.store().authenticate(token, Timestamp::now()).await.map_err(crate::failure::store)?;
    let key = found.ok_or_else(refused)?;
    tracing::Span::current().record("tenant", tracing::field::display(key.tenant));
    tracing::Span::current().record("api_key", tracing::field::display(key.id));
    let share = state.limits().request(key.id);
    if let Some(Noted(noted)) = parts.extensions.get::<Noted>() {
        let _ = noted.set(*share.as_ref().unwrap_or_else(|(_, share)| share));
    }
    share.map(|_| key).map_err(|(problem, _)| problem)
}

/// Refuses a key without the scope.
pub(crate) fn require(key: &ApiKey, scope: Scope) -> Result<(), Problem> {
    let missing = || Problem::new(Code::ScopeMissing, format!("this needs the scope `{scope}`"));
    key.has_scope(scope.text()).then_some(()).ok_or_else(missing)
}

/// The answer to every token that is not to be trusted, whatever is wrong with it.
pub(crate) fn refused() -> Problem {
    Problem::new(Code::Unauthorized, "send `Authorization: Bearer <API key>` with a key that is valid today")
}

/// The token of an `Authorization` header (RFC 6750 §2.1).
fn bearer(headers: &HeaderMap) -> Option<&str> {
    let (scheme, token) = headers.get(header::AUTHORIZATION)?.to_str().ok()?.split_once(' ')?;
    scheme.eq_ignore_ascii_case("bearer").then_some(token.trim())
}

/// A property that the key may touch.
pub(crate) async fn property(tx: &mut TenantTx<'_>, key: &ApiKey, id: &str) -> Result<Property, Problem> {
    let nothing = || Problem::new(Code::PropertyNotFound, "no such property is visible to this API key");
    let id: PropertyId = id.parse().map_err(|_| nothing())?;
    let found = if key.may_touch(id) { tx.property(id).await.map_err(crate::failure::store)? } else { None };
    found.ok_or_else(nothing)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn reads_the_header_as_rfc_6750_says() {
        let read = |text: &str| {
            let mut headers = HeaderMap::new();
            headers.insert(header::AUTHORIZATION, text.parse().unwrap());
            bearer(&headers).map(str::to_owned)
        };
        assert_eq!(read("Bearer abc").as_deref(), Some("abc"));
        assert_eq!(read("bearer abc").as_deref(), Some("abc"));
        assert_eq!(read("Basic abc"), None);
        assert_eq!(read("Bearer"), None);
    }
}

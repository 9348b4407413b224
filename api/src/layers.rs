//! What surrounds every handler: request id, span, metrics, time limit, panics, problem bodies, headers.
//!
//! It must not know routes. Nothing here logs a header, a query or a body.

use crate::{auth::Noted, problem::Problem, problem::render, state::AppState, trace};
use axum::{
    extract::{MatchedPath, Request, State},
    middleware::Next,
    response::{IntoResponse, Response},
};
use futures::FutureExt;
use http::{HeaderMap, HeaderName, HeaderValue, StatusCode};
use lock_domain::problem::Code;
use std::{panic::AssertUnwindSafe, time::Instant};
use tracing::{Instrument, field};
use uuid::Uuid;

const REQUEST_ID: HeaderName = HeaderName::from_static("x-request-id");
/// What every answer carries against browsers that guess.
const FIXED: [(HeaderName, HeaderValue); 3] = [
    (http::header::X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff")),
    (http::header::REFERRER_POLICY, HeaderValue::from_static("no-referrer")),
    (http::header::X_FRAME_OPTIONS, HeaderValue::from_static("DENY")),
];

/// The layer round everything.
pub(crate) async fn surround(State(state): State<AppState>, mut request: Request, next: Next) -> Response {
    let begun = Instant::now();
    let id = request_id(request.headers());
    let method = request.method().clone();
    let route = request.extensions().get::<MatchedPath>().map_or("none", MatchedPath::as_str).to_owned();
    let span = tracing::info_span!(
        "http request",
        otel.name = format!("{method} {route}"),
        otel.kind = "server",
        http.request.method = %method,
        http.route = route,
        http.response.status_code = field::Empty,
        request = %id,
        tenant = field::Empty,
        api_key = field::Empty,
    );
    lock_telemetry::set_parent(&span, trace::incoming(request.headers()));
    let noted = Noted::default();
    request.extensions_mut().insert(noted.clone());
    let limit = state.config().request_timeout;
    let answered = async move {
        let handled = AssertUnwindSafe(next.run(request)).catch_unwind();
        match tokio::time::timeout(limit, handled).await {
            Ok(Ok(response)) => response,
            // The panic's hook has written it to the log.
            Ok(Err(_)) => Problem::internal("a handler panicked").into_response(),
            Err(_) => Problem::unavailable("service", "a request took too long").into_response(),
        }
    };
    let response = async {
        let response = answered.await;
        let status = response.status();
        tracing::Span::current().record("http.response.status_code", status.as_u16());
        if status.is_server_error() {
            tracing::warn!(status = status.as_u16(), "answered with an error");
        } else {
            tracing::debug!(status = status.as_u16(), "answered");
        }
        let mut response = render(plain_refusals(response), &id);
        if let Some(traceparent) = lock_telemetry::current_traceparent()
            && let Ok(value) = HeaderValue::from_str(&traceparent)
        {
            response.headers_mut().insert(trace::TRACEPARENT, value);
        }
        response
    };
    let mut response = response.instrument(span).await;
    let headers = response.headers_mut();
    if let Some(share) = noted.0.get() {
        share.write(headers);
    }
    if let Ok(value) = HeaderValue::from_str(&id) {
        headers.insert(REQUEST_ID, value);
    }
    headers.extend(FIXED);
    lock_telemetry::metrics::api_request(&route, method.as_str(), response.status().as_u16(), begun.elapsed());
    response
}

/// Gives axum's own refusals a problem, where no handler had a say.
fn plain_refusals(mut response: Response) -> Response {
    if response.extensions().get::<Problem>().is_some() || response.headers().contains_key(http::header::CONTENT_TYPE) {
        return response;
    }
    if response.status() == StatusCode::METHOD_NOT_ALLOWED {
        response.extensions_mut().insert(Problem::new(Code::MethodNotAllowed, "the path does not take this method"));
    }
    response
}

/// The fallback of the router.
pub(crate) async fn nothing_here() -> Problem {
    Problem::new(Code::NotFound, "no route has this path")
}

/// The caller's own id for the request if it can stand in logs, else a new one.
fn request_id(headers: &HeaderMap) -> String {
    let given = headers.get(REQUEST_ID).and_then(|value| value.to_str().ok());
    let fits = |text: &&str| {
        (1..=64).contains(&text.len())
            && text.bytes().all(|b| b.is_ascii_alphanumeric() || matches!(b, b'.' | b'_' | b'-'))
    };
    given.filter(fits).map_or_else(|| format!("req_{}", Uuid::now_v7().simple()), str::to_owned)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn request_ids_can_stand_in_logs() {
        let of = |text: &str| {
            let mut headers = HeaderMap::new();
            headers.insert(REQUEST_ID, HeaderValue::from_bytes(text.as_bytes()).unwrap());
            request_id(&headers)
        };
        assert_eq!(of("opera-4711.a_b"), "opera-4711.a_b");
        for bad in ["", "a b", "a\"b", "ü", &"x".repeat(65)] {
            assert!(of(bad).starts_with("req_"), "{bad}");
        }
    }
}

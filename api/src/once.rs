//! Idempotency of the small writes that answer at once: a policy, a clock.

use crate::{failure, problem::Problem};
use axum::response::{IntoResponse, Response};
use http::{HeaderValue, StatusCode};
use lock_domain::{Timestamp, problem::Code};
use lock_store::{Begun, IdempotencyScope, TenantTx};

/// Whether a request is the first with its key.
pub(crate) enum First {
    /// It is: carry it out.
    Yes,
    /// It is not, and was answered so.
    No {
        /// The HTTP status.
        status: u16,
        /// The body.
        body: serde_json::Value,
    },
}

/// Enters a request.
pub(crate) async fn begin(
    tx: &mut TenantTx<'_>,
    scope: IdempotencyScope<'_>,
    hash: &[u8; 32],
    at: Timestamp,
) -> Result<First, Problem> {
    match tx.idempotency_begin(scope, hash, at).await.map_err(failure::store)? {
        Begun::Fresh => Ok(First::Yes),
        Begun::Replay { status, body } => Ok(First::No { status, body }),
        Begun::InProgress => {
            Err(Problem::new(Code::IdempotencyInProgress, "the first request has not been answered yet"))
        }
        Begun::OtherBody => {
            let detail = "this key came first with another request";
            Err(Problem::field(Code::IdempotencyKeyReused, "Idempotency-Key", detail))
        }
    }
}

/// Keeps the answer for repeats, commits, and answers.
pub(crate) async fn finish<T: serde::Serialize>(
    mut tx: TenantTx<'_>,
    scope: IdempotencyScope<'_>,
    answer: T,
) -> Result<Response, Problem> {
    let value = serde_json::to_value(&answer).map_err(Problem::internal)?;
    tx.idempotency_finish(scope, StatusCode::OK.as_u16(), &value).await.map_err(failure::store)?;
    tx.commit().await.map_err(failure::store)?;
    Ok(axum::Json(answer).into_response())
}

/// Marks an answer as a repeat.
pub(crate) fn replayed(mut response: Response) -> Response {
    response.headers_mut().insert(crate::idempotency::REPLAYED, HeaderValue::from_static("true"));
    response
}

/// The first answer again, for answers that are JSON and nothing more.
pub(crate) fn replay(status: u16, body: serde_json::Value) -> Result<Response, Problem> {
    let status = StatusCode::from_u16(status).map_err(Problem::internal)?;
    Ok(replayed((status, axum::Json(body)).into_response()))
}

//! RFC 9457 problems: one shape for everything that goes wrong, with a stable code, the field and the remedy.
//!
//! A handler returns a [`Problem`]; the outermost layer turns it into a body, because only there the request's id is known. It must
//! not know routes or the database. A problem never carries a PIN, a secret or another tenant's id: details are written by hand here
//! and in the handlers, never taken from an error's text.

use axum::response::{IntoResponse, Response};
use http::{HeaderValue, StatusCode, header};
use lock_domain::{ids::CommandId, problem::Code};
use serde::{Deserialize, Serialize};

/// What goes wrong in a handler, before it has a body. Stored as it is with an Idempotency-Key.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Problem {
    /// What kind.
    pub code: Code,
    /// What happened here, for people.
    pub detail: String,
    /// The path of the field in the body, or the name of the parameter or header.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub field: Option<String>,
    /// The operation that failed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub operation_id: Option<CommandId>,
    /// Seconds after which a repeat makes sense.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub retry_after_s: Option<u64>,
}

/// An RFC 9457 problem, as it goes over the wire with `Content-Type: application/problem+json`.
#[derive(Debug, Clone, Serialize, Deserialize, utoipa::ToSchema)]
#[schema(as = Problem)]
pub struct ProblemBody {
    /// Where the page about this kind of problem is, relative to the API.
    #[serde(rename = "type")]
    #[schema(example = "/errors/room_taken")]
    pub kind: String,
    /// What happened, in a few words; the same for each problem of this kind.
    pub title: String,
    /// The HTTP status.
    pub status: u16,
    /// What happened here, for people.
    pub detail: String,
    /// The request's id, as in the header `X-Request-Id` and in our log.
    pub instance: String,
    /// The kind, for programs.
    pub code: Code,
    /// The path of the field in the body, or the name of the parameter or header.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub field: Option<String>,
    /// What the reader can do.
    pub remedy: String,
    /// The operation that failed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub operation_id: Option<CommandId>,
}

impl Problem {
    /// A problem with what happened here.
    pub fn new(code: Code, detail: impl Into<String>) -> Self {
        let retry_after_s = match code {
            Code::Unavailable => Some(2),
            Code::IdempotencyInProgress => Some(1),
            _ => None,
        };
        Self { code, detail: detail.into(), field: None, operation_id: None, retry_after_s }
    }

    /// A value that was read and makes no sense.
    pub fn field(code: Code, field: impl Into<String>, detail: impl Into<String>) -> Self {
        Self { field: Some(field.into()), ..Self::new(code, detail) }
    }

    /// A mistake of ours. `what` goes to the log, not into the answer; it must carry no secret.
    pub fn internal(what: impl std::fmt::Display) -> Self {
        tracing::error!(error = %what, "internal error");
        Self::new(Code::Internal, "the request could not be completed")
    }

    /// A part that does not answer. `what` goes to the log.
    pub fn unavailable(part: &'static str, what: impl std::fmt::Display) -> Self {
        tracing::warn!(part, error = %what, "a part does not answer");
        Self::new(Code::Unavailable, format!("the {part} does not answer"))
    }

    /// The same problem, said of an operation.
    #[must_use]
    pub fn of(mut self, operation: CommandId) -> Self {
        self.operation_id = Some(operation);
        self
    }

    /// The wire form.
    pub fn body(&self, request: &str) -> ProblemBody {
        ProblemBody {
            kind: format!("/errors/{}", self.code),
            title: self.code.title().to_owned(),
            status: self.code.status(),
            detail: self.detail.clone(),
            instance: request.to_owned(),
            code: self.code,
            field: self.field.clone(),
            remedy: self.code.remedy().to_owned(),
            operation_id: self.operation_id,
        }
    }

    /// The HTTP status of its code.
    pub fn status(&self) -> StatusCode {
        StatusCode::from_u16(self.code.status()).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR)
    }
}

impl From<Code> for Problem {
    fn from(code: Code) -> Self {
        Self::new(code, code.title())
    }
}

impl IntoResponse for Problem {
    fn into_response(self) -> Response {
        let mut response = self.status().into_response();
        if let Some(seconds) = self.retry_after_s {
            response.headers_mut().insert(header::RETRY_AFTER, HeaderValue::from(seconds));
        }
        if self.code == Code::Unauthorized {
            response.headers_mut().insert(header::WWW_AUTHENTICATE, HeaderValue::from_static("Bearer"));
        }
        response.extensions_mut().insert(self);
        response
    }
}

/// Gives a response that carries a [`Problem`] its body. Others pass unchanged.
pub(crate) fn render(mut response: Response, request: &str) -> Response {
    let Some(problem) = response.extensions_mut().remove::<Problem>() else {
        return response;
    };
    let (mut parts, _) = response.into_parts();
    parts.headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("application/problem+json"));
    parts.headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
    parts.headers.remove(header::CONTENT_LENGTH);
    let body = serde_json::to_vec(&problem.body(request)).unwrap_or_default();
    Response::from_parts(parts, body.into())
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[tokio::test]
    async fn has_the_shape_of_rfc_9457() {
        let problem = Problem::field(Code::RoomTaken, "room", "room 204 is taken");
        let response = render(problem.into_response(), "req_1");
        assert_eq!(response.status(), 409);
        assert_eq!(response.headers()[header::CONTENT_TYPE], "application/problem+json");
        let bytes = axum::body::to_bytes(response.into_body(), 10_000).await.unwrap();
        let body: serde_json::Value = serde_json::from_slice(&bytes).unwrap();
        assert_eq!(body["type"], "/errors/room_taken");
        assert_eq!(body["instance"], "req_1");
        assert_eq!(body["field"], "room");
        assert!(body["remedy"].as_str().unwrap().len() > 10 && body.get("operation_id").is_none());
    }

    #[test]
    fn says_when_to_repeat_and_how_to_authenticate() {
        let response = Problem::from(Code::Unavailable).into_response();
        assert_eq!(response.headers()[header::RETRY_AFTER], "2");
        let response = Problem::from(Code::Unauthorized).into_response();
        assert_eq!(response.headers()[header::WWW_AUTHENTICATE], "Bearer");
    }
}

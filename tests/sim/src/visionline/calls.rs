//! Which call a request is, and how the server says no.

use axum::http::{Method, StatusCode};
use serde_json::{Value, json};

/// The vendor's own failure.
#[derive(Debug, Clone)]
pub(crate) struct Refusal {
    pub(crate) status: StatusCode,
    pub(crate) code: i64,
    pub(crate) message: &'static str,
}

impl Refusal {
    pub(crate) fn new(status: StatusCode, code: i64, message: &'static str) -> Self {
        Self { status, code, message }
    }

    pub(crate) fn body(&self) -> Value {
        failure(self.code, self.message)
    }
}

pub(crate) fn failure(code: i64, message: &str) -> Value {
    json!({ "code": code, "message": message, "developerMessage": format!("simulated: {message}") })
}

/// A call of the API.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Call {
    Open,
    Close(String),
    Encode,
    Mobile,
    Cards,
    Doors,
    CheckOut(String),
    Encoders,
}

impl Call {
    /// By method, path below `/api/v1`, and the action in the query.
    pub(crate) fn of(method: &Method, path: &str, action: Option<&str>) -> Option<Self> {
        let path = path.strip_prefix("/api/v1/")?;
        let parts: Vec<_> = path.split('/').collect();
        Some(match (method, parts.as_slice(), action) {
            (&Method::POST, ["sessions"], _) => Self::Open,
            (&Method::DELETE, ["sessions", id], _) => Self::Close((*id).to_owned()),
            (&Method::POST, ["cards"], Some("encode")) => Self::Encode,
            (&Method::POST, ["cards"], Some("mobileAccess")) => Self::Mobile,
            (&Method::GET, ["cards"], _) => Self::Cards,
            (&Method::GET, ["doors"], _) => Self::Doors,
            (&Method::POST, ["doors", door], _) => Self::CheckOut(decoded(door)),
            (&Method::GET, ["encoders"], _) => Self::Encoders,
            _ => return None,
        })
    }

    pub(crate) fn verb(&self) -> &'static str {
        match self {
            Self::Open => "sessions/open",
            Self::Close(_) => "sessions/close",
            Self::Encode => "cards/encode",
            Self::Mobile => "cards/mobileAccess",
            Self::Cards => "cards/list",
            Self::Doors => "doors/list",
            Self::CheckOut(_) => "doors/checkOut",
            Self::Encoders => "encoders/list",
        }
    }
}

/// Percent-decoded; what can't be decoded stays as it is.
pub(crate) fn decoded(text: &str) -> String {
    let bytes = text.as_bytes();
    let (mut out, mut at) = (Vec::with_capacity(bytes.len()), 0);
    while let Some(byte) = bytes.get(at) {
        let code = (*byte == b'%').then(|| text.get(at + 1..at + 3)).flatten();
        match code.and_then(|code| u8::from_str_radix(code, 16).ok()) {
            Some(code) => {
                out.push(code);
                at += 3;
            }
            None => {
                out.push(*byte);
                at += 1;
            }
        }
    }
    String::from_utf8_lossy(&out).into_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_in_a_path_is_decoded() {
        assert_eq!(decoded("Front%20Desk%2F1"), "Front Desk/1");
        assert_eq!(decoded("100%"), "100%");
        assert_eq!(decoded("%zz"), "%zz");
    }
}

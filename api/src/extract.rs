//! Reading requests strictly: path, query and body, each refused with a problem that names the field.
//!
//! It must not know what the values mean. An unknown field is refused, a body is UTF-8 JSON of at most [`MAX_BODY`] bytes, and its bytes
//! are kept as a hash, so that a repeated request can be told from another one.

use crate::problem::Problem;
use axum::{
    extract::{FromRequest, FromRequestParts, Path, Query, Request},
    http::request::Parts,
};
use bytes::{Bytes, BytesMut};
use http::header;
use http_body_util::BodyExt;
use lock_domain::problem::Code;
use serde::de::DeserializeOwned;
use sha2::{Digest, Sha256};

/// The largest body of an ordinary request, in bytes.
pub(crate) const MAX_BODY: usize = 64 * 1024;
/// What is read and thrown away of a body that is too large, so that its sender gets to see the answer instead of a broken connection.
const DRAIN: usize = 16 * 1024 * 1024;

/// A path's parameters. What doesn't fit is 404: there is nothing under such a path.
pub(crate) struct Param<T>(pub(crate) T);

impl<S: Send + Sync, T: DeserializeOwned + Send> FromRequestParts<S> for Param<T> {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, Problem> {
        let nothing = |_| Problem::new(Code::NotFound, "the path holds what can't be part of one");
        Path::<T>::from_request_parts(parts, state).await.map(|Path(value)| Self(value)).map_err(nothing)
    }
}

/// Query parameters, strictly.
pub(crate) struct Asked<T>(pub(crate) T);

impl<S: Send + Sync, T: DeserializeOwned> FromRequestParts<S> for Asked<T> {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, Problem> {
        let refuse = |r: axum::extract::rejection::QueryRejection| query_problem(&r.body_text());
        Query::<T>::from_request_parts(parts, state).await.map(|Query(value)| Self(value)).map_err(refuse)
    }
}

/// axum says `Failed to deserialize query string: name: what is wrong`.
fn query_problem(text: &str) -> Problem {
    let words = text.strip_prefix("Failed to deserialize query string: ").unwrap_or(text);
    let named = words.split_once(": ").filter(|(name, _)| name.bytes().all(|b| b.is_ascii_lowercase() || b == b'_'));
    match named {
        Some((name, wrong)) => Problem::field(Code::InvalidRequest, name, wrong),
        None => Problem::new(Code::InvalidRequest, words),
    }
}

/// A JSON body, with the hash of the whole request: method, path and bytes.
pub(crate) struct Json<T> {
    /// What it says.
    pub(crate) value: T,
    /// SHA-256 over method, path and body.
    pub(crate) hash: [u8; 32],
}

impl<S: Send + Sync, T: DeserializeOwned> FromRequest<S> for Json<T> {
    type Rejection = Problem;

    async fn from_request(request: Request, _: &S) -> Result<Self, Problem> {
        let (parts, body) = request.into_parts();
        let bytes = read(&parts, body, MAX_BODY).await?;
        if !bytes.is_empty() {
            json_type(&parts)?;
        }
        // The wait is no part of the wish: a repeat may wait longer.
        let mut hash = Sha256::new();
        hash.update(parts.method.as_str());
        hash.update([0]);
        hash.update(parts.uri.path());
        hash.update([0]);
        hash.update(&bytes);
        Ok(Self { value: parse(&bytes)?, hash: hash.finalize().into() })
    }
}

/// Reads a body of at most `most` bytes.
pub(crate) async fn read(parts: &Parts, mut body: axum::body::Body, most: usize) -> Result<Bytes, Problem> {
    let too_large = || Problem::new(Code::BodyTooLarge, format!("the body has more than {most} bytes"));
    let announced = parts.headers.get(header::CONTENT_LENGTH).and_then(|v| v.to_str().ok()?.parse::<usize>().ok());
    let asks_first = parts.headers.contains_key(header::EXPECT);
    if asks_first && announced.is_some_and(|length| length > most) {
        return Err(too_large());
    }
    let (mut bytes, mut seen) = (BytesMut::new(), 0_usize);
    while let Some(frame) = body.frame().await {
        let frame = frame.map_err(|_| Problem::new(Code::InvalidRequest, "the body broke off"))?;
        let Ok(data) = frame.into_data() else { continue };
        seen = seen.saturating_add(data.len());
        if seen <= most {
            bytes.extend_from_slice(&data);
        } else if seen > DRAIN {
            break;
        }
    }
    if seen > most { Err(too_large()) } else { Ok(bytes.freeze()) }
}

/// Parses a body; an empty one counts as `{}`.
pub(crate) fn parse<T: DeserializeOwned>(bytes: &[u8]) -> Result<T, Problem> {
    let text = std::str::from_utf8(bytes).map_err(|e| {
        Problem::new(Code::InvalidRequest, format!("the body is not UTF-8: wrong byte at offset {}", e.valid_up_to()))
    })?;
    let text = if text.trim().is_empty() { "{}" } else { text };
    // serde would take a list for the fields in their order.
    if !text.trim_start().starts_with('{') {
        return Err(Problem::new(Code::InvalidRequest, "the body is not a JSON object"));
    }
    let mut reader = serde_json::Deserializer::from_str(text);
    let value = serde_path_to_error::deserialize(&mut reader).map_err(|error| {
        let path = error.path().to_string();
        let inner = error.into_inner();
        let code = if inner.is_data() { Code::InvalidField } else { Code::InvalidRequest };
        let words = inner.to_string();
        let shape = ["unknown field", "missing field", "invalid type", "duplicate field"];
        let code = if shape.iter().any(|s| words.starts_with(s)) { Code::InvalidRequest } else { code };
        let field = quoted_field(&words).map_or(path.clone(), |name| match path.as_str() {
            "." | "" => name.to_owned(),
            _ if path == name || path.ends_with(&format!(".{name}")) => path.clone(),
            _ => format!("{path}.{name}"),
        });
        match field.as_str() {
            "." | "" => Problem::new(code, words),
            _ => Problem::field(code, field, words),
        }
    })?;
    reader.end().map_err(|e| Problem::new(Code::InvalidRequest, format!("something follows the JSON value: {e}")))?;
    Ok(value)
}

/// The name in serde's "unknown field `x`", which the path doesn't reach.
fn quoted_field(words: &str) -> Option<&str> {
    let starts = ["unknown field `", "missing field `", "duplicate field `"];
    let rest = starts.iter().find_map(|s| words.strip_prefix(s))?;
    rest.split('`').next()
}

fn json_type(parts: &Parts) -> Result<(), Problem> {
    let given = parts.headers.get(header::CONTENT_TYPE).and_then(|v| v.to_str().ok()).unwrap_or("nothing");
    let essence = given.split(';').next().unwrap_or_default().trim();
    if essence.eq_ignore_ascii_case("application/json") {
        return Ok(());
    }
    let given: String = given.chars().take(60).collect();
    Err(Problem::new(Code::UnsupportedMediaType, format!("expected application/json, got {given}")))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use serde::Deserialize;

    #[derive(Debug, Deserialize)]
    #[serde(deny_unknown_fields)]
    struct Sample {
        #[serde(default)]
        guests: u16,
        #[serde(default)]
        rooms: Vec<u8>,
    }

    fn refuse(text: &[u8]) -> (Code, Option<String>) {
        let problem = parse::<Sample>(text).unwrap_err();
        (problem.code, problem.field)
    }

    #[test]
    fn names_the_field() {
        assert_eq!(refuse(br#"{"gusts": 2}"#), (Code::InvalidRequest, Some("gusts".into())));
        assert_eq!(refuse(br#"{"guests": "two"}"#), (Code::InvalidRequest, Some("guests".into())));
        assert_eq!(refuse(br#"{"rooms": [1, 300]}"#), (Code::InvalidField, Some("rooms[1]".into())));
        assert_eq!(refuse(br#"{"guests": 1} x"#), (Code::InvalidRequest, None));
        assert_eq!(refuse(br#"{"guests": "#), (Code::InvalidRequest, Some("guests".into())));
        assert_eq!(refuse(b"{\"guests\": \"\xff\"}"), (Code::InvalidRequest, None));
        assert_eq!(refuse(b"[]").0, Code::InvalidRequest);
    }

    #[test]
    fn nothing_counts_as_an_empty_object() {
        let sample = parse::<Sample>(b" ").unwrap();
        assert_eq!((sample.guests, sample.rooms.len()), (0, 0));
    }

    #[tokio::test]
    async fn a_wrong_parameter_is_named() {
        for (query, field) in [("guests=x", "guests"), ("gusts=1", "gusts")] {
            let request = Request::get(format!("/x?{query}")).body(()).unwrap();
            let (mut parts, ()) = request.into_parts();
            let refused = Asked::<Sample>::from_request_parts(&mut parts, &()).await.err().unwrap();
            assert_eq!((refused.code, refused.field.as_deref()), (Code::InvalidRequest, Some(field)));
        }
    }

    async fn post(kind: &str, body: &str) -> Result<Json<serde_json::Value>, Problem> {
        let request = Request::post("/x?wait=3").header("content-type", kind).body(body.to_owned().into()).unwrap();
        Json::from_request(request, &()).await
    }

    #[tokio::test]
    async fn type_size_and_hash() {
        assert_eq!(post("text/plain", "{}").await.err().unwrap().code, Code::UnsupportedMediaType);
        assert_eq!(post("text/plain", "").await.unwrap().value, serde_json::json!({}));
        let large = format!("\"{}\"", "x".repeat(MAX_BODY));
        assert_eq!(post("application/json", &large).await.err().unwrap().code, Code::BodyTooLarge);
        let one = post("application/json; charset=utf-8", "{}").await.unwrap().hash;
        assert_eq!(one, post("application/json", "{}").await.unwrap().hash);
        assert_ne!(one, post("application/json", "{ }").await.unwrap().hash);
    }
}

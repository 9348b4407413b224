//! Idempotency-Key: a repeated request gets the first one's answer, and has no effect of its own.
//!
//! The row is written in the transaction of the effect, with a provisional answer (202 and the operation), and replaced by the final one.
//! So a process that dies between the two leaves an answer that is true. Requests that are refused before anything is accepted leave
//! no row: nothing has changed, and the corrected request may use the same key.

use crate::problem::Problem;
use http::HeaderMap;
use lock_domain::{ids::ApiKeyId, problem::Code};
use std::{
    collections::HashSet,
    sync::{Arc, Mutex, PoisonError},
};

/// The header's name.
pub(crate) const HEADER: &str = "idempotency-key";
/// The header of an answer that is a repeat.
pub(crate) const REPLAYED: &str = "idempotency-replayed";

/// The key of a request: 1 to 128 visible ASCII characters, as they are or as a structured-field string.
pub(crate) fn key(headers: &HeaderMap) -> Result<String, Problem> {
    let missing = || {
        Problem::field(
            Code::IdempotencyKeyMissing,
            "Idempotency-Key",
            "send an Idempotency-Key of 1 to 128 visible characters",
        )
    };
    let mut values = headers.get_all(HEADER).iter();
    let (Some(value), None) = (values.next(), values.next()) else { return Err(missing()) };
    let text = value.to_str().map_err(|_| missing())?.trim();
    let quoted = text.len() >= 2 && text.starts_with('"') && text.ends_with('"');
    let text = if quoted { &text[1..text.len() - 1] } else { text };
    let fits = (1..=128).contains(&text.len()) && text.bytes().all(|b| b.is_ascii_graphic());
    fits.then(|| text.to_owned()).ok_or_else(missing)
}

/// The requests that this process is answering, so that a second one with the same key is told to wait.
#[derive(Debug, Clone, Default)]
pub(crate) struct Running(Arc<Mutex<HashSet<(ApiKeyId, String)>>>);

/// A request that is being answered; dropping it ends that.
#[derive(Debug)]
pub(crate) struct Turn {
    running: Running,
    entry: (ApiKeyId, String),
}

impl Running {
    /// Enters a request, unless it is there already.
    pub(crate) fn enter(&self, client: ApiKeyId, key: &str) -> Result<Turn, Problem> {
        let entry = (client, key.to_owned());
        let fresh = self.0.lock().unwrap_or_else(PoisonError::into_inner).insert(entry.clone());
        let busy = || Problem::new(Code::IdempotencyInProgress, "the first request has not been answered yet");
        fresh.then(|| Turn { running: self.clone(), entry }).ok_or_else(busy)
    }
}

impl Drop for Turn {
    fn drop(&mut self) {
        self.running.0.lock().unwrap_or_else(PoisonError::into_inner).remove(&self.entry);
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use uuid::Uuid;

    fn read(values: &[&str]) -> Result<String, Code> {
        let mut headers = HeaderMap::new();
        for value in values {
            headers.append(HEADER, value.parse().unwrap());
        }
        key(&headers).map_err(|problem| problem.code)
    }

    #[test]
    fn keys_plain_and_quoted() {
        assert_eq!(read(&["abc-1"]).unwrap(), "abc-1");
        assert_eq!(read(&["\"abc-1\""]).unwrap(), "abc-1");
        for bad in [&[][..], &[""], &["a b"], &["\"\""], &["a", "b"], &[&"x".repeat(129)]] {
            assert_eq!(read(bad), Err(Code::IdempotencyKeyMissing), "{bad:?}");
        }
    }

    #[test]
    fn the_second_waits_for_the_first() {
        let (running, client) = (Running::default(), ApiKeyId::from_uuid(Uuid::from_u128(1)));
        let turn = running.enter(client, "k").unwrap();
        assert_eq!(running.enter(client, "k").unwrap_err().code, Code::IdempotencyInProgress);
        assert!(running.enter(client, "other").is_ok());
        drop(turn);
        assert!(running.enter(client, "k").is_ok());
    }
}

//! Orders to misbehave.
//!
//! A fault matches by verb, lets the first `after` matching calls pass, then plays `remaining` times (for ever when absent). The first
//! match in order of creation wins; one fault per call.

use serde::{Deserialize, Serialize};

/// How to misbehave.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "snake_case")]
pub enum FaultKind {
    /// Waits, then acts and answers, even when the caller has gone: the late effect.
    Latency {
        /// How long, in milliseconds.
        ms: u64,
    },
    /// HTTP 503 without a word of the vendor; nothing is done.
    Down,
    /// An HTTP status with a page for humans; nothing is done.
    HttpStatus {
        /// The status, 100 to 599; anything else counts as 500.
        code: u16,
    },
    /// The vendor's own failure; nothing is done.
    Error {
        /// The HTTP status.
        status: u16,
        /// The number in its body.
        code: i64,
    },
    /// Never answers and does nothing.
    Timeout,
    /// Does it and never answers.
    ActThenTimeout,
    /// Does it and cuts the connection without a byte.
    ActThenDrop,
    /// Does it and answers that it failed.
    ActThenError {
        /// The HTTP status.
        status: u16,
        /// The number in its body.
        code: i64,
    },
    /// Cuts the connection without a byte; nothing is done.
    Drop,
    /// Does it and cuts the connection in the middle of the answer.
    ResetMidBody,
    /// The request is carried out twice; the caller gets the second answer.
    Duplicate,
    /// HTTP 200 with a web page; nothing is done.
    Html,
    /// Does it and answers with half a JSON document.
    Garbage,
    /// Does it and answers with JSON whose fields have other types.
    WrongTypes,
    /// Does it and answers with ten megabytes.
    Huge,
    /// Sends the caller elsewhere; nothing is done.
    Redirect,
    /// HTTP 429; nothing is done.
    RateLimited {
        /// `Retry-After`, when there is to be one.
        retry_after_s: Option<u64>,
    },
    /// All sessions end right before the call.
    SessionRevoked,
}

impl FaultKind {
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Latency { .. } => "latency",
            Self::Down => "down",
            Self::HttpStatus { .. } => "http_status",
            Self::Error { .. } => "error",
            Self::Timeout => "timeout",
            Self::ActThenTimeout => "act_then_timeout",
            Self::ActThenDrop => "act_then_drop",
            Self::ActThenError { .. } => "act_then_error",
            Self::Drop => "drop",
            Self::ResetMidBody => "reset_mid_body",
            Self::Duplicate => "duplicate",
            Self::Html => "html",
            Self::Garbage => "garbage",
            Self::WrongTypes => "wrong_types",
            Self::Huge => "huge",
            Self::Redirect => "redirect",
            Self::RateLimited { .. } => "rate_limited",
            Self::SessionRevoked => "session_revoked",
        }
    }
}

/// An order as it is posted.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct FaultOrder {
    /// `sessions/open`, `sessions/close`, `cards/encode`, `cards/mobileAccess`, `cards/list`, `doors/list`, `doors/checkOut`,
    /// `encoders/list`; `*` for all.
    #[serde(default = "any_verb")]
    pub verb: String,
    /// What to do.
    #[serde(flatten)]
    pub kind: FaultKind,
    /// Matching calls that pass first.
    #[serde(default)]
    pub after: u32,
    /// How often it plays; none for ever.
    #[serde(default)]
    pub remaining: Option<u32>,
}

impl FaultOrder {
    /// Plays `kind` on `verb` for the next `times` calls.
    #[must_use]
    pub fn times(verb: &str, kind: FaultKind, times: u32) -> Self {
        Self { verb: verb.to_owned(), kind, after: 0, remaining: Some(times) }
    }

    /// Plays `kind` on `verb` until the faults are cleared.
    #[must_use]
    pub fn always(verb: &str, kind: FaultKind) -> Self {
        Self { verb: verb.to_owned(), kind, after: 0, remaining: None }
    }
}

/// An order in force.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Fault {
    /// Names it when one wants to take it back.
    pub id: u64,
    /// The order with what is left of it.
    #[serde(flatten)]
    pub order: FaultOrder,
}

#[derive(Debug, Default)]
pub(crate) struct Faults {
    last_id: u64,
    active: Vec<Fault>,
}

impl Faults {
    pub(crate) fn add(&mut self, order: FaultOrder) -> u64 {
        self.last_id = self.last_id.saturating_add(1);
        self.active.push(Fault { id: self.last_id, order });
        self.last_id
    }

    pub(crate) fn list(&self) -> Vec<Fault> {
        self.active.clone()
    }

    pub(crate) fn remove(&mut self, id: u64) -> bool {
        let before = self.active.len();
        self.active.retain(|fault| fault.id != id);
        before != self.active.len()
    }

    pub(crate) fn clear(&mut self) {
        self.active.clear();
    }

    /// What to do with this call; uses up one play.
    pub(crate) fn take(&mut self, verb: &str) -> Option<FaultKind> {
        let found = self.active.iter_mut().find(|fault| fault.order.verb == "*" || fault.order.verb == verb)?;
        if found.order.after > 0 {
            found.order.after -= 1;
            return None;
        }
        let kind = found.order.kind;
        if let Some(left) = &mut found.order.remaining {
            *left = left.saturating_sub(1);
        }
        self.active.retain(|fault| fault.order.remaining != Some(0));
        Some(kind)
    }
}

fn any_verb() -> String {
    "*".to_owned()
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn reads_the_posted_shape_and_plays_as_often_as_ordered() {
        let order: FaultOrder = serde_json::from_str(
            r#"{"verb":"cards/encode","kind":"rate_limited","retry_after_s":7,"after":1,"remaining":1}"#,
        )
        .unwrap();
        let mut faults = Faults::default();
        faults.add(order);
        let seen: Vec<_> = (0..3).map(|_| faults.take("cards/encode").map(FaultKind::name)).collect();
        assert_eq!(seen, [None, Some("rate_limited"), None]);
        assert!(faults.list().is_empty());
    }
}

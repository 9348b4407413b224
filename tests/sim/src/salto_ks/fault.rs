//! Orders to misbehave: the same shape as the TTLock simulator's, with what HTTP adds here.
//!
//! A fault matches by the call's name (`POST guests`, `PUT users/{id}/pin`, `POST connect/token`, `*` for all), lets the first `after`
//! matching calls pass, then plays `remaining` times (for ever when absent). The first match in order of creation wins.

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
    /// HTTP 503 from the front of the cloud; nothing is done.
    Down,
    /// A status; nothing is done.
    Status {
        /// The HTTP status.
        status: u16,
        /// The vendor's `ErrorCode`; without it there is a page for humans.
        #[serde(default)]
        code: Option<i64>,
        /// `Retry-After`, seconds.
        #[serde(default)]
        retry_after: Option<u64>,
    },
    /// Never answers and does nothing.
    Timeout,
    /// Does it and never answers.
    ActThenTimeout,
    /// Cuts the connection without a byte; nothing is done.
    Drop,
    /// Does it and cuts the connection without a byte.
    ActThenDrop,
    /// Does it and answers with a status that says it failed.
    ActThenStatus {
        /// The HTTP status.
        status: u16,
    },
    /// Does it and cuts the connection in the middle of the body.
    MidBody,
    /// Does it and answers with half a JSON document.
    Garbage,
    /// Does it and answers with every value of another type.
    WrongTypes,
    /// HTTP 200 with a web page, as from a captive portal; nothing is done.
    Html,
    /// Does it and answers with ten megabytes.
    Huge,
    /// HTTP 302 to another place; nothing is done.
    Redirect,
    /// The request is carried out twice; the caller gets the second answer.
    Duplicate,
}

impl FaultKind {
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Latency { .. } => "latency",
            Self::Down => "down",
            Self::Status { .. } => "status",
            Self::Timeout => "timeout",
            Self::ActThenTimeout => "act_then_timeout",
            Self::Drop => "drop",
            Self::ActThenDrop => "act_then_drop",
            Self::ActThenStatus { .. } => "act_then_status",
            Self::MidBody => "mid_body",
            Self::Garbage => "garbage",
            Self::WrongTypes => "wrong_types",
            Self::Html => "html",
            Self::Huge => "huge",
            Self::Redirect => "redirect",
            Self::Duplicate => "duplicate",
        }
    }
}

/// An order as it is posted.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct FaultOrder {
    /// The call's name; `*` for all.
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

/// The orders in force.
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
            r#"{"verb":"POST guests","kind":"status","status":429,"retry_after":3,"after":1,"remaining":1}"#,
        )
        .unwrap();
        let kind = FaultKind::Status { status: 429, code: None, retry_after: Some(3) };
        assert_eq!(order, FaultOrder { after: 1, ..FaultOrder::times("POST guests", kind, 1) });
        let mut faults = Faults::default();
        faults.add(order);
        let seen: Vec<_> = (0..3).map(|_| faults.take("POST guests")).collect();
        assert_eq!(seen, [None, Some(kind), None]);
        assert_eq!(faults.take("GET users"), None);
    }
}

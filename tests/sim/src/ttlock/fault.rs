//! Orders to misbehave.
//!
//! A fault matches by verb and lock, lets the first `after` matching calls pass, then plays `remaining` times (for ever when absent).
//! The first match in order of creation wins; one fault per call.

use serde::{Deserialize, Deserializer, Serialize};

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
    /// An HTTP status with a page for humans; nothing is done.
    HttpStatus {
        /// The status, 100 to 599; anything else counts as 500.
        code: u16,
    },
    /// The vendor's own failure; nothing is done.
    Errcode {
        /// The number.
        n: i64,
    },
    /// Never answers and does nothing.
    Timeout,
    /// Does it and never answers.
    ActThenTimeout,
    /// Does it and cuts the connection without a byte.
    ActThenDrop,
    /// Does it and answers that it failed.
    ActThenErrcode {
        /// The number.
        n: i64,
    },
    /// Cuts the connection without a byte; nothing is done.
    Drop,
    /// The request is carried out twice; the caller gets the second answer.
    Duplicate,
    /// HTTP 200 with a web page, as from a captive portal; nothing is done.
    Html,
    /// Does it and answers with half a JSON document.
    Garbage,
    /// Does it and answers with every field under another name: a new version of the interface.
    Renamed,
    /// Does it and answers with numbers as texts and texts as numbers.
    WrongTypes,
}

impl FaultKind {
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Latency { .. } => "latency",
            Self::Down => "down",
            Self::HttpStatus { .. } => "http_status",
            Self::Errcode { .. } => "errcode",
            Self::Timeout => "timeout",
            Self::ActThenTimeout => "act_then_timeout",
            Self::ActThenDrop => "act_then_drop",
            Self::ActThenErrcode { .. } => "act_then_errcode",
            Self::Drop => "drop",
            Self::Duplicate => "duplicate",
            Self::Html => "html",
            Self::Garbage => "garbage",
            Self::Renamed => "renamed",
            Self::WrongTypes => "wrong_types",
        }
    }
}

/// An order as it is posted.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct FaultOrder {
    /// Path without `/v3/`, such as `keyboardPwd/add` or `oauth2/token`; `*` for all.
    #[serde(default = "any_verb")]
    pub verb: String,
    /// The lock; none (or `"*"`) for all.
    #[serde(default, deserialize_with = "lock_or_star")]
    pub lock: Option<i64>,
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
    /// Plays `kind` on `verb` for the next `times` calls, whatever the lock.
    #[must_use]
    pub fn times(verb: &str, kind: FaultKind, times: u32) -> Self {
        Self { verb: verb.to_owned(), lock: None, kind, after: 0, remaining: Some(times) }
    }

    /// Plays `kind` on `verb` until the faults are cleared.
    #[must_use]
    pub fn always(verb: &str, kind: FaultKind) -> Self {
        Self { verb: verb.to_owned(), lock: None, kind, after: 0, remaining: None }
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
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
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
    pub(crate) fn take(&mut self, verb: &str, lock: Option<i64>) -> Option<FaultKind> {
        let found = self.active.iter_mut().find(|fault| {
            let order = &fault.order;
            (order.verb == "*" || order.verb == verb) && (order.lock.is_none() || order.lock == lock)
        })?;
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

fn lock_or_star<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<i64>, D::Error> {
    #[derive(Deserialize)]
    #[serde(untagged)]
    enum Raw {
        Number(i64),
        Text(String),
        Absent(()),
    }
    match Raw::deserialize(deserializer)? {
        Raw::Number(id) => Ok(Some(id)),
        Raw::Text(text) if text == "*" => Ok(None),
        Raw::Text(text) => text.parse().map(Some).map_err(serde::de::Error::custom),
        Raw::Absent(()) => Ok(None),
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn reads_the_posted_shape() {
        let order: FaultOrder =
            serde_json::from_str(r#"{"verb":"keyboardPwd/add","lock":"*","kind":"latency","ms":40,"remaining":2}"#)
                .unwrap();
        assert_eq!(order, FaultOrder::times("keyboardPwd/add", FaultKind::Latency { ms: 40 }, 2));
        let plain: FaultOrder = serde_json::from_str(r#"{"kind":"down","lock":7}"#).unwrap();
        assert_eq!((plain.verb.as_str(), plain.lock, plain.remaining), ("*", Some(7), None));
    }

    #[test]
    fn plays_as_often_as_ordered() {
        let mut faults = Faults::default();
        faults.add(FaultOrder { after: 1, ..FaultOrder::times("a", FaultKind::Drop, 2) });
        let seen: Vec<_> = (0..4).map(|_| faults.take("a", None)).collect();
        assert_eq!(seen, [None, Some(FaultKind::Drop), Some(FaultKind::Drop), None]);
        assert_eq!(faults.take("b", None), None);
        assert!(faults.list().is_empty());
    }
}

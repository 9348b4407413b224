//! Orders to misbehave, for all three wires.
//!
//! A fault matches by the request's name, lets the first `after` matching requests pass, then plays `remaining` times (for ever when
//! absent). The first match in order of creation wins; one fault per request. A kind that makes no sense on a wire plays as `act_then_drop`.

use serde::{Deserialize, Serialize};

/// How to misbehave.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "snake_case")]
pub enum FaultKind {
    /// Waits, then acts and answers, also when the caller has gone.
    Latency {
        /// How long, in milliseconds.
        ms: u64,
    },
    /// HTTP 503; on TCP the connection is closed. Nothing is done.
    Down,
    /// HTTP only: a status with a page for humans; nothing is done.
    HttpStatus {
        /// The status.
        code: u16,
    },
    /// Cuts the connection; nothing is done.
    Drop,
    /// PMS: says ACK and cuts the connection; nothing is done.
    AckThenDrop,
    /// Does it and cuts the connection (PMS: after ACK).
    ActThenDrop,
    /// Never answers and does nothing.
    Silence,
    /// Does it and never answers (PMS: after ACK).
    ActThenSilence,
    /// SHIP: an exception; nothing is done.
    Exception {
        /// The number.
        n: i64,
    },
    /// SHIP: does it and answers with an exception.
    ActThenException {
        /// The number.
        n: i64,
    },
    /// PMS: a refusal; nothing is done.
    Refusal {
        /// The two letters.
        letters: String,
    },
    /// PMS: does it and answers with a refusal.
    ActThenRefusal {
        /// The two letters.
        letters: String,
    },
    /// PMS: NAK to the first so many frames and ENQs of the connection, then as usual.
    Nak {
        /// How many.
        times: u32,
    },
    /// PMS: the reply has a wrong check byte so many times; it is sent again after NAK.
    BadLrc {
        /// How many.
        times: u32,
    },
    /// PMS: the reply has `0D` for a check byte.
    SkipLrc,
    /// PMS: no ACK before the reply.
    NoAck,
    /// Does it; the answer comes byte by byte.
    Split,
    /// Does it; ACK and reply come in one piece (PMS), or the reply and the beginning of another (STP).
    Glued,
    /// Does it; half of the answer, and the connection ends.
    HalfThenDrop,
    /// Does it; the answer is broken XML in a good frame, or noise.
    Garbage,
    /// Does it; numbers in the answer are words.
    WrongTypes,
    /// Does it; the answer is to another request.
    WrongName,
    /// Does it; an answer of 10 MB.
    Huge,
    /// A web page as from a captive portal; nothing is done.
    Html,
    /// The request is carried out twice; the caller gets the second answer.
    Duplicate,
}

impl FaultKind {
    pub(crate) fn name(&self) -> String {
        serde_json::to_value(self)
            .ok()
            .and_then(|value| value.get("kind").and_then(|kind| kind.as_str().map(str::to_owned)))
            .unwrap_or_default()
    }

    /// Whether the request is carried out.
    pub(crate) fn acts(&self) -> bool {
        !matches!(
            self,
            Self::Down
                | Self::HttpStatus { .. }
                | Self::Drop
                | Self::AckThenDrop
                | Self::Silence
                | Self::Exception { .. }
                | Self::Refusal { .. }
                | Self::Html
        )
    }
}

/// An order as it is posted.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct FaultOrder {
    /// Such as `SaltoDBUser.Insert` or `CN`; `*` for all.
    #[serde(default = "any")]
    pub verb: String,
    /// What to do.
    #[serde(flatten)]
    pub kind: FaultKind,
    /// Matching requests that pass first.
    #[serde(default)]
    pub after: u32,
    /// How often it plays; none for ever.
    #[serde(default)]
    pub remaining: Option<u32>,
}

impl FaultOrder {
    /// Plays `kind` on `verb` for the next `times` requests.
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

fn any() -> String {
    "*".to_owned()
}

/// The orders in force.
#[derive(Debug, Default)]
pub(crate) struct Faults(Vec<FaultOrder>);

impl Faults {
    pub(crate) fn add(&mut self, order: FaultOrder) {
        self.0.push(order);
    }

    pub(crate) fn clear(&mut self) {
        self.0.clear();
    }

    pub(crate) fn list(&self) -> Vec<FaultOrder> {
        self.0.clone()
    }

    /// What to do with this request; uses up one play.
    pub(crate) fn take(&mut self, verb: &str) -> Option<FaultKind> {
        let order = self.0.iter_mut().find(|order| order.verb == "*" || order.verb == verb)?;
        if order.after > 0 {
            order.after -= 1;
            return None;
        }
        let kind = order.kind.clone();
        if let Some(left) = &mut order.remaining {
            *left = left.saturating_sub(1);
        }
        self.0.retain(|order| order.remaining != Some(0));
        Some(kind)
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn reads_the_posted_shape_and_plays_as_often_as_ordered() {
        let order: FaultOrder =
            serde_json::from_str(r#"{"verb":"CN","kind":"refusal","letters":"OV","after":1,"remaining":1}"#).unwrap();
        let mut faults = Faults::default();
        faults.add(order);
        assert_eq!(faults.take("CC"), None);
        assert_eq!(faults.take("CN"), None);
        assert_eq!(faults.take("CN"), Some(FaultKind::Refusal { letters: "OV".to_owned() }));
        assert_eq!((faults.take("CN"), faults.list().len()), (None, 0));
        assert_eq!(FaultKind::BadLrc { times: 1 }.name(), "bad_lrc");
    }
}

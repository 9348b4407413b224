//! How this server can be ordered to misbehave, for all three wires. Requests are named as in `SaltoDBUser.Insert` or `CN`.
//!
//! A kind that makes no sense on a wire plays as `act_then_drop`.

use serde::{Deserialize, Serialize};

use super::sim::SpaceSim;
use crate::fault::{self, Faults, Faulty};

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
pub type FaultOrder = fault::FaultOrder<FaultKind>;

/// An order in force.
pub type Fault = fault::Fault<FaultKind>;

impl Faulty for SpaceSim {
    type Kind = FaultKind;

    fn with_faults<R>(&self, act: impl FnOnce(&mut Faults<FaultKind>) -> R) -> R {
        act(&mut self.world().faults)
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn reads_the_posted_shape() {
        let order: FaultOrder =
            serde_json::from_str(r#"{"verb":"CN","kind":"refusal","letters":"OV","after":1,"remaining":1}"#).unwrap();
        let kind = FaultKind::Refusal { letters: "OV".to_owned() };
        assert_eq!(order, FaultOrder { after: 1, ..FaultOrder::times("CN", kind, 1) });
        assert_eq!(fault::name(&FaultKind::BadLrc { times: 1 }), "bad_lrc");
    }
}

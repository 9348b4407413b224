//! How this cloud can be ordered to misbehave. Calls are named by their path without `/v3/`, such as `keyboardPwd/add` or `oauth2/token`,
//! and an order may be for one lock.

use serde::{Deserialize, Serialize};

use super::sim::TtlockSim;
use crate::fault::{self, Faults, Faulty};

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

/// An order as it is posted.
pub type FaultOrder = fault::FaultOrder<FaultKind>;

/// An order in force.
pub type Fault = fault::Fault<FaultKind>;

impl Faulty for TtlockSim {
    type Kind = FaultKind;

    fn with_faults<R>(&self, act: impl FnOnce(&mut Faults<FaultKind>) -> R) -> R {
        let mut world = self.world();
        world.touch();
        act(&mut world.faults)
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
}

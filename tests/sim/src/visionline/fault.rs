//! How this server can be ordered to misbehave. Calls are named `sessions/open`, `sessions/close`, `cards/encode`, `cards/mobileAccess`,
//! `cards/list`, `doors/list`, `doors/checkOut` and `encoders/list`.

use serde::{Deserialize, Serialize};

use super::sim::VisionlineSim;
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

/// An order as it is posted.
pub type FaultOrder = fault::FaultOrder<FaultKind>;

/// An order in force.
pub type Fault = fault::Fault<FaultKind>;

impl Faulty for VisionlineSim {
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
        let order: FaultOrder = serde_json::from_str(
            r#"{"verb":"cards/encode","kind":"rate_limited","retry_after_s":7,"after":1,"remaining":1}"#,
        )
        .unwrap();
        let kind = FaultKind::RateLimited { retry_after_s: Some(7) };
        assert_eq!(order, FaultOrder { after: 1, ..FaultOrder::times("cards/encode", kind, 1) });
    }
}

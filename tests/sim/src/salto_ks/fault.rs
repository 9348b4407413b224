//! How this cloud can be ordered to misbehave. Calls are named as in `POST guests`, `PUT users/{id}/pin`, `POST connect/token`.

use serde::{Deserialize, Serialize};

use super::sim::SaltoKsSim;
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

/// An order as it is posted.
pub type FaultOrder = fault::FaultOrder<FaultKind>;

/// An order in force.
pub type Fault = fault::Fault<FaultKind>;

impl Faulty for SaltoKsSim {
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
            r#"{"verb":"POST guests","kind":"status","status":429,"retry_after":3,"after":1,"remaining":1}"#,
        )
        .unwrap();
        let kind = FaultKind::Status { status: 429, code: None, retry_after: Some(3) };
        assert_eq!(order, FaultOrder { after: 1, ..FaultOrder::times("POST guests", kind, 1) });
    }
}

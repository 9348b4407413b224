//! What the control paths of several simulators have in common.

use axum::http::StatusCode;
use serde::{Deserialize, Serialize};

/// A body that sets the world's time to real time plus an offset.
#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct ClockBody {
    /// Milliseconds.
    pub(crate) offset_ms: i64,
}

/// From which entry of a journal on, that one excluded; 0 for all.
#[derive(Deserialize)]
pub(crate) struct Since {
    #[serde(default)]
    pub(crate) since: u64,
}

/// 204 for what was there, else 404.
pub(crate) fn found(done: bool) -> StatusCode {
    if done { StatusCode::NO_CONTENT } else { StatusCode::NOT_FOUND }
}

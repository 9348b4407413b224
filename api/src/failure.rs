//! Errors of the parts, as problems. Details go to the log, never into the answer.

use crate::problem::Problem;
use lock_domain::problem::Code;
use lock_kms::{RetryClass, SealError};
use lock_store::StoreError;

/// The record refused, or did not answer.
pub(crate) fn store(error: StoreError) -> Problem {
    match error {
        StoreError::StayExists => Problem::from(Code::StayExists),
        StoreError::PinTaken => Problem::field(Code::PinTaken, "pin", "the PIN is in use at this property"),
        StoreError::ClockLive => Problem::from(Code::ClockLive),
        StoreError::RoomTaken { reservation } => room_taken("the room", reservation.as_ref()),
        error if error.is_retryable() => Problem::unavailable("database", error),
        error => Problem::internal(error),
    }
}

/// Another stay has the room.
pub(crate) fn room_taken(room: &str, by: Option<&lock_domain::ids::ReservationRef>) -> Problem {
    let detail = match by {
        Some(other) => format!("{room} is taken by reservation {other} in that window"),
        None => format!("{room} was taken by another reservation a moment ago"),
    };
    Problem::field(Code::RoomTaken, "room", detail)
}

/// A key of the tenant's could not be used.
pub(crate) fn seal(error: SealError) -> Problem {
    match error.retry_class() {
        _ if error.is_denied() => {
            tracing::warn!(%error, "a tenant's secrets are locked");
            Problem::new(Code::VaultLocked, "the root key of this tenant refuses")
        }
        RetryClass::Later => Problem::unavailable("key-management service", error),
        RetryClass::Never => Problem::internal(error),
    }
}

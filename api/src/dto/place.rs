//! Locks that have no room for another code, and who waits for a place in one.

use jiff::Timestamp;
use lock_domain::ids::{DoorId, ReservationRef, StayId};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

/// A stay that waits for a place in a full lock.
#[derive(Debug, Clone, Serialize, Deserialize, ToSchema)]
pub struct WaitingBody {
    /// Which.
    pub stay: StayId,
    /// The PMS's name of it.
    pub reservation: ReservationRef,
    /// When it begins, on the property's clock.
    #[schema(value_type = String, format = DateTime)]
    pub arrives: Timestamp,
    /// Since when it waits, in UTC.
    #[schema(value_type = String, format = DateTime)]
    pub since: Timestamp,
}

/// A lock that has said that it has no room for another code.
#[derive(Debug, Clone, Serialize, Deserialize, ToSchema)]
pub struct FullLockBody {
    /// Its door.
    pub door: DoorId,
    /// The door's name.
    pub door_name: String,
    /// How it stands, and what helps, in a sentence or two.
    pub summary: String,
    /// So many codes of this service fitted when the lock said that it was full. The rest of its memory is taken by codes of others.
    pub fits: u32,
    /// So many stand there now, as far as anyone can know.
    pub held: u32,
    /// When it said so, or was last tried all the same, in UTC; none if it may be tried at once.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<String>, format = DateTime)]
    pub told_at: Option<Timestamp>,
    /// Who waits, in the order of their turns.
    pub waiting: Vec<WaitingBody>,
}

/// Full locks of a property.
#[derive(Debug, Clone, Serialize, Deserialize, ToSchema)]
pub struct FullLockPage {
    /// In the order of their doors' ids.
    pub locks: Vec<FullLockBody>,
    /// For the next page; none on the last.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub next_cursor: Option<String>,
}

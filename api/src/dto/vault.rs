//! Rotations of a tenant's keys.

use jiff::Timestamp;
use lock_domain::ids::RotationId;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

fn yes() -> bool {
    true
}

/// A rotation that is wanted.
#[derive(Debug, Clone, Copy, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct NewRotation {
    /// Wrap every data key anew, under the root key that is the tenant's in the key-management service now.
    #[serde(default = "yes")]
    #[schema(default = true)]
    pub root_keys: bool,
    /// Replace the data keys, and seal everything that is stored under the new ones.
    #[serde(default = "yes")]
    #[schema(default = true)]
    pub data_keys: bool,
}

/// A rotation of the tenant's keys.
#[derive(Debug, Clone, Serialize, Deserialize, ToSchema)]
pub struct RotationBody {
    /// Its id.
    pub id: RotationId,
    /// `accepted`, `running` or `done`. It takes a little more than an hour: so long a process may go on under the keys that it has in memory.
    pub state: String,
    /// Data keys are wrapped anew.
    pub root_keys: bool,
    /// Data keys are replaced.
    pub data_keys: bool,
    /// Data keys that were wrapped anew so far.
    pub rewrapped: u32,
    /// Values that were sealed anew so far.
    pub resealed: u64,
    /// Values and data keys that don't open and stay as they are; known at the end. If there are such values, the former data key stays in use for them.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub left_behind: Option<u64>,
    /// When it was asked for.
    #[schema(value_type = String, format = DateTime)]
    pub accepted_at: Timestamp,
    /// When it began.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<String>, format = DateTime)]
    pub begun_at: Option<Timestamp>,
    /// When it ended.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<String>, format = DateTime)]
    pub finished_at: Option<Timestamp>,
}

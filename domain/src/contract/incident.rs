//! An incident: a vendor does something else than what was accepted of it.

use super::Difference;
use crate::ids::{ApiKeyId, IncidentId, PropertyId};
use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

/// Where an incident stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum IncidentState {
    /// Somebody should look.
    Open,
    /// Somebody took what the vendor does now for good.
    Accepted,
    /// The vendor does again what it did.
    Restored,
}

/// An incident.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Incident {
    /// Its id.
    pub id: IncidentId,
    /// The property at which it was seen.
    pub property: PropertyId,
    /// The vendor.
    pub vendor: String,
    /// Where it stands.
    pub state: IncidentState,
    /// When it was seen first, in UTC.
    #[schema(value_type = String, format = DateTime)]
    pub opened_at: Timestamp,
    /// When it was seen last, in UTC.
    #[schema(value_type = String, format = DateTime)]
    pub last_seen_at: Timestamp,
    /// In how many runs it was seen.
    pub runs: u32,
    /// When it was over, in UTC.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<String>, format = DateTime)]
    pub ended_at: Option<Timestamp>,
    /// Who accepted it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub accepted_by: Option<ApiKeyId>,
    /// What differs, as it was seen last.
    pub differences: Vec<Difference>,
}

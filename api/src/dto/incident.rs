//! Vendors that do something else than what was accepted of them.

use lock_domain::contract::Incident;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

/// A page of incidents.
#[derive(Debug, Clone, Serialize, Deserialize, ToSchema)]
pub struct IncidentPage {
    /// The incidents, newest first.
    pub incidents: Vec<Incident>,
    /// Send it as `cursor` for the next page; absent on the last one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub next_cursor: Option<String>,
}

/// Takes what a vendor does now for what is expected of it.
#[derive(Debug, Clone, Default, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct AcceptIncident {}

/// What the nightly check of a property's vendor works on.
#[derive(Debug, Clone, Default, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct ContractCheckBody {
    /// The vendor's id of a lock that no guest uses; left out, nothing is checked.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(min_length = 1, max_length = 200)]
    pub lock: Option<String>,
    /// An encoder that somebody puts blank cards on, for vendors of cards.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(min_length = 1, max_length = 200)]
    pub encoder: Option<String>,
}

//! The health of a property's link to its lock vendor.

use super::{ForcedBody, Reason};
use jiff::Timestamp;
use lock_domain::{
    health::{BreakerState, Evidence, VendorOpinion},
    ids::PropertyId,
};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

/// How a property's lock vendors are.
#[derive(Debug, Clone, Serialize, Deserialize, ToSchema)]
pub struct HealthBody {
    /// The property.
    pub property: PropertyId,
    /// Each vendor of it; none while nobody has looked yet.
    pub vendors: Vec<VendorHealthBody>,
}

/// How one lock vendor is, seen from one property.
#[derive(Debug, Clone, Serialize, Deserialize, ToSchema)]
pub struct VendorHealthBody {
    /// The vendor.
    pub vendor: String,
    /// Whether keys are sent: `closed` yes, `open` and `half_open` no.
    pub breaker: BreakerState,
    /// An operator's word that makes it so.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub forced: Option<ForcedBody>,
    /// Since when, in UTC.
    #[schema(value_type = String, format = DateTime)]
    pub since: Timestamp,
    /// What is so, what is done, and what the desk can do, for a status page.
    pub summary: String,
    /// Why the breaker opened.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reason: Option<Reason>,
    /// When somebody looks next, in UTC; while the breaker is not closed this is the next trial.
    #[schema(value_type = String, format = DateTime)]
    pub next_probe: Timestamp,
    /// What the last round of probes found.
    pub evidence: Vec<Evidence>,
    /// The devices that it saw.
    pub devices: DevicesBody,
    /// What the tenant's properties together say of the vendor: `down` only when several agree.
    pub vendor_wide: VendorOpinion,
    /// Rounds so far.
    pub rounds: u64,
    /// How often the breaker has opened.
    pub opens: u64,
    /// How often it has opened although the very next round found nothing wrong.
    pub false_positives: u64,
}

/// Devices, as the vendor lists them.
#[derive(Debug, Clone, Default, Serialize, Deserialize, ToSchema)]
pub struct DevicesBody {
    /// Locks of the account.
    pub locks: u32,
    /// Gateways, hubs or encoders.
    pub gateways: u32,
    /// Names of those that the vendor does not reach.
    pub gateways_offline: Vec<String>,
}

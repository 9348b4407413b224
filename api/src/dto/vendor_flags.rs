//! Flags of a lock vendor's adapter.

use lock_domain::vendor_flags::{Flag, FlagValue};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use utoipa::ToSchema;

/// Flags to be set.
#[derive(Debug, Clone, Default, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct VendorFlags {
    /// Values by the flags' names; those that are left out get their defaults.
    #[serde(default)]
    pub flags: BTreeMap<String, FlagValue>,
}

/// A flag and how it is set.
#[derive(Debug, Clone, Serialize, ToSchema)]
pub struct FlagState {
    /// What it is.
    #[serde(flatten)]
    pub flag: Flag,
    /// How it is set.
    pub value: FlagValue,
}

/// The flags of a property's lock vendor.
#[derive(Debug, Clone, Serialize, ToSchema)]
pub struct VendorFlagsBody {
    /// The vendor.
    pub vendor: String,
    /// Counts changes of the vendor's settings, by whomever.
    pub version: i64,
    /// The flags.
    pub flags: Vec<FlagState>,
}

//! What lock vendors cost.

use jiff::civil::Date;
use lock_domain::cost::{CostLine, Group, PriceList, WhatIf};
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};

/// Which days, and how they are added up.
#[derive(Debug, Clone, Copy, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub struct CostQuery {
    /// The first day; left out, 29 days before the last.
    #[serde(default)]
    #[param(value_type = Option<String>, format = Date)]
    pub from: Option<Date>,
    /// The last day; left out, today.
    #[serde(default)]
    #[param(value_type = Option<String>, format = Date)]
    pub to: Option<Date>,
    /// A line per property, vendor and day, per property and vendor, or per vendor.
    #[serde(default)]
    #[param(inline)]
    pub group_by: Group,
}

/// Which days, and at which vendor they are imagined.
#[derive(Debug, Clone, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub struct WhatIfQuery {
    /// The other vendor.
    pub vendor: String,
    /// The first day; left out, 29 days before the last.
    #[serde(default)]
    #[param(value_type = Option<String>, format = Date)]
    pub from: Option<Date>,
    /// The last day; left out, today.
    #[serde(default)]
    #[param(value_type = Option<String>, format = Date)]
    pub to: Option<Date>,
}

/// What lock vendors cost. Amounts are millionths of the currency's unit.
#[derive(Debug, Clone, Serialize, Deserialize, ToSchema)]
pub struct CostBody {
    /// The first day.
    #[schema(value_type = String, format = Date)]
    pub from: Date,
    /// The last day.
    #[schema(value_type = String, format = Date)]
    pub to: Date,
    /// The lines.
    pub lines: Vec<CostLine>,
}

/// What the same work costs, and would cost at another vendor.
#[derive(Debug, Clone, Serialize, Deserialize, ToSchema)]
pub struct WhatIfBody {
    /// The first day.
    #[schema(value_type = String, format = Date)]
    pub from: Date,
    /// The last day.
    #[schema(value_type = String, format = Date)]
    pub to: Date,
    /// Both.
    #[serde(flatten)]
    pub comparison: WhatIf,
}

/// A vendor's price lists.
#[derive(Debug, Clone, Serialize, Deserialize, ToSchema)]
pub struct VendorPrices {
    /// The vendor.
    pub vendor: String,
    /// Its lists, each from its day on.
    pub lists: Vec<PriceList>,
}

/// All price lists.
#[derive(Debug, Clone, Serialize, Deserialize, ToSchema)]
pub struct PricesBody {
    /// By vendor.
    pub vendors: Vec<VendorPrices>,
}

//! Price lists.

use jiff::civil::Date;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use utoipa::ToSchema;

/// Ten thousand units: more is a mistake in the unit.
const MOST: u64 = 10_000_000_000;
/// So many calls may have prices of their own.
const MOST_VERBS: usize = 50;

/// What a vendor takes.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(default, deny_unknown_fields)]
pub struct Rates {
    /// For a call, in millionths of the currency's unit.
    pub per_call: u64,
    /// For calls that have another price, by the vendor's own name of the call.
    pub verbs: BTreeMap<String, u64>,
    /// For a key that can open, per month; by the day.
    pub per_key_month: u64,
    /// For a door with this vendor's lock, per month; by the day.
    pub per_door_month: u64,
}

/// A vendor's prices from a day on.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct PriceList {
    /// The first day on which it holds.
    #[schema(value_type = String, format = Date)]
    pub valid_from: Date,
    /// ISO 4217, such as `EUR`.
    #[schema(pattern = "^[A-Z]{3}$")]
    pub currency: String,
    /// What it says.
    pub rates: Rates,
}

/// What is wrong with a price list.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{reason}")]
pub struct PriceError {
    /// The field.
    pub field: &'static str,
    /// What is wrong.
    pub reason: &'static str,
}

impl PriceList {
    /// Whether it makes sense.
    pub fn check(&self) -> Result<(), PriceError> {
        let bad = |field, reason| Err(PriceError { field, reason });
        if self.currency.len() != 3 || !self.currency.bytes().all(|b| b.is_ascii_uppercase()) {
            return bad("currency", "three capital letters, such as EUR");
        }
        let too_much = "at most 10000000000 millionths, which is ten thousand";
        for (field, amount) in [
            ("rates.per_call", self.rates.per_call),
            ("rates.per_key_month", self.rates.per_key_month),
            ("rates.per_door_month", self.rates.per_door_month),
        ] {
            if amount > MOST {
                return bad(field, too_much);
            }
        }
        if self.rates.verbs.len() > MOST_VERBS
            || self.rates.verbs.keys().any(|verb| verb.is_empty() || verb.len() > 100)
        {
            return bad("rates.verbs", "at most 50 names of 1 to 100 characters");
        }
        if self.rates.verbs.values().any(|amount| *amount > MOST) {
            return bad("rates.verbs", too_much);
        }
        Ok(())
    }
}

impl Rates {
    /// What one call takes.
    pub fn call(&self, verb: &str) -> u64 {
        self.verbs.get(verb).copied().unwrap_or(self.per_call)
    }
}

/// The list that holds on a day: of those that have begun, the latest.
pub fn in_force(lists: &[PriceList], day: Date) -> Option<&PriceList> {
    lists.iter().filter(|list| list.valid_from <= day).max_by_key(|list| list.valid_from)
}

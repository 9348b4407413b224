//! Adding up.

use super::acts::{Act, Acts, act_of, calls_of};
use super::price::{PriceList, in_force};
use crate::ids::PropertyId;
use jiff::civil::Date;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use utoipa::ToSchema;

/// Calls of one kind on one day of a property, or of several days and properties together, as far as one price list holds for all of them.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CallCount {
    /// The property, unless several are added up.
    pub property: Option<PropertyId>,
    /// The vendor.
    pub vendor: String,
    /// The day, in the property's time zone; of several days the first.
    pub day: Date,
    /// The vendor's own name of the call.
    pub verb: String,
    /// How many.
    pub count: u64,
    /// Those of them that did not do what they were for.
    pub failed: u64,
    /// Those of them that repeated what was tried before.
    pub retries: u64,
}

/// Keys and doors on one day of a property.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DayUse {
    /// The property.
    pub property: PropertyId,
    /// The vendor.
    pub vendor: String,
    /// The day.
    pub day: Date,
    /// Keys that could open on it.
    pub keys: u64,
    /// Keys that were made on it.
    pub made: u64,
    /// Doors with this vendor's locks.
    pub doors: u64,
}

/// What one vendor takes, of one property on one day, or of several together.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct CostLine {
    /// The property, unless several are added up.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub property: Option<PropertyId>,
    /// The vendor, unless several are added up.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub vendor: Option<String>,
    /// The day, in the property's time zone, unless several are added up.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<String>, format = Date)]
    pub day: Option<Date>,
    /// ISO 4217; none where there was no price list: the amounts are then 0 and mean nothing.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub currency: Option<String>,
    /// Calls.
    pub calls: u64,
    /// Those of them that did not do what they were for.
    pub failed: u64,
    /// Those of them that repeated what was tried before.
    pub retries: u64,
    /// Keys that were made.
    pub keys: u64,
    /// For calls, in millionths of the currency's unit.
    pub for_calls: u64,
    /// For keys.
    pub for_keys: u64,
    /// For doors.
    pub for_doors: u64,
    /// All together.
    pub total: u64,
    /// All together for each key that was made, rounded down; none if none was made.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub per_key: Option<u64>,
}

/// By what lines are added up.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum Group {
    /// A line per property, vendor and day.
    #[default]
    Day,
    /// A line per property and vendor.
    Property,
    /// A line per vendor.
    Vendor,
}

/// What the same work costs, and would cost.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct WhatIf {
    /// The other vendor.
    pub vendor: String,
    /// Now, by currency.
    pub now: Vec<CostLine>,
    /// There; with the calls that it would take.
    pub then: CostLine,
    /// How often each was done.
    pub acts: BTreeMap<String, u64>,
    /// What the other vendor can't do at all, and how often it was done.
    pub impossible: BTreeMap<String, u64>,
}

/// The share of a monthly price that one of the days of a month takes; the shares of its days add up to the whole.
fn share(monthly: u64, day: Date) -> u64 {
    let (days, before) = (day.days_in_month().unsigned_abs(), day.day().unsigned_abs() - 1);
    let upto = |n: u8| u128::from(monthly) * u128::from(n) / u128::from(days);
    u64::try_from(upto(before + 1) - upto(before)).unwrap_or(u64::MAX)
}

fn times(count: u64, price: u64) -> u64 {
    count.saturating_mul(price)
}

impl CostLine {
    fn add(&mut self, other: &Self) {
        for (sum, more) in [
            (&mut self.calls, other.calls),
            (&mut self.failed, other.failed),
            (&mut self.retries, other.retries),
            (&mut self.keys, other.keys),
            (&mut self.for_calls, other.for_calls),
            (&mut self.for_keys, other.for_keys),
            (&mut self.for_doors, other.for_doors),
        ] {
            *sum = sum.saturating_add(more);
        }
        self.settle();
    }

    fn settle(&mut self) {
        self.total = self.for_calls.saturating_add(self.for_keys).saturating_add(self.for_doors);
        self.per_key = self.total.checked_div(self.keys);
    }
}

/// What each property's vendors took each day; of calls that are added up, what they took together. `prices` are the lists of each vendor.
pub fn cost(calls: &[CallCount], uses: &[DayUse], prices: &BTreeMap<String, Vec<PriceList>>) -> Vec<CostLine> {
    let mut lines: BTreeMap<(Option<PropertyId>, &str, Date), CostLine> = BTreeMap::new();
    let list = |vendor: &str, day| in_force(prices.get(vendor).map_or(&[], Vec::as_slice), day);
    let blank = |property, vendor: &str, day| CostLine {
        property,
        vendor: Some(vendor.to_owned()),
        day: Some(day),
        currency: list(vendor, day).map(|list| list.currency.clone()),
        ..CostLine::default()
    };
    for call in calls {
        let key = (call.property, call.vendor.as_str(), call.day);
        let line = lines.entry(key).or_insert_with(|| blank(call.property, &call.vendor, call.day));
        let price = list(&call.vendor, call.day).map_or(0, |list| list.rates.call(&call.verb));
        line.calls = line.calls.saturating_add(call.count);
        line.failed = line.failed.saturating_add(call.failed);
        line.retries = line.retries.saturating_add(call.retries);
        line.for_calls = line.for_calls.saturating_add(times(call.count, price));
    }
    for day in uses {
        let key = (Some(day.property), day.vendor.as_str(), day.day);
        let line = lines.entry(key).or_insert_with(|| blank(key.0, &day.vendor, day.day));
        line.keys = line.keys.saturating_add(day.made);
        if let Some(list) = list(&day.vendor, day.day) {
            line.for_keys = times(day.keys, share(list.rates.per_key_month, day.day));
            line.for_doors = times(day.doors, share(list.rates.per_door_month, day.day));
        }
    }
    let mut lines: Vec<CostLine> = lines.into_values().collect();
    lines.iter_mut().for_each(CostLine::settle);
    lines
}

/// What lines have in common that are added up: property, vendor, day and currency, as far as they are told.
type Shared = (Option<PropertyId>, Option<String>, Option<Date>, Option<String>);

/// Adds lines up. Currencies stay apart.
pub fn group(lines: &[CostLine], by: Group) -> Vec<CostLine> {
    let mut sums: BTreeMap<Shared, CostLine> = BTreeMap::new();
    for line in lines {
        let property = line.property.filter(|_| by != Group::Vendor);
        let day = line.day.filter(|_| by == Group::Day);
        let key = (property, line.vendor.clone(), day, line.currency.clone());
        let blank = CostLine {
            property,
            vendor: line.vendor.clone(),
            day,
            currency: line.currency.clone(),
            ..CostLine::default()
        };
        sums.entry(key).or_insert(blank).add(line);
    }
    sums.into_values().collect()
}

/// What was done, whatever the vendor: an act for each call that stands for one, repetitions too, as they would be repeated elsewhere. A look
/// that belongs to another act counts with that one.
fn acts(calls: &[CallCount]) -> Acts {
    let mut own: BTreeMap<&str, Acts> = BTreeMap::new();
    for call in calls {
        if let Some(act) = act_of(&call.vendor, &call.verb) {
            let sum = own.entry(&call.vendor).or_default().entry(act).or_default();
            *sum = sum.saturating_add(call.count);
        }
    }
    let mut acts = Acts::new();
    for (vendor, done) in own {
        let others = done.iter().filter(|(act, _)| **act != Act::Read);
        let within = others.fold(0_u64, |sum, (act, count)| sum.saturating_add(times(*count, looks(vendor, *act))));
        for (act, count) in done {
            let count = if act == Act::Read { count.saturating_sub(within) } else { count };
            if count > 0 {
                let sum = acts.entry(act).or_default();
                *sum = sum.saturating_add(count);
            }
        }
    }
    acts
}

/// How often a key is looked up within an act.
fn looks(vendor: &str, act: Act) -> u64 {
    let calls = calls_of(vendor, act).unwrap_or_default().iter();
    calls.filter(|(verb, _)| act_of(vendor, verb) == Some(Act::Read)).map(|(_, count)| count).sum()
}

/// What the same keys would take at another vendor, at the prices that hold there on the last day.
pub fn what_if(
    calls: &[CallCount],
    uses: &[DayUse],
    prices: &BTreeMap<String, Vec<PriceList>>,
    other: &str,
    last: Date,
) -> WhatIf {
    let mut now = group(&cost(calls, uses, prices), Group::Vendor);
    now.sort_by(|a, b| a.vendor.cmp(&b.vendor));
    let list = in_force(prices.get(other).map_or(&[], Vec::as_slice), last);
    let mut then = CostLine {
        vendor: Some(other.to_owned()),
        currency: list.map(|list| list.currency.clone()),
        keys: uses.iter().map(|day| day.made).sum(),
        ..CostLine::default()
    };
    let (mut done, mut impossible) = (BTreeMap::new(), BTreeMap::new());
    for (act, count) in acts(calls) {
        done.insert(name(act), count);
        let Some(needed) = calls_of(other, act) else {
            impossible.insert(name(act), count);
            continue;
        };
        for (verb, each) in needed {
            let made = count.saturating_mul(*each);
            then.calls = then.calls.saturating_add(made);
            let price = list.map_or(0, |list| list.rates.call(verb));
            then.for_calls = then.for_calls.saturating_add(times(made, price));
        }
    }
    for day in uses {
        if let Some(list) = list {
            let keys = times(day.keys, share(list.rates.per_key_month, day.day));
            let doors = times(day.doors, share(list.rates.per_door_month, day.day));
            then.for_keys = then.for_keys.saturating_add(keys);
            then.for_doors = then.for_doors.saturating_add(doors);
        }
    }
    then.settle();
    WhatIf { vendor: other.to_owned(), now, then, acts: done, impossible }
}

fn name(act: Act) -> String {
    match act {
        Act::Issue => "issue",
        Act::Change => "change",
        Act::Revoke => "revoke",
        Act::Read => "read",
        Act::Clock => "clock",
        Act::Watch => "watch",
        Act::SignIn => "sign_in",
    }
    .to_owned()
}

#![allow(clippy::unwrap_used)]
use super::*;
use crate::ids::PropertyId;
use jiff::civil::{Date, date};
use proptest::prelude::*;
use std::collections::BTreeMap;
use uuid::Uuid;

const VENDORS: [&str; 5] = ["ttlock", "salto_ks", "salto_ship", "salto_pms", "visionline"];

fn house(n: u128) -> PropertyId {
    PropertyId::from_uuid(Uuid::from_u128(n))
}

fn call(verb: &str, day: Date, outcome: &str, retry: bool, count: u64) -> CallCount {
    let (vendor, verb) = ("ttlock".to_owned(), verb.to_owned());
    let (failed, retries) = (if outcome == "ok" { 0 } else { count }, if retry { count } else { 0 });
    CallCount { property: Some(house(1)), vendor, day, verb, count, failed, retries }
}

fn on(day: Date, keys: u64, made: u64, doors: u64) -> DayUse {
    DayUse { property: house(1), vendor: "ttlock".to_owned(), day, keys, made, doors }
}

fn list(valid_from: Date, currency: &str, rates: Rates) -> PriceList {
    PriceList { valid_from, currency: currency.to_owned(), rates }
}

fn rates(per_call: u64, per_key_month: u64, per_door_month: u64) -> Rates {
    Rates { per_call, verbs: BTreeMap::new(), per_key_month, per_door_month }
}

#[test]
fn r_lock_18_calls_keys_and_doors_are_added_up_by_the_day() {
    let day = date(2026, 11, 23);
    let mut prices = rates(1_000, 30_000_000, 60_000_000);
    prices.verbs.insert("lock/listKeyboardPwd".to_owned(), 0);
    let prices = BTreeMap::from([("ttlock".to_owned(), vec![list(date(2026, 1, 1), "EUR", prices)])]);
    let calls = [
        call("keyboardPwd/add", day, "ok", false, 3),
        call("keyboardPwd/add", day, "unconfirmed", true, 1),
        call("lock/listKeyboardPwd", day, "ok", false, 50),
    ];
    let lines = cost(&calls, &[on(day, 4, 2, 10)], &prices);
    let [line] = &lines[..] else { unreachable!("{lines:?}") };
    assert_eq!((line.calls, line.failed, line.retries, line.keys), (54, 1, 1, 2));
    assert_eq!((line.for_calls, line.for_keys, line.for_doors), (4_000, 4_000_000, 20_000_000));
    assert_eq!((line.total, line.per_key), (24_004_000, Some(12_002_000)));
    assert_eq!(line.currency.as_deref(), Some("EUR"));
}

#[test]
fn a_new_list_holds_from_its_day_on_and_currencies_stay_apart() {
    let (before, after) = (date(2026, 11, 30), date(2026, 12, 1));
    let lists = vec![list(after, "USD", rates(7, 0, 0)), list(date(2026, 1, 1), "EUR", rates(5, 0, 0))];
    let prices = BTreeMap::from([("ttlock".to_owned(), lists)]);
    let calls = [call("keyboardPwd/add", before, "ok", false, 1), call("keyboardPwd/add", after, "ok", false, 1)];
    let sums = group(&cost(&calls, &[], &prices), Group::Vendor);
    let told: Vec<_> = sums.iter().map(|line| (line.currency.as_deref(), line.total)).collect();
    assert_eq!(told, [(Some("EUR"), 5), (Some("USD"), 7)]);
    let nothing = cost(&calls, &[], &BTreeMap::new());
    assert!(nothing.iter().all(|line| line.currency.is_none() && line.calls == 1), "not free: without a price");
}

#[test]
fn r_lock_18_a_change_elsewhere_is_a_deletion_and_a_new_key() {
    let day = date(2026, 11, 23);
    let prices = BTreeMap::from([("visionline".to_owned(), vec![list(day, "EUR", rates(10, 0, 0))])]);
    let calls = [call("keyboardPwd/change", day, "ok", false, 2), call("lock/queryDate", day, "ok", false, 9)];
    let there = what_if(&calls, &[], &prices, "visionline", day);
    let each = |act| calls_of("visionline", act).unwrap().iter().map(|(_, n)| n).sum::<u64>();
    assert_eq!(each(Act::Change), each(Act::Issue) + each(Act::Revoke));
    assert_eq!((there.then.calls, there.then.total), (2 * each(Act::Change), 2 * each(Act::Change) * 10));
    assert_eq!(there.impossible, BTreeMap::from([("clock".to_owned(), 9)]));
    assert_eq!(there.now[0].currency, None, "the present vendor has no price list, and that is said");
}

#[test]
fn r_lock_18_what_belongs_to_an_act_here_is_nothing_of_its_own_elsewhere() {
    let day = date(2026, 11, 23);
    for vendor in VENDORS {
        for act in [Act::Issue, Act::Revoke] {
            let one = |(verb, count): &(&str, u64)| CallCount {
                vendor: vendor.to_owned(),
                ..call(verb, day, "ok", false, *count)
            };
            let calls: Vec<CallCount> = calls_of(vendor, act).unwrap().iter().map(one).collect();
            let there = what_if(&calls, &[], &BTreeMap::new(), "ttlock", day);
            assert!(!there.acts.contains_key("sign_in"), "{vendor} {act:?}: {:?}", there.acts);
        }
    }
    let card = [("sessions/open", 1), ("cards/list", 1), ("cards/encode", 1), ("sessions/close", 1)];
    let card = card.map(|(verb, n)| CallCount { vendor: "visionline".to_owned(), ..call(verb, day, "ok", false, n) });
    let there = what_if(&card, &[], &BTreeMap::new(), "ttlock", day);
    assert_eq!(there.acts, BTreeMap::from([("issue".to_owned(), 1)]), "the list is part of it");
    assert_eq!(there.then.calls, 1);
}

#[test]
fn every_call_of_an_act_is_known_to_its_vendor() {
    for vendor in VENDORS {
        for act in [Act::Issue, Act::Revoke] {
            let calls = calls_of(vendor, act).unwrap();
            let own = calls.iter().filter(|(verb, _)| act_of(vendor, verb) == Some(act)).map(|(_, n)| n).sum::<u64>();
            assert_eq!(own, 1, "{vendor} {act:?}: one call stands for it");
        }
    }
}

fn days() -> impl Strategy<Value = Date> {
    (1_i8..=12, 1_i8..=28).prop_map(|(month, day)| date(2026, month, day))
}

fn calls() -> impl Strategy<Value = Vec<CallCount>> {
    let one = (0_u128..3, 0_usize..2, days(), 0_usize..3, any::<bool>(), 0_u64..1_000);
    let one = one.prop_map(|(property, vendor, day, verb, retry, count)| CallCount {
        property: Some(house(property)),
        vendor: VENDORS[vendor].to_owned(),
        day,
        verb: ["keyboardPwd/add", "POST guests", "other"][verb].to_owned(),
        count,
        failed: if retry { count } else { 0 },
        retries: if retry { count } else { 0 },
    });
    proptest::collection::vec(one, 0..20)
}

fn uses() -> impl Strategy<Value = Vec<DayUse>> {
    // One row per property, vendor and day, as they are read.
    let rows =
        proptest::collection::btree_map((0_u128..3, 0_usize..2, days()), (0_u64..500, 0_u64..500, 0_u64..99), 0..10);
    rows.prop_map(|rows| {
        let one = |((property, vendor, day), (keys, made, doors)): ((u128, usize, Date), (u64, u64, u64))| DayUse {
            property: house(property),
            vendor: VENDORS[vendor].to_owned(),
            day,
            keys,
            made,
            doors,
        };
        rows.into_iter().map(one).collect()
    })
}

fn prices() -> impl Strategy<Value = BTreeMap<String, Vec<PriceList>>> {
    let rates = (0_u64..9_999, 0_u64..99_000_000, 0_u64..99_000_000).prop_map(|(a, b, c)| rates(a, b, c));
    let lists = proptest::collection::vec((days(), "(EUR|USD)", rates), 0..3);
    let lists =
        lists.prop_map(|all| all.into_iter().map(|(day, currency, rates)| list(day, &currency, rates)).collect());
    proptest::collection::btree_map((0_usize..2).prop_map(|n| VENDORS[n].to_owned()), lists, 0..3)
}

proptest! {
    #[test]
    fn r_lock_18_however_it_is_grouped_the_sum_is_the_same(calls in calls(), uses in uses(), prices in prices()) {
        let lines = cost(&calls, &uses, &prices);
        let sum = |lines: &[CostLine], currency: &str| -> (u64, u64) {
            let own = lines.iter().filter(|line| line.currency.as_deref() == Some(currency));
            own.fold((0, 0), |(calls, total), line| (calls + line.calls, total + line.total))
        };
        for by in [Group::Day, Group::Property, Group::Vendor] {
            let grouped = group(&lines, by);
            for currency in ["EUR", "USD"] {
                prop_assert_eq!(sum(&grouped, currency), sum(&lines, currency));
            }
            prop_assert_eq!(grouped.iter().map(|l| l.calls).sum::<u64>(), calls.iter().map(|c| c.count).sum::<u64>());
            prop_assert_eq!(grouped.iter().map(|l| l.keys).sum::<u64>(), uses.iter().map(|u| u.made).sum::<u64>());
        }
        for line in &lines {
            prop_assert_eq!(line.total, line.for_calls + line.for_keys + line.for_doors);
            prop_assert!(line.currency.is_some() || line.total == 0);
            prop_assert!(line.retries <= line.calls && line.failed <= line.calls);
        }
    }

    #[test]
    fn r_lock_18_calls_that_are_added_up_before_cost_the_same(calls in calls(), uses in uses(), prices in prices()) {
        // As the record adds them up: what shares a vendor, a verb, a price list, and what lines tell apart.
        let together = |by: Group| {
            let mut sums: BTreeMap<_, CallCount> = BTreeMap::new();
            for call in &calls {
                let held = in_force(prices.get(&call.vendor).map_or(&[], Vec::as_slice), call.day).map(|list| list.valid_from);
                let property = call.property.filter(|_| by != Group::Vendor);
                let day = Some(call.day).filter(|_| by == Group::Day);
                let key = (property, call.vendor.clone(), held, day, call.verb.clone());
                let blank = CallCount { property, count: 0, failed: 0, retries: 0, ..call.clone() };
                let sum = sums.entry(key).or_insert(blank);
                sum.day = sum.day.min(call.day);
                sum.count += call.count;
                sum.failed += call.failed;
                sum.retries += call.retries;
            }
            sums.into_values().collect::<Vec<_>>()
        };
        for by in [Group::Day, Group::Property, Group::Vendor] {
            let added = together(by);
            prop_assert_eq!(group(&cost(&added, &uses, &prices), by), group(&cost(&calls, &uses, &prices), by));
        }
        let last = date(2026, 12, 28);
        let (added, alone) = (what_if(&together(Group::Vendor), &uses, &prices, "ttlock", last), what_if(&calls, &uses, &prices, "ttlock", last));
        prop_assert_eq!(added, alone);
    }

    #[test]
    fn a_months_days_take_a_months_price(monthly in 0_u64..10_000_000_000, month in 1_i8..=12) {
        let first = date(2026, month, 1);
        let prices = BTreeMap::from([("ttlock".to_owned(), vec![list(first, "EUR", rates(0, monthly, 0))])]);
        let uses: Vec<DayUse> = (1..=first.days_in_month()).map(|day| on(date(2026, month, day), 1, 0, 0)).collect();
        let sum: u64 = cost(&[], &uses, &prices).iter().map(|line| line.total).sum();
        prop_assert_eq!(sum, monthly);
    }

    #[test]
    fn r_lock_18_nothing_gets_lost_on_the_way_to_another_vendor(calls in calls(), uses in uses(), other in 0_usize..5) {
        let there = what_if(&calls, &uses, &BTreeMap::new(), VENDORS[other], date(2026, 12, 28));
        for (act, count) in &there.impossible {
            prop_assert_eq!(there.acts.get(act), Some(count));
        }
        prop_assert_eq!(there.then.keys, uses.iter().map(|u| u.made).sum::<u64>());
        prop_assert_eq!(there.then.total, 0);
    }
}

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]
use super::*;
use proptest::prelude::*;
use uuid::Uuid;

const DAY: i64 = 24 * 3600;

fn at(s: i64) -> Timestamp {
    Timestamp::from_second(1_790_000_000 + s).unwrap()
}

fn desk() -> Accessor {
    Accessor::Client(ApiKeyId::from_uuid(Uuid::from_u128(1)))
}

fn hour(at: Timestamp) -> u8 {
    u8::try_from(at.as_second().rem_euclid(DAY) / 3600).unwrap()
}

fn judged(who: &Accessor, earlier: &[Timestamp], now: Timestamp) -> Option<Oddity> {
    let past = Past { tenant_since: Some(at(-90 * DAY)), ..Past::of(earlier, now, hour) };
    oddity(who, now, hour(now), &past)
}

#[test]
fn r_lock_03_a_process_is_new_once_the_tenant_has_learnt_who_works_for_it() {
    let who = Accessor::Process("worker-b".to_owned());
    let past = |since| Past { tenant_since: since, ..Past::default() };
    assert_eq!(oddity(&who, at(0), 3, &past(None)), None);
    assert_eq!(oddity(&who, at(0), 3, &past(Some(at(-3600)))), None);
    assert_eq!(oddity(&who, at(0), 3, &past(Some(at(-DAY)))), Some(Oddity::NewProcess));
    assert_eq!(judged(&who, &[at(-5)], at(0)), None);
}

#[test]
fn r_lock_03_a_desk_that_never_works_at_night_is_odd_at_three() {
    let noon = at(0).as_second() / DAY * DAY + 12 * 3600;
    let days: Vec<Timestamp> = (1..=60).map(|day| Timestamp::from_second(noon - day * DAY).unwrap()).collect();
    let night = Timestamp::from_second(noon + 15 * 3600).unwrap();
    assert_eq!(judged(&desk(), &days, night), Some(Oddity::OddHour));
    assert_eq!(judged(&desk(), &days, Timestamp::from_second(noon + 3600).unwrap()), None, "an hour later is no news");
    assert_eq!(judged(&desk(), &days[..49], night), None, "too few to have habits");
}

#[test]
fn r_lock_03_a_burst_is_measured_by_the_busiest_time_before() {
    let burst = |n: i64| -> Vec<Timestamp> { (1..=n).map(|s| at(-s)).collect() };
    assert_eq!(judged(&desk(), &burst(29), at(0)), None);
    assert_eq!(judged(&desk(), &burst(30), at(0)), Some(Oddity::Burst));
    // A PMS that reveals forty PINs each morning at once.
    let mut mornings: Vec<Timestamp> = (1..=9).flat_map(|day| (0..40).map(move |s| at(-day * DAY - s))).collect();
    mornings.extend(burst(60));
    assert_eq!(judged(&desk(), &mornings, at(0)), None);
    mornings.extend(burst(60));
    assert_eq!(judged(&desk(), &mornings, at(0)), Some(Oddity::Burst));
}

fn accesses() -> impl Strategy<Value = Vec<Timestamp>> {
    prop::collection::vec((1..30 * DAY).prop_map(|s| at(-s)), 0..300)
}

proptest! {
    #[test]
    fn what_was_told_is_not_told_again(earlier in accesses(), process: bool) {
        let who = if process { Accessor::Process("w".to_owned()) } else { desk() };
        let mut past = Past { tenant_since: Some(at(-90 * DAY)), ..Past::of(&earlier, at(0), hour) };
        if let Some(found) = oddity(&who, at(0), hour(at(0)), &past) {
            past.told.push(found);
            prop_assert_ne!(oddity(&who, at(0), hour(at(0)), &past), Some(found));
        }
    }

    #[test]
    fn the_order_of_the_past_does_not_matter(earlier in accesses()) {
        let mut other = earlier.clone();
        other.reverse();
        prop_assert_eq!(Past::of(&earlier, at(0), hour), Past::of(&other, at(0), hour));
    }

    #[test]
    fn fewer_accesses_lately_never_make_a_burst(earlier in accesses(), lately in 0..80_i64, fewer in 0..80_i64) {
        let with = |n: i64| [earlier.clone(), (0..n).map(|s| at(-s % 600)).collect()].concat();
        let calm = judged(&desk(), &with(lately), at(0)) != Some(Oddity::Burst);
        prop_assert!(!calm || judged(&desk(), &with(fewer.min(lately)), at(0)) != Some(Oddity::Burst));
    }

    #[test]
    fn whoever_works_round_the_clock_has_no_odd_hour(hours in 3..20_i64, now in 0..24_i64) {
        let earlier: Vec<Timestamp> = (1..=hours * 24).map(|h| at(-h * 3600)).collect();
        prop_assert_eq!(judged(&desk(), &earlier, at(now * 3600)), None);
    }

    #[test]
    fn every_access_is_counted_by_hour_and_in_some_slot(earlier in accesses()) {
        let past = Past::of(&earlier, at(0), hour);
        prop_assert_eq!(past.known() as usize, earlier.len());
        prop_assert!(past.lately + past.busiest <= past.known());
    }

    #[test]
    fn no_past_panics(hours: [u32; 24], lately: u32, busiest: u32, hour: u8, process: bool) {
        let hours = hours.map(|n| n >> 6);
        let who = if process { Accessor::Process(String::new()) } else { desk() };
        oddity(&who, at(0), hour, &Past { hours, lately: lately >> 1, busiest, ..Past::default() });
    }
}

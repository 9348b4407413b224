//! The feed guard: how many stays of a property may lose their keys early in a while before a person is asked.
//!
//! A property-management system whose feed breaks tends to say the same of everybody: all reservations cancelled, all guests gone. Each
//! request for itself looks sound, so that only their number can tell. What is early, and how many are too many, is decided here.
//!
//! It must not know how stays are counted, or what is done with a request that is held. It can't fail: a choice out of its range is
//! refused when it is made ([`FeedGuard::check`]).

use crate::{command::Verb, policy::PolicyError, window::Window};
use jiff::{SignedDuration, Timestamp};
use serde::{Deserialize, Serialize};

/// A property's choices about requests that take keys away early. All durations in whole seconds, on the property's clock.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(default, deny_unknown_fields)]
pub struct FeedGuard {
    /// Early requests are counted over the last so many seconds.
    pub window_s: u32,
    /// So many stays may always lose their keys early within the window, however small the house.
    pub least: u32,
    /// So many percent of the live stays may, however large the house; 100 switches the guard off.
    pub percent: u8,
    /// A check-out is early if the stay goes on for longer than this.
    pub early_check_out_s: u32,
}

impl Default for FeedGuard {
    fn default() -> Self {
        Self { window_s: 15 * 60, least: 5, percent: 20, early_check_out_s: 24 * 3600 }
    }
}

/// What is counted of a property when a request is early.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Counted {
    /// Other stays that have an early request within the window, or one that is held, however old.
    pub others: u32,
    /// Stays that are not over, and those that an early request within the window has ended.
    pub live: u32,
}

/// What becomes of an early request.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Judgement {
    /// It goes to its stay.
    Pass,
    /// A person must approve it.
    Hold {
        /// So many stays may lose their keys early within the window.
        limit: u32,
    },
}

impl FeedGuard {
    /// Checks every range.
    pub fn check(&self) -> Result<(), PolicyError> {
        let ranges = [
            ("window_s", self.window_s, 60, 24 * 3600),
            ("least", self.least, 1, 10_000),
            ("percent", u32::from(self.percent), 0, 100),
            ("early_check_out_s", self.early_check_out_s, 0, 30 * 24 * 3600),
        ];
        match ranges.into_iter().find(|(_, value, least, most)| !(*least..=*most).contains(value)) {
            Some((field, _, least, most)) => Err(PolicyError { field, least, most }),
            None => Ok(()),
        }
    }

    /// Whether a request takes a stay's last keys away before their time.
    /// ```text
    /// verb                   | early
    /// -----------------------+----------------------------------------------------------------
    /// Cancel                 | always
    /// Remove, all keys       | always
    /// Remove, one key        | if no other key is wanted: the guest stands outside all the same
    /// CheckOut               | if the stay goes on for longer than `early_check_out_s`
    /// any other              | never
    /// ```
    /// `others` is how many other keys of the stay are wanted.
    pub fn is_early(&self, verb: &Verb, stay: Window, others: usize, now: Timestamp) -> bool {
        match verb {
            Verb::Cancel | Verb::Remove { key: None } => true,
            Verb::Remove { key: Some(_) } => others == 0,
            Verb::CheckOut => stay.until.duration_since(now) > SignedDuration::from_secs(self.early_check_out_s.into()),
            Verb::New { .. }
            | Verb::Duplicate { .. }
            | Verb::Reissue { .. }
            | Verb::ModifyStay { .. }
            | Verb::RoomMove { .. }
            | Verb::Suspend
            | Verb::Resume
            | Verb::Read
            | Verb::Used { .. }
            | Verb::GiveWay { .. }
            | Verb::Divert { .. } => false,
        }
    }

    /// From when on early requests are counted.
    pub fn since(&self, now: Timestamp) -> Timestamp {
        now.saturating_sub(SignedDuration::from_secs(self.window_s.into())).unwrap_or(Timestamp::MIN)
    }

    /// How many stays may lose their keys early within the window.
    pub fn limit(&self, live: u32) -> u32 {
        let share = u64::from(live) * u64::from(self.percent) / 100;
        self.least.max(u32::try_from(share).unwrap_or(u32::MAX))
    }

    /// What becomes of an early request.
    pub fn judge(&self, counted: Counted) -> Judgement {
        let limit = self.limit(counted.live);
        if self.percent >= 100 || counted.others < limit { Judgement::Pass } else { Judgement::Hold { limit } }
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use crate::ids::KeyId;
    use proptest::prelude::*;
    use uuid::Uuid;

    fn at(text: &str) -> Timestamp {
        text.parse().unwrap()
    }

    #[test]
    fn what_is_early_is_a_table() {
        let stay = Window { from: at("2026-11-23T15:00:00Z"), until: at("2026-11-27T11:00:00Z") };
        let one = Verb::Remove { key: Some(KeyId::from_uuid(Uuid::nil())) };
        let guard = FeedGuard::default();
        for (verb, others, now, early) in [
            (Verb::Cancel, 1, "2026-11-20T09:00:00Z", true),
            (Verb::Cancel, 1, "2026-11-27T10:59:00Z", true),
            (Verb::Remove { key: None }, 1, "2026-11-27T10:59:00Z", true),
            (one.clone(), 1, "2026-11-24T10:00:00Z", false),
            (one, 0, "2026-11-24T10:00:00Z", true),
            (Verb::CheckOut, 1, "2026-11-24T10:00:00Z", true),
            (Verb::CheckOut, 1, "2026-11-26T10:59:59Z", true),
            (Verb::CheckOut, 1, "2026-11-26T11:00:00Z", false),
            (Verb::CheckOut, 1, "2026-11-27T10:00:00Z", false),
            (Verb::CheckOut, 1, "2026-11-28T10:00:00Z", false),
            (Verb::Suspend, 0, "2026-11-24T10:00:00Z", false),
            (Verb::ModifyStay { window: stay, keys: vec![] }, 0, "2026-11-24T10:00:00Z", false),
            (Verb::Read, 0, "2026-11-24T10:00:00Z", false),
        ] {
            assert_eq!(guard.is_early(&verb, stay, others, at(now)), early, "{verb:?} {others} {now}");
        }
    }

    #[test]
    fn how_many_are_too_many_is_a_table() {
        let guard = FeedGuard::default();
        for (others, live, held) in [
            (0, 0, None),
            (4, 30, None),
            (5, 30, None),
            (6, 30, Some(6)),
            (5, 4, Some(5)),
            (199, 1000, None),
            (200, 1000, Some(200)),
            (4_000_000, u32::MAX, None),
        ] {
            let expected = held.map_or(Judgement::Pass, |limit| Judgement::Hold { limit });
            assert_eq!(guard.judge(Counted { others, live }), expected, "{others} of {live}");
        }
        let off = FeedGuard { percent: 100, ..guard };
        assert_eq!(off.judge(Counted { others: 10_000, live: 10 }), Judgement::Pass);
    }

    #[test]
    fn defaults_fit_and_bad_values_are_named() {
        assert_eq!(FeedGuard::default().check(), Ok(()));
        let bad = FeedGuard { percent: 101, ..FeedGuard::default() };
        assert_eq!(bad.check(), Err(PolicyError { field: "percent", least: 0, most: 100 }));
    }

    proptest! {
        /// Whoever sends one early request per stay gets as many through as the limit says, and not one more.
        #[test]
        fn a_mass_gets_no_further_than_the_limit(live in 0u32..5_000, least in 1u32..50, percent in 0u8..100, asked in 0u32..6_000) {
            let guard = FeedGuard { least, percent, ..FeedGuard::default() };
            let passed = (0..asked).filter(|others| guard.judge(Counted { others: *others, live }) == Judgement::Pass).count();
            prop_assert_eq!(u32::try_from(passed).unwrap(), asked.min(guard.limit(live)));
        }

        /// More in house never holds what fewer would let pass, and more of them before never lets pass what fewer would hold.
        #[test]
        fn it_is_monotonous(others in 0u32..500, live in 0u32..5_000, more in 0u32..500) {
            let guard = FeedGuard::default();
            let passes = |others, live| guard.judge(Counted { others, live }) == Judgement::Pass;
            prop_assert!(!passes(others, live) || passes(others, live + more));
            prop_assert!(passes(others, live) || !passes(others + more, live));
        }

        /// A day on which everybody leaves when he said he would is no reason to ask anybody.
        #[test]
        fn who_leaves_at_departure_is_never_early(nights in 1i64..30, before_h in 0i64..=24) {
            let from = at("2026-11-23T15:00:00Z");
            let until = from + SignedDuration::from_hours(24 * nights);
            let now = until - SignedDuration::from_hours(before_h);
            let stay = Window { from, until };
            prop_assert!(!FeedGuard::default().is_early(&Verb::CheckOut, stay, 0, now));
        }
    }
}

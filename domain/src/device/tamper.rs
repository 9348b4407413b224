//! Alarms from locks: one was forced, or somebody tampers with it.
//!
//! A lock tells when it happens and can't tell that all is well again. So an episode begins with an alarm, counts those that follow, and
//! ends when a person says that he was there. Alarms may come late: those from before that moment belong to what he has seen.

use jiff::{SignedDuration, Timestamp};

/// An alarm that comes so late, while none is known, is kept with its door's records and raised no more.
pub const ALARM_OLD: SignedDuration = SignedDuration::from_hours(24);

/// What follows from an alarm.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Tampering {
    /// An episode begins, at that time.
    Begin(Timestamp),
    /// It is one more of the episode that lasts, of that time.
    Add(Timestamp),
    /// Nothing.
    Ignore,
}

/// What follows from an alarm `at`, by the lock's clock, which may be ahead of `present`. `open`: an episode lasts. `closed_at`: when the last
/// one was ended by a person.
pub fn judge_tamper(at: Timestamp, present: Timestamp, open: bool, closed_at: Option<Timestamp>) -> Tampering {
    let at = at.min(present);
    if closed_at.is_some_and(|closed| at <= closed) {
        return Tampering::Ignore;
    }
    match open {
        true => Tampering::Add(at),
        false if present.duration_since(at) > ALARM_OLD => Tampering::Ignore,
        false => Tampering::Begin(at),
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use proptest::prelude::*;

    fn at(minutes: i64) -> Timestamp {
        let noon: Timestamp = "2026-11-23T12:00:00Z".parse().unwrap();
        noon + SignedDuration::from_mins(minutes)
    }

    #[test]
    fn the_table_of_alarms() {
        use Tampering::*;
        let day = 24 * 60;
        for (alarm, present, open, closed, then) in [
            (0, 5, false, None, Begin(at(0))),
            (9, 5, false, None, Begin(at(5))),
            (0, 5, true, None, Add(at(0))),
            (9, 5, true, None, Add(at(5))),
            (0, day, false, None, Begin(at(0))),
            (0, day + 1, false, None, Ignore),
            (0, day + 1, true, None, Add(at(0))),
            (0, 5, false, Some(0), Ignore),
            (0, 5, false, Some(3), Ignore),
            (4, 5, false, Some(3), Begin(at(4))),
            (2, 5, true, Some(3), Ignore),
            (4, 5, true, Some(3), Add(at(4))),
        ] {
            let judged = judge_tamper(at(alarm), at(present), open, closed.map(at));
            assert_eq!(judged, then, "{alarm} {present} {open} {closed:?}");
        }
    }

    proptest! {
        /// Alarms in any order, each minute one or none, and now and then somebody who was there: between two such times there is one episode
        /// at most, it begins after the first of them and never in the future, and every alarm in time is counted.
        #[test]
        fn an_episode_begins_once_and_after_the_last_was_closed(
            steps in prop::collection::vec((-200_i64..60, prop::bool::weighted(0.2)), 1..80),
        ) {
            let (mut open, mut closed, mut last_begun) = (false, None, None);
            for (now, (ago, close)) in steps.into_iter().enumerate() {
                let now = i64::try_from(now).unwrap() * 10;
                let alarm = at(now + ago);
                match judge_tamper(alarm, at(now), open, closed) {
                    Tampering::Begin(from) => {
                        prop_assert!(!open && from <= at(now) && closed.is_none_or(|closed| from > closed));
                        prop_assert!(last_begun.is_none_or(|last| from > last), "no two episodes begin at one instant");
                        (open, last_begun) = (true, Some(from));
                    }
                    Tampering::Add(when) => prop_assert!(open && when <= at(now)),
                    Tampering::Ignore => prop_assert!(closed.is_some_and(|closed| alarm.min(at(now)) <= closed)),
                }
                if close && open {
                    (open, closed) = (false, Some(at(now)));
                }
            }
        }
    }
}

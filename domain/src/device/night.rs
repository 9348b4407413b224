//! When a property sleeps.

use crate::window::{Edge, Window, instant};
use jiff::{SignedDuration, Timestamp, civil::time, tz::TimeZone};

/// From two to five by the property's clocks on the wall: the last guest is in his room, and nobody has an early train yet.
const FROM_HOUR: i8 = 2;
const UNTIL_HOUR: i8 = 5;
/// Properties begin spread over so much of it, so that a vendor does not get all of them at once.
const SPREAD: SignedDuration = SignedDuration::from_mins(30);

/// The nights around an instant.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Night {
    /// The one that it lies in.
    pub now: Option<Window>,
    /// When the next one begins.
    pub next: Timestamp,
}

/// The nights around `now` in a property's zone. `share` (0 to 255) is the property's place in the spread.
pub fn night(now: Timestamp, zone: &TimeZone, share: u8) -> Night {
    let today = now.to_zoned(zone.clone()).date();
    let later = SPREAD * i32::from(share) / 256;
    let of = |days: i64| {
        let date = today.checked_add(SignedDuration::from_hours(24 * days)).ok()?;
        let (from, _) = instant(date.to_datetime(time(FROM_HOUR, 0, 0, 0)), zone, Edge::Opens)?;
        let (until, _) = instant(date.to_datetime(time(UNTIL_HOUR, 0, 0, 0)), zone, Edge::Closes)?;
        Some(Window { from: from.saturating_add(later).unwrap_or(from), until })
    };
    let nights: Vec<Window> = (-1..=3).filter_map(of).collect();
    let next = nights.iter().map(|night| night.from).filter(|from| *from > now).min();
    let in_a_day = now.saturating_add(SignedDuration::from_hours(24)).unwrap_or(Timestamp::MAX);
    Night { now: nights.into_iter().find(|night| night.contains(now)), next: next.unwrap_or(in_a_day) }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use proptest::prelude::*;

    fn at(text: &str) -> Timestamp {
        text.parse().unwrap()
    }

    #[test]
    fn a_night_is_the_propertys_own() {
        let zone = |name: &str| crate::window::zone(name).unwrap();
        let kathmandu = night(at("2026-11-23T21:00:00Z"), &zone("Asia/Kathmandu"), 0);
        assert_eq!(
            kathmandu.now.unwrap(),
            Window { from: at("2026-11-23T20:15:00Z"), until: at("2026-11-23T23:15:00Z") }
        );
        assert_eq!(kathmandu.next, at("2026-11-24T20:15:00Z"));
        let lisbon = night(at("2026-11-23T12:00:00Z"), &zone("Europe/Lisbon"), 128);
        assert_eq!((lisbon.now, lisbon.next), (None, at("2026-11-24T02:15:00Z")));
        // The clocks went from two to three: the night begins where two o'clock would have been.
        let berlin = night(at("2026-03-28T12:00:00Z"), &zone("Europe/Berlin"), 0);
        assert_eq!(berlin.next, at("2026-03-29T01:00:00Z"));
    }

    proptest! {
        #[test]
        fn there_is_always_a_next_night_within_a_day_and_a_bit(s in 0_i64..4_000_000_000, share: u8) {
            for name in ["UTC", "America/St_Johns", "Pacific/Apia", "Europe/Dublin"] {
                let (now, zone) = (Timestamp::from_second(s).unwrap(), crate::window::zone(name).unwrap());
                let night = night(now, &zone, share);
                let wait = night.next.duration_since(now);
                prop_assert!(wait.is_positive() && wait <= SignedDuration::from_hours(50), "{name} {wait:?}");
                prop_assert!(night.now.is_none_or(|night| night.contains(now)));
            }
        }
    }
}

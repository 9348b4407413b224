//! The vendor's times: the hotel's wall clock, to the minute, without offset. Pure.
//!
//! In the night in which clocks go back, a wall-clock time stands for two instants, and nobody says which one the server takes. A guest
//! must not be shut out by that: a start that is ambiguous moves before the doubled hour, an end behind it.

use jiff::civil::DateTime;
use jiff::tz::TimeZone;
use jiff::{SignedDuration, Timestamp};
use lock_domain::window::Window;

use crate::rounding::{Granularity, outward};

const FORM: &str = "%Y%m%dT%H%M";
const MINUTE: SignedDuration = SignedDuration::from_mins(1);
/// A doubled hour is passed in two hours; the longest on record in any zone is shorter.
const MOST_STEPS: u32 = 24 * 60;

/// A window in the vendor's words.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Spoken {
    pub(crate) start: String,
    pub(crate) expire: String,
    /// What the words mean.
    pub(crate) window: Window,
}

/// A window, rounded outwards to what can be said.
pub(crate) fn speak(window: Window, zone: &TimeZone) -> Spoken {
    let whole = outward(window, Granularity::Minute, 0);
    let window = Window { from: unambiguous(whole.from, -MINUTE, zone), until: unambiguous(whole.until, MINUTE, zone) };
    Spoken { start: words(window.from, zone), expire: words(window.until, zone), window }
}

/// The widest window that the words can mean.
pub(crate) fn instants(start: &str, expire: &str, zone: &TimeZone) -> Option<Window> {
    let parse = |text: &str| DateTime::strptime(FORM, text).ok();
    let from = zone.to_ambiguous_timestamp(parse(start)?).earlier().ok()?;
    let until = zone.to_ambiguous_timestamp(parse(expire)?).later().ok()?;
    Some(Window { from, until })
}

fn words(at: Timestamp, zone: &TimeZone) -> String {
    zone.to_datetime(at).strftime(FORM).to_string()
}

fn unambiguous(mut at: Timestamp, step: SignedDuration, zone: &TimeZone) -> Timestamp {
    for _ in 0..MOST_STEPS {
        if !zone.to_ambiguous_timestamp(zone.to_datetime(at)).is_ambiguous() {
            break;
        }
        at = at.saturating_add(step).unwrap_or(at);
    }
    at
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    fn window(from: &str, until: &str) -> Window {
        Window { from: from.parse().unwrap(), until: until.parse().unwrap() }
    }

    fn berlin() -> TimeZone {
        TimeZone::get("Europe/Berlin").unwrap()
    }

    #[test]
    fn a_stay_across_the_change_keeps_its_local_times() {
        let stay = window("2026-10-24T13:00:00Z", "2026-10-26T10:00:30Z");
        let spoken = speak(stay, &berlin());
        assert_eq!((spoken.start.as_str(), spoken.expire.as_str()), ("20261024T1500", "20261026T1101"));
        assert_eq!(instants(&spoken.start, &spoken.expire, &berlin()), Some(spoken.window));
    }

    #[test]
    fn in_the_doubled_hour_the_window_gets_wider() {
        for at in ["2026-10-25T00:30:00Z", "2026-10-25T01:30:00Z"] {
            let spoken = speak(window(at, at), &berlin());
            assert_eq!((spoken.start.as_str(), spoken.expire.as_str()), ("20261025T0159", "20261025T0300"), "{at}");
            let at = at.parse().unwrap();
            assert!(spoken.window.from <= at && at <= spoken.window.until);
        }
    }

    #[test]
    fn words_that_are_ambiguous_mean_the_wider_window() {
        let read = instants("20261025T0230", "20261025T0230", &berlin()).unwrap();
        assert_eq!(read, window("2026-10-25T00:30:00Z", "2026-10-25T01:30:00Z"));
        for bad in ["", "2026-10-25T02:30", "20261325T0230"] {
            assert_eq!(instants(bad, bad, &berlin()), None, "{bad}");
        }
    }
}

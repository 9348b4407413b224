//! Rounding of windows to what a vendor can express. Pure.
//!
//! A guest must never be shut out by rounding: we round outwards and show the result. A vendor that truncates afterwards then finds
//! nothing to cut.

use jiff::Timestamp;
use lock_domain::window::Window;

/// The step of a vendor's windows.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Granularity {
    /// Whole minutes.
    Minute,
    /// Whole hours of the lock's local time.
    Hour,
}

impl Granularity {
    /// Length of a step in seconds.
    #[must_use]
    pub const fn seconds(self) -> i64 {
        match self {
            Self::Minute => 60,
            Self::Hour => 3_600,
        }
    }
}

/// Start down, end up. `utc_offset_s` is the lock's offset from UTC in seconds.
#[must_use]
pub fn outward(window: Window, granularity: Granularity, utc_offset_s: i32) -> Window {
    let step = granularity.seconds();
    Window {
        from: floor(window.from, step, utc_offset_s),
        until: {
            let floored = floor(window.until, step, utc_offset_s);
            if floored == window.until { floored } else { shifted(floored, step) }
        },
    }
}

/// What a vendor does that cuts both ends down.
#[must_use]
pub fn truncated(window: Window, granularity: Granularity, utc_offset_s: i32) -> Window {
    let step = granularity.seconds();
    Window { from: floor(window.from, step, utc_offset_s), until: floor(window.until, step, utc_offset_s) }
}

fn floor(at: Timestamp, step: i64, utc_offset_s: i32) -> Timestamp {
    let local = seconds_down(at).saturating_add(i64::from(utc_offset_s));
    let floored = local.saturating_sub(local.rem_euclid(step)).saturating_sub(i64::from(utc_offset_s));
    Timestamp::from_second(floored).unwrap_or(at)
}

fn shifted(at: Timestamp, seconds: i64) -> Timestamp {
    Timestamp::from_second(at.as_second().saturating_add(seconds)).unwrap_or(at)
}

/// jiff cuts towards zero, which is up for times before 1970.
fn seconds_down(at: Timestamp) -> i64 {
    at.as_second().saturating_sub(i64::from(at.subsec_nanosecond() < 0))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    fn window(from: &str, until: &str) -> Window {
        Window { from: from.parse().unwrap(), until: until.parse().unwrap() }
    }

    #[test]
    fn minutes_go_outward() {
        let exact = window("2026-05-01T14:55:00Z", "2026-05-03T11:05:00Z");
        assert_eq!(outward(exact, Granularity::Minute, 0), exact);
        let odd = window("2026-05-01T14:55:59.9Z", "2026-05-03T11:04:00.001Z");
        assert_eq!(outward(odd, Granularity::Minute, 0), exact);
    }

    #[test]
    fn hours_are_local() {
        let stay = window("2026-05-01T14:55:00Z", "2026-05-03T11:05:00Z");
        assert_eq!(outward(stay, Granularity::Hour, 0), window("2026-05-01T14:00:00Z", "2026-05-03T12:00:00Z"));
        let kolkata = 19_800;
        assert_eq!(outward(stay, Granularity::Hour, kolkata), window("2026-05-01T14:30:00Z", "2026-05-03T11:30:00Z"));
        let newfoundland = -12_600;
        assert_eq!(
            outward(stay, Granularity::Hour, newfoundland),
            window("2026-05-01T14:30:00Z", "2026-05-03T11:30:00Z")
        );
    }

    #[test]
    fn the_vendors_truncation_finds_nothing_to_cut() {
        let stay = window("2026-05-01T19:20:00Z", "2026-05-02T10:40:00Z");
        assert_eq!(truncated(stay, Granularity::Hour, 0), window("2026-05-01T19:00:00Z", "2026-05-02T10:00:00Z"));
        for granularity in [Granularity::Minute, Granularity::Hour] {
            let rounded = outward(stay, granularity, 0);
            assert_eq!(truncated(rounded, granularity, 0), rounded);
            assert!(rounded.from <= stay.from && rounded.until >= stay.until);
        }
    }

    #[test]
    fn before_1970_down_is_down() {
        let old = window("1969-12-31T23:59:59.5Z", "1970-01-01T00:00:00Z");
        assert_eq!(outward(old, Granularity::Minute, 0).from, "1969-12-31T23:59:00Z".parse().unwrap());
    }
}

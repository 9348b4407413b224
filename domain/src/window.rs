//! Validity windows: what the PMS asked for, what we ask of the lock, and the property's wall clock.
//!
//! A stay's window is what the PMS said. The *effective* window is wider by the policy's padding, because locks' clocks drift
//! (R-LOCK-09). Local times turn into instants by the property's time zone, and what daylight saving does to them is said, never hidden.

use jiff::{SignedDuration, Timestamp, Unit, civil, tz};
use serde::{Deserialize, Serialize};

/// From (inclusive) until (exclusive), both UTC.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
pub struct Window {
    /// First instant inside.
    #[schema(value_type = String, format = DateTime)]
    pub from: Timestamp,
    /// First instant outside.
    #[schema(value_type = String, format = DateTime)]
    pub until: Timestamp,
}

/// Why a window is refused.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum WindowError {
    /// `until` is not after `from`.
    #[error("the window ends before it starts")]
    Reversed,
    /// `until` has passed.
    #[error("the window has ended")]
    Ended,
    /// Longer than [`Window::LONGEST`].
    #[error("the window is longer than a year")]
    TooLong,
    /// Starts more than [`Window::FARTHEST`] ahead.
    #[error("the window starts more than two years from now")]
    TooFar,
}

impl Window {
    /// A longer stay is a mistake in the request, or a tenancy, which wants an owner who renews it.
    pub const LONGEST: SignedDuration = SignedDuration::from_hours(366 * 24);
    /// Bookings are taken about so far ahead.
    pub const FARTHEST: SignedDuration = SignedDuration::from_hours(2 * 366 * 24);

    /// Checks order and length against the present.
    pub fn check(self, now: Timestamp) -> Result<Self, WindowError> {
        let length = self.until.duration_since(self.from);
        if !length.is_positive() {
            Err(WindowError::Reversed)
        } else if self.until <= now {
            Err(WindowError::Ended)
        } else if length > Self::LONGEST {
            Err(WindowError::TooLong)
        } else if self.from.duration_since(now) > Self::FARTHEST {
            Err(WindowError::TooFar)
        } else {
            Ok(self)
        }
    }

    /// Whether `at` lies inside.
    pub fn contains(self, at: Timestamp) -> bool {
        self.from <= at && at < self.until
    }

    /// Whether the two have an instant in common.
    pub fn overlaps(self, other: Self) -> bool {
        self.from < other.until && other.from < self.until
    }

    /// Wider by `before` and `after`, and rounded outwards to whole minutes, which is what PIN locks store.
    pub fn padded(self, before: SignedDuration, after: SignedDuration) -> Self {
        let from = self.from.saturating_sub(before).unwrap_or(Timestamp::MIN);
        let until = self.until.saturating_add(after).unwrap_or(Timestamp::MAX);
        Self { from: floor_minute(from), until: ceil_minute(until) }
    }
}

fn floor_minute(at: Timestamp) -> Timestamp {
    let options = jiff::TimestampRound::new().smallest(Unit::Minute).mode(jiff::RoundMode::Floor);
    at.round(options).unwrap_or(at)
}

fn ceil_minute(at: Timestamp) -> Timestamp {
    let options = jiff::TimestampRound::new().smallest(Unit::Minute).mode(jiff::RoundMode::Ceil);
    at.round(options).unwrap_or(at)
}

/// What daylight saving did to a local time.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum LocalFit {
    /// The local time exists once.
    Exact,
    /// It was skipped (spring): the instant is as much later as the clocks were put forward.
    Skipped,
    /// It exists twice (autumn): a window opens at the earlier and closes at the later of the two.
    Repeated,
}

/// Which end of a window a local time stands for; decides a repeated hour in the guest's favour.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Edge {
    /// The start: of two instants the earlier.
    Opens,
    /// The end: of two instants the later.
    Closes,
}

/// The zone was not found in the IANA database that we carry.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("`{0}` is not an IANA time zone such as Europe/Lisbon")]
pub struct UnknownZone(pub String);

/// Looks a zone up by its IANA name.
pub fn zone(name: &str) -> Result<tz::TimeZone, UnknownZone> {
    // jiff would also take offsets and POSIX rules; a property has a place, and places have names.
    let named = name.contains('/') || name == "UTC";
    let found = named.then(|| tz::TimeZone::get(name).ok()).flatten();
    found.ok_or_else(|| UnknownZone(name.to_owned()))
}

/// The instant of a local time at the property, and what daylight saving did to it.
pub fn instant(local: civil::DateTime, zone: &tz::TimeZone, edge: Edge) -> Option<(Timestamp, LocalFit)> {
    let ambiguous = zone.to_ambiguous_timestamp(local);
    let fit = match ambiguous.offset() {
        tz::AmbiguousOffset::Unambiguous { .. } => LocalFit::Exact,
        tz::AmbiguousOffset::Gap { .. } => LocalFit::Skipped,
        tz::AmbiguousOffset::Fold { .. } => LocalFit::Repeated,
    };
    let resolved = match (fit, edge) {
        (LocalFit::Repeated, Edge::Closes) => ambiguous.later(),
        _ => ambiguous.compatible(),
    };
    resolved.ok().map(|at| (at, fit))
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
    fn refuses_what_makes_no_stay() {
        let now = at("2026-11-23T12:00:00Z");
        let window = |from: &str, until: &str| Window { from: at(from), until: at(until) }.check(now);
        assert!(window("2026-11-23T15:00:00Z", "2026-11-25T11:00:00Z").is_ok());
        assert_eq!(window("2026-11-25T15:00:00Z", "2026-11-23T11:00:00Z"), Err(WindowError::Reversed));
        assert_eq!(window("2026-11-20T15:00:00Z", "2026-11-21T11:00:00Z"), Err(WindowError::Ended));
        assert_eq!(window("2026-11-23T15:00:00Z", "2028-11-25T11:00:00Z"), Err(WindowError::TooLong));
        assert_eq!(window("2029-11-23T15:00:00Z", "2029-11-25T11:00:00Z"), Err(WindowError::TooFar));
    }

    #[test]
    fn lisbon_in_spring_and_autumn() {
        let lisbon = zone("Europe/Lisbon").unwrap();
        // Clocks went from 01:00 to 02:00 on 2026-03-29, and back from 02:00 to 01:00 on 2026-10-25.
        let (gap, fit) = instant(civil::date(2026, 3, 29).at(1, 30, 0, 0), &lisbon, Edge::Opens).unwrap();
        assert_eq!((gap, fit), (at("2026-03-29T01:30:00Z"), LocalFit::Skipped));
        let fold = civil::date(2026, 10, 25).at(1, 30, 0, 0);
        assert_eq!(instant(fold, &lisbon, Edge::Opens).unwrap(), (at("2026-10-25T00:30:00Z"), LocalFit::Repeated));
        assert_eq!(instant(fold, &lisbon, Edge::Closes).unwrap(), (at("2026-10-25T01:30:00Z"), LocalFit::Repeated));
    }

    #[test]
    fn nonsense_zones() {
        for bad in ["", "Mars/Olympus", "CEST", "+02:00", "Europe"] {
            assert!(zone(bad).is_err(), "{bad}");
        }
        assert!(zone("Asia/Kathmandu").is_ok());
    }

    proptest! {
        #[test]
        fn padding_never_narrows(from in 0_i64..4_000_000_000, length in 60_i64..30_000_000, before in 0_i64..7200, after in 0_i64..7200) {
            let window = Window { from: Timestamp::from_second(from).unwrap(), until: Timestamp::from_second(from + length).unwrap() };
            let padded = window.padded(SignedDuration::from_secs(before), SignedDuration::from_secs(after));
            prop_assert!(padded.from <= window.from && padded.until >= window.until);
            prop_assert!(window.from.duration_since(padded.from).as_secs() < before + 60);
            prop_assert!(padded.until.duration_since(window.until).as_secs() < after + 60);
        }
    }
}

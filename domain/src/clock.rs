//! A property's clock: real time, plus the offset of a sandbox property's test clock.
//!
//! A live property's offset is zero, always. A test clock only moves forward, so that no deadline is met twice.

use jiff::{SignedDuration, Timestamp};
use serde::{Deserialize, Serialize};

/// How far a property's time is ahead of real time, in whole milliseconds. Zero on a live property.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Default, Serialize, Deserialize)]
#[serde(transparent)]
pub struct ClockOffset(i64);

/// Why a test clock can't be set as asked.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum ClockError {
    /// The wanted time lies before the property's present.
    #[error("a test clock only moves forward")]
    Backwards,
    /// The wanted time is more than ten years away.
    #[error("a test clock moves at most ten years")]
    TooFar,
}

impl ClockOffset {
    /// Real time.
    pub const REAL: Self = Self(0);
    const LIMIT_MS: i64 = 10 * 366 * 24 * 3_600_000;

    /// The offset of so many milliseconds, as stored in the database; negative ones count as real time.
    pub fn from_millis(ms: i64) -> Self {
        Self(ms.clamp(0, Self::LIMIT_MS))
    }

    /// Milliseconds ahead of real time.
    pub fn as_millis(self) -> i64 {
        self.0
    }

    /// The property's present, given real time.
    pub fn now(self, real: Timestamp) -> Timestamp {
        real.saturating_add(SignedDuration::from_millis(self.0)).unwrap_or(Timestamp::MAX)
    }

    /// The offset after which the property's present is `target`.
    pub fn advanced_to(self, real: Timestamp, target: Timestamp) -> Result<Self, ClockError> {
        // Rounded up, so that a deadline at `target` is met.
        let ms = (target.duration_since(real).as_nanos() + 999_999).div_euclid(1_000_000);
        let ms = i64::try_from(ms).map_err(|_| ClockError::TooFar)?;
        match ms {
            _ if ms < self.0 => Err(ClockError::Backwards),
            _ if ms > Self::LIMIT_MS => Err(ClockError::TooFar),
            _ => Ok(Self(ms)),
        }
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn moves_forward_only() {
        let real: Timestamp = "2026-11-23T10:00:00Z".parse().unwrap();
        let day = SignedDuration::from_hours(24);
        let ahead = ClockOffset::REAL.advanced_to(real, real + day).unwrap();
        assert_eq!(ahead.now(real), real + day);
        assert_eq!(ahead.advanced_to(real, real), Err(ClockError::Backwards));
        assert_eq!(ClockOffset::REAL.advanced_to(real, real + day * 4000), Err(ClockError::TooFar));
    }
}

//! Who opens secrets, and when that is out of pattern. Pure: the past comes in as numbers, the judgement goes out.
//!
//! Nothing here refuses an access: a wrong guess must not keep a guest out of his room. It says which accesses a person should look at.
//! It must not know what was opened, only by whom, when and how often.

use crate::ids::{ApiKeyId, RotationId};
use jiff::{SignedDuration, Timestamp};
use serde::{Deserialize, Serialize};
use std::fmt;

/// A tenant that is younger than this, counted from its first recorded access, still learns who works for it.
pub const LEARNING: SignedDuration = SignedDuration::from_hours(24);
/// Accesses so close together are one burst, if they are many.
pub const BURST_WITHIN: SignedDuration = SignedDuration::from_mins(10);
/// So many of one person or client within [`BURST_WITHIN`] are never a burst.
pub const BURST_LEAST: u32 = 30;
/// A burst has so many times as many accesses as the accessor's busiest time before.
pub const BURST_TIMES: u32 = 3;
/// With fewer accesses than these nobody has habits.
pub const HABIT_LEAST: u32 = 50;
/// An hour is odd if of the accessor's accesses less than one in so many came then, or an hour before or after.
pub const ODD_ONE_IN: u32 = 100;
/// The same oddity of the same accessor is told again after so long.
pub const TOLD_FOR: SignedDuration = SignedDuration::from_hours(1);

/// Who opens a secret.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Accessor {
    /// A process of ours, by the name that its installation gives it: the same for all its restarts.
    Process(String),
    /// A client of the API: a PMS, or a person at a desk.
    Client(ApiKeyId),
}

impl fmt::Display for Accessor {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Process(name) => write!(f, "process/{name}"),
            Self::Client(id) => id.fmt(f),
        }
    }
}

/// What is out of pattern.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Oddity {
    /// A process that has never opened anything of this tenant's.
    NewProcess,
    /// A client at an hour at which it hardly ever asks.
    OddHour,
    /// A client that asks far more often than ever before.
    Burst,
}

impl Oddity {
    /// Every oddity.
    pub const ALL: [Self; 3] = [Self::NewProcess, Self::OddHour, Self::Burst];

    /// Its name, as in JSON, in the record and in a metric's label.
    pub const fn name(self) -> &'static str {
        match self {
            Self::NewProcess => "new_process",
            Self::OddHour => "odd_hour",
            Self::Burst => "burst",
        }
    }

    /// In words, for people.
    pub const fn words(self) -> &'static str {
        match self {
            Self::NewProcess => "a process that has not worked for this tenant before",
            Self::OddHour => "a client at an hour at which it hardly ever asks",
            Self::Burst => "a client that asks far more often than it ever has",
        }
    }
}

/// What stands in the record of an accessor before an access.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Past {
    /// When anything of the tenant's was opened first, if ever.
    pub tenant_since: Option<Timestamp>,
    /// The accessor's accesses by hour of the day, on the property's clock face.
    pub hours: [u32; 24],
    /// Its accesses within [`BURST_WITHIN`] before this one.
    pub lately: u32,
    /// The most within any such time before that.
    pub busiest: u32,
    /// What was told of it within [`TOLD_FOR`].
    pub told: Vec<Oddity>,
}

impl Past {
    /// From the instants of earlier accesses, in any order, none later than `at`. `hour` gives the hour of the day of an instant.
    pub fn of(earlier: &[Timestamp], at: Timestamp, hour: impl Fn(Timestamp) -> u8) -> Self {
        let mut past = Self::default();
        let mut slots: std::collections::BTreeMap<i64, u32> = std::collections::BTreeMap::new();
        for one in earlier {
            past.hours[usize::from(hour(*one) % 24)] += 1;
            let age = at.duration_since(*one).max(SignedDuration::ZERO);
            if age < BURST_WITHIN {
                past.lately += 1;
            } else {
                *slots.entry(age.as_secs() / BURST_WITHIN.as_secs()).or_default() += 1;
            }
        }
        past.busiest = slots.into_values().max().unwrap_or(0);
        past
    }

    fn known(&self) -> u32 {
        self.hours.iter().sum()
    }

    /// Accesses at this hour of the day, and an hour before and after.
    fn about(&self, hour: u8) -> u32 {
        let hour = usize::from(hour % 24);
        [hour + 23, hour, hour + 1].iter().map(|h| self.hours[h % 24]).sum()
    }
}

/// What is odd about an access at `at`, if anything; `hour` is the hour of the day at the property. At most one thing, the gravest, and
/// nothing that was told a moment ago.
pub fn oddity(who: &Accessor, at: Timestamp, hour: u8, past: &Past) -> Option<Oddity> {
    let learnt = past.tenant_since.is_some_and(|since| at.duration_since(since) >= LEARNING);
    let found = match who {
        Accessor::Process(_) => (past.known() == 0 && learnt).then_some(Oddity::NewProcess),
        Accessor::Client(_) if past.lately + 1 > BURST_LEAST.max(past.busiest.saturating_mul(BURST_TIMES)) => {
            Some(Oddity::Burst)
        }
        Accessor::Client(_) => {
            let odd = past.known() >= HABIT_LEAST && past.about(hour).saturating_mul(ODD_ONE_IN) < past.known();
            odd.then_some(Oddity::OddHour)
        }
    };
    found.filter(|found| !past.told.contains(found))
}

/// What a rotation of keys is to do.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct RotationWish {
    /// Wrap every data key anew, under the root key that is the tenant's now.
    pub root_keys: bool,
    /// Make a new version of each data key, and seal everything that is stored under it.
    pub data_keys: bool,
}

/// A rotation and whose it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct RotationRef {
    /// Whose.
    pub tenant: crate::ids::TenantId,
    /// Which.
    pub rotation: RotationId,
}

impl RotationRef {
    /// The workflow's id.
    pub fn workflow_id(&self) -> String {
        format!("rotation/{}/{}", self.tenant, self.rotation)
    }
}

#[cfg(test)]
mod tests;

//! An operator's word over a breaker's: for a while, for one property and vendor, with a reason. Probes go on meanwhile, and what they find
//! counts again when the while is over.

use super::BreakerState;
use jiff::Timestamp;
use serde::{Deserialize, Serialize};

/// Why an operator decides instead of the probes. A closed list, so that nobody files guest data.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum ForceReason {
    /// The vendor has announced work on its side.
    VendorMaintenance,
    /// Somebody works on the property's line, server or gateways.
    PropertyMaintenance,
    /// Keys fail though the probes find nothing.
    ProbesMissIt,
    /// Keys work though the probes say no.
    ProbesAreWrong,
    /// An exercise.
    Drill,
    /// None of these.
    Other,
}

impl ForceReason {
    /// Every reason.
    pub const ALL: [Self; 6] = [
        Self::VendorMaintenance,
        Self::PropertyMaintenance,
        Self::ProbesMissIt,
        Self::ProbesAreWrong,
        Self::Drill,
        Self::Other,
    ];

    /// The reason's name, as in JSON and SQL.
    pub fn name(self) -> &'static str {
        match self {
            Self::VendorMaintenance => "vendor_maintenance",
            Self::PropertyMaintenance => "property_maintenance",
            Self::ProbesMissIt => "probes_miss_it",
            Self::ProbesAreWrong => "probes_are_wrong",
            Self::Drill => "drill",
            Self::Other => "other",
        }
    }
}

/// An operator's word.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Forced {
    /// So the breaker counts.
    pub state: BreakerState,
    /// Why.
    pub reason: ForceReason,
    /// Until when.
    pub until: Timestamp,
}

impl BreakerState {
    /// How it counts at `now`: as an operator has said, if that is still good, or else as it is.
    pub fn counted(self, forced: Option<Forced>, now: Timestamp) -> Self {
        forced.filter(|forced| now < forced.until).map_or(self, |forced| forced.state)
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn r_lock_11_an_operators_word_counts_for_its_while() {
        let until: Timestamp = "2026-11-23T12:00:00Z".parse().unwrap();
        for state in [BreakerState::Open, BreakerState::Closed] {
            let forced = Some(Forced { state, reason: ForceReason::Drill, until });
            for own in BreakerState::ALL {
                let before = until - jiff::SignedDuration::from_secs(1);
                assert_eq!((own.counted(forced, before), own.counted(forced, until)), (state, own));
                assert_eq!(own.counted(None, before), own);
            }
        }
        for reason in ForceReason::ALL {
            assert_eq!(serde_json::to_value(reason).unwrap(), reason.name());
        }
    }
}

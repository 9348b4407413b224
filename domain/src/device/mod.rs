//! Health of devices: when a lock, its clock, its battery or its link needs somebody, and when it needs nobody any more.
//!
//! Readings go in, [`Act`]s come out; each kind of trouble is an episode with a start and an end, told once each. An episode ends well
//! below where it begins, so that a reading that goes up and down around a limit is told once.
//!
//! It must not know how a reading is got, who keeps episodes, or how a clock is set. It can't fail.

mod clock;
mod flaky;
#[cfg(test)]
mod flaky_tests;
mod night;
mod power;
mod tamper;
#[cfg(test)]
mod tests;
mod words;

pub use clock::{ClockLimits, ClockReach, ClockView, Hint, Upload, WINDOW, hint, judge_clock};
pub use flaky::{DROPS_WITHIN, Dark, LinkView, fallen, judge_flaky, kept, note_drop};
pub use night::{Night, night};
pub use power::{OFFLINE_AFTER, judge_battery, judge_low, judge_online};
pub use tamper::{ALARM_OLD, Tampering, judge_tamper};
pub use words::{drift_words, guest_words};

use serde::{Deserialize, Serialize};

/// So many locks of a property are looked at in a minute, at most: a gateway has one radio, and guests' keys use it, too.
pub const LOCKS_PER_MINUTE: u32 = 10;

/// What a device needs somebody for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum AlertKind {
    /// A lock's clock is off by more than guests' keys bear.
    ClockDrift,
    /// A battery is low.
    BatteryLow,
    /// A lock can't be reached.
    Offline,
    /// A gateway, hub or encoder can't be reached.
    GatewayOffline,
    /// A lock was forced, or somebody tampers with it.
    Tampered,
    /// A lock keeps dropping off.
    ConnectionFlaky,
}

impl AlertKind {
    /// Every kind.
    pub const ALL: [Self; 6] = [
        Self::ClockDrift,
        Self::BatteryLow,
        Self::Offline,
        Self::GatewayOffline,
        Self::Tampered,
        Self::ConnectionFlaky,
    ];

    /// The kind's name, as in JSON and SQL.
    pub fn name(self) -> &'static str {
        match self {
            Self::ClockDrift => "clock_drift",
            Self::BatteryLow => "battery_low",
            Self::Offline => "offline",
            Self::GatewayOffline => "gateway_offline",
            Self::Tampered => "tampered",
            Self::ConnectionFlaky => "connection_flaky",
        }
    }

    /// Whether no reading ends it, only the word of a person who was there.
    pub fn ends_by_hand(self) -> bool {
        self == Self::Tampered
    }
}

/// Why a person has to go to a device.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum TaskReason {
    /// Its clock is off, and no gateway reaches it.
    NoGateway,
    /// Its clock is off, and the vendor's locks can't be set from afar.
    NoTimeSync,
    /// Its clock was set from afar, and that did not help.
    SyncDidNotHelp,
    /// Its battery is low.
    BatteryLow,
    /// It was forced, or somebody tampers with it.
    Tampered,
    /// It keeps dropping off.
    ConnectionFlaky,
}

impl TaskReason {
    /// Every reason.
    pub const ALL: [Self; 6] = [
        Self::NoGateway,
        Self::NoTimeSync,
        Self::SyncDidNotHelp,
        Self::BatteryLow,
        Self::Tampered,
        Self::ConnectionFlaky,
    ];

    /// The reason's name, as in JSON and SQL.
    pub fn name(self) -> &'static str {
        match self {
            Self::NoGateway => "no_gateway",
            Self::NoTimeSync => "no_time_sync",
            Self::SyncDidNotHelp => "sync_did_not_help",
            Self::BatteryLow => "battery_low",
            Self::Tampered => "tampered",
            Self::ConnectionFlaky => "connection_flaky",
        }
    }

    /// The trouble that it belongs to.
    pub fn kind(self) -> AlertKind {
        match self {
            Self::NoGateway | Self::NoTimeSync | Self::SyncDidNotHelp => AlertKind::ClockDrift,
            Self::BatteryLow => AlertKind::BatteryLow,
            Self::Tampered => AlertKind::Tampered,
            Self::ConnectionFlaky => AlertKind::ConnectionFlaky,
        }
    }
}

/// What follows from a reading.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Act {
    /// An episode begins.
    Raise(AlertKind),
    /// The episode is over.
    Resolve(AlertKind),
    /// The lock's clock is to be set.
    Sync,
    /// A person has to go there.
    Open(TaskReason),
    /// Nobody has to go there for this any more.
    Close(AlertKind),
}

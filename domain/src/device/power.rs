//! Batteries, and whether a device can be reached.

use super::{Act, AlertKind, TaskReason};
use jiff::SignedDuration;

/// Below this a battery is low, in percent. TTLock's app warns there, too.
const LOW: u8 = 20;
/// From here on it counts as changed.
const CHANGED: u8 = 35;
/// A device is told to be out of reach when it has been for so long, and to be back when it has been in reach for so long.
pub const OFFLINE_AFTER: SignedDuration = SignedDuration::from_mins(15);

/// What follows from a battery's charge in percent. `alerted` is whether it is known to be low.
pub fn judge_battery(percent: u8, alerted: bool) -> Vec<Act> {
    match alerted {
        false if percent < LOW => vec![Act::Raise(AlertKind::BatteryLow), Act::Open(TaskReason::BatteryLow)],
        true if percent >= CHANGED => vec![Act::Resolve(AlertKind::BatteryLow), Act::Close(AlertKind::BatteryLow)],
        _ => Vec::new(),
    }
}

/// What follows from a lock that says its battery is low, and not how low. It can't tell that all is well again.
pub fn judge_low(alerted: bool) -> Vec<Act> {
    if alerted { Vec::new() } else { vec![Act::Raise(AlertKind::BatteryLow), Act::Open(TaskReason::BatteryLow)] }
}

/// What follows from a device that has been in reach, or out of it, for so long.
pub fn judge_online(kind: AlertKind, online: bool, since: SignedDuration, alerted: bool) -> Option<Act> {
    match (online, alerted) {
        (false, false) if since >= OFFLINE_AFTER => Some(Act::Raise(kind)),
        (true, true) if since >= OFFLINE_AFTER => Some(Act::Resolve(kind)),
        _ => None,
    }
}

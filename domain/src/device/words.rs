//! What people are told of devices.

use super::{AlertKind, ClockLimits, TaskReason};
use jiff::SignedDuration;
use std::time::Duration;

impl AlertKind {
    /// What it means, for somebody who has to decide whether to get up.
    pub fn meaning(self) -> &'static str {
        match self {
            Self::ClockDrift => {
                "The lock judges keys by its own clock, so that keys open and close at other times than they should."
            }
            Self::BatteryLow => {
                "The lock works until the battery is empty, and then opens for nobody but by its emergency power."
            }
            Self::Offline => "Keys that are in the lock open as before. New keys, changes and check-outs wait.",
            Self::GatewayOffline => {
                "The locks behind it open as before for keys that are in them. New keys, changes and check-outs wait."
            }
            Self::Tampered => {
                "Its keys open as before, and the door may be open to anybody. It is over when a person who was there says so."
            }
            Self::ConnectionFlaky => {
                "Keys that are in the lock open as before. New keys, changes and check-outs may come late."
            }
        }
    }
}

impl TaskReason {
    /// Why somebody has to go there.
    pub fn why(self) -> &'static str {
        match self {
            Self::NoGateway => "The lock's clock is off, and no gateway reaches the lock to set it.",
            Self::NoTimeSync => "The lock's clock is off, and this vendor's locks can't be set from afar.",
            Self::SyncDidNotHelp => "The lock's clock was set from afar twice and is off all the same.",
            Self::BatteryLow => "The lock's battery is low.",
            Self::Tampered => "The lock told of an alarm: it was forced, or somebody tampers with it.",
            Self::ConnectionFlaky => "The lock dropped off several times within a day, and no other lock with it.",
        }
    }

    /// What he does there.
    pub fn next_action(self) -> &'static str {
        match self {
            Self::NoGateway => {
                "Go to the lock with the vendor's app and set its clock, or bring a gateway within range; then it is set by itself."
            }
            Self::NoTimeSync => "Go to the lock with the vendor's programming device and set its clock.",
            Self::SyncDidNotHelp => {
                "Set the clock with the vendor's app. If it is off again the next day, change the batteries; then have the lock replaced."
            }
            Self::BatteryLow => {
                "Change the batteries, all at once, and set the lock's clock afterwards if the vendor's app asks for it."
            }
            Self::Tampered => {
                "Look at the door and its lock, and after the guest. Once both are sound, close this task: only that ends the alarm."
            }
            Self::ConnectionFlaky => {
                "Look for what has come between the lock and its gateway, and change the batteries. If it goes on, bring a gateway nearer."
            }
        }
    }
}

/// How far off a clock is, in words: `7 min slow`.
pub fn drift_words(drift: SignedDuration) -> String {
    let way = if drift.is_negative() { "slow" } else { "fast" };
    format!("{} {way}", span(drift.unsigned_abs()))
}

/// What a clock that is off means for a guest's key.
pub fn guest_words(drift: SignedDuration, limits: &ClockLimits) -> String {
    let off = drift.unsigned_abs();
    let (told, pad) = (drift_words(drift), span(limits.padding));
    if !drift.is_negative() {
        return format!("The lock's clock is {told}: the key opens and ends that much earlier.");
    }
    match off.checked_sub(limits.padding).filter(|late| !late.is_zero()) {
        Some(late) => format!(
            "The lock's clock is {told}, more than the {pad} that keys work early: the key opens {} late, and ends late.",
            span(late)
        ),
        None => format!("The lock's clock is {told}; keys work {pad} early, so that the guest notices nothing."),
    }
}

fn span(length: Duration) -> String {
    match length.as_secs() {
        s @ 0..120 => format!("{s} s"),
        s @ 120..7_200 => format!("{} min", (s + 30) / 60),
        s => format!("{} h {} min", s / 3600, s % 3600 / 60),
    }
}

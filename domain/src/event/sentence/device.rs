//! Words for what a device needs somebody for.

use crate::device::{AlertKind, TaskReason, drift_words};
use jiff::{SignedDuration, Timestamp};

/// The device: by its door if it is a lock, else by the vendor's id of it.
pub(super) fn place(device: &str, door: Option<String>) -> String {
    door.map_or_else(|| format!("device {device}"), |door| format!("the lock of {door}"))
}

/// What is wrong with `of`, and what that means. `drift_s`: how far its clock is ahead, in seconds.
pub(super) fn alert(
    kind: AlertKind,
    of: &str,
    drift_s: Option<i64>,
    percent: Option<u8>,
    since: Option<Timestamp>,
) -> String {
    let since = since.map(|since| format!(" since {since}")).unwrap_or_default();
    let what = match (kind, drift_s, percent) {
        (AlertKind::ClockDrift, Some(s), _) => {
            format!("The clock of {of} is {}.", drift_words(SignedDuration::from_secs(s)))
        }
        (AlertKind::ClockDrift, None, _) => format!("The clock of {of} is off."),
        (AlertKind::BatteryLow, _, Some(percent)) => format!("The battery of {of} is low: {percent} % are left."),
        (AlertKind::BatteryLow, ..) => format!("The battery of {of} is low."),
        (AlertKind::Offline | AlertKind::GatewayOffline, ..) => format!("Nothing reaches {of}{since}."),
        (AlertKind::Tampered, ..) => format!("There is an alarm from {of}{since}: it was forced, or tampered with."),
        (AlertKind::ConnectionFlaky, ..) => format!("The link to {of} keeps breaking{since}."),
    };
    format!("{what} {}", kind.meaning())
}

/// That it is over, after so many seconds.
pub(super) fn resolved(kind: AlertKind, of: &str, after_s: i64) -> String {
    let well = match kind {
        AlertKind::ClockDrift => "the clock is right again",
        AlertKind::BatteryLow => "the battery is good again",
        AlertKind::Offline | AlertKind::GatewayOffline => "it can be reached again",
        AlertKind::Tampered => "somebody was there, and says so",
        AlertKind::ConnectionFlaky => "its link has held for half a day",
    };
    format!("All is well with {of}: {well}, after {} min.", (after_s + 59) / 60)
}

/// That somebody has to go there, or, unless `open`, need not any more: because a person said so, or a reading was good again.
pub(super) fn task(reason: TaskReason, at: &str, open: bool, by_person: bool) -> String {
    match (open, by_person) {
        (true, _) => format!("Somebody has to go to {at}. {} {}", reason.why(), reason.next_action()),
        (false, true) => format!("Done, somebody says, at {at}."),
        (false, false) => format!("Nobody has to go to {at} any more: a reading was good again."),
    }
}

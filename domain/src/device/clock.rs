//! Locks' clocks.
//!
//! Two sources tell how far a clock is off. A *query* reads the clock, to within the seconds that the call takes. A *record* of a door has
//! two times: the lock's own, and that of its arrival at the vendor. It can't arrive before it was made, so the lock is ahead by at least
//! the first minus the second; by how much more nobody knows, because a record may wait for days until something carries it on. One
//! record therefore proves that a clock is fast, never that one is slow: of the latter it is a hint, which is worth a query. Where a clock
//! can't be queried, several arrivals that are all late by much count as proof.

use super::{Act, AlertKind, TaskReason};
use jiff::{SignedDuration, Timestamp};
use std::time::Duration;

/// So many arrivals of records are looked at together, and so many must agree that a clock is slow.
pub const WINDOW: usize = 3;
/// So often a clock may be set in vain before a person has to go there.
const MOST_IN_VAIN: u32 = 2;

/// From where on a clock that is off matters.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ClockLimits {
    /// Below it all is well again: what was raised is over.
    pub clear: Duration,
    /// From here on the clock is set, at the next occasion.
    pub sync: Duration,
    /// From here on it is told, and set at once.
    pub alert: Duration,
    /// So early guests' keys work by the property's policy: a clock that is slower than this makes guests stand at closed doors.
    pub padding: Duration,
}

impl ClockLimits {
    const LEAST_ALERT: Duration = Duration::from_secs(60);
    const MOST_ALERT: Duration = Duration::from_secs(300);

    /// For keys that work so early: an alert at half of the padding (1 to 5 minutes), a sync at half of that, all clear at half again.
    pub fn for_padding(padding: SignedDuration) -> Self {
        let padding = Duration::try_from(padding).unwrap_or_default();
        let alert = (padding / 2).clamp(Self::LEAST_ALERT, Self::MOST_ALERT);
        Self { clear: alert / 4, sync: alert / 2, alert, padding }
    }
}

/// Whether a lock's clock can be set from afar.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ClockReach {
    /// It can.
    Settable,
    /// The vendor could, but no gateway reaches this lock.
    NoGateway,
    /// The vendor has no such call.
    NoTimeSync,
}

/// What is going on with a lock's clock already.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct ClockView {
    /// It was told, and is not over.
    pub alerted: bool,
    /// A person has been asked to go there.
    pub tasked: bool,
    /// So often it was set since it was last well, and did not help.
    pub in_vain: u32,
}

/// What follows from a clock that is off by so much (ahead is positive).
///
/// ```text
/// off by         | then
/// ---------------+------------------------------------------------------------------------------
/// under clear    | what was raised is over, what was asked of people is closed
/// under sync     | nothing changes; if it was told, set it
/// under alert    | set it, if that is possible
/// alert and more | told once; set it, or ask a person
/// ```
/// One that was set in vain twice is set again at each occasion, and a person is asked all the same.
pub fn judge_clock(drift: SignedDuration, view: ClockView, reach: ClockReach, limits: &ClockLimits) -> Vec<Act> {
    let off = drift.unsigned_abs();
    let mut acts = Vec::new();
    if off < limits.clear {
        acts.extend(view.alerted.then_some(Act::Resolve(AlertKind::ClockDrift)));
        acts.extend(view.tasked.then_some(Act::Close(AlertKind::ClockDrift)));
        return acts;
    }
    // What was told has to end well below where it began, so it is worth a sync there, too.
    if off < limits.sync && !(view.alerted && reach == ClockReach::Settable) {
        return acts;
    }
    if off >= limits.alert && !view.alerted {
        acts.push(Act::Raise(AlertKind::ClockDrift));
    }
    let task = match reach {
        ClockReach::Settable => (view.in_vain >= MOST_IN_VAIN).then_some(TaskReason::SyncDidNotHelp),
        ClockReach::NoGateway => (off >= limits.alert).then_some(TaskReason::NoGateway),
        ClockReach::NoTimeSync => (off >= limits.alert).then_some(TaskReason::NoTimeSync),
    };
    acts.extend(task.filter(|_| !view.tasked).map(Act::Open));
    if reach == ClockReach::Settable {
        acts.push(Act::Sync);
    }
    acts
}

/// Records of one lock that reached the vendor together.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Upload {
    /// When they arrived, by the vendor's clock.
    pub at_server: Timestamp,
    /// The newest record's time by the lock's clock, minus the arrival.
    pub ahead: SignedDuration,
}

/// What arrivals of records say of a clock.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Hint {
    /// Nothing that calls for a look.
    Nothing,
    /// It may be off: a query is worth its call.
    Look,
    /// It is off by so much (at least, if it is ahead), or well if that is little.
    Proven(SignedDuration),
}

/// What the last arrivals say, newest first. Not more than [`WINDOW`] are looked at.
pub fn hint(uploads: &[Upload], limits: &ClockLimits) -> Hint {
    let recent = &uploads[..uploads.len().min(WINDOW)];
    let Some(best) = recent.iter().map(|upload| upload.ahead).max() else { return Hint::Nothing };
    let full = recent.len() == WINDOW;
    if best.is_positive() && best.unsigned_abs() >= limits.sync || full {
        return Hint::Proven(best);
    }
    if best.is_negative() && best.unsigned_abs() >= limits.alert { Hint::Look } else { Hint::Nothing }
}

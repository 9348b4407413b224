//! What the vendor really did, in order: the proof of "exactly one".
//!
//! Holds names, never digits. Bounded: past [`KEPT`] entries the oldest go and are counted.

use std::collections::VecDeque;

use serde::{Deserialize, Serialize};

const KEPT: usize = 200_000;

/// The kind of change.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Effect {
    /// A custom passcode was added (`keyboardPwd/add`).
    Add,
    /// A passcode was computed by the offline algorithm (`keyboardPwd/get`).
    Get,
    /// A passcode's digits, name or times changed.
    Change,
    /// A passcode was deleted.
    Delete,
    /// A lock's clock was set.
    SetClock,
}

/// One change at the vendor.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct JournalEntry {
    /// Counts up from 1 without gaps.
    pub seq: u64,
    /// True time of the simulated world, ms since the epoch.
    pub at: i64,
    /// What happened.
    pub effect: Effect,
    /// The lock.
    pub lock_id: i64,
    /// The passcode's id; 0 for an effect without one.
    pub passcode_id: i64,
    /// The name that the caller gave it.
    pub name: String,
    /// Whether the change reached the lock, not only the cloud.
    pub reached_door: bool,
    /// Start of the window after the change, ms since the epoch.
    pub from: i64,
    /// End of the window after the change, ms since the epoch.
    pub until: i64,
}

/// The bounded log.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
pub(crate) struct Journal {
    last_seq: u64,
    entries: VecDeque<JournalEntry>,
}

impl Journal {
    pub(crate) fn push(&mut self, mut entry: JournalEntry) {
        self.last_seq = self.last_seq.saturating_add(1);
        entry.seq = self.last_seq;
        self.entries.push_back(entry);
        if self.entries.len() > KEPT {
            self.entries.pop_front();
        }
    }

    pub(crate) fn since(&self, seq: u64) -> Vec<JournalEntry> {
        self.entries.iter().filter(|entry| entry.seq > seq).cloned().collect()
    }

    /// The newest `count` entries, for a state file that stays small.
    pub(crate) fn tail(&self, count: usize) -> Self {
        let skip = self.entries.len().saturating_sub(count);
        Self { last_seq: self.last_seq, entries: self.entries.iter().skip(skip).cloned().collect() }
    }
}

//! What was really done, in order, and what was asked how often.

use std::collections::{BTreeMap, VecDeque};

use serde::{Deserialize, Serialize};

const KEPT: usize = 100_000;

/// The kind of change.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Effect {
    /// A user was made.
    UserAdded,
    /// A user was changed.
    UserChanged,
    /// A user was deleted.
    UserDeleted,
    /// A user's card was written.
    UserCardWritten,
    /// A guest was checked in, with a card or a telephone.
    CheckedIn,
    /// A guest's key was copied.
    Copied,
    /// A stay was changed.
    StayChanged,
    /// A room was checked out.
    CheckedOut,
}

/// One change. It has no digits and no telephone numbers.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct JournalEntry {
    /// Counts up from 1 without gaps.
    pub seq: u64,
    /// True time of the world, ms since the epoch.
    pub at: i64,
    /// What happened.
    pub effect: Effect,
    /// The user's `ExtUserID`, or the operator.
    pub name: String,
    /// The main room; empty for users.
    pub room: String,
}

/// Bounded log.
#[derive(Debug, Default)]
pub(crate) struct Journal {
    last: u64,
    entries: VecDeque<JournalEntry>,
}

impl Journal {
    pub(crate) fn push(&mut self, mut entry: JournalEntry) {
        self.last = self.last.saturating_add(1);
        entry.seq = self.last;
        self.entries.push_back(entry);
        if self.entries.len() > KEPT {
            self.entries.pop_front();
        }
    }

    pub(crate) fn since(&self, seq: u64) -> Vec<JournalEntry> {
        self.entries.iter().filter(|entry| entry.seq > seq).cloned().collect()
    }
}

/// Counters over the life of the process.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Stats {
    /// Requests by name, answered or not.
    pub calls: BTreeMap<String, u64>,
    /// Answers by SHIP number or PMS letters; `0` and `ok` for success.
    pub answers: BTreeMap<String, u64>,
    /// Faults played, by kind.
    pub faults: BTreeMap<String, u64>,
    /// NAKs sent on the PMS wire.
    pub naks: u64,
    /// ENQs received on the PMS wire.
    pub enqs: u64,
    /// Clients that the PMS port turned away.
    pub turned_away: u64,
}

impl Stats {
    pub(crate) fn call(&mut self, name: &str) {
        bump(&mut self.calls, name);
    }

    pub(crate) fn answer(&mut self, text: &str) {
        bump(&mut self.answers, text);
    }

    pub(crate) fn fault(&mut self, kind: &str) {
        bump(&mut self.faults, kind);
    }
}

fn bump(map: &mut BTreeMap<String, u64>, key: &str) {
    let count = map.entry(key.to_owned()).or_default();
    *count = count.saturating_add(1);
}

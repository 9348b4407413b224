//! The state behind the server.

use std::collections::BTreeMap;

use jiff::tz::TimeZone;
use jiff::{SignedDuration, Timestamp};
use serde_json::Value;

use super::fault::FaultKind;
use super::views::{JournalEntry, Placed, Stats};
use crate::fault::Faults;

/// The user that is there.
pub const DEFAULT_USERNAME: &str = "sym";
/// Its password.
pub const DEFAULT_PASSWORD: &str = "sym";
/// Where the hotel is.
pub const TIME_ZONE: &str = "Europe/Berlin";

#[derive(Debug, Clone)]
pub(crate) struct Session {
    pub(crate) key: String,
    pub(crate) used: Timestamp,
}

#[derive(Debug, Clone, Default)]
pub(crate) struct Door {
    pub(crate) online: bool,
    /// The newest guest that a card was made for.
    pub(crate) sequence: u64,
    /// The newest guest that the lock has seen.
    pub(crate) lock_sequence: u64,
}

#[derive(Debug, Clone)]
pub(crate) struct Encoder {
    pub(crate) online: bool,
    pub(crate) busy: bool,
    pub(crate) placed: Placed,
}

/// Where a key for a telephone stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Delivery {
    Issuing,
    Issued,
    Revoked,
}

impl Delivery {
    pub(crate) fn word(self) -> &'static str {
        match self {
            Self::Issuing => "ISSUING",
            Self::Issued => "ISSUED",
            Self::Revoked => "REVOKED",
        }
    }
}

#[derive(Debug, Clone)]
pub(crate) struct Card {
    pub(crate) id: u64,
    pub(crate) start: String,
    pub(crate) expire: String,
    pub(crate) from: Timestamp,
    pub(crate) until: Timestamp,
    pub(crate) format: String,
    pub(crate) description: String,
    pub(crate) label: String,
    /// By door, the guest that the card is for.
    pub(crate) doors: BTreeMap<String, u64>,
    pub(crate) serial: Option<String>,
    pub(crate) end_point: Option<String>,
    pub(crate) delivery: Option<Delivery>,
    pub(crate) cancelled: bool,
    pub(crate) overridden: bool,
    pub(crate) overwritten: bool,
}

#[derive(Debug, Clone)]
pub(crate) struct Policy {
    pub(crate) clock_skew_s: i64,
    pub(crate) session_life_s: u64,
    pub(crate) card_wait_ms: u64,
    pub(crate) delivery_ms: u64,
    pub(crate) callback_url: String,
}

#[derive(Debug)]
pub(crate) struct World {
    pub(crate) zone: TimeZone,
    pub(crate) sessions: BTreeMap<String, Session>,
    pub(crate) doors: BTreeMap<String, Door>,
    pub(crate) encoders: BTreeMap<String, Encoder>,
    pub(crate) cards: Vec<Card>,
    pub(crate) last_id: u64,
    pub(crate) offset_ms: i64,
    pub(crate) policy: Policy,
    pub(crate) faults: Faults<FaultKind>,
    pub(crate) journal: Vec<JournalEntry>,
    pub(crate) callbacks: Vec<Value>,
    pub(crate) stats: Stats,
}

impl World {
    pub(crate) fn new() -> Self {
        Self {
            zone: TimeZone::get(TIME_ZONE).unwrap_or(TimeZone::UTC),
            sessions: BTreeMap::new(),
            doors: BTreeMap::new(),
            encoders: BTreeMap::new(),
            cards: Vec::new(),
            last_id: 0,
            offset_ms: 0,
            policy: Policy {
                clock_skew_s: 0,
                session_life_s: 600,
                card_wait_ms: 30_000,
                delivery_ms: 0,
                callback_url: String::new(),
            },
            faults: Faults::default(),
            journal: Vec::new(),
            callbacks: Vec::new(),
            stats: Stats::default(),
        }
    }

    pub(crate) fn next_id(&mut self) -> u64 {
        self.last_id = self.last_id.saturating_add(1);
        self.last_id
    }

    /// True time in the hotel: what the locks' clocks show.
    pub(crate) fn now(&self) -> Timestamp {
        Timestamp::now().saturating_add(SignedDuration::from_millis(self.offset_ms)).unwrap_or(Timestamp::MAX)
    }

    /// What the server's own clock shows. Calls are judged by it; the test clock does not move it.
    pub(crate) fn server_clock(&self) -> Timestamp {
        Timestamp::now().saturating_add(SignedDuration::from_secs(self.policy.clock_skew_s)).unwrap_or(Timestamp::MAX)
    }

    pub(crate) fn note(&mut self, mut entry: JournalEntry) {
        entry.seq = self.journal.len() as u64 + 1;
        self.journal.push(entry);
    }
}

//! What there is, and the clock.

use std::collections::{BTreeMap, BTreeSet};

use jiff::Timestamp;
use jiff::civil::DateTime;
use jiff::tz::TimeZone;
use serde::{Deserialize, Serialize};

use super::fault::FaultKind;
use super::journal::{Effect, Journal, JournalEntry, Stats};
use crate::fault::Faults;

/// User name of a new server's web port.
pub const DEFAULT_USERNAME: &str = "sim-host";
/// Password of that user.
pub const DEFAULT_PASSWORD: &str = "sim-host-password";
/// SHIP key of a new server.
pub const DEFAULT_SHIP_KEY: &str = "sim-ship-key";
/// The property's zone.
pub(crate) const ZONE: &str = "Europe/Lisbon";

/// Choices where the vendor has not published what it does.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Policy {
    /// An STP length that is larger than the document is an error; else what is missing is not waited for.
    pub strict_stp: bool,
    /// Lengths of STP replies count characters.
    pub length_in_characters: bool,
    /// Replies have their texts in UTF-8 instead of ASCII.
    pub utf8_replies: bool,
    /// A page begins with the id it is asked from, not behind it.
    pub page_repeats_last: bool,
    /// Fields that an update leaves out are set back.
    pub update_replaces: bool,
    /// The PMS port serves one client at a time and turns away others.
    pub single_client: bool,
    /// The operator's name comes back when a card is read.
    pub operator_on_card: bool,
    /// How long an encoder waits for a card, milliseconds.
    pub card_timeout_ms: u64,
    /// Users that the licence allows.
    pub most_users: usize,
}

impl Default for Policy {
    fn default() -> Self {
        Self {
            strict_stp: true,
            length_in_characters: false,
            utf8_replies: false,
            page_repeats_last: false,
            update_replaces: false,
            single_client: true,
            operator_on_card: true,
            card_timeout_ms: 20_000,
            most_users: 10_000,
        }
    }
}

/// Who stands at an encoder.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "human", rename_all = "snake_case")]
pub enum Human {
    /// Puts a blank card on the encoder when it waits for one and has none.
    Helpful {
        /// After this long.
        after_ms: u64,
    },
    /// Nobody.
    Absent,
}

/// A door with its lock's own memory.
#[derive(Debug, Clone, Default)]
pub(crate) struct Door {
    pub(crate) name: String,
    /// It asks the server at once.
    pub(crate) online: bool,
    /// Digits open it.
    pub(crate) keypad: bool,
    /// A guest room.
    pub(crate) room: bool,
    /// The authorisation that opens it for guests.
    pub(crate) authorisation: Option<u8>,
    pub(crate) battery: u8,
    /// The newest check-in whose card was used here.
    pub(crate) generation: u64,
    /// Cancelled keys that the lock has heard of.
    pub(crate) blacklist: BTreeSet<u64>,
}

#[derive(Debug, Clone, Default)]
pub(crate) struct Room {
    pub(crate) generation: u64,
    pub(crate) occupied: bool,
    pub(crate) out_of_service: bool,
    pub(crate) copies: u32,
    pub(crate) expiry: Option<DateTime>,
}

/// A user's key.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Key {
    pub(crate) id: u64,
    /// The version of the user that the card holds.
    pub(crate) version: u64,
    pub(crate) from: i64,
    pub(crate) until: i64,
}

#[derive(Debug, Clone, Default)]
pub(crate) struct User {
    pub(crate) fields: BTreeMap<String, String>,
    pub(crate) doors: BTreeSet<String>,
    pub(crate) key: Option<Key>,
    pub(crate) version: u64,
}

/// What stands on a card.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Content {
    Blank,
    Foreign,
    Staff,
    User(UserCard),
    Guest(GuestCard),
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct UserCard {
    pub(crate) user: String,
    pub(crate) key: u64,
    pub(crate) doors: BTreeSet<String>,
    pub(crate) from: i64,
    pub(crate) until: i64,
    /// The server's list of cancelled keys when it was written.
    pub(crate) blacklist: BTreeSet<u64>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct GuestCard {
    /// Rooms in order, each with its check-in.
    pub(crate) rooms: Vec<(String, u64)>,
    pub(crate) granted: String,
    pub(crate) start: DateTime,
    pub(crate) expiry: DateTime,
    pub(crate) copy: u32,
    pub(crate) operator: String,
    pub(crate) serial: String,
    /// In this telephone instead of on a card.
    pub(crate) phone: Option<String>,
}

#[derive(Debug, Clone)]
pub(crate) struct Encoder {
    pub(crate) name: String,
    pub(crate) online: bool,
    pub(crate) in_use: bool,
    pub(crate) card: Option<u64>,
    pub(crate) human: Human,
}

/// One event at a door.
#[derive(Debug, Clone)]
pub(crate) struct TrailEvent {
    pub(crate) id: i64,
    pub(crate) at: DateTime,
    pub(crate) operation: u32,
    pub(crate) door: String,
    pub(crate) subject_type: u8,
    pub(crate) subject: String,
}

#[derive(Debug)]
pub(crate) struct World {
    pub(crate) policy: Policy,
    pub(crate) zone: TimeZone,
    pub(crate) offset_ms: i64,
    pub(crate) doors: BTreeMap<String, Door>,
    pub(crate) rooms: BTreeMap<String, Room>,
    pub(crate) users: BTreeMap<String, User>,
    pub(crate) cards: BTreeMap<u64, Content>,
    pub(crate) encoders: Vec<Encoder>,
    pub(crate) cancelled: BTreeSet<u64>,
    pub(crate) trail: Vec<TrailEvent>,
    pub(crate) faults: Faults<FaultKind>,
    pub(crate) stats: Stats,
    pub(crate) journal: Journal,
    last_id: u64,
}

impl Default for World {
    fn default() -> Self {
        Self {
            policy: Policy::default(),
            zone: TimeZone::get(ZONE).unwrap_or(TimeZone::UTC),
            offset_ms: 0,
            doors: BTreeMap::new(),
            rooms: BTreeMap::new(),
            users: BTreeMap::new(),
            cards: BTreeMap::new(),
            encoders: Vec::new(),
            cancelled: BTreeSet::new(),
            trail: Vec::new(),
            faults: Faults::default(),
            stats: Stats::default(),
            journal: Journal::default(),
            last_id: 0,
        }
    }
}

impl World {
    /// True time of the world, ms since the epoch.
    pub(crate) fn now(&self) -> i64 {
        Timestamp::now().as_millisecond().saturating_add(self.offset_ms)
    }

    pub(crate) fn next_id(&mut self) -> u64 {
        self.last_id = self.last_id.saturating_add(1);
        self.last_id
    }

    pub(crate) fn new_card(&mut self, content: Content) -> u64 {
        let id = self.next_id();
        self.cards.insert(id, content);
        id
    }

    /// Local time as the server writes it.
    pub(crate) fn local(&self, at_ms: i64) -> DateTime {
        let at = Timestamp::from_millisecond(at_ms).unwrap_or(Timestamp::UNIX_EPOCH);
        self.zone.to_datetime(at)
    }

    /// The instant of a local time; of two, the earlier.
    pub(crate) fn instant(&self, local: DateTime) -> i64 {
        self.zone.to_ambiguous_timestamp(local).compatible().map_or(i64::MAX, Timestamp::as_millisecond)
    }

    pub(crate) fn note(&mut self, effect: Effect, name: &str, room: &str) {
        let entry = JournalEntry { seq: 0, at: self.now(), effect, name: name.to_owned(), room: room.to_owned() };
        self.journal.push(entry);
    }

    /// By number (from 1) or name.
    pub(crate) fn encoder(&self, called: &str) -> Option<usize> {
        let by_number = called.parse::<usize>().ok().and_then(|number| number.checked_sub(1));
        by_number
            .filter(|at| *at < self.encoders.len())
            .or_else(|| self.encoders.iter().position(|encoder| encoder.name == called))
    }
}

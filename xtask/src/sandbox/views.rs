//! What the demo, the replay and the bench read of the answers. Fields that they don't need are ignored.

use jiff::Timestamp;
use serde::Deserialize;

/// From (inclusive) until (exclusive).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
pub struct Window {
    /// First instant inside.
    pub from: Timestamp,
    /// First instant outside.
    pub until: Timestamp,
}

/// A room as a stay shows it.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
pub struct Room {
    /// Its id.
    pub id: String,
    /// Its number.
    pub number: String,
}

/// A stay in full.
#[derive(Debug, Clone, Deserialize)]
pub struct Stay {
    /// The PMS's reference.
    pub reservation: String,
    /// Where it stands, such as `active`.
    pub phase: String,
    /// The phase in words.
    #[serde(default)]
    pub summary: String,
    /// Why it is over.
    #[serde(default)]
    pub ended_by: Option<String>,
    /// The guest's room.
    pub room: Room,
    /// What the PMS said.
    pub window: Window,
    /// Some door may still open until then.
    #[serde(default)]
    pub still_valid_until: Option<Timestamp>,
    /// The keys.
    #[serde(default)]
    pub keys: Vec<Key>,
}

/// A key of a stay.
#[derive(Debug, Clone, Deserialize)]
pub struct Key {
    /// Its id.
    pub id: String,
    /// `wanted`, `being_replaced` or `unwanted`.
    pub wish: String,
    /// Its presence in each lock.
    #[serde(default)]
    pub credentials: Vec<Credential>,
}

/// A key's presence in one lock.
#[derive(Debug, Clone, Deserialize)]
pub struct Credential {
    /// Its id, `cred_…`.
    pub id: String,
    /// The door's name.
    #[serde(default)]
    pub door_name: String,
    /// Such as `live`.
    pub state: String,
    /// The window that the lock was asked to keep.
    #[serde(default)]
    pub requested: Option<Window>,
}

impl Credential {
    /// The name under which the vendor stores it: `lis-` and the id's digits.
    #[must_use]
    pub fn vendor_name(&self) -> String {
        format!("lis-{}", self.id.trim_start_matches("cred_"))
    }
}

/// A stay in a list.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
pub struct StayLine {
    /// The PMS's reference.
    pub reservation: String,
    /// Where it stands.
    pub phase: String,
    /// Why it is over.
    #[serde(default)]
    pub ended_by: Option<String>,
    /// The room's id.
    pub room: String,
    /// What the PMS said.
    pub window: Window,
}

/// A code in a simulated lock.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
pub struct SimCredential {
    /// The lock.
    pub lock_id: i64,
    /// What stands on the door.
    pub alias: String,
    /// The caller's name for it.
    pub name: String,
    /// Start of its window, milliseconds since the epoch.
    pub from: i64,
    /// End of its window, milliseconds since the epoch.
    pub until: i64,
    /// The lock holds it.
    pub in_lock: bool,
    /// The door would open for it now.
    pub opens_now: bool,
}

/// A change at the simulated vendor.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
pub struct JournalEntry {
    /// Its number, from 1.
    pub seq: u64,
    /// `add`, `change`, `delete` and others.
    pub effect: String,
    /// The lock.
    pub lock_id: i64,
    /// The caller's name for the code.
    pub name: String,
}

/// A simulated lock.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
pub struct Lock {
    /// The vendor's id.
    pub lock_id: i64,
    /// What stands on the door.
    pub alias: String,
    /// The group that it was made under.
    #[serde(default)]
    pub property: String,
}

/// What happened at a keypad.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
pub struct Tried {
    /// Whether the door opened.
    pub opened: bool,
    /// Why, or why not.
    pub reason: String,
}

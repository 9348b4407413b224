//! What a test sees and orders. JSON in and out on the control paths.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

/// SHA-256 of what the server shows, in hexadecimal digits.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Fingerprints {
    /// Of the certificate.
    pub certificate: String,
    /// Of the public key in it.
    pub public_key: String,
}

/// A door as it is.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct DoorState {
    /// Its name, such as `101`.
    pub name: String,
    /// Whether the server reaches the lock.
    pub online: bool,
    /// The newest guest that the server has made a card for.
    pub sequence: u64,
    /// The newest guest that the lock has seen.
    pub lock_sequence: u64,
}

/// What to change of a door.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct DoorPatch {
    /// Whether the server reaches the lock.
    pub online: Option<bool>,
}

/// What lies on an encoder.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Placed {
    /// Somebody lays a new blank card on it whenever it asks.
    Blanks,
    /// Nothing; it waits.
    Nothing,
    /// The card with this serial number, which stays there.
    Card(String),
    /// A card of another house, which can't be written.
    Foreign,
    /// Somebody presses cancel.
    Cancel,
}

/// An encoder as it is.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct EncoderState {
    /// Its name.
    pub name: String,
    /// Whether the server reaches it.
    pub online: bool,
    /// Whether it is at work.
    pub busy: bool,
    /// What lies on it.
    pub placed: Placed,
}

/// What to change of an encoder.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct EncoderPatch {
    /// Whether the server reaches it.
    pub online: Option<bool>,
    /// What lies on it.
    pub placed: Option<Placed>,
}

/// Which certificate is shown, and who has its key.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ShownCertificate {
    /// The server's own.
    Own,
    /// Another one, as of somebody in between.
    Other,
    /// A copy of the server's, by somebody who has not its key.
    Copied,
}

/// What to change of the server.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct PolicyPatch {
    /// Seconds that the server's own clock is ahead.
    pub clock_skew_s: Option<i64>,
    /// Seconds after which an unused session ends.
    pub session_life_s: Option<u64>,
    /// Milliseconds that an encoder waits for a card.
    pub card_wait_ms: Option<u64>,
    /// Milliseconds that a key needs to the telephone.
    pub delivery_ms: Option<u64>,
    /// What new connections see.
    pub certificate: Option<ShownCertificate>,
    /// Where callbacks go; an empty text for nowhere.
    pub callback_url: Option<String>,
}

/// A card, or a key in a telephone, as the server and the locks know it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct CardState {
    /// The server's id.
    pub id: u64,
    /// What the caller wrote.
    pub description: String,
    /// Which doors it is for.
    pub doors: Vec<String>,
    /// In a telephone.
    pub mobile: bool,
    /// Start, ms since the epoch.
    pub from: i64,
    /// End, ms since the epoch.
    pub until: i64,
    /// The server counts it as valid.
    pub live: bool,
    /// Each of its doors would open now.
    pub opens: bool,
}

/// What a lock did.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum TryReason {
    /// It opened.
    Opened,
    /// Too early.
    NotYetValid,
    /// Too late.
    Expired,
    /// A newer guest has been here.
    Overridden,
    /// Checked out, and the lock knows.
    Cancelled,
    /// The card says something else by now.
    Overwritten,
    /// The key is not in the telephone.
    NotDelivered,
    /// Not a card for this door.
    WrongDoor,
}

/// What came of holding a card to a lock.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
pub struct TryOutcome {
    /// Whether it opened.
    pub opened: bool,
    /// Why.
    pub reason: TryReason,
}

/// What the server did.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Effect {
    /// A card was written.
    Encode,
    /// A key for a telephone was made.
    Mobile,
    /// A room was checked out.
    CheckOut,
}

/// One change, in order: the proof of "exactly one".
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct JournalEntry {
    /// Counts up from 1 without gaps.
    pub seq: u64,
    /// What happened.
    pub effect: Effect,
    /// The card; 0 for a check-out.
    pub card: u64,
    /// What the caller wrote on it.
    pub description: String,
    /// The doors.
    pub doors: Vec<String>,
    /// The card joined others.
    pub joined: bool,
}

/// Counters.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub struct Stats {
    /// Calls by verb.
    pub calls: BTreeMap<String, u64>,
    /// Answers by HTTP status.
    pub statuses: BTreeMap<String, u64>,
    /// Faults played by kind.
    pub faults: BTreeMap<String, u64>,
    /// Sessions that are open.
    pub sessions_open: usize,
    /// Most encodings at a time that one encoder was asked for.
    pub encoder_collisions: u64,
    /// Calls with a `traceparent`.
    pub traced_calls: u64,
}

//! What the control API shows and takes. Times are milliseconds since the epoch.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

/// What happened when a code was typed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum TryReason {
    /// The door opened.
    Opened,
    /// Nobody has this PIN, or the lock does not know of it yet.
    UnknownCode,
    /// Its user has no seat.
    Suspended,
    /// Its user may not use a PIN.
    PinOff,
    /// Its user's time is over.
    UserExpired,
    /// The PIN's own time is over.
    PinExpired,
    /// Its user is in no group with this lock and a schedule.
    NoAccess,
    /// It is not the time of any schedule.
    OutsideSchedule,
}

/// Answer to a try at the keypad.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct TryOutcome {
    /// Whether the door opened.
    pub opened: bool,
    /// Why, or why not.
    pub reason: TryReason,
    /// Alias of the user whose PIN it is.
    pub alias: Option<String>,
}

/// A user as the cloud really has it; no digits.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct UserState {
    /// The site user's id.
    pub id: String,
    /// The platform user's id.
    pub user_id: String,
    /// The name that the caller gave it.
    pub alias: Option<String>,
    /// Whether it has a seat.
    pub subscribed: bool,
    /// Whether it may use a PIN.
    pub use_pin: bool,
    /// Whether it has a PIN.
    pub has_pin: bool,
    /// When it ends.
    pub expires_at: Option<i64>,
    /// Locks of the groups that it is in, scheduled or not.
    pub locks: Vec<String>,
}

/// An access group.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct GroupState {
    /// Its id.
    pub id: String,
    /// The caller's name for it.
    pub customer_reference: String,
    /// Locks in it.
    pub locks: Vec<String>,
    /// Platform ids of its members.
    pub users: Vec<String>,
    /// Number of its schedules.
    pub schedules: usize,
}

/// The kind of change.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Effect {
    /// A guest was made.
    AddGuest,
    /// A user was changed.
    ChangeUser,
    /// A PIN was made up.
    SetPin,
    /// A user was deleted.
    DeleteUser,
    /// A user joined a group.
    Join,
    /// A user left a group.
    Leave,
    /// A group was made.
    AddGroup,
    /// A group was deleted.
    DeleteGroup,
    /// A lock was put into a group.
    AddLock,
    /// A schedule was given to a group.
    AddSchedule,
}

/// One change at the vendor: the proof of "exactly one". No digits.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct JournalEntry {
    /// Counts up from 1 without gaps.
    pub seq: u64,
    /// World's time.
    pub at: i64,
    /// What happened.
    pub effect: Effect,
    /// The user or the group.
    pub subject: String,
    /// Its alias or reference.
    pub name: String,
}

/// What the simulator has seen so far.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Stats {
    /// Calls by name, answered or not.
    pub calls: BTreeMap<String, u64>,
    /// Answers by HTTP status.
    pub statuses: BTreeMap<u16, u64>,
    /// Faults played, by kind.
    pub faults: BTreeMap<String, u64>,
    /// Calls that carried a `traceparent` header.
    pub traced_calls: u64,
    /// Connections of the event stream now.
    pub streams: u64,
    /// Connections of the event stream so far.
    pub streams_ever: u64,
}

/// How events go over the stream; the vendor has published none of them.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum EventForm {
    /// The row as an object.
    #[default]
    Object,
    /// The row as a text of JSON.
    Text,
    /// Something that is no row.
    Hint,
}

/// Changes to how the cloud behaves; what is absent stays.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct PolicyPatch {
    /// Seats of the site, the administrator's included.
    pub seats: Option<usize>,
    /// How long parts of the cloud don't know a new user, ms.
    pub settle_ms: Option<i64>,
    /// How long a new user is missing in the list, ms.
    pub list_lag_ms: Option<i64>,
    /// How long a deleted user is still shown, ms. Door and seat are free at once.
    pub delete_lag_ms: Option<i64>,
    /// How long a door takes to learn of a member or PIN, ms.
    pub propagation_ms: Option<i64>,
    /// How long a door takes to learn of a schedule, ms.
    pub schedule_ms: Option<i64>,
    /// Life of an access token, seconds.
    pub token_life_s: Option<i64>,
    /// `ErrorCode` as text.
    pub codes_as_text: Option<bool>,
    /// Whether lists that come bare are wrapped instead.
    pub wrap_lists: Option<bool>,
    /// Rows per page of wrapped lists.
    pub page_size: Option<usize>,
    /// Whether `GET users/{id}/access_groups` exists.
    pub groups_of_user: Option<bool>,
    /// How events go over the stream.
    pub event_form: Option<EventForm>,
    /// Whether the stream's negotiation sends one to another server, with another token.
    pub stream_elsewhere: Option<bool>,
}

/// Ends tokens before their time.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum TokenExpiry {
    /// Access tokens end; refresh tokens stay good.
    Access,
    /// Access and refresh tokens are gone.
    All,
}

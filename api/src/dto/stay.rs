//! Stays, keys, credentials, operations and timelines, as answers show them.

use jiff::Timestamp;
use lock_domain::{
    command::VerbKind,
    credential::{CredentialState, KeyKind},
    ids::*,
    pin::{PinOrigin, PinSource},
    problem::Code,
    stay::{EndCause, Purpose, StayKind, StayPhase},
    window::{LocalFit, Window},
};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

/// A stay, in full.
#[derive(Debug, Clone, Serialize, Deserialize, ToSchema)]
pub struct StayBody {
    /// What it is for.
    #[serde(default)]
    pub kind: StayKind,
    /// What a one-shot key is for.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub purpose: Option<Purpose>,
    /// Our id.
    pub id: StayId,
    /// The hotel.
    pub property: PropertyId,
    /// The PMS's reference.
    pub reservation: ReservationRef,
    /// The reservation's stay before this one, which is over; absent for its first.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reinstates: Option<StayId>,
    /// Where it stands.
    pub phase: StayPhase,
    /// The phase in words.
    pub summary: String,
    /// Why it is over, if it is.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ended_by: Option<EndCause>,
    /// The guest's room.
    pub room: RoomBody,
    /// What the PMS said.
    pub window: Window,
    /// The window on the property's wall clock.
    pub local: LocalWindow,
    /// Taken away by staff until somebody resumes.
    pub suspended: bool,
    /// What a person should look at.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub attention: Option<Reason>,
    /// Some door may still open until then, although it should not any more.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<String>, format = DateTime)]
    pub still_valid_until: Option<Timestamp>,
    /// The keys, with their presence in each lock.
    pub keys: Vec<KeyBody>,
    /// The operation that this answer belongs to.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub operation: Option<OperationBody>,
    /// What daylight saving did to the local times that were sent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub times: Option<TimesBody>,
}

/// A window on the property's wall clock.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct LocalWindow {
    /// The property's time zone.
    pub zone: String,
    /// First instant inside, with its offset.
    pub from: String,
    /// First instant outside, with its offset.
    pub until: String,
}

/// A code with what it means.
#[derive(Debug, Clone, Serialize, Deserialize, ToSchema)]
pub struct Reason {
    /// For programs; has a page under `/errors/`.
    pub code: Code,
    /// What happened.
    pub title: String,
    /// What can be done.
    pub remedy: String,
}

impl From<Code> for Reason {
    fn from(code: Code) -> Self {
        Self { code, title: code.title().to_owned(), remedy: code.remedy().to_owned() }
    }
}

/// What daylight saving did to local times.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct TimesBody {
    /// The arrival.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub arrival: Option<LocalFit>,
    /// The departure.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub departure: Option<LocalFit>,
}

/// Whether a key is wanted.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum KeyWish {
    /// It shall open.
    Wanted,
    /// It shall open until its successor is proven.
    BeingReplaced,
    /// It shall not open any more.
    Unwanted,
}

/// A key. Its PIN is masked; `reveal` shows it once.
#[derive(Debug, Clone, Serialize, Deserialize, ToSchema)]
pub struct KeyBody {
    /// Its id.
    pub id: KeyId,
    /// Which guest carries it, from 0.
    pub holder: u16,
    /// Whether it is wanted.
    pub wish: KeyWish,
    /// Its successor, if it is being replaced.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub replaced_by: Option<KeyId>,
    /// What it is.
    #[serde(default)]
    pub kind: KeyKind,
    /// Where a card is written.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub encoder: Option<String>,
    /// Always stars.
    pub pin: String,
    /// Who makes up the digits.
    #[serde(default)]
    pub pin_source: PinSource,
    /// Which strategy the digits came from, and why that one.
    #[serde(default)]
    pub pin_origin: PinOrigin,
    /// The same in words.
    #[serde(default)]
    pub pin_why: String,
    /// The digits are known and can be revealed. The vendor makes up its own only when the key is made.
    #[serde(default = "yes")]
    pub pin_ready: bool,
    /// It opens once.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub one_time: bool,
    /// When the PIN was shown to a client.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<String>, format = DateTime)]
    pub revealed_at: Option<Timestamp>,
    /// Its presence in each lock.
    pub credentials: Vec<CredentialBody>,
}

/// What keys of older answers were.
fn yes() -> bool {
    true
}

/// A key's presence in one lock.
#[derive(Debug, Clone, Serialize, Deserialize, ToSchema)]
pub struct CredentialBody {
    /// Its id.
    pub id: CredentialId,
    /// The lock's door.
    pub door: DoorId,
    /// The door's name.
    pub door_name: String,
    /// What is known of it.
    pub state: CredentialState,
    /// The window that we asked the lock to keep: the stay's, padded.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub requested: Option<Window>,
    /// The window that the lock keeps.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub effective: Option<Window>,
    /// Why the two differ, if they do.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub rounding: Option<String>,
    /// The state in words, with its reason.
    pub reason: String,
    /// That the lock's clock is off, and what the guest will notice; while it is so.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub clock: Option<String>,
    /// Why the last try failed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub code: Option<Code>,
    /// The door may open until then, although it should not any more.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<String>, format = DateTime)]
    pub still_valid_until: Option<Timestamp>,
}

/// A stay, in a list.
#[derive(Debug, Clone, Serialize, Deserialize, ToSchema)]
pub struct StayLine {
    /// What it is for.
    pub kind: StayKind,
    /// Our id.
    pub id: StayId,
    /// The PMS's reference.
    pub reservation: ReservationRef,
    /// The reservation's stay before this one, which is over; absent for its first.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reinstates: Option<StayId>,
    /// Where it stands.
    pub phase: StayPhase,
    /// Why it is over, if it is.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ended_by: Option<EndCause>,
    /// The guest's room.
    pub room: RoomId,
    /// What the PMS said.
    pub window: Window,
    /// What a person should look at.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub attention: Option<Code>,
}

/// A page of stays, by arrival.
#[derive(Debug, Clone, Serialize, Deserialize, ToSchema)]
pub struct StayPage {
    /// The stays.
    pub stays: Vec<StayLine>,
    /// Send it as `cursor` for the next page; absent on the last one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub next_cursor: Option<String>,
}

/// A room.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct RoomBody {
    /// Its id.
    pub id: RoomId,
    /// Its number, as on the door.
    pub number: String,
}

/// How far an operation is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum OperationStatus {
    /// It stands in the database; the stay's workflow gets it next.
    Accepted,
    /// Too many stays were to lose their keys at once: a person must approve or reject it, and until then nothing is done. `reason` says
    /// what to do.
    Held,
    /// The stay's workflow works on it.
    Running,
    /// It goes on, and a person should look: `code` says why.
    NeedsHuman,
    /// What was asked is so.
    Done,
    /// It can't be, and everything is as before: `code` says why.
    Failed,
    /// A later request made it pointless.
    Overtaken,
}

/// An accepted request.
#[derive(Debug, Clone, Serialize, Deserialize, ToSchema)]
pub struct OperationBody {
    /// Its id.
    pub id: CommandId,
    /// What was asked.
    pub verb: VerbKind,
    /// How far it is.
    pub status: OperationStatus,
    /// Why it failed or needs somebody.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reason: Option<Reason>,
    /// The hotel.
    pub property: PropertyId,
    /// The stay's reference.
    pub reservation: ReservationRef,
    /// Who asked.
    pub by: ApiKeyId,
    /// When it was accepted, in real time.
    #[schema(value_type = String, format = DateTime)]
    pub accepted_at: Timestamp,
    /// When it got its verdict, in real time.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<String>, format = DateTime)]
    pub settled_at: Option<Timestamp>,
}

/// A line of a stay's timeline.
#[derive(Debug, Clone, Serialize, Deserialize, ToSchema)]
pub struct TimelineLine {
    /// When, on the property's clock.
    #[schema(value_type = String, format = DateTime)]
    pub at: Timestamp,
    /// What happened and why, in words.
    pub text: String,
    /// The event's type.
    #[serde(rename = "type")]
    pub kind: String,
    /// The event's id.
    pub event: EventId,
}

/// What happened to a stay, oldest first.
#[derive(Debug, Clone, Serialize, Deserialize, ToSchema)]
pub struct Timeline {
    /// The PMS's reference.
    pub reservation: ReservationRef,
    /// The lines.
    pub lines: Vec<TimelineLine>,
    /// Send it as `cursor` for the lines that follow; absent if there are none yet.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub next_cursor: Option<String>,
}

/// A key's PIN, shown once.
#[derive(Serialize, ToSchema)]
pub struct RevealedPin {
    /// The key.
    pub key: KeyId,
    /// The PIN.
    pub pin: String,
    /// When it was shown first.
    #[schema(value_type = String, format = DateTime)]
    pub revealed_at: Timestamp,
}

impl std::fmt::Debug for RevealedPin {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("RevealedPin").field("key", &self.key).finish_non_exhaustive()
    }
}

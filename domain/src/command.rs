//! What can be asked of a stay. One command is one accepted request, and one operation that its caller can follow.

use crate::{clock::ClockOffset, ids::*, stay::StayKind, window::Window};
use jiff::Timestamp;
use serde::{Deserialize, Serialize};

/// An accepted request, as the stay's workflow receives it. It carries ids and instants only, never guest data.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Command {
    /// Whose stay. It also tells the history's encryption whose key to use.
    pub tenant: TenantId,
    /// The operation's id; a command that comes twice is recognised by it.
    pub id: CommandId,
    /// What to do.
    pub verb: Verb,
    /// Whose API key asked.
    pub by: ApiKeyId,
    /// When it was accepted, on the property's clock. What a command means is judged at this instant, however late it arrives.
    pub at: Timestamp,
    /// How far the property's clock was ahead of real time then.
    #[serde(default)]
    pub clock: ClockOffset,
    /// W3C trace context, so that the workflow's effects appear in the caller's trace.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub traceparent: Option<String>,
}

/// A key that a command wants made.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct NewKey {
    /// Its id, chosen when the command was accepted; its PIN is allocated and sealed in the same transaction.
    pub id: KeyId,
    /// Which guest of the stay carries it, from 0.
    pub holder: u16,
}

/// A key and what is made in its place.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Successor {
    /// The key that goes once the new one is proven: it waits for a vendor that is down, or stands on a card that can't be changed from afar.
    pub old: KeyId,
    /// The key that takes its place.
    pub key: NewKey,
}

/// What can be asked of a stay, with its arguments. Room claims are taken before a command reaches the workflow.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "verb", rename_all = "snake_case")]
pub enum Verb {
    /// Make the stay and its first keys.
    New {
        /// What the stay is for.
        #[serde(default, skip_serializing_if = "StayKind::is_guest")]
        kind: StayKind,
        /// What the PMS said.
        window: Window,
        /// The guest's room.
        room: RoomId,
        /// Every door that the keys open: the room's own and the common ones.
        doors: Vec<DoorId>,
        /// At least one.
        keys: Vec<NewKey>,
    },
    /// Make more keys beside those that exist, and leave those alone.
    Duplicate {
        /// At least one.
        keys: Vec<NewKey>,
    },
    /// Replace one key (lost, or told to the wrong person): the new one is proven before the old one dies.
    Reissue {
        /// The key to replace.
        old: KeyId,
        /// Its successor.
        key: NewKey,
    },
    /// Change the dates; PINs stay as they are.
    ModifyStay {
        /// The new window.
        window: Window,
        /// Cards that are written anew, one for each that is wanted.
        #[serde(default, skip_serializing_if = "Vec::is_empty")]
        keys: Vec<Successor>,
    },
    /// Move to another room: the new room opens before the old one closes.
    RoomMove {
        /// The new room.
        room: RoomId,
        /// Every door that the keys open afterwards.
        doors: Vec<DoorId>,
        /// Cards that are written anew, one for each that is wanted.
        #[serde(default, skip_serializing_if = "Vec::is_empty")]
        keys: Vec<Successor>,
    },
    /// Take all keys away for a while. Sticks until `Resume`, whatever else the PMS changes.
    Suspend,
    /// Give them back, with the same PINs.
    Resume,
    /// Take one key away, or all of them; the stay goes on.
    Remove {
        /// `None` is all.
        key: Option<KeyId>,
    },
    /// The guest has left.
    CheckOut,
    /// The guest will not come.
    Cancel,
    /// Read back at the vendor what stands in the locks, and mend what differs.
    Read,
    /// A key that opens once has opened: the lock's own records say so. It goes, and with the last one the stay is over.
    Used {
        /// The key.
        key: KeyId,
    },
    /// A lock is full, and a guest who arrives earlier needs a place in it: the keys are taken out of it, and put back as soon as there is room,
    /// with the same digits. It means nothing once the stay has begun. See [`crate::slots`].
    GiveWay {
        /// The lock's door.
        door: DoorId,
    },
    /// Another vendor's doors of the same rooms, with keys of that vendor, because the stay's own vendor is down and nothing is proven there.
    /// What may stand in the locks that are left is taken out once the new keys are proven.
    Divert {
        /// The other vendor; `None` in what was written before effects went to its queue.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        vendor: Option<String>,
        /// Every door that the keys open afterwards.
        doors: Vec<DoorId>,
        /// One for each key that is wanted.
        keys: Vec<Successor>,
        /// The other vendor's keys are made so long before arrival: some open from the moment at which they are made.
        issue_ahead_s: u32,
    },
}

/// A verb without its arguments.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum VerbKind {
    /// See [`Verb::New`].
    New,
    /// See [`Verb::Duplicate`].
    Duplicate,
    /// See [`Verb::Reissue`].
    Reissue,
    /// See [`Verb::ModifyStay`].
    ModifyStay,
    /// See [`Verb::RoomMove`].
    RoomMove,
    /// See [`Verb::Suspend`].
    Suspend,
    /// See [`Verb::Resume`].
    Resume,
    /// See [`Verb::Remove`].
    Remove,
    /// See [`Verb::CheckOut`].
    CheckOut,
    /// See [`Verb::Cancel`].
    Cancel,
    /// See [`Verb::Read`].
    Read,
    /// See [`Verb::Divert`].
    Divert,
    /// See [`Verb::Used`].
    Used,
    /// See [`Verb::GiveWay`].
    GiveWay,
}

impl VerbKind {
    /// All verbs.
    pub const ALL: [Self; 14] = [
        Self::New,
        Self::Duplicate,
        Self::Reissue,
        Self::ModifyStay,
        Self::RoomMove,
        Self::Suspend,
        Self::Resume,
        Self::Remove,
        Self::CheckOut,
        Self::Cancel,
        Self::Read,
        Self::Divert,
        Self::Used,
        Self::GiveWay,
    ];

    /// The verb's name, as in JSON and SQL.
    pub fn name(self) -> &'static str {
        match self {
            Self::New => "new",
            Self::Duplicate => "duplicate",
            Self::Reissue => "reissue",
            Self::ModifyStay => "modify_stay",
            Self::RoomMove => "room_move",
            Self::Suspend => "suspend",
            Self::Resume => "resume",
            Self::Remove => "remove",
            Self::CheckOut => "check_out",
            Self::Cancel => "cancel",
            Self::Read => "read",
            Self::Divert => "divert",
            Self::Used => "used",
            Self::GiveWay => "give_way",
        }
    }
}

impl Verb {
    /// Every door that the stay's keys shall open from then on, if the verb says so.
    pub fn doors(&self) -> Option<&[DoorId]> {
        match self {
            Self::New { doors, .. } | Self::RoomMove { doors, .. } | Self::Divert { doors, .. } => Some(doors),
            _ => None,
        }
    }

    /// The verb without its arguments.
    pub fn kind(&self) -> VerbKind {
        match self {
            Self::New { .. } => VerbKind::New,
            Self::Duplicate { .. } => VerbKind::Duplicate,
            Self::Reissue { .. } => VerbKind::Reissue,
            Self::ModifyStay { .. } => VerbKind::ModifyStay,
            Self::RoomMove { .. } => VerbKind::RoomMove,
            Self::Suspend => VerbKind::Suspend,
            Self::Resume => VerbKind::Resume,
            Self::Remove { .. } => VerbKind::Remove,
            Self::CheckOut => VerbKind::CheckOut,
            Self::Cancel => VerbKind::Cancel,
            Self::Read => VerbKind::Read,
            Self::Divert { .. } => VerbKind::Divert,
            Self::Used { .. } => VerbKind::Used,
            Self::GiveWay { .. } => VerbKind::GiveWay,
        }
    }
}

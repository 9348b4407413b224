//! A stay and its keys: the state that its workflow carries, and the phases that follow from it.
//!
//! The state says what is *wanted* (window, doors, keys, suspended, ended) and what is *known* of each credential. What to do next is
//! the difference of the two ([`Stay::next`]); the phase is a reading of both ([`Stay::phase`]), never stored, so that it can't lie.
//!
//! Which verb is allowed in which phase ([`allowed`]):
//! ```text
//! verb         | Planned | Issuing | Active | Moving | Suspended | Ending | Ended
//! -------------+---------+---------+--------+--------+-----------+--------+------
//! New          |   no    |   no    |   no   |   no   |    no     |   no   |  no      (a stay exists already)
//! Duplicate    |   yes   |   yes   |  yes   |  yes   |    no     |   no   |  no
//! Reissue      |   yes   |   yes   |  yes   |   no   |    no     |   no   |  no
//! ModifyStay   |   yes   |   yes   |  yes   |  yes   |    yes    |   no   |  no
//! RoomMove     |   yes   |   yes   |  yes   |   no   |    yes    |   no   |  no
//! Suspend      |   yes   |   yes   |  yes   |  yes   |    no     |   no   |  no
//! Resume       |   no    |   no    |   no   |   no   |    yes    |   no   |  no
//! Remove       |   yes   |   yes   |  yes   |  yes   |    yes    |   no   |  no
//! CheckOut     |   no    |   yes   |  yes   |  yes   |    yes    |   no   |  no
//! Cancel       |   yes   |   yes   |  yes   |  yes   |    yes    |   no   |  no
//! Read         |   no    |   yes   |  yes   |  yes   |    no     |   no   |  no
//! Divert       |   no    |   yes   |  no    |   no   |    no     |   no   |  no
//! Used         |   no    |   yes   |  yes   |  yes   |    yes    |   no   |  no
//! GiveWay      |   no    |   yes   |  yes   |  yes   |    yes    |   no   |  no
//! ```

mod apply;
mod divert;
mod give_way;
mod kind;
mod plan;
mod record;
mod succeed;
#[cfg(test)]
mod tests;

pub use apply::{allowed, may_follow};
pub use kind::{Purpose, StayKind};
pub use plan::{Action, Effect, Next, Urgency};
pub use record::Known;

use crate::{
    clock::ClockOffset,
    command::{Command, Verb, VerbKind},
    credential::{Credential, CredentialState},
    ids::*,
    policy::StayPolicy,
    problem::Code,
    window::Window,
};
use jiff::{SignedDuration, Timestamp};
use serde::{Deserialize, Serialize};

/// Where a stay stands, in the words of a front desk.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum StayPhase {
    /// Accepted; too early to put keys into locks.
    Planned,
    /// Keys are wanted and not all proven yet.
    Issuing,
    /// Every wanted key is proven to be in every lock.
    Active,
    /// On the way to another room; the old one still opens.
    Moving,
    /// Keys are taken away until somebody resumes.
    Suspended,
    /// Over, but some lock may still open.
    Ending,
    /// Over, and no lock opens.
    Ended,
}

impl StayPhase {
    /// All phases, in the order of a life.
    pub const ALL: [Self; 7] =
        [Self::Planned, Self::Issuing, Self::Active, Self::Moving, Self::Suspended, Self::Ending, Self::Ended];

    /// The phase's name, as in JSON, SQL and the `KeyState` search attribute.
    pub fn name(self) -> &'static str {
        match self {
            Self::Planned => "planned",
            Self::Issuing => "issuing",
            Self::Active => "active",
            Self::Moving => "moving",
            Self::Suspended => "suspended",
            Self::Ending => "ending",
            Self::Ended => "ended",
        }
    }
}

/// Why a stay is over.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum EndCause {
    /// The guest checked out.
    CheckedOut,
    /// Cancelled before arrival.
    Cancelled,
    /// Cancelled after the arrival time: the guest never came.
    NoShow,
    /// The window ended without a check-out.
    Expired,
    /// A one-shot key was taken back.
    Revoked,
    /// A one-shot key is not in its lock any more: it was used, or somebody took it out.
    Used,
}

impl EndCause {
    /// The cause's name, as in JSON and SQL.
    pub fn name(self) -> &'static str {
        match self {
            Self::CheckedOut => "checked_out",
            Self::Cancelled => "cancelled",
            Self::NoShow => "no_show",
            Self::Expired => "expired",
            Self::Revoked => "revoked",
            Self::Used => "used",
        }
    }
}

/// Who the stay is: what its workflow id is made of, and its row.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct StayRef {
    /// The customer.
    pub tenant: TenantId,
    /// The hotel.
    pub property: PropertyId,
    /// The PMS's reference.
    pub reservation: ReservationRef,
    /// Our id.
    pub stay: StayId,
    /// The stay that the reservation had before, which is over; `None` for its first.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reinstates: Option<StayId>,
}

impl StayRef {
    /// The id of its workflow. A later stay of a reservation has one of its own, so that nothing that was meant for a stay that is over can
    /// reach it, or begin it again.
    pub fn workflow_id(&self) -> String {
        let first = stay_workflow_id(self.tenant, self.property, &self.reservation);
        self.reinstates.map_or_else(|| first.clone(), |_| format!("{first}/{}", self.stay))
    }
}

/// Whether a key is wanted.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Wish {
    /// It shall open.
    Wanted,
    /// It shall open until its successor is proven.
    Until(KeyId),
    /// It shall not open any more.
    Unwanted,
}

/// A key of the stay.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Key {
    /// Its id; the PIN is filed under it.
    pub id: KeyId,
    /// Which guest carries it, from 0.
    pub holder: u16,
    /// Whether it is wanted.
    pub wish: Wish,
    /// Its presence in each lock, also in locks that it is leaving.
    pub credentials: Vec<Credential>,
}

/// A room move that is under way: what to return to if the new room can't be opened.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct PendingMove {
    /// The command that asked for it.
    pub command: CommandId,
    /// The room that is being left.
    pub from_room: RoomId,
    /// The doors that opened before.
    pub from_doors: Vec<DoorId>,
    /// Cards with their successors.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub keys: Vec<(KeyId, KeyId)>,
}

/// A stay on its way to another vendor's doors: what to return to if that vendor refuses.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct PendingDivert {
    /// The command that asked for it.
    pub command: CommandId,
    /// The doors of the vendor that is down.
    pub from_doors: Vec<DoorId>,
    /// Each key with its successor.
    pub keys: Vec<(KeyId, KeyId)>,
    /// How long before arrival its keys were to be made there, in seconds.
    pub from_issue_ahead_s: u32,
}

/// How a command ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(tag = "verdict", content = "code", rename_all = "snake_case")]
pub enum Verdict {
    /// What was asked is so.
    Done,
    /// It can't be, and everything is as it was before.
    Failed(Code),
    /// A later command made it pointless before it was done.
    Overtaken,
}

/// A command that was accepted and has no verdict yet.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct OpenCommand {
    /// Its id.
    pub id: CommandId,
    /// What it asked.
    pub verb: VerbKind,
}

/// A command with its verdict.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Settled {
    /// Its id.
    pub id: CommandId,
    /// What it asked.
    pub verb: VerbKind,
    /// How it ended.
    pub verdict: Verdict,
}

/// A stay, as its workflow carries it, also through continue-as-new. Serialised into encrypted histories: adding a field needs a
/// serde default, removing one needs a release in which nobody reads it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Stay {
    /// Who it is.
    pub id: StayRef,
    /// The property's choices when it started.
    pub policy: StayPolicy,
    /// The property's clock.
    pub clock: ClockOffset,
    /// What it is for.
    #[serde(default, skip_serializing_if = "StayKind::is_guest")]
    pub kind: StayKind,
    /// What the PMS said.
    pub window: Window,
    /// The guest's room; during a move the new one.
    pub room: RoomId,
    /// Every door that the keys shall open; during a move the new ones.
    pub doors: Vec<DoorId>,
    /// The keys.
    pub keys: Vec<Key>,
    /// A move under way.
    pub moving: Option<PendingMove>,
    /// On the way to another vendor's doors, and not proven there.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub diverting: Option<PendingDivert>,
    /// Doors of other vendors to which the stay was sent, with the vendor of each.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub elsewhere: Vec<(String, Vec<DoorId>)>,
    /// Taken away by staff; sticks.
    pub suspended: bool,
    /// Over.
    pub ended: Option<EndCause>,
    /// Somebody wants the locks read back.
    pub reading: bool,
    /// Accepted commands without a verdict.
    pub open: Vec<OpenCommand>,
    /// The last commands with their verdicts, so that a repeated one gets the same answer.
    pub settled: Vec<Settled>,
    /// Verdicts that the record does not have yet.
    #[serde(default)]
    pub unreported: Vec<Settled>,
    /// Keys that are gone for good, and that the record does not know to be.
    #[serde(default)]
    pub retired: Vec<KeyId>,
    /// So many rounds of effects were sent. A round's number goes with its effects, so that a forgotten one can be told from the latest.
    #[serde(default)]
    pub rounds: u64,
}

impl Stay {
    /// So many verdicts are remembered. The record keeps all; this only answers repeats that meet the same run.
    pub const REMEMBERED: usize = 64;

    /// A stay, from the command that makes it. Anything else than [`Verb::New`] is refused.
    pub fn begin(id: StayRef, policy: StayPolicy, command: &Command) -> Result<Self, Code> {
        let Verb::New { kind, window, room, ref doors, ref keys } = command.verb else {
            return Err(Code::StayNotFound);
        };
        let mut stay = Self {
            id,
            policy,
            clock: command.clock,
            kind,
            window,
            room,
            doors: doors.clone(),
            keys: Vec::new(),
            moving: None,
            diverting: None,
            elsewhere: Vec::new(),
            suspended: false,
            ended: None,
            reading: false,
            open: vec![OpenCommand { id: command.id, verb: VerbKind::New }],
            settled: Vec::new(),
            unreported: Vec::new(),
            retired: Vec::new(),
            rounds: 0,
        };
        stay.add_keys(keys);
        Ok(stay)
    }

    /// A stay that is over before it began: what a start that makes no sense comes to.
    pub fn void(id: StayRef, policy: StayPolicy) -> Self {
        Self {
            id,
            policy,
            clock: ClockOffset::REAL,
            kind: StayKind::Guest,
            window: Window { from: Timestamp::UNIX_EPOCH, until: Timestamp::UNIX_EPOCH },
            room: RoomId::from_uuid(uuid::Uuid::nil()),
            doors: Vec::new(),
            keys: Vec::new(),
            moving: None,
            diverting: None,
            elsewhere: Vec::new(),
            suspended: false,
            ended: Some(EndCause::Cancelled),
            reading: false,
            open: Vec::new(),
            settled: Vec::new(),
            unreported: Vec::new(),
            retired: Vec::new(),
            rounds: 0,
        }
    }

    /// The window that locks are told: padded by the policy, whole minutes. A one-shot key is not padded: it is counted in whole hours
    /// from its start, and five minutes would cost it one.
    pub fn lock_window(&self) -> Window {
        match self.kind {
            StayKind::Guest => self.window.padded(self.policy.pad_before(), self.policy.grace_after()),
            StayKind::OneShot => self.window.padded(SignedDuration::ZERO, SignedDuration::ZERO),
        }
    }

    /// When keys are put into locks.
    pub fn issue_at(&self) -> Timestamp {
        self.window.from.saturating_sub(self.policy.issue_ahead()).unwrap_or(Timestamp::MIN)
    }

    /// Where the stay stands.
    pub fn phase(&self, now: Timestamp) -> StayPhase {
        let opening = || self.credentials().any(|(_, c)| c.state.may_open());
        let proven = || self.wanted().all(|(_, c)| c.state == CredentialState::Live);
        let untouched = || self.credentials().all(|(_, c)| !c.state.may_open());
        match () {
            () if self.ended.is_some() && opening() => StayPhase::Ending,
            () if self.ended.is_some() => StayPhase::Ended,
            () if self.suspended => StayPhase::Suspended,
            () if self.moving.is_some() => StayPhase::Moving,
            () if now < self.issue_at() && untouched() => StayPhase::Planned,
            () if proven() => StayPhase::Active,
            () => StayPhase::Issuing,
        }
    }

    /// Every credential with its key.
    pub fn credentials(&self) -> impl Iterator<Item = (&Key, &Credential)> {
        self.keys.iter().flat_map(|key| key.credentials.iter().map(move |c| (key, c)))
    }

    /// Every door that a key opens or shall open, in a stable order; none once the stay is over and proven so.
    pub fn doors_in_use(&self) -> Vec<DoorId> {
        let standing = self.credentials().filter(|(_, c)| c.state.may_open()).map(|(_, c)| c.door);
        let wanted = self.doors.iter().copied().filter(|_| self.ended.is_none());
        standing.chain(wanted).collect::<std::collections::BTreeSet<_>>().into_iter().collect()
    }

    /// The credentials that shall open, by key and door.
    fn wanted(&self) -> impl Iterator<Item = (&Key, &Credential)> {
        self.credentials().filter(|(key, c)| self.shall_open(key, c))
    }

    /// Whether a credential shall open, once everything has settled.
    fn shall_open(&self, key: &Key, credential: &Credential) -> bool {
        self.ended.is_none() && !self.suspended && key.wish == Wish::Wanted && self.doors.contains(&credential.door)
    }

    /// Whether a credential that shall go is kept, until what replaces it is proven.
    fn kept(&self, key: &Key, credential: &Credential) -> bool {
        if self.ended.is_some() || self.suspended || key.wish == Wish::Unwanted {
            return false;
        }
        let proven = |key: &Key| {
            let standing =
                |d: &DoorId| key.credentials.iter().any(|c| c.door == *d && c.state == CredentialState::Live);
            self.doors.iter().all(standing)
        };
        let successor_missing = match key.wish {
            Wish::Until(next) => !self.keys.iter().any(|k| k.id == next && proven(k)),
            _ => false,
        };
        let leaving = self.moving.as_ref().is_some_and(|m| m.from_doors.contains(&credential.door));
        leaving || successor_missing
    }

    /// Gives back memory that was reserved for more than there is: a stay lies still for weeks, beside thousands of others.
    pub fn shrink_to_fit(&mut self) {
        self.keys.shrink_to_fit();
        self.keys.iter_mut().for_each(|key| key.credentials.shrink_to_fit());
        self.doors.shrink_to_fit();
        self.open.shrink_to_fit();
        self.settled.shrink_to_fit();
        self.unreported.shrink_to_fit();
        self.retired.shrink_to_fit();
    }

    /// Gives every wanted key a credential on every door.
    fn spread(&mut self) {
        for key in self.keys.iter_mut().filter(|k| k.wish == Wish::Wanted) {
            for door in &self.doors {
                if !key.credentials.iter().any(|c| c.door == *door) {
                    key.credentials.push(Credential::planned(key.id, *door));
                }
            }
        }
    }
}

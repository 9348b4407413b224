//! One key in one lock, as a state machine.
//!
//! ```text
//! state        | issue sent  | confirmed | unconfirmed | failed   | revoke sent | gone
//! -------------+-------------+-----------+-------------+----------+-------------+--------
//! Planned      | Issuing     |     -     |      -      |    -     |      -      | Gone
//! Issuing      | Issuing     | Live      | Unconfirmed | Refused  | Revoking    |  -
//! Live         |     -       | Live      |      -      | Live     | Revoking    | Gone
//! Unconfirmed  | Issuing     | Live      | Unconfirmed | Refused  | Revoking    | Gone
//! Refused      | Issuing     |     -     |      -      |    -     | Revoking    | Gone
//! Revoking     |     -       |     -     | Revoking    | Revoking | Revoking    | Gone
//! Gone         | Issuing     |     -     |      -      |    -     |      -      | Gone
//! ```
//! A dash is an [`IllegalMove`]. There is no way from `Revoking` back to `Live`: revoke beats issue (I9). A failed change leaves a
//! live credential live, with its old window.

use crate::{ids::*, problem::Code, window::Window};
use jiff::Timestamp;
use serde::{Deserialize, Serialize};

/// What a guest opens the door with.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum KeyKind {
    /// Digits for a keypad.
    #[default]
    Pin,
    /// A card, written at an encoder.
    Card,
}

impl KeyKind {
    /// The kind's name, as in JSON and SQL.
    pub fn name(self) -> &'static str {
        match self {
            Self::Pin => "pin",
            Self::Card => "card",
        }
    }
}

/// Where a credential stands, as far as anyone can know.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum CredentialState {
    /// Wanted; nothing has been sent.
    Planned,
    /// An issue is under way.
    Issuing,
    /// Proven to be in the lock.
    Live,
    /// Sent, and no answer: it may or may not open the door. Read back before anything else.
    Unconfirmed,
    /// The vendor said no for good.
    Refused,
    /// Being taken away; may still open the door.
    Revoking,
    /// Proven not to be in the lock.
    Gone,
}

/// What can happen to a credential.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum CredentialMove {
    /// An issue is about to be sent.
    IssueSent,
    /// The vendor confirmed that it stands in the lock.
    Confirmed,
    /// No answer, and reading back brought none either.
    Unconfirmed,
    /// The vendor refused.
    Failed,
    /// A revoke is about to be sent.
    RevokeSent,
    /// The vendor confirmed that it does not stand in the lock.
    Gone,
}

/// A move that the table has no entry for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("a credential that is {from:?} can't become so by {by:?}")]
pub struct IllegalMove {
    /// The state it was in.
    pub from: CredentialState,
    /// The move that does not apply.
    pub by: CredentialMove,
}

impl CredentialState {
    /// All states, in the order of a life.
    pub const ALL: [Self; 7] =
        [Self::Planned, Self::Issuing, Self::Live, Self::Unconfirmed, Self::Refused, Self::Revoking, Self::Gone];

    /// The state after a move: the table above.
    pub fn after(self, by: CredentialMove) -> Result<Self, IllegalMove> {
        use {CredentialMove as M, CredentialState as S};
        match (self, by) {
            (S::Planned | S::Issuing | S::Unconfirmed | S::Refused | S::Gone, M::IssueSent) => Ok(S::Issuing),
            (S::Issuing | S::Live | S::Unconfirmed, M::Confirmed) => Ok(S::Live),
            (S::Issuing | S::Unconfirmed, M::Unconfirmed) => Ok(S::Unconfirmed),
            (S::Issuing | S::Unconfirmed, M::Failed) => Ok(S::Refused),
            (S::Live, M::Failed) => Ok(S::Live),
            (S::Issuing | S::Live | S::Unconfirmed | S::Refused | S::Revoking, M::RevokeSent) => Ok(S::Revoking),
            (S::Revoking, M::Unconfirmed | M::Failed) => Ok(S::Revoking),
            (S::Planned | S::Live | S::Unconfirmed | S::Refused | S::Revoking | S::Gone, M::Gone) => Ok(S::Gone),
            (from, by) => Err(IllegalMove { from, by }),
        }
    }

    /// Whether the door may open by it, as far as anyone can know. A refused one may: an earlier try that got no answer may have worked.
    pub fn may_open(self) -> bool {
        !matches!(self, Self::Planned | Self::Gone)
    }

    /// The state's name, as in JSON and SQL.
    pub fn name(self) -> &'static str {
        match self {
            Self::Planned => "planned",
            Self::Issuing => "issuing",
            Self::Live => "live",
            Self::Unconfirmed => "unconfirmed",
            Self::Refused => "refused",
            Self::Revoking => "revoking",
            Self::Gone => "gone",
        }
    }
}

/// A key's presence in one lock, as the stay's workflow carries it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Credential {
    /// A function of key and door.
    pub id: CredentialId,
    /// The lock's door.
    pub door: DoorId,
    /// What is known of it.
    pub state: CredentialState,
    /// The window that the lock was last told, padded; `None` before the first confirmation.
    pub window: Option<Window>,
    /// Rounds of tries that ended without an answer or with a refusal, since the last success.
    pub failed_rounds: u32,
    /// Why the last round failed; `None` after a success.
    #[serde(default)]
    pub trouble: Option<Code>,
    /// Not to be tried before; set after a failed round.
    pub retry_at: Option<Timestamp>,
}

impl Credential {
    /// A wanted credential of a key on a door.
    pub fn planned(key: KeyId, door: DoorId) -> Self {
        Self {
            id: CredentialId::of(key, door),
            door,
            state: CredentialState::Planned,
            window: None,
            failed_rounds: 0,
            trouble: None,
            retry_at: None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use CredentialMove as M;

    const MOVES: [M; 6] = [M::IssueSent, M::Confirmed, M::Unconfirmed, M::Failed, M::RevokeSent, M::Gone];

    #[test]
    fn nothing_leads_from_revoking_to_an_open_door() {
        for by in MOVES {
            if let Ok(next) = CredentialState::Revoking.after(by) {
                assert!(matches!(next, CredentialState::Revoking | CredentialState::Gone));
            }
        }
    }

    #[test]
    fn every_state_can_reach_gone() {
        for start in CredentialState::ALL {
            let gone = start.after(M::Gone).or_else(|_| start.after(M::RevokeSent).and_then(|s| s.after(M::Gone)));
            assert_eq!(gone, Ok(CredentialState::Gone), "{start:?}");
        }
    }

    #[test]
    fn live_comes_only_by_confirmation() {
        for start in CredentialState::ALL.into_iter().filter(|s| *s != CredentialState::Live) {
            for by in MOVES.into_iter().filter(|m| *m != M::Confirmed) {
                assert_ne!(start.after(by), Ok(CredentialState::Live));
            }
        }
    }
}

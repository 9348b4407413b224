//! Another vendor's doors instead of those of a vendor that is down.
//!
//! Like a re-issue and a room move at once: new keys on new doors, each in place of one that waits; the old ones are kept until the new ones
//! are proven, and then taken out, which goes on until the vendor is back and has said so. If the other vendor refuses, everything returns.

use super::*;
use crate::{command::Successor, credential::CredentialState};

impl Stay {
    /// Whether the stay may go to these doors: nothing is proven at those that it leaves, and each key that is wanted has its successor.
    pub(super) fn may_divert(&self, doors: &[DoorId], keys: &[Successor]) -> Result<(), Code> {
        let wanted: std::collections::BTreeSet<KeyId> =
            self.keys.iter().filter(|k| k.wish == Wish::Wanted).map(|k| k.id).collect();
        let named: std::collections::BTreeSet<KeyId> = keys.iter().map(|successor| successor.old).collect();
        if wanted != named || wanted.len() != keys.len() || wanted.is_empty() {
            return Err(Code::KeyNotFound);
        }
        let proven = |(_, c): (&Key, &Credential)| c.state == CredentialState::Live && !doors.contains(&c.door);
        if self.wanted().any(proven) { Err(Code::StayNotWaiting) } else { Ok(()) }
    }

    /// The other vendor whose doors all of these effects concern, if the stay was sent to one; else they are its own vendor's.
    pub fn vendor_of(&self, effects: &[Effect]) -> Option<&str> {
        let all_at = |doors: &Vec<DoorId>| effects.iter().all(|effect| doors.contains(&effect.door));
        self.elsewhere.iter().rev().find(|(_, doors)| all_at(doors)).map(|(vendor, _)| vendor.as_str())
    }

    /// Wants other keys at other doors.
    pub(super) fn divert(&mut self, command: CommandId, doors: &[DoorId], keys: &[Successor], ahead_s: u32) {
        let from_doors = std::mem::replace(&mut self.doors, doors.to_vec());
        let pairs = self.succeed(keys);
        let from_issue_ahead_s = std::mem::replace(&mut self.policy.issue_ahead_s, ahead_s);
        self.diverting = Some(PendingDivert { command, from_doors, keys: pairs, from_issue_ahead_s });
    }

    /// The other vendor's doors are proven: there is no return any more.
    pub(super) fn arrive(&mut self) {
        if self.diverting.is_some() && self.wanted().all(|(_, c)| c.state == CredentialState::Live) {
            self.diverting = None;
        }
    }

    /// One of the other doors can't be opened: back to the vendor's own, as if nobody had asked.
    pub(super) fn undo_divert(&mut self, refused: DoorId, code: Code) {
        let Some(undo) = self.diverting.take_if(|d| !d.from_doors.contains(&refused)) else { return };
        self.doors = undo.from_doors;
        self.policy.issue_ahead_s = undo.from_issue_ahead_s;
        self.take_back(&undo.keys);
        self.spread();
        self.settle_one(undo.command, Verdict::Failed(code));
        self.prune();
    }
}

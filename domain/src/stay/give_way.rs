//! A place in a full lock, given to somebody who arrives earlier.
//!
//! The keys are taken out of the lock and wanted again at once: what is being taken away is proven gone before anything is put back, and
//! then waits for its turn as everybody does ([`crate::slots`]). Nothing else of the stay changes.

use super::*;
use crate::credential::{CredentialMove, CredentialState};

impl Stay {
    /// Takes the wanted keys out of a lock, unless the guest may be there already.
    pub(super) fn give_way(&mut self, door: DoorId, now: Timestamp) {
        if now >= self.window.from {
            return;
        }
        let there = |(_, c): &(&Key, &Credential)| c.door == door && c.state.may_open();
        let there: Vec<CredentialId> = self.wanted().filter(there).map(|(_, c)| c.id).collect();
        for credential in self.keys.iter_mut().flat_map(|key| key.credentials.iter_mut()) {
            if there.contains(&credential.id) {
                credential.state = credential.state.after(CredentialMove::RevokeSent).unwrap_or(credential.state);
                (credential.failed_rounds, credential.retry_at) = (0, None);
            }
        }
    }

    /// Once nothing that is wanted is on its way out, whoever was asked to give way has done so.
    pub(super) fn have_given_way(&mut self) {
        if self.wanted().any(|(_, c)| c.state == CredentialState::Revoking) {
            return;
        }
        let asked = self.open.iter().filter(|c| c.verb == VerbKind::GiveWay).map(|c| c.id).collect::<Vec<_>>();
        asked.into_iter().for_each(|id| self.settle_one(id, Verdict::Done));
    }
}

//! What effects brought to light, and what follows: verdicts, an end by expiry, a move that completes or is undone.

use super::*;
use crate::credential::CredentialMove as M;

/// What is known of a credential after a round of tries.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "known", rename_all = "snake_case")]
pub enum Known {
    /// It stands in the lock, with this window as we asked for it.
    Live {
        /// The window that was asked for.
        window: Window,
    },
    /// It does not stand in the lock.
    Gone,
    /// Nobody can tell, or the vendor could not be reached; tries go on.
    Unconfirmed {
        /// Why.
        code: Code,
    },
    /// The vendor refused, for a reason that trying again won't mend.
    Refused {
        /// Why.
        code: Code,
    },
    /// The effect was called off before it was sent.
    CalledOff,
}

impl Stay {
    /// Marks effects as sent, before they are: another round.
    pub fn sent(&mut self, effects: &[Effect]) {
        self.rounds += 1;
        for effect in effects {
            let by = match effect.action {
                Action::Issue { .. } => M::IssueSent,
                Action::Revoke => M::RevokeSent,
                Action::Change { .. } | Action::Read { .. } => continue,
            };
            self.with(effect.credential, |c| c.state = c.state.after(by).unwrap_or(c.state));
        }
    }

    /// Takes in what a round of tries brought to light.
    pub fn record(&mut self, effect: &Effect, known: Known, now: Timestamp) {
        let pause = SignedDuration::from_secs(self.policy.retry_cap_s.into());
        self.with(effect.credential, |c| {
            let (by, failed) = match known {
                Known::Live { window } => {
                    c.window = Some(window);
                    (M::Confirmed, None)
                }
                Known::Gone => (M::Gone, None),
                Known::Unconfirmed { code } => (M::Unconfirmed, Some(code)),
                Known::Refused { code } => (M::Failed, Some(code)),
                // Not proven to be unsent: an earlier try of the same round may have been.
                Known::CalledOff => (M::Unconfirmed, None),
            };
            c.state = c.state.after(by).unwrap_or(c.state);
            c.trouble = failed;
            if c.state == CredentialState::Gone {
                c.window = None;
            }
            match failed {
                None => (c.failed_rounds, c.retry_at) = (0, None),
                Some(_) => {
                    c.failed_rounds += 1;
                    let refused = matches!((known, effect.action), (Known::Refused { .. }, Action::Revoke));
                    c.retry_at = now.saturating_add(if refused { longer(pause, c.failed_rounds) } else { pause }).ok();
                }
            }
        });
        // A pause is for trying the same thing again; what has been overtaken meanwhile waits for nothing.
        if self.wanted_of(effect.credential, now).is_some_and(|next| !next.is_like(effect.action)) {
            self.with(effect.credential, |c| (c.failed_rounds, c.retry_at) = (0, None));
        }
        if known == Known::Gone {
            self.spent(effect);
        }
        if let (Known::Refused { code }, Action::Issue { .. }) = (known, effect.action) {
            self.undo_move(effect.door, code);
            self.undo_divert(effect.door, code);
        }
        self.tick(now);
    }

    /// Lets time pass: a window that has ended, a move that is complete, commands that are done.
    pub fn tick(&mut self, now: Timestamp) {
        if self.ended.is_none() && self.lock_window().until <= now {
            self.end(EndCause::Expired, None);
        }
        if self.moving.is_some() && self.wanted().all(|(_, c)| c.state == CredentialState::Live) {
            self.moving = None;
        }
        self.arrive();
        self.have_given_way();
        let replaced: Vec<KeyId> = {
            let superseded = self.keys.iter().filter(|k| matches!(k.wish, Wish::Until(_)));
            superseded.filter(|k| k.credentials.iter().all(|c| !self.kept(k, c))).map(|k| k.id).collect()
        };
        for key in self.keys.iter_mut().filter(|k| replaced.contains(&k.id)) {
            key.wish = Wish::Unwanted;
        }
        self.prune();
        if self.wanted().next().is_none() {
            self.reading = false;
        }
        if !self.reading && self.moving.is_none() && self.converged(now) {
            // Who waits for his time at another vendor may still be refused there.
            let on_its_way = |c: &&OpenCommand| c.verb == VerbKind::Divert && self.diverting.is_some();
            let open = self.open.iter().filter(|c| !on_its_way(c)).map(|c| c.id).collect::<Vec<_>>();
            open.into_iter().for_each(|id| self.settle_one(id, Verdict::Done));
        }
    }

    /// A round of this number has acted already: the next one gets a greater number. It happens after an operator has reset the workflow.
    pub fn outrun(&mut self, round: u64) {
        self.rounds = self.rounds.max(round);
    }

    /// A round of reading is over, which brought this to light. What could not be read fails those who asked; a round that was called off
    /// is made up for by another one.
    pub fn read_back(&mut self, known: &[Known], now: Timestamp) {
        if known.contains(&Known::CalledOff) {
            return;
        }
        let unread = known.iter().find_map(|one| match one {
            Known::Unconfirmed { code } | Known::Refused { code } => Some(*code),
            Known::Live { .. } | Known::Gone | Known::CalledOff => None,
        });
        if let Some(code) = unread {
            let asked: Vec<CommandId> = self.open.iter().filter(|c| c.verb == VerbKind::Read).map(|c| c.id).collect();
            asked.into_iter().for_each(|id| self.settle_one(id, Verdict::Failed(code)));
        }
        self.reading = false;
        self.tick(now);
    }

    /// What a person should look at: why the last round of some credential failed.
    pub fn attention(&self) -> Option<Code> {
        self.credentials().find_map(|(_, c)| c.trouble)
    }

    /// A door of the new room can't be opened: back to the old room, which was never closed.
    fn undo_move(&mut self, refused: DoorId, code: Code) {
        let Some(undo) = self.moving.take_if(|m| !m.from_doors.contains(&refused)) else {
            return;
        };
        self.room = undo.from_room;
        self.doors = undo.from_doors;
        self.take_back(&undo.keys);
        // Keys that came during the move have no credentials here yet.
        self.spread();
        self.settle_one(undo.command, Verdict::Failed(code));
        self.prune();
    }

    fn with(&mut self, id: CredentialId, change: impl FnOnce(&mut Credential)) {
        if let Some(credential) = self.keys.iter_mut().flat_map(|k| k.credentials.iter_mut()).find(|c| c.id == id) {
            change(credential);
        }
    }
}

/// A refused revoke is refused again until somebody does something, or the window ends: each pause is twice the one before, up to an hour.
fn longer(pause: SignedDuration, rounds: u32) -> SignedDuration {
    let doubled = pause.as_secs().saturating_mul(2_i64.saturating_pow(rounds.saturating_sub(1).min(12)));
    SignedDuration::from_secs(doubled.min(pause.as_secs().max(3600)))
}

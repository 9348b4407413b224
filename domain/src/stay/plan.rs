//! What to do next: the difference between what is wanted and what is known, most urgent first.

use super::*;
use crate::credential::CredentialState as S;
use std::time::Duration;

/// So long a batch that takes keys away is tried before others have their turn: longer than one call at a vendor takes.
const TURN: SignedDuration = SignedDuration::from_secs(20);

/// How urgent an effect is. A later one waits until every earlier one is done or waits for its next try.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Urgency {
    /// A door must not open any more.
    Revoke,
    /// A guest waits for a door to open.
    Issue,
    /// A door opens, but in the wrong window.
    Change,
    /// A door that has been replaced by another.
    Retire,
    /// Somebody wants to know.
    Read,
}

/// What is to be done to one credential.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "action", rename_all = "snake_case")]
pub enum Action {
    /// Put it into the lock, or find that it is there.
    Issue {
        /// The window that the lock is told.
        window: Window,
    },
    /// Give it another window.
    Change {
        /// The window that the lock is told.
        window: Window,
    },
    /// Take it out of the lock.
    Revoke,
    /// Read back whether it is there, with which window.
    Read {
        /// The window that it should have.
        window: Window,
    },
}

impl Action {
    /// Whether the two do the same kind of thing, whatever their windows.
    pub fn is_like(self, other: Self) -> bool {
        std::mem::discriminant(&self) == std::mem::discriminant(&other)
    }
}

/// One effect at a vendor.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Effect {
    /// The key.
    pub key: KeyId,
    /// Its credential.
    pub credential: CredentialId,
    /// The lock's door.
    pub door: DoorId,
    /// What to do.
    pub action: Action,
    /// For how long one round of tries may go on before the stay is told that it failed.
    pub budget: Duration,
}

/// What the run loop does next.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Next {
    /// Perform these, all at once; they are equally urgent and touch different locks.
    Act(Urgency, Vec<Effect>),
    /// Nothing before this instant, or before the next command.
    Sleep(Timestamp),
    /// Over: no lock opens, no command is open.
    Finish,
}

impl Stay {
    /// What to do next, at `now` on the property's clock.
    pub fn next(&self, now: Timestamp) -> Next {
        let due = |e: &(Urgency, Option<Timestamp>, Effect)| e.1.is_none_or(|at| at <= now);
        let work = self.work(now);
        let urgent = work.iter().filter(|e| due(e)).map(|e| e.0).min();
        if let Some(urgency) = urgent {
            let batch = work.iter().filter(|e| due(e) && e.0 == urgency).map(|e| e.2).collect();
            return Next::Act(urgency, batch);
        }
        let retries = work.iter().filter_map(|e| e.1);
        match self.ended {
            Some(_) if work.is_empty() => Next::Finish,
            Some(_) => Next::Sleep(retries.min().unwrap_or(now)),
            None => {
                let planned = Some(self.issue_at()).filter(|at| *at > now && self.waits_for_issue());
                let deadlines = retries.chain(planned).chain([self.lock_window().until]);
                Next::Sleep(deadlines.min().unwrap_or(now))
            }
        }
    }

    /// Whether something that is at least as urgent as `running` is due and not part of it, so that what runs should stop trying; also when
    /// nothing of it is wanted any more, because the stay goes to another vendor's doors. What
    /// fails again and again can't do that to the others for ever: its pauses see to that, and then they run together.
    pub fn preempts(&self, running: Urgency, batch: &[Effect], now: Timestamp) -> bool {
        let due = |at: &Option<Timestamp>| at.is_none_or(|at| at <= now);
        let other = |(urgency, at, effect): &(Urgency, Option<Timestamp>, Effect)| {
            let other = |e: &Effect| e.credential != effect.credential || !e.action.is_like(effect.action);
            *urgency <= running && due(at) && batch.iter().all(other)
        };
        let wanted = |e: &Effect| self.wanted_of(e.credential, now).is_some_and(|action| action.is_like(e.action));
        let left_behind = self.diverting.is_some() && !batch.iter().any(wanted);
        left_behind || self.work(now).iter().any(other)
    }

    /// When something else falls due by itself while a batch runs: a pause that ends, or the stay's own end.
    pub fn next_alarm(&self, running: Urgency, now: Timestamp) -> Option<Timestamp> {
        let pauses = self.work(now).into_iter().filter(|(urgency, _, _)| *urgency <= running).filter_map(|e| e.1);
        let end = self.ended.is_none().then(|| self.lock_window().until);
        pauses.chain(end).filter(|at| *at > now).min()
    }

    /// When a batch that takes keys away, and began at `begun`, gives way to something less urgent that is not part of it: a vendor that
    /// is down must not keep a guest at another vendor's doors from his second key for as long as the outage lasts. `None` while nothing
    /// waits behind it, and once the stay is over.
    pub fn gives_way_at(
        &self,
        running: Urgency,
        batch: &[Effect],
        begun: Timestamp,
        now: Timestamp,
    ) -> Option<Timestamp> {
        if self.ended.is_some() || !matches!(running, Urgency::Revoke | Urgency::Retire) {
            return None;
        }
        let turn = begun.saturating_add(TURN).unwrap_or(now);
        let behind = |(urgency, _, effect): &(Urgency, Option<Timestamp>, Effect)| {
            *urgency > running && batch.iter().all(|e| e.credential != effect.credential)
        };
        let due = self.work(now).into_iter().filter(behind).map(|(_, at, _)| at.map_or(turn, |at| at.max(turn)));
        let planned = Some(self.issue_at()).filter(|at| *at > now && self.waits_for_issue()).map(|at| at.max(turn));
        due.chain(planned).min()
    }

    /// What is known of an effect that was called off because it [gave way](Self::gives_way_at): as much as before. It counts as a round that
    /// failed, so that its next try comes after a pause, in which the others have their turn.
    pub fn gave_way(&self, effect: &Effect) -> Known {
        let trouble = self.credentials().find(|(_, c)| c.id == effect.credential).and_then(|(_, c)| c.trouble);
        Known::Unconfirmed { code: trouble.unwrap_or(Code::Unproven) }
    }

    /// What is to be done to a credential, if anything.
    pub(super) fn wanted_of(&self, id: CredentialId, now: Timestamp) -> Option<Action> {
        let (key, credential) = self.credentials().find(|(_, c)| c.id == id)?;
        self.wish_for(key, credential, now).map(|(_, action)| action)
    }

    /// Whether what is known agrees with what is wanted.
    pub fn converged(&self, now: Timestamp) -> bool {
        self.work(now).is_empty()
    }

    fn waits_for_issue(&self) -> bool {
        self.wanted().any(|(_, c)| matches!(c.state, S::Planned | S::Gone))
    }

    /// Everything that is to be done, with its urgency and the earliest instant.
    fn work(&self, now: Timestamp) -> Vec<(Urgency, Option<Timestamp>, Effect)> {
        let mut work = Vec::new();
        for (key, credential) in self.credentials() {
            if let Some((urgency, action)) = self.wish_for(key, credential, now) {
                let effect = Effect {
                    key: key.id,
                    credential: credential.id,
                    door: credential.door,
                    action,
                    budget: self.budget(credential.failed_rounds),
                };
                work.push((urgency, credential.retry_at, effect));
            }
        }
        work
    }

    fn wish_for(&self, key: &Key, credential: &Credential, now: Timestamp) -> Option<(Urgency, Action)> {
        let window = self.lock_window();
        if self.shall_open(key, credential) {
            return match credential.state {
                S::Live if credential.window != Some(window) => Some((Urgency::Change, Action::Change { window })),
                S::Live if self.reading => Some((Urgency::Read, Action::Read { window })),
                S::Live => None,
                // Taken away a moment ago and wanted again: first prove that it is gone.
                S::Revoking => Some((Urgency::Revoke, Action::Revoke)),
                S::Planned | S::Gone if now < self.issue_at() => None,
                _ => Some((Urgency::Issue, Action::Issue { window })),
            };
        }
        let gone = matches!(credential.state, S::Gone | S::Planned);
        if gone || self.kept(key, credential) {
            return None;
        }
        let replaced = self.ended.is_none() && !self.suspended && key.wish != Wish::Unwanted;
        Some((if replaced { Urgency::Retire } else { Urgency::Revoke }, Action::Revoke))
    }

    /// Each failed round gives the next one four times as long, so that a long outage costs few history events; six hours at most.
    fn budget(&self, failed_rounds: u32) -> Duration {
        let first = u64::from(self.policy.retry_cap_s) * 2;
        let longest = 6 * 3600;
        Duration::from_secs(first.saturating_mul(4_u64.saturating_pow(failed_rounds.min(8))).min(longest))
    }
}

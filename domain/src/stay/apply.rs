//! Commands: which are allowed, and what they change. They change wishes only; effects follow from [`Stay::next`].

use super::*;
use crate::{command::NewKey, credential::CredentialState};

/// Whether a verb is allowed in a phase, by the table at the top of this module's parent; else the reason.
pub fn allowed(verb: VerbKind, phase: StayPhase) -> Result<(), Code> {
    use {StayPhase as P, VerbKind as V};
    match (verb, phase) {
        (V::New, P::Ended) => Err(Code::StayEnded),
        (V::New, _) => Err(Code::StayExists),
        (_, P::Ending | P::Ended) => Err(Code::StayEnded),
        (V::CheckOut | V::Read | V::Used | V::GiveWay, P::Planned) => Err(Code::StayNotBegun),
        (V::Resume, P::Suspended) => Ok(()),
        (V::Resume, _) => Err(Code::StayNotSuspended),
        (V::Duplicate | V::Reissue | V::Suspend | V::Read, P::Suspended) => Err(Code::StaySuspended),
        (V::RoomMove | V::Reissue | V::Divert, P::Moving) => Err(Code::MoveUnderWay),
        (V::Divert, P::Planned | P::Active | P::Suspended) => Err(Code::StayNotWaiting),
        _ => Ok(()),
    }
}

/// Whether a reservation may have another stay, by the phase of its latest one; else the reason.
pub fn may_follow(latest: StayPhase) -> Result<(), Code> {
    match latest {
        StayPhase::Ended => Ok(()),
        StayPhase::Ending => Err(Code::StayEnding),
        _ => Err(Code::StayExists),
    }
}

impl Stay {
    /// Whether a command would be accepted. Changes nothing, so a workflow may ask it in an update validator, which writes no history.
    /// A command that was accepted before is accepted again.
    pub fn check(&self, command: &Command, now: Timestamp) -> Result<(), Code> {
        if self.knows(command.id) {
            return Ok(());
        }
        allowed(command.verb.kind(), self.phase(now))?;
        self.kind.allows(command.verb.kind())?;
        if self.diverting.is_some() && MAKING_ANEW.contains(&command.verb.kind()) {
            return Err(Code::MoveUnderWay);
        }
        match &command.verb {
            Verb::Divert { doors, keys, .. } => self.may_divert(doors, keys),
            Verb::ModifyStay { window, keys } => {
                window.check(now).map_err(Code::from)?;
                self.may_succeed(keys)
            }
            Verb::RoomMove { room, .. } if *room == self.room => Err(Code::SameRoom),
            Verb::RoomMove { keys, .. } => self.may_succeed(keys),
            Verb::Reissue { old, .. } => {
                let live = self.keys.iter().any(|k| k.id == *old && k.wish == Wish::Wanted);
                live.then_some(()).ok_or(Code::KeyNotFound)
            }
            Verb::Used { key } => self.keys.iter().any(|k| k.id == *key).then_some(()).ok_or(Code::KeyNotFound),
            Verb::Remove { key: Some(key) } => {
                let live = self.keys.iter().any(|k| k.id == *key && k.wish != Wish::Unwanted);
                live.then_some(()).ok_or(Code::KeyNotFound)
            }
            _ => Ok(()),
        }
    }

    /// Whether this command was accepted before.
    pub fn knows(&self, id: CommandId) -> bool {
        self.open.iter().any(|c| c.id == id) || self.settled.iter().any(|c| c.id == id)
    }

    /// The verdict on a command, if there is one.
    pub fn verdict(&self, id: CommandId) -> Option<Verdict> {
        self.settled.iter().rev().find(|c| c.id == id).map(|c| c.verdict)
    }

    /// Accepts a command. One that was accepted before changes nothing.
    pub fn apply(&mut self, command: &Command, now: Timestamp) -> Result<(), Code> {
        self.clock = self.clock.max(command.clock);
        self.check(command, now)?;
        if self.knows(command.id) {
            return Ok(());
        }
        self.open.push(OpenCommand { id: command.id, verb: command.verb.kind() });
        match &command.verb {
            Verb::New { .. } => return Err(Code::StayExists),
            Verb::Duplicate { keys } => self.add_keys(keys),
            Verb::Reissue { old, key } => {
                // Also what `old` was to replace waits for the new key now.
                let waits = |k: &&mut Key| k.id == *old || k.wish == Wish::Until(*old);
                self.keys.iter_mut().filter(waits).for_each(|k| k.wish = Wish::Until(key.id));
                self.add_keys(&[*key]);
            }
            Verb::ModifyStay { window, keys } => {
                self.window = *window;
                self.succeed(keys);
                self.overtake(command.id, &[VerbKind::ModifyStay]);
            }
            Verb::RoomMove { room, doors, keys } => {
                let from_room = std::mem::replace(&mut self.room, *room);
                let from_doors = std::mem::replace(&mut self.doors, doors.clone());
                let keys = self.succeed(keys);
                if self.suspended || self.untouched() {
                    self.prune();
                } else {
                    self.moving = Some(PendingMove { command: command.id, from_room, from_doors, keys });
                }
            }
            Verb::Suspend => {
                self.suspended = true;
                self.reading = false;
                self.moving = None;
                self.diverting = None;
                self.overtake(command.id, &MAKING);
            }
            Verb::Resume => self.suspended = false,
            Verb::Remove { key: Some(key) } => {
                // And what it was to replace.
                let gone = |k: &&mut Key| k.id == *key || k.wish == Wish::Until(*key);
                self.keys.iter_mut().filter(gone).for_each(|k| k.wish = Wish::Unwanted);
            }
            Verb::Remove { key: None } => {
                self.keys.iter_mut().for_each(|k| k.wish = Wish::Unwanted);
                self.diverting = None;
                self.overtake(command.id, &MAKING);
            }
            Verb::CheckOut | Verb::Cancel if !self.kind.is_guest() => self.end(EndCause::Revoked, Some(command.id)),
            Verb::CheckOut => self.end(EndCause::CheckedOut, Some(command.id)),
            Verb::Cancel if now < self.window.from => self.end(EndCause::Cancelled, Some(command.id)),
            Verb::Cancel => self.end(EndCause::NoShow, Some(command.id)),
            Verb::Read => self.reading = true,
            Verb::Used { key } => self.used(*key, Some(command.id)),
            Verb::GiveWay { door } => self.give_way(*door, now),
            Verb::Divert { vendor, doors, keys, issue_ahead_s } => {
                self.elsewhere.extend(vendor.iter().map(|vendor| (vendor.clone(), doors.clone())));
                self.divert(command.id, doors, keys, *issue_ahead_s);
            }
        }
        self.hurry();
        self.spread();
        self.prune();
        Ok(())
    }

    /// Ends the stay; whatever was still being made is overtaken.
    pub(super) fn end(&mut self, cause: EndCause, by: Option<CommandId>) {
        self.ended = Some(cause);
        self.moving = None;
        self.diverting = None;
        self.reading = false;
        self.hurry();
        let others = self.open.iter().filter(|c| Some(c.id) != by).map(|c| c.id).collect::<Vec<_>>();
        others.into_iter().for_each(|id| self.settle_one(id, Verdict::Overtaken));
        self.prune();
    }

    pub(super) fn add_keys(&mut self, keys: &[NewKey]) {
        let fresh = keys.iter().map(|k| Key { id: k.id, holder: k.holder, wish: Wish::Wanted, credentials: vec![] });
        self.keys.extend(fresh);
        self.spread();
    }

    /// A new command is a reason to try again at once what waits for its next try.
    fn hurry(&mut self) {
        for credential in self.keys.iter_mut().flat_map(|k| k.credentials.iter_mut()) {
            credential.retry_at = None;
        }
    }

    fn untouched(&self) -> bool {
        self.credentials().all(|(_, c)| !c.state.may_open())
    }

    fn overtake(&mut self, by: CommandId, verbs: &[VerbKind]) {
        let passed = |c: &&OpenCommand| c.id != by && verbs.contains(&c.verb);
        let ids = self.open.iter().filter(passed).map(|c| c.id).collect::<Vec<_>>();
        ids.into_iter().for_each(|id| self.settle_one(id, Verdict::Overtaken));
    }

    pub(super) fn settle_one(&mut self, id: CommandId, verdict: Verdict) {
        let Some(place) = self.open.iter().position(|c| c.id == id) else { return };
        let settled = Settled { id, verb: self.open.remove(place).verb, verdict };
        self.settled.push(settled);
        self.unreported.push(settled);
        let excess = self.settled.len().saturating_sub(Self::REMEMBERED);
        self.settled.drain(..excess);
    }

    /// Settles a command that can't be accepted any more: another one, that arrived in the same moment, came first. Nothing of the stay
    /// changes but the list of verdicts; keys that were made for it are gone.
    pub fn refuse(&mut self, command: &Command, code: Code) {
        self.open.push(OpenCommand { id: command.id, verb: command.verb.kind() });
        self.settle_one(command.id, Verdict::Failed(code));
        let made: &[NewKey] = match &command.verb {
            Verb::New { keys, .. } | Verb::Duplicate { keys } => keys,
            Verb::Reissue { key, .. } => std::slice::from_ref(key),
            Verb::Divert { keys, .. } | Verb::ModifyStay { keys, .. } | Verb::RoomMove { keys, .. } => {
                self.retired.extend(keys.iter().map(|successor| successor.key.id));
                &[]
            }
            _ => &[],
        };
        self.retired.extend(made.iter().map(|key| key.id));
    }

    /// The record has these verdicts now, and knows these keys to be gone.
    pub fn reported(&mut self, settled: &[Settled], retired: &[KeyId]) {
        self.unreported.retain(|s| !settled.contains(s));
        self.retired.retain(|key| !retired.contains(key));
    }

    /// Drops what needs no effect: credentials that were never sent and are not wanted any more, and keys without any.
    pub(super) fn prune(&mut self) {
        let (ended, doors) = (self.ended.is_some(), self.doors.clone());
        let mut keys = std::mem::take(&mut self.keys);
        for key in &mut keys {
            let wanted = key.wish != Wish::Unwanted && !ended;
            key.credentials.retain(|c| {
                let idle = matches!(c.state, CredentialState::Gone | CredentialState::Planned);
                !idle || (wanted && doors.contains(&c.door))
            });
        }
        let (kept, gone): (Vec<Key>, Vec<Key>) =
            keys.into_iter().partition(|k| (k.wish != Wish::Unwanted && !ended) || !k.credentials.is_empty());
        self.retired.extend(gone.into_iter().map(|key| key.id));
        self.keys = kept;
    }
}

/// Verbs that are pointless once keys are taken away.
const MAKING: [VerbKind; 7] = [
    VerbKind::New,
    VerbKind::Duplicate,
    VerbKind::Reissue,
    VerbKind::RoomMove,
    VerbKind::Resume,
    VerbKind::Read,
    VerbKind::Divert,
];

/// Verbs that wait until a stay has arrived at another vendor, or has returned: what they make could not return with it.
const MAKING_ANEW: [VerbKind; 4] = [VerbKind::Duplicate, VerbKind::Reissue, VerbKind::RoomMove, VerbKind::Divert];

//! One effect on a whole key, at a vendor where a key with all its doors is one thing: a user, a card.
//!
//! As [`crate::vendor_step`], with two differences. What is asked for is the key's *doors*: those that the effect concerns beside those where
//! the key stands and shall go on standing. And digits that the vendor makes up are never adopted: it tells them once, when it makes
//! them, and making them again voids those before. So a key whose digits we have is only ever given more doors or another end, and one
//! whose digits we don't have is made again, whatever stands there.
//! ```text
//! action | digits      | the key at the vendor  | then
//! -------+-------------+------------------------+---------------------------------------------------------------
//! issue  | known       | stands                 | open more doors; another window if it has not the wanted one
//! issue  | known       | does not stand         | forget the digits first; the next try makes others
//! issue  | not known   | -                      | make, with all doors; keep the digits
//! issue  | none, ours  | may stand              | look; adopt, or make
//! revoke | -           | has other doors        | close these
//! revoke | -           | has no other door      | delete it, and whatever else goes by its name
//! read   | known, ours | opens some doors       | those stand, the others are gone
//! ```
//! A vendor that can't be asked (`read_back` false) is never asked: an unconfirmed call is repeated, and what it answers is all the proof
//! that there is. This module knows the vendor's port and nothing of databases or workflows.

use crate::vendor_step::{OUR_SLACK, Round, SETTLE, covers, round_of};
use jiff::Timestamp;
use lock_domain::{problem::Code, stay::Action, window::Window};
use lock_vendors::{
    error::{Condition, EffectOutcome, VendorError},
    port::{
        CallContext, CredentialToken, Deletion, KeyForm, KeySpec, LockVendor, VendorCredential, VendorCredentialRef,
        VendorLockRef,
    },
};
use secrecy::SecretString;
use std::time::Duration;

#[cfg(test)]
#[path = "key_step_tests.rs"]
mod tests;

/// An encoder waits so long for a card; the call that asks it may take this long, and a lost one may take effect until then.
pub(crate) const CARD_TIMEOUT: Duration = Duration::from_secs(50);
/// So many keys of one name are deleted in a row; more are left to the next round.
const MOST_STRAYS: usize = 4;

/// What a key opens by.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Form<'a> {
    /// Digits of ours.
    Ours(&'a SecretString),
    /// Digits of the vendor's, and whether we have those of what stands there.
    Made { known: bool },
    /// A card, written at this encoder.
    Card { encoder: &'a str },
}

/// What an effect starts from.
#[derive(Debug)]
pub(crate) struct KeyStep<'a> {
    pub(crate) action: Action,
    /// The doors that it concerns; at least one.
    pub(crate) doors: &'a [VendorLockRef],
    /// Other doors where the key stands and shall go on standing.
    pub(crate) others: &'a [VendorLockRef],
    pub(crate) token: &'a CredentialToken,
    pub(crate) form: Form<'a>,
    /// The vendor's id, as far as we have been told.
    pub(crate) reference: Option<VendorCredentialRef>,
    /// When an earlier try was sent that has no known outcome.
    pub(crate) unresolved_since: Option<Timestamp>,
    /// Whether the key may stand at the vendor for any other reason than an unresolved try.
    pub(crate) may_stand: bool,
    /// Other keys of the stay go on working beside it.
    pub(crate) joins: bool,
}

/// What came of it.
#[derive(Debug)]
pub(crate) struct KeyRan {
    /// For each of the doors that it concerns.
    pub(crate) rounds: Vec<Round>,
    /// Digits that the vendor has made up just now.
    pub(crate) made: Option<SecretString>,
    /// The digits that we have open nothing: forget them.
    pub(crate) stale: bool,
}

impl KeyStep<'_> {
    /// Carries it out, as of `now` (real time).
    pub(crate) async fn run(&self, vendor: &dyn LockVendor, call: &CallContext, now: Timestamp) -> KeyRan {
        let done = match self.action {
            Action::Issue { window } => self.issue(vendor, call, window).await,
            Action::Change { window } => self.change(vendor, call, window).await,
            Action::Revoke => self.revoke(vendor, call, now).await.map(|round| self.all(round)),
            Action::Read { window } => self.read(vendor, call, window).await,
        };
        done.unwrap_or_else(|error| self.all(round_of(&error)))
    }

    fn all(&self, round: Round) -> KeyRan {
        KeyRan { rounds: vec![round; self.doors.len()], made: None, stale: false }
    }

    fn live(&self, credential: VendorCredential, adopted: bool) -> KeyRan {
        self.all(Round::Live { credential, adopted })
    }

    /// What we have been told opens nothing. Nothing is made before that stands in the record: an answer that gets lost then would leave
    /// old digits there beside a key that has others.
    fn stale(&self) -> KeyRan {
        let again = Round::Again { code: Code::PinNotReady, after: None, unproven: false };
        KeyRan { stale: true, ..self.all(again) }
    }

    /// Where the key shall stand.
    fn wanted(&self) -> Vec<VendorLockRef> {
        self.doors.iter().chain(self.others).cloned().collect()
    }

    fn uncertain(&self) -> bool {
        self.unresolved_since.is_some() || self.may_stand
    }

    async fn issue(&self, vendor: &dyn LockVendor, call: &CallContext, window: Window) -> Result<KeyRan, VendorError> {
        let readable = vendor.capabilities().read_back;
        let wanted = self.wanted();
        match self.form {
            Form::Made { known: true } => self.widen(vendor, call, window, &wanted).await,
            Form::Made { known: false } => {
                let issued =
                    vendor.issue(call, &self.spec(KeyForm::VendorPin { one_time: false }, &wanted, window)).await?;
                if issued.pin.is_none() {
                    // It answers well and says nothing: a key that nobody can use.
                    return Ok(self.all(Round::Refused(Code::VendorRefused)));
                }
                Ok(KeyRan { made: issued.pin, ..self.live(issued.credential, false) })
            }
            Form::Ours(_) if !self.others.is_empty() => self.widen(vendor, call, window, &wanted).await,
            Form::Ours(_) | Form::Card { .. } => {
                if self.uncertain()
                    && readable
                    && let Some(found) = vendor.find(call, &wanted, self.token).await?
                {
                    return self.adopt(vendor, call, found, window, &wanted).await;
                }
                // Only writing a card waits for a person; a look before or after it is as quick as any.
                let patient = match self.form {
                    Form::Card { .. } => CallContext { timeout: CARD_TIMEOUT, ..call.clone() },
                    _ => call.clone(),
                };
                match vendor.issue(&patient, &self.spec(self.form.key_form(), &wanted, window)).await {
                    Ok(issued) => Ok(self.live(issued.credential, false)),
                    Err(error) if error.outcome() == EffectOutcome::Unconfirmed && readable => {
                        match vendor.find(call, &wanted, self.token).await {
                            Ok(Some(found)) => self.adopt(vendor, call, found, window, &wanted).await,
                            _ => Err(error),
                        }
                    }
                    Err(error) => Err(error),
                }
            }
        }
    }

    fn spec(&self, form: KeyForm, doors: &[VendorLockRef], window: Window) -> KeySpec {
        KeySpec { token: self.token.clone(), form, doors: doors.to_vec(), window, joins: self.joins }
    }

    /// Gives a key that stands more doors, with the digits that the guest knows.
    async fn widen(
        &self,
        vendor: &dyn LockVendor,
        call: &CallContext,
        window: Window,
        wanted: &[VendorLockRef],
    ) -> Result<KeyRan, VendorError> {
        let Some(reference) = self.known_as(vendor, call).await? else {
            return self.absent(vendor, call, window).await;
        };
        match vendor.open_doors(call, wanted, &reference, self.token).await {
            Ok(found) => self.adopt(vendor, call, found, window, wanted).await,
            Err(error) if error.condition() == Condition::CredentialGone => self.absent(vendor, call, window).await,
            Err(error) if error.outcome() == EffectOutcome::Unconfirmed => {
                match vendor.find(call, wanted, self.token).await {
                    Ok(Some(found)) => self.adopt(vendor, call, found, window, wanted).await,
                    _ => Err(error),
                }
            }
            Err(error) => Err(error),
        }
    }

    /// A key that should stand does not.
    async fn absent(&self, vendor: &dyn LockVendor, call: &CallContext, window: Window) -> Result<KeyRan, VendorError> {
        match self.form {
            Form::Made { .. } => Ok(self.stale()),
            form => {
                let issued = vendor.issue(call, &self.spec(form.key_form(), &self.wanted(), window)).await?;
                Ok(self.live(issued.credential, false))
            }
        }
    }

    async fn known_as(
        &self,
        vendor: &dyn LockVendor,
        call: &CallContext,
    ) -> Result<Option<VendorCredentialRef>, VendorError> {
        match &self.reference {
            Some(known) => Ok(Some(known.clone())),
            None => Ok(vendor.find(call, &[], self.token).await?.map(|found| found.reference)),
        }
    }

    async fn adopt(
        &self,
        vendor: &dyn LockVendor,
        call: &CallContext,
        found: VendorCredential,
        window: Window,
        doors: &[VendorLockRef],
    ) -> Result<KeyRan, VendorError> {
        if self.fits(vendor, &found, window) {
            return Ok(self.live(found, true));
        }
        let credential = vendor.change_window(call, doors, &found.reference, self.token, window).await?;
        Ok(self.live(credential, true))
    }

    fn fits(&self, vendor: &dyn LockVendor, found: &VendorCredential, window: Window) -> bool {
        covers(found, window, OUR_SLACK, vendor.capabilities().window_start)
    }

    async fn change(&self, vendor: &dyn LockVendor, call: &CallContext, window: Window) -> Result<KeyRan, VendorError> {
        let readable = vendor.capabilities().read_back;
        let gone = Round::Gone { already: true };
        let Some(reference) = self.known_as(vendor, call).await? else { return Ok(self.all(gone)) };
        match vendor.change_window(call, self.doors, &reference, self.token, window).await {
            Ok(credential) => Ok(self.live(credential, false)),
            Err(error) if error.condition() == Condition::CredentialGone => Ok(self.all(gone)),
            Err(error) if error.outcome() == EffectOutcome::Unconfirmed && readable => {
                match vendor.find(call, self.doors, self.token).await {
                    Ok(Some(found)) if self.fits(vendor, &found, window) => Ok(self.live(found, true)),
                    _ => Err(error),
                }
            }
            Err(error) => Err(error),
        }
    }

    async fn read(&self, vendor: &dyn LockVendor, call: &CallContext, window: Window) -> Result<KeyRan, VendorError> {
        let gone = Round::Gone { already: true };
        if let Some(found) = vendor.find(call, self.doors, self.token).await? {
            if let Form::Made { known: false } = self.form {
                // Nobody can be told what it opens by.
                vendor.delete(call, &[], &found.reference).await?;
                return Ok(self.all(Round::Gone { already: false }));
            }
            return self.adopt(vendor, call, found, window, self.doors).await;
        }
        if self.doors.len() == 1 {
            return Ok(self.all(gone));
        }
        let mut rounds = Vec::with_capacity(self.doors.len());
        for door in self.doors {
            let found = vendor.find(call, std::slice::from_ref(door), self.token).await?;
            let round = found.map_or_else(|| gone.clone(), |credential| Round::Live { credential, adopted: true });
            rounds.push(round);
        }
        Ok(KeyRan { rounds, ..self.all(gone) })
    }

    async fn revoke(&self, vendor: &dyn LockVendor, call: &CallContext, now: Timestamp) -> Result<Round, VendorError> {
        let doors = if self.others.is_empty() { &[] } else { self.doors };
        let deleted = match self.known_as(vendor, call).await? {
            None => Deletion::AlreadyGone,
            Some(reference) => match vendor.delete(call, doors, &reference).await {
                Ok(deleted) => deleted,
                Err(error) if error.outcome() == EffectOutcome::Unconfirmed && vendor.capabilities().read_back => {
                    if self.stands(vendor, call, doors).await.unwrap_or(true) {
                        return Err(error);
                    }
                    Deletion::Deleted
                }
                Err(error) => return Err(error),
            },
        };
        if !self.others.is_empty() {
            return Ok(Round::Gone { already: deleted == Deletion::AlreadyGone });
        }
        let mut already = deleted == Deletion::AlreadyGone;
        if already || self.unresolved_since.is_some() {
            for _ in 0..MOST_STRAYS {
                let Some(stray) = vendor.find(call, &[], self.token).await? else { break };
                already = false;
                vendor.delete(call, &[], &stray.reference).await?;
            }
        }
        // While the digits are known nothing was sent that makes a key.
        let making = self.reference.is_none() || !matches!(self.form, Form::Made { known: true });
        let since = self.unresolved_since.filter(|_| making);
        Ok(unsettled(since, self.form.settles_in(), now).unwrap_or(Round::Gone { already }))
    }

    /// Whether it opens one of these doors, or exists at all if there are none.
    async fn stands(
        &self,
        vendor: &dyn LockVendor,
        call: &CallContext,
        doors: &[VendorLockRef],
    ) -> Result<bool, VendorError> {
        if doors.is_empty() {
            return Ok(vendor.find(call, &[], self.token).await?.is_some());
        }
        for door in doors {
            if vendor.find(call, std::slice::from_ref(door), self.token).await?.is_some() {
                return Ok(true);
            }
        }
        Ok(false)
    }
}

impl Form<'_> {
    fn key_form(self) -> KeyForm {
        match self {
            Self::Ours(pin) => KeyForm::ChosenPin(pin.clone()),
            Self::Made { .. } => KeyForm::VendorPin { one_time: false },
            Self::Card { encoder } => KeyForm::Card { encoder: encoder.to_owned() },
        }
    }

    /// A request may take effect for so long after its intent was recorded.
    pub(crate) fn settles_in(self) -> Duration {
        match self {
            Self::Card { .. } => SETTLE + CARD_TIMEOUT,
            Self::Ours(_) | Self::Made { .. } => SETTLE,
        }
    }
}

/// What was sent may still be on its way, so that its absence proves nothing yet: look again then.
pub(crate) fn unsettled(since: Option<Timestamp>, settles_in: Duration, now: Timestamp) -> Option<Round> {
    let left = settles_in.saturating_sub(now.duration_since(since?).unsigned_abs());
    let again = Round::Again { code: Code::Unproven, after: Some(left), unproven: false };
    (!left.is_zero()).then_some(again)
}

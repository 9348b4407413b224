//! One effect at one vendor, from the question *may something have happened already?* to an answer that can be recorded.
//!
//! No vendor offers idempotency keys, so nothing is ever sent blind after an answer got lost: the lock is read back by our own name
//! for the credential first. This module knows the vendor's port and nothing of databases or workflows.
//!
//! ```text
//! may have happened | action | found in the lock      | then
//! ------------------+--------+------------------------+---------------------------
//! no                | issue  | -                      | create
//! yes               | issue  | with the wanted window | adopt
//! yes               | issue  | with another window    | change the window, adopt
//! yes               | issue  | not                    | create
//! -                 | revoke | yes                    | delete
//! yes               | revoke | not                    | wait until it is settled, look again
//! no                | revoke | not                    | gone
//! ```
//! Digits that the vendor makes up come back once, in the answer to the call that makes them, and reading back does not bring them. A
//! guest must only ever be told digits that open, so what stands under our name with digits that we don't have is no key:
//! ```text
//! may have happened | action | found in the lock      | its digits | then
//! ------------------+--------+------------------------+------------+--------------------------------------------------
//! no                | issue  | -                      | -          | make, keep the digits
//! yes               | issue  | with the wanted window | known      | adopt
//! yes               | issue  | otherwise              | -          | delete all of our name, make anew
//! yes               | issue  | not                    | -          | wait until it is settled, look again, then the same
//! -                 | change | never used             | known      | delete, make anew: other digits
//! -                 | read   | yes                    | not known  | delete: gone, to be issued
//! -                 | revoke | yes                    | -          | delete, and whatever else stands under our name
//! ```

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
#[path = "vendor_step_tests.rs"]
mod tests;

/// A request may take effect at the vendor for so long after its intent was recorded, or its loss was noticed: the read-back before it and
/// the call itself have 15 seconds each.
pub const SETTLE: Duration = Duration::from_secs(35);

/// A vendor's own digits are valid for whole hours, and a vendor that does not give the same hours twice is asked for others.
const MADE_SLACK: jiff::SignedDuration = jiff::SignedDuration::from_hours(4);
/// What we ask for a minute, and the vendor rounds.
pub(crate) const OUR_SLACK: jiff::SignedDuration = jiff::SignedDuration::from_mins(1);
/// So many credentials of one name are deleted in a row; more are left to the next round.
const MOST_STRAYS: usize = 4;

/// Where a credential's digits come from.
#[derive(Debug, Clone, Copy)]
pub enum Digits<'a> {
    /// From us; known from the start.
    Ours(&'a SecretString),
    /// From the vendor.
    Vendor {
        /// They open once.
        one_time: bool,
        /// We have those of what stands in the lock, if anything does.
        known: bool,
    },
}

/// What an effect starts from.
#[derive(Debug)]
pub struct Step<'a> {
    /// What to do.
    pub action: Action,
    /// Where.
    pub lock: &'a VendorLockRef,
    /// Our name for the credential.
    pub token: &'a CredentialToken,
    /// What it opens by.
    pub digits: Digits<'a>,
    /// The vendor's id, as far as we have been told.
    pub reference: Option<VendorCredentialRef>,
    /// When an earlier try was sent that has no known outcome.
    pub unresolved_since: Option<Timestamp>,
    /// Whether the credential may stand in the lock for any other reason than an unresolved try.
    pub may_stand: bool,
}

/// What came of it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Round {
    /// It stands in the lock.
    Live {
        /// As the vendor has it.
        credential: VendorCredential,
        /// It was found, not sent.
        adopted: bool,
    },
    /// It does not stand in the lock.
    Gone {
        /// It was not there when we came.
        already: bool,
    },
    /// Refused for good.
    Refused(Code),
    /// Not done, or not proven. Try again.
    Again {
        /// Why.
        code: Code,
        /// Not before.
        after: Option<Duration>,
        /// Whether the vendor may have acted.
        unproven: bool,
    },
}

/// What came of it, and digits that the vendor has made up on the way. They are new, and nobody else has them.
#[derive(Debug)]
pub struct Ran {
    /// What came of it.
    pub round: Round,
    /// The digits of what stands in the lock now, if they were made just now.
    pub made: Option<SecretString>,
}

impl From<Round> for Ran {
    fn from(round: Round) -> Self {
        Self { round, made: None }
    }
}

impl Step<'_> {
    /// Carries it out, as of `now` (real time).
    pub async fn run(&self, vendor: &dyn LockVendor, call: &CallContext, now: Timestamp) -> Ran {
        let done = match (self.action, self.digits) {
            (Action::Issue { window }, Digits::Ours(pin)) => self.issue(vendor, call, pin, window).await.map(Ran::from),
            (Action::Issue { window }, Digits::Vendor { known, .. }) => {
                self.issue_made(vendor, call, window, known, now).await
            }
            (Action::Change { window }, _) => self.change(vendor, call, window).await,
            (Action::Revoke, _) => self.revoke(vendor, call, now).await.map(Ran::from),
            (Action::Read { window }, Digits::Ours(_)) => self.read(vendor, call, window).await.map(Ran::from),
            (Action::Read { window }, Digits::Vendor { known, .. }) => {
                self.read_made(vendor, call, window, known).await.map(Ran::from)
            }
        };
        done.unwrap_or_else(|error| round_of(&error).into())
    }

    fn doors(&self) -> &[VendorLockRef] {
        std::slice::from_ref(self.lock)
    }

    async fn issue(
        &self,
        vendor: &dyn LockVendor,
        call: &CallContext,
        pin: &SecretString,
        window: Window,
    ) -> Result<Round, VendorError> {
        if (self.unresolved_since.is_some() || self.may_stand)
            && let Some(found) = vendor.find(call, self.doors(), self.token).await?
        {
            return self.adopt(vendor, call, found, window).await;
        }
        self.create(vendor, call, pin, window).await
    }

    fn spec(&self, form: KeyForm, window: Window) -> KeySpec {
        KeySpec { token: self.token.clone(), form, doors: self.doors().to_vec(), window, joins: true }
    }

    async fn create(
        &self,
        vendor: &dyn LockVendor,
        call: &CallContext,
        pin: &SecretString,
        window: Window,
    ) -> Result<Round, VendorError> {
        let spec = self.spec(KeyForm::ChosenPin(pin.clone()), window);
        match vendor.issue(call, &spec).await {
            Ok(issued) => Ok(Round::Live { credential: issued.credential, adopted: false }),
            Err(error) if error.outcome() == EffectOutcome::Unconfirmed => {
                match vendor.find(call, self.doors(), self.token).await {
                    Ok(Some(found)) => self.adopt(vendor, call, found, window).await,
                    // The lost request may still be on its way: the next round reads back again before it sends.
                    _ => Err(error),
                }
            }
            Err(error) => Err(error),
        }
    }

    async fn adopt(
        &self,
        vendor: &dyn LockVendor,
        call: &CallContext,
        found: VendorCredential,
        window: Window,
    ) -> Result<Round, VendorError> {
        if covers(&found, window, OUR_SLACK, true) {
            return Ok(Round::Live { credential: found, adopted: true });
        }
        let credential = vendor.change_window(call, self.doors(), &found.reference, self.token, window).await?;
        Ok(Round::Live { credential, adopted: true })
    }

    async fn change(&self, vendor: &dyn LockVendor, call: &CallContext, window: Window) -> Result<Ran, VendorError> {
        let reference = match &self.reference {
            Some(known) => known.clone(),
            None => match vendor.find(call, self.doors(), self.token).await? {
                Some(found) => found.reference,
                None => return Ok(Round::Gone { already: true }.into()),
            },
        };
        let made = matches!(self.digits, Digits::Vendor { .. });
        match vendor.change_window(call, self.doors(), &reference, self.token, window).await {
            Ok(credential) => Ok(Round::Live { credential, adopted: false }.into()),
            Err(error) if error.condition() == Condition::CredentialGone => {
                // It may stand there with digits that nobody was told, from a change whose answer got lost.
                let clean = !made || self.sweep(vendor, call, None).await?;
                Ok(if clean { Round::Gone { already: true } } else { UNSWEPT }.into())
            }
            // This lock can't change a code that nobody has used: the same code again, with the new window.
            Err(error) if error.condition() == Condition::NeverUsed => {
                vendor.delete(call, self.doors(), &reference).await?;
                match self.digits {
                    Digits::Ours(pin) => self.create(vendor, call, pin, window).await.map(Ran::from),
                    Digits::Vendor { one_time, .. } => self.make(vendor, call, window, one_time).await,
                }
            }
            Err(error) if error.outcome() == EffectOutcome::Unconfirmed => {
                match vendor.find(call, self.doors(), self.token).await {
                    Ok(Some(found)) if covers(&found, window, if made { MADE_SLACK } else { OUR_SLACK }, true) => {
                        Ok(Round::Live { credential: found, adopted: true }.into())
                    }
                    _ => Err(error),
                }
            }
            Err(error) => Err(error),
        }
    }

    /// Digits of the vendor's: adopts only what we have the digits of.
    async fn issue_made(
        &self,
        vendor: &dyn LockVendor,
        call: &CallContext,
        window: Window,
        known: bool,
        now: Timestamp,
    ) -> Result<Ran, VendorError> {
        let Digits::Vendor { one_time, .. } = self.digits else {
            return Ok(Round::Refused(Code::VendorRefused).into());
        };
        if self.unresolved_since.is_some() || self.may_stand {
            let mut found = vendor.find(call, self.doors(), self.token).await?;
            if let (None, Some(since)) = (&found, self.unresolved_since) {
                settle(since, now).await;
                found = vendor.find(call, self.doors(), self.token).await?;
            }
            match found {
                Some(found) if known && self.still_good(&found, window) => {
                    return Ok(Round::Live { credential: found, adopted: true }.into());
                }
                Some(found) => {
                    let swept = self.sweep(vendor, call, Some(found)).await?;
                    if !swept {
                        return Ok(UNSWEPT.into());
                    }
                }
                None => {}
            }
        }
        self.make(vendor, call, window, one_time).await
    }

    /// Has the vendor make up digits. If the answer gets lost so do they: the next round starts over.
    async fn make(
        &self,
        vendor: &dyn LockVendor,
        call: &CallContext,
        window: Window,
        one_time: bool,
    ) -> Result<Ran, VendorError> {
        let issued = vendor.issue(call, &self.spec(KeyForm::VendorPin { one_time }, window)).await?;
        let round = match issued.pin {
            Some(_) => Round::Live { credential: issued.credential, adopted: false },
            // It answers well and says nothing: a key that nobody can use.
            None => Round::Refused(Code::VendorRefused),
        };
        Ok(Ran { round, made: issued.pin })
    }

    /// Digits that we have: whether what stands in the lock is what they were made for.
    fn still_good(&self, found: &VendorCredential, window: Window) -> bool {
        let Digits::Vendor { one_time, .. } = self.digits else { return false };
        (one_time && found.confirmed_at_lock) || covers(found, window, MADE_SLACK, true)
    }

    async fn read_made(
        &self,
        vendor: &dyn LockVendor,
        call: &CallContext,
        window: Window,
        known: bool,
    ) -> Result<Round, VendorError> {
        match vendor.find(call, self.doors(), self.token).await? {
            Some(found) if known && self.still_good(&found, window) => {
                Ok(Round::Live { credential: found, adopted: true })
            }
            Some(found) => {
                let swept = self.sweep(vendor, call, Some(found)).await?;
                Ok(if swept { Round::Gone { already: false } } else { UNSWEPT })
            }
            None => Ok(Round::Gone { already: true }),
        }
    }

    /// Deletes everything that stands under our name, `found` first. Whether nothing is left.
    async fn sweep(
        &self,
        vendor: &dyn LockVendor,
        call: &CallContext,
        found: Option<VendorCredential>,
    ) -> Result<bool, VendorError> {
        let mut next = match found {
            Some(found) => Some(found),
            None => vendor.find(call, self.doors(), self.token).await?,
        };
        for _ in 0..MOST_STRAYS {
            let Some(stray) = next else { return Ok(true) };
            vendor.delete(call, self.doors(), &stray.reference).await?;
            next = vendor.find(call, self.doors(), self.token).await?;
        }
        Ok(next.is_none())
    }

    async fn revoke(&self, vendor: &dyn LockVendor, call: &CallContext, now: Timestamp) -> Result<Round, VendorError> {
        let round = self.take_out(vendor, call, now).await?;
        // A lost answer may have left another one under our name, with digits that nobody was told.
        match (self.digits, &round) {
            (Digits::Vendor { .. }, Round::Gone { already: false }) if !self.sweep(vendor, call, None).await? => {
                Ok(UNSWEPT)
            }
            _ => Ok(round),
        }
    }

    async fn take_out(
        &self,
        vendor: &dyn LockVendor,
        call: &CallContext,
        now: Timestamp,
    ) -> Result<Round, VendorError> {
        let known = match (&self.reference, self.unresolved_since) {
            (Some(reference), None) => Some(reference.clone()),
            _ => vendor.find(call, self.doors(), self.token).await?.map(|found| found.reference),
        };
        let known = match (known, self.unresolved_since) {
            (None, Some(since)) => {
                // What was sent may still be on its way; only when it can't be any more does its absence prove anything.
                settle(since, now).await;
                vendor.find(call, self.doors(), self.token).await?.map(|found| found.reference)
            }
            (known, _) => known,
        };
        let Some(reference) = known else { return Ok(Round::Gone { already: true }) };
        match vendor.delete(call, self.doors(), &reference).await {
            Ok(Deletion::Deleted) => Ok(Round::Gone { already: false }),
            Ok(Deletion::AlreadyGone) => self.gone_by_name(vendor, call).await,
            Err(error) if error.outcome() == EffectOutcome::Unconfirmed => {
                match vendor.find(call, self.doors(), self.token).await {
                    Ok(None) => Ok(Round::Gone { already: false }),
                    _ => Err(error),
                }
            }
            Err(error) => Err(error),
        }
    }

    /// What we knew it by is gone. It may stand there under another id all the same, if a change had to put it in anew.
    async fn gone_by_name(&self, vendor: &dyn LockVendor, call: &CallContext) -> Result<Round, VendorError> {
        let Some(found) = vendor.find(call, self.doors(), self.token).await? else {
            return Ok(Round::Gone { already: true });
        };
        vendor.delete(call, self.doors(), &found.reference).await?;
        Ok(Round::Gone { already: false })
    }

    async fn read(&self, vendor: &dyn LockVendor, call: &CallContext, window: Window) -> Result<Round, VendorError> {
        match vendor.find(call, self.doors(), self.token).await? {
            Some(found) => self.adopt(vendor, call, found, window).await,
            None => Ok(Round::Gone { already: true }),
        }
    }
}

/// What is left of one name after many deletions.
const UNSWEPT: Round = Round::Again { code: Code::Unproven, after: None, unproven: true };

/// Waits until a request that was sent at `since` can't take effect any more.
async fn settle(since: Timestamp, now: Timestamp) {
    let since_then = now.duration_since(since).unsigned_abs();
    tokio::time::sleep(SETTLE.saturating_sub(since_then)).await;
}

/// Whether the vendor's window, after its rounding, covers what we asked, and by no more than the coarsest rounding. Without
/// `start` only its end counts: the vendor keeps no beginning.
pub(crate) fn covers(found: &VendorCredential, wanted: Window, slack: jiff::SignedDuration, start: bool) -> bool {
    found.confirmed_at_lock
        && found.window.is_some_and(|w| {
            let early = wanted.from.duration_since(w.from);
            let late = w.until.duration_since(wanted.until);
            !early.is_negative() && (early <= slack || !start) && !late.is_negative() && late <= slack
        })
}

/// What an error means for the effect.
pub(crate) fn round_of(error: &VendorError) -> Round {
    let code = error.problem();
    match error.outcome() {
        EffectOutcome::Permanent => Round::Refused(code),
        EffectOutcome::Retryable { after } => Round::Again { code, after, unproven: false },
        EffectOutcome::Unconfirmed => Round::Again { code: Code::Unproven, after: None, unproven: true },
    }
}

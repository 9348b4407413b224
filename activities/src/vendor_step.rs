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

/// A request may take effect at the vendor for so long after its intent was recorded, or its loss was noticed: the read-back before it and
/// the call itself have 15 seconds each.
pub const SETTLE: Duration = Duration::from_secs(35);

/// What an effect starts from.
#[derive(Debug)]
pub struct Step<'a> {
    /// What to do.
    pub action: Action,
    /// Where.
    pub lock: &'a VendorLockRef,
    /// Our name for the credential.
    pub token: &'a CredentialToken,
    /// The digits, for an issue.
    pub pin: &'a SecretString,
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

impl Step<'_> {
    /// Carries it out, as of `now` (real time).
    pub async fn run(&self, vendor: &dyn LockVendor, call: &CallContext, now: Timestamp) -> Round {
        let done = match self.action {
            Action::Issue { window } => self.issue(vendor, call, window).await,
            Action::Change { window } => self.change(vendor, call, window).await,
            Action::Revoke => self.revoke(vendor, call, now).await,
            Action::Read { window } => self.read(vendor, call, window).await,
        };
        done.unwrap_or_else(|error| round_of(&error))
    }

    fn doors(&self) -> &[VendorLockRef] {
        std::slice::from_ref(self.lock)
    }

    async fn issue(&self, vendor: &dyn LockVendor, call: &CallContext, window: Window) -> Result<Round, VendorError> {
        if (self.unresolved_since.is_some() || self.may_stand)
            && let Some(found) = vendor.find(call, self.doors(), self.token).await?
        {
            return self.adopt(vendor, call, found, window).await;
        }
        self.create(vendor, call, window).await
    }

    async fn create(&self, vendor: &dyn LockVendor, call: &CallContext, window: Window) -> Result<Round, VendorError> {
        let spec = KeySpec {
            token: self.token.clone(),
            form: KeyForm::ChosenPin(self.pin.clone()),
            doors: self.doors().to_vec(),
            window,
            joins: true,
        };
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
        if covers(&found, window) {
            return Ok(Round::Live { credential: found, adopted: true });
        }
        let credential = vendor.change_window(call, self.doors(), &found.reference, self.token, window).await?;
        Ok(Round::Live { credential, adopted: true })
    }

    async fn change(&self, vendor: &dyn LockVendor, call: &CallContext, window: Window) -> Result<Round, VendorError> {
        let reference = match &self.reference {
            Some(known) => known.clone(),
            None => match vendor.find(call, self.doors(), self.token).await? {
                Some(found) => found.reference,
                None => return Ok(Round::Gone { already: true }),
            },
        };
        match vendor.change_window(call, self.doors(), &reference, self.token, window).await {
            Ok(credential) => Ok(Round::Live { credential, adopted: false }),
            Err(error) if error.condition() == Condition::CredentialGone => Ok(Round::Gone { already: true }),
            // This lock can't change a code that nobody has used: the same code again, with the new window.
            Err(error) if error.condition() == Condition::NeverUsed => {
                vendor.delete(call, self.doors(), &reference).await?;
                self.create(vendor, call, window).await
            }
            Err(error) if error.outcome() == EffectOutcome::Unconfirmed => {
                match vendor.find(call, self.doors(), self.token).await {
                    Ok(Some(found)) if covers(&found, window) => Ok(Round::Live { credential: found, adopted: true }),
                    _ => Err(error),
                }
            }
            Err(error) => Err(error),
        }
    }

    async fn revoke(&self, vendor: &dyn LockVendor, call: &CallContext, now: Timestamp) -> Result<Round, VendorError> {
        let known = match (&self.reference, self.unresolved_since) {
            (Some(reference), None) => Some(reference.clone()),
            _ => vendor.find(call, self.doors(), self.token).await?.map(|found| found.reference),
        };
        let known = match (known, self.unresolved_since) {
            (None, Some(since)) => {
                // What was sent may still be on its way; only when it can't be any more does its absence prove anything.
                let since_then = now.duration_since(since).unsigned_abs();
                tokio::time::sleep(SETTLE.saturating_sub(since_then)).await;
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

/// Whether the vendor's window, after its rounding, covers what we asked, and by no more than the coarsest rounding.
fn covers(found: &VendorCredential, wanted: Window) -> bool {
    let slack = jiff::SignedDuration::from_mins(1);
    found.confirmed_at_lock
        && found.window.is_some_and(|w| {
            let early = wanted.from.duration_since(w.from);
            let late = w.until.duration_since(wanted.until);
            !early.is_negative() && early <= slack && !late.is_negative() && late <= slack
        })
}

fn round_of(error: &VendorError) -> Round {
    let code = error.problem();
    match error.outcome() {
        EffectOutcome::Permanent => Round::Refused(code),
        EffectOutcome::Retryable { after } => Round::Again { code, after, unproven: false },
        EffectOutcome::Unconfirmed => Round::Again { code: Code::Unproven, after: None, unproven: true },
    }
}

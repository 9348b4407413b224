//! What one check notes while it runs, and what becomes of it.

use std::time::Duration;

use lock_domain::contract::{Check, CheckOutcome, Facts};
use lock_vendors::error::{Condition, VendorError};

/// Why a check ends before its end.
pub(crate) enum Stop {
    /// It can't be made.
    Skip(String),
    /// The vendor failed where it should not have.
    Error(&'static str, VendorError),
}

/// What was expected and seen so far.
#[derive(Debug, Default)]
pub(crate) struct Notes {
    expected: Facts,
    seen: Facts,
}

impl Notes {
    /// A fact that has to be so.
    pub(crate) fn expect(&mut self, field: &str, expected: impl Into<String>, seen: impl Into<String>) {
        self.expected.insert(field.to_owned(), expected.into());
        self.seen.insert(field.to_owned(), seen.into());
    }

    /// A fact that is as it is, and should be the same next time.
    pub(crate) fn note(&mut self, field: &str, seen: impl Into<String>) {
        self.seen.insert(field.to_owned(), seen.into());
    }

    /// Takes all of these for seen.
    pub(crate) fn seen(&mut self, facts: Facts) {
        self.seen.extend(facts);
    }

    /// The check, as it ended.
    pub(crate) fn check(mut self, name: &str, ended: Result<(), Stop>, took: Duration) -> Check {
        let outcome = match ended {
            Err(Stop::Skip(reason)) => CheckOutcome::Skipped { reason },
            Err(Stop::Error(_, error)) if passing(error.condition()) => {
                CheckOutcome::Skipped { reason: format!("not now: {error}") }
            }
            ended => {
                if let Err(Stop::Error(step, error)) = ended {
                    self.expect(step, "well", told(&error));
                }
                let met = self.expected.iter().all(|(field, value)| self.seen.get(field) == Some(value));
                if met { CheckOutcome::Passed } else { CheckOutcome::Failed }
            }
        };
        let took_ms = u32::try_from(took.as_millis()).unwrap_or(u32::MAX);
        Check { name: name.to_owned(), outcome, expected: self.expected, seen: self.seen, took_ms }
    }
}

/// A failure as a fact: what it is and what is known of the effect. The vendor's number belongs to it.
pub(crate) fn told(error: &VendorError) -> String {
    let number = error.vendor_code().map(|code| format!(", number {code}")).unwrap_or_default();
    format!("{} ({}{number})", error.code(), error.outcome().name())
}

/// What says nothing of a contract: the vendor, the way to it or the people at it are not there just now.
pub(crate) fn passing(condition: Condition) -> bool {
    use Condition as C;
    matches!(
        condition,
        C::Unreachable
            | C::NoAnswer
            | C::ServerError
            | C::RateLimited
            | C::QuotaExhausted
            | C::LockOffline
            | C::LockBusy
            | C::GatewayOffline
            | C::GatewayBusy
            | C::EncoderOffline
            | C::EncoderBusy
            | C::CardMissing
            | C::CardUnusable
            | C::CardCancelled
            | C::SeatsExhausted
            | C::NotSettled
            | C::RecordLocked
            | C::LockFull
    )
}

/// `yes` or `no`.
pub(crate) fn yes(so: bool) -> &'static str {
    if so { "yes" } else { "no" }
}

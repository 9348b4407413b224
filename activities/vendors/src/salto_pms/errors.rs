//! What the two letters of a refusal mean for us. Letters and meanings: two independent clients; the outcome is our reading.
//!
//! A refusal is a reply: the command was read and not carried out. `EG` alone leaves that open.

use std::time::Duration;

use lock_wires::salto_pms::reply::Refusal as R;

use super::NAME;
use crate::error::{Condition as C, EffectOutcome, VendorError};

/// Two letters as a number: their codes side by side in hexadecimal, `EP` is 0x4550.
#[must_use]
pub(crate) fn number(refusal: R) -> i64 {
    refusal.letters().bytes().fold(0, |sum, byte| sum * 0x100 + i64::from(byte))
}

/// The failure that a refusal stands for.
pub(crate) fn error(verb: &'static str, refusal: R, mutating: bool) -> VendorError {
    let now = EffectOutcome::Retryable { after: None };
    let after = |seconds| EffectOutcome::Retryable { after: Some(Duration::from_secs(seconds)) };
    let never = EffectOutcome::Permanent;
    let (condition, outcome, remedy) = match refusal {
        R::Syntax => (C::InvalidRequest, never, None),
        R::EncoderSilent => (C::EncoderOffline, now, None),
        R::Database => (
            C::ServerError,
            after(60),
            Some(
                "Have the PMS interface set up again in SALTO Space: its database is missing or damaged; we go on trying.",
            ),
        ),
        R::EncoderBusy => (C::EncoderBusy, after(2), None),
        R::NoCard | R::CardTimeout => (C::CardMissing, after(5), None),
        R::ForeignCard => (C::CardUnusable, after(5), None),
        R::StaffCard => (
            C::CardUnusable,
            after(5),
            Some("Put another card on the encoder: this one belongs to somebody of the staff."),
        ),
        R::UnknownRoom => (C::LockUnknown, never, None),
        R::NotCheckedIn => (C::NotCheckedIn, never, None),
        R::OutOfService => (C::RoomOutOfService, never, None),
        R::EncodedElsewhere => (
            C::EncoderBusy,
            after(2),
            Some("Wait until the other encoder has finished this guest's card; we try again in a moment."),
        ),
        R::General if mutating => (C::Failed, EffectOutcome::Unconfirmed, None),
        R::General => (C::Failed, now, None),
    };
    VendorError::new(NAME, verb, condition, outcome).numbered(number(refusal), remedy.unwrap_or(condition.remedy()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn letters_become_numbers() {
        assert_eq!(number(R::NoCard), 0x4550);
        let mut numbers: Vec<_> = R::ALL.iter().map(|(refusal, _)| number(*refusal)).collect();
        numbers.sort_unstable();
        numbers.dedup();
        assert_eq!(numbers.len(), R::ALL.len());
    }
}

//! What the numbers in SHIP's exceptions mean for us.
//!
//! Numbers and meanings come from a client's table, not from the vendor; the class is our reading.
//!
//! | class | read | changing call |
//! |---|---|---|
//! | `Retry` / `Soon` | try again, at once or after 2 s | the same: refused before anything was done |
//! | `Card` | – | try again after 5 s: a human has to do something at the encoder |
//! | `Vague` | try again | nobody knows whether it took effect |
//! | `Operator` | somebody has to change something | the same |
//! | `Never` | no use | no use |
//! | `Exists` | – | for an insert: it is there already |
//! | `Gone` | it does not exist | for a deletion: done |
//! | `HasKey` | – | for a first card: it was written before |

use std::time::Duration;

use super::NAME;
use crate::codes::{self, row, said};
use crate::error::{Condition as C, EffectOutcome, VendorError};

/// What to do about a number.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Class {
    Retry,
    Soon,
    Card,
    Vague,
    Operator,
    Never,
    Exists,
    Gone,
    HasKey,
}

pub(crate) type Row = codes::Row<Class>;

#[rustfmt::skip]
const TABLE: &[Row] = &[
    // general
    said(1,   Class::Vague,    C::ServerError, "Check the database of the SALTO Space server if this stays; we look up whether it acted."),
    row(4,    Class::Vague,    C::Failed),
    said(5,   Class::Never,    C::CardCancelled, "Ask for the key again: the SALTO Space server stopped what was asked."),
    row(6,    Class::Never,    C::InvalidRequest),
    said(7,   Class::Never,    C::Refused, "Look at the rules in SALTO Space for this user or door: they forbid what was asked."),
    row(10,   Class::Exists,   C::Refused),
    row(11,   Class::Gone,     C::CredentialGone),
    row(12,   Class::Never,    C::InvalidRequest),
    row(13,   Class::Operator, C::LicenceMissing),
    said(14,  Class::Operator, C::LicenceMissing, "Delete users or keys in SALTO Space that nobody needs, or buy a larger licence: its limit is reached."),
    // doors
    row(100,  Class::Operator, C::LockUnknown),
    row(101,  Class::Soon,     C::RecordLocked),
    said(102, Class::Never,    C::Refused, "Choose another id for the door: SALTO Space has one with this id."),
    // users
    row(200,  Class::Gone,     C::CredentialGone),
    row(201,  Class::Soon,     C::RecordLocked),
    row(202,  Class::Exists,   C::Refused),
    said(203, Class::Card,     C::CardUnusable, "Put another card on the encoder: this one's number belongs to somebody else in SALTO Space."),
    said(204, Class::Never,    C::Refused, "Look at the doors of this key in SALTO Space: the server does not allow one of them."),
    said(205, Class::Never,    C::Refused, "Issue a new key: SALTO Space does not allow this one to be changed."),
    said(206, Class::Never,    C::Refused, "Shorten the stay, or allow longer keys in SALTO Space: a key that can't be cancelled must end sooner."),
    // keys
    row(300,  Class::Gone,     C::CredentialGone),
    said(301, Class::Operator, C::QuotaExhausted, "Delete users in SALTO Space that nobody needs: it has no number left for another key."),
    row(302,  Class::Card,     C::CardUnusable),
    row(303,  Class::Card,     C::CardMissing),
    said(304, Class::Card,     C::CardUnusable, "Put another card on the encoder: this one has no room left."),
    row(305,  Class::HasKey,   C::Refused),
    row(306,  Class::Card,     C::CardUnusable),
    // encoders
    row(400,  Class::Operator, C::EncoderUnknown),
    row(401,  Class::Retry,    C::EncoderOffline),
    row(402,  Class::Soon,     C::EncoderBusy),
    row(403,  Class::Card,     C::CardMissing),
    said(404, Class::Vague,    C::Failed, "Leave the card on the encoder: writing it went wrong, and we look up what is on it."),
    row(405,  Class::Never,    C::CardCancelled),
    said(406, Class::Operator, C::EncoderUnknown, "Initialise the encoder in SALTO Space first."),
    said(407, Class::Operator, C::EncoderUnknown, "Initialise the encoder again in SALTO Space: it was set up for another installation."),
    // what was sent
    row(500,  Class::Never,    C::InvalidRequest),
    row(501,  Class::Never,    C::InvalidRequest),
    row(502,  Class::Never,    C::InvalidRequest),
    row(503,  Class::Never,    C::InvalidRequest),
    // zones
    row(600,  Class::Never,    C::Refused),
    row(601,  Class::Never,    C::Refused),
];

/// A number without a row: it did not happen as far as we can tell, and nobody knows what would help.
const UNKNOWN: Row = row(0, Class::Never, C::Refused);

pub(crate) fn find(code: i64) -> &'static Row {
    TABLE.iter().find(|row| row.code == code).unwrap_or(&UNKNOWN)
}

/// Whether a failure is of this class.
pub(crate) fn is(error: &VendorError, class: Class) -> bool {
    error.vendor_code().is_some_and(|code| find(code).class == class)
}

/// The failure that a number stands for.
pub(crate) fn error(verb: &'static str, code: i64, mutating: bool, vague_is_unconfirmed: bool) -> VendorError {
    let row = find(code);
    let after = |seconds| EffectOutcome::Retryable { after: Some(Duration::from_secs(seconds)) };
    let outcome = match row.class {
        Class::Retry => EffectOutcome::Retryable { after: None },
        Class::Soon => after(2),
        Class::Card => after(5),
        Class::Vague if mutating && vague_is_unconfirmed => EffectOutcome::Unconfirmed,
        Class::Vague => EffectOutcome::Retryable { after: None },
        Class::Operator | Class::Never | Class::Exists | Class::Gone | Class::HasKey => EffectOutcome::Permanent,
    };
    VendorError::new(NAME, verb, row.condition, outcome).numbered(code, row.remedy)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_number_has_one_row_and_a_sentence() {
        codes::check(TABLE);
    }

    #[test]
    fn a_failure_without_a_reason_is_no_proof_of_nothing_done() {
        assert_eq!(error("a", 404, true, true).outcome(), EffectOutcome::Unconfirmed);
        assert_eq!(error("a", 404, false, true).outcome(), EffectOutcome::Retryable { after: None });
        assert_eq!(error("a", 1, true, false).outcome(), EffectOutcome::Retryable { after: None });
        assert_eq!(error("a", 7_777, true, true).outcome(), EffectOutcome::Permanent);
    }
}

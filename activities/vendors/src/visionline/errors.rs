//! What the server's failures mean for us.
//!
//! The numbers in `code` are not published. The rows are the result codes (`RC`) of the vendor's older PMS protocol, on the assumption
//! that the server passes them on; without a row, or with the assumption switched off, the HTTP status decides.
//!
//! | class | read | changing call |
//! |---|---|---|
//! | `Retry` | try again | try again: nothing was written |
//! | `Soon` / `Human` | try again after 2 s / 10 s | the same; somebody at the encoder has to do something first |
//! | `Vague` | try again | nobody knows whether a card opens the door now |
//! | `Operator` | somebody has to change something | the same |
//! | `Never` | no use | no use |

use std::time::Duration;

use reqwest::StatusCode;

use super::NAME;
use super::session::Verb;
use crate::codes::{self, row, said};
use crate::error::{Condition as C, EffectOutcome, VendorError};

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Class {
    Retry,
    Soon,
    Human,
    Vague,
    Operator,
    Never,
}

type Row = codes::Row<Class>;

const UNKNOWN_ENCODER: &str = "Correct the encoder's name in the property's set-up: the lock server does not know it.";

#[rustfmt::skip]
const TABLE: &[Row] = &[
    // encoders
    row(3,  Class::Retry,    C::EncoderOffline),
    row(4,  Class::Soon,     C::EncoderBusy),
    said(7, Class::Operator, C::GatewayUnknown, UNKNOWN_ENCODER),
    row(39, Class::Never,    C::CardCancelled),
    said(40, Class::Retry,   C::EncoderOffline, "Connect the encoder's reader again; we go on trying."),
    row(41, Class::Human,    C::CardMissing),
    said(78, Class::Operator, C::GatewayUnknown, "Have the encoder's port set right in Visionline: another device answers there."),
    row(85, Class::Vague,    C::NoAnswer),
    // cards
    said(13, Class::Human,   C::CardUnusable, "Put a blank or an expired card on the encoder: this one still opens a door."),
    row(17, Class::Human,    C::CardUnusable),
    row(18, Class::Human,    C::CardUnusable),
    row(20, Class::Vague,    C::CardUnusable),
    row(38, Class::Human,    C::CardUnusable),
    row(43, Class::Human,    C::CardUnusable),
    row(70, Class::Human,    C::CardUnusable),
    said(44, Class::Never,   C::Refused, "Issue a new card: this one has expired."),
    said(45, Class::Never,   C::Refused, "Issue a new card: this one has been cancelled."),
    said(46, Class::Never,   C::Refused, "Issue a new card: a newer one took this one's place."),
    // the server
    said(57, Class::Operator, C::PermissionMissing, "Allow the Visionline user longer stays: the server does not let it give out this window."),
    row(72, Class::Vague,    C::ServerError),
    row(73, Class::Retry,    C::ServerError),
];

/// The failure that a number or, without a row for it, a status stands for.
pub(crate) fn error(verb: Verb, status: StatusCode, code: Option<i64>, codes_are_result_codes: bool) -> VendorError {
    let row = TABLE.iter().find(|row| codes_are_result_codes && Some(row.code) == code);
    let (class, condition, remedy) = match row {
        Some(row) => (row.class, row.condition, row.remedy),
        None => by_status(status),
    };
    let outcome = match class {
        Class::Retry => EffectOutcome::Retryable { after: None },
        Class::Soon => EffectOutcome::Retryable { after: Some(Duration::from_secs(2)) },
        Class::Human => EffectOutcome::Retryable { after: Some(Duration::from_secs(10)) },
        Class::Vague if verb.mutating => EffectOutcome::Unconfirmed,
        Class::Vague => EffectOutcome::Retryable { after: None },
        Class::Operator | Class::Never => EffectOutcome::Permanent,
    };
    let error = VendorError::new(NAME, verb.name, condition, outcome);
    match code {
        Some(code) => error.numbered(code, remedy),
        None => error.advising(remedy),
    }
}

fn by_status(status: StatusCode) -> (Class, C, &'static str) {
    let (class, condition) = match status.as_u16() {
        400 | 415 | 422 => (Class::Never, C::InvalidRequest),
        401 => (Class::Operator, C::AccessRefused),
        403 => (Class::Operator, C::PermissionMissing),
        404 => {
            let remedy = "Compare the names of doors and encoders in the property's set-up with Visionline: it does not know one of them.";
            return (Class::Operator, C::LockUnknown, remedy);
        }
        408 => (Class::Vague, C::NoAnswer),
        400..=499 => (Class::Never, C::Refused),
        500..=599 => (Class::Vague, C::ServerError),
        _ => (Class::Vague, C::BadAnswer),
    };
    (class, condition, condition.remedy())
}

#[cfg(test)]
mod tests {
    use super::*;

    const ENCODE: Verb = Verb::change("cards/encode");
    const LIST: Verb = Verb::read("cards/list");

    #[test]
    fn each_number_has_one_row_and_a_sentence() {
        codes::check(TABLE);
    }

    #[test]
    fn numbers_count_only_when_they_are_taken_for_result_codes() {
        let busy = error(ENCODE, StatusCode::CONFLICT, Some(4), true);
        assert_eq!((busy.condition(), busy.vendor_code()), (C::EncoderBusy, Some(4)));
        let unknown = error(ENCODE, StatusCode::CONFLICT, Some(4), false);
        assert_eq!((unknown.condition(), unknown.outcome()), (C::Refused, EffectOutcome::Permanent));
    }

    #[test]
    fn a_trouble_of_the_server_is_no_proof_of_nothing_done() {
        let internal = StatusCode::INTERNAL_SERVER_ERROR;
        assert_eq!(error(ENCODE, internal, None, true).outcome(), EffectOutcome::Unconfirmed);
        assert_eq!(error(ENCODE, internal, Some(9_999), true).outcome(), EffectOutcome::Unconfirmed);
        assert_eq!(error(LIST, internal, None, true).outcome(), EffectOutcome::Retryable { after: None });
        assert_eq!(error(ENCODE, StatusCode::FOUND, None, true).outcome(), EffectOutcome::Unconfirmed);
    }
}

//! What the vendor's numbers mean for us.
//!
//! Numbers and meanings: TTLock "Error code" page. The class is our reading: the vendor does not say which failures leave no effect.
//!
//! | class | read | changing call |
//! |---|---|---|
//! | `Retry` | try again | try again: the command did not reach the lock |
//! | `Soon` / `Late` | try again after 2 s / 1 min | the same |
//! | `Vague` | try again | nobody knows whether it took effect |
//! | `Token` | renew the token, repeat once | the same: refused before anything was done |
//! | `Operator` | somebody has to change something | the same |
//! | `Wait` | try again after an hour, and tell somebody | the same |
//! | `Never` | no use | no use |
//! | `Gone` | the credential does not exist | for a deletion: done |

use std::time::Duration;

use super::NAME;
use crate::codes::{self, row, said};
use crate::error::{Condition as C, EffectOutcome, VendorError};

/// What to do about a number.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Class {
    Retry,
    Soon,
    Late,
    Vague,
    Token,
    Operator,
    Wait,
    Never,
    Gone,
}

pub(crate) type Row = codes::Row<Class>;

#[rustfmt::skip]
const TABLE: &[Row] = &[
    // general
    row(1,     Class::Vague,    C::Failed),
    row(-3,    Class::Never,    C::InvalidRequest),
    row(80002, Class::Never,    C::InvalidRequest),
    row(90000, Class::Vague,    C::ServerError),
    row(80000, Class::Retry,    C::ClockSkew),
    // access
    said(10000, Class::Operator, C::AccessRefused, "Correct the client id in the property's set-up: TTLock does not know the application."),
    said(10001, Class::Operator, C::AccessRefused, "Correct the client secret in the property's set-up: it does not belong to the client id."),
    row(10003, Class::Token,    C::AccessRefused),
    row(10004, Class::Token,    C::AccessRefused),
    said(10007, Class::Operator, C::AccessRefused, "Correct the TTLock user name or password in the property's set-up; it is the app's account, not the developer's."),
    said(10011, Class::Operator, C::AccessRefused, "Log in to TTLock again from the property's set-up: the login has been ended."),
    said(30005, Class::Operator, C::AccessRefused, "Store the TTLock password as MD5, 32 lowercase hexadecimal digits."),
    row(30008, Class::Operator, C::WrongRegion),
    row(20002, Class::Operator, C::PermissionMissing),
    row(-2018, Class::Operator, C::PermissionMissing),
    said(-3046, Class::Operator, C::PermissionMissing, "Give the TTLock account the right to unlock remotely."),
    // limits
    row(30006, Class::Late,     C::RateLimited),
    row(30007, Class::Wait,     C::QuotaExhausted),
    // accounts
    said(30002, Class::Never,   C::InvalidRequest, "Use letters and digits only in the TTLock user name."),
    said(30003, Class::Never,   C::Refused, "Choose another TTLock user name: this one exists."),
    said(30004, Class::Never,   C::Refused, "Nothing to delete: the TTLock user can't be removed by this application."),
    said(-4063, Class::Never,   C::Refused, "Move the locks to another TTLock account first: this one still owns some."),
    // locks
    row(-1003, Class::Never,    C::LockUnknown),
    row(-2025, Class::Operator, C::LockFrozen),
    said(-1007, Class::Operator, C::LockNotReady, "Reset the lock's passcodes in the TTLock app: the cloud has no passcode data for it."),
    said(-3034, Class::Operator, C::LockNotReady, "Connect the lock to WiFi in the TTLock app."),
    said(-3035, Class::Operator, C::LockNotReady, "Switch off the lock's power-saving mode in the TTLock app: it can't be reached at will."),
    row(-3036, Class::Retry,    C::LockOffline),
    row(-3037, Class::Soon,     C::LockBusy),
    row(-4043, Class::Operator, C::FeatureMissing),
    said(-4067, Class::Never,   C::LockNotReady, "Register the lock's NB-IoT module in the TTLock app."),
    said(-4082, Class::Never,   C::InvalidRequest, "Use an auto-lock time within the lock's range."),
    // gateways
    said(-2012, Class::Retry,   C::LockOffline, "Bring a gateway within about ten metres of the lock, or check the lock's battery; we go on trying."),
    row(-3002, Class::Retry,    C::GatewayOffline),
    row(-3003, Class::Soon,     C::GatewayBusy),
    row(-4037, Class::Operator, C::GatewayUnknown),
    // passcodes
    row(-1026, Class::Never,    C::PeriodUsed),
    row(-2009, Class::Gone,     C::CredentialGone),
    row(-2032, Class::Never,    C::PinTooSimple),
    row(-3006, Class::Never,    C::PinLength),
    row(-3007, Class::Never,    C::PinTaken),
    row(-3008, Class::Never,    C::NeverUsed),
    row(-3009, Class::Operator, C::LockFull),
    row(-4056, Class::Operator, C::LockFull),
    // ekeys and cards
    row(-1008, Class::Gone,     C::CredentialGone),
    row(-1021, Class::Gone,     C::CredentialGone),
    said(-1027, Class::Never,   C::Refused, "Send the key to another TTLock account: this one belongs to another platform."),
    said(-4064, Class::Never,   C::Refused, "Have the receiver register with TTLock first."),
    said(-2019, Class::Never,   C::Refused, "Send the key to another account: one can't send a key to oneself."),
    said(-2020, Class::Never,   C::Refused, "Send the key to another account: an administrator needs none."),
    said(-2023, Class::Never,   C::Refused, "Issue a new key: this one's period can't be changed."),
    said(-3011, Class::Never,   C::Refused, "Choose another account: a lock can't be transferred to its owner."),
    said(-3016, Class::Never,   C::Refused, "Choose another account: a gateway can't be transferred to its owner."),
    said(-3039, Class::Never,   C::Refused, "Ask for a shorter period: our own key for this lock ends earlier."),
];

/// A number without a row: it did not happen as far as we can tell, and nobody knows what would help.
const UNKNOWN: Row = row(0, Class::Never, C::Refused);

pub(crate) fn find(code: i64) -> &'static Row {
    TABLE.iter().find(|row| row.code == code).unwrap_or(&UNKNOWN)
}

/// The failure that a number stands for.
pub(crate) fn error(verb: &'static str, code: i64, mutating: bool, vague_is_unconfirmed: bool) -> VendorError {
    let row = find(code);
    let outcome = match row.class {
        Class::Retry | Class::Token => EffectOutcome::Retryable { after: None },
        Class::Soon => EffectOutcome::Retryable { after: Some(Duration::from_secs(2)) },
        Class::Late => EffectOutcome::Retryable { after: Some(Duration::from_secs(60)) },
        Class::Wait => EffectOutcome::Retryable { after: Some(Duration::from_secs(3_600)) },
        Class::Vague if mutating && vague_is_unconfirmed => EffectOutcome::Unconfirmed,
        Class::Vague => EffectOutcome::Retryable { after: None },
        Class::Operator | Class::Never | Class::Gone => EffectOutcome::Permanent,
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
        assert_eq!(error("add", 1, true, true).outcome(), EffectOutcome::Unconfirmed);
        assert_eq!(error("list", 1, false, true).outcome(), EffectOutcome::Retryable { after: None });
        assert_eq!(error("add", 90000, true, false).outcome(), EffectOutcome::Retryable { after: None });
    }

    #[test]
    fn an_unknown_number_is_permanent_and_kept() {
        let unknown = error("add", -12_345, true, true);
        assert_eq!((unknown.outcome(), unknown.vendor_code()), (EffectOutcome::Permanent, Some(-12_345)));
    }
}

//! What the vendor's numbers mean for us.
//!
//! `ErrorCode` and status: measured by third parties on the acceptance system, where the same code came as a number and as a text. The
//! class is our reading.
//!
//! | class | means |
//! |---|---|
//! | `Token` | the login is not taken any more: renew it, repeat once; nothing was done |
//! | `Settle` | a part of the cloud does not know yet what another has confirmed: repeat; nothing was done |
//! | `Operator` | somebody has to change something; nothing was done |
//! | `Never` | no use; nothing was done |
//! | `Trouble` | the vendor has trouble of its own: a change may have been made |

use std::time::Duration;

use super::NAME;
use super::session::Verb;
use crate::codes::{self, row, said};
use crate::error::{Condition as C, EffectOutcome, VendorError};

/// Not found. Also: not known yet.
pub(crate) const NOT_FOUND: i64 = 2202;
/// No permission. Also: the new user's role is not known yet.
pub(crate) const NO_PERMISSION: i64 = 2203;
/// HTTP status of a refused login; the vendor's own codes begin at 1000.
pub(crate) const UNAUTHORIZED: i64 = 401;
/// Statuses of a path that the server does not know, when they come without a code.
pub(crate) const NO_ROUTE: [i64; 2] = [404, 405];

const RATE_LIMIT_PAUSE: Duration = Duration::from_secs(30);
const SETTLE_PAUSE: Duration = Duration::from_secs(10);

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Class {
    Token,
    Settle,
    Operator,
    Never,
    Trouble,
}

type Row = codes::Row<Class>;

/// `ErrorCode`s, and statuses that came without one.
#[rustfmt::skip]
const TABLE: &[Row] = &[
    said(1100, Class::Operator, C::InvalidRequest, "Correct the site's id (its UUID, not the short code) and the locks' ids in the property's set-up."),
    row(1101,  Class::Never,    C::InvalidRequest),
    row(1102,  Class::Never,    C::InvalidRequest),
    row(NOT_FOUND,     Class::Settle, C::NotSettled),
    row(NO_PERMISSION, Class::Settle, C::NotSettled),
    said(3102, Class::Operator, C::FeatureMissing, "Activate the hub for the integration's own account, by the API and never in the vendor's app."),
    row(UNAUTHORIZED, Class::Token, C::AccessRefused),
    said(403,  Class::Operator, C::PermissionMissing, "Make the integration's KS user an administrator of the site."),
    row(404,   Class::Trouble,  C::ServerError),
    row(405,   Class::Never,    C::InvalidRequest),
    row(415,   Class::Never,    C::InvalidRequest),
];

fn find(code: i64) -> Option<&'static Row> {
    TABLE.iter().find(|row| row.code == code)
}

/// The failure that an answer stands for.
pub(crate) fn error(verb: Verb, status: u16, code: Option<i64>, retry_after: Option<Duration>) -> VendorError {
    let number = code.unwrap_or_else(|| i64::from(status));
    if status == 429 {
        let after = Some(retry_after.unwrap_or(RATE_LIMIT_PAUSE));
        return VendorError::new(NAME, verb.name, C::RateLimited, EffectOutcome::Retryable { after })
            .numbered(number, C::RateLimited.remedy());
    }
    if status >= 500 {
        return trouble(verb, C::ServerError).numbered(number, C::ServerError.remedy());
    }
    let Some(row) = find(number) else {
        // A client's fault by its status, or something that stands before the vendor.
        let error = if (400..500).contains(&status) {
            VendorError::new(NAME, verb.name, C::Refused, EffectOutcome::Permanent)
        } else {
            trouble(verb, C::BadAnswer)
        };
        let remedy = error.condition().remedy();
        return error.numbered(number, remedy);
    };
    let outcome = match row.class {
        Class::Token => EffectOutcome::Retryable { after: None },
        Class::Settle => EffectOutcome::Retryable { after: Some(SETTLE_PAUSE) },
        Class::Operator | Class::Never => EffectOutcome::Permanent,
        Class::Trouble => trouble(verb, row.condition).outcome(),
    };
    VendorError::new(NAME, verb.name, row.condition, outcome).numbered(number, row.remedy)
}

/// After something was sent: a change may have been made, a read can be repeated.
pub(crate) fn trouble(verb: Verb, condition: C) -> VendorError {
    let outcome = if verb.mutating { EffectOutcome::Unconfirmed } else { EffectOutcome::Retryable { after: None } };
    VendorError::new(NAME, verb.name, condition, outcome)
}

/// Whether it is the vendor's "not found" or "no permission" that a repetition may heal.
pub(crate) fn unsettled(error: &VendorError) -> bool {
    error.vendor_code().and_then(find).is_some_and(|row| row.class == Class::Settle)
}

#[cfg(test)]
mod tests {
    use super::*;

    const CHANGE: Verb = Verb::post("POST guests");
    const READ: Verb = Verb::get("GET users");

    #[test]
    fn each_number_has_one_row_and_a_sentence() {
        codes::check(TABLE);
    }

    #[test]
    fn outcomes_by_status_and_code() {
        use EffectOutcome::{Permanent, Retryable, Unconfirmed};
        let soon = Retryable { after: None };
        let settle = Retryable { after: Some(SETTLE_PAUSE) };
        for (status, code, change, read) in [
            (400, Some(1100), Permanent, Permanent),
            (400, Some(1101), Permanent, Permanent),
            (400, Some(7777), Permanent, Permanent),
            (401, None, soon, soon),
            (403, None, Permanent, Permanent),
            (403, Some(2203), settle, settle),
            (404, Some(2202), settle, settle),
            (404, None, Unconfirmed, soon),
            (405, None, Permanent, Permanent),
            (500, None, Unconfirmed, soon),
            (500, Some(2202), Unconfirmed, soon),
            (503, None, Unconfirmed, soon),
            (302, None, Unconfirmed, soon),
        ] {
            assert_eq!(error(CHANGE, status, code, None).outcome(), change, "{status} {code:?}");
            assert_eq!(error(READ, status, code, None).outcome(), read, "{status} {code:?}");
        }
    }

    #[test]
    fn a_rate_limit_waits_as_told() {
        for (told, waits) in [(None, RATE_LIMIT_PAUSE), (Some(Duration::from_secs(7)), Duration::from_secs(7))] {
            let limited = error(CHANGE, 429, None, told);
            assert_eq!(limited.condition(), C::RateLimited);
            assert_eq!(limited.outcome(), EffectOutcome::Retryable { after: Some(waits) });
        }
    }
}

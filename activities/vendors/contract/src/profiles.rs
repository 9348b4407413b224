//! What the suite has to know of each vendor beside its capabilities: a lock that does not exist, the call that makes a key, and rows
//! of its error table that can be played.

use lock_vendors::error::Condition;
use serde_json::{Value, json};

/// Which call of the port meets a failure.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum By {
    /// Looking for a key.
    Find,
    /// Making one.
    Issue,
}

/// A row of a vendor's error table.
#[derive(Debug, Clone)]
pub struct Failure {
    /// The vendor's call.
    pub verb: &'static str,
    /// What to order of it.
    pub kind: Value,
    /// Which call of the port meets it.
    pub by: By,
    /// What the adapter has to make of it.
    pub condition: Condition,
    /// What it has to know of the effect: `retryable`, `permanent` or `unconfirmed`.
    pub outcome: &'static str,
}

/// What is known of one vendor.
#[derive(Debug, Clone)]
pub struct Profile {
    /// Its name.
    pub name: &'static str,
    /// The field of its configuration that holds the address.
    pub address: &'static str,
    /// The id of a lock that does not exist, in the vendor's form.
    pub no_such_lock: &'static str,
    /// Calls carry a token or session that can end.
    pub login: bool,
    /// The call that makes a key with digits, and that which writes a card.
    pub makes: (&'static str, &'static str),
    /// How to say that it is done and never answered.
    pub silence: Value,
    /// A call that `find` makes, and how to say that there were too many.
    pub limited: Option<(&'static str, Value)>,
    /// Rows of its error table.
    pub failures: Vec<Failure>,
}

/// A row that says what a number, status or word means.
fn row(verb: &'static str, kind: Value, by: By, condition: Condition, outcome: &'static str) -> Failure {
    Failure { verb, kind, by, condition, outcome }
}

/// The profile of a vendor; none for one without a public wire.
#[must_use]
pub fn profile(vendor: &str) -> Option<Profile> {
    use By::{Find, Issue};
    use Condition as C;
    let (retry, never, unsure) = ("retryable", "permanent", "unconfirmed");
    match vendor {
        "ttlock" => {
            let (list, add) = ("lock/listKeyboardPwd", "keyboardPwd/add");
            let number = |n: i64| json!({ "kind": "errcode", "n": n });
            Some(Profile {
                name: "ttlock",
                address: "base_url",
                no_such_lock: "999999999",
                login: true,
                makes: (add, add),
                silence: json!({ "kind": "act_then_timeout" }),
                limited: Some((list, number(30006))),
                failures: vec![
                    row(list, number(1), Find, C::Failed, retry),
                    row(list, number(90000), Find, C::ServerError, retry),
                    row(list, number(20002), Find, C::PermissionMissing, never),
                    row(list, number(30007), Find, C::QuotaExhausted, retry),
                    row(list, number(-1003), Find, C::LockUnknown, never),
                    row(list, json!({ "kind": "html" }), Find, C::BadAnswer, retry),
                    row(list, json!({ "kind": "down" }), Find, C::ServerError, retry),
                    row(add, number(1), Issue, C::Failed, unsure),
                    row(add, number(-3002), Issue, C::GatewayOffline, retry),
                    row(add, number(-3009), Issue, C::LockFull, never),
                    row(add, json!({ "kind": "drop" }), Issue, C::NoAnswer, unsure),
                ],
            })
        }
        "salto_ks" => {
            let (list, add) = ("GET users", "POST guests");
            let status = |status: u16| json!({ "kind": "status", "status": status });
            Some(Profile {
                name: "salto_ks",
                address: "base_url",
                no_such_lock: "00000000-0000-4000-8000-000000000000",
                login: true,
                makes: (add, add),
                silence: json!({ "kind": "act_then_timeout" }),
                limited: Some((list, json!({ "kind": "status", "status": 429, "retry_after": 3 }))),
                failures: vec![
                    row(list, status(403), Find, C::PermissionMissing, never),
                    row(list, status(415), Find, C::InvalidRequest, never),
                    row(list, status(500), Find, C::ServerError, retry),
                    row(list, json!({ "kind": "html" }), Find, C::BadAnswer, retry),
                    row(list, json!({ "kind": "mid_body" }), Find, C::NoAnswer, retry),
                    row(add, status(500), Issue, C::ServerError, unsure),
                    row(add, json!({ "kind": "drop" }), Issue, C::NoAnswer, unsure),
                ],
            })
        }
        "salto_ship" => {
            let (list, add) = ("SaltoDBUserList.Read", "SaltoDBUser.Insert");
            let number = |n: i64| json!({ "kind": "exception", "n": n });
            Some(Profile {
                name: "salto_ship",
                address: "url",
                no_such_lock: "no-such-door",
                login: false,
                makes: (add, "Encoder.SaltoDBUser.AssignNewKey"),
                silence: json!({ "kind": "act_then_silence" }),
                limited: None,
                failures: vec![
                    row(list, number(13), Find, C::LicenceMissing, never),
                    row(list, number(101), Find, C::RecordLocked, retry),
                    row(list, number(1), Find, C::ServerError, retry),
                    row(list, json!({ "kind": "garbage" }), Find, C::BadAnswer, retry),
                    row(list, json!({ "kind": "wrong_types" }), Find, C::BadAnswer, retry),
                    row(add, number(4), Issue, C::Failed, unsure),
                    row(add, number(301), Issue, C::QuotaExhausted, never),
                ],
            })
        }
        "salto_pms" => {
            let letters = |letters: &str| json!({ "kind": "refusal", "letters": letters });
            Some(Profile {
                name: "salto_pms",
                address: "address",
                no_such_lock: "9999",
                login: false,
                makes: ("CN", "CN"),
                silence: json!({ "kind": "act_then_silence" }),
                limited: None,
                failures: vec![
                    row("LT", letters("NC"), Issue, C::EncoderOffline, retry),
                    row("LT", letters("EV"), Issue, C::CardUnusable, retry),
                    row("CN", letters("ES"), Issue, C::InvalidRequest, never),
                    row("CN", letters("OV"), Issue, C::EncoderBusy, retry),
                    row("CN", letters("OS"), Issue, C::RoomOutOfService, never),
                    row("CN", letters("EG"), Issue, C::Failed, unsure),
                ],
            })
        }
        "visionline" => {
            let (list, encode) = ("cards/list", "cards/encode");
            let error = |status: u16, code: i64| json!({ "kind": "error", "status": status, "code": code });
            Some(Profile {
                name: "visionline",
                address: "base_url",
                no_such_lock: "no-such-door",
                login: true,
                makes: ("cards/mobileAccess", encode),
                silence: json!({ "kind": "act_then_timeout" }),
                limited: Some((list, json!({ "kind": "rate_limited", "retry_after_s": 3 }))),
                failures: vec![
                    row(list, json!({ "kind": "http_status", "code": 403 }), Find, C::PermissionMissing, never),
                    row(list, json!({ "kind": "html" }), Find, C::BadAnswer, retry),
                    row(list, json!({ "kind": "reset_mid_body" }), Find, C::NoAnswer, retry),
                    row(encode, error(500, 3), Issue, C::EncoderOffline, retry),
                    row(encode, error(500, 41), Issue, C::CardMissing, retry),
                    row(encode, error(500, 72), Issue, C::ServerError, unsure),
                    row(encode, error(400, 57), Issue, C::PermissionMissing, never),
                ],
            })
        }
        _ => None,
    }
}

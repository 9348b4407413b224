//! The vendor's numbered answers, as the wire carries them.
//!
//! Source: TTLock Open Platform, "Error code" page. Every answer has HTTP status 200; a number other than 0 is a failure.

use serde_json::{Value, json};

/// A failure as the vendor numbers it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Errcode(pub(crate) i64);

pub(crate) const INVALID_PARAMETER: Errcode = Errcode(-3);
pub(crate) const CLIENT_UNKNOWN: Errcode = Errcode(10000);
pub(crate) const CLIENT_MISMATCH: Errcode = Errcode(10001);
pub(crate) const TOKEN_UNKNOWN: Errcode = Errcode(10003);
pub(crate) const TOKEN_EXPIRED: Errcode = Errcode(10004);
pub(crate) const LOGIN_REFUSED: Errcode = Errcode(10007);
pub(crate) const REFRESH_INVALID: Errcode = Errcode(10011);
pub(crate) const NOT_LOCK_ADMIN: Errcode = Errcode(20002);
pub(crate) const PASSWORD_NOT_MD5: Errcode = Errcode(30005);
pub(crate) const TOO_FREQUENT: Errcode = Errcode(30006);
pub(crate) const QUOTA_EXHAUSTED: Errcode = Errcode(30007);
pub(crate) const DATE_TOO_FAR: Errcode = Errcode(80000);
pub(crate) const LOCK_MISSING: Errcode = Errcode(-1003);
pub(crate) const PERIOD_USED: Errcode = Errcode(-1026);
pub(crate) const PASSCODE_MISSING: Errcode = Errcode(-2009);
pub(crate) const NOT_NEAR_GATEWAY: Errcode = Errcode(-2012);
pub(crate) const LOCK_FROZEN: Errcode = Errcode(-2025);
pub(crate) const TOO_SIMPLE: Errcode = Errcode(-2032);
pub(crate) const GATEWAY_OFFLINE: Errcode = Errcode(-3002);
pub(crate) const GATEWAY_BUSY: Errcode = Errcode(-3003);
pub(crate) const BAD_LENGTH: Errcode = Errcode(-3006);
pub(crate) const SAME_CODE_EXISTS: Errcode = Errcode(-3007);
pub(crate) const NEVER_USED: Errcode = Errcode(-3008);
pub(crate) const CODE_SPACE_FULL: Errcode = Errcode(-3009);
pub(crate) const LOCK_OFFLINE: Errcode = Errcode(-3036);
pub(crate) const GATEWAY_MISSING: Errcode = Errcode(-4037);

impl Errcode {
    /// The short text beside the number.
    fn message(self) -> &'static str {
        match self.0 {
            -3 => "Invalid Parameter",
            10000 => "client_id does not exist",
            10001 => "invalid client",
            10003 => "invalid token",
            10004 => "invalid grant",
            10007 => "invalid account or invalid password",
            10011 => "invalid refresh_token",
            20002 => "not lock admin",
            30005 => "password must be md5 encrypted",
            30006 => "api call is too frequent",
            30007 => "monthly call limit reached",
            80000 => "date must be the current time, within 5 minutes",
            -1003 => "lock does not exist",
            -1026 => "this period has been issued and deleted",
            -2009 => "passcode does not exist",
            -2012 => "the lock is not connected to any gateway",
            -2025 => "lock is frozen",
            -2032 => "passcode is too simple",
            -3002 => "the gateway is offline",
            -3003 => "the gateway is busy",
            -3006 => "invalid passcode length",
            -3007 => "the same passcode already exists",
            -3008 => "a passcode that has never been used can not be changed",
            -3009 => "no room left for custom passcodes",
            -3036 => "the lock is offline",
            -4037 => "gateway does not exist",
            90000 => "internal server error",
            _ => "failed",
        }
    }

    /// The whole answer body.
    pub(crate) fn body(self) -> Value {
        json!({ "errcode": self.0, "errmsg": self.message(), "description": self.message() })
    }
}

/// The body of a command that has nothing to return.
pub(crate) fn done() -> Value {
    json!({ "errcode": 0, "errmsg": "none error message", "description": "success" })
}

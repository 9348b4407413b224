//! What calls are for, and how many each vendor takes for the same: the bridge from one vendor's calls to another's.
//!
//! Counts per act are those of the adapters here when all is well, read off their code; what a vendor can't do is made of what it can: a
//! change is a deletion and a new key.

use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use utoipa::ToSchema;

/// What a call is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum Act {
    /// A key is made.
    Issue,
    /// A key gets another window.
    Change,
    /// A key is taken away.
    Revoke,
    /// Keys or a key are looked up.
    Read,
    /// A lock's clock is read or set.
    Clock,
    /// The vendor is asked how it is: devices, gateways, records.
    Watch,
    /// Somebody logs in.
    SignIn,
}

impl Act {
    /// Every act.
    pub const ALL: [Self; 7] =
        [Self::Issue, Self::Change, Self::Revoke, Self::Read, Self::Clock, Self::Watch, Self::SignIn];
}

/// How often each was done.
pub type Acts = BTreeMap<Act, u64>;

/// What a vendor's call stands for: the one call of an act that is made exactly once in it. The act's other calls count for nothing of
/// their own, so that no act is counted twice.
pub fn act_of(vendor: &str, verb: &str) -> Option<Act> {
    Some(match (vendor, verb) {
        ("ttlock", "keyboardPwd/add" | "keyboardPwd/get") => Act::Issue,
        ("ttlock", "keyboardPwd/change") => Act::Change,
        ("ttlock", "keyboardPwd/delete") => Act::Revoke,
        ("ttlock", "lock/listKeyboardPwd") => Act::Read,
        ("ttlock", "lock/queryDate" | "lock/updateDate") => Act::Clock,
        ("ttlock", "lock/list" | "gateway/list" | "gateway/listLock" | "lockRecord/list") => Act::Watch,
        ("ttlock", "oauth2/token") => Act::SignIn,
        ("salto_ks", "POST guests") => Act::Issue,
        ("salto_ks", "PATCH users/{id}") => Act::Change,
        ("salto_ks", "DELETE users/{id}") => Act::Revoke,
        ("salto_ks", "GET users/{id}") => Act::Read,
        ("salto_ks", "GET iqs" | "GET locks" | "GET entries") => Act::Watch,
        ("salto_ks", "POST connect/token") => Act::SignIn,
        ("salto_ship", "SaltoDBUser.Insert") => Act::Issue,
        ("salto_ship", "SaltoDBUser.Update") => Act::Change,
        ("salto_ship", "SaltoDBUser.Delete") => Act::Revoke,
        ("salto_ship", "SaltoDBUserList.Read") => Act::Read,
        ("salto_ship", "SaltoDBDoorList.Read" | "SaltoDBAuditTrail.Read") => Act::Watch,
        ("salto_pms", "CN" | "CC" | "CNM" | "CCM") => Act::Issue,
        ("salto_pms", "MC") => Act::Change,
        ("salto_pms", "CO") => Act::Revoke,
        ("visionline", "cards/encode" | "cards/mobileAccess") => Act::Issue,
        ("visionline", "doors/checkOut") => Act::Revoke,
        ("visionline", "cards/list") => Act::Read,
        ("visionline", "doors/list" | "encoders/list") => Act::Watch,
        // A Visionline session belongs to the act that it is opened for: it is no login elsewhere.
        _ => return None,
    })
}

/// The calls that a vendor takes for an act; none if it can't do it, and nothing else that it can does the same.
pub fn calls_of(vendor: &str, act: Act) -> Option<&'static [(&'static str, u64)]> {
    Some(match (vendor, act) {
        ("ttlock", Act::Issue) => &[("keyboardPwd/add", 1)],
        ("ttlock", Act::Change) => &[("keyboardPwd/change", 1)],
        ("ttlock", Act::Revoke) => &[("keyboardPwd/delete", 1)],
        ("ttlock", Act::Read) => &[("lock/listKeyboardPwd", 1)],
        ("ttlock", Act::Clock) => &[("lock/queryDate", 1)],
        ("ttlock", Act::Watch) => &[("lock/list", 1)],
        ("ttlock", Act::SignIn) => &[("oauth2/token", 1)],
        ("salto_ks", Act::Issue) => &[
            ("GET users", 2),
            ("POST guests", 1),
            ("PATCH users/{id}", 1),
            ("POST access_groups/{id}/users", 1),
            ("PUT users/{id}/pin", 1),
        ],
        ("salto_ks", Act::Change) => &[("GET users/{id}", 1), ("PATCH users/{id}", 1)],
        ("salto_ks", Act::Revoke) => &[("DELETE users/{id}", 1), ("GET users/{id}", 1)],
        ("salto_ks", Act::Read) => &[("GET users", 1), ("GET users/{id}", 1)],
        ("salto_ks", Act::Watch) => &[("GET iqs", 1)],
        ("salto_ks", Act::SignIn) => &[("POST connect/token", 1)],
        ("salto_ship", Act::Issue) => &[("SaltoDBUser.Insert", 1)],
        ("salto_ship", Act::Change) => &[("SaltoDBUserList.Read", 1), ("SaltoDBUser.Update", 1)],
        ("salto_ship", Act::Revoke) => &[("SaltoDBUserList.Read", 1), ("SaltoDBUser.Delete", 1)],
        ("salto_ship", Act::Read) => &[("SaltoDBUserList.Read", 1)],
        ("salto_ship", Act::Watch) => &[("SaltoDBDoorList.Read", 1)],
        ("salto_pms", Act::Issue) => &[("LT", 1), ("CN", 1)],
        // No card changes from afar: the guest gets another one.
        ("salto_pms", Act::Change) => &[("CO", 1), ("LT", 1), ("CN", 1)],
        ("salto_pms", Act::Revoke) => &[("CO", 1)],
        ("visionline", Act::Issue) => {
            &[("sessions/open", 1), ("cards/list", 1), ("cards/encode", 1), ("sessions/close", 1)]
        }
        ("visionline", Act::Change) => &[
            ("sessions/open", 2),
            ("cards/list", 2),
            ("doors/checkOut", 1),
            ("cards/encode", 1),
            ("sessions/close", 2),
        ],
        ("visionline", Act::Revoke) => {
            &[("sessions/open", 1), ("cards/list", 1), ("doors/checkOut", 1), ("sessions/close", 1)]
        }
        ("visionline", Act::Read) => &[("sessions/open", 1), ("cards/list", 1), ("sessions/close", 1)],
        ("visionline", Act::Watch) => &[("sessions/open", 1), ("doors/list", 1), ("sessions/close", 1)],
        // A session belongs to each of the above.
        ("visionline", Act::SignIn) => &[],
        // These wires have no login.
        ("salto_ship" | "salto_pms", Act::SignIn) => &[],
        _ => return None,
    })
}

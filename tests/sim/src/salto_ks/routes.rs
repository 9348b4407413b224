//! The calls that this cloud knows. What is not here was invented by somebody.

use std::collections::BTreeMap;

use serde_json::Value;

use super::world::{BAD_PARAMETER, Failure, Outcome, World};
use super::{groups, site, users};

/// A call under `/{version}/sites`.
#[derive(Debug)]
pub(crate) struct Asked<'a> {
    pub(crate) version: &'a str,
    /// Segments behind the site's id.
    pub(crate) path: &'a [String],
    pub(crate) query: &'a BTreeMap<String, String>,
    pub(crate) body: Option<Value>,
}

impl Asked<'_> {
    pub(crate) fn id(&self, at: usize) -> &str {
        self.path.get(at).map(String::as_str).unwrap_or_default()
    }

    pub(crate) fn query(&self, name: &str) -> Option<&str> {
        self.query.get(name).map(String::as_str)
    }

    pub(crate) fn skip(&self) -> Result<usize, Failure> {
        self.query("$skip").map_or(Ok(0), |text| text.parse().map_err(|_| BAD_PARAMETER))
    }
}

pub(crate) type Handler = fn(&mut World, &Asked<'_>) -> Outcome;

/// What a path is.
pub(crate) enum Route {
    /// A call: its name and what does it.
    Call(&'static str, Handler),
    /// Known in another version or by another method.
    NotAllowed,
    /// Refused to the scope that tokens here have.
    Forbidden,
    /// Nothing.
    Unknown,
}

/// Finds a call by method, version and the path behind the site's id.
pub(crate) fn find(method: &str, version: &str, path: &[String]) -> Route {
    let path: Vec<&str> = path.iter().map(String::as_str).collect();
    let call = |name, handler: Handler| Route::Call(name, handler);
    match (method, version, path.as_slice()) {
        (_, "v2", [.., "permissions"]) => Route::Forbidden,
        ("GET", "v1.2", []) => call("GET site", site::site),
        ("GET", "v1.2", ["subscription"]) => call("GET subscription", site::subscription),
        ("GET", "v1.2", ["locks"]) => call("GET locks", site::locks),
        ("PATCH", "v1.1" | "v1.2", ["locks", _, "locking"]) => call("PATCH locks/{id}/locking", site::locking),
        ("GET", "v1.2", ["iqs"]) => call("GET iqs", site::iqs),
        ("GET", "v1.1", ["entries"]) => call("GET entries", site::entries),
        ("GET", "v1.1" | "v1.2", ["users"]) => call("GET users", users::list),
        ("POST", "v1.2", ["guests"]) => call("POST guests", users::add_guest),
        ("GET", "v1.2", ["users", _]) => call("GET users/{id}", users::get),
        ("PATCH", "v1.2", ["users", _]) => call("PATCH users/{id}", users::change),
        ("DELETE", "v1.2", ["users", _]) => call("DELETE users/{id}", users::delete),
        ("PUT", "v1.2", ["users", _, "pin"]) => call("PUT users/{id}/pin", users::set_pin),
        ("GET", "v1.2", ["users", _, "keys"]) => call("GET users/{id}/keys", users::keys),
        ("GET", "v1.2", ["users", _, "access_groups"]) => call("GET users/{id}/access_groups", users::access_groups),
        ("PATCH", "v1.2", ["users", _, "subscription"]) => call("PATCH users/{id}/subscription", users::subscription),
        ("GET", "v1.2", ["access_groups"]) => call("GET access_groups", groups::list),
        ("POST", "v1.2", ["access_groups"]) => call("POST access_groups", groups::add),
        ("DELETE", "v1.2", ["access_groups", _]) => call("DELETE access_groups/{id}", groups::delete),
        ("GET", "v1.2", ["access_groups", _, "locks"]) => call("GET access_groups/{id}/locks", groups::locks),
        ("POST", "v1.2", ["access_groups", _, "locks"]) => call("POST access_groups/{id}/locks", groups::add_lock),
        ("GET", "v1.2", ["access_groups", _, "users"]) => call("GET access_groups/{id}/users", groups::users),
        ("POST", "v1.2", ["access_groups", _, "users"]) => call("POST access_groups/{id}/users", groups::join),
        ("DELETE", "v1.2", ["access_groups", _, "users", _]) => {
            call("DELETE access_groups/{id}/users/{id}", groups::leave)
        }
        ("GET", "v1.1", ["access_groups", _, "time_schedules"]) => {
            call("GET access_groups/{id}/time_schedules", groups::schedules)
        }
        ("POST", "v1.1", ["access_groups", _, "time_schedules"]) => {
            call("POST access_groups/{id}/time_schedules", groups::add_schedule)
        }
        ("DELETE", "v1.1", ["access_groups", _, "time_schedules", _]) => {
            call("DELETE access_groups/{id}/time_schedules/{id}", groups::delete_schedule)
        }
        (_, "v1.2", ["entries"] | ["access_groups", _, "time_schedules", ..]) => Route::NotAllowed,
        _ => Route::Unknown,
    }
}

//! What we take for granted without having seen it at a real server, in one place. Each can be changed in the property's
//! configuration, under `assumptions`, without a release.

use serde::Deserialize;

/// The assumptions. The defaults are what public client code does, or what is likely.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Assumptions {
    /// Path of the check-out below `/api/v1`, with `{door}` for the door's name. The body `{"checkedOut":true}` was seen in a client, the
    /// path was not. Empty: there is none, and a key can't be taken away before it ends.
    pub check_out_path: String,
    /// Path of the list of encoders below `/api/v1`. Empty: there is none, and encoders are not listed.
    pub encoders_path: String,
    /// `code` in an error is the result code of the vendor's older PMS protocol, where it has a row in our table. When false only the HTTP
    /// status counts.
    pub codes_are_result_codes: bool,
    /// A card that the server lists has been written.
    pub listed_means_written: bool,
    /// A key for a telephone that the server lists without a status has reached it.
    pub listed_means_delivered: bool,
    /// `operation` of a door that a guest opens.
    pub guest_operation: String,
    /// How far this server's clock and ours may be apart, in seconds, before a refused login is put down to that.
    pub clock_tolerance_s: u32,
}

impl Default for Assumptions {
    fn default() -> Self {
        Self {
            check_out_path: "/doors/{door}".to_owned(),
            encoders_path: String::new(),
            codes_are_result_codes: true,
            listed_means_written: true,
            listed_means_delivered: true,
            guest_operation: "guest".to_owned(),
            clock_tolerance_s: 300,
        }
    }
}

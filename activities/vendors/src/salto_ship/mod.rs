//! SALTO Space by SHIP: XML over raw TCP (STP) or HTTP, to a server on the property's LAN.
//!
//! Quirks, assumptions and what is not verified against a real server: `README.md` beside this file. It fails as the table in
//! `errors.rs` says; below the vendor's protocol, a changing call without a whole answer is unconfirmed.

mod adapter;
mod config;
mod errors;
mod records;
mod session;
mod users;

pub(crate) use adapter::SaltoShip;
pub use config::{Access, Assumed, SaltoShipConfig};
pub use lock_wires::salto_ship::{codec, stp, xml};

/// The vendor's name in metrics, task queues and configuration.
pub const NAME: &str = "salto_ship";

/// Reads a message's elements as everything that we read from a server, for fuzzing: none may panic or take long.
#[cfg(any(test, feature = "fuzz"))]
pub(crate) fn read_anything(message: &codec::Message) {
    use jiff::tz::TimeZone;

    fn walk(element: &xml::Element) {
        drop((records::number(element), records::record(element, &TimeZone::UTC)));
        drop(users::User::read(element, &TimeZone::UTC).map(users::User::credential));
        element.children().iter().for_each(walk);
    }
    if let codec::Message::Call { params, .. } | codec::Message::Reply { params, .. } = message {
        params.iter().for_each(walk);
    }
}

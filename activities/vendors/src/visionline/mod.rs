//! ASSA ABLOY Visionline, the "Hospitality Web API" of a server in the hotel.
//!
//! Sessions, signed requests, a pinned certificate, cards that a named encoder writes, and keys for telephones. What it can't do, and
//! what is not verified against a real server: `README.md` beside this file. It must not know what a stay is; a card knows its doors
//! and its window only. It fails as the table in `errors.rs` says; below the vendor's protocol, a changing call without a whole answer
//! is unconfirmed.

mod adapter;
mod assumptions;
pub mod callbacks;
mod certificate;
mod config;
mod errors;
mod local_time;
mod session;
mod signature;
mod wire;

pub(crate) use adapter::Visionline;
pub use assumptions::Assumptions;
pub use config::{CardFormat, DateHeader, SessionUse, VisionlineConfig};

/// The vendor's name in metrics, task queues and configuration.
pub const NAME: &str = "visionline";

/// Reads bytes as every answer of the server, for fuzzing: none may panic or take long.
#[cfg(any(test, feature = "fuzz"))]
pub(crate) fn read_anything(bytes: &[u8]) {
    wire::read_anything(bytes);
    drop(callbacks::parse(bytes));
    if let Ok(text) = std::str::from_utf8(bytes) {
        let _ = local_time::instants(text, text, &jiff::tz::TimeZone::UTC);
        let _ = certificate::Pin::from_text(text);
    }
}

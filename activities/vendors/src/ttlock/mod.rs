//! TTLock Open Platform, cloud API v3.
//!
//! Quirks, assumptions and what is not verified against the real cloud: `README.md` beside this file. It fails as the table in
//! `errors.rs` says; below the vendor's protocol, a changing call without a whole answer is unconfirmed.

mod adapter;
mod config;
mod errors;
mod records;
mod session;
mod wire;

pub(crate) use adapter::Ttlock;
pub use config::{ReadMethod, TtlockConfig};

/// The vendor's name in metrics, task queues and configuration.
pub const NAME: &str = "ttlock";

/// Reads bytes as every answer of the cloud, for fuzzing: none may panic or take long.
#[cfg(any(test, feature = "fuzz"))]
pub(crate) fn read_anything(bytes: &[u8]) {
    wire::read_anything(bytes);
}

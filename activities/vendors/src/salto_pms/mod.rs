//! SALTO Space by the PMS "industry standard": frames over TCP, to a server on the property's LAN.
//!
//! Quirks, assumptions and what is not verified against a real server: `README.md` beside this file. It fails as the table in
//! `errors.rs` says; once a command that writes was offered, only a readable reply, a refusal, or the card itself tells what was done.

mod adapter;
mod config;
mod errors;
mod reference;
mod session;

pub(crate) use adapter::SaltoPms;
pub use config::{Assumed, SaltoPmsConfig};
pub use lock_wires::salto_pms::{command, dialogue, frame, reply};

/// The vendor's name in metrics, task queues and configuration.
pub const NAME: &str = "salto_pms";

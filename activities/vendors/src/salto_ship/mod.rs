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

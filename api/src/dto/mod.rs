//! What goes over the wire: bodies of requests and answers, each with its schema.
//!
//! They must not know how anything is stored or decided. Fields are only added; a request refuses fields that it doesn't know.

mod cost;
mod device;
mod health;
mod held;
mod inbound;
mod incident;
mod inventory;
mod outage;
mod place;
mod property;
mod request;
mod stay;
mod vault;
mod vendor_flags;
mod webhook;

pub use cost::*;
pub use device::*;
pub use health::*;
pub use held::*;
pub use inbound::*;
pub use incident::*;
pub use inventory::*;
pub use outage::*;
pub use place::*;
pub use property::*;
pub use request::*;
pub use stay::*;
pub use vault::*;
pub use vendor_flags::*;
pub use webhook::*;

//! The activities that the workflows call: where rules meet the world.
//!
//! An activity may run twice, be killed anywhere, and run beside a forgotten twin of itself; each one says how it copes. Errors that it
//! returns mean "run me again"; everything else is a result.

mod adapters;
mod alive;
mod attempts;
mod cards_out;
mod chunks;
mod contract;
mod drain;
mod effects;
mod failure;
pub mod health;
pub mod inbound;
mod inventory;
mod key_effects;
mod key_step;
mod ledger;
pub mod maintenance;
mod outcome;
mod places;
mod record;
mod recording;
pub mod streams;
mod vault;
pub mod vendor_step;
mod whole_key;

pub use contract::ContractChecks;
pub use drain::Drains;
pub use effects::Effects;
pub use inventory::Inventories;
pub use ledger::Ledger;
pub use maintenance::Maintenance;
pub use record::Records;
pub use vault::Vault;

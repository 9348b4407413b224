//! The activities that the workflows call: where rules meet the world.
//!
//! An activity may run twice, be killed anywhere, and run beside a forgotten twin of itself; each one says how it copes. Errors that it
//! returns mean "run me again"; everything else is a result.

mod adapters;
mod attempts;
mod effects;
mod failure;
pub mod health;
pub mod inbound;
mod outcome;
mod record;
pub mod vendor_step;

pub use effects::Effects;
pub use record::Records;

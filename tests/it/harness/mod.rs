//! How a test here reads: `let hotel = Hotel::open().await;`, then requests as a PMS would send them, then what the locks say.

pub mod api;
mod client;
pub mod collector;
mod doors;
pub mod faults;
pub mod histories;
mod hotel;
pub mod house;
pub mod invariants;
mod probing;
mod shared;
mod site;
mod standby;
pub mod still;
pub mod temporal;
mod until;

pub use client::{Answer, Client};
pub use hotel::Hotel;
pub use shared::shared;
pub use site::{SetUp, Site};
pub use standby::Standby;
pub use until::until;

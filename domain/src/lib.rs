//! The rules of hotel key orchestration, as pure functions and tables.
//!
//! What stands here decides *what* must be true of a guest's keys: which verb is allowed in which phase of a stay, which effect at
//! the lock vendor comes next, which window a credential gets, which PIN is too weak, what an audit event says in words.
//!
//! It must not know how anything is carried out: no async, no clock, no randomness, no SQL, no Temporal, no HTTP. Time and random
//! digits come in as arguments. A rule that can't be applied is an error value, never a panic.

pub mod clock;
pub mod command;
pub mod contract;
pub mod cost;
pub mod credential;
pub mod device;
pub mod drain;
pub mod event;
pub mod guard;
pub mod health;
pub mod ids;
pub mod inventory;
pub mod pin;
pub mod policy;
pub mod problem;
pub mod slots;
pub mod stay;
pub mod vault;
pub mod vendor;
pub mod vendor_flags;
pub mod webhook;
pub mod window;

/// An instant in UTC with nanoseconds, as everywhere in this workspace.
pub use jiff::Timestamp;

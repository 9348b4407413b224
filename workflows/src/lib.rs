//! Temporal workflow definitions, and the interfaces of the activities that they call.
//!
//! Workflow code is replayed: the same history must lead to the same commands. So nothing here reads a clock, draws a random number,
//! looks at the environment or iterates over a hash map (`clippy.toml` of this crate refuses those). Every decision is a pure function
//! of `lock-domain`; what stands here is only the order of things: when to decide, when to act, when to sleep.
//!
//! It must not know how an effect is carried out: no SQL, no vendor, no HTTP.

pub mod activities;
pub mod key_lifecycle;
pub mod search;

pub use activities::{Batch, Performed, StaySnapshot};
pub use key_lifecycle::{CommandAnswer, KeyLifecycle, StayStart};

/// The queue of the workflows themselves and of their short database writes.
pub const QUEUE_STAYS: &str = "stays";

/// The queue of a vendor's activities; its server-side rate limit is the vendor's.
pub fn vendor_queue(vendor: &str) -> String {
    format!("vendor-{vendor}")
}

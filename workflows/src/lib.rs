//! Temporal workflow definitions, and the interfaces of the activities that they call.
//!
//! Workflow code is replayed: the same history must lead to the same commands. So nothing here reads a clock, draws a random number,
//! looks at the environment or iterates over a hash map (`clippy.toml` of this crate refuses those). Every decision is a pure function
//! of `lock-domain`; what stands here is only the order of things: when to decide, when to act, when to sleep.
//!
//! It must not know how an effect is carried out: no SQL, no vendor, no HTTP.

pub mod activities;
pub mod contract_check;
pub mod drain;
pub mod inventory;
pub mod key_lifecycle;
pub mod maintenance;
pub mod rotation;
pub mod search;

pub use activities::{Batch, LockBatch, LocksLooked, Performed, StaySnapshot, Survey, SurveyAsk};
pub use contract_check::{CONTRACT_TRIES, ContractCheck, ContractDone, ContractStart};
pub use drain::{Drain, DrainSeen, DrainStart};
pub use inventory::{Inventory, InventoryStart};
pub use key_lifecycle::{CommandAnswer, KeyLifecycle, StayStart};
pub use maintenance::{LookNow, Maintenance, MaintenanceStart, Upkeep, WakeLocks};
pub use rotation::{KeyRotation, RotationProgress, RotationStage, RotationStart};

/// The queue of workflows that belong to no vendor.
pub const QUEUE_STAYS: &str = "stays";

/// The queue of a vendor: its properties' stays, and the activities at that vendor. Its server-side rate limit is the vendor's.
pub fn vendor_queue(vendor: &str) -> String {
    format!("vendor-{vendor}")
}

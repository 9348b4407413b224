//! A TTLock cloud (API v3) with locks and gateways behind it.
//!
//! What is modelled: the wire (form and query merged, HTTP 200 with `errcode` bodies), tokens, quotas, the cloud's list of
//! passcodes *and* what really stands in each lock, gateways with one radio each, the lock's own drifting clock, and the record of
//! every try at a keypad. The two lists differ exactly where they differ in life: `addType=1` without a Bluetooth write leaves a
//! code that the cloud lists and no door opens for; `deleteType=1` leaves a code that opens and that the cloud has forgotten.
//!
//! Beside the vendor's paths the same server answers `/sim/...` (JSON), where a test creates rooms, types a PIN, moves the clock and
//! orders faults.

mod auth;
mod callbacks;
mod calls;
mod control;
mod devices;
mod dispatch;
mod errcode;
mod fault;
mod journal;
mod lock;
mod params;
mod passcode;
mod passcode_list;
mod persist;
mod radio;
mod seed;
mod server;
mod sim;
mod stats;
mod views;
mod world;

pub use callbacks::{CallbackOrder, CallbackSent};
pub use fault::{Fault, FaultKind, FaultOrder};
pub use journal::{Effect, JournalEntry};
pub use seed::{
    DEFAULT_CLIENT_ID, DEFAULT_CLIENT_SECRET, DEFAULT_PASSWORD_MD5, DEFAULT_USERNAME, SeedSpec, Seeded, SeededLock,
};
pub use server::{SimError, SimHandle, SimOptions, SimServer};
pub use sim::TtlockSim;
pub use stats::Stats;
pub use views::{
    CodeState, CredentialState, GatewayPatch, GatewayState, LockAlarm, LockPatch, LockState, PolicyPatch, TokenExpiry,
    TryOutcome, TryReason,
};

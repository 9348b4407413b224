//! One contract suite for every lock vendor: whether an adapter, and what is behind its address, do what the port promises.
//!
//! The same checks run against a simulator, a vendor's sandbox, by hand (`cargo xtask contract`) and every night from a workflow. What
//! is checked follows from the adapter's capabilities, not from its name; what is known of one vendor alone is a row in [`profiles`].
//! A check that can't be made is skipped and says why.
//!
//! It makes keys under names of its own at one lock that no guest uses, and takes them away again. It must not know a tenant, a stay or
//! a database. It fails only when the vendor can't be reached at all; everything else is in the report.

mod checks;
pub mod faults;
mod notes;
pub mod profiles;
pub mod simulator;
mod suite;
mod trouble;

pub use suite::{Setup, SuiteError, Target, run};

/// The edition of the suite. It goes up when a check or a fact changes, so that runs of two editions are not compared.
pub const EDITION: u32 = 1;

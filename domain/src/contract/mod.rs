//! What a lock vendor's interface did when it was tried out, and how two such reports differ: whether a vendor keeps its contract.
//!
//! A report holds facts that are the same in each run as long as the vendor does the same: no ids, no instants, no digits. So two
//! reports can be compared field by field, and what differs is a change at the vendor, or of what an account may do.
//!
//! It must not know how a vendor is tried out, nor who keeps reports. It can't fail.

mod drift;
mod incident;
mod report;
#[cfg(test)]
mod tests;

pub use drift::{Difference, DifferenceKind, Judgement, completed, judge};
pub use incident::{Incident, IncidentState};
pub use report::{ANSWERS, Check, CheckOutcome, Facts, Report};

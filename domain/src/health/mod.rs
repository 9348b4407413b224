//! Whether a lock vendor can be reached from a property, and when to leave it alone for a while: the circuit breaker.
//!
//! Rounds of probes of several kinds give [`Evidence`]; a round's [`Verdict`] is a consensus, never one probe's word; verdicts move a
//! [`Breaker`], which opens and closes with hysteresis. What only one lock or one gateway has to say never counts against the link of
//! a property, and what one property has to say never counts against a vendor ([`vendor_wide`]).
//!
//! It must not know how a probe is made, who keeps the state, or what waits meanwhile. It can't fail.

mod breaker;
mod evidence;
mod force;
mod ladder;
mod notice;
#[cfg(test)]
mod tests;

pub use breaker::{Breaker, BreakerState, Moved, Step, Tuning};
pub use evidence::{Evidence, Finding, ProbeKind, Reach, Verdict, passive, verdict};
pub use force::{ForceReason, Forced};
pub use ladder::{LinkView, VendorOpinion, vendor_wide};
pub use notice::{notice, outage_notice};

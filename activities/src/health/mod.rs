//! The health of properties' links to their lock vendors: rounds of probes, what calls for guests tell on the way, and whether an effect
//! may be sent. The rules are `lock_domain::health`; the state is in the record, shared by all workers.
//!
//! It must not know stays. If the record does not answer, nothing is probed and nothing is held back.

mod evidence;
mod gate;
mod observed;
mod prober;
mod probes;

pub use gate::{Circuits, Gate};
pub(crate) use observed::Observed;
pub use prober::Prober;

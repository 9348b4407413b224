//! Measures the service from outside, beside what the same server takes for nothing (`lock-bench floor`), so that numbers can be
//! compared between machines as ratios.
//!
//! Nothing here asserts a time. It fails when the stack doesn't answer or a request is refused.

mod adapters;
mod cpu;
mod events;
mod intake;
mod load;
mod memory;
mod stats;
mod tool;

pub use adapters::{AdapterCost, measure_adapters};
pub use cpu::CpuTimes;
pub use events::{VerbCost, count_events};
pub use intake::{Intake, measure_intake};
pub use load::{Measured, measure};
pub use memory::{resident_kib, sleeping_stay_kib};
pub use stats::Times;
pub use tool::Tool;

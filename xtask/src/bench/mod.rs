//! Measures the service from outside, beside what the same server takes for nothing (`lock-bench floor`), so that numbers can be
//! compared between machines as ratios.
//!
//! Nothing here asserts a time. It fails when the stack doesn't answer or a request is refused.

mod cpu;
mod events;
mod load;
mod memory;
mod stats;
mod tool;

pub use cpu::CpuTimes;
pub use events::{VerbCost, count_events};
pub use load::{Measured, measure};
pub use memory::{resident_kib, sleeping_stay_kib};
pub use stats::Times;
pub use tool::Tool;

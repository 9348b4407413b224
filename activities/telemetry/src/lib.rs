//! How the processes can be watched: logs, traces across processes, and metrics.
//!
//! - [`init`] sets up logging and, if an endpoint is given, the export of spans over OTLP.
//! - [`propagation`] carries the W3C trace context over HTTP headers, commands and workflow headers.
//! - [`metrics`] has every Prometheus metric of our own.
//!
//! It must not know what the processes do, and nothing here may stop one: what can't be set up is reported on standard error and left
//! out.

pub mod metrics;
pub mod propagation;
mod setup;

pub use propagation::{current_traceparent, set_parent};
pub use setup::{Guard, init};

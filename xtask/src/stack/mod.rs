//! The local stack: real PostgreSQL, Temporal and NATS, started as child processes on free ports of 127.0.0.1.
//!
//! Used by `cargo xtask up` and by the integration tests. It must not know what the service does with the three parts.
//! Every wait is bounded, and every failure names the log to read and the remedy.

mod deployment;
mod dynamic_config;
mod http;
mod moto;
mod nats;
mod options;
mod pidfile;
mod poll;
mod ports;
mod postgres;
mod process;
mod progress;
mod root;
mod running;
mod secret;
mod server;
mod services;
mod spec;
mod state;
pub mod stop;
mod temporal;
mod tools;
mod user;
mod wheels;

pub use deployment::Deployment;
pub use dynamic_config::{DynamicValue, TESTS_YAML, TUNED_YAML, parse_flat_yaml};
pub use http::get as http_get;
pub use moto::Moto;
pub use options::StackOptions;
pub use poll::wait_until;
pub use ports::free_port;
pub use process::{ManagedProcess, ProcessSpec, Signal, sweep_leftovers};
pub use progress::{Progress, Step};
pub use root::wipe;
pub use running::{Part, Stack};
pub use services::{API, SIM, Service, Services, WORKER, build_binaries};
pub use state::{StackState, StateFile, SupervisorId};
pub use temporal::SEARCH_ATTRIBUTES;
pub use tools::{Origin, Tool, Tools};

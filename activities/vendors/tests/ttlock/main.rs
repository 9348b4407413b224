//! The TTLock adapter against a server that speaks TTLock's wire: what the port promises, whatever the wire does.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod access;
mod devices;
mod effects;
mod faults;
mod support;
mod table;

//! Behaviour from outside: real PostgreSQL, Temporal and NATS, our worker and API, and a simulated lock vendor.
//!
//! One stack, one worker and one API serve all tests of this binary. Each test has a tenant, a property and a simulator of its own, so
//! that tests run side by side and can break their vendor as they like. Tests that kill processes have a stack of their own.
#![allow(missing_docs, unreachable_pub, clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod accepted;
mod alerts;
mod bad_input;
mod breaker;
mod budget;
mod cards;
mod clocks;
mod codec;
mod codes;
mod collector;
mod contract;
mod costs;
mod device_alerts;
mod drain;
mod events;
mod every_step;
mod feed_guard;
mod forgotten;
mod giving_way;
mod harness;
mod idempotency;
mod intake;
mod inventory;
mod kill;
mod lifecycle;
mod maintenance;
mod one_shot;
mod pins;
mod places;
mod race;
mod recorded;
mod reinstate;
mod replay;
mod salto_ks;
mod seeing;
mod shares;
mod skipping;
mod streams;
mod tenancy;
mod tracing;
mod upgrade;
mod vault;
mod vault_aws;
mod vault_roots;
mod vendor_flags;
mod visionline;
mod webhooks;

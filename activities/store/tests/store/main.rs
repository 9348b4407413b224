//! The store against a real PostgreSQL: each test has a database of its own, copied from one that was migrated once.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod append_only;
mod auth;
mod breakers;
mod claims;
mod cluster;
mod commands;
mod contracts;
mod costs;
mod devices;
mod drains;
mod effects;
mod held;
mod idempotency;
mod inventories;
mod keys;
mod lock_order;
mod log;
mod made_pins;
mod owner;
mod pins;
mod places;
mod pool;
mod properties;
mod rls;
mod rls_matrix;
mod round_trips;
mod schema;
mod stays;
mod streams;
mod vault;
mod webhooks;
mod world;

//! Publishes the tenants' logs: from the outbox in the database to NATS JetStream, as CloudEvents.
//!
//! It must not know what an event means; it carries each from the log to the stream, in the log's order, at least once, and never skips
//! one. While NATS or the database is away it waits and tries again; events stay in the outbox meanwhile.

pub mod cloudevent;
mod queue;
pub mod relay;

pub use cloudevent::CloudEvent;
pub use relay::OutboxRelay;

//! The port to the workflow engine: hand a command to the stay's workflow, wait for its verdict, pass on a moved clock.
//!
//! Handlers know this trait only. What is behind it may be down: then a command that stands in the database is delivered later by the
//! dispatcher, and the caller is told so.

mod temporal;
pub use temporal::{Temporal, TemporalSettings};

use async_trait::async_trait;
use lock_domain::{
    clock::ClockOffset,
    command::Command,
    ids::{PropertyId, StayId, TenantId},
    problem::Code,
    stay::StayRef,
};
use lock_workflows::{DrainStart, InventoryStart, RotationStart, StayStart};
use std::time::Duration;

/// To whom a command goes.
#[derive(Debug, Clone)]
pub enum Target {
    /// A stay that begins with this command.
    Begin(Box<StayStart>),
    /// A stay that exists.
    Existing(StayRef),
}

/// What became of a command.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Submission {
    /// The workflow has it, and no verdict came within the wait.
    Accepted,
    /// It has a verdict, and the verdict stands in the record.
    Settled,
    /// The workflow refused it: nothing was done, nothing will be.
    Refused(Code),
}

/// Why a command could not be handed over. It may have arrived all the same.
#[derive(Debug, thiserror::Error)]
pub enum EngineError {
    /// No answer in time.
    #[error("the workflow engine did not answer in time")]
    Timeout,
    /// The stay's workflow is not running: not yet, or not any more.
    #[error("the stay's workflow is not running")]
    NotRunning,
    /// The connection or the server failed.
    #[error("the workflow engine failed: {0}")]
    Failed(String),
}

/// Hands commands to workflows.
#[async_trait]
pub trait StayEngine: Send + Sync + 'static {
    /// Delivers a command, then waits up to `wait` for its verdict. A command that comes twice has one effect.
    async fn submit(&self, target: Target, command: Command, wait: Duration) -> Result<Submission, EngineError>;

    /// Tells stays that their property's clock was moved, and returns those that have heard it: not those whose workflow is over, or has not
    /// begun.
    async fn move_clock(&self, stays: &[StayRef], offset: ClockOffset) -> Result<Vec<StayId>, EngineError>;

    /// Has all devices of a property looked at now, whatever the hour. It may be told twice.
    async fn look_after_devices(&self, tenant: TenantId, property: PropertyId) -> Result<(), EngineError>;

    /// Begins the drain of an outage. It may be told twice.
    async fn begin_drain(&self, start: DrainStart) -> Result<(), EngineError>;

    /// Begins a rotation of a tenant's keys. It may be told twice.
    async fn begin_rotation(&self, start: RotationStart) -> Result<(), EngineError>;

    /// Begins an inventory. It may be told twice.
    async fn begin_inventory(&self, start: InventoryStart) -> Result<(), EngineError>;

    /// Whether the engine answers.
    async fn ready(&self) -> Result<(), EngineError>;
}

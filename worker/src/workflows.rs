//! The workflows that a worker runs: one list, for all queues and for whoever replays histories.
//!
//! A workflow that is not registered here does not run, and one that is has to have recorded histories: the replay tests read this list. It
//! must not know what a workflow does. It fails where two have the same name.

use lock_workflows::{ContractCheck, Drain, Inventory, KeyLifecycle, KeyRotation, Maintenance};
use temporalio_common::WorkflowDefinition;
use temporalio_sdk::{
    WorkerOptions,
    workflow_replayer::WorkflowReplayerOptions,
    workflows::{WorkflowImplementation, WorkflowRegistrationError},
};

/// Something that takes workflow types.
pub trait Registry {
    /// Takes one.
    ///
    /// # Errors
    /// Another one has its name.
    fn take<W>(&mut self) -> Result<(), WorkflowRegistrationError>
    where
        W: WorkflowImplementation,
        <W::Run as WorkflowDefinition>::Input: Send;
}

impl Registry for WorkerOptions {
    fn take<W>(&mut self) -> Result<(), WorkflowRegistrationError>
    where
        W: WorkflowImplementation,
        <W::Run as WorkflowDefinition>::Input: Send,
    {
        self.register_workflow::<W>().map(|_| ())
    }
}

impl Registry for WorkflowReplayerOptions {
    fn take<W>(&mut self) -> Result<(), WorkflowRegistrationError>
    where
        W: WorkflowImplementation,
        <W::Run as WorkflowDefinition>::Input: Send,
    {
        self.register_workflow::<W>().map(|_| ())
    }
}

/// Registers all workflows.
///
/// # Errors
/// Two have the same name.
pub fn register(registry: &mut impl Registry) -> Result<(), WorkflowRegistrationError> {
    registry.take::<KeyLifecycle>()?;
    registry.take::<ContractCheck>()?;
    registry.take::<Drain>()?;
    registry.take::<Maintenance>()?;
    registry.take::<KeyRotation>()?;
    registry.take::<Inventory>()
}

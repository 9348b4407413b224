//! One workflow per inventory: has a property's locks read, ten at a time and no faster than a vendor's quota allows, until each has its result.
//!
//! ```text
//! begin → read ten locks of a vendor → wait until their share of the minute is over → read the next ten → … → the last of them ends it
//! ```
//! Which locks are left is in the record, so a step that is lost, repeated or late reads what is left and no more, and the history has
//! ids and counts only. Somebody who cancels an inventory does so in the record: the next step finds nothing left. A step costs 11
//! history events; the run continues as new after [`HISTORY_LIMIT`], which is about 400 locks.
//!
//! How it fails: a step that can't be taken is taken again, less and less often, for ever. A lock that can't be read is a result, not a
//! failure. Cancelling the workflow does nothing.

#![allow(
    missing_docs,
    clippy::unimplemented,
    reason = "the macros add undocumented items, and demand bodies that are never called"
)]

use crate::{QUEUE_STAYS, vendor_queue};
use jiff::Timestamp;
use lock_domain::{
    ids::TenantId,
    inventory::{InventoryRef, LISTS_PER_MINUTE, LOCKS_AT_ONCE},
};
use serde::{Deserialize, Serialize};
use std::time::Duration;
use temporalio_macros::{activity_definitions, workflow, workflow_methods};
use temporalio_workflow::{
    ActivityCloseTimeouts, ActivityOptions, ContinueAsNewOptions, RetryPolicy, TimerOptions, WorkflowCancellationToken,
    WorkflowContext, WorkflowContextView, WorkflowResult, common::ActivityError,
};

/// After so many history events the workflow continues as new.
const HISTORY_LIMIT: u32 = 450;
/// One try at ten locks: each may take a vendor's whole time-out.
const TRY_TIMEOUT: Duration = Duration::from_secs(240);
const HEARTBEAT: Duration = Duration::from_secs(6);

/// What the workflow starts with.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct InventoryStart {
    /// Whose, and which.
    pub id: InventoryRef,
    /// The vendor whose locks are next, as an earlier run hands on.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub vendor: Option<String>,
}

/// Locks to read.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct InventoryAsk {
    /// Whose, and which.
    pub id: InventoryRef,
    /// At this vendor.
    pub vendor: String,
}

/// What a step came to.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct InventoryStep {
    /// Whose; it also tells the history's encryption whose key to use.
    pub tenant: TenantId,
    /// So many locks' lists were asked for.
    pub asked: u32,
    /// The vendor whose locks are next; `None` if the inventory is over.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub next: Option<String>,
}

/// The steps, as activities: the first on the workflows' queue, reading on the vendor's.
pub struct InventoryActivities;
pub use inventory_activities::{InventoryBegin, InventoryRead};

#[activity_definitions]
impl InventoryActivities {
    /// Notes that it has begun, and settles what no wire can list. Safe to run twice.
    #[activity(name = "inventory_begin")]
    pub fn inventory_begin(id: InventoryRef) -> Result<InventoryStep, ActivityError> {
        unimplemented!()
    }

    /// Reads the next locks at a vendor and keeps what was found. Safe to run twice.
    #[activity(name = "inventory_read")]
    pub fn inventory_read(ask: InventoryAsk) -> Result<InventoryStep, ActivityError> {
        unimplemented!()
    }
}

/// The workflow.
#[workflow]
pub struct Inventory {
    start: InventoryStart,
}

#[workflow_methods]
impl Inventory {
    #[init]
    fn new(_ctx: &WorkflowContextView, start: InventoryStart) -> Self {
        Self { start }
    }

    /// Reads until nothing is left.
    #[run(name = "Inventory")]
    pub async fn run(ctx: &mut WorkflowContext<Self>) -> WorkflowResult<()> {
        let InventoryStart { id, mut vendor } = ctx.state(|s| s.start.clone());
        if vendor.is_none() {
            let options = Self::options(QUEUE_STAYS.to_owned());
            vendor = ctx.execute_activity(InventoryActivities::inventory_begin, id, options).await?.next;
        }
        while let Some(name) = vendor {
            let begun = Self::now(ctx);
            let options = Self::options(vendor_queue(&name));
            let ask = InventoryAsk { id, vendor: name };
            let step = ctx.execute_activity(InventoryActivities::inventory_read, ask, options).await?;
            vendor = step.next;
            if vendor.is_some() {
                Self::pace(ctx, begun, pause(step.asked)).await;
                if ctx.history_length() > HISTORY_LIMIT || ctx.continue_as_new_suggested() {
                    let options = ContinueAsNewOptions::builder().task_queue(QUEUE_STAYS.to_owned()).build();
                    ctx.continue_as_new(InventoryStart { id, vendor }, options)?;
                    return Ok(());
                }
            }
        }
        Ok(())
    }
}

impl Inventory {
    fn now(ctx: &WorkflowContext<Self>) -> Timestamp {
        ctx.workflow_time().and_then(|t| Timestamp::try_from(t).ok()).unwrap_or(Timestamp::UNIX_EPOCH)
    }

    fn options(queue: String) -> ActivityOptions {
        let retry = RetryPolicy::builder()
            .initial_interval(Duration::from_secs(1))
            .maximum_interval(Duration::from_secs(60))
            .build();
        ActivityOptions::with_close_timeouts(ActivityCloseTimeouts::StartToClose(TRY_TIMEOUT))
            .task_queue(queue)
            .heartbeat_timeout(HEARTBEAT)
            .retry_policy(retry)
            .cancellation_token(WorkflowCancellationToken::new())
            .build()
    }

    /// Waits until `length` after `since`, whatever happens meanwhile.
    async fn pace(ctx: &mut WorkflowContext<Self>, since: Timestamp, length: Duration) {
        let until = since.saturating_add(length).unwrap_or(since);
        let left = Duration::try_from(until.duration_since(Self::now(ctx))).unwrap_or_default();
        if !left.is_zero() {
            let timer = TimerOptions::builder(left).cancellation_token(WorkflowCancellationToken::new()).build();
            ctx.timer(timer).await;
        }
    }
}

/// So many locks have so much of a minute for themselves.
fn pause(asked: u32) -> Duration {
    Duration::from_secs(60) * asked.min(LOCKS_AT_ONCE) / LISTS_PER_MINUTE
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_pace_is_kept() {
        assert_eq!([0, 1, 10, 11].map(|n| pause(n).as_secs()), [0, 2, 20, 20]);
    }
}

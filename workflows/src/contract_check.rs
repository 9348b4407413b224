//! One run of the contract suite against a property's lock vendor, as a schedule starts it every night.
//!
//! It has one activity, which tries the vendor out and settles what came of it. A vendor that is not there is tried again after a while; a
//! night on which it never answers is recorded as such, and is no incident. Nothing of a guest is touched.

#![allow(missing_docs, reason = "the macros add items without documentation beside each documented method")]

use crate::{QUEUE_STAYS, activities::ContractActivities};
use lock_domain::ids::{PropertyId, TenantId};
use serde::{Deserialize, Serialize};
use std::time::Duration;
use temporalio_macros::{workflow, workflow_methods};
use temporalio_workflow::{
    ActivityCloseTimeouts, ActivityOptions, RetryPolicy, WorkflowContext, WorkflowContextView, WorkflowResult,
};

/// So often a vendor that is not there is tried.
pub const CONTRACT_TRIES: u32 = 3;
/// From try to try.
const AGAIN_AFTER: Duration = Duration::from_secs(600);
/// A run takes a minute or two, more with people at encoders.
const RUN_TIMEOUT: Duration = Duration::from_secs(900);
const HEARTBEAT: Duration = Duration::from_secs(30);

/// Whose vendor is to be tried out.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ContractStart {
    /// The customer.
    pub tenant: TenantId,
    /// The hotel, a sandbox.
    pub property: PropertyId,
    /// Its lock vendor.
    pub vendor: String,
}

impl ContractStart {
    /// The id of the schedule, and the beginning of the ids of its workflows: a function of what is tried out.
    pub fn schedule_id(&self) -> String {
        format!("{SCHEDULES}{}/{}/{}", self.tenant, self.property, self.vendor)
    }
}

/// What the ids of all such schedules begin with.
pub const SCHEDULES: &str = "contract/";

/// What came of a run.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ContractDone {
    /// Whose; it also tells the history's encryption whose key to use.
    pub tenant: TenantId,
    /// `adopted`, `same`, `drift`, `restored`, `silent` or `away`; none if nothing is to be checked any more.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub verdict: Option<String>,
}

/// The workflow.
#[workflow]
pub struct ContractCheck {
    start: ContractStart,
}

#[workflow_methods]
impl ContractCheck {
    #[init]
    fn new(_ctx: &WorkflowContextView, start: ContractStart) -> Self {
        Self { start }
    }

    /// Tries the vendor out.
    #[run(name = "ContractCheck")]
    pub async fn run(ctx: &mut WorkflowContext<Self>) -> WorkflowResult<ContractDone> {
        let start = ctx.state(|s| s.start.clone());
        let retry = RetryPolicy::builder()
            .initial_interval(AGAIN_AFTER)
            .backoff_coefficient(1.0)
            // One more than the activity itself counts: its last try settles the run.
            .maximum_attempts(CONTRACT_TRIES + 1)
            .build();
        let options = ActivityOptions::with_close_timeouts(ActivityCloseTimeouts::StartToClose(RUN_TIMEOUT))
            .task_queue(QUEUE_STAYS.to_owned())
            .heartbeat_timeout(HEARTBEAT)
            .retry_policy(retry)
            .build();
        Ok(ctx.execute_activity(ContractActivities::check_contract, start, options).await?)
    }
}

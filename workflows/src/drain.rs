//! One workflow per outage of a vendor at a property: sends stays that wait to other vendors' doors or to the desk, as the property's policy
//! says.
//!
//! It looks, sleeps on one timer for as long as the look said, and looks again, until the outage is over. Each look reads the record anew, plans
//! by a pure function and writes down what is to be done; so a look that is lost, repeated or late does no harm, and who was refused by one
//! vendor goes to the next at the next look. A look costs 11 history events; the run continues as new after [`HISTORY_LIMIT`].
//!
//! How it fails: a look that can't be made is made again, for ever, and stays go on waiting for their own vendor meanwhile. Cancelling does
//! nothing to stays.

#![allow(missing_docs, reason = "the macros add items without documentation beside each documented method")]

use crate::{QUEUE_STAYS, activities::DrainActivities};
use lock_domain::ids::{OutageId, PropertyId, TenantId};
use serde::{Deserialize, Serialize};
use std::time::Duration;
use temporalio_macros::{workflow, workflow_methods};
use temporalio_workflow::{
    ActivityCloseTimeouts, ActivityOptions, ContinueAsNewOptions, RetryPolicy, TimerOptions, WorkflowCancellationToken,
    WorkflowContext, WorkflowContextView, WorkflowResult,
};

/// After so many history events the workflow continues as new.
const HISTORY_LIMIT: u32 = 1_000;
/// One look is a few statements.
const LOOK_TIMEOUT: Duration = Duration::from_secs(10);

/// Which outage.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct DrainStart {
    /// The customer.
    pub tenant: TenantId,
    /// The hotel.
    pub property: PropertyId,
    /// The outage.
    pub outage: OutageId,
}

impl DrainStart {
    /// The workflow's id: a function of the outage, so that a second start meets the first.
    pub fn workflow_id(&self) -> String {
        format!("drain/{}/{}/{}", self.tenant, self.property, self.outage)
    }
}

/// What a look came to.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct DrainSeen {
    /// Whose; it also tells the history's encryption whose key to use.
    pub tenant: TenantId,
    /// When to look again; `None` if the outage is over.
    pub again_after: Option<Duration>,
}

/// The workflow.
#[workflow]
pub struct Drain {
    start: DrainStart,
}

#[workflow_methods]
impl Drain {
    #[init]
    fn new(_ctx: &WorkflowContextView, start: DrainStart) -> Self {
        Self { start }
    }

    /// Looks until the outage is over.
    #[run(name = "Drain")]
    pub async fn run(ctx: &mut WorkflowContext<Self>) -> WorkflowResult<()> {
        let start = ctx.state(|s| s.start.clone());
        loop {
            let patient = RetryPolicy::builder()
                .initial_interval(Duration::from_millis(500))
                .maximum_interval(Duration::from_secs(20))
                .build();
            let options = ActivityOptions::with_close_timeouts(ActivityCloseTimeouts::StartToClose(LOOK_TIMEOUT))
                .task_queue(QUEUE_STAYS.to_owned())
                .retry_policy(patient)
                .cancellation_token(WorkflowCancellationToken::new())
                .build();
            let seen = ctx.execute_activity(DrainActivities::look_at_outage, start.clone(), options).await?;
            let Some(pause) = seen.again_after else { return Ok(()) };
            let timer = TimerOptions::builder(pause.max(Duration::from_millis(1)))
                .cancellation_token(WorkflowCancellationToken::new())
                .build();
            ctx.timer(timer).await;
            if ctx.history_length() > HISTORY_LIMIT || ctx.continue_as_new_suggested() {
                let options = ContinueAsNewOptions::builder().task_queue(QUEUE_STAYS.to_owned()).build();
                ctx.continue_as_new(start.clone(), options)?;
            }
        }
    }
}

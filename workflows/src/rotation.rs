//! One workflow per rotation of a tenant's keys: makes new versions, moves everything that is stored to them, retires the old ones.
//!
//! ```text
//! begin → wrap data keys anew → seal values anew → wait until nobody seals under the old version → again what came meanwhile → finish
//! ```
//! Each step is an activity that takes a batch from after a cursor, in one transaction with the count of what was done, and finds what is
//! done already: so it may be interrupted anywhere, repeated, or run beside a forgotten twin. Old versions go on opening what they have
//! sealed, also in histories; nothing is destroyed here.
//!
//! How it fails: an activity is tried for ever, less and less often, because a rotation that is given up half-way leaves two versions in
//! use for ever. A root key that refuses stops it until it is enabled again. A value that does not open is passed over and counted; then
//! the old version stays as it is. Cancelling does nothing.

#![allow(
    missing_docs,
    clippy::unimplemented,
    reason = "the macros add undocumented items, and demand bodies that are never called"
)]

use crate::QUEUE_STAYS;
use lock_domain::{ids::TenantId, vault::RotationRef};
use serde::{Deserialize, Serialize};
use std::time::Duration;
use temporalio_macros::{activity_definitions, workflow, workflow_methods};
use temporalio_workflow::{
    ActivityCloseTimeouts, ActivityOptions, ContinueAsNewOptions, RetryPolicy, WorkflowContext, WorkflowContextView,
    WorkflowResult, common::ActivityError,
};

/// After so many history events the workflow continues as new: about 40 batches, each of which costs six.
const HISTORY_LIMIT: u32 = 240;
/// One try at a batch.
const TRY_TIMEOUT: Duration = Duration::from_secs(60);
/// From try to try, at most.
const LONGEST_PAUSE: Duration = Duration::from_secs(60);
/// So often what is stored is gone through. The second time, after the wait, finds only what another process has sealed meanwhile.
const PASSES: u32 = 4;

/// What the workflow starts with.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct RotationStart {
    /// Whose, and which.
    pub id: RotationRef,
    /// What an earlier run hands on.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub carried: Option<RotationProgress>,
}

/// How far it is.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct RotationProgress {
    /// Whose; it also tells the history's encryption whose key to use.
    pub tenant: TenantId,
    /// What is being done.
    pub stage: RotationStage,
    /// How often what is stored was gone through, this time included.
    pub pass: u32,
    /// Data keys that were wrapped anew.
    pub rewrapped: u64,
    /// Values that were sealed anew.
    pub resealed: u64,
}

/// The steps, each with its cursor.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum RotationStage {
    /// New versions are being made.
    Begin,
    /// Data keys are being wrapped anew.
    Rewrap {
        /// After this one.
        after: Option<RewrapCursor>,
        /// Values are sealed anew as well.
        then_reseal: bool,
        /// For so long other processes may go on sealing under the old version.
        settle: Duration,
    },
    /// Values are being sealed anew.
    Reseal {
        /// In this column, by its place in the list of sealed columns.
        column: u32,
        /// After this row.
        after: Option<String>,
        /// For so long other processes may go on sealing under the old version; none any more in later passes.
        settle: Option<Duration>,
    },
    /// Nothing to do until every process has heard of the new version.
    Settle {
        /// From its beginning on.
        wait: Duration,
    },
    /// Old versions are being retired.
    Finish,
    /// Done.
    Done,
}

/// A place among a tenant's data keys.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct RewrapCursor {
    /// What the keys are for, by its place in the list of purposes.
    pub purpose: u32,
    /// The version.
    pub version: u32,
}

/// What a rotation is to do.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct RotationPlan {
    /// Whose.
    pub tenant: TenantId,
    /// Data keys are wrapped anew.
    pub root_keys: bool,
    /// Values are sealed anew.
    pub data_keys: bool,
    /// For so long other processes may go on sealing under the old version.
    pub settle: Duration,
}

/// A batch of data keys to wrap anew.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct RewrapAsk {
    /// Whose, and which rotation.
    pub id: RotationRef,
    /// After this one.
    pub after: Option<RewrapCursor>,
}

/// What became of it.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Rewrapped {
    /// Whose.
    pub tenant: TenantId,
    /// How many.
    pub done: u32,
    /// Go on after this one; none if there are no more.
    pub next: Option<RewrapCursor>,
}

/// A batch of values to seal anew.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct ResealAsk {
    /// Whose, and which rotation.
    pub id: RotationRef,
    /// The column, by its place in the list of sealed columns.
    pub column: u32,
    /// After this row.
    pub after: Option<String>,
}

/// What became of it.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct ResealedBatch {
    /// Whose.
    pub tenant: TenantId,
    /// How many were sealed anew.
    pub done: u32,
    /// Go on after this row; none if the column has no more.
    pub next: Option<String>,
    /// There are columns after this one.
    pub more_columns: bool,
}

/// Whether it is over.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct FinishAsk {
    /// Whose, and which rotation.
    pub id: RotationRef,
    /// End it even if values are left.
    pub last: bool,
}

/// What is left.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Finished {
    /// Whose.
    pub tenant: TenantId,
    /// Values under an earlier version.
    pub left: u64,
    /// It is over.
    pub over: bool,
}

/// The steps, as activities.
pub struct VaultActivities;
pub use vault_activities::{RotationBegin, RotationFinish, RotationReseal, RotationRewrap};

#[activity_definitions]
impl VaultActivities {
    /// Decides on new versions, makes them, and tells that it has begun.
    #[activity(name = "rotation_begin")]
    pub fn rotation_begin(id: RotationRef) -> Result<RotationPlan, ActivityError> {
        unimplemented!()
    }

    /// Wraps a batch of data keys anew.
    #[activity(name = "rotation_rewrap")]
    pub fn rotation_rewrap(ask: RewrapAsk) -> Result<Rewrapped, ActivityError> {
        unimplemented!()
    }

    /// Seals a batch of values anew.
    #[activity(name = "rotation_reseal")]
    pub fn rotation_reseal(ask: ResealAsk) -> Result<ResealedBatch, ActivityError> {
        unimplemented!()
    }

    /// Retires the old versions if nothing is left under them, and tells that it is over.
    #[activity(name = "rotation_finish")]
    pub fn rotation_finish(ask: FinishAsk) -> Result<Finished, ActivityError> {
        unimplemented!()
    }
}

/// The workflow.
#[workflow]
pub struct KeyRotation {
    id: RotationRef,
    progress: RotationProgress,
}

#[workflow_methods]
impl KeyRotation {
    #[init]
    fn new(_ctx: &WorkflowContextView, start: RotationStart) -> Self {
        let RotationStart { id, carried } = start;
        let (stage, pass) = (RotationStage::Begin, 1);
        let begin = RotationProgress { tenant: id.tenant, stage, pass, rewrapped: 0, resealed: 0 };
        Self { id, progress: carried.unwrap_or(begin) }
    }

    /// The rotation.
    #[run(name = "KeyRotation")]
    pub async fn run(ctx: &mut WorkflowContext<Self>) -> WorkflowResult<RotationProgress> {
        loop {
            let (id, stage) = ctx.state(|s| (s.id, s.progress.stage.clone()));
            match stage {
                RotationStage::Begin => {
                    let plan = ctx.execute_activity(VaultActivities::rotation_begin, id, patient()).await?;
                    ctx.state_mut(|s| s.progress.begun(&plan));
                }
                RotationStage::Rewrap { after, .. } => {
                    let ask = RewrapAsk { id, after };
                    let done = ctx.execute_activity(VaultActivities::rotation_rewrap, ask, patient()).await?;
                    ctx.state_mut(|s| s.progress.rewrapped(done));
                }
                RotationStage::Reseal { column, after, .. } => {
                    let ask = ResealAsk { id, column, after };
                    let done = ctx.execute_activity(VaultActivities::rotation_reseal, ask, patient()).await?;
                    ctx.state_mut(|s| s.progress.resealed(done));
                }
                RotationStage::Settle { wait } => {
                    ctx.timer(wait).await;
                    ctx.state_mut(|s| s.progress.go_through_again());
                }
                RotationStage::Finish => {
                    let ask = FinishAsk { id, last: ctx.state(|s| s.progress.pass >= PASSES) };
                    let done = ctx.execute_activity(VaultActivities::rotation_finish, ask, patient()).await?;
                    ctx.state_mut(|s| {
                        if done.over { s.progress.stage = RotationStage::Done } else { s.progress.go_through_again() }
                    });
                }
                RotationStage::Done => return Ok(ctx.state(|s| s.progress.clone())),
            }
            if ctx.history_length() > HISTORY_LIMIT || ctx.continue_as_new_suggested() {
                let next = ctx.state(|s| RotationStart { id: s.id, carried: Some(s.progress.clone()) });
                let options = ContinueAsNewOptions::builder().task_queue(QUEUE_STAYS.to_owned()).build();
                ctx.continue_as_new(next, options)?;
            }
        }
    }

    /// How far it is, for operators and tests.
    #[query(name = "progress")]
    pub fn progress(&self, _ctx: &WorkflowContextView) -> RotationProgress {
        self.progress.clone()
    }
}

impl RotationProgress {
    fn begun(&mut self, plan: &RotationPlan) {
        self.stage = match (plan.root_keys, plan.data_keys) {
            (true, then_reseal) => RotationStage::Rewrap { after: None, then_reseal, settle: plan.settle },
            (false, true) => RotationStage::Reseal { column: 0, after: None, settle: Some(plan.settle) },
            (false, false) => RotationStage::Finish,
        };
    }

    fn rewrapped(&mut self, batch: Rewrapped) {
        self.rewrapped += u64::from(batch.done);
        let RotationStage::Rewrap { then_reseal, settle, .. } = self.stage else { return };
        self.stage = match (batch.next, then_reseal) {
            (Some(after), _) => RotationStage::Rewrap { after: Some(after), then_reseal, settle },
            (None, true) => RotationStage::Reseal { column: 0, after: None, settle: Some(settle) },
            (None, false) => RotationStage::Finish,
        };
    }

    fn resealed(&mut self, batch: ResealedBatch) {
        self.resealed += u64::from(batch.done);
        let RotationStage::Reseal { column, settle, .. } = self.stage else { return };
        self.stage = match (batch.next, batch.more_columns, settle) {
            (Some(after), ..) => RotationStage::Reseal { column, after: Some(after), settle },
            (None, true, _) => RotationStage::Reseal { column: column + 1, after: None, settle },
            (None, false, Some(wait)) => RotationStage::Settle { wait },
            (None, false, None) => RotationStage::Finish,
        };
    }

    fn go_through_again(&mut self) {
        self.pass += 1;
        self.stage = RotationStage::Reseal { column: 0, after: None, settle: None };
    }
}

fn patient() -> ActivityOptions {
    let retry = RetryPolicy::builder().initial_interval(Duration::from_secs(1)).maximum_interval(LONGEST_PAUSE).build();
    ActivityOptions::with_close_timeouts(ActivityCloseTimeouts::StartToClose(TRY_TIMEOUT))
        .task_queue(QUEUE_STAYS.to_owned())
        .retry_policy(retry)
        .build()
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]
    use super::*;
    use lock_domain::ids::RotationId;

    const SETTLE: Duration = Duration::from_secs(3900);

    fn tenant() -> TenantId {
        "ten_00000000000000000000000000000001".parse().unwrap()
    }

    fn begun(root_keys: bool, data_keys: bool) -> RotationProgress {
        let mut progress =
            RotationProgress { tenant: tenant(), stage: RotationStage::Begin, pass: 1, rewrapped: 0, resealed: 0 };
        progress.begun(&RotationPlan { tenant: tenant(), root_keys, data_keys, settle: SETTLE });
        progress
    }

    fn batch(done: u32, next: Option<&str>, more_columns: bool) -> ResealedBatch {
        ResealedBatch { tenant: tenant(), done, next: next.map(str::to_owned), more_columns }
    }

    #[test]
    fn root_keys_alone_wait_for_nobody() {
        let mut progress = begun(true, false);
        let cursor = RewrapCursor { purpose: 0, version: 3 };
        progress.rewrapped(Rewrapped { tenant: tenant(), done: 3, next: Some(cursor.clone()) });
        assert!(matches!(&progress.stage, RotationStage::Rewrap { after: Some(after), .. } if *after == cursor));
        progress.rewrapped(Rewrapped { tenant: tenant(), done: 1, next: None });
        assert_eq!((progress.stage, progress.rewrapped), (RotationStage::Finish, 4));
    }

    #[test]
    fn data_keys_are_gone_through_before_and_after_the_wait() {
        let mut progress = begun(false, true);
        progress.resealed(batch(50, Some("x"), true));
        progress.resealed(batch(7, None, true));
        assert_eq!(progress.stage, RotationStage::Reseal { column: 1, after: None, settle: Some(SETTLE) });
        progress.resealed(batch(0, None, false));
        assert_eq!(progress.stage, RotationStage::Settle { wait: SETTLE });
        progress.go_through_again();
        progress.resealed(batch(1, None, false));
        assert_eq!((progress.stage, progress.pass, progress.resealed), (RotationStage::Finish, 2, 58));
    }

    #[test]
    fn its_id_names_tenant_and_rotation() {
        let id = RotationRef {
            tenant: tenant(),
            rotation: "rot_00000000000000000000000000000002".parse::<RotationId>().unwrap(),
        };
        assert_eq!(id.workflow_id(), format!("rotation/{}/{}", id.tenant, id.rotation));
    }
}

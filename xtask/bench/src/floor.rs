//! The least that an answer with one effect can cost: a workflow that does nothing but run one activity on another queue.

#![allow(
    missing_docs,
    unreachable_pub,
    reason = "the macros add public items without documentation, whatever is reachable"
)]

use std::time::{Duration, Instant};

use anyhow::{Context, Result};
use futures::{StreamExt as _, TryStreamExt as _};
use temporalio_client::{Client, WorkflowIdConflictPolicy, WorkflowUpdateWithStartOptions};
use temporalio_macros::{activities, workflow, workflow_methods};
use temporalio_sdk::activities::{ActivityContext, ActivityError};
use temporalio_sdk::runtime::PollerBehavior;
use temporalio_sdk::{Runtime, Worker, WorkerOptions};
use temporalio_workflow::{ActivityOptions, WorkflowContext, WorkflowContextView, WorkflowResult};
use uuid::Uuid;

const QUEUE: &str = "bench-floor";
const QUEUE_REMOTE: &str = "bench-floor-remote";
const LIMIT: Duration = Duration::from_secs(10);

/// An empty workflow.
#[workflow]
#[derive(Default)]
pub struct Floor {
    done: bool,
}

#[workflow_methods]
impl Floor {
    /// One effect, then the end.
    #[run(name = "BenchFloor")]
    pub async fn run(ctx: &mut WorkflowContext<Self>) -> WorkflowResult<()> {
        let options = ActivityOptions::with_start_to_close_timeout(LIMIT).task_queue(QUEUE_REMOTE).build();
        ctx.execute_activity(Nothing::nothing, (), options).await?;
        ctx.state_mut(|floor| floor.done = true);
        let other = ctx.clone();
        ctx.wait_condition(move |_: &Self| other.all_handlers_finished()).await?;
        Ok(())
    }

    /// Answers when the effect is done.
    #[update(name = "confirm")]
    pub async fn confirm(ctx: &mut WorkflowContext<Self>) -> bool {
        ctx.wait_condition(|floor: &Self| floor.done).await.is_ok()
    }

    /// For the type's completeness.
    #[query(name = "done")]
    pub fn done(&self, _ctx: &WorkflowContextView) -> bool {
        self.done
    }
}

/// An activity without an effect.
pub struct Nothing;

#[activities]
impl Nothing {
    /// Returns at once.
    #[activity(name = "bench_nothing")]
    pub async fn nothing(_ctx: ActivityContext) -> Result<(), ActivityError> {
        Ok(())
    }
}

/// How often.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Load {
    pub(crate) warm_up: usize,
    pub(crate) sequential: usize,
    pub(crate) parallel: usize,
    pub(crate) in_flight: usize,
}

/// What it took.
#[derive(Debug)]
pub(crate) struct Measured {
    pub(crate) sequential: Vec<Duration>,
    pub(crate) parallel: Vec<Duration>,
    pub(crate) parallel_took: Duration,
}

/// Runs the load beside a worker of its own, set up like the service's: workflows and activities on queues of their own.
pub(crate) async fn measure(client: Client, load: Load) -> Result<Measured> {
    let runtime = Runtime::from_current_tokio(Default::default()).context("Temporal runtime")?;
    let workflows = WorkerOptions::new(QUEUE)
        .register_workflow::<Floor>()?
        .workflow_task_poller_behavior(PollerBehavior::SimpleMaximum(10))
        .build();
    let remote = WorkerOptions::new(QUEUE_REMOTE)
        .register_activities(Nothing)
        .activity_task_poller_behavior(PollerBehavior::SimpleMaximum(10))
        .build();
    let mut workflows = Worker::new(&runtime, client.clone(), workflows).context("worker of the workflows")?;
    let mut remote = Worker::new(&runtime, client.clone(), remote).context("worker of the activity")?;
    let (stop_workflows, stop_remote) = (workflows.shutdown_handle(), remote.shutdown_handle());
    let timed = async {
        let measured = apply(&client, load).await;
        stop_workflows();
        stop_remote();
        measured
    };
    let (first, second, measured) = tokio::join!(workflows.run(), remote.run(), timed);
    first.and(second).context("a worker ended")?;
    measured
}

async fn apply(client: &Client, load: Load) -> Result<Measured> {
    for _ in 0..load.warm_up {
        once(client).await?;
    }
    let mut sequential = Vec::with_capacity(load.sequential);
    for _ in 0..load.sequential {
        sequential.push(once(client).await?);
    }
    let started = Instant::now();
    let parallel: Vec<Duration> = futures::stream::iter(0..load.parallel)
        .map(|_| once(client))
        .buffer_unordered(load.in_flight)
        .try_collect()
        .await?;
    Ok(Measured { sequential, parallel, parallel_took: started.elapsed() })
}

async fn once(client: &Client) -> Result<Duration> {
    let id = format!("bench-floor/{}", Uuid::new_v4().simple());
    let options = WorkflowUpdateWithStartOptions::new(QUEUE, id, WorkflowIdConflictPolicy::UseExisting).build();
    let started = Instant::now();
    client.execute_update_with_start_workflow(Floor::run, (), Floor::confirm, (), options).await?;
    Ok(started.elapsed())
}

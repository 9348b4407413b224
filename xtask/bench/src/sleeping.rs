//! What the SDK itself keeps of a workflow that sleeps in a worker's cache: one that has answered one update and waits on one timer.
//!
//! The worker runs in this process, so that its resident memory before and after tells. Works where `/proc` does (Linux).

#![allow(
    missing_docs,
    unreachable_pub,
    reason = "the macros add public items without documentation, whatever is reachable"
)]

use std::time::Duration;

use anyhow::{Context, Result};
use futures::{StreamExt as _, TryStreamExt as _};
use temporalio_client::{Client, WorkflowIdConflictPolicy, WorkflowUpdateWithStartOptions};
use temporalio_macros::{workflow, workflow_methods};
use temporalio_sdk::{Runtime, Worker, WorkerOptions};
use temporalio_workflow::{WorkflowContext, WorkflowContextView, WorkflowResult};
use uuid::Uuid;

const QUEUE: &str = "bench-sleeping";
const LONG: Duration = Duration::from_secs(24 * 3600);
const IN_FLIGHT: usize = 16;
/// For buffers of the last requests to be given back.
const CALM: Duration = Duration::from_secs(3);

/// A workflow without a state.
#[workflow]
#[derive(Default)]
pub struct Sleeper;

#[workflow_methods]
impl Sleeper {
    /// Sleeps.
    #[run(name = "BenchSleeper")]
    pub async fn run(ctx: &mut WorkflowContext<Self>) -> WorkflowResult<()> {
        ctx.timer(LONG).await;
        Ok(())
    }

    /// Answers at once.
    #[update(name = "touch")]
    pub async fn touch(_ctx: &mut WorkflowContext<Self>) -> bool {
        true
    }

    /// For the type's completeness.
    #[query(name = "asleep")]
    pub fn asleep(&self, _ctx: &WorkflowContextView) -> bool {
        true
    }
}

/// KiB of resident memory for each of `count` workflows that sleep in the cache; half as many warm the allocator up first.
pub(crate) async fn measure(client: Client, count: usize) -> Result<f64> {
    let runtime = Runtime::from_current_tokio(Default::default()).context("Temporal runtime")?;
    let options = WorkerOptions::new(QUEUE).register_workflow::<Sleeper>()?.max_cached_workflows(2 * count).build();
    let mut worker = Worker::new(&runtime, client.clone(), options).context("worker")?;
    let stop = worker.shutdown_handle();
    let counted = async {
        let measured = async {
            put_to_sleep(&client, count / 2).await?;
            let before = resident_kib()?;
            put_to_sleep(&client, count).await?;
            let after = resident_kib()?;
            #[expect(clippy::cast_precision_loss, reason = "memory in KiB is far below 2^52")]
            let each = after.saturating_sub(before) as f64 / count.max(1) as f64;
            anyhow::Ok(each)
        };
        let measured = measured.await;
        stop();
        measured
    };
    let (ran, measured) = tokio::join!(worker.run(), counted);
    ran.context("the worker ended")?;
    measured
}

async fn put_to_sleep(client: &Client, count: usize) -> Result<()> {
    let one = |_| async move {
        let id = format!("bench-sleeping/{}", Uuid::new_v4().simple());
        let options = WorkflowUpdateWithStartOptions::new(QUEUE, id, WorkflowIdConflictPolicy::UseExisting).build();
        client.execute_update_with_start_workflow(Sleeper::run, (), Sleeper::touch, (), options).await?;
        anyhow::Ok(())
    };
    futures::stream::iter(0..count).map(one).buffer_unordered(IN_FLIGHT).try_collect::<Vec<()>>().await?;
    tokio::time::sleep(CALM).await;
    Ok(())
}

fn resident_kib() -> Result<u64> {
    let status = std::fs::read_to_string("/proc/self/status")?;
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:")).context("no VmRSS")?;
    line.split_whitespace().next().context("no number")?.parse().context("VmRSS is no number")
}

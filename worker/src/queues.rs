//! One Temporal worker for each task queue, all in this process.
//!
//! A stay's workflow runs on its vendor's own queue, beside that vendor's activities: the first activity of a stay then comes back with
//! the answer to the workflow task ("eager"), without a way through the server's queues, each vendor's workflow code has a thread of its
//! own, and a vendor that is slow fills its own slots only. [`QUEUE_STAYS`] has the workflows that belong to no vendor, and stays that
//! began before they had a queue of their own. Every worker knows everything, so that no queue can be forgotten.
//!
//! How it fails: a worker that ends with an error ends the process once the others have drained.

use crate::{Config, Watch, versions, workflows};
use anyhow::Context as _;
use lock_activities::{ContractChecks, Drains, Effects, Inventories, Maintenance as Devices, Records, Vault};
use lock_vendors::registry::VendorRegistry;
use lock_workflows::{QUEUE_STAYS, vendor_queue};
use std::time::Duration;
use temporalio_client::Client;
use temporalio_sdk::{Runtime, Worker, WorkerOptions, runtime::PollerBehavior};

/// Long polls per queue and kind of task. Eight queues of two kinds stay far below the 1,200 that a server takes by default.
const POLLERS: usize = 5;
/// After so long a stay's next task may go to another worker, which replays it.
const STICKY: Duration = Duration::from_secs(4);

/// What the workers run.
#[derive(Clone)]
pub(crate) struct Work {
    pub(crate) records: Records,
    pub(crate) effects: Effects,
    pub(crate) contracts: ContractChecks,
    pub(crate) devices: Devices,
    pub(crate) vault: Vault,
    pub(crate) inventories: Inventories,
}

/// The workers of all queues.
pub(crate) fn workers(
    runtime: &Runtime,
    client: &Client,
    config: &Config,
    work: &Work,
    watch: &Watch,
) -> anyhow::Result<Vec<Worker>> {
    let vendors = VendorRegistry::VENDORS.iter().map(|vendor| vendor_queue(vendor));
    let queues = std::iter::once(QUEUE_STAYS.to_owned()).chain(vendors);
    queues.map(|queue| worker(runtime, client, config, work.clone(), watch, &queue)).collect()
}

fn worker(
    runtime: &Runtime,
    client: &Client,
    config: &Config,
    work: Work,
    watch: &Watch,
    queue: &str,
) -> anyhow::Result<Worker> {
    // With a limit the server hands out every activity itself: nothing is eager then.
    let limit = (config.vendor_rps > 0.0 && queue != QUEUE_STAYS).then_some(config.vendor_rps);
    let mut options = WorkerOptions::new(queue)
        .register_activities(Drains { store: work.records.store.clone() })
        .register_activities(work.records)
        .register_activities(work.effects)
        .register_activities(work.contracts)
        .register_activities(work.devices)
        .register_activities(work.vault)
        .register_activities(work.inventories)
        .activity_inbound_interceptor(watch.clone())
        .deployment_options(versions::options(config.deployment.as_deref(), &config.build_id))
        .max_cached_workflows(config.cached_stays)
        .workflow_task_poller_behavior(PollerBehavior::SimpleMaximum(POLLERS))
        .activity_task_poller_behavior(PollerBehavior::SimpleMaximum(POLLERS))
        .maybe_max_task_queue_activities_per_second(limit)
        .sticky_queue_schedule_to_start_timeout(STICKY)
        .graceful_shutdown_period(crate::GRACE)
        .build();
    workflows::register(&mut options)?;
    Worker::new(runtime, client.clone(), options).with_context(|| format!("worker of {queue}"))
}

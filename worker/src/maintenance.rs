//! Properties' maintenance loops in Temporal: begun for every property, and woken when a record says that a clock is off.
//!
//! A loop that is there already is left alone, so any number of workers may do this. It must not know devices. A tenant whose root key refuses gets
//! no loops until it is enabled; nobody else waits for that.

use anyhow::Context as _;
use async_trait::async_trait;
use lock_activities::maintenance::{WakeError, Waker};
use lock_domain::ids::{DoorId, PropertyId, TenantId, maintenance_workflow_id};
use lock_store::Store;
use lock_workflows::{Maintenance, MaintenanceStart, QUEUE_STAYS, WakeLocks, search};
use std::{collections::BTreeSet, time::Duration};
use temporalio_client::{Client, WorkflowIdConflictPolicy, WorkflowStartOptions, errors::WorkflowStartError};
use tokio::sync::watch;

/// How often it is looked for properties that have no loop yet.
const EVERY: Duration = Duration::from_secs(30);
const PAGE: u32 = 200;

/// Begins and wakes loops.
#[derive(Clone)]
pub struct Loops {
    client: Client,
}

impl Loops {
    /// Over a client that encrypts what goes into histories.
    pub fn new(client: Client) -> Self {
        Self { client }
    }

    /// Begins a loop for each property that has none, now and whenever one is entered, until `stop` turns true. A loop that somebody
    /// terminates is begun again by the next worker that starts.
    pub async fn begin_all(self, store: Store, mut stop: watch::Receiver<bool>) {
        let mut begun = BTreeSet::new();
        loop {
            tokio::select! {
                _ = stop.wait_for(|stop| *stop) => return,
                done = self.look(&store, &mut begun) => if let Err(error) = done {
                    tracing::warn!(error = format!("{error:#}"), "some properties have no maintenance loop yet");
                },
            }
            tokio::select! {
                _ = stop.wait_for(|stop| *stop) => return,
                () = tokio::time::sleep(EVERY) => {}
            }
        }
    }

    async fn look(&self, store: &Store, begun: &mut BTreeSet<PropertyId>) -> anyhow::Result<()> {
        let tenants: Vec<_> = store.tenants().await.context("tenants")?.into_iter().map(|tenant| tenant.id).collect();
        self.begin_missing(store, &tenants, begun).await
    }

    /// Begins a loop for each of the tenants' properties that is not among `begun`, and adds it there.
    ///
    /// # Errors
    /// The first one, after all have been tried.
    pub async fn begin_missing(
        &self,
        store: &Store,
        tenants: &[TenantId],
        begun: &mut BTreeSet<PropertyId>,
    ) -> anyhow::Result<()> {
        let mut first = Ok(());
        for tenant in tenants {
            let done = self.begin_of(store, *tenant, begun).await;
            first = first.and(done.with_context(|| tenant.to_string()));
        }
        first
    }

    async fn begin_of(&self, store: &Store, tenant: TenantId, begun: &mut BTreeSet<PropertyId>) -> anyhow::Result<()> {
        let (mut after, mut first) = (None, Ok(()));
        loop {
            let mut tx = store.tenant(tenant).await.context("properties")?;
            let page = tx.properties(after, PAGE).await.context("properties")?;
            drop(tx);
            let Some(last) = page.last() else { return first };
            after = Some(last.id);
            for property in page.into_iter().filter(|property| !begun.contains(&property.id)).collect::<Vec<_>>() {
                match self.begin(tenant, property.id).await.context("a maintenance loop") {
                    Ok(()) => drop(begun.insert(property.id)),
                    Err(error) => first = first.and(Err(error)),
                }
            }
        }
    }

    async fn begin(&self, tenant: TenantId, property: PropertyId) -> Result<(), WorkflowStartError> {
        let start = MaintenanceStart { tenant, property, carried: None };
        self.client.start_workflow(Maintenance::run, start, options(tenant, property)).await.map(drop)
    }
}

fn options(tenant: TenantId, property: PropertyId) -> WorkflowStartOptions {
    WorkflowStartOptions::new(QUEUE_STAYS, maintenance_workflow_id(tenant, property))
        .id_conflict_policy(WorkflowIdConflictPolicy::UseExisting)
        .search_attributes(search::of_property(tenant, property))
        .build()
}

/// Whoever wakes a loop has other things to store, and the nightly look comes all the same.
const WAKING: Duration = Duration::from_secs(5);

#[async_trait]
impl Waker for Loops {
    async fn wake(&self, tenant: TenantId, property: PropertyId, doors: Vec<DoorId>) -> Result<(), WakeError> {
        let start = MaintenanceStart { tenant, property, carried: None };
        let wake = WakeLocks { tenant, doors };
        let options = options(tenant, property);
        let waking = self.client.signal_with_start_workflow(Maintenance::run, start, Maintenance::wake, wake, options);
        match tokio::time::timeout(WAKING, waking).await {
            Ok(woken) => woken.map(drop).map_err(|error| WakeError(error.to_string())),
            Err(_) => Err(WakeError("Temporal did not answer in time".to_owned())),
        }
    }
}

//! The schedules that try out every sandbox's lock vendor each night, and for how many nights nothing has come of it.
//!
//! What schedules there shall be is read from the record, so that any worker may see to it, at any time, and twice. It must not know what a
//! check is. Without Temporal or the record it is tried again a while later; the schedules that stand go on by themselves. What fails for one tenant,
//! such as one whose root key refuses, does not keep the others waiting.

use futures::TryStreamExt as _;
use lock_domain::ids::TenantId;
use lock_store::{ContractTarget, Store, StoreError};
use lock_workflows::{ContractCheck, ContractStart, QUEUE_STAYS, contract_check::SCHEDULES};
use std::{
    collections::{BTreeMap, BTreeSet},
    time::Duration,
};
use temporalio_client::{
    Client,
    schedules::{
        CreateScheduleOptions, DeleteScheduleOptions, ListSchedulesOptions, ScheduleAction, ScheduleCalendarSpec,
        ScheduleError, ScheduleOverlapPolicy, ScheduleSpec,
    },
    tonic,
};
use tokio::sync::watch;

/// From look to look at what is wanted.
const EVERY: Duration = Duration::from_secs(600);
/// At three in the morning by the property's clock on the wall: guests sleep, and no cleaner is at the doors yet.
const HOUR: &str = "3";
/// Sandboxes of one zone spread over so long, so that a vendor who has many of them is not asked by all at once.
const JITTER: Duration = Duration::from_secs(45 * 60);

/// Why schedules can't be seen to.
#[derive(Debug, thiserror::Error)]
pub enum NightlyError {
    /// The record did not answer.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// Temporal did not.
    #[error(transparent)]
    Schedule(#[from] ScheduleError),
}

/// Sees to the schedules; remembers the time zones that it gave them, by their ids.
#[derive(Debug, Default)]
pub struct Nightly {
    zones: BTreeMap<String, String>,
    /// Vendors whose silence was told.
    told: BTreeSet<String>,
}

impl Nightly {
    /// Makes the schedules that are missing, moves those whose property has another time zone, and ends those that nobody wants any more; those only
    /// if everybody was asked.
    ///
    /// # Errors
    /// The first one, after all have been tried.
    pub async fn see_to(&mut self, client: &Client, store: &Store) -> Result<(), NightlyError> {
        // Before the record is read: what another worker makes after that is not taken for one that nobody wants.
        let standing = standing(client).await?;
        let (mut wanted, mut silence, mut first) = (BTreeMap::new(), BTreeMap::new(), Ok(()));
        for tenant in store.tenants().await? {
            let targets = match targets(store, tenant.id).await {
                Ok((targets, silent)) => {
                    for (vendor, runs) in silent {
                        let most: &mut u64 = silence.entry(vendor).or_default();
                        *most = runs.max(*most);
                    }
                    targets
                }
                Err(error) => {
                    first = first.and(Err(error.into()));
                    continue;
                }
            };
            for target in targets {
                let start = ContractStart { tenant: tenant.id, property: target.property, vendor: target.vendor };
                wanted.insert(start.schedule_id(), (start, target.zone));
            }
        }
        let all_asked = first.is_ok();
        if all_asked {
            self.tell(silence);
        }
        for (id, (start, zone)) in &wanted {
            // The list may be a little late; what stands already is found out then.
            if !standing.contains(id) || self.zones.get(id) != Some(zone) {
                match schedule(client, start, zone).await {
                    Ok(()) => drop(self.zones.insert(id.clone(), zone.clone())),
                    Err(error) => first = first.and(Err(error.into())),
                }
            }
        }
        let unwanted = standing.iter().chain(self.zones.keys()).filter(|id| all_asked && !wanted.contains_key(*id));
        let unwanted: BTreeSet<String> = unwanted.cloned().collect();
        for id in unwanted {
            match client.get_schedule_handle(id.clone()).delete(DeleteScheduleOptions::default()).await {
                Err(ScheduleError::Rpc(status)) if status.code() == tonic::Code::NotFound => {
                    drop(self.zones.remove(&id))
                }
                Ok(()) => drop(self.zones.remove(&id)),
                Err(error) => first = first.and(Err(error.into())),
            }
        }
        first
    }

    /// Tells for how many runs in a row each vendor's check has settled nothing; 0 where nothing is checked any more.
    fn tell(&mut self, mut silence: BTreeMap<String, u64>) {
        for vendor in std::mem::take(&mut self.told) {
            silence.entry(vendor).or_default();
        }
        for (vendor, runs) in &silence {
            lock_telemetry::metrics::set_contract_silence(vendor, *runs);
        }
        self.told = silence.into_keys().collect();
    }

    /// Sees to the schedules until `stop` turns true.
    pub(crate) async fn run(mut self, client: Client, store: Store, mut stop: watch::Receiver<bool>) {
        while !*stop.borrow() {
            if let Err(error) = self.see_to(&client, &store).await {
                tracing::warn!(%error, "the nightly checks can't be scheduled");
            }
            tokio::select! {
                () = tokio::time::sleep(EVERY) => {}
                told = stop.changed() => if told.is_err() { break },
            }
        }
    }
}

/// What is to be checked of a tenant's, and how many runs in a row have settled nothing, by vendor.
async fn targets(store: &Store, tenant: TenantId) -> Result<(Vec<ContractTarget>, Vec<(String, u64)>), StoreError> {
    let mut tx = store.tenant_relaxed(tenant).await?;
    Ok((tx.contract_targets().await?, tx.contract_silence().await?))
}

/// The ids of all schedules of this kind.
async fn standing(client: &Client) -> Result<BTreeSet<String>, ScheduleError> {
    let mut all = client.list_schedules(ListSchedulesOptions::default());
    let mut standing = BTreeSet::new();
    while let Some(found) = all.try_next().await? {
        if found.schedule_id().starts_with(SCHEDULES) {
            standing.insert(found.schedule_id().to_owned());
        }
    }
    Ok(standing)
}

async fn schedule(client: &Client, start: &ContractStart, zone: &str) -> Result<(), ScheduleError> {
    let id = start.schedule_id();
    let night = ScheduleCalendarSpec::builder().hour(HOUR).build();
    let spec = ScheduleSpec::builder().calendars(vec![night]).timezone_name(zone).jitter(JITTER).build();
    let action = ScheduleAction::start_workflow(ContractCheck::run, start.clone(), QUEUE_STAYS, id.clone());
    let options = CreateScheduleOptions::builder()
        .action(action)
        .spec(spec.clone())
        .overlap_policy(ScheduleOverlapPolicy::Skip)
        .note("Tries out whether the lock vendor keeps its contract.")
        .build();
    match client.create_schedule(id.clone(), options).await {
        Ok(_) => Ok(()),
        Err(ScheduleError::Rpc(status)) if status.code() == tonic::Code::AlreadyExists => {
            let handle = client.get_schedule_handle(id);
            let moved = move |update: &mut temporalio_client::schedules::ScheduleUpdate| {
                update.set_spec(spec);
            };
            handle.update(moved, Default::default()).await
        }
        Err(error) => Err(error),
    }
}

//! Tries out whether a property's lock vendor keeps its contract, and settles what came of it.
//!
//! Safe to run twice: the suite cleans up under its own names first, and a run is settled once, by the workflow's run id. Beside a twin of
//! itself it may see the twin's keys and fail a check; the server starts a twin only after a heartbeat was missed. It works on a
//! sandbox's test lock and on nothing else. A vendor that is not there is no failure of the contract.

#![allow(missing_docs, reason = "the macro adds an undocumented constant beside each activity")]

use crate::{
    adapters::{self, OpenError, Settings},
    alive::alive,
    failure,
};
use jiff::Timestamp;
use lock_contract::{Setup, SuiteError, Target};
use lock_domain::{contract::Report, problem::Code};
use lock_kms::DataKeys;
use lock_store::{ContractRun, ContractSettings, NoReport, Property, Store, StoreError};
use lock_vendors::registry::VendorRegistry;
use lock_workflows::{CONTRACT_TRIES, ContractDone, ContractStart};
use std::{sync::Arc, time::Duration};
use temporalio_macros::activities;
use temporalio_sdk::activities::{ActivityContext, ActivityError};
use uuid::Uuid;

/// A third of the heartbeat time-out that the workflow sets.
const HEARTBEAT_EVERY: Duration = Duration::from_secs(10);

/// The nightly checks of vendors' contracts.
#[derive(Clone)]
pub struct ContractChecks {
    store: Store,
    keys: DataKeys,
    vendors: Arc<VendorRegistry>,
}

/// Why a run came to no report.
#[derive(Debug, thiserror::Error)]
enum Trouble {
    #[error(transparent)]
    Store(#[from] StoreError),
    #[error(transparent)]
    Adapter(#[from] OpenError),
    #[error(transparent)]
    Suite(#[from] SuiteError),
}

#[activities]
impl ContractChecks {
    /// See [`lock_workflows::activities::ContractActivities`].
    #[activity(definition = lock_workflows::activities::CheckContract)]
    pub async fn check_contract(
        self: Arc<Self>,
        ctx: ActivityContext,
        start: ContractStart,
    ) -> Result<ContractDone, ActivityError> {
        alive(&ctx, HEARTBEAT_EVERY, self.checked(&ctx, &start)).await
    }
}

impl ContractChecks {
    /// Over a record, the keys that open what is sealed in it, and adapters.
    pub fn new(store: Store, keys: DataKeys, vendors: Arc<VendorRegistry>) -> Self {
        Self { store, keys, vendors }
    }

    async fn checked(&self, ctx: &ActivityContext, start: &ContractStart) -> Result<ContractDone, ActivityError> {
        let done = |verdict| ContractDone { tenant: start.tenant, verdict };
        let wanted = self.wanted(start).await.map_err(|error| failure::record(&error))?;
        let Some((property, settings)) = wanted else { return Ok(done(None)) };
        let info = ctx.info();
        let report = match self.report(start, &property, settings).await {
            Ok(report) => Ok(report),
            Err(Trouble::Store(error)) => return Err(failure::record(&error)),
            Err(Trouble::Suite(SuiteError::Away(error))) if info.attempt < CONTRACT_TRIES => {
                return Err(failure::again(error.problem(), None));
            }
            Err(Trouble::Suite(SuiteError::Away(_))) => Err(NoReport::Away),
            // The set-up, or something of ours: it says nothing of the vendor, and trying again soon is no use.
            Err(other) => {
                tracing::error!(property = %start.property, vendor = start.vendor, error = %other, "the contract can't be checked");
                if info.attempt < CONTRACT_TRIES {
                    return Err(failure::again(Code::Internal, None));
                }
                Err(NoReport::Untried)
            }
        };
        let run = info.workflow_run_id.as_deref().and_then(|id| Uuid::parse_str(id).ok()).unwrap_or_else(Uuid::now_v7);
        let (property, vendor) = (start.property, start.vendor.clone());
        let run = ContractRun { run, property, vendor, at: Timestamp::now(), report };
        let settled = async {
            let mut tx = self.store.tenant(start.tenant).await?;
            let verdict = tx.settle_contract_run(&run).await?;
            tx.commit().await.map(|()| verdict)
        };
        let verdict = settled.await.map_err(|error| failure::record(&error))?;
        lock_telemetry::metrics::contract_run(&start.vendor, verdict.name());
        Ok(done(Some(verdict.name().to_owned())))
    }

    /// The property, if its vendor is still to be checked.
    async fn wanted(&self, start: &ContractStart) -> Result<Option<(Property, ContractSettings)>, StoreError> {
        let mut tx = self.store.tenant(start.tenant).await?;
        let settings = tx.contract_settings(start.property).await?;
        let property = tx.property(start.property).await?.filter(|property| property.vendor == start.vendor);
        Ok(property.zip(settings))
    }

    async fn report(
        &self,
        start: &ContractStart,
        property: &Property,
        settings: ContractSettings,
    ) -> Result<Report, Trouble> {
        let opened = Settings {
            tenant: start.tenant,
            property: start.property,
            vendor: &start.vendor,
            config: &property.vendor_config,
            sealed: property.vendor_sealed.as_deref(),
            row: None,
            version: property.config_version,
        };
        let vendor = adapters::open(&self.keys, &self.vendors, &opened).await?;
        let ContractSettings { lock, encoder } = settings;
        let target = Target { lock, encoder, recipient: None, tag: start.property.as_uuid().as_u128() };
        let told = |check: &lock_domain::contract::Check| {
            tracing::debug!(property = %start.property, check = check.name, outcome = check.outcome.name(), "contract check");
        };
        Ok(lock_contract::run(&Setup { vendor, target, faults: None }, told).await?)
    }
}

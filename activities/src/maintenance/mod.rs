//! Looking after a property's devices: batteries and links as the vendor lists them, locks that drop off, alarms, locks' clocks as they are read, and clocks that are set.
//!
//! What follows from a reading is `lock_domain::device`; here it is carried out: episodes are told, tasks opened, clocks set. A clock that is
//! set is an effect like any other: the intent is recorded before, the clock is read afterwards, and an attempt whose worker died is closed
//! by the next reading. Setting it twice does no harm.
//!
//! Before each lock, and before each clock that is set, it looks at the vendor's breaker: while that is not closed nothing is asked. Locks
//! that were left out come with a later look. Told to stop, it ends before the next lock, and whoever runs it again begins anew.
//!
//! It must not know keys, nor when it is called. A lock that can't be read is a result; an error means "run me again".

#![allow(missing_docs, reason = "the macro adds an undocumented constant beside each activity")]

mod alarms;
mod clocks;
mod episodes;
mod links;
mod survey;

pub(crate) use alarms::note_alarms;
pub(crate) use episodes::{Facts, Whose, carry_out, told};
pub(crate) use links::note_drops;
pub(crate) use survey::{note_gateway, note_link, reference};

use crate::{
    adapters::{self, OpenError, Settings},
    alive::alive,
    failure,
};
use async_trait::async_trait;
use jiff::Timestamp;
use lock_domain::{
    health::BreakerState,
    ids::{DoorId, PropertyId, TenantId},
    problem::Code,
};
use lock_kms::DataKeys;
use lock_store::{Property, Store, StoreError, TenantTx};
use lock_vendors::{error::VendorError, port::LockVendor, registry::VendorRegistry};
use lock_workflows::{LockBatch, LocksLooked, Survey, SurveyAsk};
use std::{sync::Arc, time::Duration};
use temporalio_macros::activities;
use temporalio_sdk::activities::{ActivityContext, ActivityError};

/// For one operation at a vendor, with all the calls that it takes.
const CALL_TIMEOUT: Duration = Duration::from_secs(15);
/// A third of the heartbeat time-out that the workflow sets.
const HEARTBEAT_EVERY: Duration = Duration::from_secs(2);

/// Why a property's maintenance loop could not be woken.
#[derive(Debug, thiserror::Error)]
#[error("the maintenance loop could not be woken: {0}")]
pub struct WakeError(pub String);

/// Wakes a property's maintenance loop, and begins it if there is none.
#[async_trait]
pub trait Waker: Send + Sync {
    /// The locks of these doors should be looked at now. It may be told twice.
    async fn wake(&self, tenant: TenantId, property: PropertyId, doors: Vec<DoorId>) -> Result<(), WakeError>;
}

/// What looks after devices.
#[derive(Clone)]
pub struct Maintenance {
    store: Store,
    keys: DataKeys,
    vendors: Arc<VendorRegistry>,
}

/// Why devices could not be looked at.
#[derive(Debug, thiserror::Error)]
enum Trouble {
    #[error(transparent)]
    Store(#[from] StoreError),
    #[error(transparent)]
    Adapter(#[from] OpenError),
    #[error(transparent)]
    Vendor(#[from] VendorError),
    #[error("told to stop")]
    Stopped,
}

impl Trouble {
    fn told(self) -> ActivityError {
        match self {
            Self::Store(error) => failure::record(&error),
            Self::Adapter(error) => {
                tracing::error!(%error, "no adapter to look at devices with");
                failure::again(Code::Internal, None)
            }
            Self::Vendor(error) => {
                tracing::warn!(%error, "devices can't be looked at");
                failure::again(error.condition().problem(), None)
            }
            Self::Stopped => failure::again(Code::Unavailable, None),
        }
    }
}

/// Whether the breaker of a property's vendor holds calls back, by what counts now: the probes' word, or an operator's.
async fn held(tx: &mut TenantTx<'_>, property: &Property) -> Result<bool, StoreError> {
    let now = Timestamp::now();
    let rows = tx.breakers(Some(property.id)).await?;
    Ok(rows.iter().any(|row| row.vendor == property.vendor && row.counted(now) != BreakerState::Closed))
}

#[activities]
impl Maintenance {
    /// See [`lock_workflows::activities::DeviceActivities`].
    #[activity(definition = lock_workflows::activities::SurveyDefinition)]
    pub async fn survey(self: Arc<Self>, ctx: ActivityContext, ask: SurveyAsk) -> Result<Survey, ActivityError> {
        alive(&ctx, HEARTBEAT_EVERY, self.survey_of(&ask)).await.map_err(Trouble::told)
    }

    /// See [`lock_workflows::activities::DeviceActivities`].
    #[activity(definition = lock_workflows::activities::LookAtLocks)]
    pub async fn look_at_locks(
        self: Arc<Self>,
        ctx: ActivityContext,
        batch: LockBatch,
    ) -> Result<LocksLooked, ActivityError> {
        let stopped = || ctx.is_cancelled();
        alive(&ctx, HEARTBEAT_EVERY, self.locks(&batch, &stopped)).await.map_err(Trouble::told)
    }
}

impl Maintenance {
    /// Over a record, the keys that open vendors' secrets, and adapters.
    pub fn new(store: Store, keys: DataKeys, vendors: Arc<VendorRegistry>) -> Self {
        Self { store, keys, vendors }
    }

    async fn adapter(&self, tenant: TenantId, property: &Property) -> Result<Arc<dyn LockVendor>, Trouble> {
        let settings = Settings {
            tenant,
            property: property.id,
            vendor: &property.vendor,
            config: &property.vendor_config,
            sealed: property.vendor_sealed.as_deref(),
            row: None,
            version: property.config_version,
        };
        Ok(adapters::open(&self.keys, &self.vendors, &settings).await?)
    }
}

//! From webhooks that came in to what is true: asks the vendor, stores the records of doors, and tells what is new.
//!
//! - **Shared.** Any number of workers run this loop: a delivery is claimed with a lease, and others skip what is locked. One whose worker
//!   died comes up again after [`LEASE`]. Each step is stored once however often it runs.
//! - **Waking.** The database notifies on commit; a lost notification is made up for by a look at every tenant each [`SWEEP`].
//! - **Failure.** A vendor that does not answer is asked again after a pause that grows to [`PAUSE_MOST`], for [`GIVE_UP`]. One tenant's
//!   trouble holds up nobody else.
//!
//! It must not know HTTP or what a body looks like: it gets a [`lock_domain::webhook::Meaning`].

mod doors;
mod follow_up;
mod read_back;
pub(crate) mod records;
mod used;

use crate::{
    adapters::OpenError,
    maintenance::{WakeError, Waker},
};
use futures::{Stream, StreamExt as _, stream, stream::FuturesUnordered};
use jiff::{SignedDuration, Timestamp};
use lock_domain::{ids::TenantId, webhook::REMEMBERED};
use lock_kms::DataKeys;
use lock_store::{DeliveryRow, OutboxListener, Store, StoreError};
use lock_telemetry::metrics;
use lock_vendors::{error::VendorError, registry::VendorRegistry};
use std::{
    collections::{BTreeMap, BTreeSet},
    convert::Infallible,
    sync::Arc,
    time::Duration,
};
use tokio::{
    sync::watch,
    time::{Instant, MissedTickBehavior, interval, sleep, sleep_until},
};

/// Nobody else takes a claimed delivery before this time is over. Longer than the vendor calls of one batch take.
pub const LEASE: SignedDuration = SignedDuration::from_secs(120);
/// How often every tenant is looked at, notified or not.
pub const SWEEP: Duration = Duration::from_secs(15);
/// The longest pause between two tries at a delivery.
pub const PAUSE_MOST: SignedDuration = SignedDuration::from_mins(5);
/// A delivery that nothing came of for so long is given up.
pub const GIVE_UP: SignedDuration = SignedDuration::from_hours(24);

/// Records reach a vendor late, and locks' clocks differ: so far before the newest one that we have is asked.
pub(crate) const OVERLAP: SignedDuration = SignedDuration::from_hours(24);
/// So far back is asked of a lock, or of a site, that we have no record of.
pub(crate) const FIRST_LOOK: SignedDuration = SignedDuration::from_hours(7 * 24);

const CLEAN: Duration = Duration::from_secs(3600);
const FORGET_AT_ONCE: u32 = 1_000;
const TENANTS_AT_ONCE: usize = 8;
const BATCH: u32 = 16;
const DELIVERIES_AT_ONCE: usize = 4;

/// See the module's description.
pub struct Inbound {
    store: Store,
    keys: DataKeys,
    vendors: Arc<VendorRegistry>,
    waker: Arc<dyn Waker>,
}

/// Why a delivery could not be followed up.
#[derive(Debug, thiserror::Error)]
enum Trouble {
    #[error(transparent)]
    Store(#[from] StoreError),
    #[error(transparent)]
    Adapter(#[from] OpenError),
    #[error(transparent)]
    Vendor(#[from] VendorError),
    #[error(transparent)]
    Wake(#[from] WakeError),
    #[error("the stay was asked to read back a moment ago")]
    TooSoon,
}

impl Trouble {
    /// A word for the record.
    fn word(&self) -> &'static str {
        match self {
            Self::Store(_) => "database",
            Self::Adapter(_) => "settings",
            Self::Vendor(_) => "vendor",
            Self::Wake(_) => "maintenance",
            Self::TooSoon => "too_soon",
        }
    }
}

impl Inbound {
    /// Over a record, the keys that open vendors' secrets, adapters, and what wakes a property's maintenance loop.
    pub fn new(store: Store, keys: DataKeys, vendors: Arc<VendorRegistry>, waker: Arc<dyn Waker>) -> Self {
        Self { store, keys, vendors, waker }
    }

    /// Follows up until `stop` turns true or its sender is gone. What is under way then is left to another worker, after its lease.
    pub async fn run(self, mut stop: watch::Receiver<bool>) {
        let mut pause = Duration::from_millis(100);
        loop {
            tokio::select! {
                _ = stop.wait_for(|stop| *stop) => return,
                ended = self.session() => {
                    let Err(error) = ended;
                    tracing::warn!(%error, "webhooks wait");
                }
            }
            tokio::select! {
                _ = stop.wait_for(|stop| *stop) => return,
                () = sleep(pause) => pause = (pause * 2).min(Duration::from_secs(10)),
            }
        }
    }

    /// From the start to the first failure of the database.
    async fn session(&self) -> Result<Infallible, StoreError> {
        let wakes = wakes(self.store.webhook_listener().await?);
        tokio::pin!(wakes);
        let mut sweep = interval(SWEEP);
        sweep.set_missed_tick_behavior(MissedTickBehavior::Delay);
        let mut clean = interval(CLEAN);
        clean.set_missed_tick_behavior(MissedTickBehavior::Delay);
        let mut due: BTreeMap<TenantId, Instant> = BTreeMap::new();
        let mut busy: BTreeSet<TenantId> = BTreeSet::new();
        let mut serving = FuturesUnordered::new();
        loop {
            let now = Instant::now();
            let free = TENANTS_AT_ONCE.saturating_sub(busy.len());
            let ready = due.iter().filter(|(tenant, at)| **at <= now && !busy.contains(tenant));
            let ready: Vec<TenantId> = ready.map(|(tenant, _)| *tenant).take(free).collect();
            for tenant in ready {
                due.remove(&tenant);
                busy.insert(tenant);
                serving.push(async move { (tenant, self.serve(tenant).await) });
            }
            let next = due.iter().filter(|(tenant, _)| !busy.contains(tenant)).map(|(_, at)| *at).min();
            let next = next.filter(|_| busy.len() < TENANTS_AT_ONCE);
            tokio::select! {
                Some((tenant, served)) = serving.next() => {
                    busy.remove(&tenant);
                    match served {
                        Ok(Some(at)) => { due.entry(tenant).and_modify(|own| *own = at.min(*own)).or_insert(at); }
                        Ok(None) => {}
                        Err(error) if error.is_retryable() => return Err(error),
                        Err(error) => tracing::error!(%tenant, %error, "the tenant's webhooks wait"),
                    }
                }
                woken = wakes.next() => match woken {
                    Some(Ok(Some(tenant))) => { due.insert(tenant, Instant::now()); }
                    Some(Ok(None)) => sweep.reset_immediately(),
                    Some(Err(error)) => return Err(error),
                    None => return Err(StoreError::NotFound("notification")),
                },
                _ = sweep.tick() => for tenant in self.store.tenants().await? {
                    due.insert(tenant.id, Instant::now());
                },
                _ = clean.tick() => self.clean().await?,
                () = sleep_until(next.unwrap_or(now)), if next.is_some() => {}
            }
        }
    }

    async fn clean(&self) -> Result<(), StoreError> {
        let before = Timestamp::now().saturating_sub(REMEMBERED).unwrap_or(Timestamp::MIN);
        for tenant in self.store.tenants().await? {
            let mut tx = self.store.tenant(tenant.id).await?;
            tx.forget_deliveries(before, FORGET_AT_ONCE).await?;
            tx.commit().await?;
        }
        Ok(())
    }

    /// Follows up what is due of a tenant, and tells when something will be.
    async fn serve(&self, tenant: TenantId) -> Result<Option<Instant>, StoreError> {
        loop {
            let mut tx = self.store.tenant(tenant).await?;
            let claimed = tx.claim_deliveries(Timestamp::now(), LEASE, BATCH).await?;
            let next = if claimed.is_empty() { tx.next_delivery().await? } else { None };
            tx.commit().await?;
            if claimed.is_empty() {
                let wait = next.map(|at| at.duration_since(Timestamp::now()));
                return Ok(wait.map(|wait| Instant::now() + Duration::try_from(wait).unwrap_or_default()));
            }
            // Owned, so that the future does not depend on a borrowed list and can be sent to any thread.
            let mut under_way = stream::iter(claimed)
                .map(move |delivery| async move { self.one(tenant, &delivery).await })
                .buffer_unordered(DELIVERIES_AT_ONCE);
            while let Some(done) = under_way.next().await {
                done?;
            }
        }
    }

    async fn one(&self, tenant: TenantId, delivery: &DeliveryRow) -> Result<(), StoreError> {
        let followed = self.follow_up(tenant, delivery).await;
        let now = Timestamp::now();
        let mut tx = self.store.tenant(tenant).await?;
        match followed {
            Ok(()) => {
                metrics::webhook_processed("processed");
                tx.delivery_processed(delivery.id, now).await?;
            }
            Err(trouble) if now.duration_since(delivery.received_at) >= GIVE_UP => {
                tracing::error!(delivery = %delivery.id, error = %trouble, "a webhook is given up");
                metrics::webhook_processed("failed");
                tx.delivery_failed(delivery.id, now, trouble.word()).await?;
            }
            Err(trouble) => {
                tracing::warn!(delivery = %delivery.id, error = %trouble, "a webhook waits");
                metrics::webhook_processed("again");
                let next = now.saturating_add(pause(delivery.attempt)).unwrap_or(now);
                tx.delivery_again(delivery.id, next, trouble.word()).await?;
            }
        }
        tx.commit().await
    }
}

fn pause(attempt: u32) -> SignedDuration {
    SignedDuration::from_secs(1_i64 << attempt.saturating_sub(1).min(20)).min(PAUSE_MOST)
}

/// Notifications as a stream, which a dropped `next` does not interrupt half-way through one.
fn wakes(listener: OutboxListener) -> impl Stream<Item = Result<Option<TenantId>, StoreError>> {
    stream::unfold(listener, |mut listener| async move {
        let heard = listener.recv().await;
        Some((heard, listener))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pauses_grow_and_end() {
        assert_eq!([1, 2, 3].map(|n| pause(n).as_secs()), [1, 2, 4]);
        assert_eq!(pause(u32::MAX), PAUSE_MOST);
    }

    #[test]
    fn the_loop_can_be_spawned() {
        fn spawnable<F: Future + Send + 'static>(_: impl FnOnce(Inbound, watch::Receiver<bool>) -> F) {}
        spawnable(Inbound::run);
    }
}

//! Vendors' streams of events: what happens at doors, as the vendor tells it while somebody listens.
//!
//! - **One listener a stream.** A property's stream at a vendor is a row; a worker claims it with a lease that it renews, and each claim has
//!   a number. What was heard is stored in transactions that hold the row under that number, so that a listener whose lease ran out while
//!   it slept stores nothing any more. A worker that dies leaves nothing behind but a pause.
//! - **Nothing lost.** A listener begins with the vendor's log from some time before the moment until which all is stored, and so does each new
//!   connection (the adapter's part, [`lock_vendors::port::LockVendor::follow`]).
//! - **Nothing twice.** A record is stored once by its id, with what follows from it: [`crate::inbound`].
//! - **Failure.** A stream that the vendor refuses for good is tried again after a pause that grows. One stream's trouble, or one tenant's,
//!   holds up nobody else.
//!
//! It must not know a vendor's wire, nor what follows from a record.

mod listener;

use crate::maintenance::Waker;
use jiff::{SignedDuration, Timestamp};
use listener::Listener;
use lock_domain::{ids::TenantId, vendor::VendorTraits};
use lock_kms::DataKeys;
use lock_store::{Store, StoreError};
use lock_vendors::registry::VendorRegistry;
use std::{sync::Arc, time::Duration};
use tokio::{sync::watch, task::JoinSet};

/// How quickly things are noticed. Times that only a test should change.
#[derive(Debug, Clone, Copy)]
pub struct Pace {
    /// From look to look for streams that nobody listens to.
    pub look: Duration,
    /// So long nobody else listens after a worker has died. Renewed three times in that time.
    pub lease: SignedDuration,
    /// First pause after a stream was refused; it doubles up to thirty times this.
    pub pause: SignedDuration,
}

impl Default for Pace {
    fn default() -> Self {
        Self {
            look: Duration::from_secs(15),
            lease: SignedDuration::from_secs(60),
            pause: SignedDuration::from_secs(30),
        }
    }
}

/// Listens to the vendors of properties. See the module's description.
#[derive(Clone)]
pub struct Streams(Arc<Parts>);

struct Parts {
    store: Store,
    keys: DataKeys,
    vendors: Arc<VendorRegistry>,
    waker: Arc<dyn Waker>,
    most: usize,
    pace: Pace,
    only: Option<Vec<TenantId>>,
}

impl Streams {
    /// Over a record, the keys that open vendors' secrets, adapters, and what wakes a property's maintenance loop. Listens to at most so many
    /// streams at a time.
    pub fn new(store: Store, keys: DataKeys, vendors: Arc<VendorRegistry>, waker: Arc<dyn Waker>, most: usize) -> Self {
        Self(Arc::new(Parts { store, keys, vendors, waker, most, pace: Pace::default(), only: None }))
    }

    /// The same for these tenants only, at another pace.
    #[must_use]
    pub fn only(self, tenants: Vec<TenantId>, pace: Pace) -> Self {
        let Parts { store, keys, vendors, waker, most, .. } = &*self.0;
        Self(Arc::new(Parts {
            store: store.clone(),
            keys: keys.clone(),
            vendors: Arc::clone(vendors),
            waker: Arc::clone(waker),
            most: *most,
            pace,
            only: Some(tenants),
        }))
    }

    /// Listens until `stop` turns true. Streams are given back then, so that another worker takes them at its next look.
    pub async fn run(self, mut stop: watch::Receiver<bool>) {
        let mut listening = JoinSet::new();
        while !*stop.borrow() {
            if let Err(error) = self.look(&mut listening, &stop).await {
                tracing::warn!(%error, "streams without a listener can't be looked for");
            }
            // So that workers that began together don't stay together.
            let pause = self.0.pace.look.mul_f64(0.75 + rand::random::<f64>() / 2.0);
            tokio::select! {
                () = tokio::time::sleep(pause) => {}
                // Nobody is left who could tell it to stop: it should.
                told = stop.changed() => if told.is_err() { break },
            }
        }
        while listening.join_next().await.is_some() {}
    }

    /// Claims what nobody listens to, tenant by tenant, and begins to listen.
    async fn look(&self, listening: &mut JoinSet<()>, stop: &watch::Receiver<bool>) -> Result<(), StoreError> {
        let parts = &self.0;
        let tenants = match &parts.only {
            Some(tenants) => tenants.clone(),
            None => parts.store.tenants().await?.into_iter().map(|tenant| tenant.id).collect(),
        };
        let vendors: Vec<&str> = VendorTraits::of_streams().collect();
        let mut first = Ok(());
        for tenant in tenants {
            while listening.try_join_next().is_some() {}
            let free = u32::try_from(parts.most.saturating_sub(listening.len())).unwrap_or(u32::MAX);
            if free == 0 || *stop.borrow() {
                break;
            }
            let claimed = async {
                let now = Timestamp::now();
                let mut tx = parts.store.tenant(tenant).await?;
                tx.enter_streams(&vendors, now).await?;
                let claimed = tx.claim_streams(now, now.saturating_add(parts.pace.lease).unwrap_or(now), free).await?;
                tx.commit().await.map(|()| claimed)
            };
            match claimed.await {
                Ok(claimed) => {
                    for stream in claimed {
                        let listener = Listener { parts: Arc::clone(parts), tenant, stream };
                        listening.spawn(listener.run(stop.clone()));
                    }
                }
                Err(error) => first = first.and(Err(error)),
            }
        }
        first
    }
}

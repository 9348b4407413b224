//! The loop of probes: claims what is due, makes a round of each, writes what came of it. Many workers may run it; a claim is a lease, so
//! that a worker that dies leaves nothing behind but a pause.

use super::{gate::Gate, probes};
use crate::adapters::{self, Settings};
use jiff::{SignedDuration, Timestamp};
use lock_domain::{
    health::{BreakerState, Finding, Moved, Tuning, verdict},
    ids::TenantId,
};
use lock_kms::DataKeys;
use lock_store::{ClaimedBreaker, Store, StoreError};
use lock_telemetry::metrics;
use lock_vendors::registry::VendorRegistry;
use std::{collections::BTreeMap, sync::Arc, time::Duration};
use tokio::{sync::watch, task::JoinSet};

/// Rounds that one process makes at a time.
const AT_ONCE: usize = 16;
/// Longer than any round takes.
const LEASE: SignedDuration = SignedDuration::from_secs(120);

/// Probes the vendors of properties.
#[derive(Clone)]
pub struct Prober(Arc<Parts>);

struct Parts {
    store: Store,
    keys: DataKeys,
    vendors: Arc<VendorRegistry>,
    gate: Arc<Gate>,
    tuning: Tuning,
    only: Option<Vec<TenantId>>,
}

impl Prober {
    /// Rounds are `every` apart. `gate` is that of the process's effects.
    pub fn new(store: Store, keys: DataKeys, vendors: Arc<VendorRegistry>, gate: Arc<Gate>, every: Duration) -> Self {
        let every = SignedDuration::try_from(every).unwrap_or(SignedDuration::MAX).max(SignedDuration::from_millis(10));
        Self(Arc::new(Parts { store, keys, vendors, gate, tuning: Tuning::every(every), only: None }))
    }

    /// The same for these tenants only, where tenants are shared out among workers.
    #[must_use]
    pub fn only(self, tenants: Vec<TenantId>) -> Self {
        let Parts { store, keys, vendors, gate, tuning, .. } = &*self.0;
        Self(Arc::new(Parts {
            store: store.clone(),
            keys: keys.clone(),
            vendors: Arc::clone(vendors),
            gate: Arc::clone(gate),
            tuning: *tuning,
            only: Some(tenants),
        }))
    }

    /// Runs until `stop` turns true; rounds that are under way are finished.
    pub async fn run(self, mut stop: watch::Receiver<bool>) {
        let mut rounds = JoinSet::new();
        let half = Duration::try_from(self.0.tuning.every).unwrap_or_default() / 2;
        while !*stop.borrow() {
            if let Err(error) = self.look(&mut rounds).await {
                tracing::warn!(%error, "what is to be probed can't be read");
            }
            let pause = half + half.mul_f64(rand::random::<f64>() / 2.0);
            tokio::select! {
                () = tokio::time::sleep(pause) => {}
                // Nobody is left who could tell it to stop: it should.
                told = stop.changed() => if told.is_err() { break },
            }
        }
        while rounds.join_next().await.is_some() {}
    }

    /// Claims what is due, tenant by tenant, and starts its rounds.
    async fn look(&self, rounds: &mut JoinSet<()>) -> Result<(), StoreError> {
        let parts = &self.0;
        let tenants = match &parts.only {
            Some(tenants) => tenants.clone(),
            None => parts.store.tenants().await?.into_iter().map(|tenant| tenant.id).collect(),
        };
        let mut standing: BTreeMap<(String, BreakerState), u64> = BTreeMap::new();
        for tenant in tenants {
            parts.gate.flush(tenant).await?;
            while rounds.try_join_next().is_some() {}
            let free = u32::try_from(AT_ONCE.saturating_sub(rounds.len())).unwrap_or(0);
            let now = Timestamp::now();
            let mut tx = parts.store.tenant_relaxed(tenant).await?;
            tx.enter_breakers(now, now).await?;
            tx.end_forced_breakers(now).await?;
            let until = now.saturating_add(LEASE).unwrap_or(now);
            let claimed = if free > 0 { tx.claim_probes(now, until, free).await? } else { Vec::new() };
            for row in tx.breakers(None).await? {
                *standing.entry((row.vendor, row.breaker.state)).or_default() += 1;
            }
            tx.commit().await?;
            for claimed in claimed {
                let prober = self.clone();
                rounds.spawn(async move { prober.round(tenant, claimed).await });
            }
        }
        let vendors: Vec<String> = standing.keys().map(|(vendor, _)| vendor.clone()).collect();
        for vendor in vendors {
            for state in BreakerState::ALL {
                let count = standing.get(&(vendor.clone(), state)).copied().unwrap_or(0);
                metrics::set_breakers(&vendor, state.name(), count);
            }
        }
        Ok(())
    }

    /// One round of one breaker. If it can't be written, the lease ends and another one is made.
    async fn round(&self, tenant: TenantId, claimed: ClaimedBreaker) {
        let parts = &self.0;
        let row = &claimed.row;
        let settings = Settings {
            tenant,
            property: row.property,
            vendor: &row.vendor,
            config: &claimed.vendor_config,
            sealed: claimed.vendor_sealed.as_deref(),
            row: claimed.vendor_row,
            version: claimed.config_version,
        };
        let vendor = match adapters::open(&parts.keys, &parts.vendors, &settings).await {
            Ok(vendor) => vendor,
            Err(error) => {
                // Our own trouble, or the set-up's: it says nothing of the vendor.
                tracing::warn!(property = %row.property, vendor = row.vendor, %error, "no adapter to probe with");
                return;
            }
        };
        let started = Timestamp::now();
        let found = probes::round(vendor.as_ref(), &claimed, started).await;
        let evidence: Vec<_> = found.probes.iter().map(|probe| probe.evidence).collect();
        let blameless = evidence.iter().all(|e| !matches!(e.finding, Finding::Bad { .. }));
        let now = Timestamp::now();
        let mut step = row.breaker.after(verdict(&evidence), blameless, now, &parts.tuning);
        // So that rounds of many properties that began together don't stay together.
        let jitter = parts.tuning.every / 8 * i32::from(rand::random::<u8>()) / 256;
        step.breaker.next_probe_at = step.breaker.next_probe_at.saturating_add(jitter).unwrap_or(now);
        let written = async {
            let mut tx = parts.store.tenant(tenant).await?;
            let written = tx.settle_round(&claimed, &step, &found.probes, &found.devices, now).await?;
            tx.commit().await.map(|()| written)
        };
        match written.await {
            Ok(true) => tell(&row.vendor, &found.probes, &step),
            Ok(false) => tracing::info!(property = %row.property, "another worker has made this round"),
            Err(error) => tracing::warn!(property = %row.property, %error, "a round could not be written"),
        }
    }
}

fn tell(vendor: &str, probes: &[lock_store::ProbeResult], step: &lock_domain::health::Step) {
    for probe in probes {
        let finding = match probe.evidence.finding {
            Finding::Well => "well",
            Finding::Bad { .. } => "bad",
            Finding::Silent => "silent",
        };
        metrics::probe(vendor, probe.evidence.kind.name(), finding);
    }
    if step.false_positive {
        metrics::breaker_false_positive(vendor);
    }
    match step.moved {
        Some(Moved::Opened { code }) => {
            tracing::warn!(vendor, %code, "a breaker has opened");
            metrics::breaker_opened(vendor);
        }
        Some(Moved::HalfOpened) => tracing::info!(vendor, "a breaker is half open"),
        Some(Moved::Closed { after }) => {
            tracing::info!(vendor, seconds = after.as_secs(), "a breaker has closed");
            metrics::breaker_open_for(vendor, u64::try_from(after.as_secs()).unwrap_or(0));
        }
        None => {}
    }
}

//! Whether an effect may be sent, and how calls for guests ended: what the effects know of breakers. One look at the record a second and
//! property, however many effects ask. If the record does not answer, what was known last counts.

use jiff::{SignedDuration, Timestamp};
use lock_domain::{
    health::{BreakerState, Evidence, Finding, ProbeKind},
    ids::{CredentialId, PropertyId, TenantId},
};
use lock_store::{BreakerRow, Store, StoreError};
use std::{
    collections::BTreeMap,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::{Duration, Instant},
};

/// So old may an answer be.
const FRESH: Duration = Duration::from_secs(1);
/// While a breaker is open, a revoke is tried so often and no more.
const REVOKE_PACE: Duration = Duration::from_secs(20);
/// Effects that wait for the same breaker come back spread over so many milliseconds.
const SPREAD_MS: u64 = 2_000;
/// While an operator holds a breaker open, effects look so often whether he still does.
const FORCED_PACE: SignedDuration = SignedDuration::from_secs(10);

type Key = (TenantId, PropertyId);

/// The breakers of a property that hold effects back: the vendor, and when its next round is due.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Circuits(Arc<[(String, Timestamp)]>);

impl Circuits {
    /// For how long an effect at this vendor is held back; `None` if it may be sent.
    pub fn hold(&self, vendor: &str, credential: CredentialId, now: Timestamp) -> Option<Duration> {
        let (_, next) = self.0.iter().find(|(held, _)| held == vendor)?;
        let until_next = Duration::try_from(next.duration_since(now)).unwrap_or_default();
        let place = u64::from(credential.as_uuid().as_bytes()[15]);
        Some(until_next + Duration::from_millis(500 + place * SPREAD_MS / 256))
    }
}

/// When an effect may be looked at again: after the next round, or after a while where an operator has said so.
fn until(row: &BreakerRow, now: Timestamp) -> Timestamp {
    if row.breaker.holds() {
        return row.breaker.next_probe_at;
    }
    let later = now.saturating_add(FORCED_PACE).unwrap_or(now);
    row.forced.map_or(later, |forced| forced.until.min(later))
}

#[derive(Debug, Default)]
struct Known {
    read_at: Option<Instant>,
    circuits: Circuits,
    /// Calls by vendor that the record does not know of yet: well, bad.
    calls: BTreeMap<String, (u32, u32)>,
}

/// What the effects of this process know of breakers.
#[derive(Debug)]
pub struct Gate {
    store: Store,
    known: Mutex<BTreeMap<Key, Known>>,
}

impl Gate {
    /// Over a record.
    pub fn new(store: Store) -> Self {
        Self { store, known: Mutex::new(BTreeMap::new()) }
    }

    /// The breakers of a property that hold effects back, at most a second old.
    pub async fn circuits(&self, tenant: TenantId, property: PropertyId) -> Circuits {
        let key = (tenant, property);
        {
            let known = self.known();
            if let Some(known) = known.get(&key)
                && known.read_at.is_some_and(|at| at.elapsed() < FRESH)
            {
                return known.circuits.clone();
            }
        }
        match self.refresh(key).await {
            Ok(circuits) => circuits,
            Err(error) => {
                tracing::warn!(%error, "breakers can't be read; what was known last counts");
                self.known().get(&key).map(|known| known.circuits.clone()).unwrap_or_default()
            }
        }
    }

    /// A call for a guest ended so: well, or with what it says of the vendor.
    pub(crate) fn note(&self, tenant: TenantId, property: PropertyId, vendor: &str, finding: Finding) {
        let Some(well) = (Evidence { kind: ProbeKind::Passive, finding }).of_link() else { return };
        let mut known = self.known();
        let calls = known.entry((tenant, property)).or_default().calls.entry(vendor.to_owned()).or_default();
        let count = if well { &mut calls.0 } else { &mut calls.1 };
        *count = count.saturating_add(1);
    }

    /// A pause before the next try at a revoke: longer while its breaker is open, so that revokes go on at a low pace.
    pub(crate) fn revoke_pause(
        &self,
        tenant: TenantId,
        property: PropertyId,
        vendor: &str,
        after: Option<Duration>,
    ) -> Option<Duration> {
        let held = self.known().get(&(tenant, property)).is_some_and(|k| k.circuits.0.iter().any(|(v, _)| v == vendor));
        if held { Some(after.unwrap_or_default().max(REVOKE_PACE)) } else { after }
    }

    /// Tells the record what it does not know yet of a tenant's calls.
    pub(crate) async fn flush(&self, tenant: TenantId) -> Result<(), StoreError> {
        let keys = self.untold(tenant);
        for key in keys {
            self.refresh(key).await?;
        }
        Ok(())
    }

    fn untold(&self, tenant: TenantId) -> Vec<Key> {
        let known = self.known();
        known.iter().filter(|(key, known)| key.0 == tenant && !known.calls.is_empty()).map(|(key, _)| *key).collect()
    }

    async fn refresh(&self, key: Key) -> Result<Circuits, StoreError> {
        let calls = self.known().get_mut(&key).map(|known| std::mem::take(&mut known.calls)).unwrap_or_default();
        let mut tx = self.store.tenant_relaxed(key.0).await?;
        let rows = tx.breakers(Some(key.1)).await?;
        for row in &rows {
            if let Some((well, bad)) = calls.get(&row.vendor) {
                tx.count_calls(key.1, &row.vendor, *well, *bad).await?;
            }
        }
        tx.commit().await?;
        let now = Timestamp::now();
        let held = rows.into_iter().filter(|row| row.counted(now) != BreakerState::Closed);
        let circuits = Circuits(held.map(|row| (row.vendor.clone(), until(&row, now))).collect());
        let mut known = self.known();
        let known = known.entry(key).or_default();
        (known.read_at, known.circuits) = (Some(Instant::now()), circuits.clone());
        Ok(circuits)
    }

    fn known(&self) -> MutexGuard<'_, BTreeMap<Key, Known>> {
        self.known.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

//! Counts every vendor call by property, in memory, and brings the counts into the record now and then: no guest waits for it.
//!
//! A process that is killed loses the counts since the last time, at most [`Ledger::EVERY`] of them; one that ends in order loses none. If
//! the record does not answer the counts are kept for the next time. If nobody knows whether a transaction was committed they are kept
//! too, and may then be counted twice: a bill that is a little too high is looked into, one that is too low is not.

use jiff::Timestamp;
use lock_domain::ids::{PropertyId, TenantId};
use lock_store::{CallsAt, Store, StoreError};
use lock_vendors::{ledger::CallLedger, meter::CallSample, registry::AdapterKey};
use std::{
    collections::BTreeMap,
    sync::{Mutex, MutexGuard, PoisonError},
    time::Duration,
};
use tokio::sync::watch;

/// The offsets of all time zones are multiples of it, so that it lies within one day everywhere.
const STEP_S: i64 = 900;

#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
struct Kind {
    property: PropertyId,
    vendor: String,
    /// Start of the quarter of an hour, seconds since 1970.
    at: i64,
    verb: &'static str,
    outcome: &'static str,
    retry: bool,
}

type Counts = BTreeMap<TenantId, BTreeMap<Kind, u64>>;

/// The counts that the record does not have yet.
#[derive(Debug, Default)]
pub struct Ledger(Mutex<Counts>);

impl Ledger {
    /// From time to time.
    pub const EVERY: Duration = Duration::from_secs(30);

    fn counts(&self) -> MutexGuard<'_, Counts> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Brings all counts into the record. What could not be brought is kept, and the first reason returned.
    pub async fn flush(&self, store: &Store) -> Result<(), StoreError> {
        let counts = std::mem::take(&mut *self.counts());
        let mut failed = Ok(());
        for (tenant, counts) in counts {
            let calls: Vec<CallsAt> = counts.iter().map(|(kind, count)| calls(kind, *count)).collect();
            let written = async {
                let mut tx = store.tenant_relaxed(tenant).await?;
                tx.add_calls(&calls).await?;
                tx.commit().await
            };
            if let Err(error) = written.await {
                let mut all = self.counts();
                let kept = all.entry(tenant).or_default();
                for (kind, count) in counts {
                    *kept.entry(kind).or_default() += count;
                }
                drop(all);
                failed = failed.and(Err(error));
            }
        }
        failed
    }

    /// Flushes now and then until `stop` turns true. Whoever runs it flushes once more when the last call has ended.
    pub async fn run(&self, store: &Store, mut stop: watch::Receiver<bool>) {
        while !*stop.borrow() {
            tokio::select! {
                () = tokio::time::sleep(Self::EVERY) => {}
                told = stop.changed() => if told.is_err() { break },
            }
            if let Err(error) = self.flush(store).await {
                tracing::warn!(%error, "counts of vendor calls wait for the record");
            }
        }
    }
}

fn calls(kind: &Kind, count: u64) -> CallsAt {
    CallsAt {
        property: kind.property,
        vendor: kind.vendor.clone(),
        at: Timestamp::from_second(kind.at).unwrap_or_default(),
        verb: kind.verb,
        outcome: kind.outcome,
        retry: kind.retry,
        count,
    }
}

impl CallLedger for Ledger {
    fn enter(&self, whose: &AdapterKey, call: CallSample, retry: bool) {
        let now = Timestamp::now().as_second();
        let kind = Kind {
            property: whose.property,
            vendor: whose.vendor.clone(),
            at: now - now.rem_euclid(STEP_S),
            verb: call.verb,
            outcome: call.outcome,
            retry,
        };
        *self.counts().entry(whose.tenant).or_default().entry(kind).or_default() += 1;
    }
}

//! Who opened which secret: noted at the one place where sealed columns are opened, so that nobody can forget to, and written in the
//! background, so that nobody waits for it.
//!
//! What is noted lies in memory for at most [`FLUSH_EVERY`]; equal accesses become one row with a count. A process that is killed loses
//! what it has not written; for effects at vendors the intents, which are durable before anything is opened, still say what was worked at
//! and when, and reveals of PINs are recorded by the API in the transaction of the reveal, not here. While the record does not answer,
//! notes are kept and tried again; beyond [`MOST`] different ones the rows' ids are given up before any access is.

use crate::{
    port::{Owner, SYSTEM_TENANT},
    seal::Place,
};
use jiff::Timestamp;
use lock_domain::{
    event::Event,
    ids::{PropertyId, TenantId},
    vault::{Accessor, Oddity, oddity},
};
use lock_store::{AccessOutcome, NewAccess, Store, StoreError};
use std::{
    collections::{BTreeMap, BTreeSet},
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};
use tokio::sync::watch;
use uuid::Uuid;

/// Notes are written so often.
pub const FLUSH_EVERY: Duration = Duration::from_secs(5);
/// So many different notes are kept with their rows.
const MOST: usize = 20_000;
/// The purpose under which the API shows PINs; it records those itself.
pub const REVEAL: &str = "reveal";

/// Sees each opening of a sealed column, after it has succeeded or failed for good. Must not block.
pub trait OpenWatch: Send + Sync {
    /// One was opened, or refused.
    fn seen(&self, owner: Owner, place: &Place, purpose: &'static str, outcome: AccessOutcome);
}

#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
struct Line {
    tenant: TenantId,
    place: (&'static str, &'static str),
    row: Uuid,
    purpose: &'static str,
    outcome: AccessOutcome,
}

#[derive(Debug, Clone, Copy)]
struct Count {
    times: u32,
    last: Timestamp,
}

/// The notes of one process.
pub struct AccessBook {
    store: Store,
    who: Accessor,
    notes: Mutex<BTreeMap<Line, Count>>,
    /// Tenants whose record knows this process.
    known: Mutex<BTreeSet<TenantId>>,
    on_alert: fn(Oddity),
    on_refusal: fn(),
}

/// The name under which a process opens secrets: as the installation says, or else its program and host.
pub fn instance(program: &str, named: Option<&str>) -> String {
    let host = || {
        let name =
            std::fs::read_to_string("/proc/sys/kernel/hostname").or_else(|_| std::fs::read_to_string("/etc/hostname"));
        let name = name.unwrap_or_default();
        if name.trim().is_empty() { "unknown".to_owned() } else { name.trim().to_owned() }
    };
    let name = named.map_or_else(|| format!("{program}@{}", host()), str::to_owned);
    name.chars().filter(|c| c.is_ascii_graphic()).take(150).collect()
}

impl AccessBook {
    /// For a process of this name. `on_alert` and `on_refusal` count, for metrics.
    pub fn new(store: Store, name: &str, on_alert: fn(Oddity), on_refusal: fn()) -> Arc<Self> {
        let who = Accessor::Process(name.to_owned());
        Arc::new(Self { store, who, notes: Mutex::default(), known: Mutex::default(), on_alert, on_refusal })
    }

    /// Writes until `stop` turns true. Whoever stops the process calls [`AccessBook::flush`] once more, after the last secret was opened.
    pub async fn run(self: Arc<Self>, mut stop: watch::Receiver<bool>) {
        loop {
            tokio::select! {
                _ = stop.wait_for(|stop| *stop) => return,
                () = tokio::time::sleep(FLUSH_EVERY) => {}
            }
            if let Err(error) = self.flush().await {
                tracing::warn!(%error, "accesses to secrets can't be recorded yet");
            }
        }
    }

    /// Writes what was noted. What can't be written stays noted.
    pub async fn flush(&self) -> Result<(), StoreError> {
        let taken = std::mem::take(&mut *self.notes.lock().unwrap_or_else(PoisonError::into_inner));
        let mut by_tenant: BTreeMap<TenantId, Vec<(Line, Count)>> = BTreeMap::new();
        for (line, count) in taken {
            by_tenant.entry(line.tenant).or_default().push((line, count));
        }
        let mut failed = None;
        for (tenant, list) in by_tenant {
            if let Err(error) = self.write(tenant, &list).await {
                list.into_iter().for_each(|(line, count)| self.note(line, count));
                failed = Some(error);
            }
        }
        failed.map_or(Ok(()), Err)
    }

    async fn write(&self, tenant: TenantId, list: &[(Line, Count)]) -> Result<(), StoreError> {
        let who = self.who.to_string();
        let places: Vec<String> = list.iter().map(|(line, _)| format!("{}.{}", line.place.0, line.place.1)).collect();
        let rows = list.iter().zip(&places).map(|((line, count), place)| NewAccess {
            at: count.last,
            who: &who,
            purpose: line.purpose,
            place,
            row: line.row,
            outcome: line.outcome,
            times: count.times,
            oddity: None,
        });
        let mut rows: Vec<NewAccess<'_>> = rows.collect();
        let known = self.known.lock().unwrap_or_else(PoisonError::into_inner).contains(&tenant);
        let now = Timestamp::now();
        let mut tx = self.store.tenant(tenant).await?;
        let mut found = None;
        if !known {
            let past = tx.access_past(&who, now, |_| 0).await?;
            found = oddity(&self.who, now, 0, &past);
        }
        if let Some(first) = rows.first_mut() {
            first.oddity = found;
        }
        tx.record_accesses(&rows).await?;
        if let (Some(oddity), Some(first)) = (found, rows.first()) {
            let (purpose, place) = (first.purpose.to_owned(), first.place.to_owned());
            let alert = Event::VaultAccessAlert { who: who.clone(), oddity, purpose, place };
            tx.append(now, PropertyId::NONE, None, &[alert]).await?;
        }
        tx.commit().await?;
        self.known.lock().unwrap_or_else(PoisonError::into_inner).insert(tenant);
        if let Some(oddity) = found {
            tracing::warn!(%tenant, who, oddity = oddity.name(), "secrets were opened out of pattern");
            (self.on_alert)(oddity);
        }
        Ok(())
    }

    fn note(&self, line: Line, count: Count) {
        let mut notes = self.notes.lock().unwrap_or_else(PoisonError::into_inner);
        let crowded = notes.len() >= MOST && !notes.contains_key(&line);
        let line = if crowded { Line { row: Uuid::nil(), ..line } } else { line };
        let kept = notes.entry(line).or_insert(Count { times: 0, ..count });
        kept.times = kept.times.saturating_add(count.times);
        kept.last = kept.last.max(count.last);
    }
}

impl OpenWatch for AccessBook {
    fn seen(&self, owner: Owner, place: &Place, purpose: &'static str, outcome: AccessOutcome) {
        if outcome == AccessOutcome::Refused {
            (self.on_refusal)();
        }
        if purpose == REVEAL {
            return;
        }
        let tenant = match owner {
            Owner::System => SYSTEM_TENANT,
            Owner::Tenant(tenant) => tenant,
        };
        let line = Line { tenant, place: (place.table, place.column), row: place.row, purpose, outcome };
        self.note(line, Count { times: 1, last: Timestamp::now() });
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_instance_has_a_name_without_spaces() {
        assert_eq!(instance("lock-worker", Some("blue worker")), "blueworker");
        assert!(instance("lock-worker", None).starts_with("lock-worker@") && !instance("w", None).ends_with('@'));
    }
}

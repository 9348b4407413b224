//! Reads what stands at locks, and keeps what the comparison with the record says. Nothing is changed at a vendor.
//!
//! Safe to run twice: a lock's result is written once, and whoever runs again reads what is left. What the vendor lists stays in memory:
//! names of others go no further than `lock_domain::inventory`. The record is read before and after each list, so that a key which is
//! being made or taken away meanwhile is not told as missing, or as a ghost.
//!
//! A lock that can't be read is a result, with its reason, and the rest goes on; it is tried again a few times first, if that may help. A
//! vendor that does not answer at all is not asked for each of its locks, and neither is one whose breaker is not closed. An error means
//! "run me again".

#![allow(missing_docs, reason = "the macro adds an undocumented constant beside each activity")]

use crate::{
    adapters::{self, OpenError, Settings},
    alive::alive,
    failure,
    health::{Gate, Observed},
};
use jiff::Timestamp;
use lock_domain::{
    clock::ClockOffset,
    event::Event,
    ids::{CredentialId, DoorId},
    inventory::{Entry, InventoryRef, LOCKS_AT_ONCE, Listing, Recorded, SETTLE, Seen, Tally, compare},
    problem::Code,
};
use lock_kms::{DataKeys, KeyError, SealError};
use lock_store::{InventoryLock, LockResult, Progress, Property, RecordedRow, Store, StoreError, TenantTx};
use lock_telemetry::metrics;
use lock_vendors::{
    error::{Condition, EffectOutcome, VendorError},
    port::{CallContext, LockVendor, VendorCredential, VendorLockRef},
    registry::VendorRegistry,
};
use lock_workflows::inventory::{InventoryAsk, InventoryStep};
use std::{sync::Arc, time::Duration};
use temporalio_macros::activities;
use temporalio_sdk::activities::{ActivityContext, ActivityError};
use uuid::Uuid;

/// For one lock's list, with all the calls that it takes.
const CALL_TIMEOUT: Duration = Duration::from_secs(15);
/// A third of the heartbeat time-out that the workflow sets.
const HEARTBEAT_EVERY: Duration = Duration::from_secs(2);
/// So often a lock's list is asked for before it is given up.
const TRIES: u32 = 3;
/// From try to try, if the vendor does not say.
const AGAIN_AFTER: Duration = Duration::from_secs(2);
/// No longer than this, also if the vendor says so.
const LONGEST_PAUSE: Duration = Duration::from_secs(120);
/// After so many locks in a row of which the vendor itself gave no list it is not asked any more in this step.
const IN_VAIN: u32 = 2;

/// What reads locks.
#[derive(Clone)]
pub struct Inventories {
    store: Store,
    keys: DataKeys,
    vendors: Arc<VendorRegistry>,
    gate: Arc<Gate>,
}

/// Why a step could not be taken.
#[derive(Debug, thiserror::Error)]
enum Trouble {
    #[error(transparent)]
    Store(#[from] StoreError),
    #[error("the customer's root key refuses")]
    Locked,
    #[error("told to stop")]
    Stopped,
    #[error("some lists are asked for again: {0}")]
    Again(Code, Duration),
}

impl Trouble {
    fn told(self) -> ActivityError {
        match self {
            Self::Store(error) => failure::record(&error),
            Self::Locked => failure::again(Code::VaultLocked, Some(Duration::from_secs(30))),
            Self::Stopped => failure::again(Code::Unavailable, None),
            Self::Again(code, after) => failure::again(code, Some(after)),
        }
    }
}

/// A step at one vendor.
struct Reader<'a> {
    inventories: &'a Inventories,
    id: InventoryRef,
    property: Property,
    name: &'a str,
    vendor: Observed<'a>,
    /// This is the last try: what fails now is given up.
    last: bool,
}

#[activities]
impl Inventories {
    /// See [`lock_workflows::inventory::InventoryActivities`].
    #[activity(definition = lock_workflows::inventory::InventoryBegin)]
    pub async fn inventory_begin(
        self: Arc<Self>,
        _ctx: ActivityContext,
        id: InventoryRef,
    ) -> Result<InventoryStep, ActivityError> {
        self.begin(id).await.map_err(|error| failure::record(&error))
    }

    /// See [`lock_workflows::inventory::InventoryActivities`].
    #[activity(definition = lock_workflows::inventory::InventoryRead)]
    pub async fn inventory_read(
        self: Arc<Self>,
        ctx: ActivityContext,
        ask: InventoryAsk,
    ) -> Result<InventoryStep, ActivityError> {
        let stopped = || ctx.is_cancelled();
        let work = Box::pin(self.step(&ask, ctx.info().attempt >= TRIES, &stopped));
        alive(&ctx, HEARTBEAT_EVERY, work).await.map_err(Trouble::told)
    }
}

impl Inventories {
    /// Over a record, the keys that open vendors' secrets, adapters, and what is known of breakers.
    pub fn new(store: Store, keys: DataKeys, vendors: Arc<VendorRegistry>, gate: Arc<Gate>) -> Self {
        Self { store, keys, vendors, gate }
    }

    async fn begin(&self, id: InventoryRef) -> Result<InventoryStep, StoreError> {
        let now = Timestamp::now();
        let mut tx = self.store.tenant(id.tenant).await?;
        tx.begin_inventory(id.inventory, now).await?;
        for vendor in tx.inventory_vendors(id.inventory).await? {
            if !Listing::of(&vendor).can() {
                tx.settle_unlistable(id.inventory, &vendor, now).await?;
            }
        }
        let next = next(&mut tx, id).await?;
        tx.commit().await?;
        Ok(InventoryStep { tenant: id.tenant, asked: 0, next })
    }

    async fn step(
        &self,
        ask: &InventoryAsk,
        last: bool,
        stopped: &(dyn Fn() -> bool + Sync),
    ) -> Result<InventoryStep, Trouble> {
        let id = ask.id;
        let mut tx = self.store.tenant(id.tenant).await?;
        let property = tx.property(id.property).await?.ok_or(StoreError::NotFound("property"))?;
        let waiting = tx.inventory_waiting(id.inventory, &ask.vendor, LOCKS_AT_ONCE).await?;
        tx.commit().await?;
        let mut asked = 0;
        if !waiting.is_empty() {
            match self.adapter(id, &ask.vendor).await? {
                Ok(vendor) => {
                    let vendor = Observed { vendor, gate: &self.gate, tenant: id.tenant, property: id.property };
                    let reader = Reader { inventories: self, id, property, name: &ask.vendor, vendor, last };
                    asked = reader.read(&waiting, stopped).await?;
                }
                Err(code) => {
                    for lock in &waiting {
                        self.settle(id, lock, &LockResult::NotRead(code)).await?;
                    }
                }
            }
        }
        let mut tx = self.store.tenant(id.tenant).await?;
        let next = next(&mut tx, id).await?;
        tx.commit().await?;
        Ok(InventoryStep { tenant: id.tenant, asked, next })
    }

    /// The adapter of a vendor, or why there is none.
    async fn adapter(&self, id: InventoryRef, vendor: &str) -> Result<Result<Arc<dyn LockVendor>, Code>, Trouble> {
        let mut tx = self.store.tenant(id.tenant).await?;
        let settings = tx.vendor_settings(id.property, vendor).await?;
        tx.commit().await?;
        let Some(settings) = settings else { return Ok(Err(Code::VendorAccess)) };
        let settings = Settings {
            tenant: id.tenant,
            property: id.property,
            vendor,
            config: &settings.config,
            sealed: settings.sealed.as_deref(),
            row: settings.row,
            version: settings.version,
        };
        match adapters::open(&self.keys, &self.vendors, &settings).await {
            Ok(vendor) => Ok(Ok(vendor)),
            Err(OpenError::Seal(SealError::Key(KeyError::Kms(error)))) => {
                tracing::warn!(%error, property = %id.property, vendor, "an inventory waits for the root key");
                Err(Trouble::Locked)
            }
            Err(error) => {
                tracing::error!(%error, property = %id.property, vendor, "no adapter to read locks with");
                Ok(Err(Code::VendorAccess))
            }
        }
    }

    async fn settle(&self, id: InventoryRef, lock: &InventoryLock, result: &LockResult) -> Result<bool, StoreError> {
        let mut tx = self.store.tenant(id.tenant).await?;
        let settled = tx.settle_inventory_lock(id.inventory, lock.place, result, Timestamp::now()).await?;
        tx.commit().await?;
        Ok(settled)
    }
}

impl Reader<'_> {
    /// Reads these locks, and returns how many of them the vendor was asked for.
    async fn read(&self, locks: &[InventoryLock], stopped: &(dyn Fn() -> bool + Sync)) -> Result<u32, Trouble> {
        let (mut asked, mut in_vain, mut again) = (0, 0, None);
        let mut given_up = None;
        for lock in locks {
            if stopped() {
                return Err(Trouble::Stopped);
            }
            if self.held().await {
                self.settle(lock, &LockResult::NotRead(Code::VendorCircuitOpen)).await?;
                continue;
            }
            if in_vain >= IN_VAIN {
                // If trying again may help, it stays for the next try.
                if let Some(code) = given_up {
                    self.settle(lock, &LockResult::NotRead(code)).await?;
                }
                continue;
            }
            asked += 1;
            match self.entries(lock.door, &lock.vendor_lock_id).await? {
                Ok(entries) => {
                    in_vain = 0;
                    let tally = Tally::of(&entries);
                    if self.settle(lock, &LockResult::Read(entries)).await? {
                        metrics::inventory_found(self.name, &counts(&tally));
                    }
                }
                Err(error) => {
                    in_vain = if of_the_lock(&error) { 0 } else { in_vain + 1 };
                    let pause = again_after(&error).filter(|_| !self.last);
                    let code = error.condition().problem();
                    tracing::warn!(%error, door = %lock.door, again = pause.is_some(), "a lock's list can't be read");
                    match (pause, error.condition()) {
                        (Some(pause), _) => {
                            let longest = again.map_or(pause, |(_, before): (Code, Duration)| pause.max(before));
                            again = Some((code, longest));
                        }
                        (None, Condition::NotReadable | Condition::Unsupported | Condition::WireNotPublic) => {
                            self.settle(lock, &LockResult::CannotList).await?;
                        }
                        (None, _) => {
                            given_up = Some(code);
                            self.settle(lock, &LockResult::NotRead(code)).await?;
                        }
                    }
                }
            }
        }
        match again {
            Some((code, pause)) => Err(Trouble::Again(code, pause)),
            None => Ok(asked),
        }
    }

    /// Whether the vendor's breaker holds calls back.
    async fn held(&self) -> bool {
        let circuits = self.inventories.gate.circuits(self.id.tenant, self.id.property).await;
        circuits.hold(self.name, CredentialId::from_uuid(Uuid::nil()), Timestamp::now()).is_some()
    }

    async fn settle(&self, lock: &InventoryLock, result: &LockResult) -> Result<bool, StoreError> {
        self.inventories.settle(self.id, lock, result).await
    }

    /// What stands at a lock.
    async fn entries(&self, door: DoorId, lock_id: &str) -> Result<Result<Vec<Entry>, VendorError>, StoreError> {
        let began = Timestamp::now();
        let before = self.recorded(door, &[]).await?;
        let call = CallContext::new(format!("inventory-{door}"), CALL_TIMEOUT);
        let listed = match self.vendor.list(&call, &VendorLockRef::new(lock_id)).await {
            Ok(listed) => listed,
            Err(error) => return Ok(Err(error)),
        };
        let seen: Vec<Seen> = listed.into_iter().map(seen).collect();
        let names: Vec<&str> = seen.iter().map(|seen| seen.name.as_str()).collect();
        let after = self.recorded(door, &names).await?;
        let now = Timestamp::now();
        let recorded: Vec<Recorded> =
            after.into_iter().map(|row| settled(row, &before, self.property.clock, (began, now))).collect();
        Ok(Ok(compare(self.name, &seen, &recorded, self.property.clock.now(now))))
    }

    async fn recorded(&self, door: DoorId, names: &[&str]) -> Result<Vec<RecordedRow>, StoreError> {
        let mut tx = self.inventories.store.tenant(self.id.tenant).await?;
        let rows = tx.recorded_at(self.id.property, door, names).await?;
        tx.commit().await?;
        Ok(rows)
    }
}

fn seen(credential: VendorCredential) -> Seen {
    Seen {
        reference: credential.reference.0,
        name: credential.name,
        window: credential.window,
        at_lock: credential.confirmed_at_lock,
    }
}

/// A row as it may be compared: moving if it changed since before the vendor was asked, or just before that. The vendor may have looked at
/// any time between.
fn settled(
    row: RecordedRow,
    before: &[RecordedRow],
    clock: ClockOffset,
    (began, now): (Timestamp, Timestamp),
) -> Recorded {
    let RecordedRow { mut recorded, updated_at } = row;
    let old = before.iter().find(|old| old.recorded.credential == recorded.credential);
    let changed = match old {
        Some(old) => old.updated_at != updated_at || old.recorded.state != recorded.state,
        None => recorded.state.may_open(),
    };
    // Rows are stamped with real time or the property's, whichever their writer goes by.
    let fresh = [(began, now), (clock.now(began), clock.now(now))]
        .into_iter()
        .any(|(began, now)| began.duration_since(updated_at) < SETTLE && updated_at.duration_since(now) < SETTLE);
    recorded.moving |= changed || fresh;
    recorded
}

/// Whether a failure says something of this lock only.
fn of_the_lock(error: &VendorError) -> bool {
    use Condition as C;
    !matches!(
        error.condition(),
        C::Unreachable
            | C::NoAnswer
            | C::ServerError
            | C::BadAnswer
            | C::AccessRefused
            | C::WrongRegion
            | C::ClockSkew
            | C::RateLimited
            | C::QuotaExhausted
            | C::CertificateRefused
            | C::LicenceMissing
            | C::Failed
    )
}

/// When a list may be asked for again, if that may help. A list that got no answer has changed nothing.
fn again_after(error: &VendorError) -> Option<Duration> {
    match error.outcome() {
        EffectOutcome::Retryable { after } => Some(after.unwrap_or(AGAIN_AFTER).min(LONGEST_PAUSE)),
        EffectOutcome::Unconfirmed => Some(AGAIN_AFTER),
        EffectOutcome::Permanent => None,
    }
}

/// Findings by name, for the metric.
fn counts(tally: &Tally) -> [(&'static str, u32); 5] {
    [
        ("ghost", tally.ghost),
        ("duplicate", tally.duplicate),
        ("missing", tally.missing),
        ("changed", tally.changed),
        ("unknown", tally.unknown),
    ]
}

/// The vendor whose locks are next. If nothing is left, the inventory is over, and that is told.
async fn next(tx: &mut TenantTx<'_>, id: InventoryRef) -> Result<Option<String>, StoreError> {
    if let Some(vendor) = tx.inventory_next_vendor(id.inventory).await? {
        return Ok(Some(vendor));
    }
    let now = Timestamp::now();
    if !tx.end_inventory(id.inventory, None, now).await? {
        return Ok(None);
    }
    let mut all = Progress::default();
    tx.inventory_progress(id.inventory).await?.values().for_each(|progress| all.add(progress));
    let property = tx.property(id.property).await?.ok_or(StoreError::NotFound("property"))?;
    let event = Event::InventoryFinished {
        inventory: id.inventory,
        cancelled: false,
        read: all.read,
        not_read: all.all() - all.read,
        found: all.found,
    };
    tx.append(property.clock.now(now), id.property, None, &[event]).await?;
    if all.found.ghost + all.found.duplicate > 0 {
        tracing::warn!(property = %id.property, inventory = %id.inventory, ghosts = all.found.ghost, duplicates = all.found.duplicate, "keys stand at locks that should not");
    }
    Ok(None)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use jiff::SignedDuration;
    use lock_domain::{
        credential::{CredentialState, KeyKind},
        ids::{KeyId, StayId},
    };

    fn row(updated_at: Timestamp, state: CredentialState) -> RecordedRow {
        let recorded = Recorded {
            credential: CredentialId::from_uuid(Uuid::nil()),
            key: KeyId::from_uuid(Uuid::nil()),
            stay: StayId::from_uuid(Uuid::nil()),
            kind: KeyKind::Pin,
            one_time: false,
            token: "lis-1".to_owned(),
            vendor_ref: None,
            state,
            window: None,
            moving: false,
        };
        RecordedRow { recorded, updated_at }
    }

    #[test]
    fn what_changed_while_the_vendor_was_asked_is_moving() {
        use CredentialState::{Gone, Live};
        let now: Timestamp = "2026-11-23T12:00:00Z".parse().unwrap();
        let began = now - SETTLE - SignedDuration::from_secs(4);
        let old = now - SignedDuration::from_hours(1);
        let later = old + SignedDuration::from_mins(1);
        let ahead = ClockOffset::from_millis(3_600_000);
        for (before, after, clock, moving) in [
            (vec![row(old, Live)], row(old, Live), ClockOffset::REAL, false),
            (vec![row(old, Live)], row(later, Live), ClockOffset::REAL, true),
            (vec![row(old, Live)], row(old, Gone), ClockOffset::REAL, true),
            (vec![], row(old, Gone), ClockOffset::REAL, false),
            (vec![], row(now, Live), ClockOffset::REAL, true),
            // New since the list was begun, which took longer than rows need to settle.
            (vec![], row(began, Live), ClockOffset::REAL, true),
            (vec![], row(began, Gone), ClockOffset::REAL, true),
            (vec![], row(now + SignedDuration::from_hours(1), Live), ahead, true),
        ] {
            assert_eq!(settled(after.clone(), &before, clock, (began, now)).moving, moving, "{before:?} {after:?}");
        }
    }

    #[test]
    fn a_lock_that_is_off_is_not_a_vendor_that_is_down() {
        let error = |condition, outcome| VendorError::new("ttlock", "list", condition, outcome);
        let retry = |after| EffectOutcome::Retryable { after };
        let off = error(Condition::LockOffline, retry(None));
        assert!(of_the_lock(&off) && again_after(&off) == Some(AGAIN_AFTER));
        let down = error(Condition::Unreachable, retry(Some(Duration::from_secs(900))));
        assert!(!of_the_lock(&down) && again_after(&down) == Some(LONGEST_PAUSE));
        assert_eq!(again_after(&error(Condition::LockUnknown, EffectOutcome::Permanent)), None);
        assert_eq!(again_after(&error(Condition::NoAnswer, EffectOutcome::Unconfirmed)), Some(AGAIN_AFTER));
    }
}

//! Locks' clocks: read, judged, set, and read again.

use super::{
    CALL_TIMEOUT, Maintenance, Trouble,
    episodes::{Facts, Whose, carry_out, told},
    held,
    links::note_drops,
    survey::{note_link, reference},
};
use jiff::{SignedDuration, Timestamp};
use lock_domain::{
    device::{Act, AlertKind, ClockLimits, ClockReach, ClockView, Hint, hint, judge_clock},
    ids::{AttemptId, DoorId, PropertyId, TenantId},
    problem::Code,
};
use lock_store::{ClockSeen, DeviceKind, DeviceRow, DeviceSeen, DriftSource, Property, StoreError, SyncOutcome};
use lock_telemetry::metrics;
use lock_vendors::{
    error::{Condition, EffectOutcome, VendorError},
    port::{CallContext, LockVendor, VendorLockRef},
};
use lock_workflows::{LockBatch, LocksLooked};

/// So often a clock is set in one look.
const MOST_SYNCS: u32 = 2;

/// What became of one lock.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Looked {
    /// Nobody can tell how its clock is.
    Untold,
    Well,
    Set,
    Off,
}

/// One look at one lock.
struct Look<'a> {
    maintenance: &'a Maintenance,
    tenant: TenantId,
    property: PropertyId,
    door: DoorId,
    vendor: &'a dyn LockVendor,
    limits: ClockLimits,
    lock: VendorLockRef,
    call: CallContext,
}

/// What is known of a clock after asking.
#[derive(Debug, Clone)]
struct Reading {
    drift: Option<(SignedDuration, DriftSource)>,
    reach: ClockReach,
    /// The lock answered, or did not; `None` if it was not asked, or the fault lies elsewhere.
    online: Option<bool>,
}

impl Maintenance {
    pub(super) async fn locks(
        &self,
        batch: &LockBatch,
        stopped: &(dyn Fn() -> bool + Sync),
    ) -> Result<LocksLooked, Trouble> {
        let mut done = LocksLooked { tenant: batch.tenant, looked: 0, set: 0, off: 0 };
        let mut tx = self.store.tenant(batch.tenant).await?;
        let property = tx.property(batch.property).await?.ok_or(StoreError::NotFound("property"))?;
        tx.commit().await?;
        let vendor = self.adapter(batch.tenant, &property).await?;
        // One after another: a gateway has one radio, and guests' keys come first.
        for door in &batch.doors {
            if stopped() {
                return Err(Trouble::Stopped);
            }
            let looked = self.lock(batch.tenant, &property, vendor.as_ref(), *door).await?;
            done.looked += u32::from(looked != Looked::Untold);
            done.set += u32::from(looked == Looked::Set);
            done.off += u32::from(looked == Looked::Off);
        }
        Ok(done)
    }

    async fn lock(
        &self,
        tenant: TenantId,
        property: &Property,
        vendor: &dyn LockVendor,
        door: DoorId,
    ) -> Result<Looked, Trouble> {
        let mut tx = self.store.tenant(tenant).await?;
        let held = held(&mut tx, property).await?;
        let device = tx.device_of_door(property.id, door).await?;
        tx.commit().await?;
        let Some(device) = device.filter(|device| device.vendor == property.vendor && !held) else {
            return Ok(Looked::Untold);
        };
        let look = Look {
            maintenance: self,
            tenant,
            property: property.id,
            door,
            vendor,
            limits: ClockLimits::for_padding(property.policy.pad_before()),
            lock: VendorLockRef::new(device.id.clone()),
            call: CallContext::new(format!("clock-{door}"), CALL_TIMEOUT),
        };
        look.run(device).await
    }
}

impl Look<'_> {
    async fn run(&self, device: DeviceRow) -> Result<Looked, Trouble> {
        let mut reading = self.read(&device).await?;
        let mut in_vain = None;
        for synced in 0..=MOST_SYNCS {
            let (sync, drift) = self.record(&reading, in_vain, synced < MOST_SYNCS).await?;
            let Some(attempt) = sync else {
                let off = |drift: SignedDuration| drift.unsigned_abs() >= self.limits.sync;
                return Ok(match drift {
                    None => Looked::Untold,
                    Some(drift) if off(drift) => Looked::Off,
                    Some(_) if synced > 0 => Looked::Set,
                    Some(_) => Looked::Well,
                });
            };
            let set = self.vendor.sync_clock(&self.call, &self.lock).await;
            let refused = set.err().filter(|error| error.outcome() != EffectOutcome::Unconfirmed);
            reading = self.read(&device).await?;
            let code = refused.as_ref().map(|error| error.condition().problem());
            in_vain = self.outcome(attempt, &reading, code).await?;
        }
        Ok(Looked::Off)
    }

    /// The property as it is now: its clock may have been moved meanwhile.
    async fn property(&self) -> Result<Property, Trouble> {
        let mut tx = self.maintenance.store.tenant(self.tenant).await?;
        let property = tx.property(self.property).await?.ok_or(StoreError::NotFound("property"))?;
        tx.commit().await?;
        Ok(property)
    }

    /// Asks the lock, twice if its clock seems off, so that no single odd answer counts; where it can't be asked, records tell.
    async fn read(&self, device: &DeviceRow) -> Result<Reading, Trouble> {
        if !self.vendor.capabilities().time_sync {
            let drift = self.by_records(device).await?;
            return Ok(Reading { drift, reach: ClockReach::NoTimeSync, online: None });
        }
        let mut answer = self.ask().await?;
        if answer.as_ref().is_ok_and(|drift| drift.unsigned_abs() >= self.limits.sync) {
            answer = match (answer, self.ask().await?) {
                (Ok(one), Ok(other)) => Ok(if one.unsigned_abs() < other.unsigned_abs() { one } else { other }),
                (_, again) => again,
            };
        }
        match answer {
            Ok(drift) => {
                let drift = Some((drift, DriftSource::Query));
                Ok(Reading { drift, reach: ClockReach::Settable, online: Some(true) })
            }
            Err(error) => {
                tracing::debug!(%error, door = %self.door, "a clock can't be read");
                let alone = device.has_gateway == Some(false);
                let reach = if alone { ClockReach::NoGateway } else { ClockReach::Settable };
                // A lock that no gateway ever reaches is not out of reach: it never was in it.
                let online = (error.condition() == Condition::LockOffline && !alone).then_some(false);
                Ok(Reading { drift: self.by_records(device).await?, reach, online })
            }
        }
    }

    async fn ask(&self) -> Result<Result<SignedDuration, VendorError>, Trouble> {
        let before = Timestamp::now();
        let shown = self.vendor.lock_clock(&self.call, &self.lock).await;
        let between = before.saturating_add(Timestamp::now().duration_since(before) / 2).unwrap_or(before);
        let shown = match shown {
            Ok(shown) => shown,
            Err(error) => return Ok(Err(error)),
        };
        Ok(Ok(shown.duration_since(self.property().await?.clock.now(between))))
    }

    /// What arrivals of records prove since the clock was read last.
    async fn by_records(&self, device: &DeviceRow) -> Result<Option<(SignedDuration, DriftSource)>, Trouble> {
        let since = device.drift_at.filter(|_| device.drift_source == Some(DriftSource::Query));
        let mut tx = self.maintenance.store.tenant(self.tenant).await?;
        let property = tx.property(self.property).await?.ok_or(StoreError::NotFound("property"))?;
        // Arrivals are told by the vendor's time, which is the property's in a sandbox.
        let since = since.map(|at| property.clock.now(at));
        let uploads = tx.uploads(self.door, since).await?;
        tx.commit().await?;
        Ok(match hint(&uploads, &self.limits) {
            Hint::Proven(drift) => Some((drift, DriftSource::Records)),
            Hint::Look | Hint::Nothing => None,
        })
    }

    /// Writes a reading and what follows from it, all or nothing; the attempt at setting the clock, if that follows and may.
    async fn record(
        &self,
        reading: &Reading,
        in_vain: Option<u32>,
        may_sync: bool,
    ) -> Result<(Option<AttemptId>, Option<SignedDuration>), Trouble> {
        let mut tx = self.maintenance.store.tenant(self.tenant).await?;
        let property = tx.property(self.property).await?.ok_or(StoreError::NotFound("property"))?;
        let (now, present) = (Timestamp::now(), property.clock.now(Timestamp::now()));
        let seen = DeviceSeen {
            property: property.id,
            vendor: &property.vendor,
            kind: DeviceKind::Lock,
            id: &self.lock.lock_id,
            online: reading.online,
            battery_percent: None,
            name: None,
            has_gateway: None,
            at: now,
            present,
        };
        let mut events = Vec::new();
        if reading.online.is_some() {
            let (before, _) = tx.note_device(seen).await?;
            if (before, reading.online) == (Some(true), Some(false)) {
                note_drops(&mut tx, reference(&seen), &[present], present).await?;
            }
            events.extend(note_link(&mut tx, &seen, AlertKind::Offline, Some(self.door)).await?);
        }
        let queried = reading.drift.filter(|(_, source)| *source == DriftSource::Query).map(|(drift, _)| drift);
        // An attempt whose worker died: the first reading afterwards tells how it ended.
        if let Some(drift) = queried {
            for attempt in tx.open_syncs(self.door).await? {
                tx.sync_outcome(attempt, self.ended(drift), Some(drift), None, now).await?;
            }
        }
        let well = queried.is_some_and(|drift| drift.unsigned_abs() < self.limits.sync);
        let in_vain = if well { Some(0) } else { in_vain };
        tx.note_clock(reference(&seen), ClockSeen { drift: reading.drift, in_vain, at: now }).await?;
        let device = tx.device(reference(&seen)).await?.ok_or(StoreError::NotFound("device"))?;
        let mut attempt = None;
        // Out of reach for good, what was known last is all that a person can be sent for.
        let last =
            device.drift.filter(|_| reading.reach == ClockReach::NoGateway && told(&device, AlertKind::ClockDrift));
        let judged = reading.drift.map(|(drift, _)| drift).or(last);
        if let Some(drift) = judged {
            let view = ClockView {
                alerted: told(&device, AlertKind::ClockDrift),
                tasked: device.tasks.contains(&AlertKind::ClockDrift),
                in_vain: device.in_vain,
            };
            let acts = judge_clock(drift, view, reading.reach, &self.limits);
            let whose = Whose { device: reference(&seen), door: Some(self.door), present };
            let facts = Facts { drift: Some(drift), ..Facts::default() };
            events.extend(carry_out(&mut tx, whose, &acts, facts).await?);
            // A clock that could not be read just now could not be set either.
            if acts.contains(&Act::Sync) && may_sync && queried.is_some() && !held(&mut tx, &property).await? {
                attempt = Some(tx.intend_sync(property.id, self.door, drift, now).await?);
            }
        }
        tx.append(present, property.id, None, &events).await?;
        tx.commit().await?;
        Ok((attempt, judged))
    }

    fn ended(&self, drift: SignedDuration) -> SyncOutcome {
        if drift.unsigned_abs() < self.limits.sync { SyncOutcome::Confirmed } else { SyncOutcome::Failed }
    }

    /// Records how an attempt ended, by the reading after it; returns how often it was in vain by now.
    async fn outcome(&self, attempt: AttemptId, reading: &Reading, code: Option<Code>) -> Result<Option<u32>, Trouble> {
        let drift = reading.drift.filter(|(_, source)| *source == DriftSource::Query).map(|(drift, _)| drift);
        let outcome = match (drift, code) {
            (Some(drift), _) => self.ended(drift),
            (None, Some(_)) => SyncOutcome::Failed,
            (None, None) => SyncOutcome::Unconfirmed,
        };
        metrics::clock_sync(self.vendor.name(), outcome.name());
        let mut tx = self.maintenance.store.tenant(self.tenant).await?;
        tx.sync_outcome(attempt, outcome, drift, code, Timestamp::now()).await?;
        let device = tx.device_of_door(self.property, self.door).await?;
        tx.commit().await?;
        let before = device.map_or(0, |device| device.in_vain);
        Ok(match outcome {
            SyncOutcome::Confirmed => Some(0),
            SyncOutcome::Failed => Some(before.saturating_add(1)),
            SyncOutcome::Unconfirmed => None,
        })
    }
}

//! What one delivery gives reason for: the vendor is asked, and its answer counts, not the webhook.

use super::{Inbound, Trouble, doors, used};
use crate::{
    adapters::{self, Settings},
    maintenance::{Facts, Whose, carry_out, note_gateway, note_link, reference, told},
};
use jiff::{SignedDuration, Timestamp};
use lock_domain::{
    device::{AlertKind, ClockLimits, Hint, hint, judge_battery},
    event::Event,
    ids::{DoorId, TenantId},
    webhook::Meaning,
};
use lock_store::{DeliveryRow, DeviceKind, DeviceSeen, Property, StoreError, TenantTx};
use lock_vendors::{
    port::{CallContext, LockVendor, VendorLockRef},
    records::DoorRecord,
};
use std::{sync::Arc, time::Duration};

/// For one operation at a vendor, with all the calls that it takes.
const CALL_TIMEOUT: Duration = Duration::from_secs(15);
/// Records reach a vendor late, and locks' clocks differ: so far before the newest one that we have is asked.
const OVERLAP: SignedDuration = SignedDuration::from_hours(24);
/// So far back is asked of a lock that we have no record of.
const FIRST_LOOK: SignedDuration = SignedDuration::from_hours(7 * 24);
/// What goes into one transaction.
const AT_ONCE: usize = 200;
/// What records say of a clock is not worth another look for so long.
const LOOKED_LATELY: SignedDuration = SignedDuration::from_hours(1);

impl Inbound {
    pub(super) async fn follow_up(&self, tenant: TenantId, delivery: &DeliveryRow) -> Result<(), Trouble> {
        let mut tx = self.store.tenant(tenant).await?;
        let property = tx.property(delivery.property).await?;
        tx.commit().await?;
        let Some(property) = property else { return Ok(()) };
        let call = CallContext::new(delivery.id.to_string(), CALL_TIMEOUT);
        for meaning in &delivery.meaning {
            match meaning {
                Meaning::Records { lock } | Meaning::Lock { lock } => {
                    self.records(tenant, &property, lock, &call).await?;
                }
                Meaning::Gateways => self.gateways(tenant, &property, &call).await?,
                // Kept with its delivery. The stay that it speaks of is read back by its own rounds.
                Meaning::Credential { .. } | Meaning::Receipt { .. } | Meaning::Nothing => {}
            }
        }
        Ok(())
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

    /// Reads a lock's records from before the newest that we have, and stores those that are new. A lock that is none of ours is left alone.
    async fn records(
        &self,
        tenant: TenantId,
        property: &Property,
        lock: &str,
        call: &CallContext,
    ) -> Result<(), Trouble> {
        let mut tx = self.store.tenant(tenant).await?;
        let Some(door) = tx.door_of_lock(property.id, &property.vendor, lock).await? else { return Ok(()) };
        let newest = tx.newest_door_record(door).await?;
        tx.commit().await?;
        let present = property.clock.now(Timestamp::now());
        let since = match newest {
            // A lock whose clock is ahead must not hide what comes after.
            Some(newest) => newest.min(present).saturating_sub(OVERLAP),
            None => present.saturating_sub(FIRST_LOOK),
        };
        let vendor = self.adapter(tenant, property).await?;
        let since = since.unwrap_or(Timestamp::UNIX_EPOCH);
        let mut records = vendor.records(call, &VendorLockRef::new(lock), since).await?;
        records.sort_by(|a, b| (a.at_lock, &a.id).cmp(&(b.at_lock, &b.id)));
        for some in records.chunks(AT_ONCE) {
            self.store_records(tenant, property, door, lock, some, present).await?;
        }
        let mut tx = self.store.tenant(tenant).await?;
        let device = tx.device_of_door(property.id, door).await?;
        tx.commit().await?;
        // Also when nothing is new: an earlier try may have stored it and died before it woke anybody.
        if device.is_some_and(|device| device.suspected_at.is_some()) {
            self.waker.wake(tenant, property.id, vec![door]).await?;
        }
        Ok(())
    }

    /// Stores records and tells what is new in them, in one transaction.
    async fn store_records(
        &self,
        tenant: TenantId,
        property: &Property,
        door: DoorId,
        lock: &str,
        records: &[DoorRecord],
        present: Timestamp,
    ) -> Result<(), Trouble> {
        let mut tx = self.store.tenant(tenant).await?;
        let mut news = doors::News::new(door, present);
        let mut rows = Vec::with_capacity(records.len());
        for record in records {
            let matched = match doors::credential(record, door) {
                Some(credential) => tx.match_credential(credential, door).await?,
                None => None,
            };
            rows.push(doors::row(record, matched.map(|matched| matched.credential)));
            news.seen(record, matched);
        }
        let fresh = tx.store_door_records(property.id, &property.vendor, door, &rows, Timestamp::now()).await?;
        let opened = news.opened(&fresh);
        let (mut first, mut asked) = (Vec::new(), Vec::new());
        for (matched, at_lock) in opened {
            if tx.note_first_use(matched.credential, at_lock).await? {
                let event = used::end(&mut tx, tenant, property, &matched, present).await?;
                asked.extend(event.map(|event| (matched.stay, event)));
                first.push((matched, at_lock));
            }
        }
        let mut health = Vec::new();
        if !fresh.is_empty() {
            let seen = DeviceSeen {
                property: property.id,
                vendor: &property.vendor,
                kind: DeviceKind::Lock,
                id: lock,
                online: news.online(&fresh),
                battery_percent: news.battery(&fresh),
                name: None,
                has_gateway: None,
                at: Timestamp::now(),
                present,
            };
            health = note_lock(&mut tx, property, door, seen).await?;
        }
        // The log comes last: whoever appends makes the tenant's other writers wait.
        for (stay, events) in news.events(&fresh, &first) {
            tx.append(present, property.id, stay, &events).await?;
        }
        for (stay, event) in asked {
            tx.append(present, property.id, Some(stay), &[event]).await?;
        }
        tx.append(present, property.id, None, &health).await?;
        tx.commit().await?;
        Ok(())
    }

    async fn gateways(&self, tenant: TenantId, property: &Property, call: &CallContext) -> Result<(), Trouble> {
        let vendor = self.adapter(tenant, property).await?;
        let mut gateways = vendor.gateways(call).await?;
        gateways.sort_by(|a, b| a.id.cmp(&b.id));
        let present = property.clock.now(Timestamp::now());
        let mut tx = self.store.tenant(tenant).await?;
        let mut events = Vec::new();
        for gateway in &gateways {
            let (before, health) = note_gateway(&mut tx, property, gateway, present).await?;
            events.extend(health);
            // The first sight of one that is well is no news.
            if before.unwrap_or(true) != gateway.online {
                events.push(Event::GatewayChanged { gateway: gateway.id.clone(), online: gateway.online });
            }
        }
        tx.append(present, property.id, None, &events).await?;
        tx.commit().await?;
        Ok(())
    }
}

/// Notes what records say of a lock: its battery, its link, its clock. Returns what is to be told.
async fn note_lock(
    tx: &mut TenantTx<'_>,
    property: &Property,
    door: DoorId,
    seen: DeviceSeen<'_>,
) -> Result<Vec<Event>, StoreError> {
    let (_, before) = tx.note_device(seen).await?;
    let mut events = note_link(tx, &seen, AlertKind::Offline, Some(door)).await?;
    let Some(device) = tx.device(reference(&seen)).await? else { return Ok(events) };
    if let Some(percent) = seen.battery_percent {
        if doors::became_low(before, percent) {
            events.push(Event::BatteryLow { door, percent });
        }
        let acts = judge_battery(percent, told(&device, AlertKind::BatteryLow));
        let whose = Whose { device: reference(&seen), door: Some(door), present: seen.present };
        let facts = Facts { percent: Some(percent), ..Facts::default() };
        events.extend(carry_out(tx, whose, &acts, facts).await?);
    }
    let limits = ClockLimits::for_padding(property.policy.pad_before());
    let alerted = told(&device, AlertKind::ClockDrift);
    let lately = device.looked_at.is_some_and(|at| seen.at.duration_since(at) < LOOKED_LATELY);
    // What was there before the clock was set says nothing any more. Arrivals are told by the property's clock.
    let since = device.drift_at.map(|at| property.clock.now(at));
    let suspect = match hint(&tx.uploads(door, since).await?, &limits) {
        Hint::Proven(drift) if drift.unsigned_abs() >= limits.sync => !alerted || !lately,
        Hint::Proven(drift) => alerted && drift.unsigned_abs() < limits.clear,
        Hint::Look => !lately,
        Hint::Nothing => false,
    };
    if suspect {
        tx.suspect_clock(reference(&seen), seen.at).await?;
    }
    Ok(events)
}

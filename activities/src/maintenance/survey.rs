//! A look at what the vendor lists: batteries, gateways; and which locks' clocks are to be looked at.

use super::{
    CALL_TIMEOUT, Maintenance, Trouble,
    episodes::{Facts, Whose, carry_out, told},
    held,
};
use jiff::{SignedDuration, Timestamp};
use lock_domain::{
    device::{AlertKind, judge_battery, judge_online, night},
    ids::{DoorId, TenantId},
};
use lock_store::{DeviceKind, DeviceRef, DeviceRow, DeviceSeen, Property, StoreError, TenantTx};
use lock_vendors::{
    error::{Condition, VendorError},
    port::{CallContext, GatewayStatus, VendorLock},
};
use lock_workflows::{Survey, SurveyAsk};
use std::collections::BTreeMap;

/// Devices of one property; more than any has.
const MOST: u32 = 20_000;
/// A clock that is told to be off is looked at again after so long, also by day: what reaches the lock may be back.
const AGAIN: SignedDuration = SignedDuration::from_mins(50);
/// What goes into one transaction.
const AT_ONCE: usize = 50;

impl Maintenance {
    pub(super) async fn survey_of(&self, ask: &SurveyAsk) -> Result<Survey, Trouble> {
        let mut tx = self.store.tenant(ask.tenant).await?;
        let property = tx.property(ask.property).await?.ok_or(StoreError::NotFound("property"))?;
        let devices = tx.devices(property.id, None, MOST).await?;
        let held = held(&mut tx, &property).await?;
        tx.commit().await?;
        let zone = lock_domain::window::zone(&property.zone).unwrap_or(jiff::tz::TimeZone::UTC);
        let nights = night(ask.now, &zone, property.id.as_uuid().as_bytes()[15]);
        let mut survey = Survey {
            tenant: ask.tenant,
            vendor: property.vendor.clone(),
            looked: false,
            doors: Vec::new(),
            until: None,
            night: nights.next,
        };
        // Neither an outage nor a property without doors is made better by asking.
        if held || !devices.iter().any(|device| device.door.is_some()) {
            return Ok(survey);
        }
        let vendor = self.adapter(ask.tenant, &property).await?;
        let call = CallContext::new(format!("survey-{}", property.id), CALL_TIMEOUT);
        let gateways = listed(vendor.gateways(&call).await)?;
        let locks = listed(vendor.locks(&call).await)?;
        self.note_gateways(ask.tenant, &property, &gateways).await?;
        self.note_locks(ask.tenant, &property, &devices, &locks).await?;
        // After the gateways: one that is away explains what its locks do.
        self.judge_links(ask.tenant, &property, &devices).await?;
        survey.looked = true;
        let since = match nights.now {
            _ if ask.asked => Some(Timestamp::MAX),
            Some(night) => Some(night.from),
            None => None,
        };
        if !ask.asked {
            survey.until = nights.now.map(|night| night.until);
        }
        let often = ask.now.saturating_sub(AGAIN).unwrap_or(Timestamp::MIN);
        survey.doors = due(&devices, &property.vendor, vendor.capabilities().time_sync, (since, often));
        Ok(survey)
    }

    async fn note_gateways(
        &self,
        tenant: TenantId,
        property: &Property,
        gateways: &[GatewayStatus],
    ) -> Result<(), StoreError> {
        let mut sorted: Vec<&GatewayStatus> = gateways.iter().collect();
        sorted.sort_by(|a, b| a.id.cmp(&b.id));
        let present = property.clock.now(Timestamp::now());
        let mut tx = self.store.tenant(tenant).await?;
        let mut events = Vec::new();
        for gateway in sorted {
            let (_, more) = note_gateway(&mut tx, property, gateway, present).await?;
            events.extend(more);
        }
        tx.append(present, property.id, None, &events).await?;
        tx.commit().await
    }

    async fn note_locks(
        &self,
        tenant: TenantId,
        property: &Property,
        devices: &[DeviceRow],
        locks: &[VendorLock],
    ) -> Result<(), StoreError> {
        let known: BTreeMap<&str, &DeviceRow> = devices
            .iter()
            .filter(|d| d.door.is_some() && d.vendor == property.vendor)
            .map(|d| (d.id.as_str(), d))
            .collect();
        let mut ours: Vec<(&VendorLock, &DeviceRow)> =
            locks.iter().filter_map(|lock| Some((lock, *known.get(lock.lock_id.as_str())?))).collect();
        ours.sort_by(|a, b| a.0.lock_id.cmp(&b.0.lock_id));
        let present = property.clock.now(Timestamp::now());
        for some in ours.chunks(AT_ONCE) {
            let mut tx = self.store.tenant(tenant).await?;
            let mut events = Vec::new();
            for (lock, device) in some {
                let seen = DeviceSeen {
                    property: property.id,
                    vendor: &property.vendor,
                    kind: DeviceKind::Lock,
                    id: &lock.lock_id,
                    online: None,
                    battery_percent: lock.battery_percent,
                    name: Some(&lock.name),
                    has_gateway: Some(lock.has_gateway),
                    at: Timestamp::now(),
                    present,
                };
                tx.note_device(seen).await?;
                // A record that a lock went out of reach comes once; that it has stayed so is seen here.
                if device.online == Some(false) || told(device, AlertKind::Offline) {
                    events.extend(note_link(&mut tx, &seen, AlertKind::Offline, device.door).await?);
                }
                let Some(percent) = lock.battery_percent else { continue };
                let acts = judge_battery(percent, told(device, AlertKind::BatteryLow));
                let facts = Facts { percent: Some(percent), ..Facts::default() };
                let whose = Whose { device: reference(&seen), door: device.door, present };
                events.extend(carry_out(&mut tx, whose, &acts, facts).await?);
            }
            tx.append(present, property.id, None, &events).await?;
            tx.commit().await?;
        }
        Ok(())
    }
}

/// Notes a gateway; returns whether it could be reached before, and what is to be told.
pub(crate) async fn note_gateway(
    tx: &mut TenantTx<'_>,
    property: &Property,
    gateway: &GatewayStatus,
    present: Timestamp,
) -> Result<(Option<bool>, Vec<lock_domain::event::Event>), StoreError> {
    let seen = DeviceSeen {
        property: property.id,
        vendor: &property.vendor,
        kind: DeviceKind::Gateway,
        id: &gateway.id,
        online: Some(gateway.online),
        battery_percent: None,
        name: Some(&gateway.name),
        has_gateway: None,
        at: Timestamp::now(),
        present,
    };
    let (before, _) = tx.note_device(seen).await?;
    let events = note_link(tx, &seen, AlertKind::GatewayOffline, None).await?;
    Ok((before, events))
}

/// After a device was noted: what its being in reach or not leads to.
pub(crate) async fn note_link(
    tx: &mut TenantTx<'_>,
    seen: &DeviceSeen<'_>,
    kind: AlertKind,
    door: Option<DoorId>,
) -> Result<Vec<lock_domain::event::Event>, StoreError> {
    let Some(device) = tx.device(reference(seen)).await? else { return Ok(Vec::new()) };
    let (Some(online), Some(since)) = (device.online, device.online_since) else { return Ok(Vec::new()) };
    let act = judge_online(kind, online, seen.present.duration_since(since), told(&device, kind));
    let whose = Whose { device: reference(seen), door, present: seen.present };
    let facts = Facts { since: Some(since), ..Facts::default() };
    carry_out(tx, whose, &Vec::from_iter(act), facts).await
}

pub(crate) fn reference<'a>(seen: &DeviceSeen<'a>) -> DeviceRef<'a> {
    DeviceRef { property: seen.property, vendor: seen.vendor, kind: seen.kind, id: seen.id }
}

/// A vendor that has no such list has nothing to list; one that has, and does not answer, is asked again.
fn listed<T>(answer: Result<Vec<T>, VendorError>) -> Result<Vec<T>, VendorError> {
    match answer {
        Err(error) if matches!(error.condition(), Condition::Unsupported | Condition::WireNotPublic) => Ok(Vec::new()),
        other => other,
    }
}

/// Doors whose locks' clocks nobody has looked at since the first time, or those told to be off since the second; those looked at longest
/// ago first, and before them all that are suspected.
fn due(
    devices: &[DeviceRow],
    vendor: &str,
    readable: bool,
    (since, off_since): (Option<Timestamp>, Timestamp),
) -> Vec<DoorId> {
    let wanted = |device: &&DeviceRow| {
        let since = if told(device, AlertKind::ClockDrift) { since.max(Some(off_since)) } else { since };
        let old = since.is_some_and(|since| device.looked_at.is_none_or(|at| at < since));
        device.suspected_at.is_some() || readable && old
    };
    let mut list: Vec<&DeviceRow> =
        devices.iter().filter(|d| d.vendor == vendor && d.door.is_some()).filter(wanted).collect();
    list.sort_by_key(|device| (device.suspected_at.is_none(), device.looked_at, device.id.clone()));
    list.into_iter().filter_map(|device| device.door).collect()
}

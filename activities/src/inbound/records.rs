//! Records of a door into the record, with what is new in them: first uses, tries in vain, alarms, batteries, links, clocks that seem off.
//!
//! Records come from a vendor's log after a webhook, or from its stream of events; here they are the same. Each is stored once, and what
//! follows from it is in the same transaction. It must not know how records are got. If it fails, nothing is stored.

use super::{doors, used};
use crate::maintenance::{Facts, Whose, carry_out, note_alarms, note_drops, note_link, reference, told};
use jiff::{SignedDuration, Timestamp};
use lock_domain::{
    device::{AlertKind, ClockLimits, Hint, fallen, hint, judge_battery, judge_low},
    event::Event,
    ids::{DoorId, TenantId},
};
use lock_store::{DeviceKind, DeviceSeen, Property, StoreError, TenantTx};
use lock_vendors::records::DoorRecord;
use std::collections::BTreeSet;

/// What goes into one transaction.
pub(crate) const AT_ONCE: usize = 200;
/// What records say of a clock is not worth another look for so long.
const LOOKED_LATELY: SignedDuration = SignedDuration::from_hours(1);

/// A lock with a door of ours.
#[derive(Debug, Clone, Copy)]
pub(crate) struct At<'a> {
    pub(crate) tenant: TenantId,
    pub(crate) property: &'a Property,
    /// The lock's vendor, which need not be the property's main one.
    pub(crate) vendor: &'a str,
    pub(crate) door: DoorId,
    /// The vendor's id of the lock.
    pub(crate) lock: &'a str,
    /// The property's present.
    pub(crate) present: Timestamp,
}

/// Stores records of one door, in the order of their times, and tells what is new in them. Returns how many were new. It appends to the
/// log, so it comes last in its transaction.
pub(crate) async fn store(tx: &mut TenantTx<'_>, at: At<'_>, records: &[DoorRecord]) -> Result<usize, StoreError> {
    let At { tenant, property, vendor, door, lock, present } = at;
    let mut news = doors::News::new(door, present);
    let mut rows = Vec::with_capacity(records.len());
    let records: Vec<DoorRecord> = records.iter().map(doors::fit).collect();
    for record in &records {
        let matched = match doors::credential(record, door) {
            Some(credential) => tx.match_credential(credential, door).await?,
            None => None,
        };
        rows.push(doors::row(record, matched.map(|matched| matched.credential)));
        news.seen(record, matched);
    }
    let fresh: BTreeSet<String> = tx.store_door_records(property.id, vendor, door, &rows, Timestamp::now()).await?;
    if fresh.is_empty() {
        return Ok(0);
    }
    let (mut first, mut asked) = (Vec::new(), Vec::new());
    for (matched, at_lock) in news.opened(&fresh) {
        if tx.note_first_use(matched.credential, at_lock).await? {
            let event = used::end(tx, tenant, property, &matched, present).await?;
            asked.extend(event.map(|event| (matched.stay, event)));
            first.push((matched, at_lock));
        }
    }
    let seen = DeviceSeen {
        property: property.id,
        vendor,
        kind: DeviceKind::Lock,
        id: lock,
        online: news.online(&fresh),
        battery_percent: news.battery(&fresh),
        name: None,
        has_gateway: None,
        at: Timestamp::now(),
        present,
    };
    let heard = Heard { low: news.low(&fresh), links: news.links(&fresh), alarms: news.alarms(&fresh) };
    let health = note_lock(tx, property, door, seen, &heard).await?;
    // The log comes last: whoever appends makes the tenant's other writers wait.
    for (stay, events) in news.events(&fresh, &first) {
        tx.append(present, property.id, stay, &events).await?;
    }
    for (stay, event) in asked {
        tx.append(present, property.id, Some(stay), &[event]).await?;
    }
    tx.append(present, property.id, None, &health).await?;
    Ok(fresh.len())
}

/// What new records say of a lock, beside what was seen of it last.
struct Heard {
    /// The battery is low, and nobody says how low.
    low: bool,
    /// When it came into reach or went out of it, oldest first.
    links: Vec<(Timestamp, bool)>,
    /// When it was forced or tampered with, oldest first.
    alarms: Vec<Timestamp>,
}

/// Notes what records say of a lock: its battery, its link, its clock, alarms. Returns what is to be told.
async fn note_lock(
    tx: &mut TenantTx<'_>,
    property: &Property,
    door: DoorId,
    seen: DeviceSeen<'_>,
    heard: &Heard,
) -> Result<Vec<Event>, StoreError> {
    let (online, before) = tx.note_device(seen).await?;
    let whose = Whose { device: reference(&seen), door: Some(door), present: seen.present };
    note_drops(tx, whose.device, &fallen(online, &heard.links), seen.present).await?;
    let mut events = note_alarms(tx, whose, &heard.alarms).await?;
    events.extend(note_link(tx, &seen, AlertKind::Offline, Some(door)).await?);
    let Some(device) = tx.device(reference(&seen)).await? else { return Ok(events) };
    let alerted = told(&device, AlertKind::BatteryLow);
    let battery = match seen.battery_percent {
        Some(percent) => {
            if doors::became_low(before, percent) {
                events.push(Event::BatteryLow { door, percent });
            }
            judge_battery(percent, alerted)
        }
        None if heard.low => judge_low(alerted),
        None => Vec::new(),
    };
    let facts = Facts { percent: seen.battery_percent, ..Facts::default() };
    events.extend(carry_out(tx, whose, &battery, facts).await?);
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

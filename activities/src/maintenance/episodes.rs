//! What follows from a reading, carried out in the record: an episode is told by whoever begins or ends it, and by nobody else.

use jiff::{SignedDuration, Timestamp};
use lock_domain::{
    device::{Act, AlertKind},
    event::Event,
    ids::DoorId,
};
use lock_store::{DeviceRef, DeviceRow, StoreError, TenantTx};
use lock_telemetry::metrics;

/// The device that acts are about.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Whose<'a> {
    pub(crate) device: DeviceRef<'a>,
    pub(crate) door: Option<DoorId>,
    /// The property's present.
    pub(crate) present: Timestamp,
}

/// What was read, for those who are told.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Facts {
    pub(crate) drift: Option<SignedDuration>,
    pub(crate) percent: Option<u8>,
    pub(crate) since: Option<Timestamp>,
}

/// Carries acts out, except [`Act::Sync`], and returns what is to be told. The caller appends it at the end of the transaction.
pub(crate) async fn carry_out(
    tx: &mut TenantTx<'_>,
    whose: Whose<'_>,
    acts: &[Act],
    facts: Facts,
) -> Result<Vec<Event>, StoreError> {
    let Whose { device, door, present } = whose;
    let name = || device.id.to_owned();
    let mut events = Vec::new();
    for act in acts {
        match *act {
            Act::Raise(kind) => {
                let of = |wanted: AlertKind| wanted == kind;
                // An alarm has a time of its own. Other trouble begins when it is judged.
                let from = facts.since.filter(|_| of(AlertKind::Tampered)).unwrap_or(present);
                if tx.raise_alert(device, kind, from).await? {
                    metrics::device_alert(kind.name());
                    events.push(Event::HealthAlert {
                        kind,
                        device: name(),
                        door,
                        drift_s: facts.drift.filter(|_| of(AlertKind::ClockDrift)).map(|drift| drift.as_secs()),
                        percent: facts.percent.filter(|_| of(AlertKind::BatteryLow)),
                        since: facts.since.filter(|_| !of(AlertKind::ClockDrift) && !of(AlertKind::BatteryLow)),
                    });
                }
            }
            Act::Resolve(kind) => {
                if let Some(raised) = tx.resolve_alert(device, kind, present).await? {
                    let after_s = present.duration_since(raised).as_secs().max(0);
                    events.push(Event::HealthResolved { kind, device: name(), door, after_s });
                }
            }
            Act::Open(reason) => {
                if let Some(task) = tx.open_task(device, door, reason, present).await? {
                    events.push(Event::MaintenanceTask { task, reason, device: name(), door, open: true, by: None });
                }
            }
            Act::Close(kind) => {
                if let Some((task, reason)) = tx.close_task(device, kind, present).await? {
                    events.push(Event::MaintenanceTask { task, reason, device: name(), door, open: false, by: None });
                }
            }
            Act::Sync => {}
        }
    }
    Ok(events)
}

/// Whether a kind of trouble is being told of a device.
pub(crate) fn told(device: &DeviceRow, kind: AlertKind) -> bool {
    device.alerts.iter().any(|alert| alert.kind == kind)
}

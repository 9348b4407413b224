//! Locks that drop off: each time is noted where it is heard of, and what follows from it is judged by the hourly look, when it is known
//! what else was dark.

use super::{
    Maintenance,
    episodes::{Facts, Whose, carry_out, told},
};
use jiff::Timestamp;
use lock_domain::{
    clock::ClockOffset,
    device::{AlertKind, DROPS_WITHIN, LinkView, judge_flaky, kept, note_drop},
    event::Event,
    ids::TenantId,
};
use lock_store::{DeviceKind, DeviceRef, DeviceRow, Property, StoreError, TenantTx};

const KIND: AlertKind = AlertKind::ConnectionFlaky;

/// Notes when a lock dropped off, on the property's clock.
pub(crate) async fn note_drops(
    tx: &mut TenantTx<'_>,
    device: DeviceRef<'_>,
    drops: &[Timestamp],
    present: Timestamp,
) -> Result<(), StoreError> {
    if drops.is_empty() {
        return Ok(());
    }
    let Some(link) = tx.hold_device(device).await? else { return Ok(()) };
    let noted = drops.iter().fold(link.drops, |noted, at| note_drop(&noted, *at, present));
    tx.set_drops(device, &noted).await
}

impl Maintenance {
    /// Judges the links of locks that have dropped off lately, or are told to keep doing so.
    pub(super) async fn judge_links(
        &self,
        tenant: TenantId,
        property: &Property,
        devices: &[DeviceRow],
    ) -> Result<(), StoreError> {
        let wanted = |device: &&DeviceRow| {
            let lock = device.kind == DeviceKind::Lock && device.door.is_some();
            lock && (!device.drops.is_empty() || told(device, KIND))
        };
        for device in devices.iter().filter(wanted) {
            let now = Timestamp::now();
            let present = property.clock.now(now);
            let lock =
                DeviceRef { property: property.id, vendor: &device.vendor, kind: DeviceKind::Lock, id: &device.id };
            let whose = Whose { device: lock, door: device.door, present };
            let mut tx = self.store.tenant(tenant).await?;
            let events = judge_link(&mut tx, whose, property.clock, now).await?;
            tx.append(present, property.id, None, &events).await?;
            tx.commit().await?;
        }
        Ok(())
    }
}

async fn judge_link(
    tx: &mut TenantTx<'_>,
    whose: Whose<'_>,
    clock: ClockOffset,
    now: Timestamp,
) -> Result<Vec<Event>, StoreError> {
    let Whose { device, present, .. } = whose;
    let Some(link) = tx.hold_device(device).await? else { return Ok(Vec::new()) };
    let drops = kept(&link.drops, present);
    if drops != link.drops {
        tx.set_drops(device, &drops).await?;
    }
    let around = tx.darkness(device, clock, DROPS_WITHIN, now).await?;
    let episode = tx.episode(device, KIND).await?;
    let view = LinkView {
        online: link.online,
        drops: &drops,
        others: &around.others,
        dark: &around.dark,
        open_since: episode.since,
        ended: episode.ended,
    };
    let facts = Facts { since: view.counted(present).first().copied(), ..Facts::default() };
    carry_out(tx, whose, &judge_flaky(&view, present), facts).await
}

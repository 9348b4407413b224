//! Devices as they are known: what was last seen of them, and what is the matter with them.

mod alerts;
mod clocks;
mod links;

use crate::{DeviceKind, StoreError, TenantTx, row::RowExt, time::Ts};
use jiff::{SignedDuration, Timestamp};
use lock_domain::{
    device::AlertKind,
    ids::{DoorId, PropertyId},
};
use sqlx::{Row as _, postgres::PgRow};

pub use alerts::{DeviceAlert, Episode};
pub use clocks::{ClockSeen, DriftSource, SyncOutcome};
pub use links::{Darkness, LinkRow};

/// Which device.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct DeviceRef<'a> {
    /// The hotel.
    pub property: PropertyId,
    /// The vendor.
    pub vendor: &'a str,
    /// What it is.
    pub kind: DeviceKind,
    /// The vendor's id of it.
    pub id: &'a str,
}

/// A device, and what is the matter with it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DeviceRow {
    /// The vendor.
    pub vendor: String,
    /// What it is.
    pub kind: DeviceKind,
    /// The vendor's id of it.
    pub id: String,
    /// The vendor's name of it.
    pub name: Option<String>,
    /// The door, if it is a lock of one of ours.
    pub door: Option<DoorId>,
    /// The door's name.
    pub door_name: Option<String>,
    /// Whether it can be reached.
    pub online: Option<bool>,
    /// Since when, on the property's clock.
    pub online_since: Option<Timestamp>,
    /// Whether a gateway serves it.
    pub has_gateway: Option<bool>,
    /// Its battery in percent.
    pub battery_percent: Option<u8>,
    /// How far its clock is ahead; negative if it is slow.
    pub drift: Option<SignedDuration>,
    /// When that was known.
    pub drift_at: Option<Timestamp>,
    /// From where.
    pub drift_source: Option<DriftSource>,
    /// A record gives reason to look at its clock, and nobody has looked since.
    pub suspected_at: Option<Timestamp>,
    /// When its clock was looked at last.
    pub looked_at: Option<Timestamp>,
    /// So often its clock was set since it was last well, and did not help.
    pub in_vain: u32,
    /// When anything was seen of it.
    pub seen_at: Option<Timestamp>,
    /// When it dropped off within the last day, on the property's clock, oldest first.
    pub drops: Vec<Timestamp>,
    /// What is the matter with it.
    pub alerts: Vec<DeviceAlert>,
    /// What a person has been asked to come for.
    pub tasks: Vec<AlertKind>,
}

macro_rules! devices {
    ($which:literal) => {
        concat!(
            "SELECT coalesce(s.kind, d.kind) AS kind, coalesce(s.vendor, d.vendor) AS vendor, coalesce(s.device_id, d.device_id) AS device_id,
                    s.name, d.door_id, d.door_name, s.online, s.online_since, s.has_gateway, s.battery_percent, s.drift_ms, s.drift_at, s.drift_source,
                    s.suspected_at, s.looked_at, coalesce(s.in_vain, 0) AS in_vain, s.seen_at, s.drops,
                    a.alerts, a.raised, a.times, a.last, t.tasks
             FROM (SELECT 'lock' AS kind, vendor, vendor_lock_id AS device_id, door_id, name AS door_name FROM doors
                   WHERE tenant_id = $1 AND property_id = $2) d
             FULL JOIN (SELECT * FROM device_states WHERE tenant_id = $1 AND property_id = $2) s
               ON s.kind = d.kind AND s.vendor = d.vendor AND s.device_id = d.device_id
             LEFT JOIN LATERAL (
                 SELECT array_agg(alert ORDER BY alert) AS alerts, array_agg(raised_at ORDER BY alert) AS raised,
                        array_agg(times ORDER BY alert) AS times, array_agg(last_at ORDER BY alert) AS last FROM device_alerts
                 WHERE tenant_id = $1 AND property_id = $2 AND vendor = coalesce(s.vendor, d.vendor) AND kind = coalesce(s.kind, d.kind)
                   AND device_id = coalesce(s.device_id, d.device_id) AND resolved_at IS NULL
             ) a ON true
             LEFT JOIN LATERAL (
                 SELECT array_agg(alert ORDER BY alert) AS tasks FROM maintenance_tasks
                 WHERE tenant_id = $1 AND property_id = $2 AND vendor = coalesce(s.vendor, d.vendor)
                   AND device_id = coalesce(s.device_id, d.device_id) AND closed_at IS NULL
             ) t ON true
             WHERE ",
            $which
        )
    };
}

impl TenantTx<'_> {
    /// A property's devices: every lock of its doors and whatever else was seen, from the one after `after` (kind, vendor, id) on.
    pub async fn devices(
        &mut self,
        property: PropertyId,
        after: Option<(&str, &str, &str)>,
        limit: u32,
    ) -> Result<Vec<DeviceRow>, StoreError> {
        let (kind, vendor, id) = after.map_or((None, None, None), |(k, v, i)| (Some(k), Some(v), Some(i)));
        let rows = self
            .query(devices!(
                "$3::text IS NULL OR (coalesce(s.kind, d.kind), coalesce(s.vendor, d.vendor), coalesce(s.device_id, d.device_id)) > ($3, $4, $5)
                 ORDER BY 1, 2, 3 LIMIT $6"
            ))
            .bind(property.as_uuid())
            .bind(kind)
            .bind(vendor)
            .bind(id)
            .bind(i64::from(limit))
            .fetch_all(&mut *self.tx)
            .await?;
        rows.iter().map(device).collect()
    }

    /// The lock of a door, and what is known of it.
    pub async fn device_of_door(
        &mut self,
        property: PropertyId,
        door: DoorId,
    ) -> Result<Option<DeviceRow>, StoreError> {
        let row = self
            .query(devices!("d.door_id = $3"))
            .bind(property.as_uuid())
            .bind(door.as_uuid())
            .fetch_optional(&mut *self.tx)
            .await?;
        row.as_ref().map(device).transpose()
    }

    /// One device, if it was ever seen.
    pub async fn device(&mut self, device_ref: DeviceRef<'_>) -> Result<Option<DeviceRow>, StoreError> {
        let row = self
            .query(devices!("s.kind = $3 AND s.vendor = $4 AND s.device_id = $5"))
            .bind(device_ref.property.as_uuid())
            .bind(device_ref.kind.name())
            .bind(device_ref.vendor)
            .bind(device_ref.id)
            .fetch_optional(&mut *self.tx)
            .await?;
        row.as_ref().map(device).transpose()
    }
}

fn device(row: &PgRow) -> Result<DeviceRow, StoreError> {
    let alerts: Option<Vec<String>> = row.try_get("alerts")?;
    let raised: Option<Vec<Ts>> = row.try_get("raised")?;
    let times: Option<Vec<i32>> = row.try_get("times")?;
    let last: Option<Vec<Option<Ts>>> = row.try_get("last")?;
    let drops: Option<Vec<Ts>> = row.try_get("drops")?;
    let tasks: Option<Vec<String>> = row.try_get("tasks")?;
    let kind = |text: &String| AlertKind::ALL.into_iter().find(|kind| kind.name() == text);
    let source = row.text_opt("drift_source")?;
    let battery: Option<i16> = row.try_get("battery_percent")?;
    let drift: Option<i64> = row.try_get("drift_ms")?;
    let in_vain: i32 = row.try_get("in_vain")?;
    Ok(DeviceRow {
        vendor: row.text("vendor")?,
        kind: if row.text("kind")? == "gateway" { DeviceKind::Gateway } else { DeviceKind::Lock },
        id: row.text("device_id")?,
        name: row.text_opt("name")?,
        door: row.uuid_opt("door_id")?.map(DoorId::from_uuid),
        door_name: row.text_opt("door_name")?,
        online: row.try_get("online")?,
        online_since: row.at_opt("online_since")?,
        has_gateway: row.try_get("has_gateway")?,
        battery_percent: battery.and_then(|percent| u8::try_from(percent).ok()),
        drift: drift.map(SignedDuration::from_millis),
        drift_at: row.at_opt("drift_at")?,
        drift_source: source.map(|text| if text == "query" { DriftSource::Query } else { DriftSource::Records }),
        suspected_at: row.at_opt("suspected_at")?,
        looked_at: row.at_opt("looked_at")?,
        in_vain: u32::try_from(in_vain).unwrap_or(0),
        seen_at: row.at_opt("seen_at")?,
        alerts: alerts
            .iter()
            .flatten()
            .zip(raised.iter().flatten())
            .zip(times.iter().flatten().zip(last.iter().flatten()))
            .filter_map(|((alert, since), (times, last))| {
                let times = u32::try_from(*times).unwrap_or(1);
                Some(DeviceAlert { kind: kind(alert)?, since: since.0, times, last_at: last.map(|at| at.0) })
            })
            .collect(),
        drops: drops.into_iter().flatten().map(|at| at.0).collect(),
        tasks: tasks.iter().flatten().filter_map(kind).collect(),
    })
}

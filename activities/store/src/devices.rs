//! Devices as they are known: what was last seen, what is the matter with them, and when their clocks were set.

use crate::{DeviceKind, StoreError, TenantTx, row::RowExt, time::Ts};
use jiff::{SignedDuration, Timestamp};
use lock_domain::{
    device::{AlertKind, Upload, WINDOW},
    ids::{AttemptId, DoorId, PropertyId},
    problem::Code,
};
use sqlx::{Row as _, postgres::PgRow};
use uuid::Uuid;

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

/// Where a drift is known from.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum DriftSource {
    /// The lock's clock was read.
    Query,
    /// Records of the door tell it.
    Records,
}

impl DriftSource {
    /// The source's name, as in SQL and JSON.
    pub fn name(self) -> &'static str {
        match self {
            Self::Query => "query",
            Self::Records => "records",
        }
    }
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
    /// What is the matter with it, and since when.
    pub alerts: Vec<(AlertKind, Timestamp)>,
    /// What a person has been asked to come for.
    pub tasks: Vec<AlertKind>,
}

/// What is seen of a lock's clock.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ClockSeen {
    /// How far it is ahead; `None` if nobody can tell: what was known stays.
    pub drift: Option<(SignedDuration, DriftSource)>,
    /// So often it was set in vain; `None` keeps the number.
    pub in_vain: Option<u32>,
    /// When.
    pub at: Timestamp,
}

/// How a sync ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SyncOutcome {
    /// The clock was read afterwards, and is right.
    Confirmed,
    /// It was read afterwards, and is off; or the vendor refused.
    Failed,
    /// It could not be read afterwards.
    Unconfirmed,
}

impl SyncOutcome {
    /// The outcome's name, as in SQL and metrics.
    pub fn name(self) -> &'static str {
        match self {
            Self::Confirmed => "confirmed",
            Self::Failed => "failed",
            Self::Unconfirmed => "unconfirmed",
        }
    }
}

macro_rules! devices {
    ($which:literal) => {
        concat!(
            "SELECT coalesce(s.kind, d.kind) AS kind, coalesce(s.vendor, d.vendor) AS vendor, coalesce(s.device_id, d.device_id) AS device_id,
                    s.name, d.door_id, d.door_name, s.online, s.online_since, s.has_gateway, s.battery_percent, s.drift_ms, s.drift_at, s.drift_source,
                    s.suspected_at, s.looked_at, coalesce(s.in_vain, 0) AS in_vain, s.seen_at,
                    a.alerts, a.raised, t.tasks
             FROM (SELECT 'lock' AS kind, vendor, vendor_lock_id AS device_id, door_id, name AS door_name FROM doors
                   WHERE tenant_id = $1 AND property_id = $2) d
             FULL JOIN (SELECT * FROM device_states WHERE tenant_id = $1 AND property_id = $2) s
               ON s.kind = d.kind AND s.vendor = d.vendor AND s.device_id = d.device_id
             LEFT JOIN LATERAL (
                 SELECT array_agg(alert ORDER BY alert) AS alerts, array_agg(raised_at ORDER BY alert) AS raised FROM device_alerts
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

    /// Notes what is seen of a lock's clock. Nothing else is suspected any more if the clock was told.
    pub async fn note_clock(&mut self, device_ref: DeviceRef<'_>, seen: ClockSeen) -> Result<(), StoreError> {
        let drift_ms = seen.drift.map(|(drift, _)| i64::try_from(drift.as_millis()).unwrap_or(i64::MAX));
        self.query(
            "INSERT INTO device_states AS d (tenant_id, property_id, vendor, kind, device_id, drift_ms, drift_at, drift_source, in_vain, looked_at,
                 seen_at)
             VALUES ($1, $2, $3, $4, $5, $6, CASE WHEN $6::bigint IS NOT NULL THEN $8 END, $7, coalesce($9, 0), $8, $8)
             ON CONFLICT (tenant_id, property_id, vendor, kind, device_id) DO UPDATE
             SET drift_ms = coalesce($6, d.drift_ms), drift_at = CASE WHEN $6 IS NULL THEN d.drift_at ELSE $8 END,
                 drift_source = CASE WHEN $6 IS NULL THEN d.drift_source ELSE $7 END, in_vain = coalesce($9, d.in_vain), looked_at = $8,
                 suspected_at = NULL, seen_at = CASE WHEN $6 IS NULL THEN d.seen_at ELSE GREATEST(d.seen_at, $8) END",
        )
        .bind(device_ref.property.as_uuid())
        .bind(device_ref.vendor)
        .bind(device_ref.kind.name())
        .bind(device_ref.id)
        .bind(drift_ms)
        .bind(seen.drift.map(|(_, source)| source.name()))
        .bind(Ts(seen.at))
        .bind(seen.in_vain.map(|count| i32::try_from(count).unwrap_or(i32::MAX)))
        .execute(&mut *self.tx)
        .await?;
        Ok(())
    }

    /// Notes that records give reason to look at a lock's clock. The device must have been seen.
    pub async fn suspect_clock(&mut self, device_ref: DeviceRef<'_>, at: Timestamp) -> Result<(), StoreError> {
        self.query(
            "UPDATE device_states SET suspected_at = coalesce(suspected_at, $6)
             WHERE tenant_id = $1 AND property_id = $2 AND vendor = $3 AND kind = $4 AND device_id = $5",
        )
        .bind(device_ref.property.as_uuid())
        .bind(device_ref.vendor)
        .bind(device_ref.kind.name())
        .bind(device_ref.id)
        .bind(Ts(at))
        .execute(&mut *self.tx)
        .await?;
        Ok(())
    }

    /// The last arrivals of a door's records since the clock was last right or set, newest first, with the lead of the newest record of each.
    pub async fn uploads(&mut self, door: DoorId, since: Option<Timestamp>) -> Result<Vec<Upload>, StoreError> {
        let rows = self
            .query(
                "SELECT at_server, max(at) AS at FROM door_records
                 WHERE tenant_id = $1 AND door_id = $2 AND at_server > coalesce($3, '-infinity'::timestamptz)
                 GROUP BY at_server ORDER BY at_server DESC LIMIT $4",
            )
            .bind(door.as_uuid())
            .bind(since.map(Ts))
            .bind(i64::try_from(WINDOW).unwrap_or(3))
            .fetch_all(&mut *self.tx)
            .await?;
        rows.iter()
            .map(|row| {
                let at_server = row.at("at_server")?;
                Ok(Upload { at_server, ahead: row.at("at")?.duration_since(at_server) })
            })
            .collect()
    }

    /// Begins an episode. Whether it was none before.
    pub async fn raise_alert(
        &mut self,
        device_ref: DeviceRef<'_>,
        alert: AlertKind,
        at: Timestamp,
    ) -> Result<bool, StoreError> {
        let done = self
            .query(
                "INSERT INTO device_alerts (tenant_id, property_id, vendor, kind, device_id, alert, raised_at)
                 VALUES ($1, $2, $3, $4, $5, $6, $7) ON CONFLICT DO NOTHING",
            )
            .bind(device_ref.property.as_uuid())
            .bind(device_ref.vendor)
            .bind(device_ref.kind.name())
            .bind(device_ref.id)
            .bind(alert.name())
            .bind(Ts(at))
            .execute(&mut *self.tx)
            .await?;
        Ok(done.rows_affected() == 1)
    }

    /// Ends an episode; returns when it began, if there was one.
    pub async fn resolve_alert(
        &mut self,
        device_ref: DeviceRef<'_>,
        alert: AlertKind,
        at: Timestamp,
    ) -> Result<Option<Timestamp>, StoreError> {
        let row = self
            .query(
                "UPDATE device_alerts SET resolved_at = GREATEST($7, raised_at)
                 WHERE tenant_id = $1 AND property_id = $2 AND vendor = $3 AND kind = $4 AND device_id = $5 AND alert = $6
                   AND resolved_at IS NULL RETURNING raised_at",
            )
            .bind(device_ref.property.as_uuid())
            .bind(device_ref.vendor)
            .bind(device_ref.kind.name())
            .bind(device_ref.id)
            .bind(alert.name())
            .bind(Ts(at))
            .fetch_optional(&mut *self.tx)
            .await?;
        row.map(|row| row.at("raised_at")).transpose()
    }

    /// Records that a lock's clock is about to be set; returns the attempt's id.
    pub async fn intend_sync(
        &mut self,
        property: PropertyId,
        door: DoorId,
        drift: SignedDuration,
        at: Timestamp,
    ) -> Result<AttemptId, StoreError> {
        let attempt = AttemptId::from_uuid(Uuid::now_v7());
        self.query(
            "INSERT INTO clock_syncs (tenant_id, attempt_id, phase, property_id, door_id, drift_ms, at)
             VALUES ($1, $2, 'intent', $3, $4, $5, $6)",
        )
        .bind(attempt.as_uuid())
        .bind(property.as_uuid())
        .bind(door.as_uuid())
        .bind(i64::try_from(drift.as_millis()).unwrap_or(i64::MAX))
        .bind(Ts(at))
        .execute(&mut *self.tx)
        .await?;
        Ok(attempt)
    }

    /// Attempts to set a door's clock whose outcome nobody has recorded: their worker died.
    pub async fn open_syncs(&mut self, door: DoorId) -> Result<Vec<AttemptId>, StoreError> {
        let rows = self
            .query(
                "SELECT attempt_id FROM clock_syncs i WHERE tenant_id = $1 AND door_id = $2 AND phase = 'intent' AND NOT EXISTS (
                     SELECT FROM clock_syncs o WHERE o.tenant_id = $1 AND o.attempt_id = i.attempt_id AND o.phase = 'outcome'
                 ) ORDER BY at",
            )
            .bind(door.as_uuid())
            .fetch_all(&mut *self.tx)
            .await?;
        rows.iter().map(|row| row.uuid("attempt_id").map(AttemptId::from_uuid)).collect()
    }

    /// Records how an attempt to set a clock ended. The first outcome counts.
    pub async fn sync_outcome(
        &mut self,
        attempt: AttemptId,
        outcome: SyncOutcome,
        drift: Option<SignedDuration>,
        code: Option<Code>,
        at: Timestamp,
    ) -> Result<(), StoreError> {
        self.query(
            "INSERT INTO clock_syncs (tenant_id, attempt_id, phase, property_id, door_id, outcome, code, drift_ms, at)
             SELECT $1, $2, 'outcome', property_id, door_id, $3, $4, $5, $6 FROM clock_syncs
             WHERE tenant_id = $1 AND attempt_id = $2 AND phase = 'intent' ON CONFLICT DO NOTHING",
        )
        .bind(attempt.as_uuid())
        .bind(outcome.name())
        .bind(code.map(Code::text))
        .bind(drift.map(|drift| i64::try_from(drift.as_millis()).unwrap_or(i64::MAX)))
        .bind(Ts(at))
        .execute(&mut *self.tx)
        .await?;
        Ok(())
    }

    /// Of these doors, those whose locks' clocks are told to be off, with how far.
    pub async fn clocks_off(
        &mut self,
        property: PropertyId,
        doors: &[DoorId],
    ) -> Result<Vec<(DoorId, SignedDuration)>, StoreError> {
        let rows = self
            .query(
                "SELECT d.door_id, s.drift_ms FROM doors d
                 JOIN device_alerts a ON a.tenant_id = $1 AND a.property_id = $2 AND a.vendor = d.vendor AND a.kind = 'lock'
                   AND a.device_id = d.vendor_lock_id AND a.alert = 'clock_drift' AND a.resolved_at IS NULL
                 JOIN device_states s ON s.tenant_id = $1 AND s.property_id = $2 AND s.vendor = d.vendor AND s.kind = 'lock'
                   AND s.device_id = d.vendor_lock_id
                 WHERE d.tenant_id = $1 AND d.property_id = $2 AND d.door_id = ANY($3) AND s.drift_ms IS NOT NULL",
            )
            .bind(property.as_uuid())
            .bind(doors.iter().map(DoorId::as_uuid).collect::<Vec<_>>())
            .fetch_all(&mut *self.tx)
            .await?;
        rows.iter()
            .map(|row| Ok((DoorId::from_uuid(row.uuid("door_id")?), SignedDuration::from_millis(row.int("drift_ms")?))))
            .collect()
    }
}

fn device(row: &PgRow) -> Result<DeviceRow, StoreError> {
    let alerts: Option<Vec<String>> = row.try_get("alerts")?;
    let raised: Option<Vec<Ts>> = row.try_get("raised")?;
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
            .filter_map(|(a, at)| Some((kind(a)?, at.0)))
            .collect(),
        tasks: tasks.iter().flatten().filter_map(kind).collect(),
    })
}

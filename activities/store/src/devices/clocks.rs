//! Locks' clocks: how far they are off, from what that is known, and when they were set.

use crate::{DeviceRef, StoreError, TenantTx, row::RowExt, time::Ts};
use jiff::{SignedDuration, Timestamp};
use lock_domain::{
    device::{Upload, WINDOW},
    ids::{AttemptId, DoorId, PropertyId},
    problem::Code,
};
use uuid::Uuid;

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

impl TenantTx<'_> {
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

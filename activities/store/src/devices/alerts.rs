//! Episodes of trouble: each has a start and an end, and one at a time lasts for each kind of trouble of a device.

use crate::{DeviceRef, StoreError, TenantTx, row::RowExt, time::Ts};
use jiff::Timestamp;
use lock_domain::device::AlertKind;

/// Something that is the matter with a device.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct DeviceAlert {
    /// What.
    pub kind: AlertKind,
    /// Since when, on the property's clock.
    pub since: Timestamp,
    /// So often it was seen since then.
    pub times: u32,
    /// The latest of those times, if there were several.
    pub last_at: Option<Timestamp>,
}

/// Where a kind of trouble of a device stands.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Episode {
    /// Since when it lasts, if it does.
    pub since: Option<Timestamp>,
    /// When the last one before that was over.
    pub ended: Option<Timestamp>,
}

impl TenantTx<'_> {
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

    /// Counts one more time in the episode that lasts. Whether one does.
    pub async fn add_to_alert(
        &mut self,
        device_ref: DeviceRef<'_>,
        alert: AlertKind,
        at: Timestamp,
    ) -> Result<bool, StoreError> {
        let done = self
            .query(
                "UPDATE device_alerts SET times = LEAST(times::bigint + 1, 2147483647), last_at = GREATEST(last_at, raised_at, $7)
                 WHERE tenant_id = $1 AND property_id = $2 AND vendor = $3 AND kind = $4 AND device_id = $5 AND alert = $6
                   AND resolved_at IS NULL",
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

    /// Whether an episode lasts, and when the last one was over.
    pub async fn episode(&mut self, device_ref: DeviceRef<'_>, alert: AlertKind) -> Result<Episode, StoreError> {
        let row = self
            .query(
                "SELECT max(raised_at) FILTER (WHERE resolved_at IS NULL) AS since, max(resolved_at) AS ended FROM device_alerts
                 WHERE tenant_id = $1 AND property_id = $2 AND vendor = $3 AND kind = $4 AND device_id = $5 AND alert = $6",
            )
            .bind(device_ref.property.as_uuid())
            .bind(device_ref.vendor)
            .bind(device_ref.kind.name())
            .bind(device_ref.id)
            .bind(alert.name())
            .fetch_one(&mut *self.tx)
            .await?;
        Ok(Episode { since: row.at_opt("since")?, ended: row.at_opt("ended")? })
    }
}

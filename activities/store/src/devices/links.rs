//! When locks dropped off, and what was away at those times.

use crate::{DeviceRef, StoreError, TenantTx, row::RowExt, time::Ts};
use jiff::{SignedDuration, Timestamp};
use lock_domain::{clock::ClockOffset, device::Dark};
use sqlx::Row as _;

/// A device's link, as noted.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LinkRow {
    /// Whether it can be reached, if that is known.
    pub online: Option<bool>,
    /// When it dropped off.
    pub drops: Vec<Timestamp>,
}

/// What else was dark at a property, on its clock.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Darkness {
    /// When other locks dropped off.
    pub others: Vec<Timestamp>,
    /// When a lock's vendor or one of its gateways was away.
    pub dark: Vec<Dark>,
}

impl TenantTx<'_> {
    /// Makes others who note the same device wait until the end of the transaction, and reads its link; none if it was never seen.
    pub async fn hold_device(&mut self, device_ref: DeviceRef<'_>) -> Result<Option<LinkRow>, StoreError> {
        let row = self
            .query(
                "SELECT online, drops FROM device_states
                 WHERE tenant_id = $1 AND property_id = $2 AND vendor = $3 AND kind = $4 AND device_id = $5 FOR NO KEY UPDATE",
            )
            .bind(device_ref.property.as_uuid())
            .bind(device_ref.vendor)
            .bind(device_ref.kind.name())
            .bind(device_ref.id)
            .fetch_optional(&mut *self.tx)
            .await?;
        let Some(row) = row else { return Ok(None) };
        let drops: Vec<Ts> = row.try_get("drops")?;
        Ok(Some(LinkRow { online: row.try_get("online")?, drops: drops.into_iter().map(|at| at.0).collect() }))
    }

    /// Writes when a device dropped off, all of what is kept. It must be held.
    pub async fn set_drops(&mut self, device_ref: DeviceRef<'_>, drops: &[Timestamp]) -> Result<(), StoreError> {
        self.query(
            "UPDATE device_states SET drops = $6
             WHERE tenant_id = $1 AND property_id = $2 AND vendor = $3 AND kind = $4 AND device_id = $5",
        )
        .bind(device_ref.property.as_uuid())
        .bind(device_ref.vendor)
        .bind(device_ref.kind.name())
        .bind(device_ref.id)
        .bind(drops.iter().copied().map(Ts).collect::<Vec<_>>())
        .execute(&mut *self.tx)
        .await?;
        Ok(())
    }

    /// What else was dark at the property of a lock, beside that lock, for so long before now. Outages are recorded in real time and shown on
    /// the property's clock.
    pub async fn darkness(
        &mut self,
        lock: DeviceRef<'_>,
        clock: ClockOffset,
        back: SignedDuration,
        now: Timestamp,
    ) -> Result<Darkness, StoreError> {
        let real = now.saturating_sub(back).unwrap_or(Timestamp::MIN);
        let since = clock.now(real);
        let rows = self
            .query(
                "SELECT DISTINCT at FROM device_states s, unnest(s.drops) AS at
                 WHERE s.tenant_id = $1 AND s.property_id = $2 AND s.kind = 'lock' AND NOT (s.vendor = $3 AND s.device_id = $4) AND at > $5",
            )
            .bind(lock.property.as_uuid())
            .bind(lock.vendor)
            .bind(lock.id)
            .bind(Ts(since))
            .fetch_all(&mut *self.tx)
            .await?;
        let others = rows.iter().map(|row| row.at("at")).collect::<Result<_, _>>()?;
        let rows = self
            .query(
                "SELECT opened_at AS began, closed_at AS over, true AS real FROM outages
                 WHERE tenant_id = $1 AND property_id = $2 AND vendor = $3 AND (closed_at IS NULL OR closed_at > $4)
                 UNION ALL
                 SELECT raised_at, resolved_at, false FROM device_alerts
                 WHERE tenant_id = $1 AND property_id = $2 AND vendor = $3 AND alert = 'gateway_offline'
                   AND (resolved_at IS NULL OR resolved_at > $5)
                 UNION ALL
                 SELECT online_since, CASE WHEN online THEN online_since END, false FROM device_states
                 WHERE tenant_id = $1 AND property_id = $2 AND vendor = $3 AND kind = 'gateway' AND online_since IS NOT NULL
                   AND (NOT online OR online_since > $5)",
            )
            .bind(lock.property.as_uuid())
            .bind(lock.vendor)
            .bind(Ts(real))
            .bind(Ts(since))
            .fetch_all(&mut *self.tx)
            .await?;
        let dark = rows.iter().map(|row| {
            let real = row.flag("real")?;
            let shown = |at: Timestamp| if real { clock.now(at) } else { at };
            Ok(Dark { from: shown(row.at("began")?), until: row.at_opt("over")?.map(shown) })
        });
        Ok(Darkness { others, dark: dark.collect::<Result<_, StoreError>>()? })
    }
}

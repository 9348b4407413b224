//! Where stays go that wait for a vendor that is down: what the property has chosen, and which outages are looked at.
//!
//! [`look`] is what a plan is made from, [`steps`] what comes of it, [`diverted`] what a stay keeps of it, [`desk`] who is left to people.

mod desk;
mod diverted;
mod look;
mod steps;

use crate::{OutageRow, StoreError, TenantTx, outages::outage, row::RowExt, time::Ts};
use jiff::Timestamp;
use lock_domain::{
    drain::OnVendorDown,
    ids::{OutageId, PropertyId},
};
use sqlx::types::Json;

pub use desk::DeskRow;
pub use steps::AskedStep;

impl TenantTx<'_> {
    /// A property's choices about stays that wait.
    pub async fn on_vendor_down(&mut self, property: PropertyId) -> Result<OnVendorDown, StoreError> {
        let row = self
            .query("SELECT on_vendor_down FROM properties WHERE tenant_id = $1 AND property_id = $2")
            .bind(property.as_uuid())
            .fetch_optional(&mut *self.tx)
            .await?
            .ok_or(StoreError::NotFound("property"))?;
        Ok(row.json_opt("on_vendor_down")?.unwrap_or_default())
    }

    /// Changes them. They count from the next look on, also in an outage that has begun.
    pub async fn set_on_vendor_down(&mut self, property: PropertyId, choices: &OnVendorDown) -> Result<(), StoreError> {
        let done = self
            .query("UPDATE properties SET on_vendor_down = $3 WHERE tenant_id = $1 AND property_id = $2")
            .bind(property.as_uuid())
            .bind(Json(choices))
            .execute(&mut *self.tx)
            .await?;
        if done.rows_affected() == 0 { Err(StoreError::NotFound("property")) } else { Ok(()) }
    }

    /// An outage, locked until the end of the transaction: one look at a time.
    pub async fn lock_outage(&mut self, id: OutageId) -> Result<Option<OutageRow>, StoreError> {
        let row = self
            .query("SELECT outage_id, property_id, vendor, opened_at, closed_at, code FROM outages WHERE tenant_id = $1 AND outage_id = $2 FOR NO KEY UPDATE")
            .bind(id.as_uuid())
            .fetch_optional(&mut *self.tx)
            .await?;
        row.as_ref().map(outage).transpose()
    }

    /// Outages that last and whose drain was not begun.
    pub async fn undrained(&mut self, limit: u32) -> Result<Vec<OutageRow>, StoreError> {
        let rows = self
            .query(
                "SELECT outage_id, property_id, vendor, opened_at, closed_at, code FROM outages
                 WHERE tenant_id = $1 AND closed_at IS NULL AND drain_begun_at IS NULL ORDER BY opened_at LIMIT $2",
            )
            .bind(i64::from(limit))
            .fetch_all(&mut *self.tx)
            .await?;
        rows.iter().map(outage).collect()
    }

    /// Notes that an outage's drain has begun.
    pub async fn drain_begun(&mut self, outage: OutageId, now: Timestamp) -> Result<(), StoreError> {
        self.query(
            "UPDATE outages SET drain_begun_at = COALESCE(drain_begun_at, $3) WHERE tenant_id = $1 AND outage_id = $2",
        )
        .bind(outage.as_uuid())
        .bind(Ts(now))
        .execute(&mut *self.tx)
        .await?;
        Ok(())
    }
}

//! Test clocks of sandbox properties.

use crate::{StoreError, TenantTx, row::RowExt, time::Ts};
use jiff::Timestamp;
use lock_domain::{
    clock::ClockOffset,
    ids::{PropertyId, ReservationRef, StayId},
};

impl TenantTx<'_> {
    /// Moves a sandbox property's clock forward to this offset, and returns the offset that holds: the greater of the old and the new.
    /// [`StoreError::ClockLive`] on a live property, whose row stays as it is; the transaction is lost then.
    pub async fn advance_clock(
        &mut self,
        property: PropertyId,
        offset: ClockOffset,
    ) -> Result<ClockOffset, StoreError> {
        let row = self
            .query(
                "UPDATE properties SET clock_offset_ms = GREATEST(clock_offset_ms, $3)
                 WHERE tenant_id = $1 AND property_id = $2 RETURNING clock_offset_ms",
            )
            .bind(property.as_uuid())
            .bind(offset.as_millis())
            .fetch_optional(&mut *self.tx)
            .await?;
        let row = row.ok_or(StoreError::NotFound("property"))?;
        Ok(ClockOffset::from_millis(row.int("clock_offset_ms")?))
    }

    /// The live stays of a property whose next deadline is at `until` or before.
    pub async fn stays_due(
        &mut self,
        property: PropertyId,
        until: Timestamp,
    ) -> Result<Vec<(StayId, ReservationRef)>, StoreError> {
        let rows = self
            .query(
                "SELECT stay_id, reservation FROM stays
                 WHERE tenant_id = $1 AND property_id = $2 AND phase <> 'ended' AND next_deadline <= $3
                 ORDER BY next_deadline, stay_id",
            )
            .bind(property.as_uuid())
            .bind(Ts(until))
            .fetch_all(&mut *self.tx)
            .await?;
        rows.iter().map(|row| Ok((StayId::from_uuid(row.uuid("stay_id")?), row.reservation("reservation")?))).collect()
    }
}

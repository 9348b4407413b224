//! Test clocks of sandbox properties.

use crate::{StoreError, TenantTx, row::RowExt, time::Ts};
use jiff::Timestamp;
use lock_domain::{
    clock::ClockOffset,
    ids::{PropertyId, StayId},
    stay::StayRef,
};
use sqlx::postgres::PgRow;
use uuid::Uuid;

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

    /// Live stays whose workflow has not been told how far its property's clock is now, and whose next deadline falls due on that clock by
    /// `by`, real time; also those of which no deadline is known, because something is under way. Those that are due first, at most
    /// `limit`; of one property if it is named.
    pub async fn untold(
        &mut self,
        property: Option<PropertyId>,
        by: Timestamp,
        limit: u32,
    ) -> Result<Vec<(StayRef, ClockOffset)>, StoreError> {
        let rows = self
            .query(
                "SELECT s.property_id, s.stay_id, s.reservation, s.reinstates, p.clock_offset_ms
                 FROM properties p JOIN stays s ON s.tenant_id = $1 AND s.property_id = p.property_id
                 WHERE p.tenant_id = $1 AND p.clock_offset_ms > 0 AND ($2::uuid IS NULL OR p.property_id = $2)
                   AND s.phase <> 'ended' AND s.clock_told_ms < p.clock_offset_ms
                   AND (s.next_deadline IS NULL OR s.next_deadline <= $3 + p.clock_offset_ms * interval '1 millisecond')
                 ORDER BY s.next_deadline NULLS FIRST, s.stay_id LIMIT $4",
            )
            .bind(property.map(|id| id.as_uuid()))
            .bind(Ts(by))
            .bind(i64::from(limit))
            .fetch_all(&mut *self.tx)
            .await?;
        let tenant = self.tenant();
        let one = |row: &PgRow| {
            let stay = StayRef {
                tenant,
                property: PropertyId::from_uuid(row.uuid("property_id")?),
                reservation: row.reservation("reservation")?,
                stay: StayId::from_uuid(row.uuid("stay_id")?),
                reinstates: row.uuid_opt("reinstates")?.map(StayId::from_uuid),
            };
            Ok((stay, ClockOffset::from_millis(row.int("clock_offset_ms")?)))
        };
        rows.iter().map(one).collect()
    }

    /// Notes that these stays' workflows know of this offset.
    pub async fn clock_told(&mut self, stays: &[StayId], offset: ClockOffset) -> Result<(), StoreError> {
        let ids: Vec<Uuid> = stays.iter().map(StayId::as_uuid).collect();
        // In one order for everybody, so that two who tell the same stays can't wait for each other.
        self.query(
            "WITH told AS (
                 SELECT stay_id FROM stays WHERE tenant_id = $1 AND stay_id = ANY($2) ORDER BY stay_id FOR NO KEY UPDATE
             ) UPDATE stays s SET clock_told_ms = GREATEST(s.clock_told_ms, $3) FROM told WHERE s.tenant_id = $1 AND s.stay_id = told.stay_id",
        )
        .bind(ids)
        .bind(offset.as_millis())
        .execute(&mut *self.tx)
        .await?;
        Ok(())
    }
}

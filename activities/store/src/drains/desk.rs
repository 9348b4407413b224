//! Guests whom an outage leaves to the desk.

use crate::{StoreError, TenantTx, row::RowExt, time::Ts};
use jiff::Timestamp;
use lock_domain::{
    ids::{ApiKeyId, OutageId, PropertyId, ReservationRef, StayId},
    problem::Code,
};
use sqlx::postgres::PgRow;

/// A guest at the desk.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DeskRow {
    /// The outage.
    pub outage: OutageId,
    /// The vendor that is down.
    pub vendor: String,
    /// Why it is.
    pub code: Option<Code>,
    /// The stay.
    pub stay: StayId,
    /// Its reservation.
    pub reservation: ReservationRef,
    /// The number of the guest's room.
    pub room: String,
    /// When the guest arrives.
    pub arrival: Timestamp,
    /// Why no other vendor took it; `None` if there was none to ask.
    pub refused: Option<Code>,
    /// Since when it has been on the list.
    pub since: Timestamp,
}

impl TenantTx<'_> {
    /// Guests at a property's desk, in the order of arrival, then of acceptance. All of them: a desk works by one list.
    pub async fn desk(&mut self, property: PropertyId, limit: u32) -> Result<Vec<DeskRow>, StoreError> {
        let rows = self
            .query(
                "SELECT t.outage_id, o.vendor, o.code, t.stay_id, s.reservation, r.number, s.window_from, t.asked_at,
                        (SELECT COALESCE(f.code, c.code) FROM drain_steps f
                         LEFT JOIN commands c ON c.tenant_id = $1 AND c.command_id = f.command_id AND c.status = 'failed'
                         WHERE f.tenant_id = $1 AND f.outage_id = t.outage_id AND f.stay_id = t.stay_id AND f.channel <> 'desk'
                         ORDER BY f.place DESC LIMIT 1) AS refused
                 FROM drain_steps t JOIN outages o ON o.tenant_id = $1 AND o.outage_id = t.outage_id
                 JOIN stays s ON s.tenant_id = $1 AND s.stay_id = t.stay_id JOIN rooms r ON r.tenant_id = $1 AND r.property_id = s.property_id AND r.room_id = s.room_id
                 WHERE t.tenant_id = $1 AND o.property_id = $2 AND t.state = 'at_desk' AND s.phase IN ('issuing', 'moving')
                 ORDER BY s.window_from, s.created_at, s.stay_id LIMIT $3",
            )
            .bind(property.as_uuid())
            .bind(i64::from(limit))
            .fetch_all(&mut *self.tx)
            .await?;
        rows.iter().map(desk).collect()
    }

    /// The desk has let a guest in. Returns the stay's outages that it was on the list for; none if it was on no list.
    pub async fn served_at_desk(
        &mut self,
        property: PropertyId,
        reservation: &ReservationRef,
        by: ApiKeyId,
        now: Timestamp,
    ) -> Result<Vec<(OutageId, StayId)>, StoreError> {
        let rows = self
            .query(
                "UPDATE drain_steps t SET state = 'served', served_by = $4, settled_at = $5 FROM stays s
                 WHERE t.tenant_id = $1 AND s.tenant_id = $1 AND s.stay_id = t.stay_id AND s.property_id = $2 AND s.reservation = $3
                   AND t.state = 'at_desk' RETURNING t.outage_id, t.stay_id",
            )
            .bind(property.as_uuid())
            .bind(reservation.as_str())
            .bind(by.as_uuid())
            .bind(Ts(now))
            .fetch_all(&mut *self.tx)
            .await?;
        let ids = |row: &PgRow| -> Result<_, StoreError> {
            Ok((OutageId::from_uuid(row.uuid("outage_id")?), StayId::from_uuid(row.uuid("stay_id")?)))
        };
        rows.iter().map(ids).collect()
    }
}

fn desk(row: &PgRow) -> Result<DeskRow, StoreError> {
    Ok(DeskRow {
        outage: OutageId::from_uuid(row.uuid("outage_id")?),
        vendor: row.text("vendor")?,
        code: row.code_opt("code")?,
        stay: StayId::from_uuid(row.uuid("stay_id")?),
        reservation: row.reservation("reservation")?,
        room: row.text("number")?,
        arrival: row.at("window_from")?,
        refused: row.code_opt("refused")?,
        since: row.at("asked_at")?,
    })
}

//! Lists of stays, page by page.

use crate::{
    StayRow, StoreError, TenantTx,
    stays::{select_stay, stay_row},
    time::Ts,
};
use jiff::Timestamp;
use lock_domain::{
    ids::{PropertyId, ReservationRef, RoomId, StayId},
    stay::{StayKind, StayPhase},
};

/// Which stays of a property. The default is all of them, 100 at a time.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StayFilter {
    /// Of this kind.
    pub kind: Option<StayKind>,
    /// In one of these phases; empty is any.
    pub phases: Vec<StayPhase>,
    /// Arriving at this instant or later.
    pub arrival_from: Option<Timestamp>,
    /// Arriving before this instant.
    pub arrival_until: Option<Timestamp>,
    /// In this room.
    pub room: Option<RoomId>,
    /// Of this reservation: the one in house, and those that are over.
    pub reservation: Option<ReservationRef>,
    /// Only those that a person should look at.
    pub needs_attention: bool,
    /// The last one of the page before.
    pub after: Option<StayId>,
    /// At most so many.
    pub limit: u32,
}

impl Default for StayFilter {
    fn default() -> Self {
        Self {
            kind: None,
            phases: Vec::new(),
            arrival_from: None,
            arrival_until: None,
            room: None,
            reservation: None,
            needs_attention: false,
            after: None,
            limit: 100,
        }
    }
}

impl TenantTx<'_> {
    /// A property's stays in the order of their ids, which is that of their acceptance if the ids are version 7.
    pub async fn stays(&mut self, property: PropertyId, filter: &StayFilter) -> Result<Vec<StayRow>, StoreError> {
        let phases: Vec<&str> = filter.phases.iter().map(|phase| phase.name()).collect();
        let rows = self
            .query(select_stay!(
                "AND property_id = $2
                   AND (cardinality($3::text[]) = 0 OR phase = ANY($3))
                   AND ($4::timestamptz IS NULL OR window_from >= $4)
                   AND ($5::timestamptz IS NULL OR window_from < $5)
                   AND ($6::uuid IS NULL OR room_id = $6)
                   AND (NOT $7 OR needs_attention OR held OR at_desk)
                   AND ($8::uuid IS NULL OR stay_id > $8)
                   AND ($10::text IS NULL OR reservation = $10)
                   AND ($11::text IS NULL OR kind = $11)
                 ORDER BY stay_id LIMIT $9"
            ))
            .bind(property.as_uuid())
            .bind(phases)
            .bind(filter.arrival_from.map(Ts))
            .bind(filter.arrival_until.map(Ts))
            .bind(filter.room.map(|room| room.as_uuid()))
            .bind(filter.needs_attention)
            .bind(filter.after.map(|stay| stay.as_uuid()))
            .bind(i64::from(filter.limit))
            .bind(filter.reservation.as_ref().map(ReservationRef::as_str))
            .bind(filter.kind.map(StayKind::name))
            .fetch_all(&mut *self.tx)
            .await?;
        rows.iter().map(stay_row).collect()
    }
}

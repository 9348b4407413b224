//! Stays: the rows that answer what the front desk asks. The truth of what happens next is in the stay's workflow.

use crate::{Room, StoreError, TenantTx, row::RowExt, time::Ts};
use jiff::Timestamp;
use lock_domain::{
    clock::ClockOffset,
    ids::{DoorId, PropertyId, ReservationRef, RoomId, StayId},
    problem::Code,
    stay::{EndCause, Purpose, StayKind, StayPhase},
    window::Window,
};
use sqlx::postgres::PgRow;
use uuid::Uuid;

/// A stay to be entered.
#[derive(Debug, Clone)]
pub struct NewStay {
    /// What it is for.
    pub kind: StayKind,
    /// What a one-shot key is for; `None` for a guest's stay.
    pub purpose: Option<Purpose>,
    /// Its id.
    pub id: StayId,
    /// The hotel.
    pub property: PropertyId,
    /// The PMS's reference.
    pub reservation: ReservationRef,
    /// What the PMS said.
    pub window: Window,
    /// The guest's room.
    pub room: RoomId,
    /// Where it stands at first.
    pub phase: StayPhase,
    /// When it acts by itself, on the property's clock.
    pub next_deadline: Option<Timestamp>,
    /// The reservation's stay before this one, which is over.
    pub reinstates: Option<StayId>,
    /// How far the property's clock was ahead of real time.
    pub clock: ClockOffset,
    /// When it was accepted, real time.
    pub at: Timestamp,
}

/// What a stay's workflow has to say about it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StayRecord {
    /// Where it stands.
    pub phase: StayPhase,
    /// Why it is over, if it is.
    pub cause: Option<EndCause>,
    /// Taken away by staff.
    pub suspended: bool,
    /// A person should look.
    pub needs_attention: bool,
    /// Why.
    pub code: Option<Code>,
    /// When it acts by itself, on the property's clock.
    pub next_deadline: Option<Timestamp>,
    /// What the PMS said last.
    pub window: Window,
    /// The guest's room.
    pub room: RoomId,
    /// The doors that its keys open.
    pub doors: Vec<DoorId>,
    /// When this was so, real time.
    pub at: Timestamp,
}

/// Where a stay stood before it was recorded anew.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StayBefore {
    /// Its row.
    pub row: StayRow,
    /// It has claims of rooms that have none of its doors: see [`TenantTx::release_left_rooms`].
    pub leaves_rooms: bool,
}

/// A stay as it is recorded.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StayRow {
    /// What it is for.
    pub kind: StayKind,
    /// What a one-shot key is for; `None` for a guest's stay.
    pub purpose: Option<Purpose>,
    /// Its id.
    pub id: StayId,
    /// The hotel.
    pub property: PropertyId,
    /// The PMS's reference.
    pub reservation: ReservationRef,
    /// What the PMS said last.
    pub window: Window,
    /// The guest's room.
    pub room: RoomId,
    /// Where it stands.
    pub phase: StayPhase,
    /// Why it is over, if it is.
    pub cause: Option<EndCause>,
    /// Taken away by staff.
    pub suspended: bool,
    /// A person should look; also at a command of the stay's that is held, and at a guest whom the desk lets in.
    pub needs_attention: bool,
    /// Why; [`Code::Internal`] if a newer version of the code wrote one that this one does not know.
    pub attention_code: Option<Code>,
    /// When it acts by itself, on the property's clock.
    pub next_deadline: Option<Timestamp>,
    /// The reservation's stay before this one, which is over; `None` for its first.
    pub reinstates: Option<StayId>,
    /// When it was accepted.
    pub created_at: Timestamp,
    /// When it last changed.
    pub updated_at: Timestamp,
}

// Columns by name: a prepared `SELECT *` breaks when a migration adds one.
macro_rules! select_stay {
    ($rest:literal) => {
        concat!(
            "SELECT stay_id, property_id, reservation, window_from, window_until, room_id, phase, cause, suspended,
                    (needs_attention OR held OR at_desk) AS needs_attention,
                    COALESCE(CASE WHEN at_desk THEN 'desk_issue' END, attention_code, CASE WHEN held THEN 'held_for_approval' END) AS attention_code,
                    next_deadline, reinstates, kind, purpose, created_at, updated_at
             FROM stays CROSS JOIN LATERAL (SELECT EXISTS (SELECT FROM commands c WHERE c.tenant_id = stays.tenant_id
                                            AND c.stay_id = stays.stay_id AND c.status = 'held') AS held,
                    phase IN ('issuing', 'moving') AND EXISTS (SELECT FROM drain_steps t WHERE t.tenant_id = stays.tenant_id
                                                  AND t.stay_id = stays.stay_id AND t.state = 'at_desk') AS at_desk) h
             WHERE tenant_id = $1 ",
            $rest
        )
    };
}

pub(crate) use select_stay;

impl TenantTx<'_> {
    /// Enters a stay. [`StoreError::StayExists`] if the reservation has a live one; the transaction goes on.
    pub async fn insert_stay(&mut self, new: &NewStay) -> Result<(), StoreError> {
        let done = self
            .query(
                "INSERT INTO stays (tenant_id, stay_id, property_id, reservation, window_from, window_until, room_id, phase,
                                    next_deadline, reinstates, clock_told_ms, kind, purpose, created_at, updated_at)
                 VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $11, $12, $13, $14, $10, $10)
                 ON CONFLICT (tenant_id, property_id, reservation) WHERE phase <> 'ended' DO NOTHING",
            )
            .bind(new.id.as_uuid())
            .bind(new.property.as_uuid())
            .bind(new.reservation.as_str())
            .bind(Ts(new.window.from))
            .bind(Ts(new.window.until))
            .bind(new.room.as_uuid())
            .bind(new.phase.name())
            .bind(new.next_deadline.map(Ts))
            .bind(Ts(new.at))
            .bind(new.reinstates.map(|stay| stay.as_uuid()))
            .bind(new.clock.as_millis())
            .bind(new.kind.name())
            .bind(new.purpose.map(Purpose::name))
            .execute(&mut *self.tx)
            .await?;
        if done.rows_affected() == 0 { Err(StoreError::StayExists) } else { Ok(()) }
    }

    /// The reservation's stay that is not over, if there is one.
    pub async fn live_stay(
        &mut self,
        property: PropertyId,
        reservation: &ReservationRef,
    ) -> Result<Option<StayRow>, StoreError> {
        let row = self
            .query(select_stay!("AND property_id = $2 AND reservation = $3 AND phase <> 'ended'"))
            .bind(property.as_uuid())
            .bind(reservation.as_str())
            .fetch_optional(&mut *self.tx)
            .await?;
        row.as_ref().map(stay_row).transpose()
    }

    /// The reservation's latest stay: the live one, or else the last that ended.
    pub async fn stay(
        &mut self,
        property: PropertyId,
        reservation: &ReservationRef,
    ) -> Result<Option<StayRow>, StoreError> {
        let row = self
            .query(select_stay!(
                "AND property_id = $2 AND reservation = $3
                 ORDER BY (phase = 'ended'), created_at DESC, stay_id DESC LIMIT 1"
            ))
            .bind(property.as_uuid())
            .bind(reservation.as_str())
            .fetch_optional(&mut *self.tx)
            .await?;
        row.as_ref().map(stay_row).transpose()
    }

    /// A stay by its id.
    pub async fn stay_by_id(&mut self, id: StayId) -> Result<Option<StayRow>, StoreError> {
        let row = self.query(select_stay!("AND stay_id = $2")).bind(id.as_uuid()).fetch_optional(&mut *self.tx).await?;
        row.as_ref().map(stay_row).transpose()
    }

    /// A stay by its id, with its guest's room.
    pub async fn stay_with_room(&mut self, id: StayId) -> Result<Option<(StayRow, Room)>, StoreError> {
        let row = self
            .query(concat!(
                "SELECT s.*, r.number FROM (",
                select_stay!("AND stay_id = $2"),
                ") s JOIN rooms r ON r.tenant_id = $1 AND r.property_id = s.property_id AND r.room_id = s.room_id"
            ))
            .bind(id.as_uuid())
            .fetch_optional(&mut *self.tx)
            .await?;
        let both = |row: &PgRow| {
            let stay = stay_row(row)?;
            let room = Room { id: stay.room, property: stay.property, number: row.text("number")? };
            Ok((stay, room))
        };
        row.as_ref().map(both).transpose()
    }

    /// Records where a stay stands, and returns where it stood before.
    pub async fn record_stay(&mut self, id: StayId, record: &StayRecord) -> Result<StayBefore, StoreError> {
        let doors: Vec<Uuid> = record.doors.iter().map(DoorId::as_uuid).collect();
        let row = self
            .query(concat!(
                "WITH before AS (",
                select_stay!("AND stay_id = $2 FOR NO KEY UPDATE OF stays"),
                ") UPDATE stays s SET phase = $3, cause = $4, suspended = $5, needs_attention = $6, attention_code = $7,
                        next_deadline = $8, window_from = $9, window_until = $10, room_id = $11, updated_at = $12
                 FROM before WHERE s.tenant_id = $1 AND s.stay_id = before.stay_id RETURNING before.*, EXISTS (
                     SELECT FROM room_claims r WHERE r.tenant_id = $1 AND r.stay_id = $2 AND r.released_at IS NULL AND NOT EXISTS (
                         SELECT FROM doors d WHERE d.tenant_id = $1 AND d.property_id = r.property_id AND d.room_id = r.room_id
                                               AND d.door_id = ANY($13))) AS leaves_rooms"
            ))
            .bind(id.as_uuid())
            .bind(record.phase.name())
            .bind(record.cause.map(EndCause::name))
            .bind(record.suspended)
            .bind(record.needs_attention)
            .bind(record.code.map(Code::text))
            .bind(record.next_deadline.map(Ts))
            .bind(Ts(record.window.from))
            .bind(Ts(record.window.until))
            .bind(record.room.as_uuid())
            .bind(Ts(record.at))
            .bind(doors)
            .fetch_optional(&mut *self.tx)
            .await?
            .ok_or(StoreError::NotFound("stay"))?;
        Ok(StayBefore { leaves_rooms: row.flag("leaves_rooms")?, row: stay_row(&row)? })
    }
}

pub(crate) fn stay_row(row: &PgRow) -> Result<StayRow, StoreError> {
    Ok(StayRow {
        kind: row.name("kind")?,
        purpose: row.name_opt("purpose")?,
        id: StayId::from_uuid(row.uuid("stay_id")?),
        property: PropertyId::from_uuid(row.uuid("property_id")?),
        reservation: row.reservation("reservation")?,
        window: Window { from: row.at("window_from")?, until: row.at("window_until")? },
        room: RoomId::from_uuid(row.uuid("room_id")?),
        phase: row.name("phase")?,
        cause: row.name_opt("cause")?,
        suspended: row.flag("suspended")?,
        needs_attention: row.flag("needs_attention")?,
        attention_code: row.code_opt("attention_code")?,
        next_deadline: row.at_opt("next_deadline")?,
        reinstates: row.uuid_opt("reinstates")?.map(StayId::from_uuid),
        created_at: row.at("created_at")?,
        updated_at: row.at("updated_at")?,
    })
}

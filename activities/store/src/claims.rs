//! Who has a room, and when. Two walls: an advisory lock that makes claimants of a room queue, and an exclusion constraint.
//!
//! A stay may have several claims of one room, each for a part of the time. A change of dates claims what it needs more, and what it
//! needs less is given up only once the record says so ([`TenantTx::narrow_claims`]): a change that comes to nothing then has nothing to
//! get back that another stay could have taken meanwhile.

use crate::{StoreError, TenantTx, row::RowExt, time::to_stored};
use lock_domain::{
    ids::{CommandId, PropertyId, RoomId, StayId},
    window::Window,
};
use sqlx::postgres::PgRow;
use uuid::Uuid;

impl TenantTx<'_> {
    /// Claims a room for a stay, for all of these windows, as far as the stay does not have it already. [`StoreError::RoomTaken`] names
    /// who has it; nothing has changed then and the transaction goes on. Two round trips.
    pub async fn claim_room(
        &mut self,
        property: PropertyId,
        room: RoomId,
        stay: StayId,
        windows: &[Window],
        command: CommandId,
    ) -> Result<(), StoreError> {
        self.lock_rooms(property, &[room.as_uuid()]).await?;
        let row = self
            .query(
                "WITH own AS (
                     SELECT COALESCE(range_agg(during), '{}') AS during FROM room_claims
                     WHERE tenant_id = $1 AND property_id = $2 AND room_id = $3 AND stay_id = $5 AND released_at IS NULL
                 ), taken AS (
                     SELECT s.reservation FROM room_claims c JOIN stays s USING (tenant_id, stay_id)
                     WHERE c.tenant_id = $1 AND c.property_id = $2 AND c.room_id = $3 AND c.released_at IS NULL
                       AND c.stay_id <> $5 AND c.during && $4::text::tstzmultirange LIMIT 1
                 ), made AS (
                     INSERT INTO room_claims (tenant_id, property_id, room_id, during, stay_id, command_id, claim_id)
                     SELECT $1, $2, $3, piece, $5, $6, gen_random_uuid()
                     FROM own, unnest($4::text::tstzmultirange - own.during) AS piece WHERE NOT EXISTS (SELECT FROM taken)
                 ) SELECT reservation FROM taken",
            )
            .bind(property.as_uuid())
            .bind(room.as_uuid())
            .bind(ranges(windows))
            .bind(stay.as_uuid())
            .bind(command.as_uuid())
            .fetch_optional(&mut *self.tx)
            .await?;
        taken(row)
    }

    /// Claims every room that a stay has for this window as well; during a move these are two. [`StoreError::RoomTaken`] if another stay
    /// has one of them then; nothing has changed and the transaction goes on. Three round trips.
    pub async fn extend_claims(
        &mut self,
        property: PropertyId,
        stay: StayId,
        window: Window,
    ) -> Result<(), StoreError> {
        let rows = self
            .query(
                "SELECT DISTINCT room_id FROM room_claims
                 WHERE tenant_id = $1 AND property_id = $2 AND stay_id = $3 AND released_at IS NULL ORDER BY room_id",
            )
            .bind(property.as_uuid())
            .bind(stay.as_uuid())
            .fetch_all(&mut *self.tx)
            .await?;
        let rooms: Vec<Uuid> = rows.iter().map(|row| row.uuid("room_id")).collect::<Result<_, _>>()?;
        self.lock_rooms(property, &rooms).await?;
        // What is claimed more goes with the room: it is the command that wanted the room which gives up all of it.
        let row = self
            .query(
                "WITH own AS (
                     SELECT room_id, range_agg(during) AS during, (array_agg(command_id ORDER BY claimed_at DESC))[1] AS command_id
                     FROM room_claims WHERE tenant_id = $1 AND property_id = $2 AND stay_id = $3 AND released_at IS NULL GROUP BY room_id
                 ), taken AS (
                     SELECT s.reservation FROM room_claims c JOIN stays s USING (tenant_id, stay_id)
                     WHERE c.tenant_id = $1 AND c.property_id = $2 AND c.room_id IN (SELECT room_id FROM own) AND c.released_at IS NULL
                       AND c.stay_id <> $3 AND c.during && $4::text::tstzmultirange LIMIT 1
                 ), made AS (
                     INSERT INTO room_claims (tenant_id, property_id, room_id, during, stay_id, command_id, claim_id)
                     SELECT $1, $2, room_id, piece, $3, command_id, gen_random_uuid()
                     FROM own, unnest($4::text::tstzmultirange - own.during) AS piece WHERE NOT EXISTS (SELECT FROM taken)
                 ) SELECT reservation FROM taken",
            )
            .bind(property.as_uuid())
            .bind(stay.as_uuid())
            .bind(ranges(&[window]))
            .fetch_optional(&mut *self.tx)
            .await?;
        taken(row)
    }

    /// Gives up what a stay has claimed beyond the windows that were [`accepted`](Self::accepted) for it, after one of them has come true
    /// or to nothing. It can only give up, so that it never finds a room taken. Three round trips.
    pub async fn narrow_claims(&mut self, stay: StayId) -> Result<(), StoreError> {
        let accepted = self.accepted(stay).await?;
        self.query(
            "WITH held AS (
                 UPDATE room_claims SET released_at = now()
                 WHERE tenant_id = $1 AND stay_id = $2 AND released_at IS NULL AND NOT during <@ $3::text::tstzmultirange
                 RETURNING property_id, room_id, command_id, during
             ), rooms AS (
                 SELECT property_id, room_id, command_id, range_agg(during) AS during FROM held GROUP BY property_id, room_id, command_id
             ) INSERT INTO room_claims (tenant_id, property_id, room_id, during, stay_id, command_id, claim_id)
               SELECT $1, property_id, room_id, piece, $2, command_id, gen_random_uuid()
               FROM rooms, unnest(rooms.during * $3::text::tstzmultirange) AS piece",
        )
        .bind(stay.as_uuid())
        .bind(ranges(&accepted.windows))
        .execute(&mut *self.tx)
        .await?;
        Ok(())
    }

    /// Gives up a stay's rooms, all but `except`. Returns how many claims.
    pub async fn release_claims(&mut self, stay: StayId, except: Option<RoomId>) -> Result<u64, StoreError> {
        let done = self
            .query(
                "UPDATE room_claims SET released_at = now()
                 WHERE tenant_id = $1 AND stay_id = $2 AND released_at IS NULL AND ($3::uuid IS NULL OR room_id <> $3)",
            )
            .bind(stay.as_uuid())
            .bind(except.map(|room| room.as_uuid()))
            .execute(&mut *self.tx)
            .await?;
        Ok(done.rows_affected())
    }

    /// Waits until nobody else is claiming these rooms, until the end of the transaction. It is a statement of its own, because the next
    /// one must see what whoever held the lock has committed.
    async fn lock_rooms(&mut self, property: PropertyId, rooms: &[Uuid]) -> Result<(), StoreError> {
        // In the order of their ids, so that two claimants of two rooms can't wait for each other.
        let mut sorted = rooms.to_vec();
        sorted.sort_unstable();
        self.query(
            "SELECT pg_advisory_xact_lock(hashtextextended($1::text || $2::text || room::text, 0))
             FROM unnest($3::uuid[]) WITH ORDINALITY AS list (room, place) ORDER BY place",
        )
        .bind(property.as_uuid())
        .bind(sorted)
        .execute(&mut *self.tx)
        .await?;
        Ok(())
    }
}

/// Windows as the text of a `tstzmultirange`, which merges those that overlap.
fn ranges(windows: &[Window]) -> String {
    let range = |w: &Window| format!("[{},{})", to_stored(w.from), to_stored(w.until));
    format!("{{{}}}", windows.iter().map(range).collect::<Vec<_>>().join(","))
}

fn taken(row: Option<PgRow>) -> Result<(), StoreError> {
    match row {
        None => Ok(()),
        Some(row) => Err(StoreError::RoomTaken { reservation: Some(row.reservation("reservation")?) }),
    }
}

//! Who has a room, and when. Two walls: an advisory lock that makes claimants of a room queue, and an exclusion constraint.

use crate::{StoreError, TenantTx, row::RowExt, time::Ts};
use lock_domain::{
    ids::{CommandId, PropertyId, RoomId, StayId},
    window::Window,
};
use uuid::Uuid;

impl TenantTx<'_> {
    /// Claims a room for a stay. [`StoreError::RoomTaken`] names who has it; the transaction goes on then. Two round trips.
    pub async fn claim_room(
        &mut self,
        property: PropertyId,
        room: RoomId,
        stay: StayId,
        window: Window,
        command: CommandId,
    ) -> Result<(), StoreError> {
        self.lock_rooms(property, &[room.as_uuid()]).await?;
        let row = self
            .query(
                "WITH taken AS (
                     SELECT s.reservation FROM room_claims c JOIN stays s USING (tenant_id, stay_id)
                     WHERE c.tenant_id = $1 AND c.property_id = $2 AND c.room_id = $3 AND c.released_at IS NULL
                       AND c.during && tstzrange($4, $5) LIMIT 1
                 ), made AS (
                     INSERT INTO room_claims (tenant_id, property_id, room_id, during, stay_id, command_id, claim_id)
                     SELECT $1, $2, $3, tstzrange($4, $5), $6, $7, $8 WHERE NOT EXISTS (SELECT FROM taken)
                     RETURNING claim_id
                 ) SELECT reservation FROM taken UNION ALL SELECT NULL FROM made",
            )
            .bind(property.as_uuid())
            .bind(room.as_uuid())
            .bind(Ts(window.from))
            .bind(Ts(window.until))
            .bind(stay.as_uuid())
            .bind(command.as_uuid())
            .bind(Uuid::now_v7())
            .fetch_one(&mut *self.tx)
            .await?;
        match row.text_opt("reservation")? {
            None => Ok(()),
            Some(_) => Err(StoreError::RoomTaken { reservation: Some(row.reservation("reservation")?) }),
        }
    }

    /// Gives every room that a stay has claimed this window instead; during a move these are two. [`StoreError::RoomTaken`] if another
    /// stay has one of them then; nothing has changed and the transaction goes on. Three round trips.
    pub async fn change_claims(
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
        let row = self
            .query(
                "WITH taken AS (
                     SELECT s.reservation FROM room_claims c JOIN stays s USING (tenant_id, stay_id)
                     WHERE c.tenant_id = $1 AND c.property_id = $2 AND c.room_id = ANY($4) AND c.released_at IS NULL
                       AND c.stay_id <> $3 AND c.during && tstzrange($5, $6) LIMIT 1
                 ), changed AS (
                     UPDATE room_claims SET during = tstzrange($5, $6)
                     WHERE tenant_id = $1 AND stay_id = $3 AND released_at IS NULL AND NOT EXISTS (SELECT FROM taken)
                 ) SELECT reservation FROM taken",
            )
            .bind(property.as_uuid())
            .bind(stay.as_uuid())
            .bind(rooms)
            .bind(Ts(window.from))
            .bind(Ts(window.until))
            .fetch_optional(&mut *self.tx)
            .await?;
        match row {
            None => Ok(()),
            Some(row) => Err(StoreError::RoomTaken { reservation: Some(row.reservation("reservation")?) }),
        }
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

    /// Gives up what a command has claimed, because it came to nothing. Returns how many claims.
    pub async fn release_claims_of_command(&mut self, command: CommandId) -> Result<u64, StoreError> {
        let done = self
            .query(
                "UPDATE room_claims SET released_at = now()
                 WHERE tenant_id = $1 AND command_id = $2 AND released_at IS NULL",
            )
            .bind(command.as_uuid())
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

//! Giving up rooms: those that a stay has left, and those that were claimed for a command that came to nothing.

use crate::{StoreError, TenantTx, row::RowExt};
use lock_domain::ids::{CommandId, DoorId, StayId};
use sqlx::postgres::PgRow;
use uuid::Uuid;

/// Gives up the claims that `$condition` names. A room that another command without a verdict wants passes to that command: the workflow
/// may not have heard of it yet.
macro_rules! give_up {
    ($condition:literal) => {
        concat!(
            "WITH given AS (
                 SELECT r.claim_id, (
                     SELECT c.command_id FROM commands c
                     JOIN doors d ON d.tenant_id = $1 AND d.property_id = r.property_id AND d.room_id = r.room_id
                     WHERE c.tenant_id = $1 AND c.stay_id = r.stay_id AND c.verb IN ('new', 'room_move')
                       AND c.status NOT IN ('done', 'failed', 'overtaken')
                       AND c.payload -> 'verb' -> 'doors' ? ('door_' || replace(d.door_id::text, '-', ''))
                     ORDER BY c.accepted_at DESC, c.command_id DESC LIMIT 1
                 ) AS wanted_by
                 FROM room_claims r WHERE r.tenant_id = $1 AND r.released_at IS NULL AND ",
            $condition,
            ") UPDATE room_claims r SET command_id = COALESCE(g.wanted_by, r.command_id),
                      released_at = CASE WHEN g.wanted_by IS NULL THEN now() END
               FROM given g WHERE r.tenant_id = $1 AND r.claim_id = g.claim_id AND g.wanted_by IS DISTINCT FROM r.command_id
               RETURNING r.released_at IS NOT NULL AS released"
        )
    };
}

impl TenantTx<'_> {
    /// Gives up the stay's rooms that have none of `doors`. A room that a command without a verdict wants is kept. Returns how many claims.
    pub async fn release_left_rooms(&mut self, stay: StayId, doors: &[DoorId]) -> Result<u64, StoreError> {
        let doors: Vec<Uuid> = doors.iter().map(DoorId::as_uuid).collect();
        let rows = self
            .query(give_up!(
                "r.stay_id = $2
                   AND NOT EXISTS (SELECT FROM doors d WHERE d.tenant_id = $1 AND d.property_id = r.property_id
                                      AND d.room_id = r.room_id AND d.door_id = ANY($3))"
            ))
            .bind(stay.as_uuid())
            .bind(doors)
            .fetch_all(&mut *self.tx)
            .await?;
        released(&rows)
    }

    /// Gives up what a command has claimed, because it came to nothing. What another command without a verdict wants is that command's
    /// from now on. Returns how many claims were given up.
    pub async fn release_claims_of_command(&mut self, command: CommandId) -> Result<u64, StoreError> {
        let rows = self.query(give_up!("r.command_id = $2")).bind(command.as_uuid()).fetch_all(&mut *self.tx).await?;
        released(&rows)
    }
}

fn released(rows: &[PgRow]) -> Result<u64, StoreError> {
    rows.iter().try_fold(0, |sum, row| Ok(sum + u64::from(row.flag("released")?)))
}

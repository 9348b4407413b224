//! Giving up the rooms that a stay has left.

use lock_domain::ids::{DoorId, StayId};
use uuid::Uuid;

use crate::error::StoreError;
use crate::tx::TenantTx;

impl TenantTx<'_> {
    /// Gives up the stay's rooms that have none of `doors`. A room that a command without a verdict has claimed is kept: the workflow may
    /// not have heard of that command yet. Returns how many claims.
    pub async fn release_left_rooms(&mut self, stay: StayId, doors: &[DoorId]) -> Result<u64, StoreError> {
        let doors: Vec<Uuid> = doors.iter().map(DoorId::as_uuid).collect();
        let done = self
            .query(
                "UPDATE room_claims r SET released_at = now()
                 WHERE r.tenant_id = $1 AND r.stay_id = $2 AND r.released_at IS NULL
                   AND NOT EXISTS (SELECT FROM doors d WHERE d.tenant_id = $1 AND d.property_id = r.property_id
                                      AND d.room_id = r.room_id AND d.door_id = ANY($3))
                   AND EXISTS (SELECT FROM commands c WHERE c.tenant_id = $1 AND c.command_id = r.command_id
                                  AND c.status IN ('done', 'failed', 'overtaken'))",
            )
            .bind(stay.as_uuid())
            .bind(doors)
            .execute(&mut *self.tx)
            .await?;
        Ok(done.rows_affected())
    }
}

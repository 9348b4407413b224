//! Whose doors have a stay's keys, and whose had them.

use crate::{CommandStatus, StoreError, TenantTx, row::RowExt};
use lock_domain::ids::{RoomId, StayId};
use uuid::Uuid;

impl TenantTx<'_> {
    /// The vendor whose doors have the stay's keys instead of its own vendor's.
    pub async fn diverted_to(&mut self, stay: StayId) -> Result<Option<String>, StoreError> {
        let row = self
            .query("SELECT diverted_to FROM stays WHERE tenant_id = $1 AND stay_id = $2")
            .bind(stay.as_uuid())
            .fetch_optional(&mut *self.tx)
            .await?;
        row.map_or(Ok(None), |row| row.text_opt("diverted_to"))
    }

    /// Notes it, or that its own vendor's doors have them again.
    pub async fn set_diverted(&mut self, stay: StayId, to: Option<&str>) -> Result<(), StoreError> {
        self.query("UPDATE stays SET diverted_to = $3 WHERE tenant_id = $1 AND stay_id = $2")
            .bind(stay.as_uuid())
            .bind(to)
            .execute(&mut *self.tx)
            .await?;
        Ok(())
    }

    /// Notes again whose doors have the stay's keys, after a command that had said otherwise came to nothing: those that the last command
    /// names that stands.
    pub async fn restore_diverted(&mut self, stay: StayId) -> Result<(), StoreError> {
        let commands = self.commands_of(stay).await?;
        let standing = commands.iter().rev().filter(|row| row.status != CommandStatus::Failed);
        let doors = standing.filter_map(|row| row.command.verb.doors()).next().unwrap_or_default();
        let doors: Vec<Uuid> = doors.iter().map(|door| door.as_uuid()).collect();
        self.query(
            "UPDATE stays SET diverted_to = (
                 SELECT d.vendor FROM doors d WHERE d.tenant_id = $1 AND d.door_id = ANY ($3) AND d.room_id IS NOT NULL
                   AND EXISTS (SELECT FROM drain_steps t JOIN commands c ON c.tenant_id = $1 AND c.command_id = t.command_id
                               WHERE t.tenant_id = $1 AND t.stay_id = $2 AND t.channel = d.vendor AND c.status <> 'failed') LIMIT 1)
             WHERE tenant_id = $1 AND stay_id = $2",
        )
        .bind(stay.as_uuid())
        .bind(doors)
        .execute(&mut *self.tx)
        .await?;
        Ok(())
    }

    /// Vendors whose doors the stay was sent away from.
    pub async fn left_vendors(&mut self, stay: StayId) -> Result<Vec<String>, StoreError> {
        let rows = self
            .query(
                "SELECT DISTINCT o.vendor FROM drain_steps t JOIN outages o ON o.tenant_id = $1 AND o.outage_id = t.outage_id
                 JOIN commands c ON c.tenant_id = $1 AND c.command_id = t.command_id
                 WHERE t.tenant_id = $1 AND t.stay_id = $2 AND c.status <> 'failed' ORDER BY o.vendor",
            )
            .bind(stay.as_uuid())
            .fetch_all(&mut *self.tx)
            .await?;
        rows.iter().map(|row| row.text("vendor")).collect()
    }

    /// The rooms that a stay has.
    pub async fn claimed_rooms(&mut self, stay: StayId) -> Result<Vec<RoomId>, StoreError> {
        let rows = self
            .query("SELECT DISTINCT room_id FROM room_claims WHERE tenant_id = $1 AND stay_id = $2 AND released_at IS NULL ORDER BY room_id")
            .bind(stay.as_uuid())
            .fetch_all(&mut *self.tx)
            .await?;
        rows.iter().map(|row| Ok(RoomId::from_uuid(row.uuid("room_id")?))).collect()
    }
}

//! What stands of a stay's keys, all of them: what an effect on a whole key has to know of the rest.

use crate::{Attempt, StoreError, TenantTx, row::RowExt};
use jiff::Timestamp;
use lock_domain::{
    credential::CredentialState,
    ids::{CredentialId, DoorId, KeyId, RoomId, StayId},
    stay::Wish,
    window::Window,
};
use sqlx::Row;

/// A credential with what its key and its door are.
#[derive(Debug, Clone, PartialEq)]
pub struct Standing {
    /// The credential.
    pub credential: CredentialId,
    /// Its key.
    pub key: KeyId,
    /// The lock's door.
    pub door: DoorId,
    /// The door's room; none for a common door.
    pub room: Option<RoomId>,
    /// The lock's vendor.
    pub vendor: String,
    /// The lock's id at the vendor.
    pub vendor_lock_id: String,
    /// What is recorded of it.
    pub state: CredentialState,
    /// The vendor's id for it.
    pub vendor_ref: Option<String>,
    /// The window that the lock keeps.
    pub effective: Option<Window>,
    /// When something may have been sent last whose effect nobody knows.
    pub unresolved_since: Option<Timestamp>,
    /// The latest round of the stay's effects that has looked at it.
    pub round: u64,
    /// Whether its key is wanted.
    pub wish: Wish,
    /// Whether its key was made beside others; none until it stood.
    pub joins: Option<bool>,
    /// When its key was accepted.
    pub created_at: Timestamp,
}

impl TenantTx<'_> {
    /// Every credential of a stay, the oldest key's first.
    pub async fn standing(&mut self, stay: StayId) -> Result<Vec<Standing>, StoreError> {
        let rows = self
            .query(
                "SELECT c.credential_id, c.key_id, c.door_id, d.room_id, d.vendor, d.vendor_lock_id, c.state, c.vendor_ref, c.effective_from,
                        c.effective_until, c.unresolved_since, c.open_intent, c.round, k.wish, k.superseded_by, k.joins, k.created_at
                 FROM credentials c
                 JOIN keys k ON k.tenant_id = $1 AND k.key_id = c.key_id
                 JOIN doors d ON d.tenant_id = $1 AND d.door_id = c.door_id
                 WHERE c.tenant_id = $1 AND c.stay_id = $2 ORDER BY k.created_at, k.holder, k.key_id, c.credential_id",
            )
            .bind(stay.as_uuid())
            .fetch_all(&mut *self.tx)
            .await?;
        let read = |row: &sqlx::postgres::PgRow| {
            let open = row.json_opt::<Attempt>("open_intent")?.map(|attempt| attempt.at);
            let successor = row.uuid_opt("superseded_by")?.map(KeyId::from_uuid);
            Ok(Standing {
                credential: CredentialId::from_uuid(row.uuid("credential_id")?),
                key: KeyId::from_uuid(row.uuid("key_id")?),
                door: DoorId::from_uuid(row.uuid("door_id")?),
                room: row.uuid_opt("room_id")?.map(RoomId::from_uuid),
                vendor: row.text("vendor")?,
                vendor_lock_id: row.text("vendor_lock_id")?,
                state: row.name("state")?,
                vendor_ref: row.text_opt("vendor_ref")?,
                effective: row.window_opt("effective_from", "effective_until")?,
                unresolved_since: row.at_opt("unresolved_since")?.max(open),
                round: u64::try_from(row.int("round")?).map_err(|_| StoreError::Corrupt("round"))?,
                wish: match (row.text("wish")?.as_str(), successor) {
                    ("wanted", _) => Wish::Wanted,
                    ("until", Some(next)) => Wish::Until(next),
                    _ => Wish::Unwanted,
                },
                joins: row.try_get("joins")?,
                created_at: row.at("created_at")?,
            })
        };
        rows.iter().map(read).collect()
    }

    /// Notes whether a key was made beside others of its stay.
    pub async fn note_joins(&mut self, key: KeyId, joins: bool) -> Result<(), StoreError> {
        self.query("UPDATE keys SET joins = $3 WHERE tenant_id = $1 AND key_id = $2")
            .bind(key.as_uuid())
            .bind(joins)
            .execute(&mut *self.tx)
            .await?;
        Ok(())
    }
}

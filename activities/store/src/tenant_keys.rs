//! A tenant's data keys, wrapped by the customer's KMS key.

use crate::{StoreError, TenantTx, row::RowExt, time::Ts};
use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use sqlx::Row;

/// What a data key may still be used for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum TenantKeyState {
    /// Seals and opens.
    Active,
    /// Opens what is old.
    DecryptOnly,
    /// Gone; the row stays as a tombstone.
    Destroyed,
}

/// A data key in its wrapping, which only the KMS takes off.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct WrappedKey {
    /// What it is for.
    pub purpose: String,
    /// Its version, from 1.
    pub version: u32,
    /// The wrapped bytes.
    pub wrapped: Vec<u8>,
    /// What it may be used for.
    pub state: TenantKeyState,
    /// When it was made.
    pub created_at: Timestamp,
}

impl TenantTx<'_> {
    /// The tenant's data keys for a purpose, newest first.
    pub async fn wrapped_keys(&mut self, purpose: &str) -> Result<Vec<WrappedKey>, StoreError> {
        let rows = self
            .query(
                "SELECT purpose, version, wrapped, state, created_at FROM tenant_keys
                 WHERE tenant_id = $1 AND purpose = $2 ORDER BY version DESC",
            )
            .bind(purpose)
            .fetch_all(&mut *self.tx)
            .await?;
        rows.iter()
            .map(|row| {
                let version: i32 = row.try_get("version")?;
                Ok(WrappedKey {
                    purpose: row.text("purpose")?,
                    version: u32::try_from(version).map_err(|_| StoreError::Corrupt("version"))?,
                    wrapped: row.bytes("wrapped")?,
                    state: row.name("state")?,
                    created_at: row.at("created_at")?,
                })
            })
            .collect()
    }

    /// Enters a data key as active. Returns `false` if somebody else was faster with this version: read theirs.
    pub async fn insert_wrapped_key(
        &mut self,
        purpose: &str,
        version: u32,
        wrapped: &[u8],
        now: Timestamp,
    ) -> Result<bool, StoreError> {
        let version = i32::try_from(version).map_err(|_| StoreError::Argument("the key's version is too great"))?;
        let done = self
            .query(
                "INSERT INTO tenant_keys (tenant_id, purpose, version, wrapped, state, created_at)
                 VALUES ($1, $2, $3, $4, 'active', $5) ON CONFLICT DO NOTHING",
            )
            .bind(purpose)
            .bind(version)
            .bind(wrapped)
            .bind(Ts(now))
            .execute(&mut *self.tx)
            .await?;
        Ok(done.rows_affected() == 1)
    }
}

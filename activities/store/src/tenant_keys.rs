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
    /// Under which root key, as the key-management service calls it; empty if that was not noted.
    pub root: String,
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
                "SELECT purpose, version, wrapped, root, state, created_at FROM tenant_keys
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
                    root: row.text_opt("root")?.unwrap_or_default(),
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
        root: &str,
        now: Timestamp,
    ) -> Result<bool, StoreError> {
        let version = i32::try_from(version).map_err(|_| StoreError::Argument("the key's version is too great"))?;
        let done = self
            .query(
                "INSERT INTO tenant_keys (tenant_id, purpose, version, wrapped, root, state, created_at)
                 VALUES ($1, $2, $3, $4, $5, 'active', $6) ON CONFLICT DO NOTHING",
            )
            .bind(purpose)
            .bind(version)
            .bind(wrapped)
            .bind(root)
            .bind(Ts(now))
            .execute(&mut *self.tx)
            .await?;
        Ok(done.rows_affected() == 1)
    }

    /// Puts a data key into another wrapping. Returns `false` if its wrapping is not `old` any more, or it is gone.
    pub async fn rewrap_key(
        &mut self,
        purpose: &str,
        version: u32,
        old: &[u8],
        new: &[u8],
        root: &str,
        now: Timestamp,
    ) -> Result<bool, StoreError> {
        let version = i32::try_from(version).map_err(|_| StoreError::Argument("the key's version is too great"))?;
        let done = self
            .query(
                "UPDATE tenant_keys SET wrapped = $5, root = $6, rewrapped_at = $7
                 WHERE tenant_id = $1 AND purpose = $2 AND version = $3 AND wrapped = $4 AND state <> 'destroyed'",
            )
            .bind(purpose)
            .bind(version)
            .bind(old)
            .bind(new)
            .bind(root)
            .bind(Ts(now))
            .execute(&mut *self.tx)
            .await?;
        Ok(done.rows_affected() == 1)
    }

    /// From now on the versions before `version` only open what they have sealed. Returns how many that concerns.
    pub async fn retire_keys_before(&mut self, purpose: &str, version: u32) -> Result<u64, StoreError> {
        let version = i32::try_from(version).map_err(|_| StoreError::Argument("the key's version is too great"))?;
        let done = self
            .query(
                "UPDATE tenant_keys SET state = 'decrypt_only'
                 WHERE tenant_id = $1 AND purpose = $2 AND version < $3 AND state = 'active'",
            )
            .bind(purpose)
            .bind(version)
            .execute(&mut *self.tx)
            .await?;
        Ok(done.rows_affected())
    }
}

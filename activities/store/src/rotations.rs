//! Rotations of a tenant's keys: one at a time, each with its progress, written in the transaction of the work that it counts.

use crate::{
    StoreError, TenantTx,
    row::RowExt,
    time::{Ts, to_stored},
};
use jiff::Timestamp;
use lock_domain::{
    ids::{ApiKeyId, RotationId},
    vault::RotationWish,
};
use serde::{Deserialize, Serialize};
use sqlx::{Row, postgres::PgRow};

/// Where a rotation stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum RotationState {
    /// Asked for.
    Accepted,
    /// New versions exist, and what is stored is being moved to them.
    Running,
    /// Nothing is left to do.
    Done,
}

/// A rotation.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RotationRow {
    /// Its id.
    pub id: RotationId,
    /// What it is to do.
    pub wish: RotationWish,
    /// Who asked.
    pub asked_by: ApiKeyId,
    /// Where it stands.
    pub state: RotationState,
    /// The version of the columns' key that everything is moved to.
    pub rows_version: Option<u32>,
    /// The version of the histories' key from its beginning on.
    pub histories_version: Option<u32>,
    /// Data keys that were wrapped anew so far.
    pub rewrapped: u32,
    /// Values that were sealed anew so far.
    pub resealed: u64,
    /// Values and data keys that don't open and stay as they were; known at the end.
    pub left_behind: Option<u64>,
    /// When it was asked for.
    pub accepted_at: Timestamp,
    /// When it began.
    pub begun_at: Option<Timestamp>,
    /// When it ended.
    pub finished_at: Option<Timestamp>,
}

macro_rules! select {
    ($rest:literal) => {
        concat!(
            "SELECT rotation_id, root_keys, data_keys, asked_by, state, rows_version, histories_version, rewrapped, resealed, left_behind,
                    accepted_at, begun_at, finished_at FROM vault_rotations WHERE tenant_id = $1 ",
            $rest
        )
    };
}

impl TenantTx<'_> {
    /// Enters a rotation, unless another one of the tenant is not done yet: then returns `false`, and nothing has changed.
    pub async fn accept_rotation(
        &mut self,
        id: RotationId,
        wish: RotationWish,
        by: ApiKeyId,
        now: Timestamp,
    ) -> Result<bool, StoreError> {
        let done = self
            .query(
                "INSERT INTO vault_rotations (tenant_id, rotation_id, root_keys, data_keys, asked_by, state, accepted_at)
                 VALUES ($1, $2, $3, $4, $5, 'accepted', $6) ON CONFLICT DO NOTHING",
            )
            .bind(id.as_uuid())
            .bind(wish.root_keys)
            .bind(wish.data_keys)
            .bind(by.as_uuid())
            .bind(Ts(now))
            .execute(&mut *self.tx)
            .await?;
        Ok(done.rows_affected() == 1)
    }

    /// A rotation.
    pub async fn rotation(&mut self, id: RotationId) -> Result<Option<RotationRow>, StoreError> {
        let row = self.query(select!("AND rotation_id = $2")).bind(id.as_uuid()).fetch_optional(&mut *self.tx).await?;
        row.as_ref().map(read).transpose()
    }

    /// A rotation, locked until the transaction ends.
    pub async fn rotation_for_update(&mut self, id: RotationId) -> Result<Option<RotationRow>, StoreError> {
        let query = self.query(select!("AND rotation_id = $2 FOR UPDATE")).bind(id.as_uuid());
        query.fetch_optional(&mut *self.tx).await?.as_ref().map(read).transpose()
    }

    /// The rotation that is not done yet, if there is one.
    pub async fn rotation_under_way(&mut self) -> Result<Option<RotationId>, StoreError> {
        let query = self.query("SELECT rotation_id FROM vault_rotations WHERE tenant_id = $1 AND state <> 'done'");
        let row = query.fetch_optional(&mut *self.tx).await?;
        row.map(|row| Ok(RotationId::from_uuid(row.uuid("rotation_id")?))).transpose()
    }

    /// The rotation that was accepted before an instant and whose workflow nobody has begun, if there is one.
    pub async fn undelivered_rotation(&mut self, before: Timestamp) -> Result<Option<RotationId>, StoreError> {
        let row = self
            .query(
                "SELECT rotation_id FROM vault_rotations
                 WHERE tenant_id = $1 AND state <> 'done' AND delivered_at IS NULL AND accepted_at < $2",
            )
            .bind(Ts(before))
            .fetch_optional(&mut *self.tx)
            .await?;
        row.map(|row| Ok(RotationId::from_uuid(row.uuid("rotation_id")?))).transpose()
    }

    /// Notes that the workflow has begun.
    pub async fn mark_rotation_delivered(&mut self, id: RotationId, now: Timestamp) -> Result<(), StoreError> {
        self.query("UPDATE vault_rotations SET delivered_at = $3 WHERE tenant_id = $1 AND rotation_id = $2 AND delivered_at IS NULL")
            .bind(id.as_uuid())
            .bind(Ts(now))
            .execute(&mut *self.tx)
            .await?;
        Ok(())
    }

    /// Notes that it has begun, and which versions it makes.
    pub async fn begin_rotation(
        &mut self,
        id: RotationId,
        rows: Option<u32>,
        histories: Option<u32>,
        now: Timestamp,
    ) -> Result<(), StoreError> {
        let number = |version: Option<u32>| {
            let number = version.map(i32::try_from).transpose();
            number.map_err(|_| StoreError::Argument("the key's version is too great"))
        };
        self.query(
            "UPDATE vault_rotations SET state = 'running', rows_version = $3, histories_version = $4, begun_at = $5
             WHERE tenant_id = $1 AND rotation_id = $2 AND state = 'accepted'",
        )
        .bind(id.as_uuid())
        .bind(number(rows)?)
        .bind(number(histories)?)
        .bind(Ts(to_stored(now)))
        .execute(&mut *self.tx)
        .await?;
        Ok(())
    }

    /// Adds to what it has done so far.
    pub async fn count_rotation(&mut self, id: RotationId, rewrapped: u32, resealed: u32) -> Result<(), StoreError> {
        self.query(
            "UPDATE vault_rotations SET rewrapped = rewrapped + $3, resealed = resealed + $4
             WHERE tenant_id = $1 AND rotation_id = $2 AND state = 'running'",
        )
        .bind(id.as_uuid())
        .bind(i32::try_from(rewrapped).map_err(|_| StoreError::Argument("too many keys at once"))?)
        .bind(i64::from(resealed))
        .execute(&mut *self.tx)
        .await?;
        Ok(())
    }

    /// Ends it.
    pub async fn finish_rotation(
        &mut self,
        id: RotationId,
        left_behind: u64,
        now: Timestamp,
    ) -> Result<(), StoreError> {
        let left = i64::try_from(left_behind).map_err(|_| StoreError::Argument("too many values are left"))?;
        self.query(
            "UPDATE vault_rotations SET state = 'done', left_behind = $3, finished_at = $4, delivered_at = COALESCE(delivered_at, $4)
             WHERE tenant_id = $1 AND rotation_id = $2 AND state <> 'done'",
        )
        .bind(id.as_uuid())
        .bind(left)
        .bind(Ts(now))
        .execute(&mut *self.tx)
        .await?;
        Ok(())
    }
}

fn read(row: &PgRow) -> Result<RotationRow, StoreError> {
    let version = |column: &'static str| -> Result<Option<u32>, StoreError> {
        let number: Option<i32> = row.try_get(column)?;
        number.map(u32::try_from).transpose().map_err(|_| StoreError::Corrupt(column))
    };
    let left: Option<i64> = row.try_get("left_behind")?;
    let rewrapped: i32 = row.try_get("rewrapped")?;
    Ok(RotationRow {
        id: RotationId::from_uuid(row.uuid("rotation_id")?),
        wish: RotationWish { root_keys: row.try_get("root_keys")?, data_keys: row.try_get("data_keys")? },
        asked_by: ApiKeyId::from_uuid(row.uuid("asked_by")?),
        state: row.name("state")?,
        rows_version: version("rows_version")?,
        histories_version: version("histories_version")?,
        rewrapped: u32::try_from(rewrapped).map_err(|_| StoreError::Corrupt("rewrapped"))?,
        resealed: u64::try_from(row.int("resealed")?).map_err(|_| StoreError::Corrupt("resealed"))?,
        left_behind: left.map(u64::try_from).transpose().map_err(|_| StoreError::Corrupt("left_behind"))?,
        accepted_at: row.at("accepted_at")?,
        begun_at: row.at_opt("begun_at")?,
        finished_at: row.at_opt("finished_at")?,
    })
}

//! Inventories: what is to be read at which locks, how far that is, and what was found. One at a time per property.
//!
//! A lock's result is written once, and only while its inventory runs; so a reader that comes late, or a second one, changes nothing.

mod locks;
mod recorded;

pub use locks::{InventoryLock, InventoryLockRow, LockFilter, LockResult, LockState};
pub use recorded::{RecordedRow, VendorSettings};

use crate::{StoreError, TenantTx, row::RowExt, time::Ts};
use jiff::Timestamp;
use lock_domain::{
    ids::{ApiKeyId, DoorId, InventoryId, PropertyId, RoomId},
    inventory::Tally,
};
use serde::{Deserialize, Serialize};
use sqlx::postgres::PgRow;
use std::collections::BTreeMap;

/// Where an inventory stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum InventoryState {
    /// Asked for.
    Accepted,
    /// Locks are being read.
    Running,
    /// Every lock has its result.
    Done,
    /// Somebody ended it before.
    Cancelled,
}

impl InventoryState {
    /// The state's name, as in SQL and JSON.
    pub fn name(self) -> &'static str {
        match self {
            Self::Accepted => "accepted",
            Self::Running => "running",
            Self::Done => "done",
            Self::Cancelled => "cancelled",
        }
    }

    /// Nothing happens any more.
    pub fn is_over(self) -> bool {
        matches!(self, Self::Done | Self::Cancelled)
    }
}

/// Which of a property's locks.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct InventoryScope {
    /// Those of this room.
    pub room: Option<RoomId>,
    /// This door's.
    pub door: Option<DoorId>,
    /// This vendor's.
    pub vendor: Option<String>,
}

/// An inventory.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct InventoryRow {
    /// Its id.
    pub id: InventoryId,
    /// The hotel.
    pub property: PropertyId,
    /// What was asked for.
    pub scope: InventoryScope,
    /// Who asked.
    pub asked_by: ApiKeyId,
    /// Where it stands.
    pub state: InventoryState,
    /// When it was asked for.
    pub accepted_at: Timestamp,
    /// When it began.
    pub begun_at: Option<Timestamp>,
    /// When it ended.
    pub finished_at: Option<Timestamp>,
}

/// How far an inventory is at one vendor.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Progress {
    /// Locks still to be read.
    pub waiting: u32,
    /// Locks that were read.
    pub read: u32,
    /// Locks that could not be read.
    pub not_read: u32,
    /// Locks whose vendor has no such list.
    pub cannot_list: u32,
    /// What was found in those that were read.
    pub found: Tally,
}

impl Progress {
    /// Adds another vendor's.
    pub fn add(&mut self, other: &Self) {
        self.waiting += other.waiting;
        self.read += other.read;
        self.not_read += other.not_read;
        self.cannot_list += other.cannot_list;
        self.found.add(&other.found);
    }

    /// All locks.
    pub fn all(&self) -> u32 {
        self.waiting + self.read + self.not_read + self.cannot_list
    }
}

macro_rules! select {
    ($rest:literal) => {
        concat!(
            "SELECT inventory_id, property_id, room_id, door_id, vendor, asked_by, state, accepted_at, begun_at, finished_at FROM inventories
             WHERE tenant_id = $1 ",
            $rest
        )
    };
}

impl TenantTx<'_> {
    /// Enters an inventory and its locks, and returns how many those are; `None` if another one of the property is not done yet: then nothing
    /// has changed.
    pub async fn accept_inventory(
        &mut self,
        id: InventoryId,
        property: PropertyId,
        scope: &InventoryScope,
        by: ApiKeyId,
        now: Timestamp,
    ) -> Result<Option<u32>, StoreError> {
        let entered = self
            .query(
                "INSERT INTO inventories (tenant_id, inventory_id, property_id, room_id, door_id, vendor, asked_by, state, accepted_at)
                 VALUES ($1, $2, $3, $4, $5, $6, $7, 'accepted', $8) ON CONFLICT DO NOTHING",
            )
            .bind(id.as_uuid())
            .bind(property.as_uuid())
            .bind(scope.room.map(|room| room.as_uuid()))
            .bind(scope.door.map(|door| door.as_uuid()))
            .bind(&scope.vendor)
            .bind(by.as_uuid())
            .bind(Ts(now))
            .execute(&mut *self.tx)
            .await?;
        if entered.rows_affected() == 0 {
            return Ok(None);
        }
        let locks = self
            .query(
                "INSERT INTO inventory_locks (tenant_id, inventory_id, place, door_id, vendor, vendor_lock_id, state)
                 SELECT $1, $2, row_number() OVER (ORDER BY d.vendor, d.name, d.door_id), d.door_id, d.vendor, d.vendor_lock_id, 'waiting'
                 FROM doors d WHERE d.tenant_id = $1 AND d.property_id = $3 AND ($4::uuid IS NULL OR d.room_id = $4)
                   AND ($5::uuid IS NULL OR d.door_id = $5) AND ($6::text IS NULL OR d.vendor = $6)",
            )
            .bind(id.as_uuid())
            .bind(property.as_uuid())
            .bind(scope.room.map(|room| room.as_uuid()))
            .bind(scope.door.map(|door| door.as_uuid()))
            .bind(&scope.vendor)
            .execute(&mut *self.tx)
            .await?;
        Ok(Some(u32::try_from(locks.rows_affected()).unwrap_or(u32::MAX)))
    }

    /// An inventory.
    pub async fn inventory(&mut self, id: InventoryId) -> Result<Option<InventoryRow>, StoreError> {
        let query = self.query(select!("AND inventory_id = $2")).bind(id.as_uuid());
        query.fetch_optional(&mut *self.tx).await?.as_ref().map(read).transpose()
    }

    /// An inventory, locked until the transaction ends.
    pub async fn inventory_for_update(&mut self, id: InventoryId) -> Result<Option<InventoryRow>, StoreError> {
        let query = self.query(select!("AND inventory_id = $2 FOR NO KEY UPDATE")).bind(id.as_uuid());
        query.fetch_optional(&mut *self.tx).await?.as_ref().map(read).transpose()
    }

    /// A property's inventory that is not over yet, if there is one.
    pub async fn inventory_under_way(&mut self, property: PropertyId) -> Result<Option<InventoryId>, StoreError> {
        let row = self
            .query("SELECT inventory_id FROM inventories WHERE tenant_id = $1 AND property_id = $2 AND state IN ('accepted', 'running')")
            .bind(property.as_uuid())
            .fetch_optional(&mut *self.tx)
            .await?;
        row.map(|row| Ok(InventoryId::from_uuid(row.uuid("inventory_id")?))).transpose()
    }

    /// A property's inventories, the latest first, from the one after `after` on.
    pub async fn inventories(
        &mut self,
        property: PropertyId,
        after: Option<InventoryId>,
        limit: u32,
    ) -> Result<Vec<InventoryRow>, StoreError> {
        let rows = self
            .query(select!(
                "AND property_id = $2 AND ($3::uuid IS NULL OR inventory_id < $3) ORDER BY inventory_id DESC LIMIT $4"
            ))
            .bind(property.as_uuid())
            .bind(after.map(|id| id.as_uuid()))
            .bind(i64::from(limit))
            .fetch_all(&mut *self.tx)
            .await?;
        rows.iter().map(read).collect()
    }

    /// Inventories that were accepted before an instant and whose workflow nobody has begun.
    pub async fn undelivered_inventories(
        &mut self,
        before: Timestamp,
    ) -> Result<Vec<(PropertyId, InventoryId)>, StoreError> {
        let rows = self
            .query(
                "SELECT property_id, inventory_id FROM inventories
                 WHERE tenant_id = $1 AND state IN ('accepted', 'running') AND delivered_at IS NULL AND accepted_at < $2",
            )
            .bind(Ts(before))
            .fetch_all(&mut *self.tx)
            .await?;
        let id = |row: &PgRow| {
            Ok((PropertyId::from_uuid(row.uuid("property_id")?), InventoryId::from_uuid(row.uuid("inventory_id")?)))
        };
        rows.iter().map(id).collect()
    }

    /// Notes that the workflow has begun.
    pub async fn mark_inventory_delivered(&mut self, id: InventoryId, now: Timestamp) -> Result<(), StoreError> {
        self.query("UPDATE inventories SET delivered_at = $3 WHERE tenant_id = $1 AND inventory_id = $2 AND delivered_at IS NULL")
            .bind(id.as_uuid())
            .bind(Ts(now))
            .execute(&mut *self.tx)
            .await?;
        Ok(())
    }

    /// Notes that reading has begun.
    pub async fn begin_inventory(&mut self, id: InventoryId, now: Timestamp) -> Result<(), StoreError> {
        self.query("UPDATE inventories SET state = 'running', begun_at = $3 WHERE tenant_id = $1 AND inventory_id = $2 AND state = 'accepted'")
            .bind(id.as_uuid())
            .bind(Ts(now))
            .execute(&mut *self.tx)
            .await?;
        Ok(())
    }

    /// Ends an inventory, as done or, by somebody, before. `false` if it was over.
    pub async fn end_inventory(
        &mut self,
        id: InventoryId,
        cancelled_by: Option<ApiKeyId>,
        now: Timestamp,
    ) -> Result<bool, StoreError> {
        let done = self
            .query(
                "UPDATE inventories SET state = CASE WHEN $3::uuid IS NULL THEN 'done' ELSE 'cancelled' END, cancelled_by = $3, finished_at = $4,
                        delivered_at = COALESCE(delivered_at, $4)
                 WHERE tenant_id = $1 AND inventory_id = $2 AND state IN ('accepted', 'running')",
            )
            .bind(id.as_uuid())
            .bind(cancelled_by.map(|by| by.as_uuid()))
            .bind(Ts(now))
            .execute(&mut *self.tx)
            .await?;
        Ok(done.rows_affected() == 1)
    }

    /// How far an inventory is at each vendor.
    pub async fn inventory_progress(&mut self, id: InventoryId) -> Result<BTreeMap<String, Progress>, StoreError> {
        let rows = self
            .query("SELECT vendor, state, tally FROM inventory_locks WHERE tenant_id = $1 AND inventory_id = $2")
            .bind(id.as_uuid())
            .fetch_all(&mut *self.tx)
            .await?;
        let mut vendors: BTreeMap<String, Progress> = BTreeMap::new();
        for row in &rows {
            let progress = vendors.entry(row.text("vendor")?).or_default();
            match row.name("state")? {
                LockState::Waiting => progress.waiting += 1,
                LockState::Read => progress.read += 1,
                LockState::NotRead => progress.not_read += 1,
                LockState::CannotList => progress.cannot_list += 1,
            }
            if let Some(tally) = row.json_opt::<Tally>("tally")? {
                progress.found.add(&tally);
            }
        }
        Ok(vendors)
    }
}

fn read(row: &PgRow) -> Result<InventoryRow, StoreError> {
    Ok(InventoryRow {
        id: InventoryId::from_uuid(row.uuid("inventory_id")?),
        property: PropertyId::from_uuid(row.uuid("property_id")?),
        scope: InventoryScope {
            room: row.uuid_opt("room_id")?.map(RoomId::from_uuid),
            door: row.uuid_opt("door_id")?.map(DoorId::from_uuid),
            vendor: row.text_opt("vendor")?,
        },
        asked_by: ApiKeyId::from_uuid(row.uuid("asked_by")?),
        state: row.name("state")?,
        accepted_at: row.at("accepted_at")?,
        begun_at: row.at_opt("begun_at")?,
        finished_at: row.at_opt("finished_at")?,
    })
}

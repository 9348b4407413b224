//! The locks of an inventory, each with what was found at it or why it was not read.

use crate::{StoreError, TenantTx, row::RowExt, time::Ts};
use jiff::Timestamp;
use lock_domain::{
    ids::{DoorId, InventoryId, RoomId},
    inventory::{Entry, Tally},
    problem::Code,
};
use serde::{Deserialize, Serialize};
use sqlx::{Row, postgres::PgRow, types::Json};

/// Where a lock of an inventory stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum LockState {
    /// Still to be read.
    Waiting,
    /// Its list was read.
    Read,
    /// Its list could not be read.
    NotRead,
    /// Its vendor has no such list.
    CannotList,
}

impl LockState {
    /// The state's name, as in SQL and JSON.
    pub fn name(self) -> &'static str {
        match self {
            Self::Waiting => "waiting",
            Self::Read => "read",
            Self::NotRead => "not_read",
            Self::CannotList => "cannot_list",
        }
    }
}

/// A lock that is to be read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct InventoryLock {
    /// Its place in the inventory.
    pub place: u32,
    /// Its door.
    pub door: DoorId,
    /// The vendor's id of it.
    pub vendor_lock_id: String,
}

/// What came of a lock.
#[derive(Debug, Clone, PartialEq)]
pub enum LockResult {
    /// What stands at it.
    Read(Vec<Entry>),
    /// Why its list could not be read.
    NotRead(Code),
    /// Its vendor has no such list.
    CannotList,
}

/// A lock of an inventory with what was found.
#[derive(Debug, Clone, PartialEq)]
pub struct InventoryLockRow {
    /// Its place in the inventory.
    pub place: u32,
    /// Its door.
    pub door: DoorId,
    /// The door's name.
    pub door_name: String,
    /// The door's room; none for a common door.
    pub room: Option<(RoomId, String)>,
    /// Its vendor.
    pub vendor: String,
    /// The vendor's id of it.
    pub vendor_lock_id: String,
    /// Where it stands.
    pub state: LockState,
    /// Why it was not read.
    pub code: Option<Code>,
    /// When it was read or given up, real time.
    pub at: Option<Timestamp>,
    /// Whether it can be reached, as far as is known by now.
    pub online: Option<bool>,
    /// What stands at it.
    pub entries: Vec<Entry>,
}

/// Which locks of an inventory.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct LockFilter {
    /// After this place.
    pub after: u32,
    /// Only those with something to look at: findings, or not read.
    pub findings: bool,
    /// At most so many.
    pub limit: u32,
}

impl TenantTx<'_> {
    /// The next vendor of an inventory that has locks to be read; none if there is none, or the inventory is over.
    pub async fn inventory_next_vendor(&mut self, id: InventoryId) -> Result<Option<String>, StoreError> {
        let row = self
            .query(
                "SELECT l.vendor FROM inventory_locks l JOIN inventories i ON i.tenant_id = $1 AND i.inventory_id = l.inventory_id
                 WHERE l.tenant_id = $1 AND l.inventory_id = $2 AND l.state = 'waiting' AND i.state IN ('accepted', 'running')
                 ORDER BY l.vendor LIMIT 1",
            )
            .bind(id.as_uuid())
            .fetch_optional(&mut *self.tx)
            .await?;
        row.map(|row| row.text("vendor")).transpose()
    }

    /// An inventory's next locks at a vendor; none if it is over.
    pub async fn inventory_waiting(
        &mut self,
        id: InventoryId,
        vendor: &str,
        limit: u32,
    ) -> Result<Vec<InventoryLock>, StoreError> {
        let rows = self
            .query(
                "SELECT l.place, l.door_id, l.vendor_lock_id FROM inventory_locks l
                 JOIN inventories i ON i.tenant_id = $1 AND i.inventory_id = l.inventory_id
                 WHERE l.tenant_id = $1 AND l.inventory_id = $2 AND l.vendor = $3 AND l.state = 'waiting' AND i.state IN ('accepted', 'running')
                 ORDER BY l.place LIMIT $4",
            )
            .bind(id.as_uuid())
            .bind(vendor)
            .bind(i64::from(limit))
            .fetch_all(&mut *self.tx)
            .await?;
        let lock = |row: &PgRow| {
            Ok(InventoryLock {
                place: place(row)?,
                door: DoorId::from_uuid(row.uuid("door_id")?),
                vendor_lock_id: row.text("vendor_lock_id")?,
            })
        };
        rows.iter().map(lock).collect()
    }

    /// Writes what came of a lock, once; `false` if it has its result, or its inventory is over.
    pub async fn settle_inventory_lock(
        &mut self,
        id: InventoryId,
        place: u32,
        result: &LockResult,
        now: Timestamp,
    ) -> Result<bool, StoreError> {
        let place = i32::try_from(place).map_err(|_| StoreError::Argument("there is no such place"))?;
        let (state, code, entries) = match result {
            LockResult::Read(entries) => (LockState::Read, None, Some(entries)),
            LockResult::NotRead(code) => (LockState::NotRead, Some(code.text()), None),
            LockResult::CannotList => (LockState::CannotList, None, None),
        };
        let tally = entries.map(|entries| Tally::of(entries));
        let findings = tally.map_or(0, |tally| i32::try_from(tally.findings()).unwrap_or(i32::MAX));
        let done = self
            .query(
                "UPDATE inventory_locks l SET state = $4, code = $5, entries = $6, tally = $7, findings = $8, at = $9
                 FROM (SELECT 1 FROM inventories WHERE tenant_id = $1 AND inventory_id = $2 AND state IN ('accepted', 'running') FOR SHARE) i
                 WHERE l.tenant_id = $1 AND l.inventory_id = $2 AND l.place = $3 AND l.state = 'waiting'",
            )
            .bind(id.as_uuid())
            .bind(place)
            .bind(state.name())
            .bind(code)
            .bind(entries.map(Json))
            .bind(tally.map(Json))
            .bind(findings)
            .bind(Ts(now))
            .execute(&mut *self.tx)
            .await?;
        Ok(done.rows_affected() == 1)
    }

    /// Settles all locks of an inventory that wait at a vendor without such a list.
    pub async fn settle_unlistable(&mut self, id: InventoryId, vendor: &str, now: Timestamp) -> Result<(), StoreError> {
        self.query(
            "UPDATE inventory_locks SET state = 'cannot_list', at = $4
             WHERE tenant_id = $1 AND inventory_id = $2 AND vendor = $3 AND state = 'waiting'",
        )
        .bind(id.as_uuid())
        .bind(vendor)
        .bind(Ts(now))
        .execute(&mut *self.tx)
        .await?;
        Ok(())
    }

    /// The vendors at which an inventory's locks wait.
    pub async fn inventory_vendors(&mut self, id: InventoryId) -> Result<Vec<String>, StoreError> {
        let rows = self
            .query("SELECT DISTINCT vendor FROM inventory_locks WHERE tenant_id = $1 AND inventory_id = $2 AND state = 'waiting' ORDER BY vendor")
            .bind(id.as_uuid())
            .fetch_all(&mut *self.tx)
            .await?;
        rows.iter().map(|row| row.text("vendor")).collect()
    }

    /// An inventory's locks with what was found, in their order.
    pub async fn inventory_locks(
        &mut self,
        id: InventoryId,
        filter: LockFilter,
    ) -> Result<Vec<InventoryLockRow>, StoreError> {
        let rows = self
            .query(
                "SELECT l.place, l.door_id, d.name, d.room_id, r.number, l.vendor, l.vendor_lock_id, l.state, l.code, l.at, s.online, l.entries
                 FROM inventory_locks l
                 JOIN doors d ON d.tenant_id = $1 AND d.door_id = l.door_id
                 LEFT JOIN rooms r ON r.tenant_id = $1 AND r.property_id = d.property_id AND r.room_id = d.room_id
                 LEFT JOIN device_states s ON s.tenant_id = $1 AND s.property_id = d.property_id AND s.vendor = l.vendor AND s.kind = 'lock'
                                          AND s.device_id = l.vendor_lock_id
                 WHERE l.tenant_id = $1 AND l.inventory_id = $2 AND l.place > $3
                   AND (NOT $4 OR l.findings > 0 OR l.state IN ('not_read', 'cannot_list'))
                 ORDER BY l.place LIMIT $5",
            )
            .bind(id.as_uuid())
            .bind(i64::from(filter.after))
            .bind(filter.findings)
            .bind(i64::from(filter.limit))
            .fetch_all(&mut *self.tx)
            .await?;
        let lock = |row: &PgRow| {
            Ok(InventoryLockRow {
                place: place(row)?,
                door: DoorId::from_uuid(row.uuid("door_id")?),
                door_name: row.text("name")?,
                room: row.uuid_opt("room_id")?.map(RoomId::from_uuid).zip(row.text_opt("number")?),
                vendor: row.text("vendor")?,
                vendor_lock_id: row.text("vendor_lock_id")?,
                state: row.name("state")?,
                code: row.code_opt("code")?,
                at: row.at_opt("at")?,
                online: row.try_get("online")?,
                entries: row.json_opt("entries")?.unwrap_or_default(),
            })
        };
        rows.iter().map(lock).collect()
    }
}

fn place(row: &PgRow) -> Result<u32, StoreError> {
    let place: i32 = row.try_get("place")?;
    u32::try_from(place).map_err(|_| StoreError::Corrupt("place"))
}

//! What people have to do at devices: opened once an episode, closed by hand or by a good reading.

use crate::{DeviceRef, StoreError, TenantTx, row::RowExt, time::Ts};
use jiff::Timestamp;
use lock_domain::{
    device::{AlertKind, TaskReason},
    ids::{ApiKeyId, DoorId, MaintenanceTaskId, PropertyId},
};
use sqlx::postgres::PgRow;
use uuid::Uuid;

/// Something that a person has to do at a device.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TaskRow {
    /// Its id.
    pub id: MaintenanceTaskId,
    /// The vendor.
    pub vendor: String,
    /// The vendor's id of the device.
    pub device: String,
    /// The door, if it is a lock of one of ours.
    pub door: Option<DoorId>,
    /// The door's name.
    pub door_name: Option<String>,
    /// Why.
    pub reason: TaskReason,
    /// Since when, on the property's clock.
    pub opened_at: Timestamp,
    /// Until when; none while it is open.
    pub closed_at: Option<Timestamp>,
    /// Who closed it; nobody if a reading was good again.
    pub closed_by: Option<ApiKeyId>,
}

macro_rules! tasks {
    ($rest:literal) => {
        concat!(
            "SELECT t.task_id, t.vendor, t.device_id, t.door_id, d.name AS door_name, t.reason, t.opened_at, t.closed_at, t.closed_by
             FROM maintenance_tasks t LEFT JOIN doors d ON d.tenant_id = $1 AND d.door_id = t.door_id
             WHERE t.tenant_id = $1 AND t.property_id = $2 ",
            $rest
        )
    };
}

impl TenantTx<'_> {
    /// Opens a task; returns its id if there was none for the same trouble of the same device.
    pub async fn open_task(
        &mut self,
        device: DeviceRef<'_>,
        door: Option<DoorId>,
        reason: TaskReason,
        at: Timestamp,
    ) -> Result<Option<MaintenanceTaskId>, StoreError> {
        let id = MaintenanceTaskId::from_uuid(Uuid::now_v7());
        let done = self
            .query(
                "INSERT INTO maintenance_tasks (tenant_id, property_id, task_id, vendor, device_id, door_id, alert, reason, opened_at)
                 VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9)
                 ON CONFLICT (tenant_id, property_id, vendor, device_id, alert) WHERE closed_at IS NULL DO NOTHING",
            )
            .bind(device.property.as_uuid())
            .bind(id.as_uuid())
            .bind(device.vendor)
            .bind(device.id)
            .bind(door.map(|door| door.as_uuid()))
            .bind(reason.kind().name())
            .bind(reason.name())
            .bind(Ts(at))
            .execute(&mut *self.tx)
            .await?;
        Ok((done.rows_affected() == 1).then_some(id))
    }

    /// Closes the open task for a trouble of a device, because a reading was good again; returns it, if there was one.
    pub async fn close_task(
        &mut self,
        device: DeviceRef<'_>,
        kind: AlertKind,
        at: Timestamp,
    ) -> Result<Option<(MaintenanceTaskId, TaskReason)>, StoreError> {
        let row = self
            .query(
                "UPDATE maintenance_tasks SET closed_at = GREATEST($6, opened_at)
                 WHERE tenant_id = $1 AND property_id = $2 AND vendor = $3 AND device_id = $4 AND alert = $5 AND closed_at IS NULL
                 RETURNING task_id, reason",
            )
            .bind(device.property.as_uuid())
            .bind(device.vendor)
            .bind(device.id)
            .bind(kind.name())
            .bind(Ts(at))
            .fetch_optional(&mut *self.tx)
            .await?;
        row.map(|row| Ok((MaintenanceTaskId::from_uuid(row.uuid("task_id")?), row.name("reason")?))).transpose()
    }

    /// Closes a task by hand. Whether it was open.
    pub async fn finish_task(
        &mut self,
        property: PropertyId,
        id: MaintenanceTaskId,
        by: ApiKeyId,
        at: Timestamp,
    ) -> Result<bool, StoreError> {
        let done = self
            .query(
                "UPDATE maintenance_tasks SET closed_at = GREATEST($5, opened_at), closed_by = $4
                 WHERE tenant_id = $1 AND property_id = $2 AND task_id = $3 AND closed_at IS NULL",
            )
            .bind(property.as_uuid())
            .bind(id.as_uuid())
            .bind(by.as_uuid())
            .bind(Ts(at))
            .execute(&mut *self.tx)
            .await?;
        Ok(done.rows_affected() == 1)
    }

    /// A task by its id. One for a reason that only a newer version knows is not there for this one.
    pub async fn task(&mut self, property: PropertyId, id: MaintenanceTaskId) -> Result<Option<TaskRow>, StoreError> {
        let row = self
            .query(tasks!("AND t.task_id = $3 AND t.reason = ANY($4)"))
            .bind(property.as_uuid())
            .bind(id.as_uuid())
            .bind(reasons())
            .fetch_optional(&mut *self.tx)
            .await?;
        row.as_ref().map(task).transpose()
    }

    /// A property's tasks in the order in which they were opened, from the one after `after` on; only open ones unless `closed`.
    pub async fn tasks(
        &mut self,
        property: PropertyId,
        closed: bool,
        after: Option<MaintenanceTaskId>,
        limit: u32,
    ) -> Result<Vec<TaskRow>, StoreError> {
        let rows = self
            .query(tasks!(
                "AND ($3 OR t.closed_at IS NULL) AND ($4::uuid IS NULL OR t.task_id > $4) AND t.reason = ANY($6)
                 ORDER BY t.task_id LIMIT $5"
            ))
            .bind(property.as_uuid())
            .bind(closed)
            .bind(after.map(|id| id.as_uuid()))
            .bind(i64::from(limit))
            .bind(reasons())
            .fetch_all(&mut *self.tx)
            .await?;
        rows.iter().map(task).collect()
    }
}

/// The reasons that this version knows.
fn reasons() -> Vec<&'static str> {
    TaskReason::ALL.map(TaskReason::name).to_vec()
}

fn task(row: &PgRow) -> Result<TaskRow, StoreError> {
    Ok(TaskRow {
        id: MaintenanceTaskId::from_uuid(row.uuid("task_id")?),
        vendor: row.text("vendor")?,
        device: row.text("device_id")?,
        door: row.uuid_opt("door_id")?.map(DoorId::from_uuid),
        door_name: row.text_opt("door_name")?,
        reason: row.name("reason")?,
        opened_at: row.at("opened_at")?,
        closed_at: row.at_opt("closed_at")?,
        closed_by: row.uuid_opt("closed_by")?.map(ApiKeyId::from_uuid),
    })
}

//! Devices, and what people have to do at them.

use jiff::Timestamp;
use lock_domain::{
    device::{AlertKind, TaskReason},
    ids::{ApiKeyId, DoorId, MaintenanceTaskId, PropertyId},
};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

/// What a device is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum DeviceSort {
    /// It carries commands to locks.
    Gateway,
    /// A lock.
    Lock,
}

/// Something that is the matter with a device.
#[derive(Debug, Clone, Serialize, Deserialize, ToSchema)]
pub struct DeviceAlertBody {
    /// What.
    pub kind: AlertKind,
    /// Since when, on the property's clock.
    #[schema(value_type = String, format = DateTime)]
    pub since: Timestamp,
    /// So often it was seen since then; of alarms each is counted, of other trouble it is 1.
    pub times: u32,
    /// The latest of those times, if there were several.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<String>, format = DateTime)]
    pub last_at: Option<Timestamp>,
    /// What it means.
    pub meaning: String,
}

/// A device.
#[derive(Debug, Clone, Serialize, Deserialize, ToSchema)]
pub struct DeviceBody {
    /// What it is.
    pub kind: DeviceSort,
    /// The vendor.
    pub vendor: String,
    /// The vendor's id of it.
    pub id: String,
    /// The vendor's name of it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
    /// The door, of a lock.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub door: Option<DoorId>,
    /// The door's name.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub door_name: Option<String>,
    /// How it is, in a sentence or two.
    pub summary: String,
    /// Whether it can be reached; not said while nobody knows.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub online: Option<bool>,
    /// Since when, on the property's clock.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<String>, format = DateTime)]
    pub online_since: Option<Timestamp>,
    /// Whether a gateway serves it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub has_gateway: Option<bool>,
    /// Its battery in percent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub battery_percent: Option<u8>,
    /// How far its clock is ahead, in seconds; negative if it is slow.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub drift_s: Option<f64>,
    /// When that was known, in UTC.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<String>, format = DateTime)]
    pub drift_at: Option<Timestamp>,
    /// From where: `query`, or `records` of its door.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub drift_source: Option<String>,
    /// When anything was heard of it, in UTC.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<String>, format = DateTime)]
    pub last_seen: Option<Timestamp>,
    /// What is the matter with it.
    pub alerts: Vec<DeviceAlertBody>,
}

/// Devices of a property.
#[derive(Debug, Clone, Serialize, Deserialize, ToSchema)]
pub struct DevicePage {
    /// Gateways first, then locks.
    pub devices: Vec<DeviceBody>,
    /// For the next page; none on the last.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub next_cursor: Option<String>,
}

/// Something that a person has to do at a device.
#[derive(Debug, Clone, Serialize, Deserialize, ToSchema)]
pub struct MaintenanceTaskBody {
    /// Its id.
    pub id: MaintenanceTaskId,
    /// The property.
    pub property: PropertyId,
    /// The vendor.
    pub vendor: String,
    /// The vendor's id of the device.
    pub device: String,
    /// The door, if it is a lock.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub door: Option<DoorId>,
    /// The door's name.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub door_name: Option<String>,
    /// Why, for machines.
    pub reason: TaskReason,
    /// Why, in words.
    pub why: String,
    /// What to do there.
    pub next_action: String,
    /// Since when, on the property's clock.
    #[schema(value_type = String, format = DateTime)]
    pub opened_at: Timestamp,
    /// Until when; none while it is open.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<String>, format = DateTime)]
    pub closed_at: Option<Timestamp>,
    /// Who closed it; nobody if a reading was good again.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub closed_by: Option<ApiKeyId>,
}

/// Maintenance tasks of a property.
#[derive(Debug, Clone, Serialize, Deserialize, ToSchema)]
pub struct MaintenanceTaskPage {
    /// Oldest first.
    pub tasks: Vec<MaintenanceTaskBody>,
    /// For the next page; none on the last.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub next_cursor: Option<String>,
}

/// All devices should be looked at now. Carries nothing.
#[derive(Debug, Clone, Copy, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct RunMaintenance {}

/// A look at all devices was asked for.
#[derive(Debug, Clone, Copy, Serialize, Deserialize, ToSchema)]
pub struct MaintenanceRun {
    /// When, in UTC.
    #[schema(value_type = String, format = DateTime)]
    pub asked_at: Timestamp,
    /// So many locks are looked at in a minute, one after another.
    pub locks_per_minute: u32,
}

/// A maintenance task is done. Carries nothing.
#[derive(Debug, Clone, Copy, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct TaskDone {}

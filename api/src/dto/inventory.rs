//! What stands at a property's locks: inventories as they are asked for and shown.

use jiff::Timestamp;
use lock_domain::{
    credential::{CredentialState, KeyKind},
    ids::{CredentialId, DoorId, InventoryId, KeyId, RoomId, StayId},
    inventory::{Listed, Tally, Verdict},
    problem::Code,
    window::Window,
};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

/// Which locks an inventory shall read; without any field, every lock of the property.
#[derive(Debug, Clone, Default, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct NewInventory {
    /// Those of this room: its number or id.
    #[serde(default)]
    pub room: Option<String>,
    /// This door's lock.
    #[serde(default)]
    #[schema(value_type = Option<DoorId>)]
    pub door: Option<String>,
    /// Those of this vendor, one of the property's.
    #[serde(default)]
    pub vendor: Option<String>,
}

/// An inventory: what stands at locks, ours and others', as their vendors list it.
#[derive(Debug, Clone, Serialize, Deserialize, ToSchema)]
pub struct InventoryBody {
    /// Its id.
    pub id: InventoryId,
    /// `accepted`, `running`, `done`, or `cancelled` by somebody.
    pub state: String,
    /// Only locks of this room.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub room: Option<RoomId>,
    /// Only this door's lock.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub door: Option<DoorId>,
    /// Only this vendor's locks.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub vendor: Option<String>,
    /// How far it is.
    pub locks: InventoryProgress,
    /// So many credentials of each verdict, in the locks that were read.
    pub found: Tally,
    /// So many credentials that somebody should look at; `GET …/locks?findings=true` shows them.
    pub findings: u32,
    /// The vendors of these locks, and what their lists have in them and what not.
    pub vendors: Vec<InventoryVendor>,
    /// When it was asked for.
    #[schema(value_type = String, format = DateTime)]
    pub accepted_at: Timestamp,
    /// When reading began.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<String>, format = DateTime)]
    pub begun_at: Option<Timestamp>,
    /// When it ended.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<String>, format = DateTime)]
    pub finished_at: Option<Timestamp>,
}

/// How far an inventory is, in locks.
#[derive(Debug, Clone, Copy, Serialize, Deserialize, ToSchema)]
pub struct InventoryProgress {
    /// All of them.
    pub all: u32,
    /// Still to be read; about 30 a minute are.
    pub waiting: u32,
    /// Read.
    pub read: u32,
    /// Could not be read, each with its reason.
    pub not_read: u32,
    /// Their vendor's wire cannot list at all.
    pub cannot_list: u32,
}

/// A vendor in an inventory.
#[derive(Debug, Clone, Serialize, Deserialize, ToSchema)]
pub struct InventoryVendor {
    /// Its name.
    pub vendor: String,
    /// Whether its wire can list what stands at a lock.
    pub can_list: bool,
    /// What its list has in it.
    pub kinds: Vec<Listed>,
    /// What it has not, in words.
    pub without: String,
    /// So many locks.
    pub locks: u32,
}

/// A lock of an inventory.
#[derive(Debug, Clone, Serialize, Deserialize, ToSchema)]
pub struct InventoryLockBody {
    /// Its door.
    pub door: DoorId,
    /// The door's name.
    pub door_name: String,
    /// The door's room; none for a common door.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub room: Option<RoomId>,
    /// The room's number.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub room_number: Option<String>,
    /// Its vendor.
    pub vendor: String,
    /// The vendor's id of it.
    pub lock: String,
    /// `waiting`, `read`, `not_read`, or `cannot_list`: then nobody knows what stands there, and no entries do not mean that it is empty.
    pub state: String,
    /// Why it was not read.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub code: Option<Code>,
    /// What that means, in words.
    pub summary: String,
    /// Whether the lock itself can be reached, as far as is known now. Where it can't, the vendor's list may be ahead of the lock.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub online: Option<bool>,
    /// When it was read, real time.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<String>, format = DateTime)]
    pub at: Option<Timestamp>,
    /// What stands there and what is missed, findings first.
    pub credentials: Vec<InventoryEntry>,
}

/// A credential at a lock. Names at the vendor are not kept, as they may be guests'; digits are never asked for.
#[derive(Debug, Clone, Serialize, Deserialize, ToSchema)]
pub struct InventoryEntry {
    /// What the comparison with our record says.
    pub verdict: Verdict,
    /// What it means, and what to do.
    pub summary: String,
    /// It is one of ours.
    pub ours: bool,
    /// What it is, where that is known.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub kind: Option<KeyKind>,
    /// The vendor's id of it; none for one that is missed, or whose id reads like a name.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub vendor_id: Option<String>,
    /// In nobody's record here, but named as ours are: another installation's, or one from before a restore.
    pub named_as_ours: bool,
    /// When it opens, as the vendor has it; none for one without end, or one that is missed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub window: Option<Window>,
    /// It stands there and its window is not over.
    pub opens: bool,
    /// The lock itself holds it, as far as the vendor tells.
    pub at_lock: bool,
    /// Its stay.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub stay: Option<StayId>,
    /// The stay's reservation.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reservation: Option<String>,
    /// Its key.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub key: Option<KeyId>,
    /// Its id.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub credential: Option<CredentialId>,
    /// What our record said of it at that moment.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub state: Option<CredentialState>,
    /// When it should open by our record.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub recorded_window: Option<Window>,
}

/// A page of inventories, the latest first.
#[derive(Debug, Clone, Serialize, Deserialize, ToSchema)]
pub struct InventoryPage {
    /// The inventories.
    pub inventories: Vec<InventoryBody>,
    /// For the next page; none on the last.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub next_cursor: Option<String>,
}

/// A page of an inventory's locks.
#[derive(Debug, Clone, Serialize, Deserialize, ToSchema)]
pub struct InventoryLockPage {
    /// The locks, in the order of reading.
    pub locks: Vec<InventoryLockBody>,
    /// For the next page; none on the last.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub next_cursor: Option<String>,
}

/// To end an inventory: nothing has to be said.
#[derive(Debug, Clone, Copy, Default, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct CancelInventory {}

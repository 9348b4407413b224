//! Properties, their rooms and clocks, and the event log.

use jiff::Timestamp;
use lock_domain::{guard::FeedGuard, ids::*, policy::StayPolicy};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::RoomBody;

/// A hotel.
#[derive(Debug, Clone, Serialize, Deserialize, ToSchema)]
pub struct PropertyBody {
    /// Its id.
    pub id: PropertyId,
    /// Its name.
    pub name: String,
    /// Its time zone.
    pub zone: String,
    /// Whether it is a sandbox, with a test clock and no real doors.
    pub sandbox: bool,
    /// Its lock vendor.
    pub vendor: String,
    /// Its present.
    #[schema(value_type = String, format = DateTime)]
    pub now: Timestamp,
    /// Its choices about keys; a stay takes them with it when it is made.
    pub policy: StayPolicy,
    /// How many of its stays may lose their keys early before a person is asked.
    pub feed_guard: FeedGuard,
}

/// The hotels that the API key sees.
#[derive(Debug, Clone, Serialize, Deserialize, ToSchema)]
pub struct PropertyPage {
    /// The hotels, by id.
    pub properties: Vec<PropertyBody>,
    /// Send it as `cursor` for the next page; absent on the last one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub next_cursor: Option<String>,
}

/// The rooms of a hotel.
#[derive(Debug, Clone, Serialize, Deserialize, ToSchema)]
pub struct RoomPage {
    /// The rooms, by number.
    pub rooms: Vec<RoomBody>,
    /// Send it as `cursor` for the next page; absent on the last one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub next_cursor: Option<String>,
}

/// A hotel's clock.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct ClockBody {
    /// Its present.
    #[schema(value_type = String, format = DateTime)]
    pub now: Timestamp,
    /// How far it is ahead of real time, in milliseconds; 0 on a live property.
    pub offset_ms: i64,
    /// Whether it can be moved.
    pub movable: bool,
}

/// An event of the tenant's log.
#[derive(Debug, Clone, Serialize, Deserialize, ToSchema)]
pub struct EventBody {
    /// Its id; the same in the stream and in webhooks.
    pub id: EventId,
    /// Its place in the log, from 0.
    pub seq: u64,
    /// Its type, with a version.
    #[serde(rename = "type")]
    pub kind: String,
    /// When, on the property's clock.
    #[schema(value_type = String, format = DateTime)]
    pub at: Timestamp,
    /// The hotel.
    pub property: PropertyId,
    /// The stay.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub stay: Option<StayId>,
    /// What happened; its form depends on the type, and fields are only added.
    #[schema(value_type = Object)]
    pub data: serde_json::Value,
}

/// A page of the event log.
#[derive(Debug, Clone, Serialize, Deserialize, ToSchema)]
pub struct EventPage {
    /// The events, oldest first.
    pub events: Vec<EventBody>,
    /// Send it as `after` next time, also if this page was empty.
    pub next_cursor: String,
}

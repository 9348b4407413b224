//! What comes in from vendors and partners.

use jiff::Timestamp;
use lock_domain::{
    ids::{DeliveryId, WebhookEndpointId},
    webhook::{Meaning, Sender},
};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

/// A vendor's stream of events.
#[derive(Debug, Clone, Serialize, Deserialize, ToSchema)]
pub struct StreamBody {
    /// The lock vendor.
    pub vendor: String,
    /// Whether somebody listens now.
    pub listening: bool,
    /// Since when the present or last listener does.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<String>, format = DateTime)]
    pub listening_since: Option<Timestamp>,
    /// When something was heard last.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<String>, format = DateTime)]
    pub heard_at: Option<Timestamp>,
    /// Why the last listener ended, if nothing has been heard since: a problem's code, `settings` or `database`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub trouble: Option<String>,
}

/// A genuine webhook that came in, without its body.
#[derive(Debug, Clone, Serialize, Deserialize, ToSchema)]
pub struct DeliveryBody {
    /// Its id.
    pub id: DeliveryId,
    /// Where it came in.
    pub endpoint: WebhookEndpointId,
    /// Who sent it.
    pub sender: Sender,
    /// What it gives reason for.
    pub meaning: Vec<Meaning>,
    /// When it came.
    #[schema(value_type = String, format = DateTime)]
    pub received_at: Timestamp,
    /// `received`: it waits to be followed up; `processed`: it has led to all that it leads to; `failed`: it was given up.
    pub state: String,
    /// So often it was followed up; 0 if it calls for nothing.
    pub attempts: u32,
    /// When it was processed or given up.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<String>, format = DateTime)]
    pub settled_at: Option<Timestamp>,
    /// Why it waits, or was given up, in a word.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub trouble: Option<String>,
}

/// What has come in for a hotel.
#[derive(Debug, Clone, Serialize, Deserialize, ToSchema)]
pub struct InboundPage {
    /// Its vendors' streams, by vendor.
    pub streams: Vec<StreamBody>,
    /// Webhooks, newest first.
    pub deliveries: Vec<DeliveryBody>,
    /// Send it as `cursor` for the next page; absent on the last one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub next_cursor: Option<String>,
}

//! Outages of lock vendors: notices, what they touched, the desk's list, vendors on standby, and an operator's word over a breaker.

use super::Reason;
use jiff::Timestamp;
use lock_domain::{
    credential::CredentialState,
    drain::Channel,
    health::{BreakerState, ForceReason},
    ids::{CredentialId, DoorId, KeyId, OutageId, PropertyId, ReservationRef, StayId},
};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use utoipa::ToSchema;

/// An outage of a vendor at a property, in words for a status page.
#[derive(Debug, Clone, Serialize, Deserialize, ToSchema)]
pub struct NoticeBody {
    /// The outage; `GET /v1/outages/{outage}` lists what it touched.
    pub outage: OutageId,
    /// The property.
    pub property: PropertyId,
    /// The vendor.
    pub vendor: String,
    /// Since when, in UTC.
    #[schema(value_type = String, format = DateTime)]
    pub since: Timestamp,
    /// Until when; absent while it lasts.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<String>, format = DateTime)]
    pub over: Option<Timestamp>,
    /// Why; absent if an operator said so.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reason: Option<Reason>,
    /// The type of the event that says so in the tenant's log.
    pub event: String,
    /// What is affected, what is done, what to do.
    pub text: String,
}

/// A page of notices.
#[derive(Debug, Clone, Serialize, Deserialize, ToSchema)]
pub struct NoticePage {
    /// The latest first.
    pub notices: Vec<NoticeBody>,
    /// Send it as `cursor` for the next page; absent on the last one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub next_cursor: Option<String>,
}

/// Where a stay went in an outage.
#[derive(Debug, Clone, Serialize, Deserialize, ToSchema)]
pub struct DrainStepBody {
    /// In the order in which they went, from 1.
    pub place: u32,
    /// The stay.
    pub stay: StayId,
    /// Its reservation.
    pub reservation: ReservationRef,
    /// A vendor's name, or `desk`.
    pub channel: Channel,
    /// `asked`, `accepted` (it went), `failed`, `returned` (the vendor was back first), `at_desk`, `served` or `over` (it went on by itself).
    pub state: String,
    /// Why it failed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reason: Option<Reason>,
}

/// A credential that an outage touched.
#[derive(Debug, Clone, Serialize, Deserialize, ToSchema)]
pub struct TouchedBody {
    /// The stay.
    pub stay: StayId,
    /// Its reservation.
    pub reservation: ReservationRef,
    /// The key.
    pub key: KeyId,
    /// The credential.
    pub credential: CredentialId,
    /// The door.
    pub door: DoorId,
    /// An effect on it was held back.
    pub held: bool,
    /// So many effects on it were sent.
    pub sent: u32,
    /// Of those, so many had no provable outcome then.
    pub unconfirmed: u32,
    /// Where it stands now.
    pub state: CredentialState,
    /// Nothing of it is open any more: it is proven to be in its lock, or not to be.
    pub resolved: bool,
}

/// An outage and everything that it touched, from the record.
#[derive(Debug, Clone, Serialize, Deserialize, ToSchema)]
pub struct OutageBody {
    /// The notice of it.
    pub notice: NoticeBody,
    /// Where stays that waited went, in order.
    pub steps: Vec<DrainStepBody>,
    /// The credentials at its vendor's doors that were held back or tried while it lasted, each with its key and stay.
    pub credentials: Vec<TouchedBody>,
    /// How many of those are not resolved yet.
    pub unresolved: usize,
}

/// A guest whom the desk lets in.
#[derive(Debug, Clone, Serialize, Deserialize, ToSchema)]
pub struct DeskLine {
    /// The reservation.
    pub reservation: ReservationRef,
    /// The stay.
    pub stay: StayId,
    /// The room's number.
    pub room: String,
    /// When the guest arrives, in UTC.
    #[schema(value_type = String, format = DateTime)]
    pub arrival: Timestamp,
    /// Since when it has been on the list, in UTC.
    #[schema(value_type = String, format = DateTime)]
    pub since: Timestamp,
    /// The outage.
    pub outage: OutageId,
    /// Why.
    pub reason: String,
    /// What to do.
    pub next_action: String,
}

/// The desk's list.
#[derive(Debug, Clone, Serialize, Deserialize, ToSchema)]
pub struct DeskBody {
    /// In the order of arrival.
    pub guests: Vec<DeskLine>,
}

/// A guest was let in.
#[derive(Debug, Clone, Serialize, Deserialize, ToSchema)]
pub struct ServedBody {
    /// The reservation.
    pub reservation: ReservationRef,
    /// It was on the list.
    pub served: bool,
}

/// What an operator says of a breaker.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum OverrideState {
    /// Keys wait, whatever the probes find.
    Open,
    /// Keys are sent, whatever the probes find.
    Closed,
    /// The probes decide again.
    Released,
}

/// An operator's word over a breaker.
#[derive(Debug, Clone, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct BreakerOverride {
    /// What shall count.
    pub state: OverrideState,
    /// Why.
    pub reason: ForceReason,
    /// For so many seconds, one minute to seven days; afterwards the probes decide again. Nothing for `released`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub for_s: Option<u32>,
}

/// An operator's word as it stands.
#[derive(Debug, Clone, Copy, Serialize, Deserialize, ToSchema)]
pub struct ForcedBody {
    /// So the breaker counts.
    pub state: BreakerState,
    /// Why.
    pub reason: ForceReason,
    /// Until when, in UTC.
    #[schema(value_type = String, format = DateTime)]
    pub until: Timestamp,
    /// What the probes say.
    pub probes_say: BreakerState,
}

/// A property's choices about probes.
#[derive(Debug, Clone, Default, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields, default)]
pub struct ProbesBody {
    /// For each vendor, by its name, the door of a lock that no guest uses: trials put a code into it and take it out. Without one, trials only
    /// read.
    pub canary_doors: BTreeMap<String, DoorId>,
    /// How calls for guests end is no evidence: only probes decide.
    pub ignore_calls: bool,
}

/// A vendor that a property has beside its main one.
#[derive(Clone, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct NewVendor {
    /// Addresses, account names, limits: nothing secret.
    #[schema(value_type = Object)]
    pub config: serde_json::Map<String, serde_json::Value>,
    /// Secrets; they are sealed and never shown.
    #[serde(default)]
    #[schema(value_type = Object)]
    pub secrets: serde_json::Map<String, serde_json::Value>,
    /// In which order stays change to it when their own vendor is down, from 1; until then no key opens its doors. Absent: it is in daily use.
    #[serde(default)]
    pub standby_rank: Option<u32>,
    /// So many keys it can have at a time; absent is any number.
    #[serde(default)]
    pub most_keys: Option<u32>,
    /// Its doors. Those that stand already stay as they are.
    #[serde(default)]
    pub doors: Vec<NewVendorDoor>,
}

/// A door of such a vendor.
#[derive(Debug, Clone, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct NewVendorDoor {
    /// The room's id or number; absent for a common area.
    #[serde(default)]
    pub room: Option<String>,
    /// A name for people.
    pub name: String,
    /// The lock's id at the vendor.
    pub lock: String,
}

/// A vendor of a property.
#[derive(Debug, Clone, Serialize, Deserialize, ToSchema)]
pub struct VendorBody {
    /// The property.
    pub property: PropertyId,
    /// The vendor.
    pub vendor: String,
    /// In which order stays change to it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub standby_rank: Option<u32>,
    /// So many keys it can have at a time.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub most_keys: Option<u32>,
    /// So many doors of it were entered now.
    pub doors_entered: usize,
}

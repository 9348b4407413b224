//! Events for consumers: CloudEvents 1.0 in JSON's structured form
//! (<https://github.com/cloudevents/spec/blob/v1.0.2/cloudevents/formats/json-format.md>).
//!
//! The same type writes and reads. It reads what newer versions write: attributes and fields that it does not know are kept, and an
//! event type that it does not know is an event whose meaning is unknown, not an error.

use jiff::Timestamp;
use lock_domain::{
    event::Event,
    ids::{PropertyId, TenantId},
};
use lock_store::EventRow;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};
use std::collections::BTreeMap;

/// The media type of the structured form.
pub const CONTENT_TYPE: &str = "application/cloudevents+json";

/// An event in its envelope.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct CloudEvent {
    /// The version of the envelope: `1.0`.
    pub specversion: String,
    /// The event's id. With `source` it names the event; a consumer that has seen both drops the repeat.
    pub id: String,
    /// Where it happened: `/v1/tenants/{tenant}/properties/{property}`, or `/v1/tenants/{tenant}` if it concerns no single property.
    pub source: String,
    /// What happened, with the version of its meaning, such as `stay.phase_changed.v1`.
    #[serde(rename = "type")]
    pub kind: String,
    /// The stay's id, if it happened to a stay.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub subject: Option<String>,
    /// When it happened, on the property's clock, which is real time unless the property is a sandbox with a test clock.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub time: Option<Timestamp>,
    /// The media type of `data`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub datacontenttype: Option<String>,
    /// Names the form of `data`: one for each `type`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub dataschema: Option<String>,
    /// The event, and `seq`: its place in the tenant's log, from 0 without gaps, in the order in which things happened.
    #[serde(default)]
    pub data: Map<String, Value>,
    /// Attributes that this version does not know.
    #[serde(flatten)]
    pub extensions: BTreeMap<String, Value>,
}

impl CloudEvent {
    /// An event of a tenant's log.
    pub fn new(tenant: TenantId, row: &EventRow) -> Self {
        let mut data = match &row.payload {
            Value::Object(fields) => fields.clone(),
            other => Map::from_iter([("value".to_owned(), other.clone())]),
        };
        data.insert("seq".to_owned(), row.seq.into());
        Self {
            specversion: "1.0".to_owned(),
            id: row.id.to_string(),
            source: match row.property {
                PropertyId::NONE => format!("/v1/tenants/{tenant}"),
                property => format!("/v1/tenants/{tenant}/properties/{property}"),
            },
            kind: row.kind.clone(),
            subject: row.stay.map(|stay| stay.to_string()),
            time: Some(row.at),
            datacontenttype: Some("application/json".to_owned()),
            dataschema: Some(format!("lock:event/{}", row.kind)),
            data,
            extensions: BTreeMap::new(),
        }
    }

    /// The event, if this version knows its type and every value in it. A type of another version is never taken for the known one.
    pub fn event(&self) -> Option<Event> {
        let event: Event = serde_json::from_value(Value::Object(self.data.clone())).ok()?;
        (event.name() == self.kind).then_some(event)
    }

    /// Its place in the tenant's log.
    pub fn seq(&self) -> Option<u64> {
        self.data.get("seq")?.as_u64()
    }
}

/// The NATS subject of an event: `lock.{tenant}.{property}.{type}`, so that a consumer can subscribe to one hotel or one kind.
pub fn nats_subject(tenant: TenantId, property: PropertyId, kind: &str) -> String {
    format!("lock.{tenant}.{property}.{kind}")
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use lock_domain::{
        ids::{EventId, StayId},
        stay::{EndCause, StayPhase},
    };
    use serde_json::json;
    use uuid::Uuid;

    fn row(event: &Event) -> EventRow {
        EventRow {
            seq: 41,
            id: EventId::from_uuid(Uuid::from_u128(1)),
            at: "2026-11-23T10:00:00.25Z".parse().unwrap(),
            property: PropertyId::from_uuid(Uuid::from_u128(2)),
            stay: Some(StayId::from_uuid(Uuid::from_u128(3))),
            kind: event.name().to_owned(),
            payload: serde_json::to_value(event).unwrap(),
            leaf_hash: [0; 32],
        }
    }

    fn tenant() -> TenantId {
        TenantId::from_uuid(Uuid::from_u128(4))
    }

    #[test]
    fn an_event_has_the_form_of_the_specification() {
        let event = Event::PhaseChanged { phase: StayPhase::Ended, cause: Some(EndCause::CheckedOut) };
        let sent = CloudEvent::new(tenant(), &row(&event));
        let expected = json!({
            "specversion": "1.0",
            "id": "evt_00000000000000000000000000000001",
            "source": "/v1/tenants/ten_00000000000000000000000000000004/properties/prop_00000000000000000000000000000002",
            "type": "stay.phase_changed.v1",
            "subject": "stay_00000000000000000000000000000003",
            "time": "2026-11-23T10:00:00.25Z",
            "datacontenttype": "application/json",
            "dataschema": "lock:event/stay.phase_changed.v1",
            "data": {"event": "phase_changed", "phase": "ended", "cause": "checked_out", "seq": 41},
        });
        assert_eq!(serde_json::to_value(&sent).unwrap(), expected);
        let read: CloudEvent = serde_json::from_value(expected).unwrap();
        assert_eq!(read, sent);
        assert_eq!((read.event(), read.seq()), (Some(event), Some(41)));
    }

    #[test]
    fn r_lock_19_an_old_consumer_reads_a_new_event_version() {
        let event = Event::PhaseChanged { phase: StayPhase::Active, cause: None };
        let mut sent = serde_json::to_value(CloudEvent::new(tenant(), &row(&event))).unwrap();

        sent["data"]["auditor"] = json!({"added": "by regulation"});
        sent["traceparent"] = json!("00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01");
        let read: CloudEvent = serde_json::from_value(sent.clone()).unwrap();
        assert_eq!(read.event(), Some(event), "fields that were added don't disturb");
        assert_eq!(serde_json::to_value(&read).unwrap(), sent, "and are kept when it is passed on");

        let mut next = sent.clone();
        next["type"] = json!("stay.phase_changed.v2");
        next["data"]["phase"] = json!({"name": "active", "since": "2026-11-23T10:00:00Z"});
        let mut renamed = sent.clone();
        renamed["type"] = json!("stay.phase_changed.v2");
        let mut unheard_of = sent;
        unheard_of["type"] = json!("door.opened.v1");
        unheard_of["data"] = json!({"event": "opened", "seq": 42});
        for newer in [next, renamed, unheard_of] {
            let read: CloudEvent = serde_json::from_value(newer.clone()).unwrap();
            assert_eq!(read.event(), None, "never taken for the version that is known");
            assert!(read.seq().is_some(), "its place is known, so that the consumer can go on after it");
            assert_eq!(serde_json::to_value(&read).unwrap(), newer);
        }
    }

    #[test]
    fn subjects_can_be_subscribed_to_by_hotel_and_kind() {
        let subject =
            nats_subject(tenant(), row(&Event::ClockAdvanced { now: Timestamp::UNIX_EPOCH }).property, "stay.x.v1");
        let tokens: Vec<_> = subject.split('.').collect();
        assert_eq!(tokens[0], "lock");
        assert!(tokens[1].starts_with("ten_") && tokens[2].starts_with("prop_"));
        assert_eq!(tokens[3..], ["stay", "x", "v1"]);
    }
}

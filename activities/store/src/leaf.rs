//! What a leaf of the tenant's log is made of: one canonical text for one event, so that anybody can recompute its hash.

use jiff::Timestamp;
use lock_domain::ids::{EventId, PropertyId, StayId};
use serde_json::{Value, json};

/// The bytes whose hash is the leaf: the canonical JSON of `{at, event, event_id, property, stay}`, where `event` is the stored payload and
/// `at` has microseconds.
pub fn leaf_data(
    event_id: EventId,
    at: Timestamp,
    property: PropertyId,
    stay: Option<StayId>,
    payload: &Value,
) -> Vec<u8> {
    let leaf = json!({
        "at": format!("{at:.6}"),
        "event": payload,
        "event_id": event_id,
        "property": property,
        "stay": stay,
    });
    canonical_json(&leaf).into_bytes()
}

/// JSON without white space and with sorted keys: RFC 8785 for what our events hold, which is ASCII keys, integers and strings.
pub fn canonical_json(value: &Value) -> String {
    let mut out = String::new();
    write(value, &mut out);
    out
}

fn write(value: &Value, out: &mut String) {
    match value {
        Value::Array(items) => list(out, '[', ']', items, write),
        Value::Object(map) => {
            let mut entries: Vec<_> = map.iter().collect();
            entries.sort_unstable_by_key(|(key, _)| key.as_str());
            list(out, '{', '}', &entries, |(key, item), out| {
                out.push_str(&Value::from(key.as_str()).to_string());
                out.push(':');
                write(item, out);
            });
        }
        scalar => out.push_str(&scalar.to_string()),
    }
}

fn list<T>(out: &mut String, open: char, close: char, items: &[T], each: impl Fn(&T, &mut String)) {
    out.push(open);
    for (place, item) in items.iter().enumerate() {
        if place > 0 {
            out.push(',');
        }
        each(item, out);
    }
    out.push(close);
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use uuid::Uuid;

    #[test]
    fn the_text_of_a_leaf_never_changes() {
        let data = leaf_data(
            EventId::from_uuid(Uuid::from_u128(1)),
            "2026-11-23T10:00:00.5Z".parse().unwrap(),
            PropertyId::from_uuid(Uuid::from_u128(2)),
            None,
            &json!({"event": "phase_changed", "phase": "active", "b": [1, "ü\n", null], "a": {}}),
        );
        let text = r#"{"at":"2026-11-23T10:00:00.500000Z","event":{"a":{},"b":[1,"ü\n",null],"event":"phase_changed","phase":"active"},"event_id":"evt_00000000000000000000000000000001","property":"prop_00000000000000000000000000000002","stay":null}"#;
        assert_eq!(String::from_utf8(data).unwrap(), text);
    }
}

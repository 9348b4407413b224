//! The control paths under `/sim`, JSON in and out. They belong to the test, not to the vendor, and no fault touches them.

use serde::Deserialize;
use serde::de::DeserializeOwned;
use serde_json::{Value, json};

use super::fault::FaultOrder;
use super::sim::SpaceSim;
use super::world::{Human, Policy};

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Seed {
    #[serde(default = "ten")]
    rooms: usize,
}

fn ten() -> usize {
    10
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Try {
    card: Option<u64>,
    pin: Option<String>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Clock {
    offset_ms: i64,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct EncoderPatch {
    online: Option<bool>,
    human: Option<Human>,
    /// A card to put on it.
    card: Option<u64>,
    /// Take off what lies on it.
    #[serde(default)]
    take: bool,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct DoorPatch {
    online: Option<bool>,
    out_of_service: Option<bool>,
}

type Answer = (u16, Value);

const NO_CONTENT: Answer = (204, Value::Null);
const NOT_FOUND: Answer = (404, Value::Null);

/// Answers a control request. `%23` in a path is `#`.
pub(crate) fn answer(sim: &SpaceSim, method: &str, path: &str, body: &[u8]) -> Answer {
    let (path, query) = path.split_once('?').unwrap_or((path, ""));
    let path = path.replace("%23", "#");
    let parts: Vec<&str> = path.trim_matches('/').split('/').skip(1).collect();
    match (method, parts.as_slice()) {
        ("GET", ["health"]) => (200, json!("ok")),
        ("POST", ["seed"]) => with(body, |seed: Seed| (200, json!({"rooms": sim.seed(seed.rooms)}))),
        ("GET", ["doors"]) => (200, json!(sim.doors().iter().filter_map(|id| sim.door(id)).collect::<Vec<_>>())),
        ("GET", ["doors", id]) => sim.door(id).map_or(NOT_FOUND, |door| (200, json!(door))),
        ("PATCH", ["doors", id]) => with(body, |patch: DoorPatch| patch_door(sim, id, &patch)),
        ("POST", ["doors", id, "try"]) => with(body, |tried: Try| {
            let verdict = match (tried.card, tried.pin) {
                (Some(card), None) => sim.try_card(id, card),
                (None, Some(pin)) => sim.try_pin(id, &pin),
                _ => return (422, json!("card or pin")),
            };
            (200, json!({"opened": verdict == super::Verdict::Opened, "reason": verdict}))
        }),
        ("GET", ["cards"]) => (200, json!(sim.cards())),
        ("POST", ["cards", kind @ ("blank" | "foreign" | "staff")]) => {
            let card = match *kind {
                "blank" => sim.blank_card(),
                "foreign" => sim.foreign_card(),
                _ => sim.staff_card(),
            };
            (200, json!({"card": card}))
        }
        ("PATCH", ["encoders", name]) => with(body, |patch: EncoderPatch| patch_encoder(sim, name, &patch)),
        ("GET", ["users"]) => (200, json!(sim.users())),
        ("GET", ["policy"]) => (200, json!(sim.policy())),
        ("PUT", ["policy"]) => with(body, |policy: Policy| {
            sim.set_policy(|old| *old = policy);
            NO_CONTENT
        }),
        ("GET", ["clock"]) => (200, json!({"now": sim.now()})),
        ("POST", ["clock"]) => with(body, |clock: Clock| {
            sim.set_clock(clock.offset_ms);
            (200, json!({"now": sim.now()}))
        }),
        ("GET", ["faults"]) => (200, json!(sim.faults())),
        ("POST", ["faults"]) => with(body, |order: FaultOrder| {
            sim.add_fault(order);
            NO_CONTENT
        }),
        ("DELETE", ["faults"]) => {
            sim.clear_faults();
            NO_CONTENT
        }
        ("GET", ["stats"]) => (200, json!(sim.stats())),
        ("GET", ["journal"]) => {
            let since = query.strip_prefix("since=").and_then(|text| text.parse().ok()).unwrap_or(0);
            (200, json!(sim.journal(since)))
        }
        _ => NOT_FOUND,
    }
}

fn with<T: DeserializeOwned>(body: &[u8], then: impl FnOnce(T) -> Answer) -> Answer {
    let body = if body.is_empty() { b"{}" } else { body };
    match serde_json::from_slice(body) {
        Ok(read) => then(read),
        Err(error) => (422, json!(error.to_string())),
    }
}

fn patch_door(sim: &SpaceSim, id: &str, patch: &DoorPatch) -> Answer {
    let online = patch.online.is_none_or(|online| sim.set_door_online(id, online));
    let service = patch.out_of_service.is_none_or(|out| sim.set_out_of_service(id, out));
    if online && service { NO_CONTENT } else { NOT_FOUND }
}

fn patch_encoder(sim: &SpaceSim, name: &str, patch: &EncoderPatch) -> Answer {
    let online = patch.online.is_none_or(|online| sim.set_encoder_online(name, online));
    let human = patch.human.is_none_or(|human| sim.set_human(name, human));
    let taken = if patch.take { sim.take(name) } else { None };
    let placed = patch.card.is_none_or(|card| sim.place(name, card));
    if online && human && placed { (200, json!({"taken": taken})) } else { NOT_FOUND }
}

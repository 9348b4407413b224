//! The stay as a whole, by verb, against a vendor that does as it is told or doesn't.
#![allow(clippy::unwrap_used, clippy::panic)]

mod any_verb;
mod divert;
mod give_way;
mod history;
mod modify_stay;
mod new;
mod reissue;
mod revoke;
mod room_move;

use super::*;
use crate::command::{NewKey, Successor};
use uuid::Uuid;

fn at(text: &str) -> Timestamp {
    text.parse().unwrap()
}
fn now() -> Timestamp {
    at("2026-11-23T14:00:00Z")
}
fn door(n: u128) -> DoorId {
    DoorId::from_uuid(Uuid::from_u128(n))
}
fn room(n: u128) -> RoomId {
    RoomId::from_uuid(Uuid::from_u128(n))
}
fn key(n: u128) -> KeyId {
    KeyId::from_uuid(Uuid::from_u128(n))
}
fn command(n: u128, verb: Verb) -> Command {
    let id = CommandId::from_uuid(Uuid::from_u128(n));
    let by = ApiKeyId::from_uuid(Uuid::from_u128(1));
    Command {
        tenant: TenantId::from_uuid(Uuid::from_u128(1)),
        id,
        verb,
        by,
        at: now(),
        clock: ClockOffset::REAL,
        traceparent: None,
    }
}
fn window(from: &str, until: &str) -> Window {
    Window { from: at(from), until: at(until) }
}
fn stay_from(from: &str) -> Stay {
    let id = StayRef {
        tenant: TenantId::from_uuid(Uuid::from_u128(1)),
        property: PropertyId::from_uuid(Uuid::from_u128(2)),
        reservation: "R1".parse().unwrap(),
        stay: StayId::from_uuid(Uuid::from_u128(3)),
        reinstates: None,
    };
    let verb = Verb::New {
        kind: StayKind::Guest,
        window: window(from, "2026-11-26T11:00:00Z"),
        room: room(101),
        doors: vec![door(101), door(1)],
        keys: vec![NewKey { id: key(1), holder: 0 }],
    };
    Stay::begin(id, StayPolicy::default(), &command(1, verb)).unwrap()
}
fn stay() -> Stay {
    stay_from("2026-11-23T15:00:00Z")
}

/// A vendor that does as it is told.
fn obey(stay: &mut Stay, now: Timestamp) -> Vec<(Urgency, DoorId)> {
    let mut done = Vec::new();
    for _ in 0..20 {
        let Next::Act(urgency, effects) = stay.next(now) else {
            return done;
        };
        stay.sent(&effects);
        let mut told = Vec::new();
        for effect in &effects {
            let known = match effect.action {
                Action::Issue { window } | Action::Change { window } | Action::Read { window } => {
                    Known::Live { window }
                }
                Action::Revoke => Known::Gone,
            };
            stay.record(effect, known, now);
            told.push(known);
            done.push((urgency, effect.door));
        }
        if urgency == Urgency::Read {
            stay.read_back(&told, now);
        }
    }
    panic!("no end in sight: {:?}", stay.next(now));
}

/// A card of key 1, written anew as key 2.
fn anew() -> Vec<Successor> {
    vec![Successor { old: key(1), key: NewKey { id: key(2), holder: 0 } }]
}

/// To another vendor's doors, with a key for each that is wanted.
fn divert(stay: &Stay, n: u128) -> Verb {
    let wanted = stay.keys.iter().filter(|k| k.wish == Wish::Wanted);
    let made = wanted.zip(1..).map(|(k, place): (_, u128)| Successor {
        old: k.id,
        key: NewKey { id: key(1000 * n + place), holder: k.holder },
    });
    Verb::Divert {
        vendor: Some("salto_ks".to_owned()),
        doors: vec![door(500 + n % 3), door(1)],
        keys: made.collect(),
        issue_ahead_s: if n.is_multiple_of(2) { 86_400 } else { 300 },
    }
}

//! Any history of requests and answers: locks agree with wishes in the end.

use super::*;
use proptest::prelude::*;

#[derive(Debug, Clone)]
enum Step {
    Do(u8),
    Answer(u8),
    Pass(u32),
}

fn steps() -> impl Strategy<Value = Vec<Step>> {
    let step = prop_oneof![
        (0_u8..13).prop_map(Step::Do),
        (0_u8..5).prop_map(Step::Answer),
        (1_u32..200_000).prop_map(Step::Pass)
    ];
    prop::collection::vec(step, 1..60)
}

fn verb(kind: u8, n: u128) -> Verb {
    let late = window("2026-11-23T15:00:00Z", "2026-11-29T11:00:00Z");
    match kind {
        0 => Verb::Duplicate { keys: vec![NewKey { id: key(n), holder: 1 }] },
        1 => Verb::ModifyStay { window: late, keys: vec![] },
        2 | 3 => Verb::RoomMove { room: room(100 + n % 7), doors: vec![door(100 + n % 7), door(1)], keys: vec![] },
        4 => Verb::Suspend,
        5 => Verb::Resume,
        6 => Verb::Remove { key: None },
        7 => Verb::CheckOut,
        8 => Verb::Cancel,
        9 => Verb::Reissue {
            old: key(if n.is_multiple_of(2) { 1 } else { n - 1 }),
            key: NewKey { id: key(n), holder: 0 },
        },
        11 => Verb::Remove { key: Some(key(if n.is_multiple_of(3) { 1 } else { n - 1 })) },
        _ => Verb::Read,
    }
}

proptest! {
    /// Whatever is asked and whatever vendors answer: once they obey again, locks agree with wishes, every command has a verdict, and
    /// after an end no lock opens.
    #[test]
    fn every_history_converges(steps in steps()) {
        let mut stay = stay();
        let mut when = now();
        let mut accepted = vec![command(1, Verb::Read).id];
        for (n, step) in (10_u128..).zip(steps) {
            match step {
                Step::Do(kind) => {
                    let verb = if kind == 12 { divert(&stay, n) } else { verb(kind, n) };
                    let command = command(n, verb);
                    if stay.apply(&command, when).is_ok() {
                        accepted.push(command.id);
                    }
                }
                Step::Pass(seconds) => when += jiff::SignedDuration::from_secs(seconds.into()),
                Step::Answer(kind) => {
                    stay.tick(when);
                    let Next::Act(urgency, effects) = stay.next(when) else { continue };
                    stay.sent(&effects);
                    let mut told = Vec::new();
                    for effect in &effects {
                        let known = match (kind, effect.action) {
                            (0, _) => Known::Unconfirmed { code: Code::Unproven },
                            (1, _) => Known::Refused { code: Code::LockFull },
                            (2, _) => Known::CalledOff,
                            (_, Action::Revoke) => Known::Gone,
                            (_, Action::Issue { window } | Action::Change { window } | Action::Read { window }) => Known::Live { window },
                        };
                        stay.record(effect, known, when);
                        told.push(known);
                    }
                    if urgency == Urgency::Read { stay.read_back(&told, when); }
                }
            }
        }
        when += jiff::SignedDuration::from_hours(1);
        stay.tick(when);
        obey(&mut stay, when);
        stay.tick(when);
        prop_assert!(stay.open.is_empty(), "open: {:?}", stay.open);
        prop_assert!(accepted.iter().all(|id| stay.verdict(*id).is_some()));
        let shut = stay.ended.is_some() || stay.suspended;
        prop_assert!(stay.keys.iter().all(|k| k.wish == Wish::Wanted), "no key waits for ever: {:?}", stay.keys);
        let whole = |k: &Key| stay.doors.iter().all(|d| k.credentials.iter().any(|c| c.door == *d));
        prop_assert!(shut || stay.keys.iter().all(whole), "every key has every door");
        for (key, credential) in stay.credentials() {
            let shall = !shut && key.wish == Wish::Wanted && stay.doors.contains(&credential.door);
            prop_assert_eq!(credential.state.may_open(), shall && when >= stay.issue_at(), "{:?}", credential);
        }
    }
}

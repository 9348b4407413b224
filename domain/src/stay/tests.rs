#![allow(clippy::unwrap_used, clippy::panic)]
use super::*;
use crate::command::{NewKey, Successor};
use proptest::prelude::*;
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

#[test]
fn a_plain_stay() {
    let mut stay = stay();
    assert_eq!(stay.phase(now()), StayPhase::Issuing);
    assert_eq!(obey(&mut stay, now()), [(Urgency::Issue, door(101)), (Urgency::Issue, door(1))]);
    assert_eq!(stay.phase(now()), StayPhase::Active);
    assert_eq!(stay.verdict(command(1, Verb::Read).id), Some(Verdict::Done));
    assert_eq!(stay.next(now()), Next::Sleep(at("2026-11-26T11:00:00Z")));
    stay.apply(&command(2, Verb::CheckOut), now()).unwrap();
    assert_eq!(stay.phase(now()), StayPhase::Ending);
    assert_eq!(obey(&mut stay, now()).len(), 2);
    assert_eq!((stay.phase(now()), stay.next(now())), (StayPhase::Ended, Next::Finish));
}

#[test]
fn the_lock_is_told_five_minutes_early() {
    let Next::Act(_, effects) = stay().next(now()) else { panic!() };
    let Action::Issue { window } = effects[0].action else { panic!() };
    assert_eq!(window.from, at("2026-11-23T14:55:00Z"));
}

#[test]
fn a_future_stay_waits_for_its_day() {
    let mut stay = stay_from("2026-11-25T15:00:00Z");
    stay.tick(now());
    assert_eq!(stay.phase(now()), StayPhase::Planned);
    assert_eq!(stay.next(now()), Next::Sleep(at("2026-11-24T15:00:00Z")));
    assert_eq!(stay.verdict(command(1, Verb::Read).id), Some(Verdict::Done));
    let day = at("2026-11-24T15:00:00Z");
    assert_eq!(obey(&mut stay, day).len(), 2);
    assert_eq!(stay.phase(day), StayPhase::Active);
}

#[test]
fn a_move_makes_before_it_breaks() {
    let mut stay = stay();
    obey(&mut stay, now());
    let verb = Verb::RoomMove { room: room(102), doors: vec![door(102), door(1)], keys: vec![] };
    stay.apply(&command(2, verb), now()).unwrap();
    assert_eq!(stay.phase(now()), StayPhase::Moving);
    assert_eq!(obey(&mut stay, now()), [(Urgency::Issue, door(102)), (Urgency::Retire, door(101))]);
    assert_eq!(stay.phase(now()), StayPhase::Active);
}

#[test]
fn a_refused_move_leaves_the_old_room() {
    let mut stay = stay();
    obey(&mut stay, now());
    let verb = Verb::RoomMove { room: room(102), doors: vec![door(102), door(1)], keys: vec![] };
    stay.apply(&command(2, verb), now()).unwrap();
    let Next::Act(_, effects) = stay.next(now()) else { panic!() };
    stay.sent(&effects);
    stay.record(&effects[0], Known::Refused { code: Code::LockUnknown }, now());
    assert_eq!((stay.room, stay.phase(now())), (room(101), StayPhase::Active));
    assert_eq!(stay.verdict(command(2, Verb::Read).id), Some(Verdict::Failed(Code::LockUnknown)));
    // The refused one is taken out all the same: nobody can be sure.
    let later = now() + jiff::SignedDuration::from_mins(2);
    assert_eq!(obey(&mut stay, later), [(Urgency::Retire, door(102))]);
    let open: Vec<_> = stay.credentials().filter(|(_, c)| c.state.may_open()).map(|(_, c)| c.door).collect();
    assert_eq!(open, [door(101), door(1)]);
}

/// A card of key 1, written anew as key 2.
fn anew() -> Vec<Successor> {
    vec![Successor { old: key(1), key: NewKey { id: key(2), holder: 0 } }]
}

#[test]
fn a_card_is_written_anew_for_other_dates_before_the_old_one_goes() {
    let mut stay = stay();
    obey(&mut stay, now());
    let later = window("2026-11-23T15:00:00Z", "2026-11-28T11:00:00Z");
    stay.apply(&command(2, Verb::ModifyStay { window: later, keys: anew() }), now()).unwrap();
    let order = obey(&mut stay, now());
    assert_eq!(
        order.iter().map(|o| o.0).collect::<Vec<_>>(),
        [Urgency::Issue, Urgency::Issue, Urgency::Revoke, Urgency::Revoke]
    );
    assert_eq!(stay.keys.iter().map(|k| k.id).collect::<Vec<_>>(), [key(2)]);
    assert!(stay.credentials().all(|(_, c)| c.window.is_some_and(|w| w.until == later.until)));
    // What is not wanted any more can't be written anew.
    let again = command(3, Verb::ModifyStay { window: later, keys: anew() });
    assert_eq!(stay.check(&again, now()), Err(Code::KeyNotFound));
}

#[test]
fn a_move_by_a_new_card_is_made_before_it_breaks_and_undone_if_it_is_refused() {
    let moving = || Verb::RoomMove { room: room(102), doors: vec![door(102), door(1)], keys: anew() };
    let mut done = stay();
    obey(&mut done, now());
    done.apply(&command(2, moving()), now()).unwrap();
    assert_eq!(done.phase(now()), StayPhase::Moving);
    let order = obey(&mut done, now());
    assert_eq!(order.iter().map(|o| o.1).collect::<Vec<_>>(), [door(102), door(1), door(101), door(1)]);
    assert_eq!((done.phase(now()), done.keys.len()), (StayPhase::Active, 1));

    let mut refused = stay();
    obey(&mut refused, now());
    refused.apply(&command(2, moving()), now()).unwrap();
    let Next::Act(_, effects) = refused.next(now()) else { panic!() };
    refused.sent(&effects);
    refused.record(&effects[0], Known::Refused { code: Code::LockUnknown }, now());
    assert_eq!((refused.room, refused.phase(now())), (room(101), StayPhase::Active));
    let later = now() + jiff::SignedDuration::from_mins(2);
    obey(&mut refused, later);
    assert_eq!(refused.keys.iter().map(|k| (k.id, k.wish)).collect::<Vec<_>>(), [(key(1), Wish::Wanted)]);
    assert!(refused.credentials().all(|(_, c)| c.state == CredentialState::Live));
}

#[test]
fn what_is_refused_again_and_again_is_asked_less_and_less() {
    let mut stay = stay();
    obey(&mut stay, now());
    stay.apply(&command(2, Verb::CheckOut), now()).unwrap();
    let (mut when, mut pauses) = (now(), Vec::new());
    for _ in 0..10 {
        let Next::Act(Urgency::Revoke, effects) = stay.next(when) else { panic!("{:?}", stay.next(when)) };
        stay.sent(&effects);
        effects.iter().for_each(|e| stay.record(e, Known::Refused { code: Code::VendorRefused }, when));
        let Next::Sleep(next) = stay.next(when) else { panic!() };
        pauses.push(next.duration_since(when).as_mins());
        when = next;
    }
    assert_eq!(pauses, [1, 2, 4, 8, 16, 32, 60, 60, 60, 60]);
}

#[test]
fn a_suspension_sticks_through_edits() {
    let mut stay = stay();
    obey(&mut stay, now());
    stay.apply(&command(2, Verb::Suspend), now()).unwrap();
    assert_eq!(obey(&mut stay, now()).len(), 2);
    let later = window("2026-11-23T15:00:00Z", "2026-11-28T11:00:00Z");
    stay.apply(&command(3, Verb::ModifyStay { window: later, keys: vec![] }), now()).unwrap();
    assert_eq!(obey(&mut stay, now()), []);
    assert_eq!(stay.phase(now()), StayPhase::Suspended);
    stay.apply(&command(4, Verb::Resume), now()).unwrap();
    assert_eq!(obey(&mut stay, now()).len(), 2);
    assert_eq!(stay.phase(now()), StayPhase::Active);
}

#[test]
fn a_reissue_kills_the_old_key_last() {
    let mut stay = stay();
    obey(&mut stay, now());
    let verb = Verb::Reissue { old: key(1), key: NewKey { id: key(2), holder: 0 } };
    stay.apply(&command(2, verb), now()).unwrap();
    let order = obey(&mut stay, now());
    assert_eq!(order.iter().map(|o| o.0 == Urgency::Issue).collect::<Vec<_>>(), [true, true, false, false]);
    assert_eq!(stay.keys.iter().map(|k| k.id).collect::<Vec<_>>(), [key(2)]);
}

#[test]
fn a_revoke_never_gives_up() {
    let mut stay = stay();
    obey(&mut stay, now());
    stay.apply(&command(2, Verb::CheckOut), now()).unwrap();
    let mut when = now();
    for _ in 0..50 {
        let Next::Act(Urgency::Revoke, effects) = stay.next(when) else { panic!("{:?}", stay.next(when)) };
        stay.sent(&effects);
        for effect in &effects {
            stay.record(effect, Known::Unconfirmed { code: Code::VendorUnreachable }, when);
        }
        assert_eq!(stay.attention(), Some(Code::VendorUnreachable));
        assert_eq!(stay.phase(when), StayPhase::Ending);
        let Next::Sleep(next) = stay.next(when) else { panic!() };
        assert!(next > when, "no hot loop");
        when = next;
    }
    obey(&mut stay, when);
    assert_eq!(stay.next(when), Next::Finish);
}

#[test]
fn check_out_overtakes_an_issue_in_flight() {
    let mut stay = stay();
    let Next::Act(urgency, effects) = stay.next(now()) else { panic!() };
    stay.sent(&effects);
    assert!(!stay.preempts(urgency, &effects, now()));
    stay.apply(&command(2, Verb::CheckOut), now()).unwrap();
    assert!(stay.preempts(urgency, &effects, now()));
    // The issue came through after all; the revoke still follows.
    for effect in &effects {
        let Action::Issue { window } = effect.action else { panic!() };
        stay.record(effect, Known::Live { window }, now());
    }
    assert_eq!(obey(&mut stay, now()).iter().filter(|o| o.0 == Urgency::Revoke).count(), 2);
    assert_eq!(stay.verdict(command(1, Verb::Read).id), Some(Verdict::Overtaken));
    assert_eq!(stay.verdict(command(2, Verb::Read).id), Some(Verdict::Done));
}

#[test]
fn a_repeated_command_changes_nothing() {
    let mut stay = stay();
    obey(&mut stay, now());
    let more = command(2, Verb::Duplicate { keys: vec![NewKey { id: key(2), holder: 1 }] });
    stay.apply(&more, now()).unwrap();
    obey(&mut stay, now());
    let before = stay.clone();
    stay.apply(&more, now()).unwrap();
    assert_eq!(stay, before);
}

#[test]
fn a_lost_key_dies_even_if_its_successor_is_replaced() {
    let mut stay = stay();
    obey(&mut stay, now());
    let reissue = |old: u128, new: u128| Verb::Reissue { old: key(old), key: NewKey { id: key(new), holder: 0 } };
    stay.apply(&command(2, reissue(1, 2)), now()).unwrap();
    let Next::Act(_, effects) = stay.next(now()) else { panic!() };
    stay.sent(&effects);
    effects.iter().for_each(|e| stay.record(e, Known::Refused { code: Code::CodeTaken }, now()));
    stay.apply(&command(3, reissue(2, 3)), now()).unwrap();
    let later = now() + jiff::SignedDuration::from_mins(5);
    obey(&mut stay, later);
    assert_eq!(stay.keys.iter().map(|k| k.id).collect::<Vec<_>>(), [key(3)]);
    assert!(stay.credentials().all(|(_, c)| c.state == CredentialState::Live));
}

#[test]
fn a_refusal_after_all_has_a_verdict_and_frees_its_keys() {
    let mut stay = stay();
    obey(&mut stay, now());
    let late = command(2, Verb::Duplicate { keys: vec![NewKey { id: key(9), holder: 0 }] });
    stay.refuse(&late, Code::StayEnded);
    assert_eq!(stay.verdict(late.id), Some(Verdict::Failed(Code::StayEnded)));
    assert_eq!((stay.retired.last(), stay.open.is_empty()), (Some(&key(9)), true));
}

#[test]
fn an_offline_door_does_not_hold_back_the_revoke_at_another() {
    let mut stay = stay();
    obey(&mut stay, now());
    stay.apply(&command(2, Verb::Duplicate { keys: vec![NewKey { id: key(2), holder: 1 }] }), now()).unwrap();
    obey(&mut stay, now());
    stay.apply(&command(3, Verb::Remove { key: Some(key(1)) }), now()).unwrap();
    let Next::Act(urgency, batch) = stay.next(now()) else { panic!() };
    stay.sent(&batch);
    assert!(!stay.preempts(urgency, &batch, now()));
    stay.apply(&command(4, Verb::CheckOut), now()).unwrap();
    assert!(stay.preempts(urgency, &batch, now()));
}

#[test]
fn what_was_not_read_is_not_said_to_be() {
    let mut stay = stay();
    obey(&mut stay, now());
    let read = |stay: &mut Stay, n: u128, known: Known| {
        stay.apply(&command(n, Verb::Read), now()).unwrap();
        let Next::Act(Urgency::Read, effects) = stay.next(now()) else { panic!("{:?}", stay.next(now())) };
        stay.sent(&effects);
        effects.iter().for_each(|e| stay.record(e, known, now()));
        stay.read_back(&vec![known; effects.len()], now());
        stay.verdict(command(n, Verb::Read).id)
    };
    assert_eq!(read(&mut stay, 2, Known::CalledOff), None);
    // Called off is not done: it is read again, and then it is.
    assert_eq!(obey(&mut stay, now()), [(Urgency::Read, door(101)), (Urgency::Read, door(1))]);
    assert_eq!(stay.verdict(command(2, Verb::Read).id), Some(Verdict::Done));
    let away = Code::VendorUnreachable;
    assert_eq!(read(&mut stay, 3, Known::Unconfirmed { code: away }), Some(Verdict::Failed(away)));
    assert_eq!((stay.phase(now()), stay.open.len()), (StayPhase::Active, 0));
}

#[test]
fn each_stay_of_a_reservation_has_a_workflow_of_its_own() {
    let first = stay().id;
    let again =
        |n| StayRef { stay: StayId::from_uuid(Uuid::from_u128(n)), reinstates: Some(first.stay), ..first.clone() };
    let ids: std::collections::BTreeSet<String> = [&first, &again(4), &again(5)].map(StayRef::workflow_id).into();
    assert_eq!(ids.len(), 3, "{ids:?}");
    assert!(ids.iter().all(|id| id.starts_with(&first.workflow_id())));
    // Payloads of first stays are as they were.
    assert!(!serde_json::to_string(&first).unwrap().contains("reinstates"));
}

#[test]
fn a_reservation_gets_another_stay_once_no_lock_opens() {
    for phase in StayPhase::ALL {
        let expected = match phase {
            StayPhase::Ended => Ok(()),
            StayPhase::Ending => Err(Code::StayEnding),
            _ => Err(Code::StayExists),
        };
        assert_eq!(may_follow(phase), expected);
    }
}

#[test]
fn rounds_are_counted_across_everything() {
    let mut stay = stay();
    obey(&mut stay, now());
    let issued = stay.rounds;
    stay.apply(&command(2, Verb::Suspend), now()).unwrap();
    obey(&mut stay, now());
    assert!(issued > 0 && stay.rounds > issued);
    // A state from before rounds were counted goes on with the first.
    let mut old = serde_json::to_value(&stay).unwrap();
    old.as_object_mut().unwrap().remove("rounds");
    assert_eq!(serde_json::from_value::<Stay>(old).unwrap().rounds, 0);
    stay.outrun(40);
    stay.outrun(7);
    assert_eq!(stay.rounds, 40);
}

#[test]
fn the_table_is_complete_and_endings_are_final() {
    for verb in VerbKind::ALL {
        assert!(allowed(verb, StayPhase::Ended).is_err() && allowed(verb, StayPhase::Ending).is_err());
        for phase in StayPhase::ALL {
            let _ = allowed(verb, phase);
        }
    }
    assert_eq!(allowed(VerbKind::CheckOut, StayPhase::Planned), Err(Code::StayNotBegun));
}

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

#[test]
fn a_revoke_that_goes_on_gives_way_to_what_a_guest_waits_for_and_comes_back_after_a_pause() {
    let mut stay = stay();
    stay.apply(&command(2, Verb::Duplicate { keys: vec![NewKey { id: key(2), holder: 1 }] }), now()).unwrap();
    obey(&mut stay, now());
    stay.apply(&command(3, Verb::Remove { key: Some(key(1)) }), now()).unwrap();
    let Next::Act(running, batch) = stay.next(now()) else { panic!() };
    stay.sent(&batch);
    assert_eq!((running, stay.gives_way_at(running, &batch, now(), now())), (Urgency::Revoke, None), "nobody waits");
    let longer = Verb::ModifyStay { window: window("2026-11-23T15:00:00Z", "2026-11-27T11:00:00Z"), keys: vec![] };
    stay.apply(&command(4, longer), now()).unwrap();
    assert!(!stay.preempts(running, &batch, now()), "a revoke is the most urgent of all");
    let turn = at("2026-11-23T14:00:20Z");
    assert_eq!(stay.gives_way_at(running, &batch, now(), now()), Some(turn), "first it has its turn");
    for effect in &batch {
        let known = stay.gave_way(effect);
        stay.record(effect, known, turn);
    }
    let Next::Act(urgency, changes) = stay.next(turn) else { panic!() };
    assert_eq!((urgency, changes.len()), (Urgency::Change, 2));
    assert_eq!(obey(&mut stay, turn), [(Urgency::Change, door(101)), (Urgency::Change, door(1))]);
    assert_eq!(stay.next(turn), Next::Sleep(at("2026-11-23T14:01:20Z")));
    assert_eq!(obey(&mut stay, at("2026-11-23T14:01:20Z")).len(), 2, "then the revoke goes on");
    // Once the stay is over nothing is more important.
    stay.apply(&command(5, Verb::CheckOut), now()).unwrap();
    let Next::Act(running, batch) = stay.next(now()) else { panic!() };
    assert_eq!(stay.gives_way_at(running, &batch[..1], now(), now()), None);
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

#[test]
fn a_diverted_stay_makes_before_it_breaks_and_leaves_nothing_behind() {
    let mut stay = stay();
    let Next::Act(running, batch) = stay.next(now()) else { panic!() };
    stay.sent(&batch);
    stay.apply(&command(2, divert(&stay, 2)), now()).unwrap();
    assert_eq!(stay.phase(now()), StayPhase::Issuing);
    assert!(stay.preempts(running, &batch, now()), "what was under way stops");
    batch.iter().for_each(|e| stay.record(e, Known::CalledOff, now()));
    for verb in [Verb::RoomMove { room: room(102), doors: vec![door(102)], keys: vec![] }, divert(&stay, 3)] {
        assert_eq!(stay.check(&command(3, verb), now()), Err(Code::MoveUnderWay));
    }
    let order = obey(&mut stay, now());
    assert_eq!(order[..2], [(Urgency::Issue, door(502)), (Urgency::Issue, door(1))]);
    assert_eq!(order[2..], [(Urgency::Revoke, door(101)), (Urgency::Revoke, door(1))], "the old key may stand there");
    assert_eq!((stay.phase(now()), stay.diverting.is_none(), stay.keys.len()), (StayPhase::Active, true, 1));
    assert_eq!(stay.check(&command(4, divert(&stay, 4)), now()), Err(Code::StayNotWaiting));
}

#[test]
fn effects_at_another_vendors_doors_are_that_vendors() {
    let mut stay = stay();
    let Next::Act(_, own) = stay.next(now()) else { panic!() };
    assert_eq!(stay.vendor_of(&own), None);
    stay.apply(&command(2, divert(&stay, 2)), now()).unwrap();
    let Next::Act(_, there) = stay.next(now()) else { panic!() };
    assert_eq!((stay.vendor_of(&there), stay.vendor_of(&own)), (Some("salto_ks"), None));
    // One batch goes to one queue: that of the stay's own vendor if some of it concerns the vendor.
    assert_eq!(stay.vendor_of(&[there, own].concat()), None);
}

#[test]
fn a_stay_that_leaves_its_vendor_early_does_not_stay_in_a_round_there() {
    let mut stay = stay();
    let Next::Act(running, batch) = stay.next(now()) else { panic!() };
    stay.sent(&batch);
    let Verb::Divert { doors, keys, .. } = divert(&stay, 2) else { panic!() };
    stay.apply(&command(2, Verb::Divert { vendor: None, doors, keys, issue_ahead_s: 300 }), now()).unwrap();
    assert!(stay.preempts(running, &batch, now()), "an hour before arrival nothing is due, and the round is pointless");
    batch.iter().for_each(|e| stay.record(e, Known::CalledOff, now()));
    assert_eq!(stay.next(now()), Next::Sleep(at("2026-11-23T14:55:00Z")));
}

#[test]
fn r_lock_01_a_divert_is_not_done_before_it_has_arrived() {
    for refused in [true, false] {
        let mut stay = stay();
        let Verb::Divert { doors, keys, .. } = divert(&stay, 2) else { panic!() };
        stay.apply(&command(2, Verb::Divert { vendor: None, doors, keys, issue_ahead_s: 300 }), now()).unwrap();
        let id = command(2, Verb::Read).id;
        stay.tick(now());
        assert_eq!(
            (stay.phase(now()), stay.verdict(id)),
            (StayPhase::Planned, None),
            "nothing is due, nothing is proven"
        );
        let due = at("2026-11-23T14:55:00Z");
        if refused {
            let Next::Act(_, effects) = stay.next(due) else { panic!() };
            stay.sent(&effects);
            stay.record(&effects[0], Known::Refused { code: Code::VendorQuota }, due);
            assert_eq!(
                stay.verdict(id),
                Some(Verdict::Failed(Code::VendorQuota)),
                "the record learns that it has returned"
            );
        }
        obey(&mut stay, due + jiff::SignedDuration::from_mins(2));
        let there = if refused { door(101) } else { door(502) };
        assert!(
            stay.keys.len() == 1 && stay.credentials().any(|(_, c)| c.door == there && c.state.may_open()),
            "{stay:?}"
        );
        assert!(refused || stay.verdict(id) == Some(Verdict::Done));
        assert!(stay.open.is_empty(), "{:?}", stay.open);
    }
}

#[test]
fn a_refused_divert_returns_to_the_stays_own_vendor() {
    let mut stay = stay();
    stay.apply(&command(2, divert(&stay, 2)), now()).unwrap();
    let Next::Act(_, effects) = stay.next(now()) else { panic!() };
    stay.sent(&effects);
    stay.record(&effects[0], Known::Refused { code: Code::VendorQuota }, now());
    assert_eq!(stay.verdict(command(2, Verb::Read).id), Some(Verdict::Failed(Code::VendorQuota)));
    let later = now() + jiff::SignedDuration::from_mins(2);
    let done = obey(&mut stay, later);
    assert!(done.contains(&(Urgency::Issue, door(101))) && stay.keys.iter().all(|k| k.id == key(1)), "{done:?}");
    let open: Vec<_> = stay.credentials().filter(|(_, c)| c.state.may_open()).map(|(_, c)| c.door).collect();
    assert_eq!(open.into_iter().collect::<std::collections::BTreeSet<_>>(), [door(101), door(1)].into());
}

#[test]
fn a_key_that_works_is_never_replaced_because_of_an_outage() {
    let mut stay = stay();
    let Next::Act(_, batch) = stay.next(now()) else { panic!() };
    stay.sent(&batch);
    let window = stay.lock_window();
    stay.record(&batch[0], Known::Live { window }, now());
    assert_eq!((stay.phase(now()), batch[0].door), (StayPhase::Issuing, door(101)));
    assert_eq!(stay.check(&command(2, divert(&stay, 2)), now()), Err(Code::StayNotWaiting));
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

//! Keys are taken away: never given up, more urgent than all else, and fair to who waits meanwhile.

use super::*;

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

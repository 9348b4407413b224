//! A place in a full lock, for somebody who arrives earlier.

use super::*;
use crate::credential::CredentialState as S;

const ASKED: u128 = 7;

fn early() -> Timestamp {
    at("2026-11-23T14:00:00Z")
}

/// Keys in both locks, an hour before the guest comes.
fn ready() -> Stay {
    let mut stay = stay();
    stay.tick(early());
    obey(&mut stay, early());
    assert_eq!(stay.phase(early()), StayPhase::Active);
    stay
}

fn state(stay: &Stay, n: u128) -> S {
    stay.credentials().find(|(_, c)| c.door == door(n)).map(|(_, c)| c.state).unwrap()
}

fn verdict(stay: &Stay) -> Option<Verdict> {
    stay.verdict(command(ASKED, Verb::Read).id)
}

fn ask(stay: &mut Stay, now: Timestamp) {
    stay.apply(&command(ASKED, Verb::GiveWay { door: door(101) }), now).unwrap();
    stay.tick(now);
}

#[test]
fn the_key_is_proven_gone_and_then_wanted_again_with_the_same_digits() {
    let mut stay = ready();
    let digits = stay.keys[0].id;
    ask(&mut stay, early());
    let Next::Act(Urgency::Revoke, out) = stay.next(early()) else { panic!("{:?}", stay.next(early())) };
    assert_eq!((out.len(), out[0].door), (1, door(101)), "the common door is not full");
    assert_eq!(verdict(&stay), None);
    stay.sent(&out);
    stay.record(&out[0], Known::Gone, early());
    assert_eq!((verdict(&stay), state(&stay, 101)), (Some(Verdict::Done), S::Gone));

    let Next::Act(Urgency::Issue, back) = stay.next(early()) else { panic!("{:?}", stay.next(early())) };
    stay.sent(&back);
    stay.record(&back[0], Known::Unconfirmed { code: Code::LockFull }, early());
    assert_eq!((stay.phase(early()), stay.attention()), (StayPhase::Issuing, Some(Code::LockFull)));
    obey(&mut stay, at("2026-11-23T14:30:00Z"));
    assert_eq!((stay.phase(early()), stay.attention(), stay.keys[0].id), (StayPhase::Active, None, digits));
}

#[test]
fn it_means_nothing_once_the_guest_may_be_there() {
    let mut stay = ready();
    let begun = at("2026-11-23T15:00:00Z");
    ask(&mut stay, begun);
    assert_eq!((verdict(&stay), state(&stay, 101)), (Some(Verdict::Done), S::Live));
    assert!(stay.converged(begun));
}

#[test]
fn asked_twice_it_is_done_once() {
    let mut stay = ready();
    ask(&mut stay, early());
    stay.apply(&command(ASKED + 1, Verb::GiveWay { door: door(101) }), early()).unwrap();
    let done = obey(&mut stay, early());
    assert_eq!(done, [(Urgency::Revoke, door(101)), (Urgency::Issue, door(101))]);
    assert!(stay.open.is_empty(), "{:?}", stay.open);
}

#[test]
fn a_key_that_is_on_its_way_in_turns_round() {
    let mut stay = stay();
    stay.tick(early());
    let Next::Act(Urgency::Issue, effects) = stay.next(early()) else { panic!() };
    stay.sent(&effects);
    ask(&mut stay, early());
    assert!(stay.preempts(Urgency::Issue, &effects, early()), "it stops trying");
    for effect in &effects {
        stay.record(effect, Known::Live { window: stay.lock_window() }, early());
    }
    assert_eq!(state(&stay, 101), S::Revoking, "what came late does not open the way back");
    obey(&mut stay, early());
    assert_eq!(verdict(&stay), Some(Verdict::Done));
}

#[test]
fn an_end_meanwhile_takes_everything_away() {
    let mut stay = ready();
    ask(&mut stay, early());
    stay.apply(&command(8, Verb::Cancel), early()).unwrap();
    assert_eq!(verdict(&stay), Some(Verdict::Overtaken));
    obey(&mut stay, early());
    assert_eq!((stay.phase(early()), stay.next(early())), (StayPhase::Ended, Next::Finish));
}

#[test]
fn a_lock_that_does_not_answer_keeps_the_question_open() {
    let mut stay = ready();
    ask(&mut stay, early());
    let Next::Act(_, out) = stay.next(early()) else { panic!() };
    stay.sent(&out);
    stay.record(&out[0], Known::Unconfirmed { code: Code::VendorUnreachable }, early());
    assert_eq!((verdict(&stay), state(&stay, 101)), (None, S::Revoking));
}

//! A move makes before it breaks, and leaves everything as it was if it is refused.

use super::*;

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

//! What holds whatever is asked: the table of verbs, repeats, refusals, and verdicts that tell only what is so.

use super::*;

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
fn a_refusal_after_all_has_a_verdict_and_frees_its_keys() {
    let mut stay = stay();
    obey(&mut stay, now());
    let late = command(2, Verb::Duplicate { keys: vec![NewKey { id: key(9), holder: 0 }] });
    stay.refuse(&late, Code::StayEnded);
    assert_eq!(stay.verdict(late.id), Some(Verdict::Failed(Code::StayEnded)));
    assert_eq!((stay.retired.last(), stay.open.is_empty()), (Some(&key(9)), true));
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

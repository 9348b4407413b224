//! A stay goes to another vendor's doors, and comes back if it is refused there.

use super::*;

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

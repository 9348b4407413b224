//! A stay begins, waits for its day, and ends; a reservation may get another one.

use super::*;

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

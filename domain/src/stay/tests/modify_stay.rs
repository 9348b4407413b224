//! Other dates: of a key, of a card that is written anew, of a stay that is suspended.

use super::*;

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

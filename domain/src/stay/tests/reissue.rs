//! A key is replaced: the old one goes last.

use super::*;

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

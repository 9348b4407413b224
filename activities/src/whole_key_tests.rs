#![allow(clippy::unwrap_used)]

use super::*;
use lock_domain::{
    credential::CredentialState as S,
    ids::{CredentialId, RoomId},
};
use uuid::Uuid;

fn key(n: u128) -> KeyId {
    KeyId::from_uuid(Uuid::from_u128(n))
}

fn door(n: u128) -> DoorId {
    DoorId::from_uuid(Uuid::from_u128(n))
}

/// Doors from 100 up are those of rooms.
fn standing(k: u128, d: u128, state: S) -> Standing {
    Standing {
        credential: CredentialId::of(key(k), door(d)),
        key: key(k),
        door: door(d),
        room: (d >= 100).then(|| RoomId::from_uuid(Uuid::from_u128(d))),
        vendor: "salto_pms".to_owned(),
        vendor_lock_id: d.to_string(),
        state,
        vendor_ref: (state == S::Live).then(|| format!("card {k}")),
        effective: None,
        unresolved_since: None,
        round: u64::try_from(k).unwrap(),
        wish: Wish::Wanted,
        joins: None,
        created_at: Timestamp::from_second(i64::try_from(k).unwrap()).unwrap(),
    }
}

fn rest(all: &[Standing], k: u128) -> Rest<'_> {
    Rest::of(all, key(k), "salto_pms")
}

#[test]
fn a_key_keeps_what_is_proven_and_loses_nothing_that_may_stand() {
    let all = [
        standing(1, 101, S::Live),
        standing(1, 1, S::Unconfirmed),
        standing(1, 102, S::Planned),
        standing(1, 103, S::Revoking),
        standing(2, 101, S::Live),
    ];
    let rest = rest(&all, 1);
    let new = BTreeSet::from([door(102)]);
    let window = lock_domain::window::Window { from: Timestamp::UNIX_EPOCH, until: Timestamp::MAX };
    assert_eq!(rest.other_locks(&new, Action::Issue { window }), ["101"]);
    assert_eq!(rest.other_locks(&BTreeSet::from([door(103)]), Action::Revoke), ["101", "1"]);
    assert_eq!((rest.reference(), rest.may_stand(), rest.round()), (Some("card 1"), true, 1));
}

#[test]
fn the_first_card_of_a_room_ends_what_was_there_and_the_next_ones_join() {
    let first = [standing(1, 101, S::Planned), standing(1, 1, S::Planned), standing(2, 101, S::Planned)];
    assert!(!rest(&first, 1).joins());
    let second = [standing(1, 101, S::Live), standing(2, 101, S::Planned)];
    assert!(rest(&second, 2).joins());
    // A common door makes nobody a companion, nor does a key that is being replaced.
    let moved =
        [standing(1, 1, S::Live), standing(1, 101, S::Live), standing(2, 1, S::Planned), standing(2, 102, S::Planned)];
    assert!(!rest(&moved, 2).joins());
    // Where it would end everybody's keys at the common door, it joins.
    let mut front = first;
    front.iter_mut().for_each(|one| one.vendor = "visionline".to_owned());
    assert!(Rest::of(&front, key(1), "visionline").joins() && !Rest::of(&front, key(2), "visionline").joins());
    let mut replaced = second.clone();
    replaced[0].wish = Wish::Until(key(2));
    assert!(!rest(&replaced, 2).joins());
}

#[test]
fn a_check_out_must_not_hit_the_other_key() {
    let both = [standing(1, 101, S::Live), standing(2, 101, S::Live)];
    assert!(rest(&both, 1).shared(&BTreeSet::from([key(1)])));
    assert!(!rest(&both, 1).shared(&BTreeSet::from([key(1), key(2)])), "both go");
    assert!(!rest(&both, 1).overridden());
    let mut ended = both;
    ended[1].joins = Some(false);
    assert!(rest(&ended, 1).overridden() && !rest(&ended, 2).overridden(), "the later one ended the earlier one");
}

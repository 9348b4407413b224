//! Places in a lock, case by case and at random.
#![allow(clippy::unwrap_used, clippy::panic)]

use super::*;
use proptest::prelude::*;
use uuid::Uuid;

fn hour(n: i64) -> Timestamp {
    "2026-11-23T00:00:00Z".parse::<Timestamp>().unwrap() + SignedDuration::from_hours(n)
}

fn claim(n: u128, arrives: i64, standing: Standing) -> Claim {
    Claim {
        credential: CredentialId::from_uuid(Uuid::from_u128(n)),
        stay: StayId::from_uuid(Uuid::from_u128(n)),
        arrives: hour(arrives),
        booked: hour(0),
        standing,
        keeps_digits: true,
        returns: true,
    }
}

fn full(ours: u32) -> SaidFull {
    SaidFull { ours, at: hour(12) }
}

fn wait(way: &[Claim]) -> Turn {
    Turn::Wait { way: way.to_vec(), again: if way.is_empty() { ASK_AGAIN } else { ASK_SOON } }
}

const TAKE: Turn = Turn::Take { look: false };
use Standing::{Holds, Leaves, Waits};

#[test]
fn the_last_to_arrive_gives_way_to_one_who_arrives_earlier() {
    let others = [claim(1, 30, Holds), claim(2, 40, Holds)];
    assert_eq!(turn(full(2), &others, &claim(3, 20, Waits), hour(12), hour(12)), wait(&[others[1]]));
    assert_eq!(turn(full(2), &others, &claim(3, 35, Waits), hour(12), hour(12)), wait(&[others[1]]));
    assert_eq!(turn(full(2), &others, &claim(3, 40, Waits), hour(12), hour(12)), wait(&[]), "at the same time: no");
    assert_eq!(turn(full(2), &others, &claim(3, 50, Waits), hour(12), hour(12)), wait(&[]));
}

#[test]
fn who_has_arrived_never_gives_way() {
    let others = [claim(1, 10, Holds), claim(2, 12, Holds)];
    assert_eq!(turn(full(2), &others, &claim(3, 5, Waits), hour(12), hour(12)), wait(&[]));
}

#[test]
fn a_place_goes_to_the_first_to_arrive_of_those_who_wait() {
    let others = [claim(1, 10, Holds), claim(2, 20, Waits)];
    assert_eq!(turn(full(2), &others, &claim(3, 30, Waits), hour(12), hour(12)), wait(&[]), "the free one is taken");
    assert_eq!(turn(full(2), &others, &claim(3, 15, Waits), hour(12), hour(12)), TAKE);
}

#[test]
fn nobody_else_gives_way_while_one_is_being_taken_out() {
    let others = [claim(1, 30, Leaves), claim(2, 40, Holds)];
    let none = Turn::Wait { way: vec![], again: ASK_SOON };
    assert_eq!(turn(full(2), &others, &claim(3, 20, Waits), hour(12), hour(12)), none);
    let two = [claim(1, 30, Leaves), claim(2, 40, Holds), claim(4, 15, Waits)];
    assert_eq!(turn(full(2), &two, &claim(3, 20, Waits), hour(12), hour(12)), wait(&[two[1]]), "both are provided for");
}

#[test]
fn after_a_while_the_first_looks_whether_there_is_room() {
    let others = [claim(1, 10, Holds), claim(2, 20, Waits)];
    let later = hour(12) + LOOK_AGAIN;
    assert_eq!(turn(full(1), &others, &claim(3, 15, Waits), hour(12), later), Turn::Take { look: true });
    assert_eq!(turn(full(1), &others, &claim(3, 25, Waits), hour(12), later), wait(&[]), "only the first");
}

#[test]
fn digits_that_would_change_and_keys_that_open_once_stay_where_they_are_if_possible() {
    let made = Claim { keeps_digits: false, ..claim(1, 50, Holds) };
    let ours = claim(2, 30, Holds);
    let once = Claim { returns: false, ..claim(4, 60, Holds) };
    let ask = claim(3, 20, Waits);
    assert_eq!(turn(full(3), &[made, ours, once], &ask, hour(12), hour(12)), wait(&[ours]));
    assert_eq!(turn(full(2), &[made, once], &ask, hour(12), hour(12)), wait(&[made]));
    assert_eq!(turn(full(1), &[once], &ask, hour(12), hour(12)), wait(&[]));
}

#[test]
fn a_stay_does_not_displace_itself() {
    let second = Claim { stay: claim(1, 0, Holds).stay, ..claim(2, 20, Waits) };
    assert_eq!(turn(full(1), &[claim(1, 30, Holds)], &second, hour(12), hour(12)), wait(&[]));
}

/// Everybody asks again and again, in any order, until nothing changes.
fn settle(places: SaidFull, claims: &mut [Claim], order: &[usize], present: Timestamp) -> usize {
    let mut displaced = 0;
    for _ in 0..claims.len() * 2 {
        let mut changed = false;
        for &n in order {
            if claims[n].standing != Waits {
                continue;
            }
            let asking = claims[n];
            let others: Vec<Claim> = claims.iter().filter(|c| c.credential != asking.credential).copied().collect();
            match turn(places, &others, &asking, present, hour(12)) {
                Turn::Take { .. } => {
                    claims[n].standing = Holds;
                    changed = true;
                }
                Turn::Wait { way, .. } => {
                    for gone in way {
                        displaced += 1;
                        changed = true;
                        let place = claims.iter().position(|c| c.credential == gone.credential).unwrap();
                        claims[place].standing = Waits;
                    }
                }
            }
        }
        if !changed {
            return displaced;
        }
    }
    panic!("they displace each other for ever: {claims:?}");
}

#[test]
fn a_full_lock_in_words() {
    let words = [summary(0, 0, 2), summary(1, 1, 1), summary(120, 120, 0), summary(3, 2, 1)];
    let wanted = [
        "None of this service's codes fits: others have filled the lock. Stays wait, the first to arrive has the next place; delete codes that \
         nobody needs in the vendor's app.",
        "The lock is full with 1 code of this service and whatever others made. One stay waits; delete codes that nobody needs in the vendor's app.",
        "The lock is full with 120 codes of this service and whatever others made. Nobody waits.",
        "2 codes of 3 that fit are there. One stay waits; delete codes that nobody needs in the vendor's app.",
    ];
    assert_eq!(words, wanted);
}

proptest! {
    #[test]
    fn in_the_end_the_first_to_arrive_have_the_places(
        asked in prop::collection::vec((0_i64..60, any::<bool>()), 1..14),
        in_all in 0_u32..8,
        shuffle in any::<u64>(),
    ) {
        let present = hour(12);
        let mut left = in_all;
        let mut claims: Vec<Claim> = Vec::new();
        for (n, (arrives, holds)) in asked.iter().enumerate() {
            let holds = *holds && left > 0;
            left -= u32::from(holds);
            claims.push(claim(n as u128 + 1, *arrives, if holds { Holds } else { Waits }));
        }
        let before = claims.clone();
        let mut order: Vec<usize> = (0..claims.len()).collect();
        order.sort_by_key(|n| (shuffle.rotate_left(*n as u32 * 7), *n));
        let displaced = settle(full(in_all), &mut claims, &order, present);

        let holding = claims.iter().filter(|c| c.standing == Holds).count();
        prop_assert_eq!(holding, (in_all as usize).min(claims.len()), "no place stays empty while somebody waits");
        for waiting in claims.iter().filter(|c| c.standing == Waits) {
            let unjust = claims.iter().find(|c| c.standing == Holds && c.arrives > present && c.arrives > waiting.arrives);
            prop_assert!(unjust.is_none(), "{:?} waits behind {:?}", waiting, unjust);
        }
        for (was, is) in before.iter().zip(&claims) {
            prop_assert!(!(was.standing == Holds && was.arrives <= present && is.standing == Waits), "a guest is put out: {was:?}");
        }
        let waited = before.iter().filter(|c| c.standing == Waits).count();
        prop_assert!(displaced <= waited, "{displaced} gave way to {waited}");
    }
}

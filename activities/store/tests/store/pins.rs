//! The allocator of PINs against a model.

use crate::{
    cluster::TestDb,
    world::{World, fresh, noon},
};
use futures::future::join_all;
use jiff::SignedDuration;
use lock_domain::ids::*;
use lock_store::PinReservation::{Reserved, Taken};
use proptest::{prelude::*, strategy::ValueTree, test_runner::TestRunner};
use std::collections::BTreeMap;

#[derive(Debug, Clone, Copy)]
enum Step {
    Reserve { key: usize, pin: u8 },
    Release { key: usize, hours: i64 },
    Wait { hours: i64 },
}

fn steps() -> impl Strategy<Value = Vec<Step>> {
    let step = prop_oneof![
        3 => (0..4_usize, 0..3_u8).prop_map(|(key, pin)| Step::Reserve { key, pin }),
        2 => (0..4_usize, 0..5_i64).prop_map(|(key, hours)| Step::Release { key, hours }),
        1 => (0..4_i64).prop_map(|hours| Step::Wait { hours }),
    ];
    prop::collection::vec(step, 1..30)
}

#[tokio::test]
async fn no_two_keys_have_a_pin_at_a_time_and_a_used_one_rests() {
    let db = TestDb::new().await;
    let world = World::with_connections(&db, 2).await;
    let mut runner = TestRunner::deterministic();
    for _ in 0..40 {
        let plan = steps().new_tree(&mut runner).unwrap().current();
        let keys: Vec<KeyId> = (0..4).map(|_| fresh!(KeyId)).collect();
        let mut now = noon();
        // Who has a PIN, or until when it rests.
        let mut model: BTreeMap<u8, (usize, Option<jiff::Timestamp>)> = BTreeMap::new();
        let mut tx = world.tx().await;
        for step in &plan {
            match *step {
                Step::Wait { hours } => now += SignedDuration::from_hours(hours),
                Step::Release { key, hours } => {
                    let until = now + SignedDuration::from_hours(hours);
                    tx.release_pins(keys[key], until).await.unwrap();
                    for (holder, rests) in model.values_mut() {
                        if *holder == key && rests.is_none() {
                            *rests = Some(until);
                        }
                    }
                }
                Step::Reserve { key, pin } => {
                    let free = match model.get(&pin) {
                        None => true,
                        Some((holder, None)) => *holder == key,
                        Some((_, Some(until))) => *until <= now,
                    };
                    let got = tx.reserve_pin(world.property, keys[key], &[pin], now).await.unwrap();
                    assert_eq!(got, if free { Reserved } else { Taken }, "{step:?} of {plan:?}");
                    if free {
                        model.insert(pin, (key, None));
                    }
                }
            }
        }
        drop(tx);
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn of_many_keys_that_want_a_pin_one_gets_it() {
    let db = TestDb::new().await;
    let world = World::with_connections(&db, 20).await;
    let wants = (0..50).map(|_| async {
        let mut tx = world.tx().await;
        let got = tx.reserve_pin(world.property, fresh!(KeyId), b"one pin", noon()).await.unwrap();
        tx.commit().await.unwrap();
        got
    });
    let got = join_all(wants).await;
    assert_eq!(got.iter().filter(|g| **g == Reserved).count(), 1);
}

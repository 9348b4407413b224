//! Counts of vendor calls by the property's day, keys and doors, and prices.

use crate::{
    cluster::TestDb,
    world::{World, noon},
};
use jiff::{SignedDuration, Timestamp, civil::date};
use lock_domain::cost::{PriceList, Rates};
use lock_store::CallsAt;
use std::collections::BTreeMap;

fn at(world: &World, at: Timestamp, count: u64) -> CallsAt {
    let (property, vendor) = (world.property, "ttlock".to_owned());
    CallsAt { property, vendor, at, verb: "keyboardPwd/add", outcome: "ok", retry: false, count }
}

fn list(currency: &str) -> PriceList {
    let rates = Rates { per_call: 5, verbs: BTreeMap::new(), per_key_month: 0, per_door_month: 0 };
    PriceList { valid_from: date(2026, 1, 1), currency: currency.to_owned(), rates }
}

/// A row in each of this part's tables.
pub(crate) async fn fill(world: &World) {
    let mut tx = world.tx().await;
    tx.add_calls(&[at(world, noon(), 3)]).await.unwrap();
    tx.set_price("ttlock", &list("EUR"), world.api_key, noon()).await.unwrap();
    tx.commit().await.unwrap();
}

#[tokio::test]
async fn r_lock_18_calls_add_up_by_the_propertys_day() {
    let db = TestDb::new().await;
    let world = World::new(&db).await;
    let mut tx = world.tx().await;
    let zone = tx.property(world.property).await.unwrap().unwrap().zone;
    let midnight = noon().in_tz(&zone).unwrap().start_of_day().unwrap().timestamp();
    let before = midnight - SignedDuration::from_secs(900);
    tx.add_calls(&[at(&world, before, 1), at(&world, midnight, 2), at(&world, noon(), 4)]).await.unwrap();
    tx.add_calls(&[at(&world, noon(), 8)]).await.unwrap();
    let (yesterday, today) = (date(2026, 11, 22), date(2026, 11, 23));
    let calls = tx.calls(yesterday, today, None).await.unwrap();
    let counted: Vec<_> = calls.iter().map(|call| (call.day, call.count)).collect();
    assert_eq!(counted, [(yesterday, 1), (today, 14)]);
    assert_eq!(tx.calls(today, today, Some(&[])).await.unwrap(), []);
    tx.add_calls(&[]).await.unwrap();
}

#[tokio::test]
async fn r_lock_18_doors_count_each_day_and_a_list_of_the_same_day_is_replaced() {
    let db = TestDb::new().await;
    let world = World::new(&db).await;
    let mut tx = world.tx().await;
    let today = Timestamp::now().to_zoned(jiff::tz::TimeZone::UTC).date();
    let later = today.saturating_add(jiff::Span::new().days(2));
    let uses = tx.day_uses(today.saturating_sub(jiff::Span::new().days(9)), later, None).await.unwrap();
    assert!((3..=4).contains(&uses.len()), "from its first day on: {uses:?}");
    assert!(uses.iter().all(|day| day.doors == 3 && day.keys == 0 && day.made == 0), "{uses:?}");
    tx.set_price("ttlock", &list("EUR"), world.api_key, noon()).await.unwrap();
    tx.set_price("ttlock", &list("USD"), world.api_key, noon()).await.unwrap();
    assert_eq!(tx.prices().await.unwrap(), BTreeMap::from([("ttlock".to_owned(), vec![list("USD")])]));
}

//! Counts of vendor calls by the property's day, keys and doors, and prices.

use crate::{
    cluster::TestDb,
    world::{World, noon, window},
};
use jiff::{SignedDuration, Timestamp, civil::date};
use lock_domain::{
    cost::{CallCount, Group, PriceList, Rates},
    credential::CredentialState,
    ids::*,
    policy::StayPolicy,
    stay::Action,
};
use lock_store::{CallsAt, NewProperty, Outcome, OutcomeKind};
use serde_json::json;
use std::collections::BTreeMap;
use uuid::Uuid;

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
    let calls = tx.calls(yesterday, today, None, Group::Day).await.unwrap();
    let counted: Vec<_> = calls.iter().map(|call| (call.day, call.count)).collect();
    assert_eq!(counted, [(yesterday, 1), (today, 14)]);
    assert_eq!(tx.calls(today, today, Some(&[]), Group::Day).await.unwrap(), []);
    tx.add_calls(&[]).await.unwrap();
}

/// A year of calls of every kind at three properties: some 26,000 rows.
#[tokio::test]
async fn r_lock_18_of_a_years_calls_the_record_hands_out_sums() {
    const DAYS: u64 = 365;
    let db = TestDb::new().await;
    let world = World::new(&db).await;
    let (first, last) = (date(2025, 11, 24), date(2026, 11, 23));
    let mut properties = vec![world.property];
    let mut tx = world.tx().await;
    for name in ["Second", "Third"] {
        let id = PropertyId::from_uuid(Uuid::new_v4());
        tx.create_property(&NewProperty {
            id,
            name: name.to_owned(),
            zone: "Europe/Lisbon".to_owned(),
            live: false,
            clock_hook_url: None,
            policy: StayPolicy::default(),
            vendor: "ttlock".to_owned(),
            vendor_config: json!({}),
            vendor_sealed: None,
        })
        .await
        .unwrap();
        properties.push(id);
    }
    tx.commit().await.unwrap();
    let ids: Vec<_> = properties.iter().map(|id| id.as_uuid()).collect();
    let rows = sqlx::query(
        "INSERT INTO vendor_calls_daily (tenant_id, property_id, vendor, day, verb, outcome, is_retry, calls)
         SELECT $1, p, 'ttlock', d::date, v, o, r, 10 FROM unnest($2::uuid[]) p, generate_series($3::date, $4::date, interval '1 day') d,
                unnest(ARRAY['keyboardPwd/add', 'keyboardPwd/delete', 'oauth2/token']) v,
                unnest(ARRAY['ok', 'retryable', 'permanent', 'unconfirmed']) o, unnest(ARRAY[true, false]) r",
    )
    .bind(world.tenant.as_uuid())
    .bind(&ids)
    .bind(first.to_string())
    .bind(last.to_string())
    .execute(&mut db.superuser().await)
    .await
    .unwrap()
    .rows_affected();
    assert_eq!(rows, 3 * DAYS * 3 * 8);
    let mut tx = world.tx().await;
    let none = tx.calls(first, last, None, Group::Vendor).await.unwrap();
    assert_eq!(none.len(), 3, "a row for each verb");
    let mut later = list("USD");
    later.valid_from = date(2026, 6, 1);
    for list in [list("EUR"), later] {
        tx.set_price("ttlock", &list, world.api_key, noon()).await.unwrap();
    }
    // Before the first list, with it, with the second one.
    for (by, most) in [(Group::Vendor, 3 * 3), (Group::Property, 3 * 3 * 3), (Group::Day, 3 * 3 * 365)] {
        let calls = tx.calls(first, last, None, by).await.unwrap();
        assert_eq!(calls.len(), most, "{by:?}");
        let sum = |pick: fn(&CallCount) -> u64| calls.iter().map(pick).sum::<u64>();
        let all = rows * 10;
        assert_eq!((sum(|c| c.count), sum(|c| c.failed), sum(|c| c.retries)), (all, all / 4 * 3, all / 2), "{by:?}");
        assert!(calls.iter().all(|call| call.property.is_none() == (by == Group::Vendor)), "{by:?}");
    }
    let vendor = tx.calls(first, last, None, Group::Vendor).await.unwrap();
    let mut days: Vec<_> = vendor.iter().map(|call| call.day).collect();
    days.dedup();
    days.sort();
    days.dedup();
    assert_eq!(days, [first, date(2026, 1, 1), date(2026, 6, 1)], "each sum is of one list's days");
    let one = tx.calls(first, last, Some(&properties[..1]), Group::Vendor).await.unwrap();
    assert_eq!(one.iter().map(|call| call.count).sum::<u64>(), rows * 10 / 3);
}

#[tokio::test]
async fn r_lock_18_doors_count_each_day_and_a_list_of_the_same_day_is_replaced() {
    let db = TestDb::new().await;
    let world = World::new(&db).await;
    let mut tx = world.tx().await;
    let today = Timestamp::now().to_zoned(jiff::tz::TimeZone::UTC).date();
    let later = today.saturating_add(jiff::Span::new().days(2));
    let uses = tx.day_uses(today.saturating_sub(jiff::Span::new().days(9)), later, None).await.unwrap();
    assert!((1..=2).contains(&uses.len()), "from its first day on, until today: {uses:?}");
    let to_come = tx.day_uses(today.saturating_add(jiff::Span::new().days(1)), later, None).await.unwrap();
    assert!(to_come.len() <= 1 && to_come.iter().all(|day| day.day < later), "{to_come:?}");
    assert!(uses.iter().all(|day| day.doors == 3 && day.keys == 0 && day.made == 0), "{uses:?}");
    tx.set_price("ttlock", &list("EUR"), world.api_key, noon()).await.unwrap();
    tx.set_price("ttlock", &list("USD"), world.api_key, noon()).await.unwrap();
    assert_eq!(tx.prices().await.unwrap(), BTreeMap::from([("ttlock".to_owned(), vec![list("USD")])]));
}

/// A hotel that has been there since January, in a zone.
async fn old_hotel(db: &TestDb, world: &World, zone: &str) {
    sqlx::query("UPDATE properties SET created_at = '2026-01-01', zone = $2 WHERE tenant_id = $1")
        .bind(world.tenant.as_uuid())
        .bind(zone)
        .execute(&mut db.superuser().await)
        .await
        .unwrap();
}

/// A key's credential in a door is proven to be there, or gone.
async fn proven(world: &World, (stay, key, door): (StayId, KeyId, usize), kind: OutcomeKind, at: &str) {
    let (door, at) = (world.doors[door], at.parse().unwrap());
    let credential = CredentialId::of(key, door);
    let (action, going, state) = match kind {
        OutcomeKind::Gone => (Action::Revoke, CredentialState::Revoking, CredentialState::Gone),
        _ => (Action::Issue { window: window(0, 24) }, CredentialState::Issuing, CredentialState::Live),
    };
    let mut tx = world.tx().await;
    tx.effect_target(credential, key, door, stay, 1, at).await.unwrap();
    let attempt = tx.record_intent(credential, &action, going, 1, at).await.unwrap();
    let (requested, effective) = (Some(window(0, 24)), Some(window(0, 24)));
    let (vendor_ref, code, still_valid_until, unresolved_since, detail) = (Some("1"), None, None, None, None);
    tx.record_outcome(&Outcome {
        attempt,
        credential,
        kind,
        state,
        vendor_ref,
        requested,
        effective,
        code,
        still_valid_until,
        unresolved_since,
        detail,
        at,
    })
    .await
    .unwrap();
    tx.commit().await.unwrap();
}

/// From one February day to another: the day, the keys that stood on it, and those made on it.
async fn february(world: &World, from: i8, to: i8) -> Vec<(i8, u64, u64)> {
    let on = |day| date(2026, 2, day);
    let uses = world.tx().await.day_uses(on(from), on(to), None).await.unwrap();
    uses.iter().map(|day| (day.day.day(), day.keys, day.made)).collect()
}

#[tokio::test]
async fn r_lock_18_a_key_counts_once_from_its_first_door_until_its_last() {
    use OutcomeKind::{Gone, Live};
    let db = TestDb::new().await;
    let world = World::new(&db).await;
    old_hotel(&db, &world, "Europe/Lisbon").await;
    let stay = world.stay("R-1").await;
    let (two_doors, same_day, moved) = (world.key(stay).await, world.key(stay).await, world.key(stay).await);
    for (key, door, kind, at) in [
        (two_doors, 0, Live, "2026-02-10T22:00:00Z"),
        (two_doors, 2, Live, "2026-02-11T01:00:00Z"),
        (two_doors, 0, Gone, "2026-02-12T08:00:00Z"),
        (two_doors, 2, Gone, "2026-02-13T08:00:00Z"),
        (same_day, 1, Live, "2026-02-11T10:00:00Z"),
        (same_day, 1, Gone, "2026-02-11T12:00:00Z"),
        (moved, 0, Live, "2026-02-14T10:00:00Z"),
        (moved, 1, Live, "2026-02-15T10:00:00Z"),
        (moved, 0, Gone, "2026-02-15T10:01:00Z"),
    ] {
        proven(&world, (stay, key, door), kind, at).await;
    }
    let all = [(9, 0, 0), (10, 1, 1), (11, 2, 1), (12, 1, 0), (13, 1, 0), (14, 1, 1), (15, 1, 0), (16, 1, 0)];
    assert_eq!(february(&world, 9, 16).await, all);
    // Whatever days are asked for, each says the same.
    for from in 9..=16 {
        for to in from..=16 {
            let (first, last) = (usize::try_from(from - 9).unwrap(), usize::try_from(to - 9).unwrap());
            assert_eq!(february(&world, from, to).await, all[first..=last], "{from} to {to}");
        }
    }
}

#[tokio::test]
async fn r_lock_18_a_keys_days_are_those_of_the_propertys_zone_and_its_beginning_is_that_of_all_doors() {
    use OutcomeKind::{Gone, Live};
    let db = TestDb::new().await;
    let world = World::new(&db).await;
    old_hotel(&db, &world, "Pacific/Auckland").await;
    let stay = world.stay("R-1").await;
    let (day, long) = (world.key(stay).await, world.key(stay).await);
    // Thirteen hours ahead: from half past midnight until half an hour before the next.
    proven(&world, (stay, day, 0), Live, "2026-02-10T11:30:00Z").await;
    proven(&world, (stay, day, 0), Gone, "2026-02-11T10:30:00Z").await;
    // Its first door is long gone when the second one begins.
    proven(&world, (stay, long, 0), Live, "2026-02-01T00:00:00Z").await;
    proven(&world, (stay, long, 0), Gone, "2026-02-02T00:00:00Z").await;
    proven(&world, (stay, long, 1), Live, "2026-02-10T12:00:00Z").await;
    assert_eq!(february(&world, 10, 12).await, [(10, 1, 0), (11, 2, 1), (12, 1, 0)]);
    // It stands for good, and costs nothing before the days come.
    let today = Timestamp::now().in_tz("Pacific/Auckland").unwrap().date();
    let uses = world.tx().await.day_uses(today, date(today.year() + 1, 12, 31), None).await.unwrap();
    assert!((1..=2).contains(&uses.len()) && uses.iter().all(|day| day.keys == 1 && day.doors == 3), "{uses:?}");
}

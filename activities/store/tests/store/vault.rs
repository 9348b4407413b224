//! Rotations, sealed columns and the record of accesses.

use crate::{
    cluster::TestDb,
    world::{World, noon},
};
use jiff::SignedDuration;
use lock_domain::{
    ids::RotationId,
    vault::{Oddity, RotationWish},
};
use lock_store::{AccessOutcome, NewAccess, Resealed, RotationState, SealedColumn};
use sqlx::Row;
use std::collections::BTreeSet;
use uuid::Uuid;

const BOTH: RotationWish = RotationWish { root_keys: true, data_keys: true };

fn access(who: &str) -> NewAccess<'_> {
    NewAccess {
        at: noon(),
        who,
        purpose: "effects",
        place: "keys.pin_sealed",
        row: Uuid::from_u128(1),
        outcome: AccessOutcome::Opened,
        times: 3,
        oddity: None,
    }
}

/// A row in each table.
pub(crate) async fn fill(world: &World) {
    let mut tx = world.tx().await;
    let id = RotationId::from_uuid(Uuid::new_v4());
    assert!(tx.accept_rotation(id, BOTH, world.api_key, noon()).await.unwrap());
    tx.record_accesses(&[access("process/w")]).await.unwrap();
    tx.commit().await.unwrap();
}

#[tokio::test]
async fn r_lock_03_every_sealed_column_is_rotated() {
    let db = TestDb::new().await;
    let sql = "SELECT c.relname::text AS t, a.attname::text AS c FROM pg_attribute a JOIN pg_class c ON c.oid = a.attrelid
               WHERE c.relnamespace = 'public'::regnamespace AND c.relkind = 'r' AND a.atttypid = 'bytea'::regtype AND a.attname LIKE '%sealed'
               AND a.attnum > 0 AND NOT a.attisdropped";
    let rows = sqlx::query(sql).fetch_all(&mut db.superuser().await).await.unwrap();
    let found: BTreeSet<(String, String)> = rows.iter().map(|row| (row.get("t"), row.get("c"))).collect();
    let known = SealedColumn::ALL.iter().map(|column| (column.table().to_owned(), column.column().to_owned()));
    assert_eq!(found, known.collect());
}

#[tokio::test]
async fn a_tenant_has_one_rotation_at_a_time() {
    let db = TestDb::new().await;
    let world = World::new(&db).await;
    let (first, second) = (RotationId::from_uuid(Uuid::new_v4()), RotationId::from_uuid(Uuid::new_v4()));
    let mut tx = world.tx().await;
    assert!(tx.accept_rotation(first, BOTH, world.api_key, noon()).await.unwrap());
    assert!(!tx.accept_rotation(second, BOTH, world.api_key, noon()).await.unwrap());
    let later = noon() + SignedDuration::from_secs(1);
    assert_eq!(tx.undelivered_rotation(noon()).await.unwrap(), None);
    assert_eq!(tx.undelivered_rotation(later).await.unwrap(), Some(first));
    tx.mark_rotation_delivered(first, later).await.unwrap();
    assert_eq!(tx.undelivered_rotation(later).await.unwrap(), None);
    tx.begin_rotation(first, Some(2), Some(3), later).await.unwrap();
    tx.begin_rotation(first, Some(9), None, later).await.unwrap();
    tx.count_rotation(first, 2, 0).await.unwrap();
    tx.count_rotation(first, 0, 50).await.unwrap();
    let row = tx.rotation_for_update(first).await.unwrap().unwrap();
    assert_eq!((row.state, row.rows_version, row.histories_version), (RotationState::Running, Some(2), Some(3)));
    assert_eq!((row.rewrapped, row.resealed, row.left_behind), (2, 50, None));
    tx.finish_rotation(first, 1, later).await.unwrap();
    tx.count_rotation(first, 0, 50).await.unwrap();
    let row = tx.rotation(first).await.unwrap().unwrap();
    assert_eq!((row.state, row.resealed, row.left_behind), (RotationState::Done, 50, Some(1)));
    assert!(tx.accept_rotation(second, BOTH, world.api_key, noon()).await.unwrap());
    tx.commit().await.unwrap();
}

#[tokio::test]
async fn sealed_values_are_walked_in_order_and_replaced_once() {
    let db = TestDb::new().await;
    let world = World::new(&db).await;
    let stay = world.stay("R-1").await;
    world.key(stay).await;
    let mut tx = world.tx().await;
    // Whatever the test world seals with has some version in these bytes; every one is below the highest.
    let all = tx.sealed_before(SealedColumn::Pins, u32::MAX, (None, None), 10).await.unwrap();
    let count = tx.count_sealed_before(SealedColumn::Pins, u32::MAX).await.unwrap();
    assert_eq!((all.len() as u64, all.is_empty()), (count, false));
    assert!(
        tx.sealed_before(SealedColumn::Pins, u32::MAX, (Some(all[0].row), None), 10).await.unwrap().len() < all.len()
    );
    // By ranges of so many rows, each of which ends where the next begins.
    let (mut after, mut walked) = (None, Vec::new());
    loop {
        let until = tx.sealed_bound(SealedColumn::Pins, after, 1).await.unwrap();
        walked.extend(tx.sealed_before(SealedColumn::Pins, u32::MAX, (after, until), 10).await.unwrap());
        match until {
            Some(_) => after = until,
            None => break,
        }
    }
    assert_eq!(walked, all);
    assert_eq!(tx.sealed_bound(SealedColumn::Pins, None, 1_000_000).await.unwrap(), None);
    let mut new = vec![0xB7, 1, 1];
    new.extend(7_u32.to_be_bytes());
    new.extend([0; 80]);
    let list = [Resealed { row: all[0].row, old: all[0].sealed.clone(), new: new.clone() }];
    assert_eq!(tx.replace_sealed(SealedColumn::Pins, &list).await.unwrap(), 1);
    assert_eq!(tx.replace_sealed(SealedColumn::Pins, &list).await.unwrap(), 0, "it is not the old one any more");
    assert_eq!(tx.count_sealed_before(SealedColumn::Pins, 7).await.unwrap(), count - 1);
    assert_eq!(tx.count_sealed_before(SealedColumn::Pins, 8).await.unwrap(), count);
    for column in SealedColumn::ALL {
        tx.sealed_before(*column, 1, (None, None), 1).await.unwrap();
        tx.count_sealed_before(*column, 1).await.unwrap();
        tx.replace_sealed(*column, &list).await.unwrap();
    }
    tx.commit().await.unwrap();
}

#[tokio::test]
async fn data_keys_are_rewrapped_once_and_retired() {
    let db = TestDb::new().await;
    let world = World::new(&db).await;
    let mut tx = world.tx().await;
    for version in [1, 2] {
        tx.insert_wrapped_key("rows", version, b"old", "root/1", noon()).await.unwrap();
    }
    assert!(tx.rewrap_key("rows", 1, b"old", b"new", "root/2", noon()).await.unwrap());
    assert!(!tx.rewrap_key("rows", 1, b"old", b"newer", "root/3", noon()).await.unwrap());
    assert_eq!(
        (tx.retire_keys_before("rows", 2).await.unwrap(), tx.retire_keys_before("rows", 2).await.unwrap()),
        (1, 0)
    );
    let keys = tx.wrapped_keys("rows").await.unwrap();
    let seen: Vec<_> = keys.iter().map(|key| (key.version, &key.root[..], &key.wrapped[..])).collect();
    assert_eq!(seen, [(2, "root/1", &b"old"[..]), (1, "root/2", b"new")]);
    tx.commit().await.unwrap();
}

#[tokio::test]
async fn accesses_tell_of_an_accessors_past() {
    let db = TestDb::new().await;
    let world = World::new(&db).await;
    let mut tx = world.tx().await;
    tx.record_accesses(&[]).await.unwrap();
    let earlier = noon() - SignedDuration::from_hours(30);
    let odd = NewAccess { oddity: Some(Oddity::Burst), ..access("ak_1") };
    tx.record_accesses(&[NewAccess { at: earlier, ..access("process/w") }, access("ak_1"), odd]).await.unwrap();
    let past = tx.access_past("ak_1", noon(), |_| 12).await.unwrap();
    assert_eq!((past.tenant_since, past.hours[12], past.lately), (Some(earlier), 2, 2));
    assert_eq!(past.told, [Oddity::Burst]);
    let past = tx.access_past("process/other", noon(), |_| 12).await.unwrap();
    assert_eq!((past.tenant_since, past.hours[12]), (Some(earlier), 0));
    let rows = tx.accesses_since(noon(), 10).await.unwrap();
    assert_eq!((rows.len(), rows[0].times, &rows[0].outcome[..]), (2, 3, "opened"));
    tx.commit().await.unwrap();
}

//! Vendors' streams: claimed by one, kept by him, and lost to the next.

use crate::{
    cluster::TestDb,
    world::{World, noon},
};
use futures::future::join_all;
use jiff::{SignedDuration, Timestamp};
use lock_store::ClaimedStream;
use serde_json::json;

fn at(seconds: i64) -> Timestamp {
    noon() + SignedDuration::from_secs(seconds)
}

async fn claim(world: &World, vendors: &[&str], now: Timestamp) -> Vec<ClaimedStream> {
    let mut tx = world.tx().await;
    tx.enter_streams(vendors, now).await.unwrap();
    let claimed = tx.claim_streams(now, now + SignedDuration::from_secs(60), 10).await.unwrap();
    tx.commit().await.unwrap();
    claimed
}

async fn heard(world: &World, stream: &ClaimedStream, passed: i64) -> bool {
    let mut tx = world.tx().await;
    let ours = tx.note_heard(stream, Some(at(passed)), at(0)).await.unwrap();
    tx.commit().await.unwrap();
    ours
}

/// A stream that is listened to.
pub(crate) async fn fill(world: &World) {
    assert_eq!(claim(world, &["ttlock"], noon()).await.len(), 1);
}

#[tokio::test]
async fn of_many_workers_one_listens() {
    let db = TestDb::new().await;
    let world = World::with_connections(&db, 10).await;
    let claims = join_all((0..10).map(|_| claim(&world, &["ttlock"], noon()))).await;
    let claimed: Vec<_> = claims.into_iter().flatten().collect();
    assert_eq!(claimed.len(), 1, "{claimed:?}");
    assert_eq!((claimed[0].property, claimed[0].epoch, claimed[0].passed_at), (world.property, 1, None));
    assert!(claim(&world, &["salto_ks"], noon()).await.is_empty(), "no doors there");
}

#[tokio::test]
async fn who_has_lost_a_stream_stores_nothing_any_more() {
    let db = TestDb::new().await;
    let world = World::new(&db).await;
    let first = claim(&world, &["ttlock"], at(0)).await.remove(0);
    assert!(heard(&world, &first, 50).await && heard(&world, &first, 20).await);
    assert!(claim(&world, &["ttlock"], at(59)).await.is_empty(), "its lease is not over");
    let mut tx = world.tx().await;
    assert_eq!(tx.keep_stream(&first, at(100)).await.unwrap(), Some(first.config_version));
    tx.commit().await.unwrap();
    assert!(claim(&world, &["ttlock"], at(60)).await.is_empty(), "it was renewed");

    let second = claim(&world, &["ttlock"], at(100)).await.remove(0);
    assert_eq!((second.epoch, second.passed_at), (2, Some(at(50))), "never back");
    assert!(!heard(&world, &first, 70).await && heard(&world, &second, 60).await);
    let mut tx = world.tx().await;
    assert_eq!(tx.keep_stream(&first, at(500)).await.unwrap(), None);
    tx.release_stream(&first, at(0), Some("late")).await.unwrap();
    tx.commit().await.unwrap();
    assert!(claim(&world, &["ttlock"], at(110)).await.is_empty(), "the first one gives nothing back");

    let mut tx = world.tx().await;
    tx.release_stream(&second, at(200), Some("vendor_access")).await.unwrap();
    tx.commit().await.unwrap();
    assert!(claim(&world, &["ttlock"], at(199)).await.is_empty());
    let mut tx = world.tx().await;
    let row = tx.streams(world.property).await.unwrap().remove(0);
    assert_eq!((row.trouble.as_deref(), row.leased_until), (Some("vendor_access"), None));
    drop(tx);
    let third = claim(&world, &["ttlock"], at(200)).await.remove(0);
    assert_eq!((third.failures, third.passed_at), (1, Some(at(60))));
    assert!(heard(&world, &third, 0).await);
    let mut tx = world.tx().await;
    assert_eq!(tx.streams(world.property).await.unwrap()[0].trouble, None, "what is heard ends a trouble");
}

#[tokio::test]
async fn other_settings_are_noticed_and_a_vendor_that_was_left_has_no_listener() {
    let db = TestDb::new().await;
    let world = World::new(&db).await;
    let stream = claim(&world, &["ttlock"], at(0)).await.remove(0);
    let mut tx = world.tx().await;
    let version = tx.set_vendor_config(world.property, &json!({ "base_url": "x" })).await.unwrap();
    assert_eq!(tx.keep_stream(&stream, at(100)).await.unwrap(), Some(version));
    assert!(version > stream.config_version);
    tx.set_vendor(world.property, "salto_ks", &json!({}), None).await.unwrap();
    assert_eq!(tx.keep_stream(&stream, at(100)).await.unwrap(), None);
    tx.commit().await.unwrap();
    assert!(claim(&world, &["ttlock"], at(300)).await.is_empty());
}

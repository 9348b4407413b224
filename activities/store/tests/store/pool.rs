//! Connections are used by one tenant after the other, and nothing stays behind.

use crate::{
    cluster::TestDb,
    world::{World, fresh, noon},
};
use futures::{StreamExt, stream};
use lock_domain::{event::Event, ids::*, stay::StayPhase};

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn interleaved_tenants_on_two_connections_see_their_own() {
    let db = TestDb::new().await;
    let store = db.store(2).await;
    let mut worlds = Vec::new();
    for _ in 0..5 {
        worlds.push(World::enter(&db, store.clone()).await);
    }
    let worlds = &worlds;
    stream::iter(0..1000_usize)
        .for_each_concurrent(20, |n| async move {
            let world = &worlds[n % worlds.len()];
            let mut tx = world.tx().await;
            let properties = tx.properties(None, 10).await.unwrap();
            assert_eq!(properties.iter().map(|p| p.id).collect::<Vec<_>>(), [world.property]);
            let foreign = &worlds[(n + 1) % worlds.len()];
            assert_eq!(tx.property(foreign.property).await.unwrap(), None);
            match n % 3 {
                0 => tx.commit().await.unwrap(),
                1 => drop(tx),
                // A transaction that failed is rolled back, and its connection goes on.
                _ => assert!(
                    tx.create_room(&lock_store::Room {
                        id: fresh!(RoomId),
                        property: foreign.property,
                        number: "666".into()
                    })
                    .await
                    .is_err()
                ),
            }
        })
        .await;
}

#[tokio::test]
async fn dropping_rolls_back() {
    let db = TestDb::new().await;
    let world = World::with_connections(&db, 1).await;
    let stay = world.stay("R-1").await;
    let mut tx = world.tx().await;
    let event = Event::PhaseChanged { phase: StayPhase::Active, cause: None };
    assert_eq!(tx.append(noon(), world.property, Some(stay), &[event]).await.unwrap(), [0]);
    drop(tx);
    assert_eq!(world.tx().await.audit_head().await.unwrap().size, 0);
}

#[tokio::test]
async fn a_lost_connection_is_worth_another_try() {
    let db = TestDb::new().await;
    let world = World::with_connections(&db, 1).await;
    let mut tx = world.tx().await;
    let mut superuser = db.superuser().await;
    let sql = "SELECT count(pg_terminate_backend(pid)) FROM pg_stat_activity
               WHERE datname = current_database() AND usename = 'lock_app_rw'";
    let killed: i64 = sqlx::query_scalar(sql).fetch_one(&mut superuser).await.unwrap();
    assert_eq!(killed, 1);
    let error = tx.audit_head().await.unwrap_err();
    assert!(error.is_retryable(), "{error:?}");
    drop(tx);
    assert_eq!(world.tx().await.audit_head().await.unwrap().size, 0);
}

#[test]
fn futures_can_be_spawned() {
    fn spawnable(_: &(impl Future + Send)) {}
    let password = "x".to_owned().into();
    let tenant = fresh!(TenantId);
    spawnable(&lock_store::migrate("", &password));
    spawnable(&lock_store::create_tenant("", tenant, ""));
    spawnable(&lock_store::Store::connect("", 1));
}

//! Idempotency keys: every state, and the race of two equal requests.

use crate::{
    cluster::TestDb,
    world::{World, fresh, noon},
};
use futures::future::join_all;
use jiff::SignedDuration;
use lock_domain::ids::ApiKeyId;
use lock_store::{Begun, IdempotencyScope, NewApiKey, TenantTx};
use serde_json::json;

const BODY: [u8; 32] = [1; 32];
const OTHER: [u8; 32] = [2; 32];

#[tokio::test]
async fn states() {
    let db = TestDb::new().await;
    let world = World::new(&db).await;
    let scope = IdempotencyScope { client: world.api_key, route: "POST /stays", key: "k-1" };
    let later = |seconds| noon() + SignedDuration::from_secs(seconds);
    let mut tx = world.tx().await;
    assert_eq!(tx.idempotency_begin(scope, &BODY, noon()).await.unwrap(), Begun::Fresh);
    assert_eq!(tx.idempotency_begin(scope, &BODY, later(59)).await.unwrap(), Begun::InProgress);
    assert_eq!(tx.idempotency_begin(scope, &OTHER, later(59)).await.unwrap(), Begun::OtherBody);
    // A dead request's place is taken, but only by the same request.
    assert_eq!(tx.idempotency_begin(scope, &OTHER, later(60)).await.unwrap(), Begun::OtherBody);
    assert_eq!(tx.idempotency_begin(scope, &BODY, later(60)).await.unwrap(), Begun::Fresh);
    assert_eq!(tx.idempotency_begin(scope, &BODY, later(61)).await.unwrap(), Begun::InProgress);

    tx.idempotency_finish(scope, 202, &json!({"id": "op_1"})).await.unwrap();
    let replay = Begun::Replay { status: 202, body: json!({"id": "op_1"}) };
    assert_eq!(tx.idempotency_begin(scope, &BODY, later(3600)).await.unwrap(), replay);
    assert_eq!(tx.idempotency_begin(scope, &OTHER, later(3600)).await.unwrap(), Begun::OtherBody);

    // Another route or another client is another request.
    let elsewhere = IdempotencyScope { route: "DELETE /stays", ..scope };
    assert_eq!(tx.idempotency_begin(elsewhere, &OTHER, noon()).await.unwrap(), Begun::Fresh);
    let id = fresh!(ApiKeyId);
    let new =
        NewApiKey { id, name: "PMS".into(), role: "pms".into(), scopes: vec![], properties: None, expires_at: None };
    tx.mint_api_key(new, noon()).await.unwrap();
    let theirs = IdempotencyScope { client: id, ..scope };
    assert_eq!(tx.idempotency_begin(theirs, &OTHER, noon()).await.unwrap(), Begun::Fresh);

    // After a week the key is free for any request.
    let week = noon() + TenantTx::IDEMPOTENCY_KEPT + SignedDuration::from_secs(60);
    assert_eq!(tx.idempotency_begin(scope, &OTHER, week).await.unwrap(), Begun::Fresh);
    assert_eq!(tx.idempotency_sweep(week, 100).await.unwrap(), 2);
    tx.commit().await.unwrap();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn equal_requests_at_once_have_one_effect_and_one_answer() {
    let db = TestDb::new().await;
    let world = World::with_connections(&db, 20).await;
    let requests = (0..30).map(|n| {
        let world = &world;
        async move {
            let scope = IdempotencyScope { client: world.api_key, route: "POST /stays", key: "k" };
            let mut tx = world.tx().await;
            match tx.idempotency_begin(scope, &BODY, noon()).await.unwrap() {
                Begun::Fresh => {
                    tx.idempotency_finish(scope, 202, &json!(n)).await.unwrap();
                    tx.commit().await.unwrap();
                    (1, json!(n))
                }
                Begun::Replay { body, .. } => (0, body),
                other => panic!("{other:?}"),
            }
        }
    });
    let answers = join_all(requests).await;
    assert_eq!(answers.iter().map(|a| a.0).sum::<i32>(), 1);
    assert!(answers.iter().all(|a| a.1 == answers[0].1));
}

//! API keys.

use crate::{
    cluster::TestDb,
    world::{World, fresh, noon},
};
use jiff::SignedDuration;
use lock_domain::ids::*;
use lock_store::{NewApiKey, StoreError};
use secrecy::ExposeSecret;

#[tokio::test]
async fn a_token_opens_until_it_expires_or_is_revoked() {
    let db = TestDb::new().await;
    let world = World::new(&db).await;
    let token = world.token.expose_secret();
    let later = |seconds| noon() + SignedDuration::from_secs(seconds);

    let key = world.store.authenticate(token, noon()).await.unwrap().unwrap();
    assert_eq!((key.tenant, key.id, key.last_used_at), (world.tenant, world.api_key, None));
    assert!(key.has_scope("stays:write") && !key.has_scope("stays:read"));
    assert!(key.may_touch(world.property) && !key.may_touch(fresh!(PropertyId)));
    // The use is noted once a minute.
    for (seconds, noted) in [(59, noon()), (60, noon()), (61, later(60))] {
        let key = world.store.authenticate(token, later(seconds)).await.unwrap().unwrap();
        assert_eq!(key.last_used_at, Some(noted), "after {seconds} s");
    }

    let mut tx = world.tx().await;
    let new = NewApiKey {
        id: fresh!(ApiKeyId),
        name: "Trial".into(),
        role: "pms".into(),
        scopes: vec![],
        properties: None,
        expires_at: Some(later(10)),
    };
    let (short, short_token) = tx.mint_api_key(new, noon()).await.unwrap();
    tx.commit().await.unwrap();
    assert!(short.may_touch(fresh!(PropertyId)));
    let short_token = short_token.expose_secret();
    assert!(world.store.authenticate(short_token, later(9)).await.unwrap().is_some());
    assert!(world.store.authenticate(short_token, later(10)).await.unwrap().is_none());

    let mut tx = world.tx().await;
    tx.revoke_api_key(world.api_key, later(100)).await.unwrap();
    tx.revoke_api_key(world.api_key, later(200)).await.unwrap();
    assert_eq!(tx.api_key(world.api_key).await.unwrap().unwrap().revoked_at, Some(later(100)));
    assert!(matches!(tx.revoke_api_key(fresh!(ApiKeyId), noon()).await, Err(StoreError::NotFound(_))));
    tx.commit().await.unwrap();
    assert!(world.store.authenticate(token, later(101)).await.unwrap().is_none());
}

#[tokio::test]
async fn foreign_and_mistyped_tokens_open_nothing() {
    let db = TestDb::new().await;
    let world = World::new(&db).await;
    let elsewhere = TestDb::new().await;
    let other = World::new(&elsewhere).await;
    for token in ["", "lis_", "Bearer", other.token.expose_secret(), &world.token.expose_secret()[1..]] {
        assert!(world.store.authenticate(token, noon()).await.unwrap().is_none());
    }
    let mut superuser = db.superuser().await;
    let sql = "SELECT count(*) FROM api_keys k WHERE to_jsonb(k)::text LIKE '%' || $1 || '%'";
    let secret = &world.token.expose_secret()[70..113];
    let stored: i64 = sqlx::query_scalar(sql).bind(secret).fetch_one(&mut superuser).await.unwrap();
    assert_eq!(stored, 0);
}

//! Keys: wishes, and a PIN that is shown once. Wrapped data keys.

use crate::{
    cluster::TestDb,
    world::{World, fresh, noon},
};
use lock_domain::{ids::*, stay::Wish};
use lock_store::{Reveal, StoreError, TenantKeyState};

#[tokio::test]
async fn a_pin_is_shown_once() {
    let db = TestDb::new().await;
    let world = World::new(&db).await;
    let stay = world.stay("R-1").await;
    let key = world.key(stay).await;
    let sealed = b"sealed".to_vec();
    let mut tx = world.tx().await;
    assert_eq!(tx.reveal(key, world.api_key, "k", noon()).await.unwrap(), Reveal::Fresh(sealed.clone()));
    assert_eq!(tx.reveal(key, world.api_key, "k", noon()).await.unwrap(), Reveal::Same(sealed));
    assert_eq!(tx.reveal(key, world.api_key, "other", noon()).await.unwrap(), Reveal::Already);
    assert_eq!(tx.reveal(key, fresh!(ApiKeyId), "k", noon()).await.unwrap(), Reveal::Already);
    assert!(matches!(tx.reveal(fresh!(KeyId), world.api_key, "k", noon()).await, Err(StoreError::NotFound("key"))));
    let row = tx.keys_of(stay).await.unwrap().remove(0);
    assert_eq!((row.revealed_at, row.revealed_by), (Some(noon()), Some(world.api_key)));
}

#[tokio::test]
async fn wishes() {
    let db = TestDb::new().await;
    let world = World::new(&db).await;
    let stay = world.stay("R-1").await;
    let (old, new) = (world.key(stay).await, world.key(stay).await);
    let mut tx = world.tx().await;
    for (wish, successor) in
        [(Wish::Until(new), Some(new)), (Wish::Unwanted, Some(new)), (Wish::Wanted, None), (Wish::Unwanted, None)]
    {
        tx.set_wish(old, wish).await.unwrap();
        let row = tx.keys_of(stay).await.unwrap().into_iter().find(|k| k.id == old).unwrap();
        assert_eq!((row.wish, row.superseded_by), (wish, successor));
    }
    assert!(matches!(tx.set_wish(fresh!(KeyId), Wish::Unwanted).await, Err(StoreError::NotFound("key"))));
}

#[tokio::test]
async fn the_first_wrapped_key_of_a_version_stays() {
    let db = TestDb::new().await;
    let world = World::new(&db).await;
    let mut tx = world.tx().await;
    assert!(tx.insert_wrapped_key("pins", 1, b"first", "root", noon()).await.unwrap());
    assert!(!tx.insert_wrapped_key("pins", 1, b"second", "root", noon()).await.unwrap());
    assert!(tx.insert_wrapped_key("pins", 2, b"third", "root", noon()).await.unwrap());
    assert!(tx.insert_wrapped_key("histories", 1, b"fourth", "root", noon()).await.unwrap());
    let keys = tx.wrapped_keys("pins").await.unwrap();
    let found: Vec<_> = keys.iter().map(|k| (k.version, k.wrapped.as_slice(), k.state)).collect();
    assert_eq!(
        found,
        [(2, b"third".as_slice(), TenantKeyState::Active), (1, b"first".as_slice(), TenantKeyState::Active)]
    );
}

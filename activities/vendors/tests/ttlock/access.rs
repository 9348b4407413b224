//! Logins, tokens and limits.

use std::sync::Arc;

use lock_sim::ttlock::{FaultKind, FaultOrder, PolicyPatch, TokenExpiry};
use lock_vendors::error::{Condition, EffectOutcome};
use lock_vendors::meter::NoMeter;
use lock_vendors::registry::{AdapterKey, RegistryError, VendorRegistry};
use serde_json::json;

use super::support::{PIN, Pins, Rig, call, config, key, spec, token};

fn logins(rig: &Rig) -> u64 {
    rig.sim().stats().calls.get("oauth2/token").copied().unwrap_or(0)
}

async fn many_reads(rig: &Rig) {
    let mut tasks = tokio::task::JoinSet::new();
    for n in 0..20 {
        let (vendor, lock) = (Arc::clone(&rig.vendor), rig.lock());
        tasks.spawn(async move { vendor.find(&call(), std::slice::from_ref(&lock), &token(n)).await });
    }
    while let Some(result) = tasks.join_next().await {
        assert_eq!(result.unwrap().unwrap(), None);
    }
}

#[tokio::test]
async fn many_calls_share_one_login_and_one_renewal() {
    let rig = Rig::new(1).await;
    many_reads(&rig).await;
    assert_eq!(logins(&rig), 1);
    for (expiry, asked) in [(TokenExpiry::Access, 2), (TokenExpiry::ForgetAccess, 3)] {
        rig.sim().expire_tokens(expiry);
        many_reads(&rig).await;
        assert_eq!(logins(&rig), asked, "{expiry:?}");
    }
    // The refresh token is refused, then the password is used.
    rig.sim().expire_tokens(TokenExpiry::All);
    many_reads(&rig).await;
    assert_eq!(logins(&rig), 5);
}

#[tokio::test]
async fn an_expired_token_does_not_double_an_effect() {
    let rig = Rig::new(1).await;
    rig.vendor.find(&call(), &[rig.lock()], &token(1)).await.unwrap();
    rig.sim().expire_tokens(TokenExpiry::Access);
    rig.vendor.create_pin(&call(), &rig.lock(), &spec(1, PIN)).await.unwrap();
    assert_eq!(rig.sim().journal(0).len(), 1);
    assert_eq!(rig.sim().stats().errcodes.get("10004"), Some(&1));
}

#[tokio::test]
async fn processes_share_the_login_through_the_cache() {
    let rig = Rig::new(1).await;
    rig.vendor.find(&call(), &[rig.lock()], &token(1)).await.unwrap();
    let other = rig.another_process();
    other.find(&call(), &[rig.lock()], &token(1)).await.unwrap();
    assert_eq!(logins(&rig), 1);
    // One refreshes, which ends the pair that the other still holds.
    rig.sim().expire_tokens(TokenExpiry::Access);
    other.find(&call(), &[rig.lock()], &token(1)).await.unwrap();
    rig.vendor.find(&call(), &[rig.lock()], &token(1)).await.unwrap();
    assert_eq!(logins(&rig), 2);
}

#[tokio::test]
async fn a_short_lived_token_is_used_and_then_renewed() {
    let rig = Rig::new(1).await;
    rig.sim().patch_policy(&PolicyPatch { token_life_s: Some(600), ..PolicyPatch::default() });
    for _ in 0..5 {
        rig.vendor.find(&call(), &[rig.lock()], &token(1)).await.unwrap();
    }
    assert_eq!(logins(&rig), 1);
}

#[tokio::test]
async fn a_token_that_is_refused_for_ever_is_no_endless_loop() {
    let rig = Rig::new(1).await;
    rig.sim().add_fault(FaultOrder::always("lock/listKeyboardPwd", FaultKind::Errcode { n: 10003 }));
    let error = rig.vendor.find(&call(), &[rig.lock()], &token(1)).await.unwrap_err();
    assert_eq!(error.condition(), Condition::AccessRefused);
    assert_eq!(rig.sim().stats().calls["lock/listKeyboardPwd"], 2);
}

#[tokio::test]
async fn wrong_credentials_need_the_operator() {
    for (field, value, code) in [
        ("client_id", "nobody", 10000),
        ("client_secret", "wrong", 10001),
        ("username", "nobody", 10007),
        ("password_md5", "00000000000000000000000000000000", 10007),
    ] {
        let rig = Rig::with(1, |config| config[field] = json!(value)).await;
        let error = rig.vendor.create_pin(&call(), &rig.lock(), &spec(1, PIN)).await.unwrap_err();
        assert_eq!((error.vendor_code(), error.outcome()), (Some(code), EffectOutcome::Permanent), "{field}");
        assert!(error.needs_operator());
        assert_eq!(error.problem(), lock_domain::problem::Code::VendorAccess);
    }
}

#[tokio::test]
async fn limits_are_told_apart() {
    let rig = Rig::new(1).await;
    rig.sim().patch_policy(&PolicyPatch { calls_per_second: Some(1), ..PolicyPatch::default() });
    // Two calls within one second; a slow machine may need several tries to get there.
    let mut refused = None;
    for _ in 0..50 {
        refused = refused.or(rig.vendor.find(&call(), &[rig.lock()], &token(1)).await.err());
    }
    let error = refused.unwrap();
    assert_eq!((error.condition(), error.needs_operator()), (Condition::RateLimited, false));
    rig.sim().patch_policy(&PolicyPatch {
        calls_per_second: Some(0),
        monthly_quota: Some(2),
        ..PolicyPatch::default()
    });
    let error = rig.vendor.find(&call(), &[rig.lock()], &token(1)).await.unwrap_err();
    assert_eq!((error.condition(), error.needs_operator()), (Condition::QuotaExhausted, true));
    assert!(matches!(error.outcome(), EffectOutcome::Retryable { after: Some(_) }));
}

#[tokio::test]
async fn reads_may_go_as_get() {
    let rig = Rig::with(1, |config| config["read_method"] = json!("get")).await;
    rig.vendor.create_pin(&call(), &rig.lock(), &spec(1, PIN)).await.unwrap();
    assert!(rig.vendor.find(&call(), &[rig.lock()], &token(1)).await.unwrap().is_some());
}

#[tokio::test]
async fn the_registry_rebuilds_for_a_new_version_only() {
    let rig = Rig::new(1).await;
    let registry = VendorRegistry::new(Arc::new(NoMeter), Arc::clone(&rig.cache)).unwrap();
    let text = config(rig.server.base_url()).to_string().into();
    let first = registry.get(&key(), 1, &text).unwrap();
    let same = registry.get(&key(), 1, &"not read".into()).unwrap();
    assert!(Arc::ptr_eq(&first, &same));
    assert!(matches!(registry.get(&key(), 2, &"not json".into()), Err(RegistryError::Config { .. })));
    assert!(!Arc::ptr_eq(&first, &registry.get(&key(), 2, &text).unwrap()));
    let unknown = AdapterKey { vendor: "nobody".to_owned(), ..key() };
    assert!(matches!(registry.get(&unknown, 1, &text), Err(RegistryError::UnknownVendor(_))));
}

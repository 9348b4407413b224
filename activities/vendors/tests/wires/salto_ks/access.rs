//! Logins, limits, the error table over the wire, and what is never shown.

use std::sync::Arc;
use std::time::Duration;

use lock_sim::salto_ks::{FaultKind, FaultOrder, PolicyPatch, TokenExpiry};
use lock_vendors::error::{Condition, EffectOutcome};
use lock_vendors::port::CallContext;
use serde_json::json;

use super::support::{Rig, call, pin, token};

fn calls(rig: &Rig, name: &str) -> u64 {
    rig.sim().stats().calls.get(name).copied().unwrap_or(0)
}

async fn many_reads(rig: &Rig) {
    let mut tasks = tokio::task::JoinSet::new();
    for n in 0..10 {
        let vendor = Arc::clone(&rig.vendor);
        tasks.spawn(async move { vendor.find(&call(), &[], &token(n)).await });
    }
    while let Some(result) = tasks.join_next().await {
        assert_eq!(result.unwrap().unwrap(), None);
    }
}

#[tokio::test]
async fn many_calls_share_one_login_and_one_renewal() {
    let rig = Rig::new(1).await;
    many_reads(&rig).await;
    assert_eq!(calls(&rig, "POST connect/token"), 1);
    rig.sim().expire_tokens(TokenExpiry::Access);
    many_reads(&rig).await;
    assert_eq!(calls(&rig, "POST connect/token"), 2);
    // Another process has the login from the cache.
    rig.another_process().find(&call(), &[], &token(1)).await.unwrap();
    assert_eq!(calls(&rig, "POST connect/token"), 2);
}

#[tokio::test]
async fn a_token_revoked_in_the_middle_does_not_double_an_effect() {
    let rig = Rig::new(1).await;
    for step in ["POST guests", "POST access_groups/{id}/users", "PUT users/{id}/pin"] {
        // The vendor's own 401, and a token that really ended.
        rig.sim().add_fault(FaultOrder::times(
            step,
            FaultKind::Status { status: 401, code: None, retry_after: None },
            1,
        ));
        rig.sim().expire_tokens(TokenExpiry::Access);
    }
    let issued = rig.issue(&call(), 1, &[0]).await.unwrap();
    assert!(rig.opens(0, &pin(&issued)));
    rig.guest();
}

#[tokio::test]
async fn a_token_that_is_refused_for_ever_is_no_endless_loop() {
    let rig = Rig::new(1).await;
    rig.sim()
        .add_fault(FaultOrder::always("GET users", FaultKind::Status { status: 401, code: None, retry_after: None }));
    let error = rig.vendor.find(&call(), &[], &token(1)).await.unwrap_err();
    assert_eq!(error.condition(), Condition::AccessRefused);
    assert_eq!((calls(&rig, "GET users"), calls(&rig, "POST connect/token")), (2, 2));
}

#[tokio::test]
async fn a_refresh_token_is_used_once_and_its_successor_kept() {
    let rig = Rig::with(1, |config| {
        config.as_object_mut().unwrap().remove("password");
        config.as_object_mut().unwrap().remove("username");
        config["refresh_token"] = json!("from-the-browser");
    })
    .await;
    rig.sim().grant_refresh_token("from-the-browser");
    for _ in 0..3 {
        rig.vendor.find(&call(), &[], &token(1)).await.unwrap();
        rig.sim().expire_tokens(TokenExpiry::Access);
    }
    rig.another_process().find(&call(), &[], &token(1)).await.unwrap();
    rig.sim().expire_tokens(TokenExpiry::All);
    // What the other process has put into the cache is tried first.
    rig.vendor.find(&call(), &[], &token(1)).await.unwrap_err();
    let error = rig.vendor.find(&call(), &[], &token(1)).await.unwrap_err();
    assert_eq!((error.condition(), error.outcome()), (Condition::AccessRefused, EffectOutcome::Permanent));
    assert!(error.remedy().contains("log in to KS again"));
}

#[tokio::test]
async fn wrong_credentials_need_the_operator() {
    for (field, value) in [
        ("client_id", "nobody"),
        ("client_secret", "wrong"),
        ("username", "nobody"),
        ("password", "wrong"),
        ("scope", "openid"),
    ] {
        let rig = Rig::with(1, |config| config[field] = json!(value)).await;
        let error = rig.issue(&call(), 1, &[0]).await.unwrap_err();
        assert_eq!(
            (error.condition(), error.outcome()),
            (Condition::AccessRefused, EffectOutcome::Permanent),
            "{field}"
        );
        assert_eq!(error.problem(), lock_domain::problem::Code::VendorAccess);
        assert!(!error.to_string().contains(value), "{error}");
    }
    let rig = Rig::with(1, |config| config["site_id"] = json!("00000000-0000-4000-8000-000000000000")).await;
    let error = rig.issue(&call(), 1, &[0]).await.unwrap_err();
    assert_eq!((error.vendor_code(), error.outcome()), (Some(1100), EffectOutcome::Permanent));
    assert!(error.remedy().contains("site's id"));
}

#[tokio::test]
async fn an_outage_of_the_identity_server_is_waited_out() {
    let rig = Rig::new(1).await;
    for status in [404, 503] {
        let outage = FaultKind::Status { status, code: None, retry_after: None };
        rig.sim().add_fault(FaultOrder::times("POST connect/token", outage, 1));
        let error = rig.issue(&call(), 1, &[0]).await.unwrap_err();
        assert_eq!(
            (error.condition(), error.outcome()),
            (Condition::ServerError, EffectOutcome::Retryable { after: None })
        );
    }
}

#[tokio::test]
async fn a_rate_limit_says_how_long_to_wait() {
    let rig = Rig::new(1).await;
    rig.issue(&call(), 1, &[0]).await.unwrap();
    for (told, waits) in [(None, 30), (Some(7), 7)] {
        let limit = FaultKind::Status { status: 429, code: None, retry_after: told };
        rig.sim().add_fault(FaultOrder::times("POST guests", limit, 1));
        let error = rig.issue(&call(), 2, &[0]).await.unwrap_err();
        assert_eq!((error.condition(), error.needs_operator()), (Condition::RateLimited, false));
        assert_eq!(error.outcome(), EffectOutcome::Retryable { after: Some(Duration::from_secs(waits)) });
    }
    assert_eq!(rig.sim().guests().len(), 1);
}

#[tokio::test]
async fn each_code_over_the_wire_tells_what_is_known() {
    for as_text in [false, true] {
        let rig = Rig::new(1).await;
        rig.sim().patch_policy(&PolicyPatch { codes_as_text: Some(as_text), ..PolicyPatch::default() });
        rig.issue(&call(), 1, &[0]).await.unwrap();
        for (status, number, code, permanent) in [
            (400, 1100, "vendor.invalid_request", true),
            (400, 1101, "vendor.invalid_request", true),
            (400, 1102, "vendor.invalid_request", true),
            (403, 2203, "vendor.not_settled", false),
            (404, 2202, "vendor.not_settled", false),
            (400, 3102, "vendor.feature_missing", true),
            (400, 9999, "vendor.refused", true),
        ] {
            let fault = FaultKind::Status { status, code: Some(number), retry_after: None };
            rig.sim().add_fault(FaultOrder::times("POST guests", fault, 1));
            let error = rig.issue(&call(), 2, &[0]).await.unwrap_err();
            assert_eq!((error.vendor_code(), error.code()), (Some(number), code));
            assert_eq!(error.outcome() == EffectOutcome::Permanent, permanent, "{number}");
        }
        assert_eq!(rig.sim().guests().len(), 1);
    }
}

#[tokio::test]
async fn calls_are_traced_and_counted() {
    let rig = Rig::new(1).await;
    let traceparent = Some("00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01".to_owned());
    rig.vendor.find(&CallContext { traceparent, ..call() }, &[], &token(1)).await.unwrap();
    assert_eq!(rig.sim().stats().traced_calls, 2);
    rig.sim().add_fault(FaultOrder::times("POST guests", FaultKind::Drop, 1));
    rig.issue(&call(), 1, &[0]).await.unwrap_err();
    for (verb, outcome) in [("POST connect/token", "ok"), ("POST access_groups", "ok"), ("POST guests", "unconfirmed")]
    {
        assert_eq!(rig.samples.count(verb, outcome), 1, "{verb} {outcome}");
    }
}

#[tokio::test]
async fn digits_and_names_are_never_shown() {
    let rig = Rig::new(1).await;
    let issued = rig.issue(&call(), 1, &[0]).await.unwrap();
    let digits = pin(&issued);
    assert!(!format!("{issued:?}").contains(&digits));
    let listed = rig.vendor.list(&call(), &rig.door(0)).await.unwrap();
    assert!(!format!("{listed:?}").contains(&digits));
    assert!(rig.opens(0, &digits));
    let since = jiff::Timestamp::UNIX_EPOCH;
    let records = rig.vendor.records(&call(), &rig.door(0), since).await.unwrap();
    let shown = format!("{records:?}");
    assert!(!shown.contains(&digits) && !shown.contains("Anna") && shown.contains(token(1).as_str()), "{shown}");
}

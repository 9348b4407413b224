//! Sessions, signatures, the certificate and clocks.

use std::sync::Arc;

use lock_domain::problem::Code;
use lock_sim::visionline::{FaultKind, FaultOrder, PolicyPatch, ShownCertificate};
use lock_vendors::error::{Condition, EffectOutcome};
use serde_json::json;

use super::support::{Rig, Samples, adapter, call, card, config, joiner, room, token};

#[tokio::test]
async fn a_session_is_opened_and_closed_with_each_operation() {
    let rig = Rig::new().await;
    rig.vendor.issue(&call(), &card(1)).await.unwrap();
    rig.vendor.find(&call(), &room(), &token(1)).await.unwrap();
    assert_eq!((rig.calls("sessions/open"), rig.calls("sessions/close"), rig.sim().stats().sessions_open), (2, 2, 0));
}

#[tokio::test]
async fn a_kept_session_is_shared_and_renewed_once() {
    let rig = Rig::with(|config| config["session"] = json!("kept")).await;
    for _ in 0..3 {
        rig.vendor.find(&call(), &room(), &token(1)).await.unwrap();
    }
    assert_eq!((rig.calls("sessions/open"), rig.calls("sessions/close")), (1, 0));
    rig.sim().revoke_sessions();
    let mut tasks = tokio::task::JoinSet::new();
    for _ in 0..10 {
        let vendor = Arc::clone(&rig.vendor);
        tasks.spawn(async move { vendor.find(&call(), &room(), &token(1)).await });
    }
    while let Some(result) = tasks.join_next().await {
        assert_eq!(result.unwrap().unwrap(), None);
    }
    assert_eq!(rig.calls("sessions/open"), 2);
}

#[tokio::test]
async fn a_session_that_ends_in_the_middle_does_not_double_a_card() {
    for session in ["per_operation", "kept"] {
        let rig = Rig::with(|config| config["session"] = json!(session)).await;
        rig.once("cards/encode", FaultKind::SessionRevoked);
        rig.vendor.issue(&call(), &card(1)).await.unwrap();
        assert_eq!((rig.made(), rig.calls("sessions/open"), rig.calls("cards/encode")), (1, 2, 2), "{session}");
    }
}

#[tokio::test]
async fn a_session_that_is_refused_for_ever_is_no_endless_loop() {
    let rig = Rig::new().await;
    rig.sim().add_fault(FaultOrder::always("cards/list", FaultKind::SessionRevoked));
    let error = rig.vendor.find(&call(), &room(), &token(1)).await.unwrap_err();
    assert_eq!((error.condition(), error.outcome()), (Condition::AccessRefused, EffectOutcome::Permanent));
    assert_eq!((rig.calls("cards/list"), rig.calls("sessions/open")), (2, 2));
}

#[tokio::test]
async fn every_way_to_sign_is_taken() {
    for (field, value) in [
        ("date_header", "x-aah-date"),
        ("content_type", "application/json; charset=UTF-8"),
        ("session", "kept"),
        ("card_format", "TLCode"),
    ] {
        let rig = Rig::with(|config| config[field] = json!(value)).await;
        rig.vendor.issue(&call(), &card(1)).await.unwrap();
        let names = rig.vendor.list(&call(), &room()[0]).await.unwrap();
        assert_eq!((names.len(), rig.effective().len()), (1, 1), "{field}");
    }
}

#[tokio::test]
async fn wrong_credentials_need_the_operator() {
    let rig = Rig::with(|config| config["password"] = json!("hush-hush")).await;
    let error = rig.vendor.issue(&call(), &card(1)).await.unwrap_err();
    assert_eq!((error.condition(), error.outcome()), (Condition::AccessRefused, EffectOutcome::Permanent));
    assert_eq!((error.problem(), error.needs_operator()), (Code::VendorAccess, true));
    assert!(!format!("{error} {error:?}").contains("hush"));
}

#[tokio::test]
async fn the_certificate_is_the_pinned_one_or_nothing_is_sent() {
    let rig = Rig::new().await;
    let own = rig.sim().fingerprints();
    let colons =
        own.certificate.as_bytes().chunks(2).map(|pair| String::from_utf8_lossy(pair)).collect::<Vec<_>>().join(":");
    for (certificate, public_key) in [
        (json!(own.certificate.to_uppercase()), None),
        (json!(colons), None),
        (json!(null), Some(own.public_key.clone())),
        (json!(own.certificate), Some(own.public_key)),
    ] {
        let mut text = config(&rig.server);
        text.as_object_mut().unwrap().remove("certificate_sha256");
        if certificate.is_string() {
            text["certificate_sha256"] = certificate;
        }
        if let Some(key) = public_key {
            text["public_key_sha256"] = json!(key);
        }
        let vendor = adapter(&text, &Arc::new(Samples::default()));
        assert_eq!(vendor.find(&call(), &room(), &token(1)).await.unwrap(), None, "{text}");
    }
}

#[tokio::test]
async fn a_wrong_certificate_is_refused_and_named() {
    let rig = Rig::new().await;
    let asked = rig.sim().stats().calls.len();
    rig.sim().patch_policy(&PolicyPatch { certificate: Some(ShownCertificate::Other), ..PolicyPatch::default() });
    let error = rig.vendor.issue(&call(), &card(1)).await.unwrap_err();
    assert_eq!((error.condition(), error.code()), (Condition::CertificateRefused, "vendor.certificate_refused"));
    assert!(matches!(error.outcome(), EffectOutcome::Retryable { after: Some(_) }) && error.needs_operator());
    let shown = rig.sim().other_fingerprints();
    assert!(error.remedy().contains(&shown.certificate) && error.remedy().contains(&shown.public_key));
    assert_eq!(rig.sim().stats().calls.len(), asked);
    // Back to the right one, and everything goes on.
    rig.sim().patch_policy(&PolicyPatch { certificate: Some(ShownCertificate::Own), ..PolicyPatch::default() });
    rig.vendor.issue(&call(), &card(1)).await.unwrap();
}

#[tokio::test]
async fn a_copy_of_the_right_certificate_is_not_enough() {
    let rig = Rig::new().await;
    rig.sim().patch_policy(&PolicyPatch { certificate: Some(ShownCertificate::Copied), ..PolicyPatch::default() });
    let error = rig.vendor.issue(&call(), &card(1)).await.unwrap_err();
    assert_eq!(error.outcome(), EffectOutcome::Retryable { after: None });
    assert!(rig.sim().stats().calls.is_empty());
}

#[tokio::test]
async fn a_pin_of_the_key_does_not_excuse_a_wrong_certificate() {
    let rig = Rig::with(|config| config["public_key_sha256"] = json!("00".repeat(32))).await;
    let error = rig.vendor.find(&call(), &room(), &token(1)).await.unwrap_err();
    assert_eq!(error.condition(), Condition::CertificateRefused);
}

#[tokio::test]
async fn a_clock_that_is_off_is_told_apart_from_a_wrong_password() {
    for skew in [600, -600] {
        let rig = Rig::new().await;
        rig.sim().patch_policy(&PolicyPatch { clock_skew_s: Some(skew), ..PolicyPatch::default() });
        let error = rig.vendor.issue(&call(), &card(1)).await.unwrap_err();
        assert_eq!((error.condition(), error.needs_operator()), (Condition::ClockSkew, true));
        assert!(matches!(error.outcome(), EffectOutcome::Retryable { after: Some(_) }));
        assert_eq!((rig.calls("sessions/open"), rig.made()), (1, 0));
        rig.sim().patch_policy(&PolicyPatch { clock_skew_s: Some(0), ..PolicyPatch::default() });
        rig.vendor.issue(&call(), &card(1)).await.unwrap();
    }
}

#[tokio::test]
async fn a_kept_session_meets_a_clock_that_starts_to_run_away() {
    let rig = Rig::with(|config| config["session"] = json!("kept")).await;
    rig.vendor.issue(&call(), &card(1)).await.unwrap();
    rig.sim().patch_policy(&PolicyPatch { clock_skew_s: Some(600), ..PolicyPatch::default() });
    let error = rig.vendor.issue(&call(), &joiner(card(2))).await.unwrap_err();
    assert_eq!((error.condition(), rig.made()), (Condition::ClockSkew, 1));
}

#[tokio::test]
async fn an_idle_session_is_opened_anew() {
    let rig = Rig::with(|config| config["session"] = json!("kept")).await;
    rig.sim().patch_policy(&PolicyPatch { session_life_s: Some(0), ..PolicyPatch::default() });
    let error = rig.vendor.find(&call(), &room(), &token(1)).await.unwrap_err();
    assert_eq!((error.condition(), rig.calls("sessions/open")), (Condition::AccessRefused, 2));
    rig.sim().patch_policy(&PolicyPatch { session_life_s: Some(600), ..PolicyPatch::default() });
    assert_eq!(rig.vendor.find(&call(), &room(), &token(1)).await.unwrap(), None);
}

//! What the adapter says, and what is true, when the wire is not well.

use std::time::Duration;

use lock_sim::visionline::{FaultKind, FaultOrder, Placed};
use lock_vendors::error::{Condition, EffectOutcome};
use lock_vendors::port::{CallContext, Deletion, KeySpec};

use super::support::{ENCODER, Rig, call, card, impatient, joiner, mobile, patience, room, token};

const RETRYABLE: EffectOutcome = EffectOutcome::Retryable { after: None };

/// Acted, and the answer tells nothing.
const LOST: [FaultKind; 9] = [
    FaultKind::ActThenTimeout,
    FaultKind::ActThenDrop,
    FaultKind::ResetMidBody,
    FaultKind::Garbage,
    FaultKind::WrongTypes,
    FaultKind::Huge,
    FaultKind::ActThenError { status: 500, code: 72 },
    FaultKind::ActThenError { status: 500, code: 99_999 },
    FaultKind::ActThenError { status: 409, code: 20 },
];

/// Did nothing, and the answer does not tell.
const NOTHING: [FaultKind; 7] = [
    FaultKind::Timeout,
    FaultKind::Drop,
    FaultKind::Html,
    FaultKind::Down,
    FaultKind::HttpStatus { code: 500 },
    FaultKind::HttpStatus { code: 408 },
    FaultKind::Redirect,
];

fn verb(spec: &KeySpec) -> &'static str {
    if spec.form.name() == "card" { "cards/encode" } else { "cards/mobileAccess" }
}

#[tokio::test]
async fn acted_and_lost_the_answer_is_found_and_adopted() {
    for (spec, name) in [(card(1), "override"), (joiner(card(1)), "join"), (mobile(1), "mobile")] {
        for kind in LOST {
            let rig = Rig::new().await;
            rig.once(verb(&spec), kind);
            let error = rig.vendor.issue(&patience(kind), &spec).await.unwrap_err();
            assert_eq!(error.outcome(), EffectOutcome::Unconfirmed, "{name} {kind:?}");
            let found = rig.vendor.find(&call(), &room(), &token(1)).await.unwrap();
            let again = rig.vendor.issue(&call(), &spec).await.unwrap().credential;
            assert_eq!(found, Some(again), "{name} {kind:?}");
            assert_eq!((rig.made(), rig.effective().len()), (1, 1), "{name} {kind:?}");
        }
    }
}

#[tokio::test]
async fn nothing_done_and_no_answer_is_unconfirmed_until_read_back() {
    for spec in [card(1), mobile(1)] {
        for kind in NOTHING {
            let rig = Rig::new().await;
            rig.once(verb(&spec), kind);
            let error = rig.vendor.issue(&patience(kind), &spec).await.unwrap_err();
            assert_eq!(error.outcome(), EffectOutcome::Unconfirmed, "{kind:?}");
            assert_eq!(rig.vendor.find(&call(), &room(), &token(1)).await.unwrap(), None);
            rig.vendor.issue(&call(), &spec).await.unwrap();
            assert_eq!((rig.made(), rig.effective().len()), (1, 1), "{kind:?}");
        }
    }
}

#[tokio::test]
async fn an_override_whose_answer_got_lost_is_not_sent_again() {
    let rig = Rig::new().await;
    rig.once("cards/mobileAccess", FaultKind::ActThenDrop);
    rig.vendor.issue(&call(), &mobile(1)).await.unwrap_err();
    let key = rig.effective()[0].id;
    assert!(rig.opens("101", key));
    for _ in 0..3 {
        rig.vendor.issue(&call(), &mobile(1)).await.unwrap();
    }
    // The guest has used it by now; a second override would have ended it.
    assert!(rig.opens("101", key));
    assert_eq!((rig.calls("cards/mobileAccess"), rig.made()), (1, 1));
}

#[tokio::test]
async fn a_card_that_lies_down_late_is_met_by_the_retry() {
    let rig = Rig::new().await;
    rig.sim().place(ENCODER, Placed::Nothing);
    let error = rig.vendor.issue(&impatient(), &card(1)).await.unwrap_err();
    assert_eq!((error.outcome(), error.condition()), (EffectOutcome::Unconfirmed, Condition::NoAnswer));
    // The encoder still waits: the server refuses a second card meanwhile.
    let busy = rig.vendor.issue(&call(), &card(1)).await.unwrap_err();
    assert_eq!(busy.condition(), Condition::EncoderBusy);
    rig.sim().place(ENCODER, Placed::Blanks);
    rig.until("the late card", |sim| sim.cards().len() == 1).await;
    rig.vendor.issue(&call(), &card(1)).await.unwrap();
    assert_eq!((rig.made(), rig.effective().len()), (1, 1));
}

#[tokio::test]
async fn a_failure_before_the_card_is_sent_did_nothing() {
    for broken in ["sessions/open", "cards/list"] {
        for kind in NOTHING.into_iter().chain([
            FaultKind::Garbage,
            FaultKind::WrongTypes,
            FaultKind::ResetMidBody,
            FaultKind::Huge,
        ]) {
            let rig = Rig::new().await;
            rig.once(broken, kind);
            let error = rig.vendor.issue(&patience(kind), &card(1)).await.unwrap_err();
            assert_eq!((error.outcome(), rig.made()), (RETRYABLE, 0), "{broken} {kind:?}");
            rig.vendor.issue(&call(), &card(1)).await.unwrap();
            assert_eq!(rig.made(), 1);
        }
    }
}

#[tokio::test]
async fn a_session_that_is_not_closed_spoils_nothing() {
    for kind in [FaultKind::Down, FaultKind::Drop, FaultKind::Html, FaultKind::SessionRevoked] {
        let rig = Rig::new().await;
        rig.once("sessions/close", kind);
        rig.vendor.issue(&call(), &card(1)).await.unwrap();
        assert_eq!(rig.effective().len(), 1, "{kind:?}");
    }
}

#[tokio::test]
async fn a_request_that_is_carried_out_twice_leaves_one_key_that_works() {
    let rig = Rig::new().await;
    rig.once("cards/mobileAccess", FaultKind::Duplicate);
    rig.vendor.issue(&call(), &mobile(1)).await.unwrap();
    // The server made two; the second ended the first, as its list says.
    assert_eq!((rig.made(), rig.effective().len()), (2, 1));
    rig.once("doors/checkOut", FaultKind::Duplicate);
    let found = rig.vendor.find(&call(), &room(), &token(1)).await.unwrap().unwrap();
    assert_eq!(rig.vendor.delete(&call(), &room(), &found.reference).await.unwrap(), Deletion::Deleted);
    assert!(rig.effective().is_empty());
}

#[tokio::test]
async fn a_check_out_without_answer_can_be_repeated() {
    for kind in [FaultKind::ActThenDrop, FaultKind::ActThenTimeout, FaultKind::Garbage, FaultKind::ResetMidBody] {
        let rig = Rig::new().await;
        let issued = rig.vendor.issue(&call(), &card(1)).await.unwrap().credential;
        rig.once("doors/checkOut", kind);
        let error = rig.vendor.delete(&patience(kind), &room(), &issued.reference).await.unwrap_err();
        assert_eq!(error.outcome(), EffectOutcome::Unconfirmed, "{kind:?}");
        let repeated = rig.vendor.delete(&call(), &room(), &issued.reference).await.unwrap();
        assert_eq!((repeated, rig.effective().len()), (Deletion::AlreadyGone, 0), "{kind:?}");
    }
    for kind in NOTHING {
        let rig = Rig::new().await;
        let issued = rig.vendor.issue(&call(), &card(1)).await.unwrap().credential;
        rig.once("doors/checkOut", kind);
        rig.vendor.delete(&patience(kind), &room(), &issued.reference).await.unwrap_err();
        let repeated = rig.vendor.delete(&call(), &room(), &issued.reference).await.unwrap();
        assert_eq!((repeated, rig.effective().len()), (Deletion::Deleted, 0), "{kind:?}");
    }
}

#[tokio::test]
async fn a_rate_limit_says_how_long_to_wait() {
    for (retry_after_s, expected) in [(Some(7), 7), (None, 30), (Some(999_999), 3_600)] {
        let rig = Rig::new().await;
        rig.once("cards/encode", FaultKind::RateLimited { retry_after_s });
        let error = rig.vendor.issue(&call(), &card(1)).await.unwrap_err();
        let outcome = EffectOutcome::Retryable { after: Some(Duration::from_secs(expected)) };
        assert_eq!((error.condition(), error.outcome(), rig.made()), (Condition::RateLimited, outcome, 0));
    }
}

#[tokio::test]
async fn each_number_tells_what_is_known() {
    use EffectOutcome::{Permanent, Unconfirmed};
    let soon = |s| EffectOutcome::Retryable { after: Some(Duration::from_secs(s)) };
    let rig = Rig::new().await;
    for (status, number, code, outcome) in [
        (409, 3, "vendor.encoder_offline", RETRYABLE),
        (409, 4, "vendor.encoder_busy", soon(2)),
        (409, 7, "vendor.gateway_unknown", Permanent),
        (409, 13, "vendor.card_unusable", soon(10)),
        (409, 17, "vendor.card_unusable", soon(10)),
        (409, 20, "vendor.card_unusable", Unconfirmed),
        (409, 38, "vendor.card_unusable", soon(10)),
        (409, 39, "vendor.card_cancelled", Permanent),
        (409, 40, "vendor.encoder_offline", RETRYABLE),
        (409, 41, "vendor.card_missing", soon(10)),
        (409, 46, "vendor.refused", Permanent),
        (403, 57, "vendor.permission_missing", Permanent),
        (500, 72, "vendor.server_error", Unconfirmed),
        (500, 73, "vendor.server_error", RETRYABLE),
        (409, 85, "vendor.no_answer", Unconfirmed),
        (400, 2001, "vendor.invalid_request", Permanent),
        (403, 2003, "vendor.permission_missing", Permanent),
        (404, 2002, "vendor.lock_unknown", Permanent),
        (418, 2009, "vendor.refused", Permanent),
        (502, 2010, "vendor.server_error", Unconfirmed),
    ] {
        rig.once("cards/encode", FaultKind::Error { status, code: number });
        let error = rig.vendor.issue(&call(), &card(1)).await.unwrap_err();
        assert_eq!((error.code(), error.outcome(), error.vendor_code()), (code, outcome, Some(number)));
    }
    assert_eq!(rig.made(), 0);
}

#[tokio::test]
async fn a_server_that_is_away_did_nothing() {
    let rig = Rig::new().await;
    let vendor = rig.vendor.clone();
    rig.server.shutdown().await;
    let error = vendor.issue(&call(), &card(1)).await.unwrap_err();
    assert_eq!((error.outcome(), error.code()), (RETRYABLE, "vendor.unreachable"));
}

#[tokio::test]
async fn no_time_left_means_nothing_sent() {
    let rig = Rig::new().await;
    let none = CallContext::new("op", Duration::ZERO);
    let error = rig.vendor.issue(&none, &card(1)).await.unwrap_err();
    assert!(matches!(error.outcome(), EffectOutcome::Retryable { .. }));
    assert!(rig.sim().stats().calls.is_empty());
}

#[tokio::test]
async fn a_server_that_stays_sick_is_not_hammered() {
    for kind in [
        FaultKind::Down,
        FaultKind::Html,
        FaultKind::HttpStatus { code: 401 },
        FaultKind::RateLimited { retry_after_s: None },
    ] {
        let rig = Rig::new().await;
        rig.sim().add_fault(FaultOrder::always("*", kind));
        rig.vendor.issue(&call(), &card(1)).await.unwrap_err();
        let calls: u64 = rig.sim().stats().calls.values().sum();
        assert!(calls <= 4, "{kind:?}: {calls} calls");
    }
}

#[tokio::test]
async fn the_trace_goes_on_and_every_call_is_counted() {
    let rig = Rig::new().await;
    let traceparent = Some("00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01".to_owned());
    rig.vendor.issue(&CallContext { traceparent, ..call() }, &card(1)).await.unwrap();
    // Session, list, card, end of session.
    assert_eq!(rig.sim().stats().traced_calls, 4);
    rig.once("cards/encode", FaultKind::Drop);
    rig.vendor.issue(&call(), &joiner(card(2))).await.unwrap_err();
    for (verb, outcome, count) in [
        ("sessions/open", "ok", 2),
        ("cards/list", "ok", 2),
        ("cards/encode", "ok", 1),
        ("cards/encode", "unconfirmed", 1),
    ] {
        assert_eq!(rig.samples.count(verb, outcome), count, "{verb} {outcome}");
    }
}

#[tokio::test]
async fn errors_tell_no_secret_and_no_telephone() {
    let rig = Rig::new().await;
    for kind in [
        FaultKind::ActThenError { status: 500, code: 72 },
        FaultKind::Garbage,
        FaultKind::Error { status: 400, code: 2001 },
    ] {
        rig.once("cards/mobileAccess", kind);
        let error = rig.vendor.issue(&call(), &joiner(mobile(9))).await;
        let text = error.map_or_else(|error| format!("{error} {error:?} {}", error.remedy()), |_| String::new());
        assert!(!text.contains("endpoint-7f3a") && !text.contains("lis-") && !text.contains("sym"), "{text}");
    }
}

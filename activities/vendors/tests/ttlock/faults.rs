//! What the adapter says, and what is true, when the wire is not well.

use std::time::Duration;

use lock_sim::ttlock::{Effect, FaultKind, FaultOrder};
use lock_vendors::error::{Condition, EffectOutcome};
use lock_vendors::port::{CallContext, Deletion};

use super::support::{PIN, Pins, Rig, call, impatient, spec, token};

const RETRYABLE: EffectOutcome = EffectOutcome::Retryable { after: None };

fn adds(rig: &Rig) -> usize {
    rig.sim().journal(0).iter().filter(|entry| entry.effect == Effect::Add).count()
}

#[tokio::test]
async fn acted_and_lost_the_answer_is_found_and_adopted() {
    for kind in [
        FaultKind::ActThenTimeout,
        FaultKind::ActThenDrop,
        FaultKind::Garbage,
        FaultKind::ActThenErrcode { n: 1 },
        FaultKind::ActThenErrcode { n: 90000 },
    ] {
        let rig = Rig::new(1).await;
        rig.vendor.find(&call(), &[rig.lock()], &token(1)).await.unwrap();
        rig.sim().add_fault(FaultOrder::times("keyboardPwd/add", kind, 1));
        let error = rig.vendor.create_pin(&impatient(), &rig.lock(), &spec(1, PIN)).await.unwrap_err();
        assert_eq!(error.outcome(), EffectOutcome::Unconfirmed, "{kind:?}");
        let found = rig.vendor.find(&call(), &[rig.lock()], &token(1)).await.unwrap();
        let again = rig.vendor.create_pin(&call(), &rig.lock(), &spec(1, PIN)).await.unwrap();
        assert_eq!(found, Some(again), "{kind:?}");
        assert_eq!((adds(&rig), rig.opens(PIN)), (1, true), "{kind:?}");
    }
}

#[tokio::test]
async fn nothing_done_and_no_answer_is_unconfirmed_until_read_back() {
    for kind in [
        FaultKind::Timeout,
        FaultKind::Drop,
        FaultKind::Html,
        FaultKind::Down,
        FaultKind::HttpStatus { code: 500 },
        FaultKind::HttpStatus { code: 302 },
    ] {
        let rig = Rig::new(1).await;
        rig.vendor.find(&call(), &[rig.lock()], &token(1)).await.unwrap();
        rig.sim().add_fault(FaultOrder::times("keyboardPwd/add", kind, 1));
        let error = rig.vendor.create_pin(&impatient(), &rig.lock(), &spec(1, PIN)).await.unwrap_err();
        assert_eq!(error.outcome(), EffectOutcome::Unconfirmed, "{kind:?}");
        assert_eq!(rig.vendor.find(&call(), &[rig.lock()], &token(1)).await.unwrap(), None);
        rig.vendor.create_pin(&call(), &rig.lock(), &spec(1, PIN)).await.unwrap();
        assert_eq!(adds(&rig), 1, "{kind:?}");
    }
}

#[tokio::test]
async fn an_effect_that_lands_after_the_read_back_is_met_by_the_retry() {
    let rig = Rig::new(1).await;
    rig.vendor.find(&call(), &[rig.lock()], &token(1)).await.unwrap();
    rig.sim().add_fault(FaultOrder::times("keyboardPwd/add", FaultKind::Latency { ms: 3_000 }, 1));
    let error = rig.vendor.create_pin(&impatient(), &rig.lock(), &spec(1, PIN)).await.unwrap_err();
    assert_eq!((error.outcome(), error.condition()), (EffectOutcome::Unconfirmed, Condition::NoAnswer));
    assert_eq!(rig.vendor.find(&call(), &[rig.lock()], &token(1)).await.unwrap(), None);
    rig.until("the late effect", |sim| sim.credentials().len() == 1).await;
    rig.vendor.create_pin(&call(), &rig.lock(), &spec(1, PIN)).await.unwrap();
    assert_eq!((adds(&rig), rig.sim().credentials().len()), (1, 1));
}

#[tokio::test]
async fn a_request_that_is_carried_out_twice_leaves_one_effect() {
    let rig = Rig::new(1).await;
    rig.sim().add_fault(FaultOrder::times("keyboardPwd/add", FaultKind::Duplicate, 1));
    let created = rig.vendor.create_pin(&call(), &rig.lock(), &spec(1, PIN)).await.unwrap();
    assert_eq!(rig.sim().credentials().len(), 1);
    rig.sim().add_fault(FaultOrder::times("keyboardPwd/delete", FaultKind::Duplicate, 1));
    let deletion = rig.vendor.delete(&call(), &[rig.lock()], &created.reference).await.unwrap();
    assert_eq!(deletion, Deletion::AlreadyGone);
    assert!(rig.sim().credentials().is_empty());
}

#[tokio::test]
async fn a_delete_without_answer_can_be_repeated() {
    let rig = Rig::new(1).await;
    let created = rig.vendor.create_pin(&call(), &rig.lock(), &spec(1, PIN)).await.unwrap();
    rig.sim().add_fault(FaultOrder::times("keyboardPwd/delete", FaultKind::ActThenDrop, 1));
    let error = rig.vendor.delete(&call(), &[rig.lock()], &created.reference).await.unwrap_err();
    assert_eq!(error.outcome(), EffectOutcome::Unconfirmed);
    assert_eq!(rig.vendor.delete(&call(), &[rig.lock()], &created.reference).await.unwrap(), Deletion::AlreadyGone);
    assert!(!rig.opens(PIN));
}

#[tokio::test]
async fn reads_can_always_be_repeated() {
    let rig = Rig::new(1).await;
    rig.vendor.find(&call(), &[rig.lock()], &token(1)).await.unwrap();
    for kind in [
        FaultKind::Timeout,
        FaultKind::Drop,
        FaultKind::Html,
        FaultKind::Down,
        FaultKind::Garbage,
        FaultKind::Errcode { n: 1 },
        FaultKind::Errcode { n: 90000 },
    ] {
        rig.sim().add_fault(FaultOrder::times("lock/listKeyboardPwd", kind, 1));
        let error = rig.vendor.find(&impatient(), &[rig.lock()], &token(1)).await.unwrap_err();
        assert_eq!(error.outcome(), RETRYABLE, "{kind:?}");
    }
    assert_eq!(rig.vendor.find(&call(), &[rig.lock()], &token(1)).await.unwrap(), None);
}

#[tokio::test]
async fn a_refused_connection_did_nothing() {
    let rig = Rig::new(1).await;
    rig.vendor.find(&call(), &[rig.lock()], &token(1)).await.unwrap();
    let (vendor, lock) = (rig.vendor.clone(), rig.lock());
    rig.server.shutdown().await;
    let error = vendor.create_pin(&call(), &lock, &spec(1, PIN)).await.unwrap_err();
    assert_eq!((error.outcome(), error.code()), (RETRYABLE, "vendor.unreachable"));
}

#[tokio::test]
async fn no_time_left_means_nothing_sent() {
    let rig = Rig::new(1).await;
    let none = CallContext::new("op", Duration::ZERO);
    let error = rig.vendor.create_pin(&none, &rig.lock(), &spec(1, PIN)).await.unwrap_err();
    assert!(matches!(error.outcome(), EffectOutcome::Retryable { .. }));
    assert_eq!(rig.sim().stats().calls.get("keyboardPwd/add"), None);
}

#[tokio::test]
async fn the_trace_goes_on_to_the_vendor() {
    let rig = Rig::new(1).await;
    let traceparent = Some("00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01".to_owned());
    rig.vendor.find(&CallContext { traceparent, ..call() }, &[rig.lock()], &token(1)).await.unwrap();
    // The login and the search.
    assert_eq!(rig.sim().stats().traced_calls, 2);
}

#[tokio::test]
async fn every_call_is_counted_with_its_outcome() {
    let rig = Rig::new(1).await;
    rig.vendor.create_pin(&call(), &rig.lock(), &spec(1, PIN)).await.unwrap();
    rig.sim().add_fault(FaultOrder::times("keyboardPwd/add", FaultKind::Drop, 1));
    rig.vendor.create_pin(&call(), &rig.lock(), &spec(2, "482913")).await.unwrap_err();
    rig.vendor.create_pin(&call(), &rig.lock(), &spec(3, PIN)).await.unwrap_err();
    for (verb, outcome) in [
        ("oauth2/token", "ok"),
        ("keyboardPwd/add", "ok"),
        ("keyboardPwd/add", "unconfirmed"),
        ("keyboardPwd/add", "permanent"),
    ] {
        assert_eq!(rig.samples.count(verb, outcome), 1, "{verb} {outcome}");
    }
}

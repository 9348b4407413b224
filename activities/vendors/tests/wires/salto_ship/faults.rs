//! What the adapter says, and what is true, when the wire is not well.

use lock_sim::salto_space::{Effect, FaultKind, FaultOrder};
use lock_vendors::error::{Condition, EffectOutcome};
use lock_vendors::port::{CallContext, Deletion};

use super::support::{BOTH, By, ENCODER, PIN, Rig, call, card, doors, impatient, pin, token};

const INSERT: &str = "SaltoDBUser.Insert";
const FIRST_KEY: &str = "Encoder.SaltoDBUser.AssignNewKey";
const RETRYABLE: EffectOutcome = EffectOutcome::Retryable { after: None };

/// Acts, and the answer is lost or worthless.
const LOST: &[FaultKind] = &[
    FaultKind::ActThenDrop,
    FaultKind::ActThenSilence,
    FaultKind::HalfThenDrop,
    FaultKind::Garbage,
    FaultKind::WrongTypes,
    FaultKind::WrongName,
    FaultKind::Huge,
    FaultKind::ActThenException { n: 4 },
    FaultKind::ActThenException { n: 404 },
];

#[tokio::test]
async fn acted_and_lost_the_answer_is_found_and_adopted() {
    for by in BOTH {
        for (verb, kind) in [INSERT, FIRST_KEY].iter().flat_map(|verb| LOST.iter().map(move |kind| (*verb, kind))) {
            let rig = Rig::new(by).await;
            rig.sim().add_fault(FaultOrder::times(verb, kind.clone(), 1));
            let error = rig.vendor.issue(&impatient(), &card(1, &["101"], false)).await.unwrap_err();
            assert_eq!(error.outcome(), EffectOutcome::Unconfirmed, "{by:?} {verb} {kind:?}");
            let found = rig.vendor.find(&call(), &doors(&["101"]), &token(1)).await.unwrap();
            assert_eq!(found.is_some_and(|found| found.confirmed_at_lock), verb == FIRST_KEY, "{by:?} {verb} {kind:?}");
            // The card is taken off, as people do, and another lies there when the request is repeated.
            let first = rig.sim().take(ENCODER);
            assert_eq!(first.is_some(), verb == FIRST_KEY);
            rig.vendor.issue(&call(), &card(1, &["101"], false)).await.unwrap();
            assert_eq!(
                (rig.effects(Effect::UserAdded), rig.effects(Effect::UserCardWritten)),
                (1, 1),
                "{verb} {kind:?}"
            );
            assert_eq!(rig.sim().cards_that_open("101").len(), 1, "{by:?} {verb} {kind:?}");
        }
    }
}

#[tokio::test]
async fn nothing_done_and_no_answer_is_unconfirmed_until_read_back() {
    for by in BOTH {
        for kind in
            [FaultKind::Drop, FaultKind::Silence, FaultKind::Html, FaultKind::Down, FaultKind::HttpStatus { code: 302 }]
        {
            let rig = Rig::new(by).await;
            rig.sim().add_fault(FaultOrder::times(INSERT, kind.clone(), 1));
            let error = rig.vendor.issue(&impatient(), &pin(1, PIN, &["901"])).await.unwrap_err();
            assert_eq!(error.outcome(), EffectOutcome::Unconfirmed, "{by:?} {kind:?}");
            assert_eq!(rig.vendor.find(&call(), &doors(&["901"]), &token(1)).await.unwrap(), None);
            rig.vendor.issue(&call(), &pin(1, PIN, &["901"])).await.unwrap();
            assert_eq!(rig.effects(Effect::UserAdded), 1);
        }
    }
}

#[tokio::test]
async fn answers_in_pieces_or_glued_are_answers() {
    for by in BOTH {
        let rig = Rig::new(by).await;
        for kind in [FaultKind::Split, FaultKind::Glued, FaultKind::Latency { ms: 50 }] {
            rig.sim().add_fault(FaultOrder::times("*", kind, 2));
            rig.vendor.issue(&call(), &card(1, &["101"], false)).await.unwrap();
            assert!(rig.vendor.find(&call(), &doors(&["101"]), &token(1)).await.unwrap().is_some());
        }
        assert_eq!(rig.sim().cards_that_open("101").len(), 1);
    }
}

#[tokio::test]
async fn an_effect_that_lands_after_the_read_back_is_met_by_the_retry() {
    let rig = Rig::new(By::Stp).await;
    rig.sim().add_fault(FaultOrder::times(INSERT, FaultKind::Latency { ms: 2_500 }, 1));
    let error = rig.vendor.issue(&impatient(), &pin(1, PIN, &["901"])).await.unwrap_err();
    assert_eq!((error.outcome(), error.condition()), (EffectOutcome::Unconfirmed, Condition::NoAnswer));
    assert_eq!(rig.vendor.find(&call(), &doors(&["901"]), &token(1)).await.unwrap(), None);
    rig.until("the late effect", |sim| sim.users().len() == 1).await;
    rig.vendor.issue(&call(), &pin(1, PIN, &["901"])).await.unwrap();
    assert_eq!((rig.effects(Effect::UserAdded), rig.sim().users().len()), (1, 1));
}

#[tokio::test]
async fn a_request_that_is_carried_out_twice_leaves_one_effect() {
    for by in BOTH {
        let rig = Rig::new(by).await;
        for verb in [INSERT, FIRST_KEY, "SaltoDBUser.Update", "SaltoDBUser.Delete"] {
            rig.sim().add_fault(FaultOrder::times(verb, FaultKind::Duplicate, 1));
        }
        let made = rig.vendor.issue(&call(), &card(1, &["101"], false)).await.unwrap().credential;
        assert_eq!((rig.effects(Effect::UserAdded), rig.effects(Effect::UserCardWritten)), (1, 1));
        let gone = rig.vendor.delete(&call(), &doors(&["101"]), &made.reference).await.unwrap();
        assert_eq!((gone, rig.sim().users().len()), (Deletion::AlreadyGone, 0));
    }
}

#[tokio::test]
async fn a_delete_without_answer_can_be_repeated() {
    for by in BOTH {
        let rig = Rig::new(by).await;
        let made = rig.vendor.issue(&call(), &pin(1, PIN, &["901"])).await.unwrap().credential;
        rig.sim().add_fault(FaultOrder::times("SaltoDBUser.Delete", FaultKind::ActThenDrop, 1));
        let error = rig.vendor.delete(&call(), &doors(&["901"]), &made.reference).await.unwrap_err();
        assert_eq!(error.outcome(), EffectOutcome::Unconfirmed);
        let again = rig.vendor.delete(&call(), &doors(&["901"]), &made.reference).await.unwrap();
        assert_eq!(again, Deletion::AlreadyGone);
    }
}

#[tokio::test]
async fn a_list_that_cannot_be_read_is_never_an_empty_one() {
    for by in BOTH {
        let rig = Rig::new(by).await;
        let made = rig.vendor.issue(&call(), &pin(1, PIN, &["901"])).await.unwrap().credential;
        for kind in LOST.iter().chain(&[FaultKind::Drop, FaultKind::Silence, FaultKind::Html, FaultKind::Down]) {
            rig.sim().add_fault(FaultOrder::times("SaltoDBUserList.Read", kind.clone(), 1));
            let error = rig.vendor.find(&impatient(), &doors(&["901"]), &token(1)).await.unwrap_err();
            assert_eq!(error.outcome(), RETRYABLE, "{by:?} {kind:?}");
            rig.sim().add_fault(FaultOrder::times("SaltoDBUserList.Read", kind.clone(), 1));
            rig.vendor.delete(&impatient(), &doors(&["901"]), &made.reference).await.unwrap_err();
        }
        assert_eq!(rig.sim().users().len(), 1);
    }
}

#[tokio::test]
async fn a_locked_record_is_tried_again_and_an_encoder_in_use_as_well() {
    for by in BOTH {
        let rig = Rig::new(by).await;
        for (verb, n, condition) in [
            (INSERT, 101, Condition::RecordLocked),
            (INSERT, 201, Condition::RecordLocked),
            (FIRST_KEY, 402, Condition::EncoderBusy),
            (FIRST_KEY, 403, Condition::CardMissing),
        ] {
            rig.sim().add_fault(FaultOrder::times(verb, FaultKind::Exception { n }, 2));
            for _ in 0..2 {
                let error = rig.vendor.issue(&call(), &card(1, &["101"], false)).await.unwrap_err();
                assert_eq!((error.condition(), error.vendor_code()), (condition, Some(n)));
                // Never at once: nobody gets out of a record or to an encoder in no time.
                assert!(matches!(error.outcome(), EffectOutcome::Retryable { after: Some(_) }), "{n}");
            }
        }
        rig.vendor.issue(&call(), &card(1, &["101"], false)).await.unwrap();
        assert_eq!(rig.effects(Effect::UserCardWritten), 1);
    }
}

#[tokio::test]
async fn a_refused_connection_did_nothing() {
    for by in BOTH {
        let rig = Rig::new(by).await;
        let vendor = rig.vendor.clone();
        rig.server.shutdown().await;
        let error = vendor.issue(&call(), &pin(1, PIN, &["901"])).await.unwrap_err();
        assert_eq!((error.outcome(), error.code()), (RETRYABLE, "vendor.unreachable"));
    }
}

#[tokio::test]
async fn no_time_left_means_nothing_sent() {
    for by in BOTH {
        let rig = Rig::new(by).await;
        let none = CallContext::new("op", std::time::Duration::ZERO);
        let error = rig.vendor.issue(&none, &pin(1, PIN, &["901"])).await.unwrap_err();
        assert!(matches!(error.outcome(), EffectOutcome::Retryable { .. }));
        assert!(rig.sim().stats().calls.is_empty());
    }
}

#[tokio::test]
async fn every_call_is_counted_with_its_outcome() {
    let rig = Rig::new(By::Stp).await;
    rig.vendor.issue(&call(), &card(1, &["101"], false)).await.unwrap();
    rig.sim().add_fault(FaultOrder::times(INSERT, FaultKind::Drop, 1));
    rig.vendor.issue(&call(), &card(2, &["101"], false)).await.unwrap_err();
    rig.vendor.issue(&call(), &card(3, &["999"], false)).await.unwrap_err();
    for (verb, outcome) in [(INSERT, "ok"), (INSERT, "unconfirmed"), (INSERT, "permanent"), (FIRST_KEY, "ok")] {
        assert_eq!(rig.samples.count(verb, outcome), 1, "{verb} {outcome}");
    }
}

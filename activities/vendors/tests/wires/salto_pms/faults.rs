//! What the adapter says, and what is true, when the wire is not well.

use lock_sim::salto_space::{Effect, FaultKind, FaultOrder};
use lock_vendors::error::{Condition, EffectOutcome};
use lock_vendors::port::{CallContext, Deletion};

use super::support::{ENCODER, Rig, call, card, doors, impatient};

const RETRYABLE: EffectOutcome = EffectOutcome::Retryable { after: None };

/// Acts, and the reply is lost or worthless.
const LOST: &[FaultKind] = &[
    FaultKind::ActThenDrop,
    FaultKind::HalfThenDrop,
    FaultKind::Garbage,
    FaultKind::WrongName,
    FaultKind::Huge,
    FaultKind::BadLrc { times: 9 },
    FaultKind::ActThenRefusal { letters: String::new() },
];

fn lost() -> impl Iterator<Item = FaultKind> {
    LOST.iter().cloned().map(|kind| match kind {
        FaultKind::ActThenRefusal { .. } => FaultKind::ActThenRefusal { letters: "EG".to_owned() },
        other => other,
    })
}

#[tokio::test]
async fn a_lost_reply_is_read_off_the_card_that_still_lies_there() {
    for kind in lost() {
        for joins in [false, true] {
            let rig = Rig::new().await;
            if joins {
                rig.made(9, &["101"], false).await;
            }
            let before = rig.sim().cards_that_open("101").len();
            rig.sim().add_fault(FaultOrder::times(if joins { "CC" } else { "CN" }, kind.clone(), 1));
            rig.vendor.issue(&call(), &card(1, &["101"], joins)).await.unwrap();
            // Repeated by somebody who has not heard of it: the same card, nothing written.
            rig.vendor.issue(&call(), &card(1, &["101"], joins)).await.unwrap();
            let effect = if joins { Effect::Copied } else { Effect::CheckedIn };
            assert_eq!(
                (rig.effects(effect), rig.sim().cards_that_open("101").len()),
                (1, before + 1),
                "{kind:?} {joins}"
            );
        }
    }
}

#[tokio::test]
async fn a_lost_reply_and_no_witness_is_unconfirmed() {
    // Of a reply that is far too long, the server's repetition is read.
    for kind in lost().filter(|kind| *kind != FaultKind::Huge) {
        let rig = Rig::new().await;
        rig.sim().add_fault(FaultOrder::times("CN", kind.clone(), 1));
        // The read-back fails as well.
        rig.sim().add_fault(FaultOrder { after: 1, ..FaultOrder::times("LT", FaultKind::Drop, 1) });
        let error = rig.vendor.issue(&call(), &card(1, &["101"], false)).await.unwrap_err();
        assert_eq!((error.outcome(), rig.effects(Effect::CheckedIn)), (EffectOutcome::Unconfirmed, 1), "{kind:?}");
        let held = rig.sim().take(ENCODER).unwrap();
        // The card comes back to the encoder: it tells, and nothing is written.
        rig.sim().place(ENCODER, held);
        rig.vendor.issue(&call(), &card(1, &["101"], false)).await.unwrap();
        assert_eq!((rig.effects(Effect::CheckedIn), rig.sim().cards_that_open("101")), (1, vec![held]), "{kind:?}");
    }
}

#[tokio::test]
async fn when_the_lost_card_never_comes_back_the_next_one_ends_it() {
    let rig = Rig::new().await;
    rig.sim().add_fault(FaultOrder::times("CN", FaultKind::ActThenDrop, 1));
    rig.sim().add_fault(FaultOrder { after: 1, ..FaultOrder::times("LT", FaultKind::Drop, 1) });
    rig.vendor.issue(&call(), &card(1, &["101"], false)).await.unwrap_err();
    let lost = rig.sim().take(ENCODER).unwrap();
    let second = rig.made(1, &["101"], false).await;
    assert_eq!(rig.sim().try_card("101", second), lock_sim::salto_space::Verdict::Opened);
    assert_eq!(rig.sim().cards_that_open("101"), [second], "{lost} is over");
}

#[tokio::test]
async fn silence_after_the_message_is_unconfirmed() {
    for kind in [FaultKind::ActThenSilence, FaultKind::Silence] {
        let rig = Rig::new().await;
        rig.sim().add_fault(FaultOrder::times("CN", kind.clone(), 1));
        let error = rig.vendor.issue(&impatient(), &card(1, &["101"], false)).await.unwrap_err();
        assert_eq!((error.condition(), error.outcome()), (Condition::NoAnswer, EffectOutcome::Unconfirmed), "{kind:?}");
        rig.vendor.issue(&call(), &card(1, &["101"], false)).await.unwrap();
        assert_eq!((rig.effects(Effect::CheckedIn), rig.sim().cards_that_open("101").len()), (1, 1), "{kind:?}");
    }
}

#[tokio::test]
async fn nothing_done_and_a_lost_connection_is_unconfirmed_and_then_done_once() {
    for kind in [FaultKind::Drop, FaultKind::AckThenDrop, FaultKind::Html, FaultKind::Down] {
        let rig = Rig::new().await;
        rig.sim().add_fault(FaultOrder::times("CN", kind.clone(), 1));
        let error = rig.vendor.issue(&call(), &card(1, &["101"], false)).await.unwrap_err();
        assert_eq!(error.outcome(), EffectOutcome::Unconfirmed, "{kind:?}");
        rig.vendor.issue(&call(), &card(1, &["101"], false)).await.unwrap();
        assert_eq!(rig.effects(Effect::CheckedIn), 1, "{kind:?}");
    }
}

#[tokio::test]
async fn answers_in_pieces_glued_unchecked_or_without_ack_are_answers() {
    let rig = Rig::new().await;
    for (n, kind) in (1..).zip([
        FaultKind::Split,
        FaultKind::Glued,
        FaultKind::SkipLrc,
        FaultKind::NoAck,
        FaultKind::BadLrc { times: 1 },
        FaultKind::Latency { ms: 50 },
    ]) {
        rig.sim().add_fault(FaultOrder::times("LT", kind.clone(), 1));
        rig.sim().add_fault(FaultOrder::times("CN", kind, 1));
        rig.made(n, &["101"], false).await;
    }
    assert_eq!((rig.effects(Effect::CheckedIn), rig.calls("LT"), rig.calls("CN")), (6, 6, 6));
}

#[tokio::test]
async fn a_server_that_is_not_ready_is_asked_until_it_is() {
    let rig = Rig::new().await;
    rig.sim().add_fault(FaultOrder::times("CN", FaultKind::Nak { times: 3 }, 1));
    rig.vendor.issue(&call(), &card(1, &["101"], false)).await.unwrap();
    let stats = rig.sim().stats();
    assert_eq!((stats.naks, stats.enqs, rig.effects(Effect::CheckedIn)), (3, 3, 1));
}

#[tokio::test]
async fn a_storm_of_refusals_ends_without_effect() {
    let rig = Rig::new().await;
    rig.sim().add_fault(FaultOrder::times("CN", FaultKind::Nak { times: u32::MAX }, 1));
    let error = rig.vendor.issue(&call(), &card(1, &["101"], false)).await.unwrap_err();
    assert_eq!((error.condition(), error.outcome()), (Condition::ServerError, RETRYABLE));
    let stats = rig.sim().stats();
    assert_eq!((stats.enqs, rig.effects(Effect::CheckedIn)), (3, 0));
}

#[tokio::test]
async fn a_request_that_is_carried_out_twice_leaves_one_card() {
    let rig = Rig::new().await;
    rig.sim().add_fault(FaultOrder::times("CN", FaultKind::Duplicate, 1));
    rig.vendor.issue(&call(), &card(1, &["101"], false)).await.unwrap();
    assert_eq!(rig.sim().cards_that_open("101").len(), 1);
}

#[tokio::test]
async fn a_check_out_without_answer_can_be_repeated() {
    let rig = Rig::new().await;
    let made = rig.vendor.issue(&call(), &card(1, &["101"], false)).await.unwrap().credential.reference;
    rig.sim().add_fault(FaultOrder::times("CO", FaultKind::ActThenDrop, 1));
    let error = rig.vendor.delete(&call(), &doors(&["101"]), &made).await.unwrap_err();
    assert_eq!(error.outcome(), EffectOutcome::Unconfirmed);
    assert_eq!(rig.vendor.delete(&call(), &doors(&["101"]), &made).await.unwrap(), Deletion::AlreadyGone);
    assert_eq!(rig.effects(Effect::CheckedOut), 1);
}

#[tokio::test]
async fn a_refused_connection_did_nothing_and_no_time_sends_nothing() {
    let rig = Rig::with(|config| config["card_wait_s"] = 1.into()).await;
    let made = rig.vendor.issue(&call(), &card(1, &["101"], false)).await.unwrap().credential.reference;
    let none = CallContext::new("op", std::time::Duration::ZERO);
    let error = rig.vendor.delete(&none, &doors(&["101"]), &made).await.unwrap_err();
    assert!(matches!(error.outcome(), EffectOutcome::Retryable { .. }));
    assert_eq!(rig.calls("CO"), 0);
    let vendor = rig.vendor.clone();
    rig.server.shutdown().await;
    let error = vendor.issue(&call(), &card(2, &["102"], false)).await.unwrap_err();
    assert_eq!((error.outcome(), error.code()), (RETRYABLE, "vendor.unreachable"));
}

#[tokio::test]
async fn every_call_is_counted_with_its_outcome() {
    let rig = Rig::new().await;
    rig.made(1, &["101"], false).await;
    rig.vendor.issue(&call(), &card(2, &["999"], false)).await.unwrap_err();
    for (verb, outcome, count) in [("LT", "ok", 2), ("CN", "ok", 1), ("CN", "permanent", 1)] {
        assert_eq!(rig.samples.count(verb, outcome), count, "{verb} {outcome}");
    }
}

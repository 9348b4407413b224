//! What the adapter says, and what is true, when the wire is not well.

use std::time::Duration;

use lock_sim::salto_ks::{Effect, FaultKind, FaultOrder, PolicyPatch};
use lock_vendors::error::{Condition, EffectOutcome};
use lock_vendors::port::{CallContext, Deletion};

use super::support::{Rig, call, impatient, pin, token};

/// Every call of an issue on a new site.
const STEPS: [&str; 13] = [
    "GET users",
    "GET access_groups",
    "POST access_groups",
    "GET access_groups/{id}/locks",
    "GET locks",
    "POST access_groups/{id}/locks",
    "GET access_groups/{id}/time_schedules",
    "POST access_groups/{id}/time_schedules",
    "POST guests",
    "PATCH users/{id}",
    "POST access_groups/{id}/users",
    "PUT users/{id}/pin",
    "POST connect/token",
];

const LOST: [FaultKind; 8] = [
    FaultKind::ActThenTimeout,
    FaultKind::ActThenDrop,
    FaultKind::MidBody,
    FaultKind::Garbage,
    FaultKind::WrongTypes,
    FaultKind::Huge,
    FaultKind::ActThenStatus { status: 502 },
    FaultKind::ActThenStatus { status: 404 },
];

const NOTHING_DONE: [FaultKind; 7] = [
    FaultKind::Timeout,
    FaultKind::Drop,
    FaultKind::Html,
    FaultKind::Down,
    FaultKind::Redirect,
    FaultKind::Status { status: 500, code: None, retry_after: None },
    FaultKind::Status { status: 404, code: None, retry_after: None },
];

fn waits(kind: FaultKind) -> CallContext {
    if matches!(kind, FaultKind::ActThenTimeout | FaultKind::Timeout) { impatient() } else { call() }
}

/// Repeats as a worker would, and says what stands in the end.
async fn repeated(rig: &Rig, why: &str) {
    let issued = rig.issue(&call(), 1, &[0]).await.unwrap_or_else(|error| panic!("{why}: {error}"));
    let guest = rig.guest();
    assert_eq!(guest.alias.as_deref(), Some(token(1).as_str()), "{why}");
    assert_eq!(rig.sim().seats_taken(), 2, "{why}");
    assert!(rig.opens(0, &pin(&issued)), "{why}");
    let groups = rig.sim().groups();
    assert_eq!(groups.len(), 1, "{why}");
    rig.vendor.delete(&call(), &[rig.door(0)], &issued.credential.reference).await.unwrap();
    assert_eq!((rig.sim().guests().len(), rig.sim().seats_taken()), (0, 1), "{why}");
}

#[tokio::test]
async fn an_answer_lost_at_any_step_leaves_one_user_one_seat_and_good_digits() {
    for step in STEPS {
        for kind in LOST {
            let rig = Rig::new(1).await;
            rig.sim().add_fault(FaultOrder::times(step, kind, 1));
            let why = format!("{step} {kind:?}");
            match rig.issue(&waits(kind), 1, &[0]).await {
                // A body that nobody reads, or a form that differs in nothing that matters.
                Ok(_) => {}
                Err(error) => {
                    assert_ne!(error.outcome(), EffectOutcome::Permanent, "{why}: {error}");
                    let mutates = matches!(
                        step,
                        "POST guests" | "PATCH users/{id}" | "POST access_groups/{id}/users" | "PUT users/{id}/pin"
                    );
                    assert_eq!(error.outcome() == EffectOutcome::Unconfirmed, mutates, "{why}: {error}");
                }
            }
            repeated(&rig, &why).await;
        }
    }
}

#[tokio::test]
async fn a_call_that_did_nothing_at_any_step_is_repeated() {
    for step in STEPS {
        for kind in NOTHING_DONE {
            let rig = Rig::new(1).await;
            rig.sim().add_fault(FaultOrder::times(step, kind, 1));
            let why = format!("{step} {kind:?}");
            let error = rig.issue(&waits(kind), 1, &[0]).await.map(|_| ()).unwrap_err();
            assert_ne!(error.outcome(), EffectOutcome::Permanent, "{why}: {error}");
            repeated(&rig, &why).await;
        }
    }
}

#[tokio::test]
async fn a_guest_whose_making_got_no_answer_and_who_is_not_listed_yet_is_not_made_twice() {
    let rig = Rig::new(1).await;
    rig.sim().patch_policy(&PolicyPatch { list_lag_ms: Some(3_600_000), ..PolicyPatch::default() });
    rig.sim().add_fault(FaultOrder::times("POST guests", FaultKind::ActThenDrop, 1));
    let error = rig.issue(&call(), 1, &[0]).await.unwrap_err();
    assert_eq!(error.outcome(), EffectOutcome::Unconfirmed);
    let (vendor, spec) = (rig.vendor.clone(), rig.spec(1, &[0]));
    let again = tokio::spawn(async move { vendor.issue(&call(), &spec).await });
    rig.until("a second one", |sim| sim.guests().len() == 2).await;
    rig.sim().patch_policy(&PolicyPatch { list_lag_ms: Some(0), ..PolicyPatch::default() });
    let issued = again.await.unwrap().unwrap();
    assert_eq!((rig.effects(Effect::AddGuest), rig.effects(Effect::DeleteUser)), (2, 1));
    rig.guest();
    assert!(rig.opens(0, &pin(&issued)));
    assert_eq!(rig.sim().seats_taken(), 2);
}

#[tokio::test]
async fn a_request_that_is_carried_out_twice_leaves_one_effect() {
    for step in ["POST guests", "POST access_groups", "PUT users/{id}/pin", "PATCH users/{id}"] {
        let rig = Rig::new(1).await;
        rig.sim().add_fault(FaultOrder::times(step, FaultKind::Duplicate, 1));
        let issued = rig.issue(&call(), 1, &[0]).await.unwrap();
        assert!(rig.opens(0, &pin(&issued)), "{step}");
        rig.guest();
        assert_eq!(rig.sim().groups().len(), 1, "{step}");
    }
    let rig = Rig::new(1).await;
    let issued = rig.issue(&call(), 1, &[0]).await.unwrap();
    rig.sim().add_fault(FaultOrder::times("DELETE users/{id}", FaultKind::Duplicate, 1));
    let deletion = rig.vendor.delete(&call(), &[], &issued.credential.reference).await.unwrap();
    assert_eq!(deletion, Deletion::AlreadyGone);
}

#[tokio::test]
async fn a_membership_that_stands_is_no_failure() {
    let rig = Rig::new(1).await;
    // The second time, the vendor says "invalid".
    rig.sim().add_fault(FaultOrder::times("POST access_groups/{id}/users", FaultKind::Duplicate, 1));
    let issued = rig.issue(&call(), 1, &[0]).await.unwrap();
    assert!(rig.opens(0, &pin(&issued)));
}

#[tokio::test]
async fn half_a_key_is_found_by_its_name_and_its_seat_is_freed() {
    for step in ["POST guests", "PATCH users/{id}", "POST access_groups/{id}/users", "PUT users/{id}/pin"] {
        let rig = Rig::new(1).await;
        rig.sim().add_fault(FaultOrder::times(step, FaultKind::ActThenDrop, 1));
        rig.issue(&call(), 1, &[0]).await.unwrap_err();
        let found = rig.vendor.find(&call(), &[], &token(1)).await.unwrap().unwrap();
        assert_eq!(found.confirmed_at_lock, step.starts_with("PUT"), "{step}");
        let deletion = rig.vendor.delete(&call(), &[rig.door(0)], &found.reference).await.unwrap();
        assert_eq!((deletion, rig.sim().seats_taken()), (Deletion::Deleted, 1), "{step}");
    }
}

#[tokio::test]
async fn a_refusal_for_good_leaves_no_seat_taken() {
    for step in ["PATCH users/{id}", "POST access_groups/{id}/users", "PUT users/{id}/pin"] {
        let rig = Rig::new(1).await;
        let refusal = FaultKind::Status { status: 400, code: Some(1101), retry_after: None };
        rig.sim().add_fault(FaultOrder::times(step, refusal, 1));
        let error = rig.issue(&call(), 1, &[0]).await.unwrap_err();
        assert_eq!(
            (error.condition(), error.outcome()),
            (Condition::InvalidRequest, EffectOutcome::Permanent),
            "{step}"
        );
        assert_eq!(rig.sim().seats_taken(), 1, "{step}");
    }
}

#[tokio::test]
async fn a_delete_without_answer_can_be_repeated() {
    for kind in LOST {
        let rig = Rig::new(2).await;
        let issued = rig.issue(&call(), 1, &[0, 1]).await.unwrap();
        for step in ["DELETE access_groups/{id}/users/{id}", "DELETE users/{id}"] {
            rig.sim().add_fault(FaultOrder::times(step, kind, 1));
        }
        let reference = &issued.credential.reference;
        for doors in [vec![rig.door(0)], vec![rig.door(1)]] {
            if let Err(error) = rig.vendor.delete(&waits(kind), &doors, reference).await {
                assert_eq!(error.outcome(), EffectOutcome::Unconfirmed, "{kind:?}");
            }
            rig.vendor.delete(&call(), &doors, reference).await.unwrap();
        }
        assert_eq!(rig.sim().seats_taken(), 1, "{kind:?}");
    }
}

#[tokio::test]
async fn reads_can_always_be_repeated() {
    let rig = Rig::new(1).await;
    rig.issue(&call(), 1, &[0]).await.unwrap();
    for kind in NOTHING_DONE.into_iter().chain(LOST) {
        rig.sim().add_fault(FaultOrder::times("GET users", kind, 1));
        let error = rig.vendor.find(&waits(kind), &[rig.door(0)], &token(1)).await.unwrap_err();
        assert!(matches!(error.outcome(), EffectOutcome::Retryable { .. }), "{kind:?}: {error}");
    }
    assert!(rig.vendor.find(&call(), &[rig.door(0)], &token(1)).await.unwrap().is_some());
}

#[tokio::test]
async fn a_refused_connection_did_nothing_and_no_time_left_sends_nothing() {
    let rig = Rig::new(1).await;
    let none = CallContext::new("op", Duration::ZERO);
    let error = rig.issue(&none, 1, &[0]).await.unwrap_err();
    assert!(matches!(error.outcome(), EffectOutcome::Retryable { .. }));
    assert!(rig.sim().stats().calls.is_empty());
    let (vendor, spec) = (rig.vendor.clone(), rig.spec(1, &[0]));
    rig.server.shutdown().await;
    let error = vendor.issue(&call(), &spec).await.unwrap_err();
    assert_eq!((error.outcome(), error.code()), (EffectOutcome::Retryable { after: None }, "vendor.unreachable"));
}

//! Creating, reading back, changing and deleting when the wire is well.

use jiff::{SignedDuration, Timestamp};
use lock_domain::window::Window;
use lock_sim::ttlock::{Effect, GatewayPatch, TryReason};
use lock_vendors::error::{Condition, EffectOutcome};
use lock_vendors::port::{Deletion, Issued, KeyForm, KeySpec, VendorCredentialRef, VendorLockRef};

use super::support::{PIN, Pin, Pins, Rig, call, spec, stay, token};

#[tokio::test]
async fn the_life_of_a_pin() {
    let rig = Rig::new(1).await;
    let (vendor, lock) = (&rig.vendor, rig.lock());

    let created = vendor.create_pin(&call(), &lock, &spec(1, PIN)).await.unwrap();
    assert!(created.confirmed_at_lock);
    assert_eq!(created.window, Some(stay()));
    assert!(rig.opens(PIN));

    let found = vendor.find(&call(), std::slice::from_ref(&lock), &token(1)).await.unwrap().unwrap();
    assert_eq!(found, created);
    assert_eq!(vendor.find(&call(), std::slice::from_ref(&lock), &token(2)).await.unwrap(), None);

    let shorter = Window { until: Timestamp::now().saturating_sub(SignedDuration::from_mins(10)).unwrap(), ..stay() };
    let changed = vendor
        .change_window(&call(), std::slice::from_ref(&lock), &created.reference, &token(1), shorter)
        .await
        .unwrap();
    assert_eq!(changed.reference, created.reference);
    assert_eq!(
        vendor.find(&call(), std::slice::from_ref(&lock), &token(1)).await.unwrap().unwrap().window,
        changed.window
    );
    assert_eq!(rig.sim().try_pin(rig.lock_id(), PIN).unwrap().reason, TryReason::Expired);

    assert_eq!(
        vendor.delete(&call(), std::slice::from_ref(&lock), &created.reference).await.unwrap(),
        Deletion::Deleted
    );
    assert_eq!(
        vendor.delete(&call(), std::slice::from_ref(&lock), &created.reference).await.unwrap(),
        Deletion::AlreadyGone
    );
    assert_eq!(rig.sim().try_pin(rig.lock_id(), PIN).unwrap().reason, TryReason::UnknownCode);
    let effects: Vec<_> = rig.sim().journal(0).into_iter().map(|entry| entry.effect).collect();
    assert_eq!(effects, [Effect::Add, Effect::Change, Effect::Delete]);
    assert!(rig.sim().journal(0).iter().all(|entry| entry.reached_door));
}

#[tokio::test]
async fn what_is_shown_is_what_the_lock_was_told() {
    let rig = Rig::new(1).await;
    let window =
        Window { from: "2030-05-01T14:55:30.5Z".parse().unwrap(), until: "2030-05-03T11:05:00.001Z".parse().unwrap() };
    let wanted = Pin { window, ..spec(1, PIN) };
    let created = rig.vendor.create_pin(&call(), &rig.lock(), &wanted).await.unwrap();
    let shown = created.window.unwrap();
    assert_eq!(shown.from, "2030-05-01T14:55:00Z".parse().unwrap());
    assert_eq!(shown.until, "2030-05-03T11:06:00Z".parse().unwrap());
    let code = rig.sim().lock(rig.lock_id()).unwrap().codes.remove(0);
    assert_eq!((code.from, code.until), (shown.from.as_millisecond(), shown.until.as_millisecond()));
}

#[tokio::test]
async fn the_same_request_twice_is_one_credential() {
    let rig = Rig::new(1).await;
    let first = rig.vendor.create_pin(&call(), &rig.lock(), &spec(1, PIN)).await.unwrap();
    let again = rig.vendor.create_pin(&call(), &rig.lock(), &spec(1, PIN)).await.unwrap();
    assert_eq!(first, again);
    let mut later = spec(1, PIN);
    later.window.until = later.window.until.saturating_add(SignedDuration::from_hours(24)).unwrap();
    let moved = rig.vendor.create_pin(&call(), &rig.lock(), &later).await.unwrap();
    assert_eq!(moved.reference, first.reference);
    assert_eq!(moved.window, Some(later.window));
    let credentials = rig.sim().credentials();
    assert_eq!(credentials.len(), 1);
    assert_eq!(credentials[0].until, later.window.until.as_millisecond());
}

#[tokio::test]
async fn digits_of_somebody_else_are_not_adopted() {
    let rig = Rig::new(1).await;
    rig.vendor.create_pin(&call(), &rig.lock(), &spec(1, PIN)).await.unwrap();
    let error = rig.vendor.create_pin(&call(), &rig.lock(), &spec(2, PIN)).await.unwrap_err();
    assert_eq!((error.condition(), error.outcome()), (Condition::PinTaken, EffectOutcome::Permanent));
    assert!(!error.to_string().contains(PIN) && !format!("{error:?}").contains(PIN));
    assert_eq!(rig.sim().credentials().len(), 1);
}

#[tokio::test]
async fn a_name_that_contains_ours_is_not_ours() {
    let rig = Rig::new(1).await;
    let longer = lock_vendors::port::CredentialToken::new("lis-1-b").unwrap();
    let ours = lock_vendors::port::CredentialToken::new("lis-1").unwrap();
    let wanted = Pin { token: longer, ..spec(1, PIN) };
    rig.vendor.create_pin(&call(), &rig.lock(), &wanted).await.unwrap();
    assert_eq!(rig.vendor.find(&call(), &[rig.lock()], &ours).await.unwrap(), None);
}

#[tokio::test]
async fn refusals_say_what_to_do() {
    let rig = Rig::new(1).await;
    let refused = async |pin: &str| rig.vendor.create_pin(&call(), &rig.lock(), &spec(9, pin)).await.unwrap_err();
    assert_eq!(refused("1234567").await.condition(), Condition::PinTooSimple);
    assert_eq!(refused("777777").await.condition(), Condition::PinTooSimple);
    assert_eq!(refused("731").await.condition(), Condition::PinLength);

    let nowhere = VendorLockRef::new("999999");
    let error = rig.vendor.create_pin(&call(), &nowhere, &spec(9, PIN)).await.unwrap_err();
    assert_eq!((error.condition(), error.vendor_code()), (Condition::LockUnknown, Some(-1003)));
    assert!(error.remedy().contains("lock's id"));

    let nothing = VendorCredentialRef("424242".to_owned());
    let error = rig.vendor.change_window(&call(), &[rig.lock()], &nothing, &token(9), stay()).await.unwrap_err();
    assert_eq!((error.condition(), error.outcome()), (Condition::CredentialGone, EffectOutcome::Permanent));
    assert_eq!(rig.vendor.delete(&call(), &[rig.lock()], &nothing).await.unwrap(), Deletion::AlreadyGone);
    assert!(rig.sim().credentials().is_empty());
}

#[tokio::test]
async fn a_full_lock_is_read_to_its_last_page_and_refuses_the_next() {
    let rig = Rig::new(1).await;
    for n in 0..250 {
        rig.vendor.create_pin(&call(), &rig.lock(), &spec(n, &format!("7{:05}", n * 37 + 211))).await.unwrap();
    }
    assert_eq!(rig.vendor.list(&call(), &rig.lock()).await.unwrap().len(), 250);
    let error = rig.vendor.create_pin(&call(), &rig.lock(), &spec(900, PIN)).await.unwrap_err();
    assert_eq!((error.condition(), error.needs_operator()), (Condition::LockFull, true));
    assert_eq!(rig.sim().stats().peak_codes_per_lock, 250);
    assert!(rig.sim().credentials().iter().all(|credential| !credential.ghost));
}

#[tokio::test]
async fn an_offline_pin_needs_no_gateway_and_keeps_whole_hours() {
    let rig = Rig::new(1).await;
    rig.sim().patch_gateway(rig.seeded.gateways[0], &GatewayPatch { online: Some(false), ..GatewayPatch::default() });
    let spec = KeySpec {
        token: token(1),
        form: KeyForm::VendorPin { one_time: false },
        doors: vec![rig.lock()],
        window: stay(),
        joins: true,
    };
    let Issued { credential, pin } = rig.vendor.issue(&call(), &spec).await.unwrap();
    let pin = pin.unwrap();
    let window = credential.window.unwrap();
    assert_eq!((window.from.as_second() % 3_600, window.until.as_second() % 3_600), (0, 0));
    assert!(window.from <= stay().from && window.until >= stay().until);
    assert!(rig.opens(secrecy::ExposeSecret::expose_secret(&pin)));
    let found = rig.vendor.find(&call(), &[rig.lock()], &token(1)).await.unwrap().unwrap();
    assert_eq!(found.window, Some(window));
}

#[tokio::test]
async fn a_one_time_pin_opens_once_and_for_six_hours() {
    let rig = Rig::new(1).await;
    let now = Timestamp::now();
    let window = Window { from: now, until: now.saturating_add(SignedDuration::from_hours(2)).unwrap() };
    let form = KeyForm::VendorPin { one_time: true };
    let spec = |n| KeySpec { token: token(n), form: form.clone(), doors: vec![rig.lock()], window, joins: true };
    let Issued { credential, pin } = rig.vendor.issue(&call(), &spec(1)).await.unwrap();
    let shown = credential.window.unwrap();
    assert_eq!(shown.from.as_second() % 3_600, 0);
    assert_eq!(shown.until.duration_since(shown.from), SignedDuration::from_hours(6));
    let pin = pin.unwrap();
    let pin = secrecy::ExposeSecret::expose_secret(&pin);
    assert!(rig.opens(pin));
    assert_eq!(rig.sim().try_pin(rig.lock_id(), pin).unwrap().reason, TryReason::UsedUp);
    // What was deleted is not given out again for the same period; another can be had all the same, for the same hours.
    rig.vendor.delete(&call(), &[rig.lock()], &credential.reference).await.unwrap();
    let again = rig.vendor.issue(&call(), &spec(2)).await.unwrap();
    assert_eq!(again.credential.window, Some(shown));
    assert!(rig.opens(secrecy::ExposeSecret::expose_secret(&again.pin.unwrap())));
}

#[tokio::test]
async fn a_period_that_was_deleted_is_asked_for_with_a_later_end() {
    let rig = Rig::new(1).await;
    let form = KeyForm::VendorPin { one_time: false };
    let spec = KeySpec { token: token(1), form, doors: vec![rig.lock()], window: stay(), joins: true };
    let mut ends = Vec::new();
    for _ in 0..4 {
        let Issued { credential, .. } = rig.vendor.issue(&call(), &spec).await.unwrap();
        ends.push(credential.window.unwrap().until);
        rig.vendor.delete(&call(), &[rig.lock()], &credential.reference).await.unwrap();
    }
    assert!(ends.windows(2).all(|w| w[1].duration_since(w[0]) == SignedDuration::from_hours(1)), "{ends:?}");
    let error = rig.vendor.issue(&call(), &spec).await.unwrap_err();
    assert_eq!((error.condition(), error.outcome()), (Condition::PeriodUsed, EffectOutcome::Permanent));
}

#[tokio::test]
async fn a_lock_gives_two_hundred_one_time_codes_per_starting_hour() {
    let rig = Rig::new(1).await;
    let window = stay();
    let form = KeyForm::VendorPin { one_time: true };
    let spec = |n| KeySpec { token: token(n), form: form.clone(), doors: vec![rig.lock()], window, joins: true };
    for n in 0..200 {
        rig.vendor.issue(&call(), &spec(n)).await.unwrap();
    }
    let error = rig.vendor.issue(&call(), &spec(200)).await.unwrap_err();
    assert_eq!((error.condition(), error.needs_operator()), (Condition::LockFull, true));
}

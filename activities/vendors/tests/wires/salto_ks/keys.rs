//! Keys: made, read back, changed, taken away, whole or door by door.

use std::sync::Arc;
use std::time::Duration;

use jiff::{SignedDuration, Timestamp};
use lock_domain::window::Window;
use lock_sim::salto_ks::{Effect, PolicyPatch, TryReason};
use lock_vendors::error::{Condition, EffectOutcome};
use lock_vendors::port::{CallContext, Deletion, KeyForm, KeySpec, RevokeReach, Scope, VendorCredentialRef};

use super::support::{Rig, call, minutes, pin, stay, token};

#[tokio::test]
async fn a_key_is_one_user_with_all_its_doors() {
    let rig = Rig::new(3).await;
    let issued = rig.issue(&call(), 1, &[0, 1]).await.unwrap();
    let digits = pin(&issued);
    assert!(rig.opens(0, &digits) && rig.opens(1, &digits) && !rig.opens(2, &digits));
    let guest = rig.guest();
    assert_eq!(guest.alias.as_deref(), Some(token(1).as_str()));
    assert_eq!(guest.expires_at, Some(stay().until.as_millisecond()));
    assert_eq!((rig.sim().seats_taken(), rig.sim().groups().len()), (2, 2));
    assert_eq!((issued.credential.window, issued.credential.confirmed_at_lock), (Some(stay()), true));
    let doors = [rig.door(0), rig.door(1)];
    let found = rig.vendor.find(&call(), &doors, &token(1)).await.unwrap().unwrap();
    assert_eq!((&found.reference, found.name.as_str()), (&issued.credential.reference, token(1).as_str()));
    assert_eq!((found.window.unwrap().until, found.confirmed_at_lock), (stay().until, true));
    assert_eq!(rig.vendor.find(&call(), &[rig.door(2)], &token(1)).await.unwrap(), None);
    assert!(rig.vendor.find(&call(), &[], &token(1)).await.unwrap().is_some());
    assert_eq!(rig.vendor.find(&call(), &[], &token(2)).await.unwrap(), None);
    assert_eq!(rig.vendor.delete(&call(), &doors, &found.reference).await.unwrap(), Deletion::Deleted);
    assert!(!rig.opens(0, &digits) && rig.sim().guests().is_empty());
    assert_eq!(rig.sim().seats_taken(), 1);
    assert_eq!(rig.vendor.delete(&call(), &doors, &found.reference).await.unwrap(), Deletion::AlreadyGone);
}

#[tokio::test]
async fn a_room_is_prepared_once() {
    let rig = Rig::new(2).await;
    for n in 0..3 {
        rig.issue(&call(), n, &[0, 1]).await.unwrap();
    }
    rig.another_process().issue(&call(), &rig.spec(9, &[0])).await.unwrap();
    let groups = rig.sim().groups();
    assert_eq!(groups.len(), 2);
    assert!(groups.iter().all(|group| group.locks.len() == 1 && group.schedules == 1), "{groups:?}");
    assert_eq!(
        (rig.effects(Effect::AddGroup), rig.effects(Effect::AddLock), rig.effects(Effect::AddSchedule)),
        (2, 2, 2)
    );
    assert_eq!(rig.vendor.list(&call(), &rig.door(0)).await.unwrap().len(), 4);
    assert_eq!(rig.vendor.list(&call(), &rig.door(1)).await.unwrap().len(), 3);
}

#[tokio::test]
async fn a_repetition_gives_new_digits_and_no_second_user() {
    let rig = Rig::new(3).await;
    let first = rig.issue(&call(), 1, &[0, 1]).await.unwrap();
    let again = rig.issue(&call(), 1, &[1, 2]).await.unwrap();
    assert_eq!(first.credential.reference, again.credential.reference);
    let (old, new) = (pin(&first), pin(&again));
    assert_ne!(old, new);
    assert!(!rig.opens(1, &old) && rig.opens(1, &new) && rig.opens(2, &new));
    // The doors are those of the repetition.
    assert!(!rig.opens(0, &new));
    assert_eq!((rig.guest().locks.len(), rig.effects(Effect::AddGuest)), (2, 1));
}

#[tokio::test]
async fn many_at_once_make_one_user_of_a_name_and_one_group_of_a_room() {
    let rig = Rig::new(1).await;
    let mut tasks = tokio::task::JoinSet::new();
    for n in 0..6 {
        let (vendor, spec) = (Arc::clone(&rig.vendor), rig.spec(n % 3, &[0]));
        tasks.spawn(async move { vendor.issue(&call(), &spec).await });
    }
    while let Some(result) = tasks.join_next().await {
        result.unwrap().unwrap();
    }
    assert_eq!((rig.sim().guests().len(), rig.sim().groups().len()), (3, 1));
}

#[tokio::test]
async fn doors_are_taken_one_by_one_and_the_last_frees_the_seat() {
    for known in [true, false] {
        let rig = Rig::new(3).await;
        rig.sim().patch_policy(&PolicyPatch { groups_of_user: Some(known), ..PolicyPatch::default() });
        let issued = rig.issue(&call(), 1, &[0, 1]).await.unwrap();
        let (digits, reference) = (pin(&issued), issued.credential.reference);
        assert_eq!(rig.vendor.delete(&call(), &[rig.door(0)], &reference).await.unwrap(), Deletion::Deleted);
        assert!(!rig.opens(0, &digits) && rig.opens(1, &digits), "{known}");
        assert_eq!(rig.vendor.delete(&call(), &[rig.door(0)], &reference).await.unwrap(), Deletion::AlreadyGone);
        assert_eq!(rig.sim().seats_taken(), 2);
        assert_eq!(rig.vendor.delete(&call(), &[rig.door(1)], &reference).await.unwrap(), Deletion::Deleted);
        assert!(!rig.opens(1, &digits));
        assert_eq!(rig.sim().seats_taken(), 1);
    }
}

#[tokio::test]
async fn a_window_ends_where_it_is_told_to() {
    let rig = Rig::new(1).await;
    let issued = rig.issue(&call(), 1, &[0]).await.unwrap();
    let digits = pin(&issued);
    let at = |time: Timestamp| rig.sim().opens(rig.lock_id(0), &digits, time.as_millisecond()).unwrap().reason;
    let before = |time: Timestamp| time.saturating_sub(SignedDuration::from_secs(1)).unwrap();
    assert_eq!((at(before(stay().until)), at(stay().until)), (TryReason::Opened, TryReason::UserExpired));
    for until in [minutes(60), minutes(80 * 24 * 60)] {
        let window = Window { until, ..stay() };
        let changed = rig
            .vendor
            .change_window(&call(), &[rig.door(0)], &issued.credential.reference, &token(1), window)
            .await
            .unwrap();
        assert_eq!(changed.window, Some(window));
        assert_eq!((at(before(until)), at(until)), (TryReason::Opened, TryReason::UserExpired));
    }
    let change = async |window| {
        let doors = [rig.door(0)];
        rig.vendor.change_window(&call(), &doors, &issued.credential.reference, &token(1), window).await.unwrap_err()
    };
    // Later than the digits live, and a start that lies ahead of a key that opens already.
    let error = change(Window { until: minutes(100 * 24 * 60), ..stay() }).await;
    assert_eq!((error.condition(), error.outcome()), (Condition::PinEndsFirst, EffectOutcome::Permanent));
    let error = change(Window { from: minutes(600), until: minutes(6_000) }).await;
    assert_eq!((error.condition(), error.outcome()), (Condition::Unsupported, EffectOutcome::Permanent));
    rig.vendor.delete(&call(), &[], &issued.credential.reference).await.unwrap();
    let error = change(stay()).await;
    assert_eq!((error.condition(), error.outcome()), (Condition::CredentialGone, EffectOutcome::Permanent));
}

#[tokio::test]
async fn a_stay_longer_than_the_digits_live_asks_for_its_end() {
    let rig = Rig::new(1).await;
    let window = Window { until: minutes(200 * 24 * 60), ..stay() };
    let issued = rig.vendor.issue(&call(), &KeySpec { window, ..rig.spec(1, &[0]) }).await.unwrap();
    let late = minutes(199 * 24 * 60).as_millisecond();
    assert!(rig.sim().opens(rig.lock_id(0), &pin(&issued), late).unwrap().opened);
}

#[tokio::test]
async fn no_key_is_made_before_its_window() {
    let rig = Rig::new(1).await;
    let window = Window { from: minutes(600), until: minutes(6_000) };
    let spec = KeySpec { window, ..rig.spec(1, &[0]) };
    let error = rig.vendor.issue(&call(), &spec).await.unwrap_err();
    assert_eq!(error.condition(), Condition::TooEarly);
    let EffectOutcome::Retryable { after: Some(after) } = error.outcome() else { panic!("{error}") };
    assert!(after > Duration::from_secs(9 * 3_600) && after <= Duration::from_secs(10 * 3_600), "{after:?}");
    assert!(rig.sim().guests().is_empty());
    // It is the vendor's clock that counts.
    rig.sim().set_clock(599 * 60_000);
    let issued = rig.vendor.issue(&call(), &spec).await.unwrap();
    assert!(rig.opens(0, &pin(&issued)));
    assert!(!rig.vendor.capabilities().window_start);
}

#[tokio::test]
async fn what_the_vendor_does_not_offer_is_refused_before_anything_is_sent() {
    let rig = Rig::new(1).await;
    for form in [
        KeyForm::ChosenPin("739146".into()),
        KeyForm::VendorPin { one_time: true },
        KeyForm::Card { encoder: "e".into() },
        KeyForm::Mobile { recipient: "+4900000".into() },
    ] {
        let error = rig.vendor.issue(&call(), &KeySpec { form, ..rig.spec(1, &[0]) }).await.unwrap_err();
        assert_eq!((error.condition(), error.outcome()), (Condition::Unsupported, EffectOutcome::Permanent));
    }
    let error = rig.issue(&call(), 1, &[]).await.unwrap_err();
    assert_eq!(error.condition(), Condition::InvalidRequest);
    assert!(rig.sim().stats().calls.is_empty());
    let can = rig.vendor.capabilities();
    assert_eq!((can.scope, can.choose_pin, can.revoke_reach), (Scope::Key, false, RevokeReach::Door));
}

#[tokio::test]
async fn an_unknown_lock_leaves_nothing_behind() {
    let rig = Rig::new(1).await;
    let mut spec = rig.spec(1, &[0]);
    spec.doors.push(lock_vendors::port::VendorLockRef::new("00000000-0000-4000-8000-000000000000"));
    let error = rig.vendor.issue(&call(), &spec).await.unwrap_err();
    assert_eq!((error.condition(), error.outcome()), (Condition::LockUnknown, EffectOutcome::Permanent));
    assert!(rig.sim().guests().is_empty());
}

#[tokio::test]
async fn seats_that_are_gone_are_noticed_and_given_back() {
    let rig = Rig::new(1).await;
    rig.sim().patch_policy(&PolicyPatch { seats: Some(2), ..PolicyPatch::default() });
    let first = rig.issue(&call(), 1, &[0]).await.unwrap();
    for _ in 0..2 {
        let error = rig.issue(&call(), 2, &[0]).await.unwrap_err();
        assert_eq!((error.code(), error.needs_operator()), ("vendor.seats_exhausted", true));
        assert!(matches!(error.outcome(), EffectOutcome::Retryable { after: Some(_) }));
        assert!(error.remedy().contains("seat"));
    }
    assert_eq!(rig.guest().alias.as_deref(), Some(token(1).as_str()));
    rig.vendor.delete(&call(), &[], &first.credential.reference).await.unwrap();
    let second = rig.issue(&call(), 2, &[0]).await.unwrap();
    assert!(rig.opens(0, &pin(&second)));
}

#[tokio::test]
async fn a_seat_that_is_lost_later_shows_and_heals() {
    let rig = Rig::new(1).await;
    let first = rig.issue(&call(), 1, &[0]).await.unwrap();
    assert_eq!(suspend(&rig, &first.credential.reference).await, 204);
    assert!(!rig.opens(0, &pin(&first)));
    let found = rig.vendor.find(&call(), &[rig.door(0)], &token(1)).await.unwrap().unwrap();
    assert!(!found.confirmed_at_lock);
    let again = rig.issue(&call(), 1, &[0]).await.unwrap();
    assert!(rig.opens(0, &pin(&again)));
    assert_eq!(rig.sim().guests().len(), 1);
}

/// Somebody suspends the user in the vendor's own app.
async fn suspend(rig: &Rig, reference: &VendorCredentialRef) -> u16 {
    let http = reqwest::Client::builder().no_proxy().build().unwrap();
    let base = rig.server.base_url();
    let login: serde_json::Value = http
        .post(format!("{base}/connect/token"))
        .basic_auth(lock_sim::salto_ks::DEFAULT_CLIENT_ID, Some(lock_sim::salto_ks::DEFAULT_CLIENT_SECRET))
        .form(&[
            ("grant_type", "password"),
            ("username", lock_sim::salto_ks::DEFAULT_USERNAME),
            ("password", lock_sim::salto_ks::DEFAULT_PASSWORD),
            ("scope", "user_api.full_access"),
        ])
        .send()
        .await
        .unwrap()
        .json()
        .await
        .unwrap();
    let path = format!("{base}/v1.2/sites/{}/users/{}/subscription", rig.seeded.site_id, reference.0);
    let request = http.patch(path).bearer_auth(login["access_token"].as_str().unwrap());
    request.json(&serde_json::json!({"state": "suspended"})).send().await.unwrap().status().as_u16()
}

#[tokio::test]
async fn a_cloud_that_has_not_settled_is_waited_for_as_long_as_there_is_time() {
    let rig = Rig::new(1).await;
    rig.sim().patch_policy(&PolicyPatch { settle_ms: Some(300), ..PolicyPatch::default() });
    let issued = rig.issue(&call(), 1, &[0]).await.unwrap();
    assert!(rig.opens(0, &pin(&issued)));
    rig.sim().patch_policy(&PolicyPatch { settle_ms: Some(3_600_000), ..PolicyPatch::default() });
    let short = CallContext::new("op", Duration::from_secs(2));
    let error = rig.issue(&short, 2, &[0]).await.unwrap_err();
    assert_eq!(error.condition(), Condition::NotSettled);
    assert!(matches!(error.outcome(), EffectOutcome::Retryable { after: Some(_) }));
    // The seat that it has taken by then is the same one at the next try.
    rig.sim().patch_policy(&PolicyPatch { settle_ms: Some(0), ..PolicyPatch::default() });
    let issued = rig.issue(&call(), 2, &[0]).await.unwrap();
    assert!(rig.opens(0, &pin(&issued)));
    assert_eq!(rig.sim().guests().len(), 2);
}

#[tokio::test]
async fn a_deletion_is_over_when_the_vendor_shows_it() {
    let rig = Rig::new(1).await;
    let issued = rig.issue(&call(), 1, &[0]).await.unwrap();
    let settling = |ms| rig.sim().patch_policy(&PolicyPatch { settle_ms: Some(ms), ..PolicyPatch::default() });
    settling(3_600_000);
    let short = CallContext::new("op", Duration::from_secs(1));
    let error = rig.vendor.delete(&short, &[], &issued.credential.reference).await.unwrap_err();
    assert_eq!(error.condition(), Condition::NotSettled);
    settling(0);
    rig.sim().patch_policy(&PolicyPatch { delete_lag_ms: Some(3_600_000), ..PolicyPatch::default() });
    let error = rig.vendor.delete(&short, &[], &issued.credential.reference).await.unwrap_err();
    assert_eq!(error.outcome(), EffectOutcome::Unconfirmed);
    rig.sim().patch_policy(&PolicyPatch { delete_lag_ms: Some(0), ..PolicyPatch::default() });
    let deletion = rig.vendor.delete(&call(), &[], &issued.credential.reference).await.unwrap();
    assert_eq!(deletion, Deletion::AlreadyGone);
}

#[tokio::test]
async fn lists_in_other_forms_and_pages_are_read() {
    let rig = Rig::new(5).await;
    let small =
        PolicyPatch { wrap_lists: Some(true), page_size: Some(2), codes_as_text: Some(true), ..PolicyPatch::default() };
    rig.sim().patch_policy(&small);
    for n in 0..4 {
        rig.issue(&call(), n, &[0, 4]).await.unwrap();
    }
    assert_eq!(rig.vendor.list(&call(), &rig.door(4)).await.unwrap().len(), 4);
    let locks = rig.vendor.locks(&call()).await.unwrap();
    assert_eq!((locks.len(), locks[0].battery_percent, locks[0].has_gateway), (5, Some(100), true));
    let gateways = rig.vendor.gateways(&call()).await.unwrap();
    assert_eq!((gateways.len(), gateways[0].lock_count, gateways[0].online), (1, 5, true));
    assert_eq!(rig.vendor.gateway_locks(&call(), &gateways[0].id).await.unwrap().len(), 5);
    let found = rig.vendor.find(&call(), &[rig.door(4)], &token(3)).await.unwrap().unwrap();
    rig.vendor.delete(&call(), &[], &found.reference).await.unwrap();
    assert_eq!(rig.vendor.find(&call(), &[], &token(3)).await.unwrap(), None);
}

#[tokio::test]
async fn a_guest_who_is_blocked_is_listed_as_one_whose_window_is_over() {
    let rig = Rig::new(1).await;
    let issued = rig.issue(&call(), 1, &[0]).await.unwrap();
    let listed = rig.vendor.list(&call(), &rig.door(0)).await.unwrap();
    assert_eq!((listed[0].window.unwrap().until, listed[0].confirmed_at_lock), (stay().until, true));
    rig.sim().forbid_pins();
    assert!(!rig.opens(0, &pin(&issued)));
    let listed = rig.vendor.list(&call(), &rig.door(0)).await.unwrap();
    assert!(listed[0].window.unwrap().until <= Timestamp::now() && !listed[0].confirmed_at_lock, "{listed:?}");
}

#[tokio::test]
async fn more_doors_keep_the_digits_and_a_key_that_is_gone_is_said_to_be() {
    let rig = Rig::new(3).await;
    let issued = rig.issue(&call(), 1, &[0]).await.unwrap();
    let (digits, reference) = (pin(&issued), issued.credential.reference);
    for _ in 0..2 {
        let doors = [rig.door(0), rig.door(1)];
        let wider = rig.vendor.open_doors(&call(), &doors, &reference, &token(1)).await.unwrap();
        assert!(wider.confirmed_at_lock && wider.name == token(1).as_str(), "{wider:?}");
        assert!(rig.opens(0, &digits) && rig.opens(1, &digits) && !rig.opens(2, &digits));
    }
    // What is not named is left.
    rig.vendor.open_doors(&call(), &[rig.door(1)], &reference, &token(1)).await.unwrap();
    assert!(!rig.opens(0, &digits) && rig.opens(1, &digits));
    rig.vendor.delete(&call(), &[], &reference).await.unwrap();
    let gone = rig.vendor.open_doors(&call(), &[rig.door(0)], &reference, &token(1)).await.unwrap_err();
    assert_eq!((gone.condition(), gone.outcome()), (Condition::CredentialGone, EffectOutcome::Permanent));
    assert!(rig.sim().guests().is_empty(), "nobody is made anew");
}

//! Making, reading back, changing and taking away when the wire is well.

use jiff::{SignedDuration, Timestamp};
use lock_domain::window::Window;
use lock_sim::salto_space::{Effect, FaultKind, FaultOrder, Human, Verdict};
use lock_vendors::error::{Condition, EffectOutcome};
use lock_vendors::port::{Deletion, KeyForm, KeySpec, RevokeReach, Scope, VendorCredentialRef};
use lock_vendors::records::{Means, RecordKind};

use super::support::{BOTH, By, ENCODER, PIN, Rig, call, card, doors, pin, shorter, stay, token};

#[tokio::test]
async fn the_life_of_a_pin() {
    for by in BOTH {
        let rig = Rig::new(by).await;
        let made = rig.vendor.issue(&call(), &pin(1, PIN, &["901", "gym"])).await.unwrap().credential;
        assert_eq!((made.window, made.confirmed_at_lock), (Some(stay()), true));
        assert!(["901", "gym"].iter().all(|door| rig.sim().try_pin(door, PIN) == Verdict::Opened));
        assert_eq!(rig.vendor.find(&call(), &doors(&["gym", "901"]), &token(1)).await.unwrap(), Some(made.clone()));
        assert_eq!(rig.vendor.find(&call(), &doors(&["gym", "101"]), &token(1)).await.unwrap(), None);
        assert_eq!(rig.vendor.find(&call(), &doors(&["gym"]), &token(2)).await.unwrap(), None);
        assert_eq!(rig.vendor.list(&call(), &doors(&["gym"])[0]).await.unwrap(), std::slice::from_ref(&made));

        let changed = rig
            .vendor
            .change_window(&call(), &doors(&["901", "gym"]), &made.reference, &token(1), shorter())
            .await
            .unwrap();
        assert!(changed.window.unwrap().until <= Timestamp::now());
        assert_eq!(rig.sim().try_pin("901", PIN), Verdict::Expired);
        rig.vendor.change_window(&call(), &[], &made.reference, &token(1), stay()).await.unwrap();

        let one = rig.vendor.delete(&call(), &doors(&["gym"]), &made.reference).await.unwrap();
        assert_eq!((one, rig.sim().try_pin("gym", PIN)), (Deletion::Deleted, Verdict::Unknown));
        assert_eq!(rig.sim().try_pin("901", PIN), Verdict::Opened);
        let again = rig.vendor.delete(&call(), &doors(&["gym"]), &made.reference).await.unwrap();
        assert_eq!(again, Deletion::AlreadyGone);
        let last = rig.vendor.delete(&call(), &doors(&["901"]), &made.reference).await.unwrap();
        assert_eq!((last, rig.sim().users().len()), (Deletion::Deleted, 0));
        let gone = rig.vendor.delete(&call(), &doors(&["901"]), &made.reference).await.unwrap();
        assert_eq!(gone, Deletion::AlreadyGone);
        let error = rig.vendor.change_window(&call(), &[], &made.reference, &token(1), stay()).await.unwrap_err();
        assert_eq!((error.condition(), error.outcome()), (Condition::CredentialGone, EffectOutcome::Permanent));
    }
}

#[tokio::test]
async fn the_life_of_a_card() {
    for by in BOTH {
        let rig = Rig::new(by).await;
        let made = rig.vendor.issue(&call(), &card(1, &["101", "gym"], false)).await.unwrap().credential;
        let written = rig.sim().take(ENCODER).unwrap();
        assert_eq!(rig.sim().try_card("101", written), Verdict::Opened);
        assert_eq!(rig.sim().try_card("gym", written), Verdict::Opened);
        assert_eq!(rig.sim().try_card("102", written), Verdict::NotAllowed);
        assert_eq!(rig.vendor.find(&call(), &doors(&["101"]), &token(1)).await.unwrap(), Some(made.clone()));

        // The server knows at once, the card when it is written again.
        let changed = rig.vendor.change_window(&call(), &[], &made.reference, &token(1), shorter()).await.unwrap();
        assert!(!changed.confirmed_at_lock);
        assert_eq!(rig.sim().try_card("101", written), Verdict::Opened);
        rig.sim().place(ENCODER, written);
        let mut again = card(1, &["101", "gym"], false);
        again.window = shorter();
        assert!(rig.vendor.issue(&call(), &again).await.unwrap().credential.confirmed_at_lock);
        assert_eq!(rig.sim().try_card("101", written), Verdict::Expired);
        assert_eq!(rig.effects(Effect::UserCardWritten), 2);

        assert_eq!(
            rig.vendor.delete(&call(), &doors(&["101", "gym"]), &made.reference).await.unwrap(),
            Deletion::Deleted
        );
        assert_eq!(rig.vendor.find(&call(), &[], &token(1)).await.unwrap(), None);
    }
}

#[tokio::test]
async fn a_deletion_reaches_an_offline_door_with_the_next_card() {
    let rig = Rig::new(By::Stp).await;
    assert_eq!(rig.vendor.capabilities().revoke_reach, RevokeReach::NextCard);
    let made = rig.vendor.issue(&call(), &card(1, &["101", "gym"], false)).await.unwrap().credential;
    let lost = rig.sim().take(ENCODER).unwrap();
    rig.vendor.delete(&call(), &doors(&["101", "gym"]), &made.reference).await.unwrap();
    assert_eq!(rig.sim().try_card("gym", lost), Verdict::Cancelled, "an online door asks the server");
    assert_eq!(rig.sim().try_card("101", lost), Verdict::Opened, "an offline door has heard of nothing");
    rig.vendor.issue(&call(), &card(2, &["101"], false)).await.unwrap();
    let next = rig.sim().take(ENCODER).unwrap();
    assert_eq!(rig.sim().try_card("101", next), Verdict::Opened);
    assert_eq!(rig.sim().try_card("101", lost), Verdict::Cancelled);
}

#[tokio::test]
async fn cards_of_one_stay_work_beside_each_other() {
    let rig = Rig::new(By::Stp).await;
    assert_eq!(rig.vendor.capabilities().scope, Scope::Key);
    let mut cards = Vec::new();
    for n in 1..=3 {
        rig.vendor.issue(&call(), &card(n, &["101"], n > 1)).await.unwrap();
        cards.push(rig.sim().take(ENCODER).unwrap());
    }
    assert!(cards.iter().all(|card| rig.sim().try_card("101", *card) == Verdict::Opened));
    assert_eq!(rig.sim().cards_that_open("101").len(), 3);
}

#[tokio::test]
async fn the_same_request_twice_is_one_credential() {
    for by in BOTH {
        let rig = Rig::new(by).await;
        let first = rig.vendor.issue(&call(), &card(1, &["101"], false)).await.unwrap().credential;
        let again = rig.vendor.issue(&call(), &card(1, &["101"], false)).await.unwrap().credential;
        assert_eq!(first, again);
        assert_eq!((rig.effects(Effect::UserAdded), rig.effects(Effect::UserCardWritten)), (1, 1));
        assert_eq!(rig.sim().cards_that_open("101").len(), 1);
        let mut longer = pin(2, PIN, &["901"]);
        rig.vendor.issue(&call(), &longer).await.unwrap();
        longer.window.until = longer.window.until.saturating_add(SignedDuration::from_hours(24)).unwrap();
        longer.doors = doors(&["gym"]);
        let moved = rig.vendor.issue(&call(), &longer).await.unwrap().credential;
        assert_eq!(moved.window, Some(longer.window));
        assert_eq!((rig.sim().try_pin("gym", PIN), rig.sim().try_pin("901", PIN)), (Verdict::Opened, Verdict::Unknown));
    }
}

#[tokio::test]
async fn a_second_card_of_a_key_is_not_written_over_another_guests() {
    let rig = Rig::new(By::Stp).await;
    rig.vendor.issue(&call(), &card(1, &["101"], false)).await.unwrap();
    let first = rig.sim().take(ENCODER).unwrap();
    rig.vendor.issue(&call(), &card(2, &["102"], false)).await.unwrap();
    // The window changes, so that the first card is to be written again; the second one lies there.
    let mut longer = card(1, &["101"], false);
    longer.window.until = longer.window.until.saturating_add(SignedDuration::from_hours(24)).unwrap();
    let error = rig.vendor.issue(&call(), &longer).await.unwrap_err();
    assert_eq!(error.vendor_code(), Some(203));
    rig.sim().place(ENCODER, first);
    rig.vendor.issue(&call(), &longer).await.unwrap();
    assert_eq!(rig.sim().cards_that_open("101"), [first]);
}

#[tokio::test]
async fn lists_are_read_to_their_last_page_whichever_way_they_go_on() {
    for repeats in [false, true] {
        let rig = Rig::new(By::Stp).await;
        rig.sim().set_policy(|policy| policy.page_repeats_last = repeats);
        for n in 0..17 {
            rig.vendor.issue(&call(), &pin(n, &format!("{}", 739_100 + n), &["901"])).await.unwrap();
        }
        assert_eq!(rig.vendor.list(&call(), &doors(&["901"])[0]).await.unwrap().len(), 17, "{repeats}");
        assert!(rig.vendor.find(&call(), &doors(&["901"]), &token(16)).await.unwrap().is_some());
        let locks = rig.vendor.locks(&call()).await.unwrap();
        assert_eq!(locks.len(), 7, "{repeats}");
        assert!(locks.iter().any(|lock| lock.lock_id == "gym" && lock.name == "Gym"));
    }
}

#[tokio::test]
async fn a_server_that_sets_back_what_an_update_leaves_out_is_told_everything() {
    let rig = Rig::with(By::Stp, |config| config["update_replaces"] = true.into()).await;
    rig.sim().set_policy(|policy| policy.update_replaces = true);
    let made = rig.vendor.issue(&call(), &pin(1, PIN, &["901", "gym"])).await.unwrap().credential;
    let longer = Window { until: stay().until.saturating_add(SignedDuration::from_hours(24)).unwrap(), ..stay() };
    rig.vendor.change_window(&call(), &[], &made.reference, &token(1), longer).await.unwrap();
    assert_eq!(rig.sim().try_pin("901", PIN), Verdict::Opened);
    rig.vendor.delete(&call(), &doors(&["gym"]), &made.reference).await.unwrap();
    assert_eq!((rig.sim().try_pin("901", PIN), rig.sim().try_pin("gym", PIN)), (Verdict::Opened, Verdict::Unknown));
}

#[tokio::test]
async fn what_is_not_offered_is_refused_before_anything_is_sent() {
    let rig = Rig::with(By::Stp, |config| config["pin_opens_alone"] = false.into()).await;
    assert!(!rig.vendor.capabilities().pin);
    let with = |form| KeySpec { form, ..card(1, &["101"], false) };
    for form in [
        KeyForm::ChosenPin(PIN.into()),
        KeyForm::VendorPin { one_time: false },
        KeyForm::Mobile { recipient: "+351912345678".into() },
    ] {
        let error = rig.vendor.issue(&call(), &with(form)).await.unwrap_err();
        assert_eq!((error.condition(), error.outcome()), (Condition::Unsupported, EffectOutcome::Permanent));
    }
    let error = rig.vendor.issue(&call(), &card(1, &[], false)).await.unwrap_err();
    assert_eq!(error.condition(), Condition::InvalidRequest);
    assert!(rig.sim().stats().calls.is_empty());
}

#[tokio::test]
async fn humans_at_the_encoder() {
    let rig = Rig::new(By::Stp).await;
    rig.sim().set_policy(|policy| policy.card_timeout_ms = 100);
    rig.sim().set_human(ENCODER, Human::Absent);
    let spec = card(1, &["101"], false);
    let error = rig.vendor.issue(&call(), &spec).await.unwrap_err();
    assert_eq!((error.condition(), error.vendor_code()), (Condition::CardMissing, Some(403)));
    assert!(matches!(error.outcome(), EffectOutcome::Retryable { .. }));
    // A user without a card opens nothing and is no key; what a revocation looks for is there all the same.
    assert_eq!(rig.vendor.find(&call(), &doors(&["101"]), &token(1)).await.unwrap(), None);
    assert!(!rig.vendor.find(&call(), &[], &token(1)).await.unwrap().unwrap().confirmed_at_lock);

    rig.sim().place(ENCODER, rig.sim().foreign_card());
    assert_eq!(rig.vendor.issue(&call(), &spec).await.unwrap_err().condition(), Condition::CardUnusable);
    rig.sim().place(ENCODER, rig.sim().staff_card());
    assert_eq!(rig.vendor.issue(&call(), &spec).await.unwrap_err().condition(), Condition::CardUnusable);
    rig.sim().set_encoder_online(ENCODER, false);
    assert_eq!(rig.vendor.issue(&call(), &spec).await.unwrap_err().condition(), Condition::EncoderOffline);
    rig.sim().set_encoder_online(ENCODER, true);
    let nowhere = KeySpec { form: KeyForm::Card { encoder: "Encoder#9".to_owned() }, ..spec.clone() };
    let error = rig.vendor.issue(&call(), &nowhere).await.unwrap_err();
    assert_eq!((error.condition(), error.needs_operator()), (Condition::EncoderUnknown, true));

    rig.sim().place(ENCODER, rig.sim().blank_card());
    rig.vendor.issue(&call(), &spec).await.unwrap();
    assert_eq!((rig.effects(Effect::UserAdded), rig.effects(Effect::UserCardWritten)), (1, 1));
}

#[tokio::test]
async fn two_cards_at_one_encoder_take_turns() {
    let rig = Rig::new(By::Http).await;
    rig.sim().set_human(ENCODER, Human::Helpful { after_ms: 100 });
    rig.sim().add_fault(FaultOrder::times("Encoder.SaltoDBUser.AssignNewKey", FaultKind::Latency { ms: 100 }, 1));
    let (first, second) = (card(1, &["101"], false), card(2, &["101"], true));
    let (call_a, call_b) = (call(), call());
    let (a, b) = tokio::join!(rig.vendor.issue(&call_a, &first), rig.vendor.issue(&call_b, &second));
    // Whoever comes second finds the first one's card still lying there: it is not written over.
    let (made, refused): (Vec<_>, Vec<_>) = [a, b].into_iter().partition(Result::is_ok);
    assert_eq!((made.len(), refused.len()), (1, 1));
    assert_eq!(refused[0].as_ref().unwrap_err().condition(), Condition::CardUnusable);
    assert_eq!(rig.sim().stats().answers.get("402"), None);
}

#[tokio::test]
async fn windows_are_told_by_the_propertys_clock() {
    let rig = Rig::new(By::Stp).await;
    let window =
        Window { from: "2030-07-01T14:00:30Z".parse().unwrap(), until: "2030-07-03T10:59:59Z".parse().unwrap() };
    let made = rig.vendor.issue(&call(), &KeySpec { window, ..pin(1, PIN, &["901"]) }).await.unwrap().credential;
    let shown = made.window.unwrap();
    assert_eq!(
        (shown.from, shown.until),
        ("2030-07-01T14:00:00Z".parse().unwrap(), "2030-07-03T11:00:00Z".parse().unwrap())
    );
    let at = |text: &str| text.parse::<Timestamp>().unwrap().as_millisecond();
    assert!(rig.sim().opens_pin("901", PIN, at("2030-07-01T14:00:00Z")));
    assert!(rig.sim().opens_pin("901", PIN, at("2030-07-03T10:59:59Z")));
    assert!(!rig.sim().opens_pin("901", PIN, at("2030-07-01T13:59:59Z")));
    assert!(!rig.sim().opens_pin("901", PIN, at("2030-07-03T11:00:00Z")));
}

#[tokio::test]
async fn what_happened_at_a_door_is_read_back_to_when_it_was_asked_for() {
    let rig = Rig::new(By::Stp).await;
    let made = rig.vendor.issue(&call(), &pin(1, PIN, &["901"])).await.unwrap().credential;
    let since = Timestamp::now().saturating_sub(SignedDuration::from_mins(1)).unwrap();
    for _ in 0..8 {
        let _ = rig.sim().try_pin("901", PIN);
        let _ = rig.sim().try_pin("gym", "000000");
    }
    let records = rig.vendor.records(&call(), &doors(&["901"])[0], since).await.unwrap();
    assert_eq!(records.len(), 8);
    assert!(records.iter().all(|record| {
        (&record.kind, record.means) == (&RecordKind::Opened, Means::Pin)
            && record.token == Some(token(1))
            && record.credential == Some(VendorCredentialRef(made.reference.0.clone()))
    }));
    let later = Timestamp::now().saturating_add(SignedDuration::from_mins(5)).unwrap();
    assert!(rig.vendor.records(&call(), &doors(&["901"])[0], later).await.unwrap().is_empty());
}

#[tokio::test]
async fn more_doors_are_for_pins_and_not_for_cards() {
    let rig = Rig::new(By::Http).await;
    rig.vendor.issue(&call(), &pin(1, PIN, &["901"])).await.unwrap();
    let reference = VendorCredentialRef(token(1).as_str().to_owned());
    rig.vendor.open_doors(&call(), &doors(&["901", "gym"]), &reference, &token(1)).await.unwrap();
    assert_eq!(["901", "gym"].map(|door| rig.sim().try_pin(door, PIN)), [Verdict::Opened; 2]);
    rig.vendor.issue(&call(), &card(2, &["901"], false)).await.unwrap();
    let reference = VendorCredentialRef(token(2).as_str().to_owned());
    let refused = rig.vendor.open_doors(&call(), &doors(&["901", "gym"]), &reference, &token(2)).await.unwrap_err();
    assert_eq!(refused.condition(), Condition::Unsupported);
    let nobody = VendorCredentialRef(token(9).as_str().to_owned());
    let gone = rig.vendor.open_doors(&call(), &doors(&["901"]), &nobody, &token(9)).await.unwrap_err();
    assert_eq!(gone.condition(), Condition::CredentialGone);
}

//! Cards and telephones when the wire is well.

use jiff::{SignedDuration, Timestamp};
use lock_domain::window::Window;
use lock_sim::salto_space::{Effect, Human, Verdict};
use lock_vendors::error::{Condition, EffectOutcome};
use lock_vendors::port::{Deletion, KeyForm, KeySpec, RevokeReach};

use super::support::{ENCODER, Rig, call, card, doors, shorter, stay, token};

#[tokio::test]
async fn the_life_of_a_card() {
    let rig = Rig::new().await;
    let made = rig.vendor.issue(&call(), &card(1, &["101", "gym"], false)).await.unwrap().credential;
    assert_eq!((made.window, made.confirmed_at_lock), (Some(stay()), true));
    assert_eq!(made.name, "lis-00000000000000000000", "the operator's name has 24 characters");
    let written = rig.sim().take(ENCODER).unwrap();
    assert_eq!(rig.sim().try_card("101", written), Verdict::Opened);
    assert_eq!(rig.sim().try_card("gym", written), Verdict::Opened);
    assert_eq!(rig.sim().try_card("102", written), Verdict::NotAllowed);

    let longer = Window { until: stay().until.saturating_add(SignedDuration::from_hours(24)).unwrap(), ..stay() };
    let changed =
        rig.vendor.change_window(&call(), &doors(&["101"]), &made.reference, &token(1), longer).await.unwrap();
    assert_eq!((changed.window, changed.confirmed_at_lock), (Some(longer), false), "the card has not heard of it");

    assert_eq!(rig.vendor.capabilities().revoke_reach, RevokeReach::NextCard);
    let gone = rig.vendor.delete(&call(), &doors(&["101", "gym"]), &changed.reference).await.unwrap();
    assert_eq!((gone, rig.effects(Effect::CheckedOut)), (Deletion::Deleted, 1));
    assert_eq!(rig.sim().try_card("101", written), Verdict::Opened, "an offline door has heard of nothing");
    let again = rig.vendor.delete(&call(), &doors(&["101", "gym"]), &changed.reference).await.unwrap();
    assert_eq!(again, Deletion::AlreadyGone);

    let next = rig.made(2, &["101"], false).await;
    assert_eq!(rig.sim().try_card("101", next), Verdict::Opened);
    assert_eq!(rig.sim().try_card("101", written), Verdict::OldGuest);
}

#[tokio::test]
async fn a_new_check_in_ends_the_cards_before_and_a_copy_does_not() {
    let rig = Rig::new().await;
    let first = rig.made(1, &["101"], false).await;
    let copy = rig.made(2, &["101"], true).await;
    assert_eq!((rig.content(first).copy, rig.content(copy).copy), (0, 1));
    for card in [first, copy, first] {
        assert_eq!(rig.sim().try_card("101", card), Verdict::Opened);
    }
    let new = rig.made(3, &["101"], false).await;
    assert_eq!(rig.sim().try_card("101", first), Verdict::Opened, "until the new card is used");
    assert_eq!(rig.sim().try_card("101", new), Verdict::Opened);
    assert_eq!(rig.sim().try_card("101", first), Verdict::OldGuest);
    assert_eq!(rig.sim().try_card("101", copy), Verdict::OldGuest);
    assert_eq!((rig.effects(Effect::CheckedIn), rig.effects(Effect::Copied)), (2, 1));
}

#[tokio::test]
async fn a_copy_of_nothing_is_refused_and_never_becomes_a_check_in() {
    let rig = Rig::new().await;
    let error = rig.vendor.issue(&call(), &card(1, &["101"], true)).await.unwrap_err();
    assert_eq!((error.condition(), error.outcome()), (Condition::NotCheckedIn, EffectOutcome::Permanent));
    assert_eq!((rig.effects(Effect::CheckedIn), rig.calls("CN")), (0, 0));
}

#[tokio::test]
async fn the_same_request_twice_with_the_card_still_there_is_one_card() {
    for operator_on_card in [true, false] {
        let rig = Rig::new().await;
        rig.sim().set_policy(|policy| policy.operator_on_card = operator_on_card);
        for joins in [false, true] {
            let spec = card(1 + u32::from(joins), &["101"], joins);
            rig.vendor.issue(&call(), &spec).await.unwrap();
            rig.vendor.issue(&call(), &spec).await.unwrap();
            rig.sim().take(ENCODER);
        }
        assert_eq!((rig.effects(Effect::CheckedIn), rig.effects(Effect::Copied)), (1, 1), "{operator_on_card}");
        assert_eq!(rig.sim().cards_that_open("101").len(), 2);
    }
}

#[tokio::test]
async fn a_copy_alone_is_not_taken_away_and_the_whole_stay_is() {
    let rig = Rig::new().await;
    let first = rig.vendor.issue(&call(), &card(1, &["101"], false)).await.unwrap().credential.reference;
    rig.sim().take(ENCODER);
    let copy = rig.vendor.issue(&call(), &card(2, &["101"], true)).await.unwrap().credential.reference;
    let error = rig.vendor.delete(&call(), &doors(&["101"]), &copy).await.unwrap_err();
    assert_eq!((error.condition(), error.outcome()), (Condition::SharedDoor, EffectOutcome::Permanent));
    assert_eq!(rig.calls("CO"), 0);
    let both = [copy, first];
    assert_eq!(rig.vendor.delete_all(&call(), &doors(&["101"]), &both).await.unwrap(), Deletion::Deleted);
    assert_eq!(rig.vendor.delete_all(&call(), &doors(&["101"]), &both).await.unwrap(), Deletion::AlreadyGone);
    assert_eq!(rig.effects(Effect::CheckedOut), 1);
}

#[tokio::test]
async fn a_check_out_that_comes_after_the_end_does_not_hit_the_next_guest() {
    let rig = Rig::new().await;
    let spec = KeySpec { window: shorter(), ..card(1, &["101"], false) };
    let old = rig.vendor.issue(&call(), &spec).await.unwrap().credential.reference;
    rig.sim().take(ENCODER);
    rig.made(2, &["101"], false).await;
    assert_eq!(rig.vendor.delete(&call(), &doors(&["101"]), &old).await.unwrap(), Deletion::AlreadyGone);
    assert_eq!((rig.calls("CO"), rig.sim().door("101").unwrap().occupied), (0, Some(true)));
}

#[tokio::test]
async fn nothing_is_taken_away_where_check_out_is_switched_off() {
    let rig = Rig::with(|config| config["delete_checks_out"] = false.into()).await;
    let made = rig.vendor.issue(&call(), &card(1, &["101"], false)).await.unwrap().credential.reference;
    let error = rig.vendor.delete(&call(), &doors(&["101"]), &made).await.unwrap_err();
    assert_eq!((error.condition(), rig.calls("CO")), (Condition::SharedDoor, 0));
}

#[tokio::test]
async fn nobody_can_ask_the_server_what_it_did() {
    let rig = Rig::new().await;
    assert!(!rig.vendor.capabilities().read_back);
    let find = rig.vendor.find(&call(), &doors(&["101"]), &token(1)).await.unwrap_err();
    let list = rig.vendor.list(&call(), &doors(&["101"])[0]).await.unwrap_err();
    for error in [find, list] {
        assert_eq!((error.condition(), error.outcome()), (Condition::NotReadable, EffectOutcome::Permanent));
        assert!(error.needs_operator() && error.remedy().contains("card"));
    }
}

#[tokio::test]
async fn keys_in_telephones_where_they_are_switched_on() {
    let phone = "+351912345678";
    let with = |n, joins| KeySpec { form: KeyForm::Mobile { recipient: phone.into() }, ..card(n, &["101"], joins) };
    let rig = Rig::new().await;
    assert_eq!(rig.vendor.issue(&call(), &with(1, false)).await.unwrap_err().condition(), Condition::Unsupported);
    let rig = Rig::with(|config| config["mobile"] = true.into()).await;
    rig.vendor.issue(&call(), &with(1, false)).await.unwrap();
    rig.vendor.issue(&call(), &with(2, true)).await.unwrap();
    assert_eq!((rig.effects(Effect::CheckedIn), rig.effects(Effect::Copied)), (1, 1));
    assert_eq!(rig.sim().cards_that_open("101").len(), 2);
    let local = KeySpec { form: KeyForm::Mobile { recipient: "912345678".into() }, ..card(3, &["101"], true) };
    let error = rig.vendor.issue(&call(), &local).await.unwrap_err();
    assert!(!format!("{error} {error:?}").contains("912345678"));
}

#[tokio::test]
async fn windows_are_told_by_the_propertys_clock() {
    let rig = Rig::new().await;
    let window =
        Window { from: "2030-07-01T14:00:30Z".parse().unwrap(), until: "2030-07-03T10:59:59Z".parse().unwrap() };
    let made = rig.vendor.issue(&call(), &KeySpec { window, ..card(1, &["101"], false) }).await.unwrap().credential;
    let shown = made.window.unwrap();
    assert_eq!(
        (shown.from, shown.until),
        ("2030-07-01T14:00:00Z".parse().unwrap(), "2030-07-03T11:00:00Z".parse().unwrap())
    );
    let written = rig.sim().take(ENCODER).unwrap();
    let opens = |text: &str| rig.sim().opens("101", written, text.parse::<Timestamp>().unwrap().as_millisecond());
    assert!(opens("2030-07-01T14:00:00Z") && opens("2030-07-03T10:59:59Z"));
    assert!(!opens("2030-07-01T13:59:59Z") && !opens("2030-07-03T11:00:00Z"));
}

#[tokio::test]
async fn what_the_wire_cannot_say_is_refused_before_anything_is_sent() {
    let rig = Rig::new().await;
    let five = ["101", "102", "103", "104", "105"];
    for ids in [&["gym"][..], &[], &five, &["1\u{b3}01"], &["10\u{20ac}"]] {
        let error = rig.vendor.issue(&call(), &card(1, ids, false)).await.unwrap_err();
        assert_eq!(
            (error.condition(), error.outcome()),
            (Condition::InvalidRequest, EffectOutcome::Permanent),
            "{ids:?}"
        );
    }
    let window = Window { until: "2100-02-01T00:00:00Z".parse().unwrap(), ..stay() };
    rig.vendor.issue(&call(), &KeySpec { window, ..card(1, &["101"], false) }).await.unwrap_err();
    for form in [KeyForm::ChosenPin("739146".into()), KeyForm::VendorPin { one_time: true }] {
        let error = rig.vendor.issue(&call(), &KeySpec { form, ..card(1, &["101"], false) }).await.unwrap_err();
        assert_eq!(error.condition(), Condition::Unsupported);
    }
    assert_eq!((rig.calls("CN"), rig.calls("CO")), (0, 0));
}

#[tokio::test]
async fn humans_at_the_encoder() {
    let rig = Rig::new().await;
    rig.sim().set_policy(|policy| policy.card_timeout_ms = 100);
    rig.sim().set_human(ENCODER, Human::Absent);
    let spec = card(1, &["101"], false);
    let issue = async || rig.vendor.issue(&call(), &spec).await.unwrap_err();
    let error = issue().await;
    assert_eq!((error.condition(), rig.calls("CN")), (Condition::CardMissing, 0), "nothing is written blind");
    assert!(matches!(error.outcome(), EffectOutcome::Retryable { after: Some(_) }));
    rig.sim().place(ENCODER, rig.sim().foreign_card());
    assert_eq!(issue().await.condition(), Condition::CardUnusable);
    let staff = rig.sim().staff_card();
    rig.sim().place(ENCODER, staff);
    assert_eq!(issue().await.condition(), Condition::CardUnusable);
    assert_eq!((rig.content(staff).content.as_str(), rig.calls("CN")), ("staff", 0));
    rig.sim().set_encoder_online(ENCODER, false);
    assert_eq!(issue().await.condition(), Condition::EncoderOffline);
    rig.sim().set_encoder_online(ENCODER, true);
    rig.sim().set_human(ENCODER, Human::Helpful { after_ms: 50 });
    rig.sim().take(ENCODER);
    rig.vendor.issue(&call(), &spec).await.unwrap();
    assert_eq!(rig.effects(Effect::CheckedIn), 1);
}

#[tokio::test]
async fn requests_take_turns_at_a_port_for_one_client() {
    let rig = Rig::new().await;
    rig.sim().set_human(ENCODER, Human::Helpful { after_ms: 100 });
    let specs: Vec<_> = ["101", "102", "103"]
        .iter()
        .map(|room| {
            let number = room.parse::<usize>().unwrap() - 100;
            let form = KeyForm::Card { encoder: if number % 2 == 0 { "2" } else { "1" }.to_owned() };
            KeySpec { form, ..card(u32::try_from(number).unwrap(), &[room], false) }
        })
        .collect();
    let call = call();
    let (a, b, c) = tokio::join!(
        rig.vendor.issue(&call, &specs[0]),
        rig.vendor.issue(&call, &specs[1]),
        rig.vendor.issue(&call, &specs[2]),
    );
    assert!(a.is_ok() && b.is_ok() && c.is_ok());
    let stats = rig.sim().stats();
    assert_eq!((stats.turned_away, stats.answers.get("OV")), (0, None));
}

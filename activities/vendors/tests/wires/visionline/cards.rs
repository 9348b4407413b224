//! Cards and keys when the wire is well.

use lock_domain::window::Window;
use lock_sim::visionline::{DoorPatch, EncoderPatch, Placed, PolicyPatch, TryReason};
use lock_vendors::error::{Condition, EffectOutcome};
use lock_vendors::port::{Deletion, KeyForm, KeySpec, VendorCredentialRef, VendorLockRef};
use lock_vendors::visionline::callbacks::{self, Callback, CredentialStatus};
use serde_json::json;

use super::support::{ENCODER, Rig, call, card, joiner, mobile, room, stay, token};

#[tokio::test]
async fn the_life_of_a_card() {
    let rig = Rig::new().await;
    let issued = rig.vendor.issue(&call(), &card(1)).await.unwrap().credential;
    assert_eq!(
        (issued.name.as_str(), issued.window, issued.confirmed_at_lock),
        (token(1).as_str(), Some(stay()), true)
    );
    assert_eq!(rig.vendor.find(&call(), &room(), &token(1)).await.unwrap(), Some(issued.clone()));
    assert_eq!(rig.vendor.find(&call(), &room(), &token(2)).await.unwrap(), None);
    // Without doors: whatever goes by that name.
    assert_eq!(rig.vendor.find(&call(), &[], &token(1)).await.unwrap(), Some(issued.clone()));
    let made = rig.effective();
    assert_eq!(
        (made.len(), made[0].from, made[0].until),
        (1, stay().from.as_millisecond(), stay().until.as_millisecond())
    );
    assert!(rig.opens("101", made[0].id));
    assert_eq!(rig.sim().hold("102", made[0].id).unwrap().reason, TryReason::WrongDoor);

    assert_eq!(rig.vendor.delete(&call(), &room(), &issued.reference).await.unwrap(), Deletion::Deleted);
    assert_eq!(rig.vendor.find(&call(), &room(), &token(1)).await.unwrap(), None);
    assert_eq!(rig.vendor.delete(&call(), &room(), &issued.reference).await.unwrap(), Deletion::AlreadyGone);
    // What the capability says: an offline lock learns of it from the next guest's card only.
    assert!(rig.opens("101", made[0].id));
    rig.vendor.issue(&call(), &card(2)).await.unwrap();
    let next = rig.effective().into_iter().find(|card| card.description == token(2).as_str()).unwrap();
    assert!(rig.opens("101", next.id));
    assert_eq!(rig.sim().hold("101", made[0].id).unwrap().reason, TryReason::Overridden);
}

#[tokio::test]
async fn an_online_door_learns_of_a_check_out_at_once() {
    let rig = Rig::new().await;
    rig.sim().patch_door("101", &DoorPatch { online: Some(true) });
    let issued = rig.vendor.issue(&call(), &card(1)).await.unwrap().credential;
    let id = rig.effective()[0].id;
    assert!(rig.opens("101", id));
    rig.vendor.delete(&call(), &room(), &issued.reference).await.unwrap();
    assert_eq!(rig.sim().hold("101", id).unwrap().reason, TryReason::Cancelled);
}

#[tokio::test]
async fn the_life_of_a_key_in_a_telephone() {
    let rig = Rig::new().await;
    rig.sim().patch_policy(&PolicyPatch { delivery_ms: Some(300), ..PolicyPatch::default() });
    let issued = rig.vendor.issue(&call(), &mobile(1)).await.unwrap().credential;
    // On its way: not proven, and looking again is the thing to do.
    assert!(!issued.confirmed_at_lock);
    rig.until("the delivery", |sim| sim.cards()[0].opens).await;
    let found = rig.vendor.find(&call(), &room(), &token(1)).await.unwrap().unwrap();
    assert!(found.confirmed_at_lock);
    let same = rig.vendor.change_window(&call(), &room(), &found.reference, &token(1), stay()).await.unwrap();
    assert_eq!(same, found);
    assert_eq!(rig.vendor.delete(&call(), &room(), &found.reference).await.unwrap(), Deletion::Deleted);
    rig.until("the end in the telephone", |sim| !sim.cards()[0].opens).await;
    let told: Vec<_> =
        rig.sim().callbacks().iter().map(|body| callbacks::parse(body.to_string().as_bytes()).unwrap()).collect();
    let statuses: Vec<_> = told
        .iter()
        .map(|callback| match callback {
            Callback::Credential { status, token: named, .. } => {
                assert_eq!(named.as_ref(), Some(&token(1)));
                status.clone()
            }
            Callback::Endpoint { .. } => panic!("{callback:?}"),
        })
        .collect();
    assert_eq!(statuses, [CredentialStatus::Issued, CredentialStatus::Revoked]);
}

#[tokio::test]
async fn a_telephone_number_is_no_telephone_here() {
    let rig = Rig::new().await;
    let number = KeySpec { form: KeyForm::Mobile { recipient: "+351900000001".into() }, ..card(1) };
    let error = rig.vendor.issue(&call(), &number).await.unwrap_err();
    assert_eq!((error.condition(), error.outcome()), (Condition::InvalidRequest, EffectOutcome::Permanent));
    assert!(error.remedy().contains("app") && !format!("{error} {error:?}").contains("351900"));
    assert_eq!(rig.calls("sessions/open"), 0);
}

#[tokio::test]
async fn a_joiner_leaves_the_others_alone_and_a_new_guest_ends_them() {
    let rig = Rig::new().await;
    rig.vendor.issue(&call(), &card(1)).await.unwrap();
    rig.vendor.issue(&call(), &joiner(card(2))).await.unwrap();
    rig.vendor.issue(&call(), &joiner(mobile(3))).await.unwrap();
    let cards = rig.effective();
    assert_eq!(cards.len(), 3);
    for card in &cards {
        assert!(rig.opens("101", card.id), "{}", card.description);
    }
    // The next stay's first key overrides, once it is used.
    rig.vendor.issue(&call(), &mobile(4)).await.unwrap();
    for old in 1..=3 {
        assert_eq!(rig.vendor.find(&call(), &room(), &token(old)).await.unwrap(), None);
    }
    assert!(rig.opens("101", cards[0].id));
    let new = rig.effective();
    assert_eq!(new.len(), 1);
    assert!(rig.opens("101", new[0].id));
    assert!(cards.iter().all(|card| !rig.opens("101", card.id)));
    let joined: Vec<_> = rig.sim().journal(0).iter().map(|entry| entry.joined).collect();
    assert_eq!(joined, [false, true, true, false]);
}

#[tokio::test]
async fn one_key_of_several_is_not_taken_away_alone() {
    let rig = Rig::new().await;
    let first = rig.vendor.issue(&call(), &card(1)).await.unwrap().credential.reference;
    let second = rig.vendor.issue(&call(), &joiner(card(2))).await.unwrap().credential.reference;
    let error = rig.vendor.delete(&call(), &room(), &second).await.unwrap_err();
    assert_eq!((error.condition(), error.outcome()), (Condition::SharedDoor, EffectOutcome::Permanent));
    assert_eq!(rig.effective().len(), 2);
    let both = [first, second];
    assert_eq!(rig.vendor.delete_all(&call(), &room(), &both).await.unwrap(), Deletion::Deleted);
    assert_eq!(rig.vendor.delete_all(&call(), &room(), &both).await.unwrap(), Deletion::AlreadyGone);
    assert!(rig.effective().is_empty());
    assert_eq!(rig.calls("doors/checkOut"), 1);
}

#[tokio::test]
async fn a_late_revoke_does_not_check_the_next_guest_out() {
    let rig = Rig::new().await;
    let gone = rig.vendor.issue(&call(), &card(1)).await.unwrap().credential.reference;
    rig.vendor.issue(&call(), &card(2)).await.unwrap();
    assert_eq!(rig.vendor.delete(&call(), &room(), &gone).await.unwrap(), Deletion::AlreadyGone);
    let nobody = VendorCredentialRef("lis-nobody".to_owned());
    assert_eq!(rig.vendor.delete(&call(), &room(), &nobody).await.unwrap(), Deletion::AlreadyGone);
    assert_eq!((rig.calls("doors/checkOut"), rig.effective().len()), (0, 1));
}

#[tokio::test]
async fn a_card_for_several_doors_is_one_card() {
    let rig = Rig::new().await;
    let doors = vec![VendorLockRef::new("101"), VendorLockRef::new("102")];
    let spec = KeySpec { doors: doors.clone(), ..card(1) };
    let issued = rig.vendor.issue(&call(), &spec).await.unwrap().credential;
    assert_eq!(rig.vendor.find(&call(), &doors, &token(1)).await.unwrap(), Some(issued));
    assert_eq!(rig.made(), 1);
    // A card that opens one of two doors is not the one that was asked for, and nothing is sent.
    rig.vendor.issue(&call(), &card(2)).await.unwrap();
    assert_eq!(rig.vendor.find(&call(), &doors, &token(2)).await.unwrap(), None);
    let error = rig.vendor.issue(&call(), &KeySpec { doors, ..card(2) }).await.unwrap_err();
    assert_eq!((error.condition(), rig.made()), (Condition::Refused, 2));
}

#[tokio::test]
async fn what_stands_on_a_card_is_not_changed_from_afar() {
    let rig = Rig::new().await;
    let issued = rig.vendor.issue(&call(), &card(1)).await.unwrap().credential;
    let later = Window { until: stay().until.saturating_add(jiff::SignedDuration::from_hours(24)).unwrap(), ..stay() };
    let error = rig.vendor.change_window(&call(), &room(), &issued.reference, &token(1), later).await.unwrap_err();
    assert_eq!((error.condition(), error.outcome()), (Condition::Unsupported, EffectOutcome::Permanent));
    // A repetition with other dates adopts what stands there and shows its window.
    let again = rig.vendor.issue(&call(), &KeySpec { window: later, ..card(1) }).await.unwrap().credential;
    assert_eq!((again, rig.made()), (issued, 1));
    let pin = KeySpec { form: KeyForm::ChosenPin("739146".into()), ..card(3) };
    assert_eq!(rig.vendor.issue(&call(), &pin).await.unwrap_err().condition(), Condition::Unsupported);
}

#[tokio::test]
async fn the_person_at_the_encoder() {
    let rig = Rig::new().await;
    rig.sim().patch_policy(&PolicyPatch { card_wait_ms: Some(50), ..PolicyPatch::default() });
    let expected = [
        (Placed::Nothing, Condition::CardMissing, 41, "blank card"),
        (Placed::Foreign, Condition::CardUnusable, 43, "another card"),
        (Placed::Cancel, Condition::CardCancelled, 39, "stopped it"),
    ];
    for (placed, condition, code, words) in expected {
        rig.sim().place(ENCODER, placed);
        let error = rig.vendor.issue(&call(), &card(1)).await.unwrap_err();
        assert_eq!((error.condition(), error.vendor_code()), (condition, Some(code)));
        assert!(error.remedy().contains(words), "{}", error.remedy());
    }
    rig.sim().patch_encoder(ENCODER, &EncoderPatch { online: Some(false), placed: Some(Placed::Blanks) });
    let error = rig.vendor.issue(&call(), &card(1)).await.unwrap_err();
    assert_eq!(
        (error.condition(), error.outcome()),
        (Condition::EncoderOffline, EffectOutcome::Retryable { after: None })
    );
    let nowhere = KeySpec { form: KeyForm::Card { encoder: "Front Desk/9".to_owned() }, ..card(1) };
    let error = rig.vendor.issue(&call(), &nowhere).await.unwrap_err();
    assert_eq!((error.condition(), error.outcome()), (Condition::GatewayUnknown, EffectOutcome::Permanent));
    assert_eq!(rig.made(), 0);

    // Somebody lays the card down while the encoder waits.
    rig.sim().patch_policy(&PolicyPatch { card_wait_ms: Some(10_000), ..PolicyPatch::default() });
    rig.sim().patch_encoder(ENCODER, &EncoderPatch { online: Some(true), placed: Some(Placed::Nothing) });
    let vendor = rig.vendor.clone();
    let waiting = tokio::spawn(async move { vendor.issue(&call(), &card(1)).await });
    rig.until("the encoder waits", |sim| sim.encoders()[0].busy).await;
    rig.sim().place(ENCODER, Placed::Card("serial-1".to_owned()));
    waiting.await.unwrap().unwrap();
    assert_eq!(rig.effective().len(), 1);
}

#[tokio::test]
async fn a_card_that_still_opens_is_written_over_only_where_that_is_wished() {
    for (over, made) in [(true, 2), (false, 1)] {
        let rig = Rig::with(|config| config["overwrite_valid_card"] = json!(over)).await;
        rig.sim().place(ENCODER, Placed::Card("serial-1".to_owned()));
        rig.vendor.issue(&call(), &card(1)).await.unwrap();
        let second = rig.vendor.issue(&call(), &joiner(card(2))).await;
        assert_eq!(second.map_or_else(|error| error.vendor_code(), |_| None), (!over).then_some(13));
        assert_eq!((rig.made(), rig.effective().len()), (made, 1));
    }
}

#[tokio::test]
async fn cards_for_one_encoder_take_turns() {
    let rig = Rig::new().await;
    let mut tasks = tokio::task::JoinSet::new();
    for n in 0..6 {
        let vendor = rig.vendor.clone();
        tasks.spawn(async move { vendor.issue(&call(), &joiner(card(n))).await });
    }
    while let Some(result) = tasks.join_next().await {
        result.unwrap().unwrap();
    }
    assert_eq!((rig.sim().stats().encoder_collisions, rig.effective().len()), (0, 6));
}

#[tokio::test]
async fn doors_and_encoders_are_listed() {
    let rig = Rig::with(|config| config["assumptions"] = json!({ "encoders_path": "/encoders" })).await;
    rig.sim().patch_door("102", &DoorPatch { online: Some(true) });
    let locks = rig.vendor.locks(&call()).await.unwrap();
    let seen: Vec<_> = locks.iter().map(|lock| (lock.lock_id.as_str(), lock.name.as_str(), lock.has_gateway)).collect();
    assert_eq!(seen, [("101", "Room 101", false), ("102", "Room 102", true)]);
    let encoders = rig.vendor.gateways(&call()).await.unwrap();
    assert_eq!(encoders.iter().map(|encoder| encoder.id.as_str()).collect::<Vec<_>>(), ["Encoder1", "Encoder2"]);
    // By default the list is not asked for: nobody has seen it.
    assert!(Rig::new().await.vendor.gateways(&call()).await.unwrap().is_empty());
    rig.vendor.issue(&call(), &card(1)).await.unwrap();
    rig.vendor.issue(&call(), &joiner(mobile(2))).await.unwrap();
    assert_eq!(rig.vendor.list(&call(), &room()[0]).await.unwrap().len(), 2);
    let error = rig.vendor.list(&call(), &VendorLockRef::new("999")).await.unwrap_err();
    assert_eq!((error.condition(), error.outcome()), (Condition::LockUnknown, EffectOutcome::Permanent));
}

#[tokio::test]
async fn without_a_check_out_the_adapter_says_what_to_do() {
    let rig = Rig::with(|config| config["assumptions"] = json!({ "check_out_path": "" })).await;
    let issued = rig.vendor.issue(&call(), &card(1)).await.unwrap().credential;
    let error = rig.vendor.delete(&call(), &room(), &issued.reference).await.unwrap_err();
    assert_eq!((error.condition(), error.outcome()), (Condition::FeatureMissing, EffectOutcome::Permanent));
    assert!(error.remedy().contains("Collect the card"));
}

//! The table of whole keys, row by row, against a vendor that makes digits up, tells them once, and loses answers on order.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use super::*;
use async_trait::async_trait;
use lock_vendors::{
    port::{Capabilities, Issued, RevokeReach, Scope, VendorLock},
    rounding::Granularity,
};
use secrecy::ExposeSecret as _;
use std::{
    collections::BTreeSet,
    sync::{Mutex, MutexGuard},
};

#[derive(Debug, Clone)]
struct User {
    id: String,
    doors: BTreeSet<String>,
    until: Timestamp,
    pin: String,
}

#[derive(Debug, Default)]
struct World {
    user: Option<User>,
    made: u32,
    /// The answers to the next so many changes get lost.
    silent: u32,
}

#[derive(Debug, Default)]
struct Fake(Mutex<World>);

impl Fake {
    fn world(&self) -> MutexGuard<'_, World> {
        self.0.lock().unwrap()
    }

    fn opens(&self, door: &str, pin: &SecretString) -> bool {
        self.world().user.as_ref().is_some_and(|user| user.doors.contains(door) && user.pin == pin.expose_secret())
    }

    fn doors(&self) -> Vec<String> {
        self.world().user.as_ref().map(|user| user.doors.iter().cloned().collect()).unwrap_or_default()
    }
}

fn answered<T>(world: &mut World, answer: T) -> Result<T, VendorError> {
    if world.silent > 0 {
        world.silent -= 1;
        return Err(VendorError::new("fake", "call", Condition::NoAnswer, EffectOutcome::Unconfirmed));
    }
    Ok(answer)
}

fn gone() -> VendorError {
    VendorError::new("fake", "call", Condition::CredentialGone, EffectOutcome::Permanent)
}

fn names(doors: &[VendorLockRef]) -> BTreeSet<String> {
    doors.iter().map(|door| door.lock_id.clone()).collect()
}

fn credential(user: &User) -> VendorCredential {
    VendorCredential {
        reference: VendorCredentialRef(user.id.clone()),
        name: "lis-k".to_owned(),
        window: Some(Window { from: Timestamp::UNIX_EPOCH, until: user.until }),
        confirmed_at_lock: true,
    }
}

#[async_trait]
impl LockVendor for Fake {
    fn name(&self) -> &'static str {
        "fake"
    }
    fn capabilities(&self) -> Capabilities {
        Capabilities {
            scope: Scope::Key,
            pin: true,
            mobile: false,
            card: false,
            choose_pin: false,
            offline_pin: false,
            one_time_pin: false,
            change_window: true,
            time_sync: false,
            read_back: true,
            window_granularity: Granularity::Minute,
            offline_granularity: Granularity::Minute,
            revoke_reach: RevokeReach::Door,
            window_start: false,
            min_pin_digits: 6,
            max_pin_digits: 6,
            max_codes_per_lock: 99,
            max_name_chars: 40,
        }
    }
    async fn issue(&self, _: &CallContext, spec: &KeySpec) -> Result<Issued, VendorError> {
        let mut world = self.world();
        world.made += 1;
        let id = world.user.as_ref().map_or_else(|| world.made.to_string(), |user| user.id.clone());
        let pin = format!("70{:04}", world.made);
        let user = User { id, doors: names(&spec.doors), until: spec.window.until, pin: pin.clone() };
        world.user = Some(user.clone());
        answered(&mut world, Issued { credential: credential(&user), pin: Some(pin.into()) })
    }
    async fn find(
        &self,
        _: &CallContext,
        doors: &[VendorLockRef],
        _: &CredentialToken,
    ) -> Result<Option<VendorCredential>, VendorError> {
        let world = self.world();
        Ok(world.user.as_ref().filter(|user| user.doors.is_superset(&names(doors))).map(credential))
    }
    async fn change_window(
        &self,
        _: &CallContext,
        _: &[VendorLockRef],
        reference: &VendorCredentialRef,
        _: &CredentialToken,
        window: Window,
    ) -> Result<VendorCredential, VendorError> {
        let mut world = self.world();
        let user = world.user.as_mut().filter(|user| user.id == reference.0).ok_or_else(gone)?;
        user.until = window.until;
        let changed = credential(user);
        answered(&mut world, changed)
    }
    async fn open_doors(
        &self,
        _: &CallContext,
        doors: &[VendorLockRef],
        reference: &VendorCredentialRef,
        _: &CredentialToken,
    ) -> Result<VendorCredential, VendorError> {
        let mut world = self.world();
        let user = world.user.as_mut().filter(|user| user.id == reference.0).ok_or_else(gone)?;
        user.doors = names(doors);
        let changed = credential(user);
        answered(&mut world, changed)
    }
    async fn delete(
        &self,
        _: &CallContext,
        doors: &[VendorLockRef],
        reference: &VendorCredentialRef,
    ) -> Result<Deletion, VendorError> {
        let mut world = self.world();
        let Some(user) = world.user.as_mut().filter(|user| user.id == reference.0) else {
            return Ok(Deletion::AlreadyGone);
        };
        let closing = names(doors);
        user.doors.retain(|door| !closing.contains(door));
        if doors.is_empty() || user.doors.is_empty() {
            world.user = None;
        }
        answered(&mut world, Deletion::Deleted)
    }
    async fn list(&self, _: &CallContext, _: &VendorLockRef) -> Result<Vec<VendorCredential>, VendorError> {
        Ok(Vec::new())
    }
    async fn locks(&self, _: &CallContext) -> Result<Vec<VendorLock>, VendorError> {
        Ok(Vec::new())
    }
}

fn at(text: &str) -> Timestamp {
    text.parse().unwrap()
}

fn now() -> Timestamp {
    at("2026-11-23T12:00:00Z")
}

fn window() -> Window {
    Window { from: now(), until: at("2026-11-23T18:00:00Z") }
}

fn locks(ids: &[&str]) -> Vec<VendorLockRef> {
    ids.iter().map(|id| VendorLockRef::new(*id)).collect()
}

/// What is known before the step.
#[derive(Debug, Clone, Default)]
struct Before {
    others: &'static [&'static str],
    reference: Option<&'static str>,
    known: bool,
    unresolved_for_s: Option<i64>,
    may_stand: bool,
}

async fn run(fake: &Fake, action: Action, doors: &[&str], before: Before) -> KeyRan {
    let step = KeyStep {
        action,
        doors: &locks(doors),
        others: &locks(before.others),
        token: &CredentialToken::new("lis-k").unwrap(),
        form: Form::Made { known: before.known },
        reference: before.reference.map(|text| VendorCredentialRef(text.to_owned())),
        unresolved_since: before.unresolved_for_s.map(|s| now() - jiff::SignedDuration::from_secs(s)),
        may_stand: before.may_stand,
        joins: false,
    };
    step.run(fake, &CallContext::new("test", Duration::from_secs(5)), now()).await
}

const ISSUE: fn() -> Action = || Action::Issue { window: window() };

fn all_live(ran: &KeyRan) -> bool {
    ran.rounds.iter().all(|round| matches!(round, Round::Live { .. }))
}

#[tokio::test]
async fn one_call_makes_a_key_for_all_its_doors() {
    let fake = Fake::default();
    let ran = run(&fake, ISSUE(), &["1", "2"], Before::default()).await;
    assert!(all_live(&ran) && ran.rounds.len() == 2, "{ran:?}");
    let pin = ran.made.unwrap();
    assert!(fake.opens("1", &pin) && fake.opens("2", &pin) && fake.world().made == 1);
}

#[tokio::test]
async fn digits_that_nobody_has_seen_are_made_again_and_never_adopted() {
    let fake = Fake::default();
    fake.world().silent = 1;
    let ran = run(&fake, ISSUE(), &["1"], Before::default()).await;
    assert!(matches!(ran.rounds[..], [Round::Again { unproven: true, .. }]), "{ran:?}");
    assert_eq!(fake.doors(), ["1"], "it acted");
    let before = Before { unresolved_for_s: Some(2), may_stand: true, ..Before::default() };
    let ran = run(&fake, ISSUE(), &["1"], before).await;
    assert!(all_live(&ran) && fake.opens("1", &ran.made.unwrap()));
}

#[tokio::test]
async fn more_doors_keep_the_digits_also_when_the_answer_gets_lost() {
    let fake = Fake::default();
    let pin = run(&fake, ISSUE(), &["1", "9"], Before::default()).await.made.unwrap();
    let before =
        Before { others: &["1", "9"], reference: Some("1"), known: true, may_stand: true, ..Before::default() };
    fake.world().silent = 1;
    let ran = run(&fake, ISSUE(), &["2"], before.clone()).await;
    assert!(all_live(&ran) && ran.made.is_none() && ran.rounds.len() == 1, "{ran:?}");
    assert!(["1", "2", "9"].iter().all(|door| fake.opens(door, &pin)));
    // The one that is left behind, and then everything.
    let left = Before { others: &["2", "9"], ..before.clone() };
    fake.world().silent = 1;
    let ran = run(&fake, Action::Revoke, &["1"], left).await;
    assert_eq!(ran.rounds, [Round::Gone { already: false }]);
    assert_eq!(fake.doors(), ["2", "9"]);
    let ran = run(&fake, Action::Revoke, &["2", "9"], Before { others: &[], ..before.clone() }).await;
    assert_eq!(ran.rounds, vec![Round::Gone { already: false }; 2]);
    let ran = run(&fake, Action::Revoke, &["2", "9"], Before { others: &[], ..before }).await;
    assert_eq!(ran.rounds, vec![Round::Gone { already: true }; 2]);
}

#[tokio::test]
async fn digits_that_open_nothing_are_forgotten_before_others_are_made() {
    let fake = Fake::default();
    let before = Before { others: &["1"], reference: Some("1"), known: true, may_stand: true, ..Before::default() };
    let ran = run(&fake, ISSUE(), &["2"], before.clone()).await;
    assert!(ran.stale && ran.made.is_none() && fake.world().made == 0, "{ran:?}");
    assert!(matches!(ran.rounds[..], [Round::Again { unproven: false, .. }]));
    let ran = run(&fake, ISSUE(), &["2"], Before { known: false, ..before }).await;
    let pin = ran.made.unwrap();
    assert!(fake.opens("1", &pin) && fake.opens("2", &pin), "with all its doors");
}

#[tokio::test]
async fn a_window_ends_later_and_its_start_does_not_count() {
    let fake = Fake::default();
    run(&fake, ISSUE(), &["1", "2"], Before::default()).await;
    let later = Action::Change { window: Window { until: at("2026-11-24T12:00:00Z"), ..window() } };
    fake.world().silent = 1;
    let before = Before { reference: Some("1"), known: true, may_stand: true, ..Before::default() };
    let ran = run(&fake, later, &["1", "2"], before.clone()).await;
    assert!(all_live(&ran), "the answer got lost, and it was looked up: {ran:?}");
    fake.world().user = None;
    assert_eq!(run(&fake, later, &["1", "2"], before).await.rounds, vec![Round::Gone { already: true }; 2]);
}

#[tokio::test]
async fn reading_tells_which_doors_it_opens() {
    let fake = Fake::default();
    let read = Action::Read { window: window() };
    run(&fake, ISSUE(), &["1", "2"], Before::default()).await;
    let known = Before { known: true, ..Before::default() };
    assert!(all_live(&run(&fake, read, &["1", "2"], known.clone()).await));
    fake.world().user.as_mut().unwrap().doors.remove("2");
    let rounds = run(&fake, read, &["1", "2"], known).await.rounds;
    assert!(matches!(rounds[..], [Round::Live { .. }, Round::Gone { already: true }]), "{rounds:?}");
    // Digits that we don't have are no key.
    let ran = run(&fake, read, &["1"], Before::default()).await;
    assert_eq!((&ran.rounds[..], fake.doors().len()), (&[Round::Gone { already: false }][..], 0));
}

#[tokio::test]
async fn an_absence_proves_nothing_while_something_may_be_on_its_way() {
    let fake = Fake::default();
    let before = |seconds| Before { unresolved_for_s: Some(seconds), may_stand: true, ..Before::default() };
    let rounds = run(&fake, Action::Revoke, &["1"], before(2)).await.rounds;
    let [Round::Again { after: Some(after), unproven: false, .. }] = rounds[..] else { panic!("{rounds:?}") };
    assert_eq!(after, SETTLE - Duration::from_secs(2));
    // It came late, was found by its name alone, and went.
    run(&fake, ISSUE(), &["1"], Before::default()).await;
    let rounds = run(&fake, Action::Revoke, &["1"], before(60)).await.rounds;
    assert_eq!((&rounds[..], fake.doors().len()), (&[Round::Gone { already: false }][..], 0));
}

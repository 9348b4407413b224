//! The table of a vendor's own digits, row by row, against a vendor that loses answers on order.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use super::*;
use async_trait::async_trait;
use lock_vendors::{
    port::{Capabilities, Issued, VendorLock},
    rounding::Granularity,
};
use secrecy::ExposeSecret as _;
use std::{
    collections::VecDeque,
    sync::{Mutex, MutexGuard},
};

/// What happens to an issue.
#[derive(Debug, Clone, Copy)]
enum Fate {
    /// It never arrives, and no answer comes.
    Lost,
    /// It takes effect, and no answer comes.
    Silent,
    /// It takes effect after so many look-ups, and no answer comes.
    Late(usize),
    /// It is answered without digits.
    Mute,
}

#[derive(Debug, Default)]
struct World {
    standing: Vec<(VendorCredential, String)>,
    fates: VecDeque<Fate>,
    late: Option<(usize, VendorCredential, String)>,
    made: u32,
    finds: usize,
    unused_refuse_change: bool,
    deaf: bool,
}

#[derive(Debug, Default)]
struct Fake(Mutex<World>);

impl Fake {
    fn world(&self) -> MutexGuard<'_, World> {
        self.0.lock().unwrap()
    }

    fn order(self, fate: Fate) -> Self {
        self.world().fates.push_back(fate);
        self
    }

    fn opens(&self, pin: &SecretString) -> bool {
        self.world().standing.iter().any(|(_, digits)| digits == pin.expose_secret())
    }
}

fn unconfirmed() -> VendorError {
    VendorError::new("fake", "issue", Condition::ServerError, EffectOutcome::Unconfirmed)
}

#[async_trait]
impl LockVendor for Fake {
    fn name(&self) -> &'static str {
        "fake"
    }
    fn capabilities(&self) -> Capabilities {
        panic!("nothing here depends on capabilities: {:?}", Granularity::Hour)
    }
    async fn issue(&self, _: &CallContext, spec: &KeySpec) -> Result<Issued, VendorError> {
        let KeyForm::VendorPin { .. } = spec.form else { panic!("{:?}", spec.form) };
        let mut world = self.world();
        world.made += 1;
        let digits = format!("70{:04}", world.made);
        let credential = VendorCredential {
            reference: VendorCredentialRef(world.made.to_string()),
            name: spec.token.to_string(),
            window: Some(spec.window),
            confirmed_at_lock: true,
        };
        match world.fates.pop_front() {
            Some(Fate::Lost) => Err(unconfirmed()),
            Some(Fate::Silent) => {
                world.standing.push((credential, digits));
                Err(unconfirmed())
            }
            Some(Fate::Late(finds)) => {
                world.late = Some((world.finds + finds, credential, digits));
                Err(unconfirmed())
            }
            Some(Fate::Mute) => Ok(Issued { credential, pin: None }),
            None => {
                world.standing.push((credential.clone(), digits.clone()));
                Ok(Issued { credential, pin: Some(digits.into()) })
            }
        }
    }
    async fn find(
        &self,
        _: &CallContext,
        _: &[VendorLockRef],
        token: &CredentialToken,
    ) -> Result<Option<VendorCredential>, VendorError> {
        let mut world = self.world();
        world.finds += 1;
        let finds = world.finds;
        if let Some((_, credential, digits)) = world.late.take_if(|late| late.0 < finds) {
            world.standing.push((credential, digits));
        }
        Ok(world.standing.iter().map(|(c, _)| c.clone()).find(|c| c.name == token.as_str()))
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
        let refused = |condition| VendorError::new("fake", "change", condition, EffectOutcome::Permanent);
        let unused = world.unused_refuse_change;
        let (credential, _) = world
            .standing
            .iter_mut()
            .find(|(c, _)| c.reference == *reference)
            .ok_or_else(|| refused(Condition::CredentialGone))?;
        if unused {
            return Err(refused(Condition::NeverUsed));
        }
        credential.window = Some(window);
        Ok(credential.clone())
    }
    async fn delete(
        &self,
        _: &CallContext,
        _: &[VendorLockRef],
        reference: &VendorCredentialRef,
    ) -> Result<Deletion, VendorError> {
        let mut world = self.world();
        let before = world.standing.len();
        if !world.deaf {
            world.standing.retain(|(c, _)| c.reference != *reference);
        }
        Ok(if world.standing.len() < before { Deletion::Deleted } else { Deletion::AlreadyGone })
    }
    async fn list(&self, _: &CallContext, _: &VendorLockRef) -> Result<Vec<VendorCredential>, VendorError> {
        Ok(self.world().standing.iter().map(|(c, _)| c.clone()).collect())
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
    Window { from: at("2026-11-23T12:00:00Z"), until: at("2026-11-23T18:00:00Z") }
}

/// What is told of the credential before the step: whether a try is unresolved and how long ago, its id, whether its digits are known.
#[derive(Debug, Clone, Default)]
struct Before {
    unresolved_for_s: Option<i64>,
    may_stand: bool,
    reference: Option<&'static str>,
    known: bool,
    one_time: bool,
}

async fn run(fake: &Fake, action: Action, before: Before) -> Ran {
    let step = Step {
        action,
        lock: &VendorLockRef::new("1"),
        token: &CredentialToken::new("lis-a").unwrap(),
        digits: Digits::Vendor { one_time: before.one_time, known: before.known },
        reference: before.reference.map(|text| VendorCredentialRef(text.to_owned())),
        unresolved_since: before.unresolved_for_s.map(|s| now() - jiff::SignedDuration::from_secs(s)),
        may_stand: before.may_stand,
    };
    step.run(fake, &CallContext::new("test", Duration::from_secs(5)), now()).await
}

const ISSUE: fn() -> Action = || Action::Issue { window: window() };

fn lost(seconds: i64) -> Before {
    Before { unresolved_for_s: Some(seconds), may_stand: true, ..Before::default() }
}

#[tokio::test]
async fn digits_come_back_with_the_call_that_makes_them() {
    let fake = Fake::default();
    let ran = run(&fake, ISSUE(), Before::default()).await;
    assert!(matches!(ran.round, Round::Live { adopted: false, .. }), "{ran:?}");
    assert!(fake.opens(&ran.made.unwrap()));
    assert_eq!(fake.world().finds, 0, "nothing may have happened, so nothing is looked up");
}

#[tokio::test]
async fn an_answer_that_got_lost_takes_its_digits_along_and_the_next_round_makes_others() {
    let fake = Fake::default().order(Fate::Silent);
    let ran = run(&fake, ISSUE(), Before::default()).await;
    assert!(matches!(ran.round, Round::Again { unproven: true, .. }) && ran.made.is_none(), "{ran:?}");
    assert_eq!(fake.world().standing.len(), 1, "it took effect, with digits that nobody knows");
    let ran = run(&fake, ISSUE(), lost(2)).await;
    assert!(fake.opens(&ran.made.unwrap()), "the guest is told digits that open");
    assert_eq!(fake.world().standing.len(), 1, "and no others do");
}

#[tokio::test]
async fn what_is_still_on_its_way_is_waited_for_and_then_deleted() {
    let fake = Fake::default().order(Fate::Late(1));
    run(&fake, ISSUE(), Before::default()).await;
    // It can't arrive any more in a moment: the first look finds nothing, the second one finds it.
    let ran = run(&fake, ISSUE(), lost(SETTLE.as_secs().try_into().unwrap())).await;
    assert!(fake.opens(&ran.made.unwrap()));
    let world = fake.world();
    assert_eq!((world.standing.len(), world.made), (1, 2));
}

#[tokio::test]
async fn what_never_arrived_is_made_anew() {
    let fake = Fake::default().order(Fate::Lost);
    run(&fake, ISSUE(), Before::default()).await;
    let ran = run(&fake, ISSUE(), lost(60)).await;
    assert!(fake.opens(&ran.made.unwrap()));
    assert_eq!(fake.world().standing.len(), 1);
}

#[tokio::test]
async fn digits_that_we_have_are_adopted() {
    let fake = Fake::default();
    let first = run(&fake, ISSUE(), Before::default()).await.made.unwrap();
    let ran = run(&fake, ISSUE(), Before { known: true, ..lost(2) }).await;
    assert!(matches!(ran.round, Round::Live { adopted: true, .. }) && ran.made.is_none(), "{ran:?}");
    assert!(fake.opens(&first));
    // In a window that the vendor's whole hours can't explain they are not what is wanted.
    let later = Window { until: at("2026-11-24T12:00:00Z"), ..window() };
    let ran = run(&fake, Action::Issue { window: later }, Before { known: true, ..lost(2) }).await;
    assert!(!fake.opens(&first) && fake.opens(&ran.made.unwrap()));
    // A one-time code has the hours that it has.
    let once = Before { known: true, one_time: true, ..lost(2) };
    assert!(matches!(run(&fake, ISSUE(), once).await.round, Round::Live { adopted: true, .. }));
}

#[tokio::test]
async fn a_vendor_that_says_nothing_has_made_no_key() {
    let fake = Fake::default().order(Fate::Mute);
    let ran = run(&fake, ISSUE(), Before::default()).await;
    assert_eq!(ran.round, Round::Refused(Code::VendorRefused));
}

#[tokio::test]
async fn a_window_that_can_t_be_changed_costs_the_digits() {
    let fake = Fake::default();
    let first = run(&fake, ISSUE(), Before::default()).await.made.unwrap();
    let longer = Action::Change { window: Window { until: at("2026-11-24T12:00:00Z"), ..window() } };
    let standing = Before { reference: Some("1"), may_stand: true, known: true, ..Before::default() };
    let ran = run(&fake, longer, standing.clone()).await;
    assert!(matches!(ran.round, Round::Live { .. }) && ran.made.is_none() && fake.opens(&first), "{ran:?}");
    fake.world().unused_refuse_change = true;
    let ran = run(&fake, longer, standing.clone()).await;
    assert!(!fake.opens(&first) && fake.opens(&ran.made.unwrap()));
    // The answer to the new one gets lost: it is taken away, so that it is issued like any other.
    fake.world().fates.push_back(Fate::Silent);
    let standing = Before { reference: Some("2"), ..standing };
    assert!(matches!(run(&fake, longer, standing.clone()).await.round, Round::Again { unproven: true, .. }));
    assert_eq!(run(&fake, longer, standing).await.round, Round::Gone { already: true });
    assert!(fake.world().standing.is_empty());
}

#[tokio::test]
async fn reading_back_keeps_what_we_know_and_takes_out_what_we_don_t() {
    let fake = Fake::default();
    let read = Action::Read { window: window() };
    assert_eq!(run(&fake, read, Before::default()).await.round, Round::Gone { already: true });
    run(&fake, ISSUE(), Before::default()).await;
    let known = Before { known: true, ..Before::default() };
    assert!(matches!(run(&fake, read, known).await.round, Round::Live { adopted: true, .. }));
    assert_eq!(run(&fake, read, Before::default()).await.round, Round::Gone { already: false });
    assert!(fake.world().standing.is_empty());
}

#[tokio::test]
async fn a_revoke_takes_out_everything_of_our_name() {
    let fake = Fake::default().order(Fate::Silent).order(Fate::Silent);
    for _ in 0..3 {
        run(&fake, ISSUE(), Before::default()).await;
    }
    assert_eq!(fake.world().standing.len(), 3);
    let standing = Before { reference: Some("3"), may_stand: true, known: true, ..Before::default() };
    assert_eq!(run(&fake, Action::Revoke, standing.clone()).await.round, Round::Gone { already: false });
    assert!(fake.world().standing.is_empty());
    assert_eq!(run(&fake, Action::Revoke, standing).await.round, Round::Gone { already: true });
}

#[tokio::test]
async fn what_can_t_be_swept_is_left_to_the_next_round() {
    let fake = Fake::default();
    run(&fake, ISSUE(), Before::default()).await;
    fake.world().deaf = true;
    let ran = run(&fake, ISSUE(), lost(2)).await;
    assert!(matches!(ran.round, Round::Again { unproven: true, .. }) && ran.made.is_none(), "{ran:?}");
    assert_eq!(fake.world().made, 1, "no second key beside one that can't be taken out");
}

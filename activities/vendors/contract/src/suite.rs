//! The run: which checks, in which order, and what is cleaned up around them.

use std::sync::Arc;
use std::time::{Duration, Instant};

use jiff::{SignedDuration, Timestamp};
use lock_domain::contract::{ANSWERS, Check, Report};
use lock_domain::window::Window;
use lock_vendors::error::VendorError;
use lock_vendors::port::{
    CallContext, Capabilities, CredentialToken, KeyForm, KeySpec, LockVendor, Scope, VendorLockRef,
};
use lock_vendors::watch::Forms;
use secrecy::SecretString;

use crate::faults::Faults;
use crate::notes::{Notes, Stop};
use crate::profiles::{Profile, profile};
use crate::{EDITION, checks, trouble};

/// For each call of the port.
const PATIENCE: Duration = Duration::from_secs(20);
/// Names that the suite uses; all of them are cleaned up.
pub(crate) const NAMES: u32 = 4;

/// What the suite works on at the vendor.
#[derive(Debug, Clone)]
pub struct Target {
    /// The vendor's id of a lock that no guest uses.
    pub lock: String,
    /// The encoder that cards are written at, when somebody is there.
    pub encoder: Option<String>,
    /// What the vendor knows a test telephone by.
    pub recipient: Option<SecretString>,
    /// Part of the names of keys, so that two who share an account don't meet: the property's id, for example.
    pub tag: u128,
}

/// What a run needs.
pub struct Setup {
    /// The adapter.
    pub vendor: Arc<dyn LockVendor>,
    /// What it works on.
    pub target: Target,
    /// Misbehaviour on order, where there is such a thing.
    pub faults: Option<Arc<dyn Faults>>,
}

/// Why there is no report.
#[derive(Debug, thiserror::Error)]
pub enum SuiteError {
    /// The suite does not know the vendor.
    #[error("the contract suite has no profile of `{0}`")]
    UnknownVendor(String),
    /// The names of its keys can't be made.
    #[error("the tag does not make a name")]
    Tag,
    /// The vendor does not answer, so that nothing could be learnt.
    #[error("the vendor is not there: {0}")]
    Away(VendorError),
}

/// What the checks share.
pub(crate) struct Run<'a> {
    pub(crate) setup: &'a Setup,
    pub(crate) profile: Profile,
    pub(crate) can: Capabilities,
    pub(crate) doors: Vec<VendorLockRef>,
    pub(crate) window: Window,
    pub(crate) form: Option<KeyForm>,
    pub(crate) tokens: Vec<CredentialToken>,
}

/// Runs all checks; `told` hears of each when it is over.
pub async fn run(setup: &Setup, mut told: impl FnMut(&Check) + Send) -> Result<Report, SuiteError> {
    let run = Run::new(setup)?;
    run.clean().await?;
    let forms = Arc::new(Forms::default());
    let mut checks = Vec::new();
    macro_rules! made {
        ($name:literal, $check:expr) => {
            let started = Instant::now();
            let mut notes = Notes::default();
            let ended = $check(&run, &mut notes).await;
            run.quiet().await;
            let check = notes.check($name, ended, started.elapsed());
            told(&check);
            checks.push(check);
        };
    }
    macro_rules! watched {
        ($name:literal, $check:path) => {
            made!($name, async |run: &Run<'_>, notes: &mut Notes| forms.watched($check(run, notes)).await);
        };
    }
    watched!("create", checks::create);
    watched!("read_back", checks::read_back);
    watched!("change", checks::change);
    watched!("delete", checks::delete);
    watched!("duplicates", checks::duplicates);
    made!("lost_answer", trouble::lost_answer);
    made!("expired_login", trouble::expired_login);
    made!("rate_limit", trouble::rate_limit);
    watched!("clock", checks::clock);
    made!("errors", trouble::errors);
    let mut notes = Notes::default();
    let facts = forms.facts();
    let ended = if facts.is_empty() { Err(Stop::Skip("nothing was answered".to_owned())) } else { Ok(()) };
    notes.seen(facts);
    let check = notes.check(ANSWERS, ended, Duration::ZERO);
    told(&check);
    checks.push(check);
    // What can't be taken away now ends with its window, and the next run looks for it first.
    let _ = run.clean().await;
    Ok(Report { vendor: run.profile.name.to_owned(), suite: EDITION, checks })
}

impl<'a> Run<'a> {
    fn new(setup: &'a Setup) -> Result<Self, SuiteError> {
        let name = setup.vendor.name();
        let profile = profile(name).ok_or_else(|| SuiteError::UnknownVendor(name.to_owned()))?;
        let can = setup.vendor.capabilities();
        // In the form of our own names, as adapters tell them from those of people; the number comes early, as some wires cut names.
        let tag = setup.target.tag % (1 << 104);
        let token = |n: u32| CredentialToken::new(format!("lis-c0de{n:02x}{tag:026x}")).map_err(|_| SuiteError::Tag);
        let tokens = (1..=NAMES).map(token).collect::<Result<_, _>>()?;
        let now = Timestamp::now().as_second();
        let minute = Timestamp::from_second(now - now.rem_euclid(60)).unwrap_or(Timestamp::UNIX_EPOCH);
        let at = |minutes| minute.saturating_add(SignedDuration::from_mins(minutes)).unwrap_or(minute);
        let window = Window { from: at(-60), until: at(120) };
        let doors = vec![VendorLockRef::new(setup.target.lock.clone())];
        let form = form(can, &setup.target);
        Ok(Self { setup, profile, can, doors, window, form, tokens })
    }

    pub(crate) fn vendor(&self) -> &dyn LockVendor {
        self.setup.vendor.as_ref()
    }

    pub(crate) fn call(&self) -> CallContext {
        CallContext::new("contract", PATIENCE)
    }

    /// A key under one of the suite's names.
    pub(crate) fn spec(&self, n: usize) -> Result<KeySpec, Stop> {
        let form = self.form.clone().ok_or_else(|| {
            Stop::Skip("no key can be made here: name an encoder with cards on it, or a telephone".to_owned())
        })?;
        // A card of its own check-in: nobody else has a key of this door.
        let joins = matches!(form, KeyForm::ChosenPin(_) | KeyForm::VendorPin { .. });
        Ok(KeySpec { token: self.tokens[n].clone(), form, doors: self.doors.clone(), window: self.window, joins })
    }

    /// Where a credential is looked for.
    pub(crate) fn where_found(&self) -> &[VendorLockRef] {
        if self.can.scope == Scope::Key { &[] } else { &self.doors }
    }

    /// No orders and no card are left over for the next check.
    pub(crate) async fn quiet(&self) {
        if let Some(faults) = &self.setup.faults {
            // A control interface that fails shows up in the next check.
            let _ = faults.clear().await;
            self.take_card().await;
        }
    }

    pub(crate) async fn take_card(&self) {
        if let (Some(faults), Some(encoder)) = (&self.setup.faults, &self.setup.target.encoder) {
            let _ = faults.take_card(encoder).await;
        }
    }

    /// Takes away what an earlier run or check has left.
    async fn clean(&self) -> Result<(), SuiteError> {
        self.quiet().await;
        if !self.can.read_back {
            return Ok(());
        }
        for token in &self.tokens {
            match self.vendor().find(&self.call(), self.where_found(), token).await {
                Ok(None) => {}
                Ok(Some(left)) => {
                    let _ = self.vendor().delete(&self.call(), &self.doors, &left.reference).await;
                }
                Err(error) if crate::notes::passing(error.condition()) => return Err(SuiteError::Away(error)),
                // That is for the checks to tell.
                Err(_) => {}
            }
        }
        Ok(())
    }
}

/// What a key is made as: digits where they are possible, as nobody has to stand at an encoder for them.
fn form(can: Capabilities, target: &Target) -> Option<KeyForm> {
    if can.choose_pin {
        let digits: u32 = rand::random_range(2_100_000..9_800_000);
        let wanted = usize::from(can.min_pin_digits.max(can.max_pin_digits.min(7)));
        let digits: String = digits.to_string().chars().cycle().take(wanted).collect();
        return Some(KeyForm::ChosenPin(digits.into()));
    }
    if can.pin {
        return Some(KeyForm::VendorPin { one_time: false });
    }
    let card = target.encoder.clone().filter(|_| can.card).map(|encoder| KeyForm::Card { encoder });
    card.or_else(|| target.recipient.clone().filter(|_| can.mobile).map(|recipient| KeyForm::Mobile { recipient }))
}

//! Effects at lock vendors: intent first, then the vendor, then the outcome, each durable before the next (DESIGN §4.4).
//!
//! One activity performs a batch of equally urgent effects, each at another lock and each with its own rows, so that a second run finds
//! what the first has proven and does the rest. Where a whole key stands at the vendor, its effects are one call, and still a row for
//! each door; cards are written one after another, as somebody has to put each on the encoder. A killed worker leaves an open intent behind; whoever comes next closes it and reads
//! back at the vendor. A forgotten twin that still runs finds its attempt closed and writes nothing; if a later round of its stay has
//! looked at a credential, it does nothing to that credential any more, and says that it was called off.

#![allow(missing_docs, reason = "the macro adds an undocumented constant beside each activity")]

use crate::{
    adapters::{self, OpenError, Settings},
    alive::alive,
    attempts::{self, Answer, Intended, Intent, Pins, Sealed, Tried},
    chunks::{AT_ONCE, chunks},
    failure,
    health::{Gate, Observed},
    outcome::told,
    recording::recorded,
    vendor_step::{Digits, Ran, Round, Step},
    whole_key::{Group, groups},
};
use futures::{FutureExt as _, stream::FuturesUnordered};
use jiff::Timestamp;
use lock_domain::{
    credential::KeyKind,
    ids::{AttemptId, KeyId},
    pin::{self, PinSource},
    problem::Code,
    stay::{Action, Effect, Known},
};
use lock_kms::{DataKeys, Place, SealError};
use lock_store::{EffectTarget, Store, StoreError};
use lock_telemetry::metrics;
use lock_vendors::{
    ledger,
    port::{CallContext, CredentialToken, LockVendor, Scope, TokenError, VendorCredentialRef, VendorLockRef},
    registry::VendorRegistry,
};
use lock_workflows::{Batch, Performed};
use secrecy::{ExposeSecret as _, SecretString};
use std::{collections::BTreeSet, sync::Arc, time::Duration};
use temporalio_macros::activities;
use temporalio_sdk::activities::{ActivityContext, ActivityError};
use tracing::Instrument as _;

/// A pause that is no question of a moment.
const LONG: Duration = Duration::from_secs(300);
/// Answers that come so close together are recorded by one transaction.
const TOGETHER: Duration = Duration::from_millis(10);
/// For one operation at a vendor, with all the calls that it takes; the one that waits for a person has
/// [`crate::key_step::CARD_TIMEOUT`].
pub(crate) const CALL_TIMEOUT: Duration = Duration::from_secs(15);
/// A try that has gone on for so long begins no other card: the next try does. With the call and a look before and after it, a try then
/// ends within the time that the workflow gives it.
const ANOTHER_CARD: Duration = Duration::from_secs(5);
/// A third of the heartbeat time-out that the workflow sets.
const HEARTBEAT_EVERY: Duration = Duration::from_secs(2);
/// While the root key refuses, it is asked so often.
const LOCKED_PAUSE: Duration = Duration::from_secs(10);

/// The effects of stays' keys.
#[derive(Clone)]
pub struct Effects {
    store: Store,
    keys: DataKeys,
    vendors: Arc<VendorRegistry>,
    pub(crate) gate: Arc<Gate>,
}

/// Why an effect could not even be tried, or its outcome not be kept.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Trouble {
    #[error(transparent)]
    Store(#[from] StoreError),
    #[error("a sealed value does not open: {0}")]
    Seal(#[from] SealError),
    #[error(transparent)]
    Adapter(#[from] OpenError),
    #[error(transparent)]
    Token(#[from] TokenError),
    #[error("a sealed value is not text")]
    Text,
}

/// What came of a call: an answer for each of its effects, with its place.
type Came = Result<Vec<(usize, Answer)>, Trouble>;

#[activities]
impl Effects {
    /// See [`lock_workflows::activities::VendorActivities`].
    #[activity(definition = lock_workflows::activities::Perform)]
    pub async fn perform(self: Arc<Self>, ctx: ActivityContext, batch: Batch) -> Result<Performed, ActivityError> {
        let span = tracing::info_span!("perform", stay = %batch.id.stay, urgency = ?batch.urgency, effects = batch.effects.len());
        lock_telemetry::set_parent(&span, batch.traceparent.as_deref());
        let work = ledger::repeating(ctx.info().attempt > 1, self.batch(&ctx, &batch)).instrument(span);
        alive(&ctx, HEARTBEAT_EVERY, Box::pin(work)).await
    }
}

impl Effects {
    /// Over a record, the keys that open what is sealed in it, adapters, and what is known of breakers.
    pub fn new(store: Store, keys: DataKeys, vendors: Arc<VendorRegistry>, gate: Arc<Gate>) -> Self {
        Self { store, keys, vendors, gate }
    }

    async fn batch(&self, ctx: &ActivityContext, batch: &Batch) -> Result<Performed, ActivityError> {
        if self.keys.usable(batch.id.tenant).await.is_err_and(|error| error.is_denied()) {
            return locked(ctx, batch);
        }
        let begun = tokio::time::Instant::now();
        let mut tried: Vec<Option<Tried>> = batch.effects.iter().map(|_| None).collect();
        let cards = self.cards_of(batch).await.map_err(|error| failure::record(&error))?;
        let mut left = chunks(&batch.effects, &cards);
        while let Some(places) = left.pop_front() {
            if ctx.is_cancelled() {
                places.iter().for_each(|place| tried[*place] = Some(Tried::without_sending(Known::CalledOff)));
                continue;
            }
            let some: Vec<Effect> = places.iter().map(|place| batch.effects[*place]).collect();
            match self.some(ctx, batch, &some).await {
                Ok(some) => {
                    let mut waiting = Vec::new();
                    for (place, one) in places.into_iter().zip(some) {
                        if one.waits_its_turn && begun.elapsed() < ANOTHER_CARD {
                            waiting.push(place);
                        }
                        tried[place] = Some(one);
                    }
                    if !waiting.is_empty() {
                        left.push_front(waiting);
                    }
                }
                Err(Trouble::Store(error)) => return Err(failure::record(&error)),
                Err(other) => {
                    tracing::error!(error = %other, "an effect could not be tried");
                    return Err(failure::again(Code::Internal, None));
                }
            }
        }
        let tried: Vec<Tried> = tried.into_iter().flatten().collect();
        let known = tried.iter().map(|tried| tried.known).collect();
        let outrun_by = tried.iter().filter_map(|tried| tried.outrun_by).max();
        let again = tried.iter().filter_map(|tried| tried.again).reduce(|(code, a), (_, b)| (code, a.max(b)));
        match again {
            Some((code, after)) if !over(ctx, batch, code, after) => Err(failure::again(code, after)),
            _ => Ok(Performed { tenant: batch.id.tenant, known, outrun_by }),
        }
    }

    /// The stay's cards, if it matters which of its keys are: in a large batch of keys that go.
    async fn cards_of(&self, batch: &Batch) -> Result<BTreeSet<KeyId>, StoreError> {
        if batch.effects.len() <= AT_ONCE || batch.effects.iter().all(|effect| effect.action != Action::Revoke) {
            return Ok(BTreeSet::new());
        }
        let mut tx = self.store.tenant(batch.id.tenant).await?;
        let keys = tx.keys_of(batch.id.stay).await?;
        Ok(keys.into_iter().filter(|key| key.kind == KeyKind::Card).map(|key| key.id).collect())
    }

    /// One try at each of these effects, all at once: their requests leave within a call's time from their intents, and none waits while
    /// the outcomes of others are recorded.
    async fn some(&self, ctx: &ActivityContext, batch: &Batch, effects: &[Effect]) -> Result<Vec<Tried>, Trouble> {
        let number = ctx.info().attempt;
        let circuits = self.gate.circuits(batch.id.tenant, batch.id.property).await;
        let Intended { intents, standing } = attempts::intend(&self.store, batch, effects, number, &circuits).await?;
        let mut tried: Vec<Option<Tried>> = Vec::with_capacity(effects.len());
        let mut begun = Vec::with_capacity(effects.len());
        for (n, intent) in intents.into_iter().enumerate() {
            match intent {
                Ok(intent) => {
                    tried.push(None);
                    begun.push((n, intent));
                }
                Err(without) => tried.push(Some(without)),
            }
        }
        let (standing, first) = (&standing, number == 1);
        let send = |group| {
            async move {
                match group {
                    Group::Door(placed) => Ok(vec![(placed.0, self.one(batch, placed.1, first).await?)]),
                    Group::Key(placed) => self.key(batch, placed, standing, first).await,
                    Group::CardsOut(placed) => self.cards_out(batch, placed, standing, first).await,
                }
            }
            .boxed()
        };
        let sending: FuturesUnordered<_> = groups(begun).into_iter().map(send).collect();
        let mut trouble = None;
        for (came, failed) in recorded(sending, TOGETHER, |answers| self.keep(batch, answers)).await {
            for (n, answer) in came {
                tried[n] = Some(answer.tried());
            }
            trouble = failed.or(trouble);
        }
        match trouble {
            Some(trouble) => Err(trouble),
            None => Ok(tried.into_iter().flatten().collect()),
        }
    }

    /// Records what has come, whatever became of the others.
    async fn keep(&self, batch: &Batch, answers: Vec<Came>) -> (Vec<(usize, Answer)>, Option<Trouble>) {
        let mut came = Vec::with_capacity(answers.len());
        let mut trouble = None;
        for answer in answers {
            match answer {
                Ok(answer) => came.extend(answer),
                Err(error) => trouble = Some(error),
            }
        }
        if let Err(error) = attempts::keep(&self.store, batch, came.iter().map(|(_, answer)| answer)).await {
            trouble = Some(error.into());
        }
        (came, trouble)
    }

    /// Asks the vendor, and says what it means.
    async fn one(&self, batch: &Batch, intent: Intent, first: bool) -> Result<Answer, Trouble> {
        let Intent { effect, target, attempt } = intent;
        let (Ran { round, made }, whole_key) = self.send(batch, &effect, &target, attempt).await?;
        let told = told(&effect, &target, &round, first);
        metrics::effect(&target.vendor, action_name(effect.action), told.kind.name());
        let made = match &made {
            Some(pin) => Some(self.seal(batch, &effect, &target, pin).await?),
            None => None,
        };
        let again = self.again(batch, &effect, &target, &round);
        let pins = Pins { made, whole_key, stale: false };
        Ok(Answer { effect, target, attempt, told, pins, again, joins: None, by_answer: false })
    }

    /// Whether an effect should be tried again in this round: why, and not before.
    pub(crate) fn again(
        &self,
        batch: &Batch,
        effect: &Effect,
        target: &EffectTarget,
        round: &Round,
    ) -> Option<(Code, Option<Duration>)> {
        match *round {
            Round::Again { code, after, .. } if effect.action == Action::Revoke => {
                Some((code, self.gate.revoke_pause(batch.id.tenant, target.property, &target.vendor, after)))
            }
            Round::Again { code, after, .. } => Some((code, after)),
            _ => None,
        }
    }

    async fn send(
        &self,
        batch: &Batch,
        effect: &Effect,
        target: &EffectTarget,
        attempt: AttemptId,
    ) -> Result<(Ran, bool), Trouble> {
        let vendor = self.vendor(batch, target).await?;
        let whole_key = vendor.capabilities().scope == Scope::Key;
        let pin = match (target.pin_source, &target.pin_sealed) {
            (PinSource::Ours, Some(sealed)) => Some(self.open(batch, effect, sealed).await?),
            _ => None,
        };
        let digits = match &pin {
            Some(pin) => Digits::Ours(pin),
            None => {
                let whose = whole_key || target.pin_credential == Some(effect.credential);
                Digits::Vendor { one_time: target.one_time, known: target.pin_sealed.is_some() && whose }
            }
        };
        let now = Timestamp::now();
        let unresolved = target.open_intent.map(|open| open.at).max(target.unresolved_since);
        let step = Step {
            action: effect.action,
            lock: &lock_ref(&target.vendor_lock_id, &target.zone, now),
            token: &CredentialToken::new(target.token.clone())?,
            digits,
            reference: target.vendor_ref.clone().map(VendorCredentialRef),
            unresolved_since: unresolved,
            may_stand: target.state.may_open(),
        };
        let call = call(batch, attempt, CALL_TIMEOUT);
        Ok((step.run(&vendor, &call, now).await, whole_key))
    }

    /// The vendor of an effect; every call is noted.
    pub(crate) async fn vendor(&self, batch: &Batch, target: &EffectTarget) -> Result<Observed<'_>, Trouble> {
        Ok(Observed {
            vendor: self.adapter(batch, target).await?,
            gate: &self.gate,
            tenant: batch.id.tenant,
            property: target.property,
        })
    }

    pub(crate) async fn open(&self, batch: &Batch, effect: &Effect, sealed: &[u8]) -> Result<SecretString, Trouble> {
        let pin = self.keys.open(batch.id.tenant, &pin_place(effect), sealed).await?;
        Ok(SecretString::from(std::str::from_utf8(&pin).map_err(|_| Trouble::Text)?))
    }

    /// Digits that the vendor has made up, as the record takes them.
    pub(crate) async fn seal(
        &self,
        batch: &Batch,
        effect: &Effect,
        target: &EffectTarget,
        pin: &SecretString,
    ) -> Result<Sealed, Trouble> {
        let tenant = batch.id.tenant;
        let named = SecretString::from(pin::fingerprinted(target.property, pin.expose_secret()));
        let named = named.expose_secret().as_bytes();
        let fingerprint = self.keys.fingerprint(tenant, pin::FINGERPRINT_LABEL, named).await?;
        let sealed = self.keys.seal(tenant, &pin_place(effect), pin.expose_secret().as_bytes()).await?;
        Ok(Sealed { fingerprint, sealed })
    }

    async fn adapter(&self, batch: &Batch, target: &EffectTarget) -> Result<Arc<dyn LockVendor>, Trouble> {
        let settings = Settings {
            tenant: batch.id.tenant,
            property: target.property,
            vendor: &target.vendor,
            config: &target.vendor_config,
            sealed: target.vendor_sealed.as_deref(),
            row: target.vendor_row,
            version: target.config_version,
        };
        Ok(adapters::open(&self.keys, &self.vendors, &settings).await?)
    }
}

fn pin_place(effect: &Effect) -> Place {
    Place { table: "keys", column: "pin_sealed", row: effect.key.as_uuid() }
}

/// The customer's root key refuses: nothing is intended and nothing sent, and it is tried again, round after round.
fn locked(ctx: &ActivityContext, batch: &Batch) -> Result<Performed, ActivityError> {
    let code = Code::VaultLocked;
    tracing::warn!(tenant = %batch.id.tenant, "effects wait for the root key");
    if !over(ctx, batch, code, Some(LOCKED_PAUSE)) {
        return Err(failure::again(code, Some(LOCKED_PAUSE)));
    }
    let known = batch.effects.iter().map(|_| Known::Unconfirmed { code }).collect();
    Ok(Performed { tenant: batch.id.tenant, known, outrun_by: None })
}

/// Whether the round is over: nothing is tried again in it. What waits for longer than the round lasts need not wait in it: for a breaker,
/// or for something that takes a long time anyway.
fn over(ctx: &ActivityContext, batch: &Batch, code: Code, after: Option<Duration>) -> bool {
    let scheduled = ctx.info().scheduled_time.and_then(|at| at.elapsed().ok()).unwrap_or_default();
    let wait = after.filter(|after| code == Code::VendorCircuitOpen || *after > LONG).unwrap_or_default();
    ctx.is_cancelled() || scheduled + wait >= batch.budget
}

/// What accompanies a call.
pub(crate) fn call(batch: &Batch, attempt: AttemptId, timeout: Duration) -> CallContext {
    CallContext {
        // Without spans, because a filter drops them, the caller's own context still reaches the vendor.
        traceparent: lock_telemetry::current_traceparent().or_else(|| batch.traceparent.clone()),
        ..CallContext::new(attempt.to_string(), timeout)
    }
}

/// A lock in the vendor's terms.
pub(crate) fn lock_ref(id: &str, zone: &str, now: Timestamp) -> VendorLockRef {
    let utc_offset_s = lock_domain::window::zone(zone).map_or(0, |zone| zone.to_offset(now).seconds());
    VendorLockRef { utc_offset_s, ..VendorLockRef::new(id) }
}

pub(crate) fn action_name(action: Action) -> &'static str {
    match action {
        Action::Issue { .. } => "issue",
        Action::Change { .. } => "change",
        Action::Revoke => "revoke",
        Action::Read { .. } => "read",
    }
}

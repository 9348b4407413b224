//! Effects at lock vendors: intent first, then the vendor, then the outcome, each durable before the next (DESIGN §4.4).
//!
//! One activity performs a batch of equally urgent effects, each at another lock and each with its own rows, so that a second run finds
//! what the first has proven and does the rest. A killed worker leaves an open intent behind; whoever comes next closes it and reads
//! back at the vendor. A forgotten twin that still runs finds its attempt closed and writes nothing; if a later round of its stay has
//! looked at a credential, it does nothing to that credential any more, and says that it was called off.

#![allow(missing_docs, reason = "the macro adds an undocumented constant beside each activity")]

use crate::{
    adapters::{self, OpenError, Settings},
    attempts::{self, Answer, Intent, Pins, Sealed, Tried},
    failure,
    health::{Gate, Observed},
    outcome::told,
    vendor_step::{Digits, Ran, Round, Step},
};
use futures::{
    FutureExt as _, StreamExt as _,
    stream::{FusedStream, FuturesUnordered},
};
use jiff::Timestamp;
use lock_domain::{
    ids::AttemptId,
    pin::{self, PinSource},
    problem::Code,
    stay::{Action, Effect, Known},
};
use lock_kms::{DataKeys, Place, SealError};
use lock_store::{EffectTarget, Store, StoreError};
use lock_telemetry::metrics;
use lock_vendors::{
    port::{CallContext, CredentialToken, LockVendor, Scope, TokenError, VendorCredentialRef, VendorLockRef},
    registry::VendorRegistry,
};
use lock_workflows::{Batch, Performed};
use secrecy::{ExposeSecret as _, SecretString};
use std::{sync::Arc, time::Duration};
use temporalio_macros::activities;
use temporalio_sdk::activities::{ActivityContext, ActivityError};
use tracing::Instrument as _;

/// Locks that one batch works at, at a time. A vendor's adapter takes turns where its gateways need it.
const AT_ONCE: usize = 8;
/// Answers that come so close together are recorded by one transaction.
const TOGETHER: Duration = Duration::from_millis(10);
/// For one operation at a vendor, with all the calls that it takes.
const CALL_TIMEOUT: Duration = Duration::from_secs(15);
/// A third of the heartbeat time-out that the workflow sets.
const HEARTBEAT_EVERY: Duration = Duration::from_secs(2);

/// The effects of stays' keys.
pub struct Effects {
    store: Store,
    keys: DataKeys,
    vendors: Arc<VendorRegistry>,
    gate: Arc<Gate>,
}

/// Why an effect could not even be tried, or its outcome not be kept.
#[derive(Debug, thiserror::Error)]
enum Trouble {
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

#[activities]
impl Effects {
    /// See [`lock_workflows::activities::VendorActivities`].
    #[activity(definition = lock_workflows::activities::Perform)]
    pub async fn perform(self: Arc<Self>, ctx: ActivityContext, batch: Batch) -> Result<Performed, ActivityError> {
        let span = tracing::info_span!("perform", stay = %batch.id.stay, urgency = ?batch.urgency, effects = batch.effects.len());
        lock_telemetry::set_parent(&span, batch.traceparent.as_deref());
        let work = self.batch(&ctx, &batch).instrument(span);
        tokio::pin!(work);
        loop {
            tokio::select! {
                done = &mut work => return done,
                () = tokio::time::sleep(HEARTBEAT_EVERY) => {
                    // A heartbeat that can't be sent is as good as none: the server then gives the batch to somebody else.
                    let _ = ctx.record_heartbeat(()).await;
                }
            }
        }
    }
}

impl Effects {
    /// Over a record, the keys that open what is sealed in it, adapters, and what is known of breakers.
    pub fn new(store: Store, keys: DataKeys, vendors: Arc<VendorRegistry>, gate: Arc<Gate>) -> Self {
        Self { store, keys, vendors, gate }
    }

    async fn batch(&self, ctx: &ActivityContext, batch: &Batch) -> Result<Performed, ActivityError> {
        let mut tried = Vec::with_capacity(batch.effects.len());
        for some in batch.effects.chunks(AT_ONCE) {
            if ctx.is_cancelled() {
                tried.extend(some.iter().map(|_| Tried::without_sending(Known::CalledOff)));
                continue;
            }
            match self.some(ctx, batch, some).await {
                Ok(some) => tried.extend(some),
                Err(Trouble::Store(error)) => return Err(failure::record(&error)),
                Err(other) => {
                    tracing::error!(error = %other, "an effect could not be tried");
                    return Err(failure::again(Code::Internal, None));
                }
            }
        }
        let known = tried.iter().map(|tried| tried.known).collect();
        let outrun_by = tried.iter().filter_map(|tried| tried.outrun_by).max();
        let again = tried.iter().filter_map(|tried| tried.again).reduce(|(code, a), (_, b)| (code, a.max(b)));
        match again {
            Some((code, after)) if !over(ctx, batch, code, after) => Err(failure::again(code, after)),
            _ => Ok(Performed { tenant: batch.id.tenant, known, outrun_by }),
        }
    }

    /// One try at each of these effects, all at once: their requests leave within a call's time from their intents.
    async fn some(&self, ctx: &ActivityContext, batch: &Batch, effects: &[Effect]) -> Result<Vec<Tried>, Trouble> {
        let number = ctx.info().attempt;
        let circuits = self.gate.circuits(batch.id.tenant, batch.id.property).await;
        let intents = attempts::intend(&self.store, batch, effects, number, &circuits).await?;
        let mut tried: Vec<Option<Tried>> = Vec::with_capacity(effects.len());
        let mut sending = FuturesUnordered::new();
        for (n, intent) in intents.into_iter().enumerate() {
            match intent {
                Ok(intent) => {
                    tried.push(None);
                    sending.push(async move { (n, self.one(batch, intent, number == 1).await) }.boxed());
                }
                Err(without) => tried.push(Some(without)),
            }
        }
        let mut trouble = None;
        while let Some(answers) = together(&mut sending).await {
            let mut came = Vec::with_capacity(answers.len());
            for (n, answer) in answers {
                match answer {
                    Ok(answer) => came.push((n, answer)),
                    Err(error) => trouble = Some(error),
                }
            }
            // What has come is kept whatever became of the others.
            if let Err(error) = attempts::keep(&self.store, batch, came.iter().map(|(_, answer)| answer)).await {
                trouble = Some(error.into());
            }
            for (n, answer) in came {
                tried[n] = Some(answer.tried());
            }
        }
        match trouble {
            Some(trouble) => Err(trouble),
            None => Ok(tried.into_iter().flatten().collect()),
        }
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
        let again = match round {
            Round::Again { code, after, .. } if effect.action == Action::Revoke => {
                Some((code, self.gate.revoke_pause(batch.id.tenant, target.property, &target.vendor, after)))
            }
            Round::Again { code, after, .. } => Some((code, after)),
            _ => None,
        };
        Ok(Answer { effect, target, attempt, told, pins: Pins { made, whole_key }, again })
    }

    async fn send(
        &self,
        batch: &Batch,
        effect: &Effect,
        target: &EffectTarget,
        attempt: AttemptId,
    ) -> Result<(Ran, bool), Trouble> {
        let vendor = Observed {
            vendor: self.adapter(batch, target).await?,
            gate: &self.gate,
            tenant: batch.id.tenant,
            property: target.property,
        };
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
            lock: &VendorLockRef {
                utc_offset_s: offset(&target.zone, now),
                ..VendorLockRef::new(target.vendor_lock_id.clone())
            },
            token: &CredentialToken::new(target.token.clone())?,
            digits,
            reference: target.vendor_ref.clone().map(VendorCredentialRef),
            unresolved_since: unresolved,
            may_stand: target.state.may_open(),
        };
        let call = CallContext {
            // Without spans, because a filter drops them, the caller's own context still reaches the vendor.
            traceparent: lock_telemetry::current_traceparent().or_else(|| batch.traceparent.clone()),
            ..CallContext::new(attempt.to_string(), CALL_TIMEOUT)
        };
        Ok((step.run(&vendor, &call, now).await, whole_key))
    }

    async fn open(&self, batch: &Batch, effect: &Effect, sealed: &[u8]) -> Result<SecretString, Trouble> {
        let pin = self.keys.open(batch.id.tenant, &pin_place(effect), sealed).await?;
        Ok(SecretString::from(std::str::from_utf8(&pin).map_err(|_| Trouble::Text)?))
    }

    /// Digits that the vendor has made up, as the record takes them.
    async fn seal(
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
            version: target.config_version,
        };
        Ok(adapters::open(&self.keys, &self.vendors, &settings).await?)
    }
}

/// The next answer and what comes with it; `None` after the last.
async fn together<S: FusedStream + Unpin>(sending: &mut S) -> Option<Vec<S::Item>> {
    let mut answers = vec![sending.next().await?];
    let until = tokio::time::Instant::now() + TOGETHER;
    while let Ok(Some(answer)) = tokio::time::timeout_at(until, sending.next()).await {
        answers.push(answer);
    }
    Some(answers)
}

fn pin_place(effect: &Effect) -> Place {
    Place { table: "keys", column: "pin_sealed", row: effect.key.as_uuid() }
}

/// Whether the round is over: nothing is tried again in it. What waits for a breaker for longer than the round lasts need not wait in it.
fn over(ctx: &ActivityContext, batch: &Batch, code: Code, after: Option<Duration>) -> bool {
    let scheduled = ctx.info().scheduled_time.and_then(|at| at.elapsed().ok()).unwrap_or_default();
    let wait = after.filter(|_| code == Code::VendorCircuitOpen).unwrap_or_default();
    ctx.is_cancelled() || scheduled + wait >= batch.budget
}

fn offset(zone: &str, now: Timestamp) -> i32 {
    lock_domain::window::zone(zone).map_or(0, |zone| zone.to_offset(now).seconds())
}

fn action_name(action: Action) -> &'static str {
    match action {
        Action::Issue { .. } => "issue",
        Action::Change { .. } => "change",
        Action::Revoke => "revoke",
        Action::Read { .. } => "read",
    }
}

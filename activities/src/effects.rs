//! Effects at lock vendors: intent first, then the vendor, then the outcome, each durable before the next (DESIGN §4.4).
//!
//! One activity performs a batch of equally urgent effects, each at another lock and each with its own rows, so that a second run finds
//! what the first has proven and does the rest. A killed worker leaves an open intent behind; whoever comes next closes it and reads
//! back at the vendor. A forgotten twin that still runs finds its attempt closed and writes nothing; if a later round of its stay has
//! looked at a credential, it does nothing to that credential any more, and says that it was called off.

#![allow(missing_docs, reason = "the macro adds an undocumented constant beside each activity")]

use crate::{
    failure,
    outcome::{Told, during, proven_before, told},
    vendor_step::{Round, Step},
};
use futures::{FutureExt as _, StreamExt as _, stream};
use jiff::Timestamp;
use lock_domain::{
    ids::AttemptId,
    problem::Code,
    stay::{Action, Effect, Known},
};
use lock_kms::{DataKeys, Place, SealError};
use lock_store::{EffectTarget, Outcome, OutcomeKind, Recorded, Store, StoreError};
use lock_telemetry::metrics;
use lock_vendors::{
    port::{CallContext, CredentialToken, LockVendor, TokenError, VendorCredentialRef, VendorLockRef},
    registry::{AdapterKey, RegistryError, VendorRegistry},
};
use lock_workflows::{Batch, Performed};
use secrecy::SecretString;
use std::{sync::Arc, time::Duration};
use temporalio_macros::activities;
use temporalio_sdk::activities::{ActivityContext, ActivityError};
use tracing::Instrument as _;

/// Locks that one batch works at, at a time. A vendor's adapter takes turns where its gateways need it.
const AT_ONCE: usize = 8;
/// For one operation at a vendor, with all the calls that it takes.
const CALL_TIMEOUT: Duration = Duration::from_secs(15);
/// A third of the heartbeat time-out that the workflow sets.
const HEARTBEAT_EVERY: Duration = Duration::from_secs(2);

/// The effects of stays' keys.
pub struct Effects {
    store: Store,
    keys: DataKeys,
    vendors: VendorRegistry,
}

/// Why an effect could not even be tried, or its outcome not be kept.
#[derive(Debug, thiserror::Error)]
enum Trouble {
    #[error(transparent)]
    Store(#[from] StoreError),
    #[error("a sealed value does not open: {0}")]
    Seal(#[from] SealError),
    #[error(transparent)]
    Registry(#[from] RegistryError),
    #[error(transparent)]
    Token(#[from] TokenError),
    #[error("a sealed value is not text")]
    Text,
}

#[activities]
impl Effects {
/// A vendor's digits, as they are filed.
struct Sealed {
    fingerprint: [u8; 32],
    sealed: Vec<u8>,
}

/// What an outcome means for the key's digits.
struct Pins {
    /// New ones.
    made: Option<Sealed>,
    /// A vendor's digits open every door of the key.
    whole_key: bool,
}

/// What came of one try at one effect.
struct Tried {
    known: Known,
    /// Whether it should be tried again in this round: why, and not before.
    again: Option<(Code, Option<Duration>)>,
    /// The later round that has looked at the credential.
    outrun_by: Option<u64>,
}

impl Tried {
    fn without_sending(known: Known) -> Self {
        Self { known, again: None, outrun_by: None }
    }
}

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
    /// Over a record, the keys that open what is sealed in it, and adapters.
    pub fn new(store: Store, keys: DataKeys, vendors: VendorRegistry) -> Self {
        Self { store, keys, vendors }
    }

    async fn batch(&self, ctx: &ActivityContext, batch: &Batch) -> Result<Performed, ActivityError> {
        let tries: Vec<_> = batch.effects.iter().map(|effect| self.one(ctx, batch, effect).boxed()).collect();
        let rounds: Vec<_> = stream::iter(tries).buffered(AT_ONCE).collect().await;
        let mut known = Vec::with_capacity(rounds.len());
        let mut again: Option<(Code, Option<Duration>)> = None;
        for round in rounds {
            match round {
        let mut outrun_by: Option<u64> = None;
                Ok(tried) => {
                    known.push(tried.known);
                    outrun_by = outrun_by.max(tried.outrun_by);
                    if let Some(retry) = tried.again {
                        again = Some(again.map_or(retry, |(code, after)| (code, after.max(retry.1))));
                    }
                }
                Err(Trouble::Store(error)) => return Err(failure::record(&error)),
                Err(other) => {
                    tracing::error!(error = %other, "an effect could not be tried");
                    return Err(failure::again(Code::Internal, None));
                }
            }
        }
        match again {
            Some((code, after)) if !over(ctx, batch) => Err(failure::again(code, after)),
            _ => Ok(Performed { tenant: batch.id.tenant, known, outrun_by }),
        }
    }

    /// One try at one effect.
    async fn one(&self, ctx: &ActivityContext, batch: &Batch, effect: &Effect) -> Result<Tried, Trouble> {
        if ctx.is_cancelled() {
            return Ok(Tried::without_sending(Known::CalledOff));
        }
        let (target, attempt) = match self.intend(ctx, batch, effect).await? {
            Ok(intent) => intent,
            Err(without) => return Ok(without),
        };
        let (Ran { round, made }, whole_key) = self.send(batch, effect, &target, attempt).await?;
        let first = ctx.info().attempt == 1;
        let told = told(effect, &target, &round, first);
        let action = action_name(effect.action);
        metrics::effect(&target.vendor, action, told.kind.name());
        let made = match &made {
            Some(pin) => Some(self.seal(batch, effect, &target, pin).await?),
            None => None,
        };
        self.keep(batch, effect, &target, attempt, &told, Pins { made, whole_key }).await?;
        let again = match round {
            Round::Again { code, after, .. } => Some((code, after)),
            _ => None,
        };
        Ok(Tried { known: told.known, again, outrun_by: None })
    }

    /// Makes the intent durable. `Err` if an earlier run has proven the effect already.
    async fn intend(
        &self,
        ctx: &ActivityContext,
        batch: &Batch,
        effect: &Effect,
    ) -> Result<Result<(EffectTarget, AttemptId), Tried>, Trouble> {
        let now = Timestamp::now();
        let mut tx = self.store.tenant(batch.id.tenant).await?;
        let (stay, round) = (batch.id.stay, batch.round);
        let target = tx.effect_target(effect.credential, effect.key, effect.door, stay, round, now).await?;
        if target.round > round {
            tracing::warn!(credential = %effect.credential, round, latest = target.round, "a forgotten round was called off");
            return Ok(Err(Tried { outrun_by: Some(target.round), ..Tried::without_sending(Known::CalledOff) }));
        }
        if let Some(known) = proven_before(effect.action, &target) {
            // The round stays noted, so that no earlier one undoes what was found.
            tx.commit().await?;
            return Ok(Err(Tried::without_sending(known)));
        }
        // The record says that the stay is over or suspended: nothing is put into a lock, whatever the workflow wants.
        let making = matches!(effect.action, Action::Issue { .. } | Action::Change { .. });
        if making && !target.stay_open {
            // With a pause, so that a workflow that disagrees with the record does not spin.
            return Ok(Err(Tried::without_sending(Known::Unconfirmed { code: Code::Unproven })));
        }
        if let Some(open) = target.open_intent {
            let abandoned = Outcome {
                attempt: open.id,
                credential: effect.credential,
                kind: OutcomeKind::Unconfirmed,
                state: target.state,
                vendor_ref: None,
                requested: None,
                effective: None,
                code: Some(Code::Unproven),
                still_valid_until: None,
                unresolved_since: Some(open.at),
                detail: None,
                at: now,
            };
            tx.record_outcome(&abandoned).await?;
        }
        let state = during(effect.action, target.state);
        let attempt = tx.record_intent(effect.credential, &effect.action, state, ctx.info().attempt, now).await?;
        tx.commit().await?;
        Ok(Ok((target, attempt)))
    }

    async fn send(
        &self,
        batch: &Batch,
        effect: &Effect,
        target: &EffectTarget,
        attempt: AttemptId,
    ) -> Result<Round, Trouble> {
        let vendor = self.adapter(batch, target).await?;
        let place = Place { table: "keys", column: "pin_sealed", row: effect.key.as_uuid() };
        let pin = self.keys.open(batch.id.tenant, &place, &target.pin_sealed).await?;
        let pin = SecretString::from(std::str::from_utf8(&pin).map_err(|_| Trouble::Text)?);
        let now = Timestamp::now();
        let unresolved = target.open_intent.map(|open| open.at).max(target.unresolved_since);
        let step = Step {
            action: effect.action,
            lock: &VendorLockRef {
                utc_offset_s: offset(&target.zone, now),
                ..VendorLockRef::new(target.vendor_lock_id.clone())
            },
            token: &CredentialToken::new(target.token.clone())?,
            pin: &pin,
            reference: target.vendor_ref.clone().map(VendorCredentialRef),
            unresolved_since: unresolved,
            may_stand: target.state.may_open(),
        };
        let call = CallContext {
            // Without spans, because a filter drops them, the caller's own context still reaches the vendor.
            traceparent: lock_telemetry::current_traceparent().or_else(|| batch.traceparent.clone()),
            ..CallContext::new(attempt.to_string(), CALL_TIMEOUT)
        };
        Ok(step.run(vendor.as_ref(), &call, now).await)
    }

    async fn adapter(&self, batch: &Batch, target: &EffectTarget) -> Result<Arc<dyn LockVendor>, Trouble> {
        let key = AdapterKey { tenant: batch.id.tenant, property: target.property, vendor: target.vendor.clone() };
        let mut config = target.vendor_config.clone();
        if let (Some(sealed), Some(fields)) = (&target.vendor_sealed, config.as_object_mut()) {
            let place = Place { table: "properties", column: "vendor_sealed", row: target.property.as_uuid() };
            let opened = self.keys.open(batch.id.tenant, &place, sealed).await?;
            let secrets: serde_json::Map<String, serde_json::Value> =
                serde_json::from_slice(&opened).map_err(|_| Trouble::Text)?;
            fields.extend(secrets);
        }
        let config = SecretString::from(config.to_string());
        Ok(self.vendors.get(&key, target.config_version, &config)?)
    }

    async fn keep(
        &self,
        batch: &Batch,
        effect: &Effect,
        target: &EffectTarget,
        attempt: AttemptId,
        told: &Told,
    ) -> Result<(), Trouble> {
        let now = Timestamp::now();
        let outcome = Outcome {
            attempt,
            credential: effect.credential,
            kind: told.kind,
            state: told.state,
            vendor_ref: told.vendor_ref.as_deref(),
            requested: told.requested,
            effective: told.effective,
            code: told.code,
            still_valid_until: told.still_valid_until,
            unresolved_since: told.unresolved.then_some(now),
            detail: None,
            at: now,
        };
        let mut tx = self.store.tenant(batch.id.tenant).await?;
        if tx.record_outcome(&outcome).await? == Recorded::Applied
            && let Some(event) = &told.event
        {
            let at = batch.clock.now(now);
            tx.append(at, target.property, Some(batch.id.stay), std::slice::from_ref(event)).await?;
        }
        tx.commit().await?;
        Ok(())
    }
}

/// Whether the round is over: nothing is tried again in it.
fn over(ctx: &ActivityContext, batch: &Batch) -> bool {
    let scheduled = ctx.info().scheduled_time.and_then(|at| at.elapsed().ok()).unwrap_or_default();
    ctx.is_cancelled() || scheduled >= batch.budget
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

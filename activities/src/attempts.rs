//! What the record is told before a vendor is asked, and after it has answered: one transaction for all effects of a batch that go
//! together. It must not know vendors. If it fails, nothing was told, and an open intent makes the next try look first.

use crate::{
    health::Circuits,
    outcome::{Told, during, proven_before, waiting},
    places,
    whole_key::Rest,
};
use jiff::Timestamp;
use lock_domain::{
    credential::KeyKind,
    event::Event,
    ids::{AttemptId, KeyId},
    pin::PinSource,
    problem::Code,
    stay::{Action, Effect, Known},
    vendor::VendorTraits,
};
use lock_store::{
    EffectAt, EffectTarget, MadePin, NewIntent, Outcome, OutcomeKind, Recorded, Standing, Store, StoreError, TenantTx,
};
use lock_workflows::Batch;
use std::time::Duration;

/// Effects before they are sent.
pub(crate) struct Intended {
    /// In the batch's order.
    pub(crate) intents: Vec<Result<Intent, Tried>>,
    /// What stood of the stay before; empty where no vendor has whole keys.
    pub(crate) standing: Vec<Standing>,
}

/// An effect whose intent is durable.
pub(crate) struct Intent {
    pub(crate) effect: Effect,
    pub(crate) target: EffectTarget,
    pub(crate) attempt: AttemptId,
}

/// What a vendor's answer means.
pub(crate) struct Answer {
    pub(crate) effect: Effect,
    pub(crate) target: EffectTarget,
    pub(crate) attempt: AttemptId,
    pub(crate) told: Told,
    pub(crate) pins: Pins,
    /// Whether it should be tried again in this round: why, and not before.
    pub(crate) again: Option<(Code, Option<Duration>)>,
    /// Whether a card was made beside others of its stay.
    pub(crate) joins: Option<bool>,
    /// The vendor can't be asked what it did: its answer is all the proof there is.
    pub(crate) by_answer: bool,
}

/// What an outcome means for the key's digits.
pub(crate) struct Pins {
    /// New ones.
    pub(crate) made: Option<Sealed>,
    /// A vendor's digits open every door of the key.
    pub(crate) whole_key: bool,
    /// Those that we have open nothing.
    pub(crate) stale: bool,
}

/// A vendor's digits, as they are filed.
pub(crate) struct Sealed {
    pub(crate) fingerprint: [u8; 32],
    pub(crate) sealed: Vec<u8>,
}

/// What came of one try at one effect.
pub(crate) struct Tried {
    pub(crate) known: Known,
    /// Whether it should be tried again in this round: why, and not before.
    pub(crate) again: Option<(Code, Option<Duration>)>,
    /// The later round that has looked at the credential.
    pub(crate) outrun_by: Option<u64>,
    /// Nothing was begun: another card is at the encoder.
    pub(crate) waits_its_turn: bool,
}

impl Tried {
    pub(crate) fn without_sending(known: Known) -> Self {
        Self { known, again: None, outrun_by: None, waits_its_turn: false }
    }

    fn later() -> Self {
        let again = Some((Code::CardNeeded, None));
        Self { again, waits_its_turn: true, ..Self::without_sending(Known::CalledOff) }
    }
}

impl Answer {
    pub(crate) fn tried(self) -> Tried {
        Tried { again: self.again, ..Tried::without_sending(self.told.known) }
    }

    fn outcome(&self, now: Timestamp) -> Outcome<'_> {
        let Self { effect, told, .. } = self;
        Outcome {
            attempt: self.attempt,
            credential: effect.credential,
            kind: told.kind,
            state: told.state,
            vendor_ref: told.vendor_ref.as_deref(),
            requested: told.requested,
            effective: told.effective,
            code: told.code,
            still_valid_until: told.still_valid_until,
            unresolved_since: told.unresolved.then_some(now),
            detail: self.by_answer.then(|| serde_json::json!({ "proof": "vendor_answer" })),
            at: now,
        }
    }

    /// Whether the vendor's digits may go with it.
    fn loses_digits(&self) -> bool {
        self.target.pin_source == PinSource::Vendor && self.told.kind == OutcomeKind::Gone
    }

    /// Whether the lock has said that it is full, or has taken a code although it had said so.
    fn tells_of_room(&self) -> bool {
        self.told.code == Some(Code::LockFull) || (self.target.said_full && self.told.kind == OutcomeKind::Live)
    }

    /// Whether its key's row may change with it.
    fn changes_its_key(&self) -> bool {
        self.joins.is_some() || self.pins.stale || self.pins.made.is_some() || self.loses_digits()
    }
}

/// Makes intents durable. `Err` inside if nothing is to be sent: an earlier run has proven the effect already, or a later one has begun, or
/// the vendor's breaker holds it back. A revoke is never held back.
pub(crate) async fn intend(
    store: &Store,
    batch: &Batch,
    effects: &[Effect],
    number: u32,
    circuits: &Circuits,
) -> Result<Intended, StoreError> {
    let now = Timestamp::now();
    let (stay, round) = (batch.id.stay, batch.round);
    let mut tx = store.tenant(batch.id.tenant).await?;
    // All of them are locked before the first needs the tenant's log.
    let at = |effect: &Effect| EffectAt { credential: effect.credential, key: effect.key, door: effect.door };
    let asked: Vec<EffectAt> = effects.iter().map(at).collect();
    let found = tx.effect_targets(&asked, stay, round, now).await?;
    let mut targets: Vec<(usize, &Effect, EffectTarget)> =
        effects.iter().zip(found).enumerate().map(|(place, (effect, target))| (place, effect, target)).collect();
    // Others wait for credentials in this order.
    targets.sort_by_key(|(_, effect, _)| effect.credential);
    let whole = |target: &EffectTarget| VendorTraits::of(&target.vendor).whole_key;
    let standing =
        if targets.iter().any(|(_, _, target)| whole(target)) { tx.standing(stay).await? } else { Vec::new() };
    for (_, effect, target) in targets.iter_mut().filter(|(_, _, target)| whole(target)) {
        target.round = target.round.max(Rest::of(&standing, effect.key, &target.vendor).round());
    }
    // One card at a time, the first of the batch first.
    let cards = targets.iter().filter(|(_, effect, target)| is_card(effect, target));
    let card: Option<KeyId> = cards
        .filter(|(_, effect, target)| nothing_to_send(effect, target, round).is_none())
        .min_by_key(|(place, ..)| *place)
        .map(|(_, effect, _)| effect.key);
    let hold = |effect: &Effect, target: &EffectTarget| {
        circuits.hold(&target.vendor, effect.credential, now).filter(|_| effect.action != Action::Revoke)
    };
    let asking = targets.iter().filter(|(_, effect, target)| {
        places::needs_place(effect, target)
            && nothing_to_send(effect, target, round).is_none()
            && hold(effect, target).is_none()
    });
    let asking: Vec<_> = asking.map(|(place, effect, target)| (*place, **effect, target)).collect();
    let places::Asked { waits, told } = places::ask(&mut tx, batch, asking, now).await?;
    let mut intents = Vec::with_capacity(effects.len());
    let mut sending = Vec::with_capacity(effects.len());
    let mut held: Vec<Event> = Vec::new();
    for (place, effect, target) in targets {
        let held_back = hold(effect, &target).map(|after| (Code::VendorCircuitOpen, after));
        let held_back = held_back.or_else(|| waits.get(&place).map(|after| (Code::LockFull, *after)));
        let later = is_card(effect, &target) && card != Some(effect.key);
        let without = match (nothing_to_send(effect, &target, round), held_back) {
            (Some(without), _) => without,
            (None, None) if later => Tried::later(),
            (None, Some(why)) => wait(&mut tx, effect, &target, why, now, &mut held).await?,
            (None, None) => {
                sending.push((place, *effect, target));
                continue;
            }
        };
        intents.push((place, Err(without)));
    }
    intents.extend(enter(&mut tx, sending, number, now).await?.into_iter().map(|(place, intent)| (place, Ok(intent))));
    tx.append(batch.clock.now(now), batch.id.property, Some(stay), &held).await?;
    for (other, event) in told {
        tx.append(batch.clock.now(now), batch.id.property, Some(other), &[event]).await?;
    }
    tx.commit().await?;
    intents.sort_by_key(|(place, _)| *place);
    Ok(Intended { intents: intents.into_iter().map(|(_, intent)| intent).collect(), standing })
}

/// Whether somebody has to put a card on an encoder for it.
fn is_card(effect: &Effect, target: &EffectTarget) -> bool {
    target.kind == KeyKind::Card && matches!(effect.action, Action::Issue { .. })
}

fn nothing_to_send(effect: &Effect, target: &EffectTarget, round: u64) -> Option<Tried> {
    if target.round > round {
        tracing::warn!(credential = %effect.credential, round, latest = target.round, "a forgotten round was called off");
        return Some(Tried { outrun_by: Some(target.round), ..Tried::without_sending(Known::CalledOff) });
    }
    if let Some(known) = proven_before(effect.action, target) {
        return Some(Tried::without_sending(known));
    }
    // The record says that the stay is over or suspended: nothing is put into a lock, whatever the workflow wants. With a pause, so that
    // a workflow that disagrees with the record does not spin.
    let making = matches!(effect.action, Action::Issue { .. } | Action::Change { .. });
    (making && !target.stay_open).then(|| Tried::without_sending(Known::Unconfirmed { code: Code::Unproven }))
}

/// Holds an effect back, and says so on its credential: the first time with an event.
async fn wait(
    tx: &mut TenantTx<'_>,
    effect: &Effect,
    target: &EffectTarget,
    (code, after): (Code, Duration),
    now: Timestamp,
    held: &mut Vec<Event>,
) -> Result<Tried, StoreError> {
    let state = waiting(effect.action, target.state);
    if tx.note_waiting(effect.credential, state, code, now).await? {
        let (key, door) = (effect.key, effect.door);
        held.push(Event::EffectPending { key, door, state, code, still_valid_until: None });
    }
    Ok(Tried { again: Some((code, Some(after))), ..Tried::without_sending(Known::Unconfirmed { code }) })
}

/// Closes what earlier tries left open, and records the intents.
async fn enter(
    tx: &mut TenantTx<'_>,
    sending: Vec<(usize, Effect, EffectTarget)>,
    number: u32,
    now: Timestamp,
) -> Result<Vec<(usize, Intent)>, StoreError> {
    let abandoned = |(_, effect, target): &(usize, Effect, EffectTarget)| {
        let open = target.open_intent.as_ref()?;
        Some(Outcome {
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
        })
    };
    let abandoned: Vec<Outcome<'_>> = sending.iter().filter_map(abandoned).collect();
    tx.record_outcomes(&abandoned, false).await?;
    let intent = |(_, effect, target): &(usize, Effect, EffectTarget)| NewIntent {
        credential: effect.credential,
        action: effect.action,
        state: during(effect.action, target.state),
    };
    let intents: Vec<NewIntent> = sending.iter().map(intent).collect();
    let attempts = tx.record_intents(&intents, number, now).await?;
    let entered = sending.into_iter().zip(attempts);
    Ok(entered.map(|((place, effect, target), attempt)| (place, Intent { effect, target, attempt })).collect())
}

/// Records outcomes, with what they mean for digits, and their events. Credentials come first, then keys, and the log last: in the order of
/// everybody who locks several.
pub(crate) async fn keep<'a>(
    store: &Store,
    batch: &Batch,
    answers: impl Iterator<Item = &'a Answer> + Send,
) -> Result<(), StoreError> {
    let mut answers: Vec<&Answer> = answers.collect();
    let Some(property) = answers.first().map(|answer| answer.target.property) else { return Ok(()) };
    answers.sort_by_key(|answer| (answer.effect.key, answer.effect.credential));
    let now = Timestamp::now();
    let at = batch.clock.now(now);
    let mut events: Vec<Event> = Vec::new();
    let mut tx = store.tenant(batch.id.tenant).await?;
    let outcomes: Vec<Outcome<'_>> = answers.iter().map(|answer| answer.outcome(now)).collect();
    let log_next = !answers.iter().any(|answer| answer.changes_its_key() || answer.tells_of_room());
    let recorded = tx.record_outcomes(&outcomes, log_next).await?;
    let applied: Vec<&Answer> =
        answers.into_iter().zip(recorded).filter(|(_, what)| *what == Recorded::Applied).map(|(one, _)| one).collect();
    note_rooms(&mut tx, &applied, now).await?;
    for answer in applied {
        keep_one(&mut tx, answer, at, &mut events).await?;
    }
    tx.append(at, property, Some(batch.id.stay), &events).await?;
    tx.commit().await
}

/// What answers say about the room that there is in locks, in the order in which everybody locks several.
async fn note_rooms(tx: &mut TenantTx<'_>, answers: &[&Answer], now: Timestamp) -> Result<(), StoreError> {
    let mut telling: Vec<&&Answer> = answers.iter().filter(|answer| answer.tells_of_room()).collect();
    telling.sort_by_key(|answer| answer.effect.door);
    for answer in telling {
        let door = answer.effect.door;
        match answer.told.kind {
            OutcomeKind::Live => tx.note_room(door, now).await?,
            _ => tx.note_full_lock(answer.target.property, door, now).await?,
        }
    }
    Ok(())
}

async fn keep_one(
    tx: &mut TenantTx<'_>,
    answer: &Answer,
    at: Timestamp,
    events: &mut Vec<Event>,
) -> Result<(), StoreError> {
    let Answer { effect, target, told, pins, .. } = answer;
    if let (Some(joins), OutcomeKind::Live) = (answer.joins, told.kind) {
        tx.note_joins(effect.key, joins).await?;
    }
    if pins.stale {
        tx.forget_pin_of(effect.key).await?;
    }
    events.extend(told.event.clone());
    if let Some(Sealed { fingerprint, sealed }) = &pins.made {
        let (property, key, credential) = (target.property, effect.key, effect.credential);
        let made = MadePin { property, key, credential, fingerprint, sealed, now: at };
        let kept = tx.keep_made_pin(&made).await?;
        events.push(Event::PinMade { key, again: kept.again });
        let shared = |other| Event::PinShared { key, other, door: effect.door };
        events.extend(kept.shared_with.map(shared));
    } else if answer.loses_digits() {
        tx.forget_made_pin(effect.key, effect.credential, pins.whole_key).await?;
    }
    Ok(())
}

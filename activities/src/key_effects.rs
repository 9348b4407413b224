//! Effects on whole keys: one call at the vendor, and an intent and an outcome for each door.

use crate::{
    attempts::{Answer, Intent, Pins},
    cards_out::{self, CardOut},
    effects::{CALL_TIMEOUT, Effects, Trouble, action_name, call, lock_ref},
    key_step::{Form, KeyRan, KeyStep},
    outcome::{Told, told},
    vendor_step::Round,
    whole_key::{Placed, Rest},
};
use jiff::{SignedDuration, Timestamp};
use lock_domain::{
    credential::KeyKind,
    ids::{DoorId, KeyId},
    pin::PinSource,
    stay::Action,
};
use lock_store::{EffectTarget, OutcomeKind, Standing};
use lock_telemetry::metrics;
use lock_vendors::port::{
    Capabilities, CredentialToken, LockVendor as _, RevokeReach, VendorCredentialRef, VendorLockRef,
};
use lock_workflows::Batch;
use std::collections::BTreeSet;

impl Effects {
    /// The effects on one key, which are all alike.
    pub(crate) async fn key(
        &self,
        batch: &Batch,
        placed: Vec<Placed>,
        standing: &[Standing],
        first: bool,
    ) -> Result<Vec<(usize, Answer)>, Trouble> {
        let Some((_, lead)) = placed.first() else { return Ok(Vec::new()) };
        let (effect, target) = (lead.effect, &lead.target);
        let now = Timestamp::now();
        let vendor = self.vendor(batch, target).await?;
        let can = vendor.capabilities();
        let rest = Rest::of(standing, effect.key, &target.vendor);
        let named: BTreeSet<DoorId> = placed.iter().map(|(_, intent)| intent.effect.door).collect();
        let others = rest.other_locks(&named, effect.action);
        let doors: Vec<VendorLockRef> = placed.iter().map(|(_, intent)| lock(&intent.target, now)).collect();
        let others: Vec<VendorLockRef> = others.into_iter().map(|id| lock_ref(id, &target.zone, now)).collect();
        let pin = match (target.kind, target.pin_source, &target.pin_sealed) {
            (KeyKind::Pin, PinSource::Ours, Some(sealed)) => Some(self.open(batch, &effect, sealed).await?),
            _ => None,
        };
        let form = match (&target.encoder, &pin) {
            (Some(encoder), _) => Form::Card { encoder },
            (None, Some(pin)) => Form::Ours(pin),
            (None, None) => Form::Made { known: target.pin_sealed.is_some() },
        };
        let joins = target.kind == KeyKind::Card && rest.joins();
        let step = KeyStep {
            action: effect.action,
            doors: &doors,
            others: &others,
            token: &CredentialToken::new(effect.key.vendor_token())?,
            form,
            reference: rest.reference().map(|text| VendorCredentialRef(text.to_owned())),
            unresolved_since: rest.unresolved_since(),
            may_stand: rest.may_stand(),
            joins,
        };
        let call = call(batch, lead.attempt, CALL_TIMEOUT);
        let KeyRan { rounds, made, stale } = step.run(&vendor, &call, now).await;
        let mut made = match &made {
            Some(pin) => Some(self.seal(batch, &effect, target, pin).await?),
            None => None,
        };
        let joins = (target.kind == KeyKind::Card && matches!(effect.action, Action::Issue { .. })).then_some(joins);
        let mut answers = Vec::with_capacity(placed.len());
        for ((n, intent), round) in placed.into_iter().zip(rounds) {
            let pins = Pins { made: made.take(), whole_key: true, stale };
            answers.push((n, self.answer(batch, intent, &round, &can, first, (pins, joins, now))));
        }
        counted(&answers);
        Ok(answers)
    }

    /// Cards of the stay that go.
    pub(crate) async fn cards_out(
        &self,
        batch: &Batch,
        placed: Vec<Placed>,
        standing: &[Standing],
        first: bool,
    ) -> Result<Vec<(usize, Answer)>, Trouble> {
        let Some((_, lead)) = placed.first() else { return Ok(Vec::new()) };
        let now = Timestamp::now();
        let vendor = self.vendor(batch, &lead.target).await?;
        let can = vendor.capabilities();
        let keys: BTreeSet<KeyId> = placed.iter().map(|(_, intent)| intent.effect.key).collect();
        let mut cards = Vec::with_capacity(keys.len());
        for key in &keys {
            let rest = Rest::of(standing, *key, &lead.target.vendor);
            let own = placed.iter().filter(|(_, intent)| intent.effect.key == *key);
            cards.push(CardOut {
                token: CredentialToken::new(key.vendor_token())?,
                doors: own.map(|(_, intent)| lock(&intent.target, now)).collect(),
                reference: rest.reference().map(|text| VendorCredentialRef(text.to_owned())),
                unresolved_since: rest.unresolved_since(),
                shared: rest.shared(&keys),
                overridden: rest.overridden(),
            });
        }
        let call = call(batch, lead.attempt, CALL_TIMEOUT);
        let rounds = cards_out::take_out(&vendor, &call, &cards, batch.stay_window.until, now).await;
        let mut rounds: Vec<_> = keys.iter().zip(rounds).map(|(key, rounds)| (*key, rounds.into_iter())).collect();
        let mut answers = Vec::with_capacity(placed.len());
        for (n, intent) in placed {
            let own = rounds.iter_mut().find(|(key, _)| *key == intent.effect.key);
            let Some(round) = own.and_then(|(_, rounds)| rounds.next()) else { continue };
            let pins = Pins { made: None, whole_key: true, stale: false };
            answers.push((n, self.answer(batch, intent, &round, &can, first, (pins, None, now))));
        }
        counted(&answers);
        Ok(answers)
    }

    fn answer(
        &self,
        batch: &Batch,
        intent: Intent,
        round: &Round,
        can: &Capabilities,
        first: bool,
        (pins, joins, now): (Pins, Option<bool>, Timestamp),
    ) -> Answer {
        let Intent { effect, target, attempt } = intent;
        let told = told(&effect, &target, round, first);
        let told = Told { still_valid_until: told.still_valid_until.or(lingers(&target, &told, can, now)), ..told };
        let again = self.again(batch, &effect, &target, round);
        Answer { effect, target, attempt, told, pins, again, joins, by_answer: !can.read_back }
    }
}

/// Until when a credential that the vendor has deleted may still open an offline lock, which hears of it from the next guest's card.
fn lingers(target: &EffectTarget, told: &Told, can: &Capabilities, now: Timestamp) -> Option<Timestamp> {
    let offline = told.kind == OutcomeKind::Gone && can.revoke_reach != RevokeReach::Door;
    let until = target.effective.filter(|_| offline)?.until;
    (until.duration_since(now) > SignedDuration::ZERO).then_some(until)
}

fn lock(target: &EffectTarget, now: Timestamp) -> VendorLockRef {
    lock_ref(&target.vendor_lock_id, &target.zone, now)
}

/// One call, whatever number of doors.
fn counted(answers: &[(usize, Answer)]) {
    if let Some((_, answer)) = answers.first() {
        metrics::effect(&answer.target.vendor, action_name(answer.effect.action), answer.told.kind.name());
    }
}

//! Places in locks that have said that they are full, asked for before an intent is recorded.
//!
//! Whose turn it is decides [`lock_domain::slots`]; who has to give way is asked by the path that every command takes, so that his own stay
//! takes the key out and puts it back. It must not know vendors. It runs in the transaction of the intents: if that fails, nobody has a
//! place, nobody waits and nobody was asked.

use crate::outcome::stands;
use jiff::Timestamp;
use lock_domain::{
    command::{Command, Verb, VerbKind},
    event::Event,
    ids::{CommandId, DoorId, StayId},
    slots::{self, Claim, Standing, Turn},
    stay::{Action, Effect},
    vendor::VendorTraits,
};
use lock_store::{EffectTarget, NewCommand, StoreError, TenantTx};
use lock_workflows::Batch;
use std::{collections::BTreeMap, time::Duration};
use uuid::Uuid;

/// Under this name the service asks.
const ROLE: &str = "lock-places";

/// What became of those who asked.
#[derive(Debug, Default)]
pub(crate) struct Asked {
    /// Who waits, by his place in the batch, and when he asks again.
    pub(crate) waits: BTreeMap<usize, Duration>,
    /// What other stays were asked, for their timelines.
    pub(crate) told: Vec<(StayId, Event)>,
}

/// Whether an effect needs a place that it may not have: something new, in a lock that has said that it is full.
pub(crate) fn needs_place(effect: &Effect, target: &EffectTarget) -> bool {
    target.said_full
        && matches!(effect.action, Action::Issue { .. })
        && !VendorTraits::of(&target.vendor).whole_key
        && !stands(target)
}

/// Asks for places for these effects, each with its place in the batch.
pub(crate) async fn ask(
    tx: &mut TenantTx<'_>,
    batch: &Batch,
    mut effects: Vec<(usize, Effect, &EffectTarget)>,
    now: Timestamp,
) -> Result<Asked, StoreError> {
    let mut asked = Asked::default();
    // In the order in which everybody asks for several locks.
    effects.sort_by_key(|(_, effect, _)| (effect.door, effect.credential));
    let mut taken: Vec<(DoorId, Claim)> = Vec::new();
    for (place, effect, target) in effects {
        tx.wait_for_place(effect.credential, effect.door, now).await?;
        let Some(full) = tx.full_lock(effect.door, now).await? else {
            tx.take_place(effect.credential, effect.door, false, now).await?;
            continue;
        };
        let (own, mut others): (Vec<Claim>, Vec<Claim>) =
            full.claims.into_iter().partition(|claim| claim.credential == effect.credential);
        // Nothing of a stay that is over for the record is put into a lock.
        let Some(own) = own.first() else { continue };
        others.extend(taken.iter().filter(|(door, _)| *door == effect.door).map(|(_, claim)| *claim));
        match slots::turn(full.said, &others, own, target.clock.now(now), now) {
            Turn::Take { look } => {
                tx.take_place(effect.credential, effect.door, look, now).await?;
                taken.push((effect.door, Claim { standing: Standing::Holds, ..*own }));
            }
            Turn::Wait { way, again } => {
                asked.waits.insert(place, again.unsigned_abs());
                for claim in way {
                    asked.told.extend(give_way(tx, batch, target, effect.door, claim.stay, now).await?);
                }
            }
        }
    }
    Ok(asked)
}

/// Asks a stay to give its place away, unless it is gone.
async fn give_way(
    tx: &mut TenantTx<'_>,
    batch: &Batch,
    target: &EffectTarget,
    door: DoorId,
    stay: StayId,
    now: Timestamp,
) -> Result<Option<(StayId, Event)>, StoreError> {
    let Some(stay) = tx.stay_by_id(stay).await? else { return Ok(None) };
    let by = tx.service_key(ROLE, now).await?.id;
    let id = CommandId::from_uuid(Uuid::now_v7());
    let (clock, tenant) = (target.clock, batch.id.tenant);
    let verb = Verb::GiveWay { door };
    let command = Command { tenant, id, verb, by, at: clock.now(now), clock, traceparent: None };
    let (property, reservation) = (target.property, &stay.reservation);
    tx.insert_command(NewCommand { command: &command, property, stay: stay.id, reservation, at: now }).await?;
    tracing::info!(stay = %stay.id, %door, "a stay gives its place in a full lock to one that arrives earlier");
    Ok(Some((stay.id, Event::CommandAccepted { verb: VerbKind::GiveWay, operation: id, by })))
}

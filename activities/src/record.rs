//! Brings the record up to date with what a stay's workflow knows: row, audit leaves and outbox events in one transaction.
//!
//! Safe to run twice: it compares with what stands in the row and tells only differences. It must not know vendors.

#![allow(missing_docs, reason = "the macro adds an undocumented constant beside each activity")]

use crate::failure;
use jiff::Timestamp;
use lock_domain::{
    command::{Command, Verb, VerbKind},
    event::Event,
    stay::{Settled, StayPhase, Verdict, Wish},
};
use lock_store::{CommandStatus, StayBefore, StayRecord, StayRow, Store, StoreError, TenantTx};
use lock_telemetry::metrics;
use lock_workflows::StaySnapshot;
use std::sync::Arc;
use temporalio_macros::activities;
use temporalio_sdk::activities::{ActivityContext, ActivityError};

/// The short database writes of workflows.
#[derive(Debug, Clone)]
pub struct Records {
    /// The record.
    pub store: Store,
}

#[activities]
impl Records {
    /// See [`lock_workflows::activities::RecordActivities`].
    #[activity(definition = lock_workflows::activities::RecordStay)]
    pub async fn record_stay(
        self: Arc<Self>,
        _ctx: ActivityContext,
        snapshot: StaySnapshot,
    ) -> Result<(), ActivityError> {
        self.write(&snapshot).await.map_err(|error| failure::record(&error))
    }
}

impl Records {
    async fn write(&self, new: &StaySnapshot) -> Result<(), StoreError> {
        let mut tx = self.store.tenant(new.id.tenant).await?;
        let StayBefore { row: old, leaves_rooms } = tx.record_stay(new.id.stay, &row_of(new, Timestamp::now())).await?;
        let mut events = differences(&old, new);
        self.settle(&mut tx, new, &mut events).await?;
        let rest = jiff::SignedDuration::from_secs(new.pin_quarantine_s.into());
        let rested = new.at.saturating_add(rest).unwrap_or(Timestamp::MAX);
        for key in &new.retired {
            tx.set_wish(*key, Wish::Unwanted).await?;
            tx.release_pins(*key, rested).await?;
        }
        let redated = old.window != new.window || new.settled.iter().any(|one| one.verb == VerbKind::ModifyStay);
        if redated && new.phase != StayPhase::Ended {
            tx.narrow_claims(new.id.stay).await?;
        }
        if new.phase == StayPhase::Ended {
            tx.release_claims(new.id.stay, None).await?;
        } else if leaves_rooms {
            tx.release_left_rooms(new.id.stay, &new.doors).await?;
        }
        if !events.is_empty() {
            tx.append(new.at, new.id.property, Some(new.id.stay), &events).await?;
        }
        tx.commit().await
    }

    async fn settle(
        &self,
        tx: &mut TenantTx<'_>,
        new: &StaySnapshot,
        events: &mut Vec<Event>,
    ) -> Result<(), StoreError> {
        let at = Timestamp::now();
        for one in &new.settled {
            let (status, code) = match one.verdict {
                Verdict::Done => (CommandStatus::Done, None),
                Verdict::Failed(code) => (CommandStatus::Failed, Some(code)),
                Verdict::Overtaken => (CommandStatus::Overtaken, None),
            };
            if let Some(command) = tx.settle_command(one.id, status, code, at).await? {
                if let Verdict::Failed(_) = one.verdict {
                    give_back(tx, new, &command).await?;
                }
                metrics::command(one.verb.name(), status.name());
                time_to_key(new, one, &command);
                events.push(Event::CommandSettled { verb: one.verb, operation: one.id, outcome: one.verdict });
            }
        }
        let status = if new.attention.is_some() { CommandStatus::NeedsHuman } else { CommandStatus::Running };
        for id in &new.running {
            tx.settle_command(*id, status, new.attention, at).await?;
        }
        Ok(())
    }
}

/// Verbs after which a guest waits for a door to open.
const MAKING: [VerbKind; 3] = [VerbKind::New, VerbKind::Duplicate, VerbKind::Reissue];

/// How long the guest has waited: from acceptance to the last proof. A stay that was planned ahead made nobody wait.
fn time_to_key(new: &StaySnapshot, one: &Settled, command: &Command) {
    if one.verdict == Verdict::Done && MAKING.contains(&one.verb) && new.phase == StayPhase::Active {
        metrics::time_to_key(&new.vendor, new.at.duration_since(command.at).unsigned_abs());
    }
}

/// What the API had changed in the record for a command that came to nothing. Claims follow from what is left ([`Records::write`]).
async fn give_back(tx: &mut TenantTx<'_>, new: &StaySnapshot, command: &Command) -> Result<(), StoreError> {
    match &command.verb {
        Verb::Reissue { old, key } if !new.retired.contains(old) => tx.keep_key(*old, key.id).await,
        Verb::Divert { keys, .. } => {
            for successor in keys.iter().filter(|successor| !new.retired.contains(&successor.old)) {
                tx.keep_key(successor.old, successor.key.id).await?;
            }
            tx.restore_diverted(new.id.stay).await
        }
        Verb::ModifyStay { keys, .. } | Verb::RoomMove { keys, .. } => {
            for successor in keys.iter().filter(|successor| !new.retired.contains(&successor.old)) {
                tx.keep_key(successor.old, successor.key.id).await?;
            }
            match command.verb {
                Verb::RoomMove { .. } => tx.restore_diverted(new.id.stay).await,
                _ => Ok(()),
            }
        }
        _ => Ok(()),
    }
}

fn row_of(new: &StaySnapshot, at: Timestamp) -> StayRecord {
    StayRecord {
        phase: new.phase,
        cause: new.cause,
        suspended: new.suspended,
        needs_attention: new.attention.is_some(),
        code: new.attention,
        next_deadline: new.next_deadline,
        window: new.window,
        room: new.room,
        doors: new.doors.clone(),
        at,
    }
}

fn differences(old: &StayRow, new: &StaySnapshot) -> Vec<Event> {
    let window = (old.window != new.window).then_some(Event::WindowChanged { window: new.window });
    let room = (old.room != new.room).then_some(Event::RoomChanged { room: new.room });
    let phase = ((old.phase, old.cause) != (new.phase, new.cause))
        .then_some(Event::PhaseChanged { phase: new.phase, cause: new.cause });
    [window, room, phase].into_iter().flatten().collect()
}

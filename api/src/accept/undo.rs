//! Gives up what tx 1 claimed for a command that its workflow refused: as if it had never been asked, but for the log.

use super::Planned;
use crate::{failure, problem::Problem};
use lock_domain::{
    Timestamp,
    event::Event,
    problem::Code,
    stay::{EndCause, StayPhase, Verdict, Wish},
};
use lock_store::{CommandStatus, Property, StayRecord, StoreError, TenantTx};

/// Everything but the commit. `now` is the property's present, `at` real time.
pub(super) async fn undo(
    tx: &mut TenantTx<'_>,
    property: &Property,
    planned: &Planned,
    code: Code,
    (now, at): (Timestamp, Timestamp),
) -> Result<(), Problem> {
    let stay = planned.id.stay;
    let changed = tx.settle_command(planned.command.id, CommandStatus::Failed, Some(code), at).await;
    if !changed.map_err(failure::store)? {
        // Somebody else has settled it: the dispatcher, with the same refusal.
        return Ok(());
    }
    tx.release_claims_of_command(planned.command.id).await.map_err(failure::store)?;
    for key in &planned.undo.keys {
        tx.set_wish(*key, Wish::Unwanted).await.map_err(failure::store)?;
        // Nobody has seen the PIN, so it needs no rest.
        tx.release_pins(*key, now).await.map_err(failure::store)?;
    }
    if let Some(key) = planned.undo.keep {
        tx.set_wish(key, Wish::Wanted).await.map_err(failure::store)?;
    }
    if let Some(window) = planned.undo.window {
        match tx.change_claims(property.id, stay, window).await {
            Ok(()) => {}
            // What this command gave up for a moment has found another taker: a person must look, the claim can't come back.
            Err(StoreError::RoomTaken { .. }) => tracing::error!(%stay, "a claim could not be restored"),
            Err(error) => return Err(failure::store(error)),
        }
    }
    if planned.undo.stay {
        let record = StayRecord {
            phase: StayPhase::Ended,
            cause: Some(EndCause::Cancelled),
            suspended: false,
            needs_attention: false,
            code: None,
            next_deadline: None,
            window: planned.body.window,
            room: planned.body.room.id,
            at,
        };
        tx.record_stay(stay, &record).await.map_err(failure::store)?;
    }
    let outcome = Verdict::Failed(code);
    let settled = Event::CommandSettled { verb: planned.command.verb.kind(), operation: planned.command.id, outcome };
    tx.append(now, property.id, Some(stay), &[settled]).await.map_err(failure::store)?;
    Ok(())
}

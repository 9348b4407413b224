//! Gives up what tx 1 claimed for a command that its workflow refused: as if it had never been asked, but for the log.
//!
//! What that is follows from the command, from the stay's row, which a refused command has not changed, and from the stay's other commands
//! without a verdict, which keep what they need.

use crate::{failure, problem::Problem};
use lock_domain::{
    Timestamp,
    command::{Command, Verb},
    event::Event,
    ids::KeyId,
    problem::Code,
    stay::{EndCause, StayPhase, Verdict, Wish},
};
use lock_store::{CommandStatus, Property, StayRecord, StayRow, TenantTx};

/// Everything but the commit. `now` is the property's present, `at` real time. A command that has a verdict already is left alone.
pub(crate) async fn undo(
    tx: &mut TenantTx<'_>,
    property: &Property,
    stay: &StayRow,
    command: &Command,
    code: Code,
    (now, at): (Timestamp, Timestamp),
) -> Result<(), Problem> {
    // First, as everybody who changes a stay does: nobody accepts anything for it while this looks at what is left.
    tx.accepted(stay.id).await.map_err(failure::store)?;
    let changed = tx.settle_command(command.id, CommandStatus::Failed, Some(code), at).await;
    if changed.map_err(failure::store)?.is_none() {
        return Ok(());
    }
    tx.release_claims_of_command(command.id).await.map_err(failure::store)?;
    for key in made(&command.verb) {
        tx.set_wish(key, Wish::Unwanted).await.map_err(failure::store)?;
        // Nobody has seen the PIN, so it needs no rest.
        tx.release_pins(key, now).await.map_err(failure::store)?;
    }
    match &command.verb {
        // One that has begun and ended all the same keeps its end.
        Verb::New { .. } if stay.phase == StayPhase::Ended => {}
        Verb::New { .. } => {
            tx.record_stay(stay.id, &void(stay, at)).await.map_err(failure::store)?;
        }
        Verb::Reissue { old, key } => tx.keep_key(*old, key.id).await.map_err(failure::store)?,
        Verb::Divert { keys, .. } => {
            for successor in keys {
                tx.keep_key(successor.old, successor.key.id).await.map_err(failure::store)?;
            }
            tx.restore_diverted(stay.id).await.map_err(failure::store)?;
        }
        Verb::RoomMove { .. } => tx.restore_diverted(stay.id).await.map_err(failure::store)?,
        Verb::ModifyStay { .. } => tx.narrow_claims(stay.id).await.map_err(failure::store)?,
        _ => {}
    }
    match &command.verb {
        Verb::ModifyStay { keys, .. } | Verb::RoomMove { keys, .. } => {
            for successor in keys {
                tx.keep_key(successor.old, successor.key.id).await.map_err(failure::store)?;
            }
        }
        _ => {}
    }
    let outcome = Verdict::Failed(code);
    let settled = Event::CommandSettled { verb: command.verb.kind(), operation: command.id, outcome };
    tx.append(now, property.id, Some(stay.id), &[settled]).await.map_err(failure::store)?;
    Ok(())
}

/// Keys that nobody will get.
fn made(verb: &Verb) -> Vec<KeyId> {
    match verb {
        Verb::New { keys, .. } | Verb::Duplicate { keys } => keys.iter().map(|key| key.id).collect(),
        Verb::Reissue { key, .. } => vec![key.id],
        Verb::Divert { keys, .. } | Verb::ModifyStay { keys, .. } | Verb::RoomMove { keys, .. } => {
            keys.iter().map(|successor| successor.key.id).collect()
        }
        _ => Vec::new(),
    }
}

/// A stay that never was.
fn void(stay: &StayRow, at: Timestamp) -> StayRecord {
    StayRecord {
        phase: StayPhase::Ended,
        cause: Some(EndCause::Cancelled),
        suspended: false,
        needs_attention: false,
        code: None,
        next_deadline: None,
        window: stay.window,
        room: stay.room,
        doors: Vec::new(),
        at,
    }
}

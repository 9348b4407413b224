//! Alarms of locks into the record. The device must have been noted in the same transaction, so that whoever ends the alarm waits.

use super::episodes::{Facts, Whose, carry_out};
use jiff::Timestamp;
use lock_domain::{
    device::{Act, AlertKind, Tampering, TaskReason, judge_tamper},
    event::Event,
};
use lock_store::{StoreError, TenantTx};

const KIND: AlertKind = AlertKind::Tampered;

/// Notes alarms of a lock, each of which nobody has noted before, by the lock's clock. Returns what is to be told.
pub(crate) async fn note_alarms(
    tx: &mut TenantTx<'_>,
    whose: Whose<'_>,
    alarms: &[Timestamp],
) -> Result<Vec<Event>, StoreError> {
    let mut events = Vec::new();
    if alarms.is_empty() {
        return Ok(events);
    }
    let episode = tx.episode(whose.device, KIND).await?;
    let mut open = episode.since.is_some();
    for at in alarms {
        match judge_tamper(*at, whose.present, open, episode.ended) {
            Tampering::Begin(at) => {
                let facts = Facts { since: Some(at), ..Facts::default() };
                let acts = [Act::Raise(KIND), Act::Open(TaskReason::Tampered)];
                events.extend(carry_out(tx, whose, &acts, facts).await?);
                open = true;
            }
            Tampering::Add(at) => {
                tx.add_to_alert(whose.device, KIND, at).await?;
            }
            Tampering::Ignore => {}
        }
    }
    Ok(events)
}

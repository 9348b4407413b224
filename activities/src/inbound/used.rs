//! Keys that open once and have opened: their stays are told, by the path that every command takes.
//!
//! The command is written in the transaction that notes the use, so that it is asked once for each key; a dispatcher delivers it. It must not
//! know workflows. If the transaction fails, the records are read again.

use jiff::Timestamp;
use lock_domain::{
    command::{Command, Verb, VerbKind},
    event::Event,
    ids::{CommandId, TenantId},
    stay::StayPhase,
};
use lock_store::{Matched, NewCommand, Property, StoreError, TenantTx};
use uuid::Uuid;

/// Under this name the service asks.
const ROLE: &str = "door-records";

/// Asks for the end of a key that opens once, if it is one; what the log is to be told then. `present` is the property's time.
pub(super) async fn end(
    tx: &mut TenantTx<'_>,
    tenant: TenantId,
    property: &Property,
    matched: &Matched,
    present: Timestamp,
) -> Result<Option<Event>, StoreError> {
    let keys = tx.keys_of(matched.stay).await?;
    if !keys.iter().any(|key| key.id == matched.key && key.one_time) {
        return Ok(None);
    }
    let Some(stay) = tx.stay_by_id(matched.stay).await? else { return Ok(None) };
    if matches!(stay.phase, StayPhase::Ending | StayPhase::Ended) {
        return Ok(None);
    }
    let now = Timestamp::now();
    let by = tx.service_key(ROLE, now).await?.id;
    let id = CommandId::from_uuid(Uuid::now_v7());
    let verb = Verb::Used { key: matched.key };
    let command = Command { tenant, id, verb, by, at: present, clock: property.clock, traceparent: None };
    let new =
        NewCommand { command: &command, property: property.id, stay: stay.id, reservation: &stay.reservation, at: now };
    tx.insert_command(new).await?;
    Ok(Some(Event::CommandAccepted { verb: VerbKind::Used, operation: id, by }))
}

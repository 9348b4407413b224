//! A server says, without proof, that a key of ours stands differently: its stay is asked to look, by the path that every command takes.
//!
//! What was said changes nothing; what the stay finds at the vendor does. It must not know vendors. If the transaction fails, it is asked
//! again: the command's id is a function of the delivery's, so that it is asked once.

use super::Trouble;
use jiff::{SignedDuration, Timestamp};
use lock_domain::{
    command::{Command, Verb, VerbKind},
    event::Event,
    ids::{CommandId, DeliveryId, KeyId, TenantId},
    stay::allowed,
};
use lock_store::{NewCommand, Property, TenantTx};
use uuid::Uuid;

/// Under this name the service asks.
const ROLE: &str = "vendor-callbacks";
/// A stay is not asked more often: whoever has found out the path must not keep it, and the vendor, busy.
const APART: SignedDuration = SignedDuration::from_secs(60);

/// Asks the stay of the key with this name at the vendor, unless it is none of the property's, or in a phase in which nothing is read back.
pub(super) async fn ask(
    tx: &mut TenantTx<'_>,
    tenant: TenantId,
    property: &Property,
    delivery: DeliveryId,
    token: &str,
) -> Result<(), Trouble> {
    let Some(key) = token.strip_prefix("lis-").and_then(|digits| Uuid::try_parse(digits).ok()) else { return Ok(()) };
    let Some(stay) = tx.stay_of_key(KeyId::from_uuid(key)).await? else { return Ok(()) };
    let Some(stay) = tx.stay_by_id(stay).await? else { return Ok(()) };
    if stay.property != property.id || allowed(VerbKind::Read, stay.phase).is_err() {
        return Ok(());
    }
    let id = CommandId::from_uuid(Uuid::new_v5(&delivery.as_uuid(), b"read"));
    let now = Timestamp::now();
    let by = tx.service_key(ROLE, now).await?.id;
    let before = tx.commands_of(stay.id).await?;
    if before.iter().any(|row| row.id() == id) {
        return Ok(());
    }
    let last = before.iter().filter(|row| row.by == by).map(|row| row.accepted_at).max();
    if last.is_some_and(|at| now.duration_since(at) < APART) {
        return Err(Trouble::TooSoon);
    }
    let present = property.clock.now(now);
    let command = Command { tenant, id, verb: Verb::Read, by, at: present, clock: property.clock, traceparent: None };
    let new =
        NewCommand { command: &command, property: property.id, stay: stay.id, reservation: &stay.reservation, at: now };
    tx.insert_command(new).await?;
    let event = Event::CommandAccepted { verb: VerbKind::Read, operation: id, by };
    tx.append(present, property.id, Some(stay.id), &[event]).await?;
    Ok(())
}

//! Delivers commands that were accepted and never reached their workflow: the process died after the transaction, or Temporal was away.
//!
//! Every API process runs one. Two that deliver the same command do no harm: the update's id is the command's, and the workflow knows
//! what it has accepted. A stay's commands are delivered in the order in which they were accepted; one that can't be delivered holds
//! back those of its own stay only. It must not accept, change or refuse anything by itself.

use crate::{
    accept::undo::undo,
    clocks,
    engine::{EngineError, Submission, Target},
    failure, inventories,
    problem::Problem,
    rotations,
    state::AppState,
};
use lock_domain::{
    Timestamp,
    credential::KeyKind,
    ids::{CommandId, TenantId},
    problem::Code,
    stay::StayPhase,
    stay::StayRef,
    vendor::VendorTraits,
};
use lock_store::{CommandRow, CommandStatus, TenantTx};
use lock_workflows::StayStart;
use std::{collections::BTreeSet, time::Duration};

const EVERY: Duration = Duration::from_secs(1);
/// A request delivers its own command within this time; younger ones are left to it.
const PATIENCE: Duration = Duration::from_secs(6);
const AT_ONCE: u32 = 200;

/// Delivers for ever; ends by being aborted.
pub(crate) async fn run(state: AppState) {
    let mut ticks = tokio::time::interval(EVERY);
    ticks.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
    loop {
        ticks.tick().await;
        let tenants = match state.store().tenants().await {
            Ok(tenants) => tenants,
            Err(error) => {
                tracing::warn!(%error, "the dispatcher can't look");
                continue;
            }
        };
        let mut held = 0;
        for tenant in tenants {
            if let Err(problem) = clocks::tell(&state, tenant.id, None, Some(AT_ONCE)).await {
                tracing::warn!(tenant = %tenant.id, code = %problem.code, "stays could not be told of a moved clock");
            }
            if let Err(problem) = rotations::deliver_late(&state, tenant.id).await {
                tracing::warn!(tenant = %tenant.id, code = %problem.code, "a rotation of keys could not be begun");
            }
            if let Err(problem) = inventories::deliver_late(&state, tenant.id).await {
                tracing::warn!(tenant = %tenant.id, code = %problem.code, "an inventory could not be begun");
            }
            match round(&state, tenant.id).await {
                Ok(waiting) => held += waiting,
                Err(problem) => {
                    tracing::warn!(tenant = %tenant.id, code = %problem.code, "the dispatcher could not deliver");
                }
            }
        }
        lock_telemetry::metrics::set_commands_held(held);
    }
}

/// Returns how many of the tenant's commands wait for a person; those are not the dispatcher's.
async fn round(state: &AppState, tenant: TenantId) -> Result<u64, Problem> {
    let before = Timestamp::now().checked_sub(PATIENCE).map_err(Problem::internal)?;
    let mut tx = state.store().tenant(tenant).await.map_err(failure::store)?;
    let waiting = tx.undelivered(before, AT_ONCE).await.map_err(failure::store)?;
    let held = tx.held_count(None).await.map_err(failure::store)?;
    drop(tx);
    let mut stuck = BTreeSet::new();
    for row in waiting {
        if !stuck.contains(&row.stay) && !deliver(state, tenant, &row).await? {
            stuck.insert(row.stay);
        }
    }
    Ok(held)
}

/// Delivers what a stay still waits for from before `command`, so that commands reach it in the order of their acceptance. Whether all of
/// it is delivered.
pub(crate) async fn deliver_older(state: &AppState, id: &StayRef, command: CommandId) -> Result<bool, Problem> {
    let mut tx = state.store().tenant(id.tenant).await.map_err(failure::store)?;
    let all = tx.commands_of(id.stay).await.map_err(failure::store)?;
    drop(tx);
    let waits = |row: &&CommandRow| row.status == CommandStatus::Accepted && row.delivered_at.is_none();
    let older = all.iter().take_while(|row| row.id() != command).filter(waits);
    for row in older {
        if !deliver(state, id.tenant, row).await? {
            return Ok(false);
        }
    }
    Ok(true)
}

/// Whether the command needs no further delivery.
async fn deliver(state: &AppState, tenant: TenantId, row: &CommandRow) -> Result<bool, Problem> {
    let mut tx = state.store().tenant(tenant).await.map_err(failure::store)?;
    // The list may be old by now: a request that has waited long may have delivered it, or undone it.
    let waiting = tx.command(row.id()).await.map_err(failure::store)?;
    if waiting.is_none_or(|now| now.status != CommandStatus::Accepted || now.delivered_at.is_some()) {
        return Ok(true);
    }
    let target = target(&mut tx, tenant, row).await?;
    drop(tx);
    let refused = match state.engine().submit(target, row.command.clone(), Duration::ZERO).await {
        Ok(Submission::Accepted | Submission::Settled) => None,
        Ok(Submission::Refused(code)) => Some(code),
        Err(EngineError::NotRunning) if over(state, tenant, row).await? => Some(Code::StayEnded),
        Err(error) => {
            tracing::debug!(operation = %row.id(), %error, "not yet delivered");
            return Ok(false);
        }
    };
    let mut tx = state.store().tenant(tenant).await.map_err(failure::store)?;
    let at = Timestamp::now();
    match refused {
        None => tx.mark_delivered(row.id(), at).await.map_err(failure::store)?,
        Some(code) => {
            let property = tx.property(row.property).await.map_err(failure::store)?;
            let stay = tx.stay_by_id(row.stay).await.map_err(failure::store)?;
            if let (Some(property), Some(stay)) = (property, stay) {
                undo(&mut tx, &property, &stay, &row.command, code, (property.clock.now(at), at)).await?;
            }
        }
    }
    tx.commit().await.map_err(failure::store)?;
    tracing::info!(operation = %row.id(), refused = refused.map(Code::text), "delivered late");
    Ok(true)
}

async fn target(tx: &mut TenantTx<'_>, tenant: TenantId, row: &CommandRow) -> Result<Target, Problem> {
    let stay = tx.stay_by_id(row.stay).await.map_err(failure::store)?;
    let stay = stay.ok_or_else(|| Problem::internal("the stay of an accepted command is gone"))?;
    let reservation = row.reservation.clone();
    let id = StayRef { tenant, property: row.property, reservation, stay: row.stay, reinstates: stay.reinstates };
    if row.command.verb.kind() != lock_domain::command::VerbKind::New {
        return Ok(Target::Existing(id));
    }
    let property = tx.property(row.property).await.map_err(failure::store)?;
    let property = property.ok_or_else(|| Problem::internal("the property of an accepted command is gone"))?;
    let keys = tx.keys_of(row.stay).await.map_err(failure::store)?;
    let card = keys.iter().any(|key| key.kind == KeyKind::Card);
    let kind = if card { KeyKind::Card } else { KeyKind::Pin };
    let policy = property.policy.at(VendorTraits::of(&property.vendor), kind);
    let (vendor, command) = (property.vendor, row.command.clone());
    Ok(Target::Begin(Box::new(StayStart { id, policy, command, vendor, carried: None })))
}

async fn over(state: &AppState, tenant: TenantId, row: &CommandRow) -> Result<bool, Problem> {
    let mut tx = state.store().tenant(tenant).await.map_err(failure::store)?;
    let stay = tx.stay_by_id(row.stay).await.map_err(failure::store)?;
    Ok(stay.is_some_and(|stay| stay.phase == StayPhase::Ended))
}

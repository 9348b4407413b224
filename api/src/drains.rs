//! Begins the drains of outages, and turns their steps into requests: the way from the record to stays that change vendors.
//!
//! Every API process runs this beside its dispatcher. Two of them do no harm: a drain's workflow id follows from its outage, a step is locked
//! while it becomes a request, and the request has an idempotency key that follows from the step. It must not plan.
//!
//! How it fails: what could not be done now is done a second later, and holds up no other step; one that makes no sense any more is settled
//! with its reason, and the next look of the drain sends its stay elsewhere, as it does with one that could not be done for minutes.

use crate::{
    accept::{self, Ask, Wanted},
    failure,
    problem::Problem,
    state::AppState,
};
use lock_domain::{Timestamp, ids::TenantId, problem::Code};
use lock_store::{AskedStep, OutageRow};
use lock_workflows::DrainStart;
use sha2::{Digest, Sha256};
use std::time::Duration;

const EVERY: Duration = Duration::from_secs(1);
const AT_ONCE: u32 = 100;
const ROUTE: &str = "drain";

/// Runs for ever; ends by being aborted.
pub(crate) async fn run(state: AppState) {
    let mut ticks = tokio::time::interval(EVERY);
    ticks.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
    loop {
        ticks.tick().await;
        let tenants = match state.store().tenants().await {
            Ok(tenants) => tenants,
            Err(error) => {
                tracing::warn!(%error, "outages can't be looked at");
                continue;
            }
        };
        for tenant in tenants {
            if let Err(problem) = Box::pin(round(&state, tenant.id)).await {
                tracing::warn!(tenant = %tenant.id, code = %problem.code, "a drain could not go on");
            }
        }
    }
}

async fn round(state: &AppState, tenant: TenantId) -> Result<(), Problem> {
    let mut tx = state.store().tenant_relaxed(tenant).await.map_err(failure::store)?;
    let outages = tx.undrained(AT_ONCE).await.map_err(failure::store)?;
    let steps = tx.asked_steps(AT_ONCE).await.map_err(failure::store)?;
    drop(tx);
    // What can't go on holds up nobody else.
    let mut first = Ok(());
    for outage in outages {
        first = first.and(begin(state, tenant, &outage).await);
    }
    for step in steps {
        first = first.and(divert(state, tenant, step).await);
    }
    first
}

async fn begin(state: &AppState, tenant: TenantId, outage: &OutageRow) -> Result<(), Problem> {
    let start = DrainStart { tenant, property: outage.property, outage: outage.id };
    let begun = state.engine().begin_drain(start).await;
    begun.map_err(|error| Problem::unavailable("workflow engine", error))?;
    let mut tx = state.store().tenant(tenant).await.map_err(failure::store)?;
    tx.drain_begun(outage.id, Timestamp::now()).await.map_err(failure::store)?;
    tx.commit().await.map_err(failure::store)
}

/// Sends one stay on its way. The service asks under a name of its own, which the log has.
async fn divert(state: &AppState, tenant: TenantId, step: AskedStep) -> Result<(), Problem> {
    let mut tx = state.store().tenant(tenant).await.map_err(failure::store)?;
    let key = tx.service_key(ROUTE, Timestamp::now()).await.map_err(failure::store)?;
    tx.commit().await.map_err(failure::store)?;
    let named = format!("{}/{}/{}", step.outage, step.stay, step.to);
    let ask = Ask {
        key,
        property: step.property.to_string(),
        reservation: Some(step.reservation.as_str().to_owned()),
        route: ROUTE,
        hash: Sha256::digest(named.as_bytes()).into(),
        idempotency: named,
        wait: Duration::ZERO,
        traceparent: None,
    };
    match Box::pin(accept::carry(state, ask, Wanted::Divert(step.clone()))).await {
        Ok(_) => Ok(()),
        Err(problem) if passes(problem.code) => Err(problem),
        Err(problem) => {
            tracing::info!(stay = %step.stay, to = %step.to, code = %problem.code, "a stay does not go there");
            let mut tx = state.store().tenant(tenant).await.map_err(failure::store)?;
            tx.settle_step(&step, Err(problem.code), Timestamp::now()).await.map_err(failure::store)?;
            tx.commit().await.map_err(failure::store)
        }
    }
}

/// Whether the next round may succeed where this one could not.
fn passes(code: Code) -> bool {
    (code.status() >= 500 && code != Code::PinsExhausted) || code.status() == 429
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_does_not_pass_by_itself_is_settled() {
        for code in [Code::Unavailable, Code::Internal, Code::RateLimited] {
            assert!(passes(code), "{code}");
        }
        for code in [Code::PinsExhausted, Code::CapabilityMissing, Code::RoomUnknown, Code::StayNotWaiting] {
            assert!(!passes(code), "{code}");
        }
    }
}

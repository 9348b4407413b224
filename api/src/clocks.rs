//! Tells stays' workflows that their property's test clock was moved.
//!
//! A workflow's timer runs by the offset that it knows, so it must know the latest before its next deadline falls due, and no earlier: a
//! stay that sleeps for days is left alone however often the clock moves. Who has been told stands in the record, so that a lost signal, a
//! stay that was accepted while the clock moved, and one whose deadline was not near enough are all met by the next look. The dispatcher
//! looks every second.

use crate::{failure, problem::Problem, state::AppState};
use jiff::SignedDuration;
use lock_domain::{
    Timestamp,
    clock::ClockOffset,
    ids::{PropertyId, TenantId},
    stay::StayRef,
};
use std::collections::BTreeMap;

/// Stays whose next deadline is so near are told.
const SOON: SignedDuration = SignedDuration::from_mins(5);

/// Tells every stay that must know by now, the most urgent ones first; of one property if it is named.
pub(crate) async fn tell(
    state: &AppState,
    tenant: TenantId,
    property: Option<PropertyId>,
    most: Option<u32>,
) -> Result<(), Problem> {
    let by = Timestamp::now().saturating_add(SOON).unwrap_or(Timestamp::MAX);
    let mut tx = state.store().tenant(tenant).await.map_err(failure::store)?;
    let untold = tx.untold(property, by, most.unwrap_or(u32::MAX)).await.map_err(failure::store)?;
    drop(tx);
    let mut by_offset: BTreeMap<ClockOffset, Vec<StayRef>> = BTreeMap::new();
    for (stay, offset) in untold {
        by_offset.entry(offset).or_default().push(stay);
    }
    for (offset, stays) in by_offset {
        let told = state.engine().move_clock(&stays, offset).await;
        let told = told.map_err(|error| Problem::unavailable("workflow engine", error))?;
        let mut tx = state.store().tenant(tenant).await.map_err(failure::store)?;
        tx.clock_told(&told, offset).await.map_err(failure::store)?;
        tx.commit().await.map_err(failure::store)?;
    }
    Ok(())
}

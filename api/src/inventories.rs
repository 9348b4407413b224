//! Begins the workflows of inventories that were accepted. Two processes that begin the same one do no harm: the workflow's id is the
//! inventory's.

use crate::{failure, problem::Problem, state::AppState};
use jiff::SignedDuration;
use lock_domain::{Timestamp, ids::TenantId, inventory::InventoryRef};
use lock_workflows::InventoryStart;

/// A request begins its own within this time; younger ones are left to it.
const PATIENCE: SignedDuration = SignedDuration::from_secs(6);

/// Begins one, and notes that it has begun.
pub(crate) async fn deliver(state: &AppState, id: InventoryRef) -> Result<(), Problem> {
    let begun = state.engine().begin_inventory(InventoryStart { id, vendor: None }).await;
    begun.map_err(|error| Problem::unavailable("workflow engine", error))?;
    let mut tx = state.store().tenant(id.tenant).await.map_err(failure::store)?;
    tx.mark_inventory_delivered(id.inventory, Timestamp::now()).await.map_err(failure::store)?;
    tx.commit().await.map_err(failure::store)
}

/// Begins the tenant's inventories that nobody has begun.
pub(crate) async fn deliver_late(state: &AppState, tenant: TenantId) -> Result<(), Problem> {
    let before = Timestamp::now().checked_sub(PATIENCE).map_err(Problem::internal)?;
    let mut tx = state.store().tenant_relaxed(tenant).await.map_err(failure::store)?;
    let waiting = tx.undelivered_inventories(before).await.map_err(failure::store)?;
    drop(tx);
    for (property, inventory) in waiting {
        deliver(state, InventoryRef { tenant, property, inventory }).await?;
    }
    Ok(())
}

//! Which events have been published.

use crate::{
    EventRow, StoreError, TenantTx,
    log::{event_row, index},
    time::Ts,
};
use jiff::Timestamp;
use lock_domain::ids::TenantId;
use sqlx::postgres::PgListener;
use uuid::Uuid;

/// Hears of tenants that have new events, or new deliveries of webhooks. It may miss some while its connection is being made anew, so poll from time to time as well.
#[derive(Debug)]
pub struct OutboxListener {
    listener: PgListener,
}

impl OutboxListener {
    pub(crate) const CHANNEL: &'static str = "outbox";
    /// The same for deliveries of webhooks.
    pub(crate) const WEBHOOKS: &'static str = "webhooks";

    pub(crate) fn new(listener: PgListener) -> Self {
        Self { listener }
    }

    /// Waits for the next tenant with new events. `None` if notifications may have been missed: look at every tenant.
    pub async fn recv(&mut self) -> Result<Option<TenantId>, StoreError> {
        let notification = self.listener.try_recv().await?;
        let payload = notification.and_then(|n| Uuid::try_parse(n.payload()).ok());
        Ok(payload.map(TenantId::from_uuid))
    }
}

impl TenantTx<'_> {
    /// Events that have not been published, oldest first.
    pub async fn unpublished(&mut self, limit: u32) -> Result<Vec<EventRow>, StoreError> {
        let rows = self
            .query(
                "SELECT a.leaf_index, a.event_id, a.at, a.property_id, a.stay_id, a.type, a.payload, a.leaf_hash
                 FROM outbox o JOIN lock_audit a ON a.tenant_id = $1 AND a.leaf_index = o.seq
                 WHERE o.tenant_id = $1 AND o.published_at IS NULL ORDER BY o.seq LIMIT $2",
            )
            .bind(i64::from(limit))
            .fetch_all(&mut *self.tx)
            .await?;
        rows.iter().map(event_row).collect()
    }

    /// Notes that events have been published. Returns how many were new.
    pub async fn mark_published(&mut self, seqs: &[u64], at: Timestamp) -> Result<u64, StoreError> {
        let seqs: Vec<i64> = seqs.iter().map(|seq| index(*seq)).collect::<Result<_, _>>()?;
        let done = self
            .query(
                "UPDATE outbox SET published_at = $3 WHERE tenant_id = $1 AND seq = ANY($2) AND published_at IS NULL",
            )
            .bind(seqs)
            .bind(Ts(at))
            .execute(&mut *self.tx)
            .await?;
        Ok(done.rows_affected())
    }
}

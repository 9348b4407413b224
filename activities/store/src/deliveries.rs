//! Webhooks that came in, processed at least once.

use crate::{StoreError, TenantTx, row::RowExt, time::Ts};
use jiff::{SignedDuration, Timestamp};
use lock_domain::{
    ids::{DeliveryId, PropertyId},
    webhook::Meaning,
};
use sqlx::Row;

/// A delivery to be processed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DeliveryRow {
    /// Its id.
    pub id: DeliveryId,
    /// The hotel.
    pub property: PropertyId,
    /// What it means.
    pub meaning: Vec<Meaning>,
    /// When it came, real time.
    pub received_at: Timestamp,
    /// Which attempt this is, from 1.
    pub attempt: u32,
}

impl TenantTx<'_> {
    /// Deliveries that are due, the oldest first. Nobody else gets them before `lease` is over, so that one whose processor dies is
    /// taken up again. Commit before processing them.
    pub async fn claim_deliveries(
        &mut self,
        now: Timestamp,
        lease: SignedDuration,
        limit: u32,
    ) -> Result<Vec<DeliveryRow>, StoreError> {
        let rows = self
            .query(
                // Materialised: a join may run a subquery anew for each row, and each time it would lock others.
                "WITH due AS MATERIALIZED (
                     SELECT delivery_id FROM webhook_deliveries WHERE tenant_id = $1 AND state = 'received' AND next_at <= $2
                     ORDER BY next_at LIMIT $4 FOR UPDATE SKIP LOCKED
                 ) UPDATE webhook_deliveries d SET attempts = attempts + 1, next_at = $3 FROM due
                 WHERE d.tenant_id = $1 AND d.delivery_id = due.delivery_id
                 RETURNING d.delivery_id, d.property_id, d.meaning, d.received_at, d.attempts",
            )
            .bind(Ts(now))
            .bind(Ts(now.saturating_add(lease).unwrap_or(now)))
            .bind(i64::from(limit))
            .fetch_all(&mut *self.tx)
            .await?;
        let mut claimed = rows
            .iter()
            .map(|row| {
                let attempt: i32 = row.try_get("attempts")?;
                Ok(DeliveryRow {
                    id: DeliveryId::from_uuid(row.uuid("delivery_id")?),
                    property: PropertyId::from_uuid(row.uuid("property_id")?),
                    meaning: row.json("meaning")?,
                    received_at: row.at("received_at")?,
                    attempt: u32::try_from(attempt).map_err(|_| StoreError::Corrupt("attempts"))?,
                })
            })
            .collect::<Result<Vec<_>, StoreError>>()?;
        claimed.sort_by_key(|row| (row.received_at, row.id));
        Ok(claimed)
    }

    /// Notes that a delivery has led to all that it leads to.
    pub async fn delivery_processed(&mut self, id: DeliveryId, at: Timestamp) -> Result<(), StoreError> {
        self.settle(id, "processed", at, None).await
    }

    /// Gives a delivery up. `trouble` is a word of ours, not the vendor's.
    pub async fn delivery_failed(&mut self, id: DeliveryId, at: Timestamp, trouble: &str) -> Result<(), StoreError> {
        self.settle(id, "failed", at, Some(trouble)).await
    }

    async fn settle(
        &mut self,
        id: DeliveryId,
        state: &str,
        at: Timestamp,
        trouble: Option<&str>,
    ) -> Result<(), StoreError> {
        self.query(
            "UPDATE webhook_deliveries SET state = $3, settled_at = $4, trouble = $5
             WHERE tenant_id = $1 AND delivery_id = $2 AND state = 'received'",
        )
        .bind(id.as_uuid())
        .bind(state)
        .bind(Ts(at))
        .bind(trouble)
        .execute(&mut *self.tx)
        .await?;
        Ok(())
    }

    /// Has a delivery tried again at `next`. `trouble` is a word of ours, not the vendor's.
    pub async fn delivery_again(&mut self, id: DeliveryId, next: Timestamp, trouble: &str) -> Result<(), StoreError> {
        self.query(
            "UPDATE webhook_deliveries SET next_at = $3, trouble = $4 WHERE tenant_id = $1 AND delivery_id = $2 AND state = 'received'",
        )
        .bind(id.as_uuid())
        .bind(Ts(next))
        .bind(trouble)
        .execute(&mut *self.tx)
        .await?;
        Ok(())
    }

    /// When the tenant's next delivery is due.
    pub async fn next_delivery(&mut self) -> Result<Option<Timestamp>, StoreError> {
        let row = self
            .query("SELECT min(next_at) AS next_at FROM webhook_deliveries WHERE tenant_id = $1 AND state = 'received'")
            .fetch_one(&mut *self.tx)
            .await?;
        row.at_opt("next_at")
    }

    /// Forgets deliveries that came before `before` and are settled. Returns how many.
    pub async fn forget_deliveries(&mut self, before: Timestamp, limit: u32) -> Result<u64, StoreError> {
        let done = self
            .query(
                "DELETE FROM webhook_deliveries WHERE tenant_id = $1 AND delivery_id IN (
                     SELECT delivery_id FROM webhook_deliveries WHERE tenant_id = $1 AND received_at < $2 AND state <> 'received' LIMIT $3)",
            )
            .bind(Ts(before))
            .bind(i64::from(limit))
            .execute(&mut *self.tx)
            .await?;
        Ok(done.rows_affected())
    }
}

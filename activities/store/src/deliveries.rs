//! Webhooks that came in: taken once, processed at least once.

use crate::{StoreError, TenantTx, row::RowExt, time::Ts};
use jiff::{SignedDuration, Timestamp};
use lock_domain::{
    ids::{DeliveryId, PropertyId, WebhookEndpointId},
    webhook::Meaning,
};
use sqlx::{Row, types::Json};
use subtle::ConstantTimeEq;

/// A delivery to be taken.
#[derive(Debug, Clone, Copy)]
pub struct NewDelivery<'a> {
    /// Its id.
    pub id: DeliveryId,
    /// Where it came in.
    pub endpoint: WebhookEndpointId,
    /// The hotel.
    pub property: PropertyId,
    /// What repeats of it are known by, within the endpoint.
    pub key: &'a str,
    /// A keyed digest of the body.
    pub digest: &'a [u8; 32],
    /// The body, sealed by the caller.
    pub body_sealed: &'a [u8],
    /// What it means.
    pub meaning: &'a [Meaning],
    /// When it came, real time.
    pub at: Timestamp,
}

/// Whether a delivery was new.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Intake {
    /// It was; it waits to be processed.
    Fresh,
    /// It came before. Nothing was stored.
    Duplicate,
    /// Another body came under its key before. Nothing was stored.
    OtherBody,
}

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
    /// Takes a delivery, unless it came before, and wakes whoever processes deliveries; one that calls for no look is settled at once. One
    /// round trip if it is new.
    pub async fn take_delivery(&mut self, new: NewDelivery<'_>) -> Result<Intake, StoreError> {
        let done = self
            .query(
                "WITH taken AS (
                     INSERT INTO webhook_deliveries (tenant_id, delivery_id, endpoint_id, property_id, dedup_key, body_digest, body_sealed,
                         meaning, received_at, state, next_at, settled_at)
                     VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, CASE WHEN $10 THEN 'received' ELSE 'processed' END, $9,
                         CASE WHEN NOT $10 THEN $9 END)
                     ON CONFLICT ON CONSTRAINT webhook_deliveries_once DO NOTHING RETURNING tenant_id
                 ) SELECT CASE WHEN $10 THEN pg_notify('webhooks', tenant_id::text)::text END FROM taken",
            )
            .bind(new.id.as_uuid())
            .bind(new.endpoint.as_uuid())
            .bind(new.property.as_uuid())
            .bind(new.key)
            .bind(&new.digest[..])
            .bind(new.body_sealed)
            .bind(Json(new.meaning))
            .bind(Ts(new.at))
            .bind(new.meaning.iter().any(Meaning::calls_for_a_look))
            .fetch_optional(&mut *self.tx)
            .await?;
        if done.is_some() {
            return Ok(Intake::Fresh);
        }
        let row = self
            .query("SELECT body_digest FROM webhook_deliveries WHERE tenant_id = $1 AND endpoint_id = $2 AND dedup_key = $3")
            .bind(new.endpoint.as_uuid())
            .bind(new.key)
            .fetch_optional(&mut *self.tx)
            .await?;
        let same = match &row {
            Some(row) => bool::from(row.bytes("body_digest")?.ct_eq(new.digest)),
            None => true,
        };
        Ok(if same { Intake::Duplicate } else { Intake::OtherBody })
    }

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

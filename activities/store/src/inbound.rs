//! What has come in by webhooks, as people look at it: without bodies.

use crate::{StoreError, TenantTx, row::RowExt};
use jiff::Timestamp;
use lock_domain::{
    ids::{DeliveryId, PropertyId, WebhookEndpointId},
    webhook::{Meaning, Sender},
};
use sqlx::Row;

/// A delivery and what became of it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DeliverySeen {
    /// Its id.
    pub id: DeliveryId,
    /// Where it came in.
    pub endpoint: WebhookEndpointId,
    /// Who sent it.
    pub sender: Sender,
    /// What it means.
    pub meaning: Vec<Meaning>,
    /// When it came, real time.
    pub received_at: Timestamp,
    /// `received`, `processed` or `failed`.
    pub state: String,
    /// So often it was followed up.
    pub attempts: u32,
    /// When it was settled.
    pub settled_at: Option<Timestamp>,
    /// Why it waits, or was given up: a word of ours.
    pub trouble: Option<String>,
}

impl TenantTx<'_> {
    /// A property's deliveries, newest first, from the one before `before` on.
    pub async fn deliveries_seen(
        &mut self,
        property: PropertyId,
        before: Option<DeliveryId>,
        limit: u32,
    ) -> Result<Vec<DeliverySeen>, StoreError> {
        let rows = self
            .query(
                "SELECT d.delivery_id, d.endpoint_id, e.sender, d.meaning, d.received_at, d.state, d.attempts, d.settled_at, d.trouble
                 FROM webhook_deliveries d JOIN webhook_endpoints e ON e.tenant_id = $1 AND e.endpoint_id = d.endpoint_id
                 WHERE d.tenant_id = $1 AND d.property_id = $2 AND ($3::uuid IS NULL OR d.delivery_id < $3)
                 ORDER BY d.delivery_id DESC LIMIT $4",
            )
            .bind(property.as_uuid())
            .bind(before.map(|id| id.as_uuid()))
            .bind(i64::from(limit))
            .fetch_all(&mut *self.tx)
            .await?;
        rows.iter()
            .map(|row| {
                let attempts: i32 = row.try_get("attempts")?;
                Ok(DeliverySeen {
                    id: DeliveryId::from_uuid(row.uuid("delivery_id")?),
                    endpoint: WebhookEndpointId::from_uuid(row.uuid("endpoint_id")?),
                    sender: row.name("sender")?,
                    meaning: row.json("meaning")?,
                    received_at: row.at("received_at")?,
                    state: row.text("state")?,
                    attempts: u32::try_from(attempts).map_err(|_| StoreError::Corrupt("attempts"))?,
                    settled_at: row.at_opt("settled_at")?,
                    trouble: row.text_opt("trouble")?,
                })
            })
            .collect()
    }
}

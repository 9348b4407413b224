//! Where webhooks may come in. Of a path only the hash is stored; secrets come sealed.

use crate::{
    Store, StoreError, TenantTx,
    row::RowExt,
    time::Ts,
    token::{self, ParsedToken},
};
use jiff::Timestamp;
use lock_domain::{
    ids::{PropertyId, TenantId, WebhookEndpointId},
    webhook::{Scheme, Sender},
};
use secrecy::SecretString;
use sqlx::{Row, postgres::PgRow};
use subtle::ConstantTimeEq;
use uuid::Uuid;

/// An endpoint without its path.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct WebhookEndpoint {
    /// Whose it is.
    pub tenant: TenantId,
    /// Its id, which is part of its path.
    pub id: WebhookEndpointId,
    /// The hotel that it speaks of.
    pub property: PropertyId,
    /// Who may send.
    pub sender: Sender,
    /// How a webhook is known to be genuine.
    pub scheme: Scheme,
    /// The secrets that are good now, sealed by the caller; none where nothing is signed.
    pub secrets_sealed: Option<Vec<u8>>,
    /// When it was made.
    pub created_at: Timestamp,
    /// When its secret or path was last changed.
    pub rotated_at: Option<Timestamp>,
    /// Since when it has been refused.
    pub revoked_at: Option<Timestamp>,
}

/// An endpoint to be made.
#[derive(Debug, Clone, Copy)]
pub struct NewWebhookEndpoint<'a> {
    /// Its id.
    pub id: WebhookEndpointId,
    /// The hotel.
    pub property: PropertyId,
    /// Who may send.
    pub sender: Sender,
    /// How a webhook is known to be genuine.
    pub scheme: Scheme,
    /// Its secrets, sealed; none where nothing is signed.
    pub secrets_sealed: Option<&'a [u8]>,
}

macro_rules! columns {
    () => {
        "tenant_id, property_id, endpoint_id, sender, scheme, path_sha256, former_path_sha256, former_path_until, secrets_sealed,
         created_at, rotated_at, revoked_at"
    };
}

impl Store {
    /// The endpoint that a path belongs to. `None` for every path that is not to be trusted at `now`, after the same work: malformed,
    /// unknown, another sender's, revoked, or of before a rotation whose overlap is over.
    pub async fn recognise_webhook(
        &self,
        sender: Option<Sender>,
        path: &str,
        now: Timestamp,
    ) -> Result<Option<WebhookEndpoint>, StoreError> {
        let parsed = token::parse_webhook(path);
        let (tenant, id, given) = match &parsed {
            Some(ParsedToken { tenant, key, secret_sha256 }) => (tenant.as_uuid(), key.as_uuid(), *secret_sha256),
            None => (Uuid::nil(), Uuid::nil(), [0; 32]),
        };
        let asked =
            sqlx::query(concat!("SELECT ", columns!(), " FROM recognise_webhook($1, $2)")).bind(tenant).bind(id);
        let Some(row) = self.fetch_optional(asked).await? else { return Ok(None) };
        let same = bool::from(row.bytes("path_sha256")?.ct_eq(&given));
        let former: Option<Vec<u8>> = row.try_get("former_path_sha256")?;
        let was = former.is_some_and(|hash| bool::from(hash.ct_eq(&given)))
            && row.at_opt("former_path_until")?.is_some_and(|until| now < until);
        let found = endpoint(&row)?;
        let good = parsed.is_some()
            && (same || was)
            && sender == Some(found.sender)
            && found.revoked_at.is_none_or(|at| at > now);
        Ok(good.then_some(found))
    }
}

impl TenantTx<'_> {
    /// Makes an endpoint. The last part of its path is shown once and can't be had again.
    pub async fn create_webhook_endpoint(
        &mut self,
        new: NewWebhookEndpoint<'_>,
        now: Timestamp,
    ) -> Result<SecretString, StoreError> {
        let (path, hash) = token::mint_webhook(self.tenant, new.id);
        self.query(
            "INSERT INTO webhook_endpoints (tenant_id, property_id, endpoint_id, sender, scheme, path_sha256, secrets_sealed, created_at)
             VALUES ($1, $2, $3, $4, $5, $6, $7, $8)",
        )
        .bind(new.property.as_uuid())
        .bind(new.id.as_uuid())
        .bind(new.sender.name())
        .bind(new.scheme.name())
        .bind(&hash[..])
        .bind(new.secrets_sealed)
        .bind(Ts(now))
        .execute(&mut *self.tx)
        .await?;
        Ok(path)
    }

    /// A property's endpoints by id, from the one after `after` on, revoked ones as well.
    pub async fn webhook_endpoints(
        &mut self,
        property: PropertyId,
        after: Option<WebhookEndpointId>,
        limit: u32,
    ) -> Result<Vec<WebhookEndpoint>, StoreError> {
        let rows = self
            .query(concat!(
                "SELECT ",
                columns!(),
                " FROM webhook_endpoints WHERE tenant_id = $1 AND property_id = $2 AND ($3::uuid IS NULL OR endpoint_id > $3)
                  ORDER BY endpoint_id LIMIT $4"
            ))
            .bind(property.as_uuid())
            .bind(after.map(|id| id.as_uuid()))
            .bind(i64::from(limit))
            .fetch_all(&mut *self.tx)
            .await?;
        rows.iter().map(endpoint).collect()
    }

    /// A property's endpoint, kept as it is until the end of the transaction.
    pub async fn webhook_endpoint(
        &mut self,
        property: PropertyId,
        id: WebhookEndpointId,
    ) -> Result<Option<WebhookEndpoint>, StoreError> {
        let row = self
            .query(concat!(
                "SELECT ",
                columns!(),
                " FROM webhook_endpoints WHERE tenant_id = $1 AND property_id = $2 AND endpoint_id = $3 FOR NO KEY UPDATE"
            ))
            .bind(property.as_uuid())
            .bind(id.as_uuid())
            .fetch_optional(&mut *self.tx)
            .await?;
        row.as_ref().map(endpoint).transpose()
    }

    /// Gives an endpoint other secrets.
    pub async fn set_webhook_secrets(
        &mut self,
        id: WebhookEndpointId,
        sealed: &[u8],
        now: Timestamp,
    ) -> Result<(), StoreError> {
        let done = self
            .query("UPDATE webhook_endpoints SET secrets_sealed = $3, rotated_at = $4 WHERE tenant_id = $1 AND endpoint_id = $2")
            .bind(id.as_uuid())
            .bind(sealed)
            .bind(Ts(now))
            .execute(&mut *self.tx)
            .await?;
        one(done.rows_affected())
    }

    /// Gives an endpoint another path, shown once. The one before works until `until`; one before that no more.
    pub async fn move_webhook_endpoint(
        &mut self,
        id: WebhookEndpointId,
        until: Timestamp,
        now: Timestamp,
    ) -> Result<SecretString, StoreError> {
        let (path, hash) = token::mint_webhook(self.tenant, id);
        let done = self
            .query(
                "UPDATE webhook_endpoints SET former_path_sha256 = path_sha256, former_path_until = $4, path_sha256 = $3, rotated_at = $5
                 WHERE tenant_id = $1 AND endpoint_id = $2",
            )
            .bind(id.as_uuid())
            .bind(&hash[..])
            .bind(Ts(until))
            .bind(Ts(now))
            .execute(&mut *self.tx)
            .await?;
        one(done.rows_affected()).map(|()| path)
    }

    /// Refuses an endpoint's webhooks from `now` on. A second time changes nothing.
    pub async fn revoke_webhook_endpoint(&mut self, id: WebhookEndpointId, now: Timestamp) -> Result<(), StoreError> {
        let done = self
            .query(
                "UPDATE webhook_endpoints SET revoked_at = COALESCE(revoked_at, $3) WHERE tenant_id = $1 AND endpoint_id = $2",
            )
            .bind(id.as_uuid())
            .bind(Ts(now))
            .execute(&mut *self.tx)
            .await?;
        one(done.rows_affected())
    }
}

fn one(rows: u64) -> Result<(), StoreError> {
    if rows == 0 { Err(StoreError::NotFound("webhook endpoint")) } else { Ok(()) }
}

fn endpoint(row: &PgRow) -> Result<WebhookEndpoint, StoreError> {
    Ok(WebhookEndpoint {
        tenant: TenantId::from_uuid(row.uuid("tenant_id")?),
        id: WebhookEndpointId::from_uuid(row.uuid("endpoint_id")?),
        property: PropertyId::from_uuid(row.uuid("property_id")?),
        sender: row.name("sender")?,
        scheme: row.name("scheme")?,
        secrets_sealed: row.try_get("secrets_sealed")?,
        created_at: row.at("created_at")?,
        rotated_at: row.at_opt("rotated_at")?,
        revoked_at: row.at_opt("revoked_at")?,
    })
}

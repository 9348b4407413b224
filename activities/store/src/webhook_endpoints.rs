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

/// A path as somebody called it, taken apart.
pub struct WebhookPath(Option<ParsedToken<WebhookEndpointId>>);

impl WebhookPath {
    /// Takes a path apart, which may be anything.
    pub fn parse(path: &str) -> Self {
        Self(token::parse_webhook(path))
    }

    /// The tenant and the endpoint that it names; ids that nobody has, if it names none.
    pub fn names(&self) -> (TenantId, WebhookEndpointId) {
        let nobody = || (TenantId::from_uuid(Uuid::nil()), WebhookEndpointId::from_uuid(Uuid::nil()));
        self.0.as_ref().map_or_else(nobody, |parsed| (parsed.tenant, parsed.key))
    }
}

/// An endpoint, and what tells its paths from others.
pub struct StoredWebhookEndpoint {
    endpoint: WebhookEndpoint,
    path_sha256: Vec<u8>,
    former: Option<(Vec<u8>, Timestamp)>,
}

impl StoredWebhookEndpoint {
    /// The endpoint, if a path of it is to be trusted at `now`. `None` for one that is malformed, unknown, another sender's, revoked, or
    /// of before a rotation whose overlap is over.
    pub fn recognise(&self, sender: Option<Sender>, path: &WebhookPath, now: Timestamp) -> Option<&WebhookEndpoint> {
        let given = path.0.as_ref().map_or([0; 32], |parsed| parsed.secret_sha256);
        let same = bool::from(self.path_sha256.ct_eq(&given));
        let was = self.former.as_ref().is_some_and(|(hash, until)| bool::from(hash.ct_eq(&given)) && now < *until);
        let good = path.0.is_some()
            && path.names() == (self.endpoint.tenant, self.endpoint.id)
            && (same || was)
            && sender == Some(self.endpoint.sender)
            && self.endpoint.revoked_at.is_none_or(|at| at > now);
        good.then_some(&self.endpoint)
    }
}

impl Store {
    /// The endpoint of these ids, whatever path was called: whether it is the right one, [`StoredWebhookEndpoint::recognise`] tells.
    pub async fn stored_webhook_endpoint(
        &self,
        tenant: TenantId,
        id: WebhookEndpointId,
    ) -> Result<Option<StoredWebhookEndpoint>, StoreError> {
        let asked = sqlx::query(concat!("SELECT ", columns!(), " FROM recognise_webhook($1, $2)"))
            .bind(tenant.as_uuid())
            .bind(id.as_uuid());
        let Some(row) = self.fetch_optional(asked).await? else { return Ok(None) };
        let former: Option<Vec<u8>> = row.try_get("former_path_sha256")?;
        Ok(Some(StoredWebhookEndpoint {
            endpoint: endpoint(&row)?,
            path_sha256: row.bytes("path_sha256")?,
            former: former.zip(row.at_opt("former_path_until")?),
        }))
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

//! API keys of machine clients: made, recognised, revoked. Only the hash of a secret is stored.

use crate::{
    Store, StoreError, TenantTx,
    row::RowExt,
    time::Ts,
    token::{self, ParsedToken},
};
use jiff::{SignedDuration, Timestamp};
use lock_domain::ids::{ApiKeyId, PropertyId, TenantId};
use secrecy::SecretString;
use sqlx::{Row, postgres::PgRow};
use subtle::ConstantTimeEq;
use uuid::Uuid;

/// An API key without its secret.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ApiKey {
    /// Whose it is.
    pub tenant: TenantId,
    /// Its public id.
    pub id: ApiKeyId,
    /// A name for people.
    pub name: String,
    /// The role it was given.
    pub role: String,
    /// What it may do.
    pub scopes: Vec<String>,
    /// The properties it may touch; `None` is all of the tenant's.
    pub properties: Option<Vec<PropertyId>>,
    /// From when on it is refused.
    pub expires_at: Option<Timestamp>,
    /// Since when it has been refused.
    pub revoked_at: Option<Timestamp>,
    /// When it was last used, to the minute.
    pub last_used_at: Option<Timestamp>,
}

/// What a new API key shall be.
#[derive(Debug, Clone)]
pub struct NewApiKey {
    /// Its public id.
    pub id: ApiKeyId,
    /// A name for people.
    pub name: String,
    /// Its role.
    pub role: String,
    /// What it may do.
    pub scopes: Vec<String>,
    /// The properties it may touch; `None` is all of the tenant's.
    pub properties: Option<Vec<PropertyId>>,
    /// From when on it is refused.
    pub expires_at: Option<Timestamp>,
}

impl ApiKey {
    /// Whether the key has the scope.
    pub fn has_scope(&self, scope: &str) -> bool {
        self.scopes.iter().any(|own| own == scope)
    }

    /// Whether the key may touch the property, if it is the tenant's.
    pub fn may_touch(&self, property: PropertyId) -> bool {
        self.properties.as_ref().is_none_or(|list| list.contains(&property))
    }
}

/// One round trip, where a transaction of the tenant takes three: the function sets the tenant and looks the key up.
const RECOGNISE: &str =
    "SELECT api_key_id, name, role, scopes, property_ids, secret_sha256, expires_at, revoked_at, last_used_at
                         FROM recognise_api_key($1, $2)";

const SELECT: &str =
    "SELECT api_key_id, name, role, scopes, property_ids, secret_sha256, expires_at, revoked_at, last_used_at
                      FROM api_keys WHERE tenant_id = $1 AND api_key_id = $2";

impl Store {
    /// The API key that a token belongs to. `None` for every token that is not to be trusted at `now`: malformed, unknown, with a wrong
    /// secret, expired or revoked. Notes the use, at most once a minute.
    pub async fn authenticate(&self, token: &str, now: Timestamp) -> Result<Option<ApiKey>, StoreError> {
        let Some(ParsedToken { tenant, key, secret_sha256 }) = token::parse(token) else {
            return Ok(None);
        };
        let asked = sqlx::query(RECOGNISE).bind(tenant.as_uuid()).bind(key.as_uuid());
        let Some(row) = self.fetch_optional(asked).await? else {
            return Ok(None);
        };
        let same = bool::from(row.bytes("secret_sha256")?.ct_eq(&secret_sha256));
        let found = api_key(tenant, &row)?;
        let over = |at: Option<Timestamp>| at.is_some_and(|at| at <= now);
        if !same || over(found.expires_at) || over(found.revoked_at) {
            return Ok(None);
        }
        let minute = SignedDuration::from_secs(60);
        if found.last_used_at.is_none_or(|at| now.duration_since(at) >= minute) {
            let mut tx = self.tenant_relaxed(tenant).await?;
            tx.query("UPDATE api_keys SET last_used_at = $3 WHERE tenant_id = $1 AND api_key_id = $2")
                .bind(key.as_uuid())
                .bind(Ts(now))
                .execute(&mut *tx.tx)
                .await?;
            tx.commit().await?;
        }
        Ok(Some(found))
    }
}

impl TenantTx<'_> {
    /// Makes an API key. The token is shown to its owner once and can't be had again.
    pub async fn mint_api_key(&mut self, new: NewApiKey, now: Timestamp) -> Result<(ApiKey, SecretString), StoreError> {
        let (token, hash) = token::mint(self.tenant, new.id);
        let properties: Option<Vec<Uuid>> = new.properties.as_ref().map(|l| l.iter().map(|p| p.as_uuid()).collect());
        self.query(
            "INSERT INTO api_keys (tenant_id, api_key_id, name, role, scopes, property_ids, secret_sha256, created_at, expires_at)
             VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9)",
        )
        .bind(new.id.as_uuid())
        .bind(&new.name)
        .bind(&new.role)
        .bind(&new.scopes)
        .bind(properties)
        .bind(&hash[..])
        .bind(Ts(now))
        .bind(new.expires_at.map(Ts))
        .execute(&mut *self.tx)
        .await?;
        let key = ApiKey {
            tenant: self.tenant,
            id: new.id,
            name: new.name,
            role: new.role,
            scopes: new.scopes,
            properties: new.properties,
            expires_at: new.expires_at,
            revoked_at: None,
            last_used_at: None,
        };
        Ok((key, token))
    }

    /// A name under which the service itself asks, as an API key that nobody can use: its secret is thrown away, and it has expired. It is made
    /// when it is first needed.
    pub async fn service_key(&mut self, role: &str, now: Timestamp) -> Result<ApiKey, StoreError> {
        let id = ApiKeyId::from_uuid(Uuid::new_v5(&self.tenant.as_uuid(), format!("service/{role}").as_bytes()));
        if let Some(key) = self.api_key(id).await? {
            return Ok(key);
        }
        let (_, hash) = token::mint(self.tenant, id);
        self.query(
            "INSERT INTO api_keys (tenant_id, api_key_id, name, role, scopes, secret_sha256, created_at, expires_at)
             VALUES ($1, $2, $3, 'service', '{}', $4, $5, $5) ON CONFLICT DO NOTHING",
        )
        .bind(id.as_uuid())
        .bind(format!("service: {role}"))
        .bind(&hash[..])
        .bind(Ts(now))
        .execute(&mut *self.tx)
        .await?;
        self.api_key(id).await?.ok_or(StoreError::NotFound("service key"))
    }

    /// An API key by its id.
    pub async fn api_key(&mut self, id: ApiKeyId) -> Result<Option<ApiKey>, StoreError> {
        let row = self.query(SELECT).bind(id.as_uuid()).fetch_optional(&mut *self.tx).await?;
        row.map(|row| api_key(self.tenant, &row)).transpose()
    }

    /// Refuses a key from `now` on. A second time changes nothing.
    pub async fn revoke_api_key(&mut self, id: ApiKeyId, now: Timestamp) -> Result<(), StoreError> {
        let done = self
            .query("UPDATE api_keys SET revoked_at = COALESCE(revoked_at, $3) WHERE tenant_id = $1 AND api_key_id = $2")
            .bind(id.as_uuid())
            .bind(Ts(now))
            .execute(&mut *self.tx)
            .await?;
        if done.rows_affected() == 0 { Err(StoreError::NotFound("API key")) } else { Ok(()) }
    }
}

fn api_key(tenant: TenantId, row: &PgRow) -> Result<ApiKey, StoreError> {
    let properties: Option<Vec<Uuid>> = row.try_get("property_ids")?;
    Ok(ApiKey {
        tenant,
        id: ApiKeyId::from_uuid(row.uuid("api_key_id")?),
        name: row.text("name")?,
        role: row.text("role")?,
        scopes: row.try_get("scopes")?,
        properties: properties.map(|list| list.into_iter().map(PropertyId::from_uuid).collect()),
        expires_at: row.at_opt("expires_at")?,
        revoked_at: row.at_opt("revoked_at")?,
        last_used_at: row.at_opt("last_used_at")?,
    })
}

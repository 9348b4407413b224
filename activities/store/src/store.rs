//! The pool of connections, and what can be asked without a tenant.

use crate::{OutboxListener, SettledListener, StoreError, TenantTx, row::RowExt};
use lock_domain::ids::TenantId;
use sqlx::{
    AssertSqlSafe, Connection, Postgres,
    postgres::{PgArguments, PgConnectOptions, PgListener, PgPool, PgPoolOptions, PgRow},
    query::Query,
};
use std::time::Duration;

/// A pool of connections of the application's role. Cloning it is cheap.
#[derive(Debug, Clone)]
pub struct Store {
    pool: PgPool,
}

/// A customer, as the loops over all tenants see it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Tenant {
    /// Its id.
    pub id: TenantId,
    /// Its name.
    pub name: String,
}

impl Store {
    /// Connects as the role that `url` names, which should be `lock_app_rw`. Fails if no connection can be had in ten seconds.
    pub async fn connect(url: &str, max_connections: u32) -> Result<Self, StoreError> {
        let options: PgConnectOptions = url.parse()?;
        // A transaction here lasts milliseconds. These bounds only keep a lost client from blocking a tenant's log.
        let options = options.application_name("lock").options([
            ("statement_timeout", "15s"),
            ("lock_timeout", "10s"),
            ("idle_in_transaction_session_timeout", "30s"),
            // Every query here finds its rows by the tenant and an index, whatever the values: planning each execution anew took a sixth
            // of the database's processor time.
            ("plan_cache_mode", "force_generic_plan"),
        ]);
        let pool = PgPoolOptions::new()
            .max_connections(max_connections)
            .acquire_timeout(Duration::from_secs(10))
            // A ping on each use would cost a round trip; a connection that was just used is as good as a pinged one.
            .test_before_acquire(false)
            .before_acquire(|connection, meta| {
                Box::pin(async move {
                    if meta.idle_for > Duration::from_secs(5) {
                        connection.ping().await?;
                    }
                    Ok(true)
                })
            })
            .connect_with(options)
            .await?;
        Ok(Self { pool })
    }

    /// Begins a transaction of one tenant: one round trip.
    pub async fn tenant(&self, tenant: TenantId) -> Result<TenantTx<'static>, StoreError> {
        // A UUID has only hexadecimal digits and hyphens, so that nothing can break out of the quotes.
        let begin = format!("BEGIN; SELECT set_config('app.tenant_id', '{}', true)", tenant.as_uuid());
        let tx = self.pool.begin_with(AssertSqlSafe(begin)).await?;
        Ok(TenantTx::new(tx, tenant))
    }

    /// Begins a transaction of one tenant that a crash of the database may lose although it was committed, for what can be made again from
    /// what is durable: it doesn't wait for the disk. One round trip.
    pub async fn tenant_relaxed(&self, tenant: TenantId) -> Result<TenantTx<'static>, StoreError> {
        let begin = format!(
            "BEGIN; SET LOCAL synchronous_commit = off; SELECT set_config('app.tenant_id', '{}', true)",
            tenant.as_uuid()
        );
        let tx = self.pool.begin_with(AssertSqlSafe(begin)).await?;
        Ok(TenantTx::new(tx, tenant))
    }

    /// At most one row of a query that names its tenant itself, outside a transaction: one round trip.
    pub(crate) async fn fetch_optional(
        &self,
        query: Query<'_, Postgres, PgArguments>,
    ) -> Result<Option<PgRow>, StoreError> {
        Ok(query.fetch_optional(&self.pool).await?)
    }

    /// All tenants, for loops that serve each in turn.
    pub async fn tenants(&self) -> Result<Vec<Tenant>, StoreError> {
        let rows = sqlx::query("SELECT tenant_id, name FROM tenants ORDER BY tenant_id").fetch_all(&self.pool).await?;
        rows.iter()
            .map(|row| Ok(Tenant { id: TenantId::from_uuid(row.uuid("tenant_id")?), name: row.text("name")? }))
            .collect()
    }

    /// Whether the database answers.
    pub async fn ping(&self) -> Result<(), StoreError> {
        sqlx::query("SELECT 1").execute(&self.pool).await?;
        Ok(())
    }

    /// Hears of tenants with unpublished events. Takes one connection for itself as long as it lives.
    pub async fn outbox_listener(&self) -> Result<OutboxListener, StoreError> {
        let mut listener = PgListener::connect_with(&self.pool).await?;
        listener.listen(OutboxListener::CHANNEL).await?;
        Ok(OutboxListener::new(listener))
    }

    /// Hears of tenants with new deliveries of webhooks. Takes one connection for itself as long as it lives.
    pub async fn webhook_listener(&self) -> Result<OutboxListener, StoreError> {
        let mut listener = PgListener::connect_with(&self.pool).await?;
        listener.listen(OutboxListener::WEBHOOKS).await?;
        Ok(OutboxListener::new(listener))
    }

    /// Hears of commands that have got their verdict. Takes one connection for itself as long as it lives.
    pub async fn settled_listener(&self) -> Result<SettledListener, StoreError> {
        let mut listener = PgListener::connect_with(&self.pool).await?;
        listener.listen(SettledListener::CHANNEL).await?;
        Ok(SettledListener::new(listener))
    }

    /// Closes the pool: waits for transactions under way, refuses new ones.
    pub async fn close(&self) {
        self.pool.close().await;
    }
}

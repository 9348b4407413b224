//! A transaction of one tenant.

use crate::{StoreError, log::Head};
use lock_domain::ids::TenantId;
use sqlx::{Postgres, Transaction, postgres::PgArguments, query::Query};

/// A transaction of one tenant: the only type that can query a tenant's tables. Dropping it rolls back.
///
/// Each method is one round trip unless its documentation says otherwise. After a [`StoreError::Database`], [`StoreError::Duplicate`]
/// or a violated constraint the transaction is lost: drop it.
#[derive(Debug)]
pub struct TenantTx<'c> {
    pub(crate) tx: Transaction<'c, Postgres>,
    pub(crate) tenant: TenantId,
    /// The log's head, once its row is locked.
    pub(crate) head: Option<Head>,
}

impl<'c> TenantTx<'c> {
    pub(crate) fn new(tx: Transaction<'c, Postgres>, tenant: TenantId) -> Self {
        Self { tx, tenant, head: None }
    }

    /// Whose transaction it is.
    pub fn tenant(&self) -> TenantId {
        self.tenant
    }

    /// Makes everything durable and visible. If it fails with [`StoreError::Connection`], nobody knows whether it did.
    pub async fn commit(self) -> Result<(), StoreError> {
        Ok(self.tx.commit().await?)
    }

    /// A query whose `$1` is the tenant.
    pub(crate) fn query<'q>(&self, sql: &'static str) -> Query<'q, Postgres, PgArguments> {
        sqlx::query(sql).bind(self.tenant.as_uuid())
    }
}

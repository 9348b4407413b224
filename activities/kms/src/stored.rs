//! Wrapped keys in the database: the one place of this crate that knows the store.
//!
//! The system's keys stand under [`SYSTEM_TENANT`]; without its row among the tenants, the system has no keys.

use crate::{
    data_keys::{KeyState, Purpose, RecordFault, WrappedKey, WrappedKeys},
    port::{Owner, SYSTEM_TENANT, Wrapped},
};
use async_trait::async_trait;
use jiff::Timestamp;
use lock_domain::ids::TenantId;
use lock_store::{Store, TenantKeyState};

#[async_trait]
impl WrappedKeys for Store {
    async fn all(&self, owner: Owner, purpose: Purpose) -> Result<Vec<WrappedKey>, RecordFault> {
        let mut tx = self.tenant(row_owner(owner)).await?;
        let keys = tx.wrapped_keys(purpose.name()).await?;
        tx.commit().await?;
        Ok(keys.into_iter().map(from_row).collect())
    }

    async fn insert_if_absent(&self, owner: Owner, purpose: Purpose, key: &WrappedKey) -> Result<(), RecordFault> {
        let mut tx = self.tenant(row_owner(owner)).await?;
        tx.insert_wrapped_key(purpose.name(), key.version, &key.wrapped, &key.root, Timestamp::now()).await?;
        Ok(tx.commit().await?)
    }

    async fn rewrap(&self, owner: Owner, purpose: Purpose, old: &WrappedKey, new: &Wrapped) -> Result<(), RecordFault> {
        let mut tx = self.tenant(row_owner(owner)).await?;
        let (name, at) = (purpose.name(), Timestamp::now());
        tx.rewrap_key(name, old.version, &old.wrapped, &new.bytes, &new.root, at).await?;
        Ok(tx.commit().await?)
    }
}

fn row_owner(owner: Owner) -> TenantId {
    match owner {
        Owner::System => SYSTEM_TENANT,
        Owner::Tenant(tenant) => tenant,
    }
}

fn from_row(row: lock_store::WrappedKey) -> WrappedKey {
    let state = match row.state {
        TenantKeyState::Active => KeyState::Active,
        TenantKeyState::DecryptOnly => KeyState::DecryptOnly,
        TenantKeyState::Destroyed => KeyState::Destroyed,
    };
    WrappedKey { version: row.version, wrapped: row.wrapped, root: row.root, state }
}

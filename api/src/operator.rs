//! What an operator does by hand with everybody's keys: `lock-api rewrap-all` and `lock-api end-rotation`.
//!
//! Both work on the record and the key-management service alone, so that they run where the API could, with its settings, also while everything
//! else is running. They may be interrupted and begun again. They must not show a key or a secret: what is printed is names.

use lock_domain::{
    Timestamp,
    event::Event,
    ids::{PropertyId, RotationId, TenantId},
};
use lock_kms::{DataKeys, KeyError, Owner, Rewrapping, rewrap_all};
use lock_store::{SealedColumn, Store, StoreError};
use std::{collections::BTreeSet, fmt::Write as _};

/// Why a command did not come to its end. What it has done until then is done.
#[derive(Debug, thiserror::Error)]
pub enum OperatorError {
    /// The record.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// The data keys' part of the record.
    #[error(transparent)]
    Key(#[from] KeyError),
}

/// Wraps every data key of every tenant and of the system anew; see [`rewrap_all`] for `away`. `told` hears of each owner that is done.
///
/// # Errors
/// When the record does not answer.
pub async fn rewrap_everything(
    store: &Store,
    keys: &DataKeys,
    away: Option<&str>,
    told: impl FnMut(Owner),
) -> Result<Rewrapping, OperatorError> {
    let tenants = store.tenants().await?.into_iter().map(|tenant| Owner::from(tenant.id));
    let owners: BTreeSet<Owner> = tenants.chain([Owner::System]).collect();
    Ok(rewrap_all(keys, &owners, away, told).await?)
}

/// What [`rewrap_everything`] did, for a person: a line for each root key and for each data key that is left.
pub fn in_words(done: &Rewrapping) -> String {
    let mut text = format!("{} data keys wrapped anew\n", done.rewrapped);
    let named = |root: &str| if root.is_empty() { "a root key that was not noted".to_owned() } else { root.to_owned() };
    for (root, keys) in &done.roots {
        let _ = writeln!(text, "{keys} under {}", named(root));
    }
    for key in &done.left {
        let why = key.trouble.as_ref().map_or_else(String::new, |error| format!(": {error}"));
        let _ = writeln!(
            text,
            "left: {} {} {} under {}{why}",
            key.owner,
            key.purpose.name(),
            key.version,
            named(&key.root)
        );
    }
    text.push_str(match done.left.is_empty() {
        true => "nothing is left under another root key\n",
        false => "do not take the former root key away\n",
    });
    text
}

/// Ends the rotation of a tenant that can't go on: it is done as far as it is, what is not moved counts as left behind, and no version is retired. Its
/// workflow finds that at its next step. Returns which one it was.
///
/// # Errors
/// When the record does not answer; then nothing has changed.
pub async fn end_rotation(store: &Store, tenant: TenantId) -> Result<Option<RotationId>, StoreError> {
    let mut tx = store.tenant(tenant).await?;
    let Some(id) = tx.rotation_under_way().await? else { return Ok(None) };
    let Some(row) = tx.rotation_for_update(id).await?.filter(|row| row.finished_at.is_none()) else { return Ok(None) };
    let mut left = 0;
    if let Some(version) = row.rows_version {
        for column in SealedColumn::ALL {
            left += tx.count_sealed_before(*column, version).await?;
        }
    }
    let now = Timestamp::now();
    tx.finish_rotation(id, left, now).await?;
    let (rewrapped, resealed) = (row.rewrapped, row.resealed);
    let event = Event::VaultRotationFinished { rotation: id, rewrapped, resealed, left_behind: left };
    tx.append(now, PropertyId::NONE, None, &[event]).await?;
    tx.commit().await?;
    Ok(Some(id))
}

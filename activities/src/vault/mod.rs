//! The steps of a rotation of keys; see [`lock_workflows::rotation`].
//!
//! Each is one transaction for its batch, and finds what an earlier run of it has done: a version that exists is not made again, a value
//! under the new version is not touched, a rotation that is over stays over. Values are opened and sealed in memory between reading and
//! writing; one that somebody has changed meanwhile is left alone, because what stands there now is newer. Must not know vendors.
//!
//! A data key that is damaged or refused for good holds nothing up: it is passed over and counted, and so is what lies under it. A root key that
//! refuses everything holds everything up, until it is enabled or an operator ends the rotation; each step finds that, too.

#![allow(missing_docs, reason = "the macro adds an undocumented constant beside each activity")]

use crate::failure;
use jiff::Timestamp;
use lock_domain::{
    event::Event,
    ids::{PropertyId, TenantId},
    problem::Code,
    vault::RotationRef,
};
use lock_kms::{DataKeys, KeyError, KmsError, Owner, Place, Purpose, SETTLE, SealError};
use lock_store::{Resealed, RotationRow, RotationState, SealedColumn, Store, StoreError};
use lock_workflows::rotation::{
    FinishAsk, Finished, ResealAsk, ResealedBatch, RewrapAsk, RewrapCursor, Rewrapped, RotationPlan,
};
use std::{collections::BTreeSet, sync::Arc, time::Duration};
use temporalio_macros::activities;
use temporalio_sdk::activities::{ActivityContext, ActivityError};
use uuid::Uuid;

/// Values that one transaction moves: a few milliseconds of work, and rows that nobody else can change for as long.
const VALUES: u32 = 100;
/// Rows that are read by one statement in search of values to move.
const PAGE: u32 = 5_000;
/// Statements of one transaction, at most.
const PAGES: u32 = 20;
/// Data keys that one try wraps anew: each is a call of the key-management service.
const KEYS: usize = 10;
/// While the root key refuses, it is asked so often.
const LOCKED_PAUSE: Duration = Duration::from_secs(30);

/// The steps.
#[derive(Clone)]
pub struct Vault {
    /// The record.
    pub store: Store,
    /// The keys.
    pub keys: DataKeys,
}

/// Why a step could not be taken now.
#[derive(Debug, thiserror::Error)]
enum Trouble {
    #[error(transparent)]
    Store(#[from] StoreError),
    #[error(transparent)]
    Key(#[from] KeyError),
    #[error("there is no such rotation")]
    Unknown,
    #[error("a cursor names nothing that there is")]
    Cursor,
    #[error(
        "the key-management service uses several root keys for one tenant: it has not heard yet which one is his now"
    )]
    Roots,
}

fn again(trouble: Trouble) -> ActivityError {
    match trouble {
        Trouble::Store(error) => failure::record(&error),
        Trouble::Key(error) if error.is_denied() => {
            tracing::warn!(%error, "a rotation waits for the root key");
            failure::again(Code::VaultLocked, Some(LOCKED_PAUSE))
        }
        other => {
            tracing::error!(error = %other, "a rotation can't go on");
            failure::again(Code::Unavailable, None)
        }
    }
}

#[activities]
impl Vault {
    #[activity(definition = lock_workflows::rotation::RotationBegin)]
    pub async fn rotation_begin(
        self: Arc<Self>,
        _ctx: ActivityContext,
        id: RotationRef,
    ) -> Result<RotationPlan, ActivityError> {
        self.begin(id).await.map_err(again)
    }

    #[activity(definition = lock_workflows::rotation::RotationRewrap)]
    pub async fn rotation_rewrap(
        self: Arc<Self>,
        _ctx: ActivityContext,
        ask: RewrapAsk,
    ) -> Result<Rewrapped, ActivityError> {
        self.rewrap(ask).await.map_err(again)
    }

    #[activity(definition = lock_workflows::rotation::RotationReseal)]
    pub async fn rotation_reseal(
        self: Arc<Self>,
        _ctx: ActivityContext,
        ask: ResealAsk,
    ) -> Result<ResealedBatch, ActivityError> {
        self.reseal(ask).await.map_err(again)
    }

    #[activity(definition = lock_workflows::rotation::RotationFinish)]
    pub async fn rotation_finish(
        self: Arc<Self>,
        _ctx: ActivityContext,
        ask: FinishAsk,
    ) -> Result<Finished, ActivityError> {
        self.finished(ask).await
    }
}

impl Vault {
    /// The last step, as the activity takes it; for whoever is no worker.
    ///
    /// # Errors
    /// It can't be taken yet: the record, a root key that refuses, or data keys that are not all under one root key.
    pub async fn finished(&self, ask: FinishAsk) -> Result<Finished, ActivityError> {
        self.finish(ask).await.map_err(again)
    }

    /// Which versions are made is decided once and recorded; then they are made, however often that takes.
    async fn begin(&self, id: RotationRef) -> Result<RotationPlan, Trouble> {
        let owner = Owner::from(id.tenant);
        let mut next = [None, None];
        for (next, purpose) in next.iter_mut().zip([Purpose::Rows, Purpose::Histories]) {
            // A tenant without a key of a kind gets its first one now, so that the new one is the second.
            self.keys.ensure(owner, purpose, 1).await?;
            *next = self.keys.versions(owner, purpose).await?.last().map(|(version, _)| version + 1);
        }
        let now = Timestamp::now();
        let mut tx = self.store.tenant(id.tenant).await?;
        let row = tx.rotation_for_update(id.rotation).await?.ok_or(Trouble::Unknown)?;
        if row.state == RotationState::Done {
            return Ok(RotationPlan { tenant: id.tenant, root_keys: false, data_keys: false, settle: Duration::ZERO });
        }
        if row.state == RotationState::Accepted {
            let [rows, histories] = next.map(|next| next.filter(|_| row.wish.data_keys));
            tx.begin_rotation(id.rotation, rows, histories, now).await?;
            let begun = Event::VaultRotationBegun {
                rotation: id.rotation,
                root_keys: row.wish.root_keys,
                data_keys: row.wish.data_keys,
                by: row.asked_by,
            };
            tx.append(now, PropertyId::NONE, None, &[begun]).await?;
        }
        let row = tx.rotation(id.rotation).await?.ok_or(Trouble::Unknown)?;
        tx.commit().await?;
        for (purpose, version) in [(Purpose::Rows, row.rows_version), (Purpose::Histories, row.histories_version)] {
            if let Some(version) = version {
                self.keys.ensure(owner, purpose, version).await?;
            }
        }
        let (root_keys, data_keys) = (row.wish.root_keys, row.wish.data_keys);
        Ok(RotationPlan { tenant: id.tenant, root_keys, data_keys, settle: SETTLE })
    }

    async fn rewrap(&self, ask: RewrapAsk) -> Result<Rewrapped, Trouble> {
        let RewrapAsk { id, after } = ask;
        if self.row(id).await?.state == RotationState::Done {
            return Ok(Rewrapped { tenant: id.tenant, done: 0, next: None });
        }
        let owner = Owner::from(id.tenant);
        let mut waiting = Vec::new();
        for (number, purpose) in (0..).zip(Purpose::ALL) {
            for (version, _) in self.keys.versions(owner, purpose).await? {
                let later = after.as_ref().is_none_or(|after| (number, version) > (after.purpose, after.version));
                if later {
                    waiting.push((purpose, RewrapCursor { purpose: number, version }));
                }
            }
        }
        let more = waiting.len() > KEYS;
        waiting.truncate(KEYS);
        let mut done = 0;
        for (purpose, cursor) in &waiting {
            done += u32::from(self.wrapped_anew(owner, *purpose, cursor.version).await?.is_some());
        }
        let mut tx = self.store.tenant(id.tenant).await?;
        tx.count_rotation(id.rotation, done, 0).await?;
        tx.commit().await?;
        let next = waiting.pop().map(|(_, cursor)| cursor).filter(|_| more);
        Ok(Rewrapped { tenant: id.tenant, done, next })
    }

    async fn reseal(&self, ask: ResealAsk) -> Result<ResealedBatch, Trouble> {
        let ResealAsk { id, column: number, after } = ask;
        let place = usize::try_from(number).map_err(|_| Trouble::Cursor)?;
        let column = *SealedColumn::ALL.get(place).ok_or(Trouble::Cursor)?;
        let after = after.map(|row| row.parse::<Uuid>()).transpose().map_err(|_| Trouble::Cursor)?;
        let over = || ResealedBatch { tenant: id.tenant, done: 0, next: None, more_columns: false };
        if self.row(id).await?.state == RotationState::Done {
            return Ok(over());
        }
        // A key that can't be had now stops the batch before its transaction begins.
        self.keys.usable(id.tenant).await?;
        let mut tx = self.store.tenant(id.tenant).await?;
        let row = tx.rotation(id.rotation).await?.ok_or(Trouble::Unknown)?;
        let Some(version) = row.rows_version else {
            return Ok(over());
        };
        // In a later pass hardly anything is found, and a table may be long.
        let (mut found, mut next) = (Vec::new(), after);
        for _ in 0..PAGES {
            let until = tx.sealed_bound(column, next, PAGE).await?;
            let wanted = VALUES - u32::try_from(found.len()).unwrap_or(VALUES);
            found.append(&mut tx.sealed_before(column, version, (next, until), wanted).await?);
            let full = found.len() >= VALUES as usize;
            next = if full { found.last().map(|last| last.row) } else { until };
            if full || next.is_none() {
                break;
            }
        }
        let next = next.map(|row| row.to_string());
        let mut fresh = Vec::with_capacity(found.len());
        for one in found {
            let place = Place { table: column.table(), column: column.column(), row: one.row };
            match self.keys.reseal(id.tenant, &place, &one.sealed, version).await {
                Ok(Some(new)) => fresh.push(Resealed { row: one.row, old: one.sealed, new }),
                Ok(None) => {}
                // What is damaged stays as it is, and is counted at the end.
                Err(SealError::Open(error)) => {
                    tracing::error!(%error, tenant = %id.tenant, place = column.table(), row = %one.row, "a sealed value does not open");
                }
                // A target that this process does not know yet is no damage: the batch is tried again.
                Err(SealError::Key(error @ KeyError::Gone { version: gone, .. })) if gone != version => {
                    tracing::error!(%error, tenant = %id.tenant, place = column.table(), row = %one.row, "a sealed value does not open");
                }
                // Of its data key; or of the root key, and then the newest version is refused as well.
                Err(SealError::Key(error @ KeyError::Kms(KmsError::Corrupt | KmsError::Denied))) => {
                    self.keys.usable(id.tenant).await?;
                    tracing::error!(%error, tenant = %id.tenant, place = column.table(), row = %one.row, "a sealed value does not open");
                }
                Err(SealError::Key(error)) => return Err(error.into()),
                Err(SealError::Random) => return Err(KeyError::Random.into()),
            }
        }
        let done = u32::try_from(tx.replace_sealed(column, &fresh).await?).unwrap_or(u32::MAX);
        tx.count_rotation(id.rotation, 0, done).await?;
        tx.commit().await?;
        Ok(ResealedBatch { tenant: id.tenant, done, next, more_columns: place + 1 < SealedColumn::ALL.len() })
    }

    async fn finish(&self, ask: FinishAsk) -> Result<Finished, Trouble> {
        let FinishAsk { id, last } = ask;
        let row = self.row(id).await?;
        let roots = row.wish.root_keys && row.state != RotationState::Done;
        let refused = if roots { self.under_one_root(Owner::from(id.tenant)).await? } else { 0 };
        let mut tx = self.store.tenant(id.tenant).await?;
        let row = tx.rotation_for_update(id.rotation).await?.ok_or(Trouble::Unknown)?;
        if row.state == RotationState::Done {
            return Ok(Finished { tenant: id.tenant, left: row.left_behind.unwrap_or(0), over: true });
        }
        let mut left = 0;
        for column in SealedColumn::ALL.iter().filter(|_| row.rows_version.is_some()) {
            left += tx.count_sealed_before(*column, row.rows_version.unwrap_or(0)).await?;
        }
        let over = left == 0 || last;
        if over {
            retire(&mut tx, &row, left).await?;
            left += refused;
            let now = Timestamp::now();
            tx.finish_rotation(id.rotation, left, now).await?;
            let (rewrapped, resealed) = (row.rewrapped, row.resealed);
            let event = Event::VaultRotationFinished { rotation: id.rotation, rewrapped, resealed, left_behind: left };
            tx.append(now, PropertyId::NONE, None, &[event]).await?;
            log(id.tenant, &row, left);
        }
        tx.commit().await?;
        Ok(Finished { tenant: id.tenant, left, over })
    }

    async fn row(&self, id: RotationRef) -> Result<RotationRow, Trouble> {
        let mut tx = self.store.tenant(id.tenant).await?;
        tx.rotation(id.rotation).await?.ok_or(Trouble::Unknown)
    }

    /// Wraps a version anew and returns under which root key; `None` if there is nothing to wrap, or it is lost: damaged, or refused while the
    /// newest key of the columns is not.
    async fn wrapped_anew(&self, owner: Owner, purpose: Purpose, version: u32) -> Result<Option<String>, KeyError> {
        let error = match self.keys.rewrap(owner, purpose, version).await {
            Ok(root) => return Ok(root),
            Err(error) => error,
        };
        let lost = match &error {
            KeyError::Kms(KmsError::Corrupt) => true,
            KeyError::Kms(KmsError::Denied) => {
                let newest = self.keys.roots(owner, Purpose::Rows).await?.into_keys().next_back();
                let another = newest.filter(|newest| (Purpose::Rows, *newest) != (purpose, version));
                match another {
                    Some(newest) => self.keys.rewrap(owner, Purpose::Rows, newest).await.is_ok(),
                    None => false,
                }
            }
            _ => false,
        };
        if !lost {
            return Err(error);
        }
        tracing::error!(%error, %owner, purpose = purpose.name(), version, "a data key can't be wrapped anew");
        Ok(None)
    }

    /// All data keys are under one root key, but for those that are lost: returns how many. A service may take a while until it uses the new root key
    /// in every answer; it says with each which one it has used, so that two of them mean that it is not done.
    async fn under_one_root(&self, owner: Owner) -> Result<u64, Trouble> {
        let mut stored = Vec::new();
        for purpose in Purpose::ALL {
            let roots = self.keys.roots(owner, purpose).await?;
            stored.extend(roots.into_iter().map(|(version, root)| (purpose, version, root)));
        }
        if stored.iter().map(|(.., root)| root).collect::<BTreeSet<_>>().len() < 2 {
            return Ok(0);
        }
        let (mut used, mut refused) = (BTreeSet::new(), 0);
        for (purpose, version, _) in stored {
            match self.wrapped_anew(owner, purpose, version).await? {
                Some(root) => drop(used.insert(root)),
                None => refused += 1,
            }
        }
        if used.len() > 1 { Err(Trouble::Roots) } else { Ok(refused) }
    }
}

/// Old versions seal nothing any more. Those of columns go on as they are if something is left under them: it may be that it opens later.
async fn retire(tx: &mut lock_store::TenantTx<'_>, row: &RotationRow, left: u64) -> Result<(), StoreError> {
    if let Some(version) = row.rows_version.filter(|_| left == 0) {
        tx.retire_keys_before(Purpose::Rows.name(), version).await?;
    }
    if let Some(version) = row.histories_version {
        tx.retire_keys_before(Purpose::Histories.name(), version).await?;
    }
    Ok(())
}

fn log(tenant: TenantId, row: &RotationRow, left: u64) {
    let (rewrapped, resealed) = (row.rewrapped, row.resealed);
    tracing::info!(%tenant, rotation = %row.id, rewrapped, resealed, left, "a rotation of keys is done");
}

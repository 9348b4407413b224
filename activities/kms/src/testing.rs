//! Doubles for this crate's tests: a KMS that counts, fails and hangs, a store in memory, and a folder that goes away.
#![allow(clippy::unwrap_used)]

use crate::{
    DataKeys, Kms, KmsError, Owner, Purpose, Wrapped, WrappedKey, WrappedKeys,
    data_keys::{KeyState, RecordFault},
};
use async_trait::async_trait;
use lock_domain::ids::TenantId;
use std::{
    collections::BTreeMap,
    os::unix::fs::DirBuilderExt,
    path::{Path, PathBuf},
    sync::{
        Arc, Mutex,
        atomic::{AtomicBool, AtomicUsize, Ordering::SeqCst},
    },
};
use uuid::Uuid;
use zeroize::Zeroizing;

pub(crate) fn tenant(n: u128) -> Owner {
    TenantId::from_uuid(Uuid::from_u128(n)).into()
}

/// Keys over a local KMS and a store in memory, with faults.
pub(crate) struct Rig {
    pub(crate) keys: DataKeys,
    pub(crate) kms: Arc<FaultyKms>,
    pub(crate) record: Arc<MemoryRecord>,
}

impl Rig {
    pub(crate) fn new() -> Self {
        let (kms, record) = (Arc::new(FaultyKms::new()), Arc::new(MemoryRecord::default()));
        Self { keys: DataKeys::new(kms.clone(), record.clone()), kms, record }
    }

    pub(crate) fn another_process(&self) -> DataKeys {
        DataKeys::new(self.kms.clone(), self.record.clone())
    }
}

pub(crate) struct FaultyKms {
    pub(crate) inner: crate::LocalFileKms,
    pub(crate) dir: TempDir,
    fault: Mutex<Option<KmsError>>,
    hangs: AtomicBool,
    answers: tokio::sync::Notify,
    wraps: AtomicUsize,
    unwraps: AtomicUsize,
}

impl FaultyKms {
    fn new() -> Self {
        let dir = TempDir::new();
        let inner = crate::LocalFileKms::open(dir.path()).unwrap();
        Self {
            inner,
            dir,
            fault: Mutex::default(),
            hangs: AtomicBool::default(),
            answers: tokio::sync::Notify::new(),
            wraps: AtomicUsize::default(),
            unwraps: AtomicUsize::default(),
        }
    }

    pub(crate) fn fail(&self, fault: Option<KmsError>) {
        *self.fault.lock().unwrap() = fault;
    }

    pub(crate) fn hang(&self, hangs: bool) {
        self.hangs.store(hangs, SeqCst);
    }

    /// Calls that hang go on.
    pub(crate) fn answer(&self) {
        self.answers.notify_waiters();
    }

    pub(crate) fn wraps(&self) -> usize {
        self.wraps.load(SeqCst)
    }

    pub(crate) fn unwraps(&self) -> usize {
        self.unwraps.load(SeqCst)
    }

    async fn called(&self, counter: &AtomicUsize) -> Result<(), KmsError> {
        counter.fetch_add(1, SeqCst);
        tokio::task::yield_now().await;
        if self.hangs.load(SeqCst) {
            self.answers.notified().await;
        }
        self.fault.lock().unwrap().clone().map_or(Ok(()), Err)
    }
}

#[async_trait]
impl Kms for FaultyKms {
    async fn wrap(&self, owner: Owner, purpose: Purpose, key: &[u8; 32]) -> Result<Wrapped, KmsError> {
        self.called(&self.wraps).await?;
        self.inner.wrap(owner, purpose, key).await
    }

    async fn unwrap(&self, owner: Owner, purpose: Purpose, wrapped: &[u8]) -> Result<Zeroizing<[u8; 32]>, KmsError> {
        self.called(&self.unwraps).await?;
        self.inner.unwrap(owner, purpose, wrapped).await
    }

    async fn rewrap(&self, owner: Owner, purpose: Purpose, wrapped: &[u8]) -> Result<Wrapped, KmsError> {
        self.called(&self.wraps).await?;
        self.inner.rewrap(owner, purpose, wrapped).await
    }
}

#[derive(Default)]
pub(crate) struct MemoryRecord {
    keys: Mutex<BTreeMap<(Owner, Purpose, u32), WrappedKey>>,
    fails: AtomicBool,
}

impl MemoryRecord {
    pub(crate) fn fail(&self, fails: bool) {
        self.fails.store(fails, SeqCst);
    }

    fn answer(&self) -> Result<(), RecordFault> {
        if self.fails.load(SeqCst) { Err("down".into()) } else { Ok(()) }
    }

    /// Enters a version in this wrapping.
    pub(crate) fn put(&self, owner: Owner, purpose: Purpose, version: u32, wrapped: Wrapped) {
        let key = WrappedKey { version, wrapped: wrapped.bytes, root: wrapped.root, state: KeyState::Active };
        self.keys.lock().unwrap().insert((owner, purpose, version), key);
    }

    /// Changes a version's state.
    pub(crate) fn set(&self, owner: Owner, purpose: Purpose, version: u32, state: KeyState) {
        self.keys.lock().unwrap().get_mut(&(owner, purpose, version)).unwrap().state = state;
    }
}

#[async_trait]
impl WrappedKeys for MemoryRecord {
    async fn all(&self, owner: Owner, purpose: Purpose) -> Result<Vec<WrappedKey>, RecordFault> {
        tokio::task::yield_now().await;
        self.answer()?;
        let keys = self.keys.lock().unwrap();
        let range = keys.range((owner, purpose, 0)..=(owner, purpose, u32::MAX));
        Ok(range.map(|(_, key)| key.clone()).collect())
    }

    async fn insert_if_absent(&self, owner: Owner, purpose: Purpose, key: &WrappedKey) -> Result<(), RecordFault> {
        self.answer()?;
        self.keys.lock().unwrap().entry((owner, purpose, key.version)).or_insert_with(|| key.clone());
        Ok(())
    }

    async fn rewrap(&self, owner: Owner, purpose: Purpose, old: &WrappedKey, new: &Wrapped) -> Result<(), RecordFault> {
        self.answer()?;
        let mut keys = self.keys.lock().unwrap();
        let held = keys.get_mut(&(owner, purpose, old.version)).filter(|held| held.wrapped == old.wrapped);
        if let Some(held) = held {
            (held.wrapped, held.root) = (new.bytes.clone(), new.root.clone());
        }
        Ok(())
    }
}

/// A folder of its own for one test, removed afterwards.
pub(crate) struct TempDir(PathBuf);

impl TempDir {
    pub(crate) fn new() -> Self {
        let path = std::env::temp_dir().join(format!("lock-kms-{}", Uuid::new_v4().simple()));
        std::fs::DirBuilder::new().mode(0o700).create(&path).unwrap();
        Self(path)
    }

    pub(crate) fn path(&self) -> &Path {
        &self.0
    }
}

impl Drop for TempDir {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.0);
    }
}

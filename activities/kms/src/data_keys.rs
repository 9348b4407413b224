//! Data keys: made once, stored wrapped, unwrapped once per process and kept in memory for a while.
//!
//! - A key lives in memory for [`TTL`] and is then unwrapped again, so that a customer who disables his root key locks his data within
//!   that time. A denial is remembered for [`DENIAL`], so that it does not become a storm of calls.
//! - While the KMS does not answer, keys that were in use go on working for [`GRACE`]: doors that are already authorised must open.
//!   New tenants wait. A denial ends that at once.
//! - Any number of callers that need the same key cost one call to the KMS.
//!
//! Writers use the newest version; older ones only open what they sealed. A version that is not stored, or marked as destroyed, is gone, and
//! with it everything under it; nothing makes a new one in its place but [`DataKeys::rotate`] and [`DataKeys::ensure`]. A process that
//! has not heard of a new version goes on sealing under the one before for at most [`SETTLE`].

use crate::seal::Place;
use crate::{
    accesses::OpenWatch,
    aead::{Key, random},
    port::{Kms, KmsError, Owner, RetryClass, Wrapped},
};
use async_trait::async_trait;
use lock_store::AccessOutcome;
use std::{
    collections::BTreeMap,
    error::Error,
    sync::{Arc, Mutex as StdMutex, PoisonError},
    time::Duration,
};
use tokio::{
    sync::Mutex,
    time::{Instant, timeout},
};
use zeroize::Zeroizing;

/// How long an unwrapped key is used without asking the KMS again.
pub const TTL: Duration = Duration::from_secs(300);
/// How long beyond [`TTL`] it is used if the KMS does not answer.
pub const GRACE: Duration = Duration::from_secs(3600);
/// Between the look at a key's age and the end of the transaction that stores what was sealed under it there are at most a try at loading
/// it anew and a statement's time limit; two minutes are several times that.
const MARGIN: Duration = Duration::from_secs(120);
/// After so long nobody seals under an earlier version any more: every process has unwrapped anew, or uses no key.
pub const SETTLE: Duration = Duration::from_secs(TTL.as_secs() + GRACE.as_secs() + MARGIN.as_secs());
/// How long a denial, or the absence of a version, is believed without asking again.
pub const DENIAL: Duration = Duration::from_secs(5);
/// How long the KMS has for one answer.
pub const KMS_TIMEOUT: Duration = Duration::from_secs(5);

/// What a data key is for. Each purpose has keys of its own.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Purpose {
    /// Sealed columns of the database.
    Rows,
    /// Payloads in workflow histories.
    Histories,
    /// Fingerprints, by which sealed values are compared. Has one version for ever: another key would make equal values differ.
    Fingerprint,
}

impl Purpose {
    /// Every one.
    pub const ALL: [Self; 3] = [Self::Rows, Self::Histories, Self::Fingerprint];

    /// The purpose's name, as in SQL.
    pub fn name(self) -> &'static str {
        match self {
            Self::Rows => "rows",
            Self::Histories => "histories",
            Self::Fingerprint => "fingerprint",
        }
    }
}

/// What a stored data key may still be used for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum KeyState {
    /// Seals and opens.
    Active,
    /// Opens what it sealed.
    DecryptOnly,
    /// Does neither any more; its version is not given again.
    Destroyed,
}

/// A data key as it is stored.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct WrappedKey {
    /// From 1, without gaps when made.
    pub version: u32,
    /// What [`Kms::wrap`] returned. Of no meaning if destroyed.
    pub wrapped: Vec<u8>,
    /// Under which root key, as the service calls it; empty if that was not noted.
    pub root: String,
    /// What it may be used for.
    pub state: KeyState,
}

/// A fault of the store behind [`WrappedKeys`]. Taken for one that passes.
pub type RecordFault = Box<dyn Error + Send + Sync>;

/// Where wrapped keys are stored.
#[async_trait]
pub trait WrappedKeys: Send + Sync {
    /// All versions that exist, in any order.
    async fn all(&self, owner: Owner, purpose: Purpose) -> Result<Vec<WrappedKey>, RecordFault>;

    /// Stores an active version, durably, unless that version exists already; then nothing changes.
    async fn insert_if_absent(&self, owner: Owner, purpose: Purpose, key: &WrappedKey) -> Result<(), RecordFault>;

    /// Puts a version into another wrapping, unless its wrapping is not `old` any more; then nothing changes.
    async fn rewrap(&self, owner: Owner, purpose: Purpose, old: &WrappedKey, new: &Wrapped) -> Result<(), RecordFault>;
}

/// Why there is no key to use. Carries no key material.
#[derive(Debug, Clone, thiserror::Error)]
pub enum KeyError {
    /// The KMS.
    #[error(transparent)]
    Kms(#[from] KmsError),
    /// The store of wrapped keys does not answer.
    #[error("the store of wrapped keys does not answer")]
    Record(#[source] Arc<dyn Error + Send + Sync>),
    /// The version does not exist: destroyed, or never made.
    #[error("version {version} of the {} key of {owner} does not exist", purpose.name())]
    Gone {
        /// Whose.
        owner: Owner,
        /// What for.
        purpose: Purpose,
        /// Which.
        version: u32,
    },
    /// Fingerprint keys are never rotated.
    #[error("a fingerprint key can't be rotated: equal values would no longer be found")]
    Fixed,
    /// The system has no randomness to make a key of.
    #[error("the system's random source does not answer")]
    Random,
}

impl KeyError {
    /// Whether the customer's root key refuses: nothing of his opens until he, or whoever has taken our rights, changes that.
    pub fn is_denied(&self) -> bool {
        matches!(self, Self::Kms(KmsError::Denied))
    }

    /// Whether trying again can help.
    pub fn retry_class(&self) -> RetryClass {
        match self {
            Self::Kms(error) => error.retry_class(),
            Self::Record(_) | Self::Random => RetryClass::Later,
            Self::Gone { .. } | Self::Fixed => RetryClass::Never,
        }
    }
}

type Versions = BTreeMap<u32, Held>;

/// One version in memory.
#[derive(Clone)]
enum Held {
    Active(Arc<Key>),
    DecryptOnly(Arc<Key>),
    Refused(KmsError),
    Destroyed,
}

/// One owner's keys for one purpose, as last loaded, and when a version was last looked for in vain.
#[derive(Default)]
struct Slot(Option<Loaded>, Option<Instant>);

struct Loaded {
    versions: Versions,
    /// Before the record was read: a version that was made later is not among them.
    at: Instant,
    /// The next load is due then.
    due: Instant,
}

/// The outer lock is held for a look-up, a slot's own for a call to the KMS.
type Slots = BTreeMap<(Owner, Purpose), Arc<Mutex<Slot>>>;

/// See the module's description. Cheap to clone; clones share the memory. Each handle says what it opens secrets for.
#[derive(Clone)]
pub struct DataKeys(Arc<Inner>, &'static str);

struct Inner {
    kms: Arc<dyn Kms>,
    record: Arc<dyn WrappedKeys>,
    slots: StdMutex<Slots>,
    watch: Option<Arc<dyn OpenWatch>>,
}

impl DataKeys {
    /// Over a KMS and a store.
    pub fn new(kms: Arc<dyn Kms>, record: Arc<dyn WrappedKeys>) -> Self {
        Self(Arc::new(Inner { kms, record, slots: StdMutex::default(), watch: None }), "other")
    }

    /// The same, with somebody who sees what is opened.
    pub fn watched(kms: Arc<dyn Kms>, record: Arc<dyn WrappedKeys>, watch: Arc<dyn OpenWatch>) -> Self {
        Self(Arc::new(Inner { kms, record, slots: StdMutex::default(), watch: Some(watch) }), "other")
    }

    /// A handle that opens secrets for something: a word, as it stands in the record of accesses.
    pub fn for_purpose(&self, purpose: &'static str) -> Self {
        Self(self.0.clone(), purpose)
    }

    /// Tells who watches that a column was opened, or that it is refused for good.
    pub(crate) fn tell(&self, owner: Owner, place: &Place, outcome: AccessOutcome) {
        if let Some(watch) = &self.0.watch {
            watch.seen(owner, place, self.1, outcome);
        }
    }

    /// Makes the next version, which writers use from now on here, and elsewhere within [`TTL`]. Returns its number.
    pub async fn rotate(&self, owner: Owner, purpose: Purpose) -> Result<u32, KeyError> {
        if purpose == Purpose::Fingerprint {
            return Err(KeyError::Fixed);
        }
        let slot = self.slot(owner, purpose);
        let mut slot = slot.lock().await;
        let stored = self.stored(owner, purpose).await?;
        let version = stored.iter().map(|key| key.version).max().map_or(1, |newest| newest + 1);
        self.make(owner, purpose, version).await?;
        self.load(&mut slot, owner, purpose).await?;
        Ok(version)
    }

    /// Makes a version, unless it exists. Of any number of calls the first makes it.
    pub async fn ensure(&self, owner: Owner, purpose: Purpose, version: u32) -> Result<(), KeyError> {
        if purpose == Purpose::Fingerprint && version > 1 {
            return Err(KeyError::Fixed);
        }
        let slot = self.slot(owner, purpose);
        let mut slot = slot.lock().await;
        if self.stored(owner, purpose).await?.iter().all(|key| key.version != version) {
            self.make(owner, purpose, version).await?;
        }
        self.load(&mut slot, owner, purpose).await?;
        Ok(())
    }

    /// The versions that are stored, in ascending order.
    pub async fn versions(&self, owner: Owner, purpose: Purpose) -> Result<Vec<(u32, KeyState)>, KeyError> {
        let stored = self.stored(owner, purpose).await?;
        Ok(stored.iter().map(|key| (key.version, key.state)).collect::<BTreeMap<_, _>>().into_iter().collect())
    }

    /// Wraps a version anew under the root key that is the owner's now. A destroyed one, or one that is not stored, is left alone.
    /// Keys in memory stay as they are: it is the same key. Returns the root key's name.
    pub async fn rewrap(&self, owner: Owner, purpose: Purpose, version: u32) -> Result<Option<String>, KeyError> {
        let stored = self.stored(owner, purpose).await?;
        let Some(old) = stored.into_iter().find(|key| key.version == version && key.state != KeyState::Destroyed)
        else {
            return Ok(None);
        };
        let new = timeout(KMS_TIMEOUT, self.0.kms.rewrap(owner, purpose, &old.wrapped)).await;
        let new = new.unwrap_or_else(|_| Err(late()))?;
        let done = self.0.record.rewrap(owner, purpose, &old, &new).await;
        done.map_err(|fault| KeyError::Record(fault.into()))?;
        Ok(Some(new.root))
    }

    /// Under which root key each version is wrapped, as the service calls it; empty if that was not noted. Without destroyed versions.
    pub async fn roots(&self, owner: Owner, purpose: Purpose) -> Result<BTreeMap<u32, String>, KeyError> {
        let stored = self.stored(owner, purpose).await?.into_iter();
        Ok(stored.filter(|key| key.state != KeyState::Destroyed).map(|key| (key.version, key.root)).collect())
    }

    /// Whether an owner's columns can be opened and sealed just now. Asks the service no more often than any other use.
    pub async fn usable(&self, owner: impl Into<Owner>) -> Result<(), KeyError> {
        self.newest(owner.into(), Purpose::Rows).await.map(|_| ())
    }

    /// The key that writers use; made if there is none yet.
    pub(crate) async fn newest(&self, owner: Owner, purpose: Purpose) -> Result<Arc<Key>, KeyError> {
        let slot = self.slot(owner, purpose);
        let mut slot = slot.lock().await;
        let loaded = self.fresh(&mut slot, owner, purpose).await?;
        if !loaded.versions.is_empty() {
            return loaded.newest(owner, purpose);
        }
        if let Err(error) = self.make(owner, purpose, 1).await {
            if let KeyError::Kms(refusal @ (KmsError::Denied | KmsError::Corrupt)) = &error {
                let now = Instant::now();
                let versions = Versions::from([(1, Held::Refused(refusal.clone()))]);
                slot.0 = Some(Loaded { versions, at: now, due: now + DENIAL });
            }
            return Err(error);
        }
        self.load(&mut slot, owner, purpose).await?.newest(owner, purpose)
    }

    /// One version, to open what it sealed.
    pub(crate) async fn version(&self, owner: Owner, purpose: Purpose, version: u32) -> Result<Arc<Key>, KeyError> {
        let slot = self.slot(owner, purpose);
        let mut slot = slot.lock().await;
        let mut loaded = self.fresh(&mut slot, owner, purpose).await?;
        if !loaded.versions.contains_key(&version) && slot.1.is_none_or(|missed| missed.elapsed() >= DENIAL) {
            // Another process may have rotated since.
            loaded = self.load(&mut slot, owner, purpose).await?;
            slot.1 = (!loaded.versions.contains_key(&version)).then(Instant::now);
        }
        match loaded.versions.remove(&version) {
            Some(Held::Active(key) | Held::DecryptOnly(key)) => Ok(key),
            Some(Held::Refused(error)) => Err(error.into()),
            Some(Held::Destroyed) | None => Err(KeyError::Gone { owner, purpose, version }),
        }
    }

    fn slot(&self, owner: Owner, purpose: Purpose) -> Arc<Mutex<Slot>> {
        let mut slots = self.0.slots.lock().unwrap_or_else(PoisonError::into_inner);
        // Keys that nobody asks for leave the memory with the next new owner.
        if !slots.contains_key(&(owner, purpose)) {
            slots.retain(|_, slot| {
                let unused = Arc::strong_count(slot) == 1;
                !unused
                    || slot.try_lock().is_ok_and(|slot| slot.0.as_ref().is_some_and(|l| l.at.elapsed() < TTL + GRACE))
            });
        }
        slots.entry((owner, purpose)).or_default().clone()
    }

    async fn fresh(&self, slot: &mut Slot, owner: Owner, purpose: Purpose) -> Result<Copied, KeyError> {
        let (copied, usable) = match &slot.0 {
            None => return self.load(slot, owner, purpose).await,
            Some(loaded) if Instant::now() < loaded.due => return Ok(loaded.copied()),
            Some(loaded) => (loaded.copied(), loaded.at.elapsed() < TTL + GRACE),
        };
        match self.load(slot, owner, purpose).await {
            Err(error) if usable && error.retry_class() == RetryClass::Later => {
                if let Some(loaded) = &mut slot.0 {
                    loaded.due = Instant::now() + DENIAL;
                }
                Ok(copied)
            }
            other => other,
        }
    }

    /// Reads and unwraps all versions. A version that can't be unwrapped for good does not stand in the way of the others.
    async fn load(&self, slot: &mut Slot, owner: Owner, purpose: Purpose) -> Result<Copied, KeyError> {
        let at = Instant::now();
        let (mut versions, mut refused) = (Versions::new(), false);
        for stored in self.stored(owner, purpose).await? {
            let held = if stored.state == KeyState::Destroyed {
                Held::Destroyed
            } else {
                let unwrapped = timeout(KMS_TIMEOUT, self.0.kms.unwrap(owner, purpose, &stored.wrapped)).await;
                match unwrapped.unwrap_or_else(|_| Err(late())) {
                    Ok(key) if stored.state == KeyState::Active => {
                        Held::Active(Arc::new(Key::new(stored.version, &key)))
                    }
                    Ok(key) => Held::DecryptOnly(Arc::new(Key::new(stored.version, &key))),
                    Err(error) if error.retry_class() == RetryClass::Later => return Err(error.into()),
                    Err(error) => {
                        refused = true;
                        Held::Refused(error)
                    }
                }
            };
            versions.insert(stored.version, held);
        }
        // A refusal is believed from when it came, however long that took.
        let due = if refused { Instant::now() + DENIAL } else { at + TTL };
        let loaded = slot.0.insert(Loaded { versions, at, due });
        Ok(loaded.copied())
    }

    async fn stored(&self, owner: Owner, purpose: Purpose) -> Result<Vec<WrappedKey>, KeyError> {
        self.0.record.all(owner, purpose).await.map_err(|fault| KeyError::Record(fault.into()))
    }

    /// Two processes may make the same version at once: the store keeps the first, and both load that one.
    async fn make(&self, owner: Owner, purpose: Purpose, version: u32) -> Result<(), KeyError> {
        let mut key = Zeroizing::new([0; 32]);
        random(&mut *key).map_err(|_| KeyError::Random)?;
        let wrapped =
            timeout(KMS_TIMEOUT, self.0.kms.wrap(owner, purpose, &key)).await.unwrap_or_else(|_| Err(late()))?;
        let wrapped = WrappedKey { version, wrapped: wrapped.bytes, root: wrapped.root, state: KeyState::Active };
        let stored = self.0.record.insert_if_absent(owner, purpose, &wrapped).await;
        stored.map_err(|fault| KeyError::Record(fault.into()))
    }
}

/// A view of what was loaded; the keys in it are shared.
struct Copied {
    versions: Versions,
}

impl Copied {
    /// The highest active version. Never a lower one because a higher is refused: that would undo a rotation.
    fn newest(&self, owner: Owner, purpose: Purpose) -> Result<Arc<Key>, KeyError> {
        for held in self.versions.values().rev() {
            match held {
                Held::Active(key) => return Ok(key.clone()),
                Held::Refused(error) => return Err(error.clone().into()),
                Held::DecryptOnly(_) | Held::Destroyed => {}
            }
        }
        let version = self.versions.keys().next_back().copied().unwrap_or(1);
        Err(KeyError::Gone { owner, purpose, version })
    }
}

impl Loaded {
    fn copied(&self) -> Copied {
        Copied { versions: self.versions.clone() }
    }
}

fn late() -> KmsError {
    KmsError::Unconfirmed("no answer in time".to_owned())
}

#[cfg(test)]
mod tests;

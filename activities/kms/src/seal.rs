//! Sealed columns: a value encrypted for exactly one place in the database.
//!
//! The place is bound to the ciphertext, so that a value copied to another row, column, table or tenant does not open. Fingerprints
//! let sealed values be compared (is this PIN taken?) without opening any.

use crate::{
    aead::{self, NoRandomness, OpenError, tuple},
    data_keys::{DataKeys, KeyError, Purpose},
    port::{Owner, RetryClass},
};
use lock_store::AccessOutcome;
use uuid::Uuid;
use zeroize::Zeroizing;

/// Where a sealed value stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Place {
    /// The table's name.
    pub table: &'static str,
    /// The column's name.
    pub column: &'static str,
    /// The row's id.
    pub row: Uuid,
}

/// Why a value was not sealed or opened. Carries neither key nor value.
#[derive(Debug, Clone, thiserror::Error)]
pub enum SealError {
    /// There is no key to use.
    #[error(transparent)]
    Key(#[from] KeyError),
    /// The sealed bytes are refused.
    #[error(transparent)]
    Open(#[from] OpenError),
    /// The system has no randomness to give.
    #[error("the system's random source does not answer")]
    Random,
}

impl From<NoRandomness> for SealError {
    fn from(_: NoRandomness) -> Self {
        Self::Random
    }
}

impl SealError {
    /// Whether the customer's root key refuses; see [`KeyError::is_denied`].
    pub fn is_denied(&self) -> bool {
        matches!(self, Self::Key(error) if error.is_denied())
    }

    /// Whether trying again can help.
    pub fn retry_class(&self) -> RetryClass {
        match self {
            Self::Key(error) => error.retry_class(),
            Self::Open(_) => RetryClass::Never,
            Self::Random => RetryClass::Later,
        }
    }
}

impl DataKeys {
    /// Encrypts a value for a place, under the owner's newest key. 79 bytes longer than the value.
    pub async fn seal(&self, owner: impl Into<Owner>, place: &Place, plaintext: &[u8]) -> Result<Vec<u8>, SealError> {
        let owner = owner.into();
        let key = self.newest(owner, Purpose::Rows).await?;
        Ok(key.seal(&place.aad(owner), plaintext)?)
    }

    /// The inverse of [`DataKeys::seal`], for the same owner and place.
    pub async fn open(
        &self,
        owner: impl Into<Owner>,
        place: &Place,
        sealed: &[u8],
    ) -> Result<Zeroizing<Vec<u8>>, SealError> {
        let owner = owner.into();
        let opened = self.opened(owner, place, sealed).await;
        match &opened {
            Ok(_) => self.tell(owner, place, AccessOutcome::Opened),
            Err(error) if error.retry_class() == RetryClass::Never => self.tell(owner, place, AccessOutcome::Refused),
            // Nothing was decided: it will be tried again.
            Err(_) => {}
        }
        opened
    }

    async fn opened(&self, owner: Owner, place: &Place, sealed: &[u8]) -> Result<Zeroizing<Vec<u8>>, SealError> {
        let version = aead::key_version(sealed)?;
        let key = self.version(owner, Purpose::Rows, version).await?;
        Ok(key.open(&place.aad(owner), sealed)?)
    }

    /// What is sealed under an earlier version, under `version` instead; `None` if it is under that one or a later one already.
    pub async fn reseal(
        &self,
        owner: impl Into<Owner>,
        place: &Place,
        sealed: &[u8],
        version: u32,
    ) -> Result<Option<Vec<u8>>, SealError> {
        let owner = owner.into();
        if aead::key_version(sealed)? >= version {
            return Ok(None);
        }
        let plain = self.open(owner, place, sealed).await?;
        let key = self.version(owner, Purpose::Rows, version).await?;
        Ok(Some(key.seal(&place.aad(owner), &plain)?))
    }

    /// HMAC-SHA-256 of a value under a key that only this owner's fingerprints use: equal values of one owner and label have equal
    /// fingerprints, for ever. A short value such as a PIN is as safe as that key, not as safe as a hash would suggest.
    pub async fn fingerprint(&self, owner: impl Into<Owner>, label: &str, bytes: &[u8]) -> Result<[u8; 32], SealError> {
        Ok(self.newest(owner.into(), Purpose::Fingerprint).await?.mac(label, bytes))
    }
}

impl Place {
    /// The key version stands in the sealed header, which is bound as well.
    fn aad(&self, owner: Owner) -> Vec<u8> {
        const SCHEMA: [u8; 1] = [1];
        let owner = owner.to_string();
        let (table, column) = (self.table.as_bytes(), self.column.as_bytes());
        tuple(&[b"lock/sealed-column", &SCHEMA, owner.as_bytes(), table, column, self.row.as_bytes()])
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use crate::{
        data_keys::KeyState,
        testing::{Rig, tenant},
    };
    use proptest::prelude::*;

    const OWNERS: [u128; 3] = [1, 2, 3];
    const NAMES: [&str; 4] = ["key_pins", "guests", "key_pinss", "key_pin"];

    /// An owner, a place and a key version.
    type Seat = (usize, usize, usize, u8, usize);

    fn seat() -> impl Strategy<Value = Seat> {
        (0..OWNERS.len(), 0..NAMES.len(), 0..NAMES.len(), 0..3_u8, 0..2_usize)
    }

    fn of(seat: Seat) -> (Owner, Place) {
        let row = Uuid::from_u128(seat.3.into());
        (tenant(OWNERS[seat.0]), Place { table: NAMES[seat.1], column: NAMES[seat.2], row })
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(64))]
        #[test]
        fn a_sealed_value_opens_in_its_own_place_only(a in seat(), b in seat(), text: Vec<u8>) {
            let runtime = tokio::runtime::Builder::new_current_thread().enable_time().build().unwrap();
            runtime.block_on(async {
                let (rig, old) = (Rig::new(), a.4 == 0);
                let ((owner, place), (owner_b, place_b)) = (of(a), of(b));
                if !old {
                    rig.keys.newest(owner, Purpose::Rows).await.unwrap();
                    rig.keys.rotate(owner, Purpose::Rows).await.unwrap();
                }
                let mut sealed = rig.keys.seal(owner, &place, &text).await.unwrap();
                assert_eq!(sealed.len(), text.len() + 79);
                assert_eq!(&**rig.keys.open(owner, &place, &sealed).await.unwrap(), &text[..]);
                if (owner, place) != (owner_b, place_b) {
                    rig.keys.newest(owner_b, Purpose::Rows).await.unwrap();
                    assert!(rig.keys.open(owner_b, &place_b, &sealed).await.is_err());
                }
                rig.keys.rotate(owner, Purpose::Rows).await.unwrap();
                assert!(rig.keys.open(owner, &place, &sealed).await.is_ok(), "rotation closes nothing");
                let version = u32::from_be_bytes(sealed[3..7].try_into().unwrap());
                sealed[3..7].copy_from_slice(&(3 - version).to_be_bytes());
                assert!(rig.keys.open(owner, &place, &sealed).await.is_err(), "another version is refused");
            });
        }
    }

    #[tokio::test]
    async fn short_or_foreign_bytes_are_errors() {
        let rig = Rig::new();
        let (owner, place) = of((0, 0, 0, 0, 0));
        for (bytes, expected) in
            [(vec![], OpenError::Short), (vec![0; 78], OpenError::Short), (vec![0; 79], OpenError::Format)]
        {
            let error = rig.keys.open(owner, &place, &bytes).await.unwrap_err();
            assert!(matches!(error, SealError::Open(found) if found == expected));
        }
    }

    #[tokio::test]
    async fn resealing_moves_to_a_version_once_and_never_back() {
        let rig = Rig::new();
        let (owner, place) = of((0, 0, 0, 0, 0));
        let first = rig.keys.seal(owner, &place, b"4829").await.unwrap();
        rig.keys.ensure(owner, Purpose::Rows, 2).await.unwrap();
        rig.keys.ensure(owner, Purpose::Rows, 2).await.unwrap();
        assert_eq!(rig.keys.versions(owner, Purpose::Rows).await.unwrap().len(), 2);
        let second = rig.keys.reseal(owner, &place, &first, 2).await.unwrap().unwrap();
        assert_eq!(aead::key_version(&second), Ok(2));
        assert_eq!(&**rig.another_process().open(owner, &place, &second).await.unwrap(), b"4829");
        assert_eq!(rig.keys.reseal(owner, &place, &second, 2).await.unwrap(), None);
        assert_eq!(rig.keys.reseal(owner, &place, &second, 1).await.unwrap(), None);
    }

    #[tokio::test]
    async fn a_destroyed_version_opens_nothing_any_more() {
        let rig = Rig::new();
        let (owner, place) = of((0, 0, 0, 0, 0));
        let sealed = rig.keys.seal(owner, &place, b"4829").await.unwrap();
        rig.keys.rotate(owner, Purpose::Rows).await.unwrap();
        rig.record.set(owner, Purpose::Rows, 1, KeyState::Destroyed);
        let error = rig.another_process().open(owner, &place, &sealed).await.unwrap_err();
        assert!(matches!(error, SealError::Key(KeyError::Gone { version: 1, .. })));
    }

    #[tokio::test]
    async fn fingerprints_are_stable_over_rotation_and_differ_by_owner_and_label() {
        let rig = Rig::new();
        let a = rig.keys.fingerprint(tenant(1), "pin", b"4829").await.unwrap();
        rig.keys.seal(tenant(1), &of((0, 0, 0, 0, 0)).1, b"x").await.unwrap();
        rig.keys.rotate(tenant(1), Purpose::Rows).await.unwrap();
        assert_eq!(rig.another_process().fingerprint(tenant(1), "pin", b"4829").await.unwrap(), a);
        assert_ne!(rig.keys.fingerprint(tenant(2), "pin", b"4829").await.unwrap(), a);
        assert_ne!(rig.keys.fingerprint(tenant(1), "phone", b"4829").await.unwrap(), a);
        assert_ne!(rig.keys.fingerprint(tenant(1), "pin4", b"829").await.unwrap(), a);
    }
}

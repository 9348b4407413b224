//! The one place where bytes are encrypted: XChaCha20-Poly1305 (draft-irtf-cfrg-xchacha) with a key commitment.
//!
//! ```text
//! offset  0     1        2    3            7      31          63
//!         magic version  alg  key version  nonce  commitment  ciphertext and tag
//! ```
//! The 192-bit nonce is random: no count of messages per key has to be kept. Poly1305 alone does not commit to a key, so the header
//! carries HMAC-SHA-256(data key, label): a ciphertext opens under one key only, even to somebody who can choose keys.

use chacha20poly1305::{
    KeyInit, XChaCha20Poly1305, XNonce,
    aead::{Aead, Payload},
};
use hmac::{Hmac, Mac};
use rand::{TryRng, rngs::SysRng};
use sha2::Sha256;
use subtle::ConstantTimeEq;
use zeroize::{Zeroize, Zeroizing};

const MAGIC: u8 = 0xB7;
const FORMAT: u8 = 1;
const XCHACHA: u8 = 1;
const NONCE: std::ops::Range<usize> = 7..31;
const COMMITMENT: std::ops::Range<usize> = 31..63;
const HEADER: usize = COMMITMENT.end;
const TAG: usize = 16;

/// Why sealed bytes were not opened. Never says which byte was wrong.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum OpenError {
    /// Shorter than a header and a tag.
    #[error("the sealed value is too short")]
    Short,
    /// Another magic byte, format or algorithm.
    #[error("the sealed value has an unknown format")]
    Format,
    /// Damaged, moved from another place, or sealed under another key.
    #[error("the sealed value does not belong here, or is damaged")]
    Refused,
}

/// The system has no randomness to give.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("the system's random source does not answer")]
pub struct NoRandomness;

/// A data key, split into one key per use so that no use weakens another.
pub(crate) struct Key {
    pub(crate) version: u32,
    encryption: Zeroizing<[u8; 32]>,
    authentication: Zeroizing<[u8; 32]>,
    commitment: [u8; 32],
}

impl Key {
    pub(crate) fn new(version: u32, data_key: &[u8; 32]) -> Self {
        let part = |label: &str| mac(data_key, &[label.as_bytes()]);
        Self {
            version,
            encryption: Zeroizing::new(part("lock/v1/encryption")),
            authentication: Zeroizing::new(part("lock/v1/authentication")),
            commitment: part("lock/v1/commitment"),
        }
    }

    /// HMAC-SHA-256 of a label and bytes.
    pub(crate) fn mac(&self, label: &str, bytes: &[u8]) -> [u8; 32] {
        mac(&self.authentication, &[&tuple(&[label.as_bytes()]), bytes])
    }

    pub(crate) fn seal(&self, aad: &[u8], plaintext: &[u8]) -> Result<Vec<u8>, NoRandomness> {
        let mut nonce = [0; 24];
        random(&mut nonce)?;
        let mut sealed = Vec::with_capacity(HEADER + plaintext.len() + TAG);
        sealed.extend([MAGIC, FORMAT, XCHACHA]);
        sealed.extend(self.version.to_be_bytes());
        sealed.extend(nonce);
        sealed.extend(self.commitment);
        let bound = [&sealed[..NONCE.start], aad].concat();
        // The cipher refuses only texts of more than 256 GiB; such a text can't be in memory here.
        let body = self.cipher().encrypt(&XNonce::from(nonce), Payload { msg: plaintext, aad: &bound });
        sealed.extend(body.map_err(|_| NoRandomness)?);
        Ok(sealed)
    }

    pub(crate) fn open(&self, aad: &[u8], sealed: &[u8]) -> Result<Zeroizing<Vec<u8>>, OpenError> {
        if key_version(sealed)? != self.version || !bool::from(sealed[COMMITMENT].ct_eq(&self.commitment)) {
            return Err(OpenError::Refused);
        }
        let nonce: [u8; 24] = sealed[NONCE].try_into().map_err(|_| OpenError::Short)?;
        let bound = [&sealed[..NONCE.start], aad].concat();
        let payload = Payload { msg: &sealed[HEADER..], aad: &bound };
        self.cipher().decrypt(&XNonce::from(nonce), payload).map(Zeroizing::new).map_err(|_| OpenError::Refused)
    }

    fn cipher(&self) -> XChaCha20Poly1305 {
        XChaCha20Poly1305::new(&(*self.encryption).into())
    }
}

/// The key version that sealed bytes name, after a check of length and format.
pub(crate) fn key_version(sealed: &[u8]) -> Result<u32, OpenError> {
    if sealed.len() < HEADER + TAG {
        return Err(OpenError::Short);
    }
    match sealed {
        [MAGIC, FORMAT, XCHACHA, a, b, c, d, ..] => Ok(u32::from_be_bytes([*a, *b, *c, *d])),
        _ => Err(OpenError::Format),
    }
}

/// Parts, each with its length in front, so that no two different tuples have the same bytes.
pub(crate) fn tuple(parts: &[&[u8]]) -> Vec<u8> {
    let mut bytes = Vec::with_capacity(parts.iter().map(|part| part.len() + 8).sum());
    for part in parts {
        bytes.extend((part.len() as u64).to_be_bytes());
        bytes.extend(*part);
    }
    bytes
}

pub(crate) fn random(bytes: &mut [u8]) -> Result<(), NoRandomness> {
    SysRng.try_fill_bytes(bytes).map_err(|_| NoRandomness)
}

fn mac(key: &[u8; 32], parts: &[&[u8]]) -> [u8; 32] {
    // HMAC pads a key to its block of 64 bytes with zeros (RFC 2104 §2).
    let mut block = hmac::digest::Key::<Hmac<Sha256>>::default();
    block[..32].copy_from_slice(key);
    let mut mac = <Hmac<Sha256> as KeyInit>::new(&block);
    block.zeroize();
    parts.iter().for_each(|part| mac.update(part));
    mac.finalize().into_bytes().into()
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn mac_is_rfc_4231_with_a_zero_padded_key() {
        let mut key = [0; 32];
        key[..4].copy_from_slice(b"Jefe");
        let expected = "5bdcc146bf60754e6a042426089575c75a003f089d2739839dec58b964ec3843";
        assert_eq!(hex::encode(mac(&key, &[b"what do ya want ", b"for nothing?"])), expected);
    }

    proptest! {
        #[test]
        fn round_trips_and_refuses_every_flipped_bit(text: Vec<u8>, at: prop::sample::Index, bit in 0..8_u32) {
            let key = Key::new(3, &[9; 32]);
            let mut sealed = key.seal(b"here", &text).unwrap();
            prop_assert_eq!(&**key.open(b"here", &sealed).unwrap(), &text[..]);
            prop_assert!(key.open(b"there", &sealed).is_err());
            let at = at.index(sealed.len());
            sealed[at] ^= 1 << bit;
            prop_assert!(key.open(b"here", &sealed).is_err());
        }

        #[test]
        fn no_bytes_panic(bytes: Vec<u8>, cut in 0..100_usize) {
            let key = Key::new(3, &[9; 32]);
            prop_assert!(key.open(b"", &bytes).is_err());
            let sealed = key.seal(b"", b"x").unwrap();
            let cut = cut.min(sealed.len() - 1);
            prop_assert!(key.open(b"", &sealed[..cut]).is_err());
        }
    }

    #[test]
    fn another_key_of_the_same_version_is_refused() {
        let sealed = Key::new(1, &[1; 32]).seal(b"", b"x").unwrap();
        assert_eq!(Key::new(1, &[2; 32]).open(b"", &sealed), Err(OpenError::Refused));
    }

    #[test]
    fn tuples_with_moved_borders_differ() {
        assert_ne!(tuple(&[b"ab", b"c"]), tuple(&[b"a", b"bc"]));
    }
}

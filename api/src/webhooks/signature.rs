//! Signatures of webhooks: Standard Webhooks 1.0.0 (`v1`, `v1a`) and our own scheme. Pure: the time comes in.
//!
//! The raw bytes are what is signed. Comparison takes the same time wherever texts differ and refuses other lengths first: a comparison of
//! the common beginning would take an empty signature for a good one (RUSTSEC-2024-0010). Several secrets may be good at a time. A secret
//! under 24 bytes is refused, because an empty one would let everybody sign.

use base64::{Engine, engine::general_purpose::STANDARD};
use ed25519_dalek::{Signature, VerifyingKey};
use hmac::{Hmac, KeyInit, Mac};
use http::HeaderMap;
use lock_domain::{
    Timestamp,
    webhook::{Refusal, Scheme, in_time, is_message_id},
};
use secrecy::{ExposeSecret, SecretString};
use sha2::Sha256;
use subtle::ConstantTimeEq;
use zeroize::Zeroizing;

const SECRET: &str = "whsec_";
const PUBLIC: &str = "whpk_";
/// More signatures than any rotation needs; each costs a computation.
const SIGNATURES_MOST: usize = 16;
const SECRET_BYTES: std::ops::RangeInclusive<usize> = 24..=64;

/// What a signature is checked with.
#[derive(Clone)]
pub(crate) enum Key {
    /// Shared.
    Symmetric(Zeroizing<Vec<u8>>),
    /// The sender's public one.
    Ed25519(Box<VerifyingKey>),
}

impl Key {
    /// Reads `whsec_…` or `whpk_…`. None for anything else, and for a secret of less than 24 or more than 64 bytes.
    pub(crate) fn parse(text: &str) -> Option<Self> {
        if let Some(text) = text.strip_prefix(SECRET) {
            let bytes = Zeroizing::new(STANDARD.decode(text).ok()?);
            return SECRET_BYTES.contains(&bytes.len()).then_some(Self::Symmetric(bytes));
        }
        let bytes = STANDARD.decode(text.strip_prefix(PUBLIC)?).ok()?;
        let key = VerifyingKey::from_bytes(&bytes.try_into().ok()?).ok()?;
        // A key of small order accepts signatures that nobody made.
        (!key.is_weak()).then(|| Self::Ed25519(Box::new(key)))
    }
}

/// A new secret, to be shown once.
pub(crate) fn new_secret() -> SecretString {
    let mut random = Zeroizing::new([0_u8; 32]);
    rand::fill(&mut *random);
    SecretString::from(format!("{SECRET}{}", STANDARD.encode(*random)))
}

/// Checks a webhook, and gives the sender's id for it.
pub(crate) fn verify(
    scheme: Scheme,
    keys: &[Key],
    headers: &HeaderMap,
    body: &[u8],
    now: Timestamp,
) -> Result<Option<String>, Refusal> {
    let signed = match scheme {
        Scheme::PathOnly => return Ok(None),
        Scheme::StandardWebhooks => standard(headers)?,
        Scheme::HmacSha256 => own(headers)?,
    };
    if !is_message_id(signed.id) {
        return Err(Refusal::Malformed);
    }
    let message = message(signed.id, signed.at, body);
    // Every pair is looked at, so that the time does not tell which one fits.
    let mut good = false;
    for key in keys {
        for given in &signed.signatures {
            good |= fits(key, given, &message);
        }
    }
    if !good {
        return Err(Refusal::Signature);
    }
    let at =
        signed.at.parse().ok().and_then(|seconds| Timestamp::from_second(seconds).ok()).ok_or(Refusal::Malformed)?;
    if in_time(at, now) { Ok(Some(signed.id.to_owned())) } else { Err(Refusal::Time) }
}

/// As much work as checking one signature, for a path that nobody has.
pub(crate) fn idle(body: &[u8]) {
    let key = Key::Symmetric(Zeroizing::new(vec![0; 32]));
    let message = message("", "0", body);
    std::hint::black_box(fits(&key, &Given::Hmac(Vec::new()), &message));
}

struct Signed<'a> {
    id: &'a str,
    at: &'a str,
    signatures: Vec<Given>,
}

enum Given {
    Hmac(Vec<u8>),
    Ed25519(Box<Signature>),
}

fn standard(headers: &HeaderMap) -> Result<Signed<'_>, Refusal> {
    let (id, at) = (single(headers, "webhook-id")?, seconds(single(headers, "webhook-timestamp")?)?);
    let list: Vec<&str> = single(headers, "webhook-signature")?.split(' ').filter(|one| !one.is_empty()).collect();
    if list.len() > SIGNATURES_MOST {
        return Err(Refusal::Malformed);
    }
    // Of other versions than ours nothing is known, so they are passed over.
    let signatures = list.into_iter().filter_map(|one| {
        let (version, text) = one.split_once(',')?;
        let bytes = STANDARD.decode(text).ok()?;
        match version {
            "v1" => Some(Given::Hmac(bytes)),
            "v1a" => Some(Given::Ed25519(Box::new(Signature::from_bytes(&bytes.try_into().ok()?)))),
            _ => None,
        }
    });
    Ok(Signed { id, at, signatures: signatures.collect() })
}

/// `Lock-Delivery: <id>` and `Lock-Signature: t=<seconds>,v1=<hex>`, where `v1` may be repeated during a rotation.
fn own(headers: &HeaderMap) -> Result<Signed<'_>, Refusal> {
    let id = single(headers, "lock-delivery")?;
    let (mut at, mut signatures) = (None, Vec::new());
    for part in single(headers, "lock-signature")?.split(',').take(SIGNATURES_MOST + 1) {
        match part.trim().split_once('=') {
            Some(("t", text)) if at.is_none() => at = Some(seconds(text)?),
            Some(("v1", text)) => signatures.push(Given::Hmac(hex::decode(text).map_err(|_| Refusal::Malformed)?)),
            _ => return Err(Refusal::Malformed),
        }
    }
    Ok(Signed { id, at: at.ok_or(Refusal::Malformed)?, signatures })
}

/// A header that is there once.
fn single<'a>(headers: &'a HeaderMap, name: &str) -> Result<&'a str, Refusal> {
    let mut values = headers.get_all(name).iter();
    match (values.next(), values.next()) {
        (Some(value), None) => value.to_str().map_err(|_| Refusal::Malformed),
        _ => Err(Refusal::Malformed),
    }
}

fn seconds(text: &str) -> Result<&str, Refusal> {
    let fits = (1..=12).contains(&text.len()) && text.bytes().all(|b| b.is_ascii_digit());
    fits.then_some(text).ok_or(Refusal::Malformed)
}

fn message(id: &str, at: &str, body: &[u8]) -> Vec<u8> {
    let mut message = Vec::with_capacity(id.len() + at.len() + body.len() + 2);
    message.extend_from_slice(id.as_bytes());
    message.push(b'.');
    message.extend_from_slice(at.as_bytes());
    message.push(b'.');
    message.extend_from_slice(body);
    message
}

fn mac(secret: &[u8], message: &[u8]) -> Option<Vec<u8>> {
    let mut mac = Hmac::<Sha256>::new_from_slice(secret).ok()?;
    mac.update(message);
    Some(mac.finalize().into_bytes().to_vec())
}

fn fits(key: &Key, given: &Given, message: &[u8]) -> bool {
    match (key, given) {
        (Key::Symmetric(secret), Given::Hmac(given)) => {
            // Of different lengths they are different; slices of equal length are compared in constant time.
            mac(secret, message).is_some_and(|own| bool::from(own.as_slice().ct_eq(given.as_slice())))
        }
        (Key::Ed25519(key), Given::Ed25519(given)) => key.verify_strict(message, given).is_ok(),
        _ => false,
    }
}

/// A secret's text, for the sealed list.
pub(crate) fn is_usable(scheme: Scheme, secret: &SecretString) -> bool {
    matches!(
        (scheme, Key::parse(secret.expose_secret())),
        (Scheme::StandardWebhooks, Some(_)) | (Scheme::HmacSha256, Some(Key::Symmetric(_)))
    )
}

#[cfg(test)]
#[path = "signature_tests.rs"]
mod tests;

//! The text of an API key, `lis_<tenant>_<key id>_<secret>_<check>`, and of the path of a webhook endpoint, which begins with `lwh_`.
//!
//! The prefix and the check let a secret scanner recognise a leaked key without asking us; the ids let us look it up in one tenant only.
//! The secret is 32 random bytes in base64url without padding, the check the first 6 hexadecimal digits of the SHA-256 of what precedes.

use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use lock_domain::ids::{ApiKeyId, TenantId, WebhookEndpointId};
use secrecy::SecretString;
use sha2::{Digest, Sha256};
use uuid::Uuid;

const API_KEY: &str = "lis_";
const WEBHOOK: &str = "lwh_";
const SECRET_CHARS: usize = 43;

pub(crate) struct ParsedToken<I = ApiKeyId> {
    pub(crate) tenant: TenantId,
    pub(crate) key: I,
    pub(crate) secret_sha256: [u8; 32],
}

/// Takes an API key apart. `None` if it is none, or mistyped.
pub(crate) fn parse(token: &str) -> Option<ParsedToken> {
    let (tenant, key, secret_sha256) = split(API_KEY, token)?;
    Some(ParsedToken { tenant, key: ApiKeyId::from_uuid(key), secret_sha256 })
}

/// Takes the path of a webhook endpoint apart. `None` if it is none, or mistyped.
pub(crate) fn parse_webhook(path: &str) -> Option<ParsedToken<WebhookEndpointId>> {
    let (tenant, key, secret_sha256) = split(WEBHOOK, path)?;
    Some(ParsedToken { tenant, key: WebhookEndpointId::from_uuid(key), secret_sha256 })
}

fn split(prefix: &str, token: &str) -> Option<(TenantId, Uuid, [u8; 32])> {
    let (body, sum) = token.rsplit_once('_')?;
    if sum != check(body) {
        return None;
    }
    let rest = body.strip_prefix(prefix)?;
    let (tenant, rest) = rest.split_once('_')?;
    // The secret may have underscores itself, so it is what remains.
    let (key, secret) = rest.split_once('_')?;
    if secret.len() != SECRET_CHARS {
        return None;
    }
    Some((TenantId::from_uuid(simple(tenant)?), simple(key)?, Sha256::digest(secret.as_bytes()).into()))
}

fn simple(text: &str) -> Option<Uuid> {
    (text.len() == 32).then(|| Uuid::try_parse(text).ok()).flatten()
}

/// A new API key, and the hash of its secret.
pub(crate) fn mint(tenant: TenantId, key: ApiKeyId) -> (SecretString, [u8; 32]) {
    join(API_KEY, tenant, key.as_uuid())
}

/// A new path for a webhook endpoint, and the hash of its secret.
pub(crate) fn mint_webhook(tenant: TenantId, endpoint: WebhookEndpointId) -> (SecretString, [u8; 32]) {
    join(WEBHOOK, tenant, endpoint.as_uuid())
}

fn join(prefix: &str, tenant: TenantId, id: Uuid) -> (SecretString, [u8; 32]) {
    let mut random = [0_u8; 32];
    rand::fill(&mut random);
    let secret = URL_SAFE_NO_PAD.encode(random);
    let body = format!("{prefix}{}_{}_{secret}", tenant.as_uuid().simple(), id.simple());
    let token = format!("{body}_{}", check(&body));
    (SecretString::from(token), Sha256::digest(secret.as_bytes()).into())
}

fn check(body: &str) -> String {
    let sum = Sha256::digest(body.as_bytes());
    hex::encode(&sum[..3])
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use secrecy::ExposeSecret;

    #[test]
    fn round_trip_and_mistyped() {
        let (tenant, key) = (TenantId::from_uuid(Uuid::from_u128(1)), ApiKeyId::from_uuid(Uuid::from_u128(2)));
        let (token, hash) = mint(tenant, key);
        let text = token.expose_secret();
        let parsed = parse(text).unwrap();
        assert_eq!((parsed.tenant, parsed.key, parsed.secret_sha256), (tenant, key, hash));
        for at in 0..text.len() {
            let mut bytes = text.as_bytes().to_vec();
            bytes[at] = if bytes[at] == b'x' { b'y' } else { b'x' };
            assert!(parse(std::str::from_utf8(&bytes).unwrap()).is_none(), "character {at}");
        }
        let (path, hash) = mint_webhook(tenant, WebhookEndpointId::from_uuid(Uuid::from_u128(2)));
        assert_eq!(parse_webhook(path.expose_secret()).unwrap().secret_sha256, hash);
        assert!(parse(path.expose_secret()).is_none() && parse_webhook(text).is_none(), "one is not the other");
        for bad in ["", "_", "lis_", "lis___", "lis_1_2_3_4", "é_é"] {
            assert!(parse(bad).is_none());
        }
    }
}

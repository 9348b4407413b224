//! Encrypts what Temporal stores: every payload of every history, and the texts of failures.
//!
//! # Which key
//! The SDK tells a codec nothing about the workflow that a payload belongs to (temporalio-common 1.1.1: the contexts are empty), and a
//! payload must be readable without knowing it. So the payload's own bytes decide: the first field `"tenant":"ten_…"` at any depth, or
//! else the first tenant id that stands alone or in a list, or else nobody: then the system's key. What names no tenant carries nothing of one by
//! the rule that histories hold ids and instants only; failure texts are of that kind.
//!
//! The chosen key's id (`ten_…/3`, `system/1`) stands in the payload's metadata, is bound to the ciphertext, and picks the key again.
//!
//! # How it fails
//! Payloads that are not encrypted pass on the way in: older histories, and what the server itself writes. A KMS that does not answer
//! is an error of the call, after which the SDK fails the task and the server repeats it: nothing is written in clear and nothing is
//! lost. The text of such an error is stored in clear, so it carries ids at most.

use crate::{
    aead::{OpenError, tuple},
    data_keys::{DataKeys, Purpose},
    port::Owner,
    seal::SealError,
};
use futures::{FutureExt, future::BoxFuture};
use lock_domain::ids::TenantId;
use prost::Message;
use std::collections::HashMap;
use temporalio_common::{
    data_converters::{
        DataConverter, DefaultFailureConverter, PayloadCodec, PayloadConversionError, PayloadConverter,
        SerializationContextData,
    },
    protos::temporal::api::common::v1::Payload,
};

const ENCODING: &str = "encoding";
const ENCRYPTED: &[u8] = b"binary/encrypted";
const KEY_ID: &str = "encryption-key-id";
const LABEL: &[u8] = b"lock/history-payload/v1";
/// `ten_`, 32 digits, and two quotes.
const QUOTED_LEN: usize = 38;

/// The data converter for every client and worker: JSON, failure texts moved into payloads, payloads encrypted.
pub fn data_converter(keys: DataKeys) -> DataConverter {
    DataConverter::new(PayloadConverter::default(), DefaultFailureConverter::new(true), HistoryCodec::new(keys))
}

/// See the module's description.
#[derive(Clone)]
pub struct HistoryCodec {
    keys: DataKeys,
}

impl HistoryCodec {
    /// Over data keys.
    pub fn new(keys: DataKeys) -> Self {
        Self { keys }
    }

    pub(crate) async fn encrypt(&self, payload: Payload) -> Result<Payload, SealError> {
        if is_encrypted(&payload) {
            return Ok(payload);
        }
        let owner = owner_of(&payload.data);
        let key = self.keys.newest(owner, Purpose::Histories).await?;
        let id = format!("{owner}/{}", key.version);
        let data = key.seal(&aad(&id), &payload.encode_to_vec())?;
        let metadata = HashMap::from([(ENCODING.to_owned(), ENCRYPTED.to_vec()), (KEY_ID.to_owned(), id.into_bytes())]);
        Ok(Payload { metadata, data, external_payloads: Vec::new() })
    }

    pub(crate) async fn decrypt(&self, payload: Payload) -> Result<Payload, SealError> {
        if !is_encrypted(&payload) {
            return Ok(payload);
        }
        let id = key_id(&payload).ok_or(OpenError::Format)?;
        let (owner, version) = id.split_once('/').ok_or(OpenError::Format)?;
        let owner: Owner = owner.parse().map_err(|_| OpenError::Format)?;
        let version = version.parse().map_err(|_| OpenError::Format)?;
        let key = self.keys.version(owner, Purpose::Histories, version).await?;
        let plain = key.open(&aad(id), &payload.data)?;
        Ok(Payload::decode(plain.as_slice()).map_err(|_| OpenError::Format)?)
    }

    async fn each<F>(
        payloads: Vec<Payload>,
        step: impl Fn(Payload) -> F,
    ) -> Result<Vec<Payload>, PayloadConversionError>
    where
        F: Future<Output = Result<Payload, SealError>>,
    {
        let mut done = Vec::with_capacity(payloads.len());
        for payload in payloads {
            done.push(step(payload).await.map_err(|error| PayloadConversionError::EncodingError(error.into()))?);
        }
        Ok(done)
    }
}

impl PayloadCodec for HistoryCodec {
    fn encode(
        &self,
        _: &SerializationContextData,
        payloads: Vec<Payload>,
    ) -> BoxFuture<'static, Result<Vec<Payload>, PayloadConversionError>> {
        let codec = self.clone();
        async move { Self::each(payloads, |payload| codec.encrypt(payload)).await }.boxed()
    }

    fn decode(
        &self,
        _: &SerializationContextData,
        payloads: Vec<Payload>,
    ) -> BoxFuture<'static, Result<Vec<Payload>, PayloadConversionError>> {
        let codec = self.clone();
        async move { Self::each(payloads, |payload| codec.decrypt(payload)).await }.boxed()
    }
}

fn is_encrypted(payload: &Payload) -> bool {
    payload.metadata.get(ENCODING).is_some_and(|encoding| encoding == ENCRYPTED)
}

/// The id of the key that an encrypted payload names; `None` for a plain payload.
pub(crate) fn key_id(payload: &Payload) -> Option<&str> {
    is_encrypted(payload).then_some(())?;
    std::str::from_utf8(payload.metadata.get(KEY_ID)?).ok()
}

fn aad(id: &str) -> Vec<u8> {
    tuple(&[LABEL, id.as_bytes()])
}

/// Whose key encrypts these bytes; see the module's description. A reservation reference, which the caller chooses, may look like a
/// tenant id, so the value of another field never counts. Quotes within a text are escaped and don't count either.
pub(crate) fn owner_of(data: &[u8]) -> Owner {
    let mut loose = None;
    for (at, quoted) in data.windows(QUOTED_LEN).enumerate() {
        let Some(owner) = tenant_in(quoted) else { continue };
        let before = data[..at].trim_ascii_end();
        match before.split_last() {
            Some((b':', name)) if name.trim_ascii_end().ends_with(b"\"tenant\"") => return owner,
            Some((b':' | b'\\', _)) => {}
            _ => loose = loose.or(Some(owner)),
        }
    }
    loose.unwrap_or(Owner::System)
}

fn tenant_in(quoted: &[u8]) -> Option<Owner> {
    let text = quoted.strip_prefix(b"\"")?.strip_suffix(b"\"")?;
    let tenant: TenantId = std::str::from_utf8(text.starts_with(b"ten_").then_some(text)?).ok()?.parse().ok()?;
    Some(tenant.into())
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use crate::{
        port::{KmsError, RetryClass},
        testing::{Rig, tenant},
    };
    use proptest::prelude::*;
    use serde_json::json;

    const NONE: SerializationContextData = SerializationContextData::None;

    fn payload(value: &serde_json::Value) -> Payload {
        let metadata = HashMap::from([(ENCODING.to_owned(), b"json/plain".to_vec())]);
        Payload { metadata, data: serde_json::to_vec(value).unwrap(), external_payloads: Vec::new() }
    }

    fn id(payload: &Payload) -> &str {
        key_id(payload).unwrap()
    }

    #[tokio::test]
    async fn payloads_are_encrypted_whole_under_the_key_of_whom_they_name() {
        let (rig, ten) = (Rig::new(), tenant(7).to_string());
        let codec = HistoryCodec::new(rig.keys.clone());
        let plain = vec![
            payload(&json!({"id": {"reservation": "R-1", "tenant": ten}})),
            payload(&json!({"reservation": tenant(8).to_string(), "stay": {"tenant": ten}})),
            payload(&json!([ten, 5])),
            payload(&json!(ten)),
            payload(&json!({"reservation": ten, "note": format!("\"tenant\":\"{ten}\"")})),
            payload(&json!({"message": format!("no stay/{ten}/x")})),
            Payload::default(),
        ];
        let stored = codec.encode(&NONE, plain.clone()).await.unwrap();
        let ids: Vec<_> = stored.iter().map(id).collect();
        let tenants = format!("{ten}/1");
        assert_eq!(ids, [&tenants, &tenants, &tenants, &tenants, "system/1", "system/1", "system/1"]);
        for payload in &stored {
            assert!(!payload.data.windows(4).any(|w| w == b"ten_" || w == b"json"));
        }
        assert_eq!(codec.decode(&NONE, stored).await.unwrap(), plain);
    }

    #[tokio::test]
    async fn plain_payloads_pass_on_the_way_in_and_encrypted_ones_on_the_way_out() {
        let codec = HistoryCodec::new(Rig::new().keys);
        let plain = vec![payload(&json!({"old": true}))];
        assert_eq!(codec.decode(&NONE, plain.clone()).await.unwrap(), plain);
        let once = codec.encode(&NONE, plain).await.unwrap();
        assert_eq!(codec.encode(&NONE, once.clone()).await.unwrap(), once);
    }

    #[tokio::test]
    async fn old_versions_open_after_rotation() {
        let rig = Rig::new();
        let codec = HistoryCodec::new(rig.keys.clone());
        let plain = payload(&json!({"tenant": tenant(1).to_string()}));
        let first = codec.encrypt(plain.clone()).await.unwrap();
        rig.keys.rotate(tenant(1), Purpose::Histories).await.unwrap();
        let second = codec.encrypt(plain.clone()).await.unwrap();
        assert!(id(&first).ends_with("/1") && id(&second).ends_with("/2"));
        for stored in [first, second] {
            assert_eq!(codec.decrypt(stored).await.unwrap(), plain);
        }
    }

    #[tokio::test]
    async fn an_outage_is_an_error_to_repeat_and_never_clear_text() {
        let rig = Rig::new();
        let codec = HistoryCodec::new(rig.keys.clone());
        rig.kms.fail(Some(KmsError::Unavailable("down".into())));
        let plain = payload(&json!({"tenant": tenant(1).to_string()}));
        assert_eq!(codec.encrypt(plain.clone()).await.unwrap_err().retry_class(), RetryClass::Later);
        let error = codec.encode(&NONE, vec![plain.clone()]).await.unwrap_err();
        assert!(matches!(error, PayloadConversionError::EncodingError(_)));
        rig.kms.fail(None);
        let stored = codec.encrypt(plain.clone()).await.unwrap();
        rig.kms.fail(Some(KmsError::Unavailable("down".into())));
        let other = HistoryCodec::new(rig.another_process());
        assert_eq!(other.decrypt(stored.clone()).await.unwrap_err().retry_class(), RetryClass::Later);
        rig.kms.fail(None);
        assert_eq!(other.decrypt(stored).await.unwrap(), plain);
    }

    #[tokio::test]
    async fn a_payload_under_another_id_is_refused() {
        let rig = Rig::new();
        let codec = HistoryCodec::new(rig.keys.clone());
        let stored = codec.encrypt(payload(&json!({"tenant": tenant(1).to_string()}))).await.unwrap();
        codec.encrypt(payload(&json!({"tenant": tenant(2).to_string()}))).await.unwrap();
        for wrong in [format!("{}/1", tenant(2)), "system/1".into(), format!("{}/01", tenant(1)), "x".into()] {
            let mut moved = stored.clone();
            moved.metadata.insert(KEY_ID.to_owned(), wrong.into_bytes());
            assert_eq!(codec.decrypt(moved).await.unwrap_err().retry_class(), RetryClass::Never);
        }
        let mut nameless = stored;
        nameless.metadata.remove(KEY_ID);
        assert!(codec.decrypt(nameless).await.is_err());
    }

    #[tokio::test]
    async fn values_and_failures_round_trip_through_the_converter() {
        let converter = data_converter(Rig::new().keys);
        let value = (tenant(3).to_string(), 5_u32);
        let stored = converter.to_payload(&NONE, &value).await.unwrap();
        assert_eq!(id(&stored), format!("{}/1", tenant(3)));
        let back: (String, u32) = converter.from_payload(&NONE, stored).await.unwrap();
        assert_eq!(back, value);
    }

    proptest! {
        #[test]
        fn no_bytes_panic(data: Vec<u8>) {
            owner_of(&data);
        }

        #[test]
        fn the_tenant_field_wins_wherever_it_stands(before in ".{0,40}", n: u128, decoy: u128) {
            let decoy = tenant(decoy).to_string();
            let value = json!({"a": before, "b": decoy, "tenant": tenant(n).to_string()});
            prop_assert_eq!(owner_of(&serde_json::to_vec(&value).unwrap()), tenant(n));
            prop_assert_eq!(owner_of(&serde_json::to_vec_pretty(&value).unwrap()), tenant(n));
        }
    }
}

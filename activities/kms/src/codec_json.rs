//! The two calls of a Temporal codec server, without the HTTP around them: JSON in, JSON out.
//!
//! The Temporal UI and CLI send `{"payloads":[{"metadata":{"encoding":"…"},"data":"…"}]}` to `/encode` and `/decode`, with metadata
//! values and data in base64 (protobuf's JSON form: standard or URL-safe, padded or not), and expect the same form back. Who may ask
//! is decided by the caller, per key id. Payloads whose content lies in external storage are not used by this SDK and lose that mark.

use crate::{
    codec::{HistoryCodec, key_id, owner_of},
    port::RetryClass,
    seal::SealError,
};
use base64::{
    Engine,
    alphabet::{STANDARD, URL_SAFE},
    engine::{DecodePaddingMode, GeneralPurpose, GeneralPurposeConfig, general_purpose},
};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use temporalio_common::protos::temporal::api::common::v1::Payload;

/// Why a codec call was not answered.
#[derive(Debug, thiserror::Error)]
pub enum CodecError {
    /// The body is not of the form above.
    #[error("not a list of payloads in Temporal's JSON form")]
    Body,
    /// A payload's key is not among those that the caller may use. Nothing was opened.
    #[error("a payload belongs to somebody else")]
    Refused,
    /// A key is missing or a payload damaged.
    #[error(transparent)]
    Seal(#[from] SealError),
}

impl CodecError {
    /// Whether trying again can help.
    pub fn retry_class(&self) -> RetryClass {
        match self {
            Self::Body | Self::Refused => RetryClass::Never,
            Self::Seal(error) => error.retry_class(),
        }
    }
}

#[derive(Serialize, Deserialize)]
struct Body {
    #[serde(default)]
    payloads: Vec<Item>,
}

#[derive(Serialize, Deserialize)]
struct Item {
    #[serde(default)]
    metadata: BTreeMap<String, String>,
    #[serde(default)]
    data: String,
}

impl HistoryCodec {
    /// Answers `/decode`. `permitted` gets a key id such as `ten_…/3` or `system/1`; one refusal refuses the whole call. Payloads
    /// that are not encrypted come back as they are.
    pub async fn decode_payloads_json(
        &self,
        permitted: &(dyn Fn(&str) -> bool + Sync),
        body: &[u8],
    ) -> Result<Vec<u8>, CodecError> {
        let payloads = read(body)?;
        if !payloads.iter().filter_map(key_id).all(permitted) {
            return Err(CodecError::Refused);
        }
        let mut answer = Vec::with_capacity(payloads.len());
        for payload in payloads {
            answer.push(self.decrypt(payload).await?);
        }
        write(answer)
    }

    /// Answers `/encode`. `permitted` gets the owner that would be chosen, such as `ten_…` or `system`, with `/` and no version.
    pub async fn encode_payloads_json(
        &self,
        permitted: &(dyn Fn(&str) -> bool + Sync),
        body: &[u8],
    ) -> Result<Vec<u8>, CodecError> {
        let payloads = read(body)?;
        if !payloads.iter().all(|payload| permitted(&format!("{}/", owner_of(&payload.data)))) {
            return Err(CodecError::Refused);
        }
        let mut answer = Vec::with_capacity(payloads.len());
        for payload in payloads {
            answer.push(self.encrypt(payload).await?);
        }
        write(answer)
    }
}

fn read(body: &[u8]) -> Result<Vec<Payload>, CodecError> {
    let body: Body = serde_json::from_slice(body).map_err(|_| CodecError::Body)?;
    let item = |item: Item| {
        let metadata = item.metadata.into_iter().map(|(name, value)| Some((name, from_base64(&value)?)));
        Some(Payload {
            metadata: metadata.collect::<Option<_>>()?,
            data: from_base64(&item.data)?,
            external_payloads: Vec::new(),
        })
    };
    body.payloads.into_iter().map(item).collect::<Option<_>>().ok_or(CodecError::Body)
}

fn write(payloads: Vec<Payload>) -> Result<Vec<u8>, CodecError> {
    let base64 = |bytes: Vec<u8>| general_purpose::STANDARD.encode(bytes);
    let item = |payload: Payload| Item {
        metadata: payload.metadata.into_iter().map(|(name, value)| (name, base64(value))).collect(),
        data: base64(payload.data),
    };
    let body = Body { payloads: payloads.into_iter().map(item).collect() };
    serde_json::to_vec(&body).map_err(|_| CodecError::Body)
}

fn from_base64(text: &str) -> Option<Vec<u8>> {
    const LENIENT: GeneralPurposeConfig =
        GeneralPurposeConfig::new().with_decode_padding_mode(DecodePaddingMode::Indifferent);
    let alphabet = if text.contains(['-', '_']) { &URL_SAFE } else { &STANDARD };
    GeneralPurpose::new(alphabet, LENIENT).decode(text).ok()
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use crate::testing::{Rig, tenant};
    use serde_json::{Value, json};

    fn plain(text: &str) -> Value {
        let base64 = |text: &str| general_purpose::STANDARD.encode(text);
        json!({"payloads": [{"metadata": {"encoding": base64("json/plain")}, "data": base64(text)}]})
    }

    #[tokio::test]
    async fn round_trips_for_whom_it_is_permitted() {
        let codec = HistoryCodec::new(Rig::new().keys);
        let body = plain(&json!({"tenant": tenant(1).to_string()}).to_string());
        let mine = format!("{}/", tenant(1));
        let permitted = |id: &str| id.starts_with(&mine);
        let stored = codec.encode_payloads_json(&permitted, body.to_string().as_bytes()).await.unwrap();
        assert!(!String::from_utf8_lossy(&stored).contains("anNvbi9wbGFpbg"));
        let opened = codec.decode_payloads_json(&permitted, &stored).await.unwrap();
        assert_eq!(serde_json::from_slice::<Value>(&opened).unwrap(), body);

        let theirs = format!("{}/", tenant(2));
        let other = |id: &str| id.starts_with(&theirs);
        for refused in [
            codec.decode_payloads_json(&other, &stored).await,
            codec.encode_payloads_json(&other, body.to_string().as_bytes()).await,
        ] {
            assert!(matches!(refused, Err(CodecError::Refused)));
        }
    }

    #[tokio::test]
    async fn plain_payloads_come_back_and_bad_bodies_are_refused() {
        let codec = HistoryCodec::new(Rig::new().keys);
        let body = plain("null").to_string();
        let answer = codec.decode_payloads_json(&|_| false, body.as_bytes()).await.unwrap();
        assert_eq!(serde_json::from_slice::<Value>(&answer).unwrap(), plain("null"));
        for bad in [
            "",
            "[5]",
            "{\"payloads\":5}",
            "{\"payloads\":[{\"data\":\"*\"}]}",
            "{\"payloads\":[{\"metadata\":{\"a\":1}}]}",
        ] {
            let error = codec.decode_payloads_json(&|_| true, bad.as_bytes()).await.unwrap_err();
            assert!(matches!(error, CodecError::Body), "{bad}");
        }
    }

    #[test]
    fn both_alphabets_are_read_padded_or_not() {
        for text in ["+/8=", "+/8", "-_8=", "-_8"] {
            assert_eq!(from_base64(text), Some(vec![0xfb, 0xff]), "{text}");
        }
    }
}

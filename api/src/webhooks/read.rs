//! What a genuine body says: what it means, and what repeats of it are known by. Pure, but for the digest that the caller hands in.
//!
//! TTLock: "Lock records notify" and its sisters, a form whose `records` is a JSON list as text. Visionline: JSON callbacks. Everybody else:
//! the payload of Standard Webhooks, `{type, timestamp, data}`. What can't be read is an error; what can and means nothing to us is
//! [`Meaning::Nothing`].

use super::form;
use lock_domain::{
    Timestamp,
    webhook::{CredentialWord, Meaning, ReceiptWord, RecordKey, Sender, bucket, records_text},
};
use serde::Deserialize;
use serde_json::Value;
use sha2::{Digest, Sha256};
use std::collections::BTreeSet;

/// More records than a lock keeps.
const RECORDS_MOST: usize = 1_000;

/// What a body says.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Read {
    /// What it means.
    pub(crate) meaning: Vec<Meaning>,
    /// What repeats are known by.
    pub(crate) key: String,
}

/// The body makes no sense.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Unreadable;

/// Reads a genuine body. `id` is the sender's, where it has one; `digest` is the keyed digest of the body, and `digits` makes one of a PIN.
pub(crate) fn read(
    sender: Sender,
    id: Option<&str>,
    body: &[u8],
    at: Timestamp,
    digest: &[u8; 32],
    digits: impl Fn(&str) -> [u8; 32],
) -> Result<Read, Unreadable> {
    // Without an id of the sender's, the same words are the same event only within a while.
    let by_words = || format!("body/{}/{}", bucket(at), hex::encode(digest));
    let (meaning, key) = match sender {
        Sender::Ttlock => ttlock(body, digits)?,
        Sender::Visionline => (visionline(body)?, None),
        Sender::Pms | Sender::Notifications => (payload(sender, body)?, None),
    };
    let key = id.map(|id| format!("id/{id}")).or(key).unwrap_or_else(by_words);
    Ok(Read { meaning, key })
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Row {
    #[serde(default)]
    lock_id: Option<Value>,
    #[serde(default)]
    lock_date: i64,
    #[serde(default)]
    record_type: i64,
    #[serde(default)]
    keyboard_pwd: Option<Value>,
}

fn ttlock(body: &[u8], digits: impl Fn(&str) -> [u8; 32]) -> Result<(Vec<Meaning>, Option<String>), Unreadable> {
    let pairs = form::pairs(body).ok_or(Unreadable)?;
    let field = |name: &str| pairs.iter().find(|(own, _)| own == name).map(|(_, value)| value.as_str());
    let whole = field("lockId").filter(|id| is_id(id)).map(str::to_owned);
    if let Some(records) = field("records") {
        let rows: Vec<Row> = serde_json::from_str(records).map_err(|_| Unreadable)?;
        if rows.len() > RECORDS_MOST {
            return Err(Unreadable);
        }
        let mut keys = Vec::with_capacity(rows.len());
        for row in &rows {
            let lock = row.lock_id.as_ref().and_then(text).or_else(|| whole.clone()).ok_or(Unreadable)?;
            let pin = row.keyboard_pwd.as_ref().and_then(|value| match value {
                Value::String(text) => Some(text.clone()),
                Value::Number(number) => Some(number.to_string()),
                _ => None,
            });
            let pin = pin.filter(|pin| !pin.is_empty());
            let digits = pin.as_deref().map(&digits);
            keys.push(RecordKey { lock, lock_date: row.lock_date, kind: row.record_type, digits });
        }
        let locks: BTreeSet<String> = keys.iter().map(|key| key.lock.clone()).collect();
        let meaning = locks.into_iter().map(|lock| Meaning::Records { lock }).collect();
        let key = format!("records/{}", hex::encode(Sha256::digest(records_text(keys))));
        return Ok((meaning, Some(key)));
    }
    let meaning = match field("notifyType") {
        Some("2") => Meaning::Gateways,
        Some("3") => Meaning::Lock { lock: whole.ok_or(Unreadable)? },
        Some(_) => Meaning::Nothing,
        None => return Err(Unreadable),
    };
    Ok((vec![meaning], None))
}

/// A vendor's id: a number, or a word.
fn text(value: &Value) -> Option<String> {
    let text = match value {
        Value::String(text) => text.clone(),
        Value::Number(number) => number.to_string(),
        _ => return None,
    };
    is_id(&text).then_some(text)
}

fn is_id(text: &str) -> bool {
    (1..=100).contains(&text.len()) && text.bytes().all(|b| b.is_ascii_alphanumeric() || b"-_.".contains(&b))
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Callback {
    #[serde(rename = "callbackType")]
    _kind: String,
    credential_status: Option<String>,
    description: Option<String>,
}

fn visionline(body: &[u8]) -> Result<Vec<Meaning>, Unreadable> {
    let callback: Callback = serde_json::from_slice(body).map_err(|_| Unreadable)?;
    let Some(word) = callback.credential_status else { return Ok(vec![Meaning::Nothing]) };
    let status = match word.as_str() {
        "ISSUING" => CredentialWord::Issuing,
        "ISSUED" => CredentialWord::Issued,
        "REVOKING" => CredentialWord::Revoking,
        "REVOKED" => CredentialWord::Revoked,
        _ => CredentialWord::Other,
    };
    // What somebody else typed there may be a name.
    let ours = |text: &String| text.strip_prefix("lis-").is_some_and(|rest| rest.len() == 32 && is_id(rest));
    Ok(vec![Meaning::Credential { token: callback.description.filter(ours), status }])
}

#[derive(Deserialize)]
struct Payload {
    #[serde(rename = "type")]
    kind: String,
    #[serde(default)]
    data: Value,
}

fn payload(sender: Sender, body: &[u8]) -> Result<Vec<Meaning>, Unreadable> {
    let payload: Payload = serde_json::from_slice(body).map_err(|_| Unreadable)?;
    let receipt = match (sender, payload.kind.as_str()) {
        (Sender::Notifications, "message.delivered") => Some(ReceiptWord::Delivered),
        (Sender::Notifications, "message.failed") => Some(ReceiptWord::Failed),
        _ => None,
    };
    let Some(status) = receipt else { return Ok(vec![Meaning::Nothing]) };
    let message = payload.data.get("message").and_then(text).ok_or(Unreadable)?;
    Ok(vec![Meaning::Receipt { message, status }])
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use proptest::prelude::*;

    fn noon() -> Timestamp {
        "2026-11-23T12:00:00Z".parse().unwrap()
    }

    fn of(sender: Sender, body: &str) -> Result<Read, Unreadable> {
        let digest = Sha256::digest(body).into();
        read(sender, None, body.as_bytes(), noon(), &digest, |pin| Sha256::digest(format!("key {pin}")).into())
    }

    fn records(rows: &str) -> String {
        let escaped: String = rows.bytes().map(|b| format!("%{b:02X}")).collect();
        format!("lockId=5&notifyType=1&records={escaped}&admin=a%40b.c&lockMac=02%3A00")
    }

    #[test]
    fn records_of_two_locks_are_two_reasons_to_look() {
        let read = of(
            Sender::Ttlock,
            &records(r#"[{"lockId":7,"lockDate":1,"recordType":4,"keyboardPwd":"739146","username":"Anna"},{"lockDate":2,"recordType":7}]"#),
        )
        .unwrap();
        let lock = |id: &str| Meaning::Records { lock: id.into() };
        assert_eq!(read.meaning, [lock("5"), lock("7")]);
        let all = format!("{read:?}");
        assert!(!all.contains("739146") && !all.contains("Anna") && !all.contains("a@b.c"), "{all}");
    }

    #[test]
    fn the_same_records_are_the_same_however_they_are_written() {
        let key = |rows: &str| of(Sender::Ttlock, &records(rows)).unwrap().key;
        let one = r#"{"lockDate":1,"recordType":4,"keyboardPwd":"739146","electricQuantity":61}"#;
        let other = r#"{"recordType":4,"lockDate":2,"keyboardPwd":"739147"}"#;
        assert_eq!(key(&format!("[{one},{other}]")), key(&format!("[{other}, {one}]")));
        assert_ne!(key(&format!("[{one}]")), key(&format!("[{other}]")));
        assert_ne!(key(&format!("[{one}]")), key(&format!("[{}]", one.replace("739146", "739145"))));
    }

    #[test]
    fn what_has_no_id_is_the_same_within_a_while() {
        let body = b"gatewayId=3&isOnline=0&notifyType=2";
        let at = |at: Timestamp| read(Sender::Ttlock, None, body, at, &[1; 32], |_| [0; 32]).unwrap();
        let later = |s| noon() + jiff::SignedDuration::from_secs(s);
        assert_eq!(at(noon()).meaning, [Meaning::Gateways]);
        assert_eq!(at(noon()).key, at(later(299)).key);
        assert_ne!(at(noon()).key, at(later(300)).key, "off, on and off again is three events");
    }

    #[test]
    fn the_other_senders() {
        let callback = r#"{"callbackType":"CREDENTIAL","endpointId":"phone","credentialId":"c","credentialStatus":"ISSUED","description":"D"}"#;
        let token = "lis-0123456789abcdef0123456789abcdef";
        for (description, kept) in [(token, true), ("Mr Smith", false)] {
            let Read { meaning, .. } =
                of(Sender::Visionline, &callback.replace("\"D\"", &format!("{description:?}"))).unwrap();
            let token = kept.then(|| token.to_owned());
            assert_eq!(meaning, [Meaning::Credential { token, status: CredentialWord::Issued }]);
        }
        let sent = r#"{"type":"message.failed","timestamp":"2026-11-23T12:00:00Z","data":{"message":"m-1"}}"#;
        let receipt = Meaning::Receipt { message: "m-1".into(), status: ReceiptWord::Failed };
        assert_eq!(of(Sender::Notifications, sent).unwrap().meaning, [receipt]);
        assert_eq!(of(Sender::Pms, sent).unwrap().meaning, [Meaning::Nothing]);
        let named = read(Sender::Pms, Some("msg_1"), sent.as_bytes(), noon(), &[0; 32], |_| [0; 32]).unwrap();
        assert_eq!(named.key, "id/msg_1");
    }

    #[test]
    fn nonsense_is_told_so() {
        for (sender, bad) in [
            (Sender::Ttlock, ""),
            (Sender::Ttlock, "{}"),
            (Sender::Ttlock, "records=[]x&lockId=1"),
            (Sender::Ttlock, "records=%5B%7B%7D%5D"),
            (Sender::Ttlock, "notifyType=3"),
            (Sender::Ttlock, "notifyType=3&lockId=../../etc"),
            (Sender::Visionline, "[]"),
            (Sender::Visionline, "x=1"),
            (Sender::Pms, "null"),
            (Sender::Notifications, r#"{"type":"message.failed"}"#),
        ] {
            assert_eq!(of(sender, bad), Err(Unreadable), "{bad}");
        }
        let many = format!("[{}]", vec!["{}"; RECORDS_MOST + 1].join(","));
        assert_eq!(of(Sender::Ttlock, &records(&many)), Err(Unreadable));
    }

    proptest! {
        #[test]
        fn nothing_panics_and_keys_fit_their_column(body in ".{0,300}", sender in 0..4_usize) {
            if let Ok(read) = of(Sender::ALL[sender], &body) {
                prop_assert!((1..=200).contains(&read.key.len()));
            }
        }
    }
}

//! Rows of `lockRecord/list`, without the digits that they carry.
//!
//! `recordType`: TTLock "Lock records". The same rows come by webhook, which nobody signs: what a webhook says is a hint, this list is
//! the truth.

use jiff::Timestamp;
use serde::Deserialize;

use super::wire::id;
use crate::port::CredentialToken;
use crate::records::{DoorRecord, Means, RecordKind, Refusal};

/// One row.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct RecordRow {
    #[serde(deserialize_with = "id")]
    record_id: String,
    #[serde(deserialize_with = "id")]
    lock_id: String,
    #[serde(default)]
    record_type: i64,
    #[serde(default)]
    success: i64,
    #[serde(default)]
    username: Option<String>,
    lock_date: i64,
    #[serde(default)]
    server_date: i64,
    #[serde(default)]
    electric_quantity: Option<i64>,
}

impl RecordRow {
    /// None for a row with a time that makes no sense.
    pub(crate) fn record(self) -> Option<DoorRecord> {
        let (kind, means) = meaning(self.record_type, self.success == 1);
        Some(DoorRecord {
            id: self.record_id,
            lock_id: self.lock_id,
            at_lock: Timestamp::from_millisecond(self.lock_date).ok()?,
            at_server: Timestamp::from_millisecond(self.server_date).ok().filter(|_| self.server_date > 0),
            kind,
            means,
            credential: None,
            token: self.username.as_deref().and_then(CredentialToken::ours),
            battery_percent: self.electric_quantity.and_then(|percent| u8::try_from(percent).ok()),
        })
    }
}

fn meaning(kind: i64, success: bool) -> (RecordKind, Means) {
    // The vendor does not say why a try was in vain.
    let tried = if success { RecordKind::Opened } else { RecordKind::Refused(Refusal::Unsaid) };
    match kind {
        1 | 57 => (tried, Means::Mobile),
        58 => (RecordKind::Refused(Refusal::Expired), Means::Mobile),
        4 => (tried, Means::Pin),
        7 | 9 | 49 | 55 => (tried, Means::Card),
        51 => (RecordKind::Refused(Refusal::Suspended), Means::Card),
        10 | 32 | 46 => (tried, Means::Mechanical),
        8 | 63 => (tried, Means::Unsaid),
        12 | 37 => (tried, Means::Remote),
        11 | 33..=36 | 45 | 47 => (RecordKind::Locked, Means::Unsaid),
        29 | 44 => (RecordKind::Tampered, Means::Unsaid),
        other => (RecordKind::Other(other.to_string()), Means::Unsaid),
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    fn read(text: &str) -> DoorRecord {
        serde_json::from_str::<RecordRow>(text).unwrap().record().unwrap()
    }

    #[test]
    fn a_row_is_read_without_its_digits() {
        let record = read(
            r#"{"recordId":7,"lockId":5,"recordTypeFromLock":4,"recordType":4,"success":0,"username":"Anna","keyboardPwd":"739146",
                "lockDate":1770000006000,"serverDate":1770000000000,"electricQuantity":61}"#,
        );
        assert_eq!((record.id.as_str(), record.lock_id.as_str(), record.battery_percent), ("7", "5", Some(61)));
        assert_eq!((record.kind.clone(), record.means), (RecordKind::Refused(Refusal::Unsaid), Means::Pin));
        assert_eq!(record.at_lock.duration_since(record.at_server.unwrap()).as_secs(), 6);
        assert_eq!(record.token, None);
        assert!(!format!("{record:?}").contains("739146"));
    }

    #[test]
    fn a_name_of_ours_is_kept_and_an_unknown_type_too() {
        let name = "lis-0123456789abcdef0123456789abcdef";
        let record =
            read(&format!(r#"{{"recordId":"8","lockId":5,"recordType":123,"username":"{name}","lockDate":0}}"#));
        assert_eq!((record.kind, record.token), (RecordKind::Other("123".into()), CredentialToken::ours(name)));
    }
}

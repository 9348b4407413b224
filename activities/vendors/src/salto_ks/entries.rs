//! The site's log of entries, and the same rows as they come over the event stream.
//!
//! Of a row's 23 fields these are read. `id` and `lock_id` were not seen in a published answer; a row without a lock is left out, one
//! without an id gets one that its content gives. Names are never read; an alias is taken only where it is a name of ours.

use jiff::Timestamp;
use serde::Deserialize;
use serde_json::Value;

use super::adapter::SaltoKs;
use super::errors::trouble;
use super::session::{Operation, Verb};
use super::wire;
use crate::error::{Condition, VendorError};
use crate::port::CredentialToken;
use crate::records::{DoorRecord, Means, RecordKind, Refusal, word};

/// In the older version only; the newer one answers 405.
const ENTRIES: Verb = Verb::get("GET entries").v1_1();
const PAGE: &str = "100";
const MOST_PAGES: usize = 2_000;

#[derive(Deserialize)]
struct Nested {
    #[serde(default)]
    id: Option<String>,
}

/// A row.
#[derive(Deserialize)]
struct Entry {
    #[serde(default)]
    id: Option<String>,
    #[serde(default)]
    lock_id: Option<String>,
    #[serde(default)]
    lock: Option<Nested>,
    utc_date_time: String,
    event_category: String,
    #[serde(default)]
    event_detail: Option<String>,
    #[serde(default)]
    access_by: Option<String>,
    #[serde(default)]
    user_alias: Option<String>,
}

/// A row as a record; none where it makes no sense as one.
pub(super) fn record(row: &Value) -> Option<DoorRecord> {
    let entry = Entry::deserialize(row).ok()?;
    let at_lock = wire::timestamp(&entry.utc_date_time)?;
    let lock_id = entry.lock_id.or(entry.lock.and_then(|lock| lock.id)).filter(|id| !id.is_empty())?;
    let made_up = || format!("{lock_id} {at_lock} {}", word(&entry.event_category));
    Some(DoorRecord {
        id: entry.id.filter(|id| !id.is_empty()).unwrap_or_else(made_up),
        kind: kind(&entry.event_category, entry.event_detail.as_deref(), entry.user_alias.is_some()),
        means: means(entry.access_by.as_deref().unwrap_or_default()),
        token: entry.user_alias.as_deref().and_then(CredentialToken::ours),
        credential: None,
        at_server: None,
        battery_percent: None,
        at_lock,
        lock_id,
    })
}

/// `lock_opened`, `lock_rejected` and its details were measured; the rest are words that vendors use.
fn kind(category: &str, detail: Option<&str>, known_user: bool) -> RecordKind {
    match category {
        "lock_opened" => RecordKind::Opened,
        "lock_rejected" => RecordKind::Refused(match (detail, known_user) {
            (Some("suspended"), _) => Refusal::Suspended,
            (Some("expired"), _) => Refusal::Expired,
            (Some("no_access"), false) => Refusal::Unknown,
            (Some("no_access") | None, true) => Refusal::NotAllowed,
            _ => Refusal::Unsaid,
        }),
        "lock_locked" | "lock_closed" => RecordKind::Locked,
        "lock_offline" => RecordKind::WentOffline,
        "lock_online" => RecordKind::CameOnline,
        "door_left_open" | "left_open" => RecordKind::LeftOpen,
        other if other.contains("tamper") || other.contains("intrusion") => RecordKind::Tampered,
        other if other.contains("battery") => RecordKind::BatteryLow,
        other => RecordKind::Other(word(other)),
    }
}

fn means(access_by: &str) -> Means {
    match access_by {
        "pin_code" => Means::Pin,
        "tag" | "card" => Means::Card,
        "mobile_key" | "digital_key" | "phone" => Means::Mobile,
        "remote" => Means::Remote,
        "inside_handle" | "key" => Means::Mechanical,
        _ => Means::Unsaid,
    }
}

impl SaltoKs {
    /// Everything in the site's log at or after `since`, newest first.
    pub(super) async fn entries(
        &self,
        operation: Operation<'_>,
        since: Timestamp,
    ) -> Result<Vec<DoorRecord>, VendorError> {
        let session = self.session();
        let mut url = session.url(ENTRIES, &["entries"]);
        url.query_pairs_mut().append_pair("$orderby", "utc_date_time desc").append_pair("$top", PAGE);
        let mut records = Vec::new();
        for pages in 1..=MOST_PAGES {
            if pages == MOST_PAGES {
                tracing::error!(pages, %since, "the log is longer than what is read of it; the oldest events are left out");
            }
            // A long log takes long; no page of it does.
            let reply = session.call(operation.part(), ENTRIES, &url, None).await?;
            let page: Option<wire::Page<Value>> = wire::page(reply.value);
            let (rows, next) = page.ok_or_else(|| trouble(ENTRIES, Condition::BadAnswer))?;
            let mut older = false;
            for row in &rows {
                let Some(record) = record(row) else { continue };
                older |= record.at_lock < since;
                if record.at_lock >= since {
                    records.push(record);
                }
            }
            match next {
                Some(link) if !older && !rows.is_empty() => url = session.next_page(ENTRIES, &url, &link)?,
                _ => break,
            }
        }
        Ok(records)
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use serde_json::json;

    use super::*;

    fn row(change: impl FnOnce(&mut Value)) -> Option<DoorRecord> {
        let mut row = json!({
            "id": "e1", "lock_id": "l1", "utc_date_time": "2026-08-18T09:30:12Z", "event_category": "lock_rejected",
            "event_detail": null, "access_by": "pin_code", "user_id": "p1", "user_alias": null,
            "user_first_name": "Anna",
        });
        change(&mut row);
        record(&row)
    }

    #[test]
    fn rejections_as_measured() {
        for (detail, alias, expected) in [
            (json!("no_access"), json!(null), Refusal::Unknown),
            (json!(null), json!("Anna"), Refusal::NotAllowed),
            (json!("suspended"), json!(null), Refusal::Suspended),
            (json!("offline"), json!(null), Refusal::Unsaid),
        ] {
            let record = row(|row| {
                row["event_detail"] = detail;
                row["user_alias"] = alias;
            })
            .unwrap();
            assert_eq!(record.kind, RecordKind::Refused(expected));
            assert!(!format!("{record:?}").contains("Anna"));
        }
    }

    #[test]
    fn a_row_without_id_gets_one_and_without_lock_is_left_out() {
        let made_up = row(|row| row["id"] = json!(null)).unwrap();
        assert_eq!(made_up.id, row(|row| row["id"] = json!(null)).unwrap().id);
        assert_eq!(row(|row| row["lock_id"] = json!(null)), None);
        let nested = row(|row| {
            row["lock_id"] = json!(null);
            row["lock"] = json!({"id": "l2"});
        });
        assert_eq!(nested.unwrap().lock_id, "l2");
        assert_eq!(row(|row| row["utc_date_time"] = json!("soon")), None);
        assert_eq!(
            row(|row| row["event_category"] = json!("privacy_mode")).unwrap().kind,
            RecordKind::Other("privacy_mode".into())
        );
    }
}

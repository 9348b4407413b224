//! The server's JSON. Fields that are not read are not named; unknown ones are ignored.

use jiff::tz::TimeZone;
use lock_domain::window::Window;
use secrecy::SecretString;
use serde::{Deserialize, Deserializer, Serialize};

use super::local_time::instants;
use crate::port::{GatewayStatus, VendorLock};

/// Body of `POST /sessions`.
#[derive(Serialize)]
pub(crate) struct Credentials<'a> {
    pub(crate) username: &'a str,
    pub(crate) password: &'a str,
}

/// Answer to it.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct SessionAnswer {
    #[serde(deserialize_with = "id")]
    pub(crate) id: String,
    #[serde(deserialize_with = "secret")]
    pub(crate) access_key: SecretString,
}

/// Body of `POST /cards`.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct CardBody<'a> {
    pub(crate) start_time: &'a str,
    pub(crate) expire_time: &'a str,
    pub(crate) format: &'static str,
    pub(crate) door_operations: Vec<DoorOperation<'a>>,
    pub(crate) description: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) label: Option<&'a str>,
    #[serde(rename = "endPointID", skip_serializing_if = "Option::is_none")]
    pub(crate) end_point: Option<&'a str>,
}

/// Which doors, and how.
#[derive(Serialize)]
pub(crate) struct DoorOperation<'a> {
    pub(crate) doors: Vec<&'a str>,
    pub(crate) operation: &'a str,
}

/// Body of a check-out.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct CheckOut {
    pub(crate) checked_out: bool,
}

/// Answer to `POST /cards`. Our own name is enough to find it again; an id in an unknown form means that we don't understand the answer.
#[derive(Debug, Deserialize)]
#[expect(dead_code, reason = "read for their form")]
pub(crate) struct CardMade {
    id: Option<Id>,
    #[serde(rename = "credentialID")]
    credential: Option<Id>,
}

/// A failure, whatever its HTTP status.
#[derive(Debug, Deserialize)]
pub(crate) struct Failure {
    pub(crate) code: i64,
}

/// A card or key in the list of a door.
#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub(crate) struct CardRow {
    id: Option<Id>,
    #[serde(rename = "credentialID")]
    credential: Option<Id>,
    description: Option<String>,
    start_time: Option<String>,
    expire_time: Option<String>,
    credential_status: Option<String>,
    #[serde(rename = "endPointID")]
    end_point: Option<String>,
    expired: Option<bool>,
    cancelled: Option<bool>,
    discarded: Option<bool>,
    overwritten: Option<bool>,
    overridden: Option<bool>,
}

impl CardRow {
    /// Opens its doors, as far as the server knows.
    pub(crate) fn live(&self) -> bool {
        let flags = [self.expired, self.cancelled, self.discarded, self.overwritten, self.overridden];
        let revoked = self.credential_status.as_deref().is_some_and(|status| status.starts_with("REVOK"));
        !revoked && flags.iter().all(|flag| *flag != Some(true))
    }

    pub(crate) fn named(&self, name: &str) -> bool {
        self.description.as_deref() == Some(name)
    }

    /// Our name for it, or something to tell foreign ones apart.
    pub(crate) fn name(&self) -> &str {
        self.description.as_deref().or(self.server_id()).unwrap_or_default()
    }

    /// The server's id of it.
    pub(crate) fn server_id(&self) -> Option<&str> {
        self.credential.as_ref().or(self.id.as_ref()).map(|id| id.0.as_str())
    }

    pub(crate) fn mobile(&self) -> bool {
        self.end_point.is_some()
    }

    /// What is said of its way to the telephone, when anything is.
    pub(crate) fn delivered(&self) -> Option<bool> {
        self.credential_status.as_deref().map(|status| status == "ISSUED")
    }

    pub(crate) fn window(&self, zone: &TimeZone) -> Option<Window> {
        instants(self.start_time.as_deref()?, self.expire_time.as_deref()?, zone)
    }
}

/// A row of `GET /doors?details=true`.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct DoorRow {
    door_name: String,
    #[serde(default)]
    local_name: Option<String>,
    #[serde(default)]
    online: Option<bool>,
}

impl From<DoorRow> for VendorLock {
    fn from(row: DoorRow) -> Self {
        let name = row.local_name.filter(|name| !name.is_empty()).unwrap_or_else(|| row.door_name.clone());
        Self { lock_id: row.door_name, name, battery_percent: None, has_gateway: row.online == Some(true) }
    }
}

/// A row of the list of encoders.
#[derive(Debug, Deserialize)]
pub(crate) struct EncoderRow {
    name: String,
    #[serde(default)]
    online: Option<bool>,
}

impl From<EncoderRow> for GatewayStatus {
    fn from(row: EncoderRow) -> Self {
        Self { id: row.name.clone(), name: row.name, online: row.online == Some(true), lock_count: 0 }
    }
}

/// A number or a text.
#[derive(Debug, Deserialize)]
struct Id(#[serde(deserialize_with = "id")] String);

/// Whether an id is a number or a text is not documented.
fn id<'de, D: Deserializer<'de>>(deserializer: D) -> Result<String, D::Error> {
    #[derive(Deserialize)]
    #[serde(untagged)]
    enum Raw {
        Number(i64),
        Text(String),
    }
    Ok(match Raw::deserialize(deserializer)? {
        Raw::Number(number) => number.to_string(),
        Raw::Text(text) => text,
    })
}

fn secret<'de, D: Deserializer<'de>>(deserializer: D) -> Result<SecretString, D::Error> {
    String::deserialize(deserializer).map(SecretString::from)
}

#[cfg(any(test, feature = "fuzz"))]
pub(crate) fn read_anything(bytes: &[u8]) {
    drop(serde_json::from_slice::<SessionAnswer>(bytes));
    drop(serde_json::from_slice::<CardMade>(bytes));
    drop(serde_json::from_slice::<Failure>(bytes));
    if let Ok(rows) = serde_json::from_slice::<Vec<CardRow>>(bytes) {
        for row in rows {
            let _ = (row.live(), row.named("lis-1"), row.delivered(), row.window(&TimeZone::UTC));
        }
    }
    if let Ok(rows) = serde_json::from_slice::<Vec<DoorRow>>(bytes) {
        rows.into_iter().map(VendorLock::from).for_each(drop);
    }
    if let Ok(rows) = serde_json::from_slice::<Vec<EncoderRow>>(bytes) {
        rows.into_iter().map(GatewayStatus::from).for_each(drop);
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn a_card_says_what_the_vendor_expects() {
        let body = CardBody {
            start_time: "20261123T1500",
            expire_time: "20261125T1100",
            format: "rfid48",
            door_operations: vec![DoorOperation { doors: vec!["101"], operation: "guest" }],
            description: "lis-1",
            label: None,
            end_point: None,
        };
        assert_eq!(
            serde_json::to_value(&body).unwrap(),
            serde_json::json!({
                "expireTime": "20261125T1100", "startTime": "20261123T1500", "format": "rfid48",
                "doorOperations": [{"doors": ["101"], "operation": "guest"}], "description": "lis-1",
            })
        );
        let mobile = CardBody { end_point: Some("e-1"), label: Some("%ROOMNUM%"), ..body };
        let value = serde_json::to_value(&mobile).unwrap();
        assert_eq!((&value["endPointID"], &value["label"]), (&"e-1".into(), &"%ROOMNUM%".into()));
    }

    #[test]
    fn a_flag_takes_the_card_out() {
        for (row, live) in [
            (r#"{"id":7,"description":"lis-1"}"#, true),
            (r#"{"description":"lis-1","overridden":true}"#, false),
            (r#"{"description":"lis-1","cancelled":true}"#, false),
            (r#"{"description":"lis-1","credentialStatus":"REVOKING"}"#, false),
            (r#"{"description":"lis-1","credentialStatus":"ISSUING"}"#, true),
        ] {
            let row: CardRow = serde_json::from_str(row).unwrap();
            assert_eq!((row.live(), row.named("lis-1"), row.named("lis-")), (live, true, false));
        }
    }

    #[test]
    fn an_answer_of_another_form_is_not_read() {
        assert!(serde_json::from_str::<CardMade>(r#"{"credentialID":{"a":1}}"#).is_err());
        assert!(serde_json::from_str::<CardMade>(r#"{"credentialID":12}"#).is_ok());
        assert!(serde_json::from_str::<CardMade>("{}").is_ok());
        assert!(serde_json::from_str::<CardMade>("[]").is_err());
    }
}

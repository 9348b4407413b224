//! A property's access to its Visionline server.

use std::fmt;

use jiff::tz::TimeZone;
use reqwest::Url;
use secrecy::SecretString;

use super::NAME;
use super::assumptions::Assumptions;
use super::certificate::Pin;
use crate::config::Fields;
use crate::registry::RegistryError;

/// How long a session is used.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SessionUse {
    /// Opened for an operation and closed after it, as the known clients do.
    PerOperation,
    /// Kept until the server no longer takes it.
    Kept,
}

/// Which header carries the signed date.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum DateHeader {
    /// `Date`.
    Date,
    /// `X-Aah-Date`, for servers behind something that rewrites `Date`; its name is then part of what is signed.
    XAahDate,
}

/// What is written on a card.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum CardFormat {
    /// `rfid48`: at most 33 consecutive guest rooms.
    Rfid48,
    /// `TLCode`: needs more than 48 bytes of the card.
    TlCode,
}

impl CardFormat {
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Rfid48 => "rfid48",
            Self::TlCode => "TLCode",
        }
    }
}

/// Access and switches. Debug shows neither secret nor user name.
#[derive(Clone)]
pub struct VisionlineConfig {
    /// Such as `https://visionline.hotel.lan`; the API is expected under `/api/v1`. Plain HTTP is taken on this machine only.
    pub base_url: Url,
    /// SHA-256 of the server's certificate.
    pub(crate) certificate: Option<Pin>,
    /// SHA-256 of the public key (SubjectPublicKeyInfo) in the server's certificate.
    pub(crate) public_key: Option<Pin>,
    /// A user of the server with the right to use the web services.
    pub username: String,
    /// Its password.
    pub password: SecretString,
    /// Where the hotel is: the server's times have no offset.
    pub zone: TimeZone,
    /// How long a session is used.
    pub session: SessionUse,
    /// Which header carries the signed date.
    pub date_header: DateHeader,
    /// `Content-Type` of bodies, as sent and signed.
    pub content_type: String,
    /// What is written on a card.
    pub card_format: CardFormat,
    /// Whether a card that still opens something may be written over.
    pub overwrite_valid_card: bool,
    /// What a key is called in the guest's telephone, with the vendor's placeholders; at most 32 characters are shown.
    pub label: String,
    /// What nobody outside the vendor knows.
    pub assumptions: Assumptions,
}

impl fmt::Debug for VisionlineConfig {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("VisionlineConfig")
            .field("base_url", &self.base_url.as_str())
            .field("certificate", &self.certificate)
            .field("public_key", &self.public_key)
            .field("session", &self.session)
            .field("date_header", &self.date_header)
            .field("assumptions", &self.assumptions)
            .finish_non_exhaustive()
    }
}

const FIELDS: [&str; 13] = [
    "base_url",
    "certificate_sha256",
    "public_key_sha256",
    "username",
    "password",
    "time_zone",
    "session",
    "date_header",
    "content_type",
    "card_format",
    "overwrite_valid_card",
    "label",
    "assumptions",
];

impl VisionlineConfig {
    /// Reads the configuration. An error names the field and never repeats a value.
    pub fn from_json(text: &SecretString) -> Result<Self, RegistryError> {
        let fields = Fields::read(NAME, text, &FIELDS)?;
        let base_url = fields.url("base_url")?;
        let certificate = pin(&fields, "certificate_sha256")?;
        let public_key = pin(&fields, "public_key_sha256")?;
        if base_url.scheme() == "https" && certificate.is_none() && public_key.is_none() {
            return Err(fields
                .bad("`certificate_sha256` or `public_key_sha256` is needed: the server signs its own certificate"));
        }
        let zone =
            TimeZone::get(fields.required("time_zone")?).map_err(|_| fields.bad("`time_zone` is not an IANA name"))?;
        let content_type = fields.any_text("content_type")?.unwrap_or("application/json;charset=utf-8");
        if reqwest::header::HeaderValue::from_str(content_type).is_err() {
            return Err(fields.bad("`content_type` can't be sent"));
        }
        let assumptions = match fields.value("assumptions") {
            None => Assumptions::default(),
            Some(value) => {
                serde_json::from_value(value.clone()).map_err(|_| fields.bad("`assumptions` is not usable"))?
            }
        };
        Ok(Self {
            base_url,
            certificate,
            public_key,
            username: fields.required("username")?.to_owned(),
            password: fields.required("password")?.into(),
            zone,
            session: fields
                .choice("session", &[("per_operation", SessionUse::PerOperation), ("kept", SessionUse::Kept)])?,
            date_header: fields
                .choice("date_header", &[("date", DateHeader::Date), ("x-aah-date", DateHeader::XAahDate)])?,
            content_type: content_type.to_owned(),
            card_format: fields
                .choice("card_format", &[("rfid48", CardFormat::Rfid48), ("TLCode", CardFormat::TlCode)])?,
            overwrite_valid_card: fields.switch("overwrite_valid_card", true)?,
            label: fields.any_text("label")?.unwrap_or("%SITENAME% %ROOMNUM%").to_owned(),
            assumptions,
        })
    }
}

fn pin(fields: &Fields, name: &str) -> Result<Option<Pin>, RegistryError> {
    let pin =
        |text| Pin::from_text(text).ok_or_else(|| fields.bad(&format!("`{name}` must have 64 hexadecimal digits")));
    fields.any_text(name)?.map(pin).transpose()
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use serde_json::{Value, json};

    use super::*;

    fn read(change: impl FnOnce(&mut Value)) -> Result<VisionlineConfig, RegistryError> {
        let mut value = json!({
            "base_url": "https://visionline.hotel.lan", "certificate_sha256": "ab".repeat(32),
            "username": "desk-user", "password": "hush-hush", "time_zone": "Europe/Lisbon",
        });
        change(&mut value);
        VisionlineConfig::from_json(&value.to_string().into())
    }

    #[test]
    fn debug_shows_no_secret() {
        let shown = format!("{:?}", read(|_| {}).unwrap());
        assert!(!shown.contains("hush") && !shown.contains("desk-user"), "{shown}");
    }

    #[test]
    fn assumptions_can_be_changed_one_by_one() {
        let config = read(|v| v["assumptions"] = json!({ "check_out_path": "" })).unwrap();
        assert_eq!(config.assumptions, Assumptions { check_out_path: String::new(), ..Assumptions::default() });
    }

    #[test]
    fn faults_name_the_field_and_no_value() {
        type Change = fn(&mut Value);
        let cases: [(&str, Change); 10] = [
            ("base_url", |v| v["base_url"] = json!("http://visionline.hotel.lan")),
            ("certificate_sha256", |v| v["certificate_sha256"] = json!("hush-hush")),
            ("public_key_sha256", |v| drop(v.as_object_mut().unwrap().remove("certificate_sha256"))),
            ("password", |v| v["password"] = json!(7)),
            ("username", |v| v["username"] = json!("")),
            ("time_zone", |v| v["time_zone"] = json!("Europe/Hush-hush")),
            ("session", |v| v["session"] = json!("hush-hush")),
            ("date_header", |v| v["date_header"] = json!(1)),
            ("assumptions", |v| v["assumptions"] = json!({ "hush-hush": 1 })),
            ("passwd", |v| v["passwd"] = json!("hush-hush")),
        ];
        for (field, change) in cases {
            let text = read(change).unwrap_err().to_string();
            assert!(text.contains(field) && !text.contains("hush"), "{text}");
        }
    }
}

//! A property's access to TTLock, and the switches for what the vendor's documentation leaves open.

use std::fmt;
use std::time::Duration;

use reqwest::Url;
use secrecy::SecretString;
use serde_json::Value;

use super::NAME;
use crate::config::Fields;
use crate::registry::RegistryError;

/// How reads are sent. Both work with the cloud as it is; a GET shows the access token to every proxy's log.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ReadMethod {
    /// Fields in the query.
    Get,
    /// Fields in the form.
    Post,
}

/// The unit of `date`, which every call carries. The vendor's pages say milliseconds; an older edition said seconds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum DateUnit {
    /// Milliseconds since 1970.
    Milliseconds,
    /// Seconds since 1970.
    Seconds,
}

/// Access and switches. Debug shows neither secret nor user name.
#[derive(Clone)]
pub struct TtlockConfig {
    /// Such as `https://euapi.ttlock.com`. Plain HTTP is taken on this machine only.
    pub base_url: Url,
    /// The application's id.
    pub client_id: String,
    /// The application's secret.
    pub client_secret: SecretString,
    /// User of the vendor's app who administers the locks; not the developer account.
    pub username: String,
    /// MD5 of that user's password, 32 lowercase hexadecimal digits.
    pub password_md5: SecretString,
    /// How reads are sent.
    pub read_method: ReadMethod,
    /// The unit of `date`.
    pub date_unit: DateUnit,
    /// Added to `date`, where the vendor's clock is off, milliseconds.
    pub date_offset_ms: i64,
    /// Whether `keyboardPwd/change` changes a code's window. Else the code is deleted and added again with the same digits, and the door
    /// does not open in between.
    pub change_in_place: bool,
    /// How long before its end an access token is replaced.
    pub renew_before: Duration,
    /// Whether a code that the cloud lists under our name counts as standing in the lock. The cloud lists what a gateway wrote;
    /// that it lists nothing else under `addType=2` is an assumption.
    pub listed_means_in_lock: bool,
    /// Whether the failures without a reason (1, 90000) leave open if a changing call took effect.
    pub vague_failure_is_unconfirmed: bool,
}

impl fmt::Debug for TtlockConfig {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("TtlockConfig")
            .field("base_url", &self.base_url.as_str())
            .field("client_id", &self.client_id)
            .field("read_method", &self.read_method)
            .finish_non_exhaustive()
    }
}

const FIELDS: [&str; 12] = [
    "base_url",
    "client_id",
    "client_secret",
    "username",
    "password_md5",
    "read_method",
    "date_unit",
    "date_offset_ms",
    "change_in_place",
    "renew_before_s",
    "listed_means_in_lock",
    "vague_failure_is_unconfirmed",
];

impl TtlockConfig {
    /// Reads the configuration. An error names the field and never repeats a value.
    pub fn from_json(text: &SecretString) -> Result<Self, RegistryError> {
        let fields = Fields::read(NAME, text, &FIELDS)?;
        let password_md5 = fields.required("password_md5")?;
        if password_md5.len() != 32 || !password_md5.bytes().all(|b| matches!(b, b'0'..=b'9' | b'a'..=b'f')) {
            return Err(fields.bad("`password_md5` must have 32 lowercase hexadecimal digits"));
        }
        let offset = fields.value("date_offset_ms").map_or(Some(0), Value::as_i64).filter(|ms| ms.abs() <= 300_000);
        Ok(Self {
            base_url: fields.url("base_url")?,
            client_id: fields.required("client_id")?.to_owned(),
            client_secret: fields.required("client_secret")?.into(),
            username: fields.required("username")?.to_owned(),
            password_md5: password_md5.into(),
            read_method: fields.choice("read_method", &[("post", ReadMethod::Post), ("get", ReadMethod::Get)])?,
            date_unit: fields.choice("date_unit", &[("ms", DateUnit::Milliseconds), ("s", DateUnit::Seconds)])?,
            date_offset_ms: offset
                .ok_or_else(|| fields.bad("`date_offset_ms` must be a whole number from -300000 to 300000"))?,
            change_in_place: fields.switch("change_in_place", true)?,
            renew_before: Duration::from_secs(fields.whole("renew_before_s", 86_400)?),
            listed_means_in_lock: fields.switch("listed_means_in_lock", true)?,
            vague_failure_is_unconfirmed: fields.switch("vague_failure_is_unconfirmed", true)?,
        })
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use md5::{Digest, Md5};
    use serde_json::json;

    use super::*;

    fn read(change: impl FnOnce(&mut Value)) -> Result<TtlockConfig, RegistryError> {
        let mut value = json!({
            "base_url": "https://euapi.ttlock.com", "client_id": "id", "client_secret": "hush-hush",
            "username": "desk", "password_md5": "e10adc3949ba59abbe56e057f20f883e",
        });
        change(&mut value);
        TtlockConfig::from_json(&value.to_string().into())
    }

    #[test]
    fn the_vendors_md5_vector() {
        assert_eq!(hex::encode(Md5::digest(b"123456")), "e10adc3949ba59abbe56e057f20f883e");
    }

    #[test]
    fn debug_shows_no_secret() {
        let config = read(|_| {}).unwrap();
        let shown = format!("{config:?}");
        assert!(!shown.contains("hush") && !shown.contains("e10adc") && !shown.contains("desk"), "{shown}");
    }

    #[test]
    fn faults_name_the_field_and_no_value() {
        type Change = fn(&mut Value);
        let cases: [(&str, Change); 6] = [
            ("base_url", |v| v["base_url"] = json!("http://euapi.ttlock.com")),
            ("client_secret", |v| v["client_secret"] = json!(7)),
            ("password_md5", |v| v["password_md5"] = json!("hush-hush")),
            ("read_method", |v| v["read_method"] = json!("put")),
            ("renew_before_s", |v| v["renew_before_s"] = json!(-1)),
            ("passwd", |v| v["passwd"] = json!("hush-hush")),
        ];
        for (field, change) in cases {
            let text = read(change).unwrap_err().to_string();
            assert!(text.contains(field) && !text.contains("hush"), "{text}");
        }
    }
}

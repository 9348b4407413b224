//! The vendor's JSON. Fields that are not read are not named; unknown ones are ignored, as the vendor adds some now and then.

use jiff::Timestamp;
use lock_domain::window::Window;
use secrecy::{ExposeSecret, SecretString};
use serde::{Deserialize, Deserializer};

use crate::login::Tokens;
use crate::port::{GatewayStatus, VendorCredential, VendorCredentialRef, VendorLock};

/// `keyboardPwdType` of a code with start and end.
pub(crate) const PERIOD: &str = "3";
/// `keyboardPwdType`: opens once, within six hours from its start.
pub(crate) const ONE_TIME: &str = "1";
/// `addType`, `changeType`, `deleteType`: the cloud has a gateway or the lock's WiFi do it. 1 would mean that a phone has done it
/// already; said without a phone, it leaves a code that the cloud lists and no door opens for.
pub(crate) const BY_GATEWAY: &str = "2";
/// `orderBy`: any order will do, but the field is expected.
pub(crate) const BY_NAME: &str = "0";

/// A page of anything.
#[derive(Debug, Deserialize)]
pub(crate) struct Page<T> {
    pub(crate) list: Vec<T>,
    #[serde(default)]
    pub(crate) pages: u32,
}

/// Answer to `keyboardPwd/add`.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Added {
    #[serde(deserialize_with = "id")]
    pub(crate) keyboard_pwd_id: String,
}

/// Answer to `keyboardPwd/get`.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Got {
    #[serde(deserialize_with = "secret")]
    pub(crate) keyboard_pwd: SecretString,
    #[serde(deserialize_with = "id")]
    pub(crate) keyboard_pwd_id: String,
}

/// Answer to `lock/queryDate` and `lock/updateDate`.
#[derive(Debug, Deserialize)]
pub(crate) struct Date {
    pub(crate) date: i64,
}

/// A row of `lock/listKeyboardPwd`.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct PasscodeRow {
    #[serde(deserialize_with = "id")]
    pub(crate) keyboard_pwd_id: String,
    #[serde(deserialize_with = "secret", default)]
    pub(crate) keyboard_pwd: SecretString,
    #[serde(default)]
    pub(crate) keyboard_pwd_name: Option<String>,
    #[serde(default)]
    pub(crate) start_date: i64,
    #[serde(default)]
    pub(crate) end_date: i64,
}

impl PasscodeRow {
    pub(crate) fn named(&self, name: &str) -> bool {
        self.keyboard_pwd_name.as_deref() == Some(name)
    }

    pub(crate) fn window(&self) -> Option<Window> {
        let until = Timestamp::from_millisecond(self.end_date).ok().filter(|_| self.end_date > 0)?;
        Some(Window { from: Timestamp::from_millisecond(self.start_date).ok()?, until })
    }

    pub(crate) fn credential(self, confirmed_at_lock: bool) -> VendorCredential {
        VendorCredential {
            window: self.window(),
            reference: VendorCredentialRef(self.keyboard_pwd_id),
            name: self.keyboard_pwd_name.unwrap_or_default(),
            confirmed_at_lock,
        }
    }
}

/// A row of `gateway/list`.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct GatewayRow {
    #[serde(deserialize_with = "id")]
    gateway_id: String,
    #[serde(default)]
    gateway_name: Option<String>,
    #[serde(default)]
    lock_num: u32,
    #[serde(default)]
    is_online: i64,
}

impl From<GatewayRow> for GatewayStatus {
    fn from(row: GatewayRow) -> Self {
        Self {
            id: row.gateway_id,
            name: row.gateway_name.unwrap_or_default(),
            online: row.is_online == 1,
            lock_count: row.lock_num,
        }
    }
}

/// A row of `lock/list`.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct LockRow {
    #[serde(deserialize_with = "id")]
    lock_id: String,
    #[serde(default)]
    lock_alias: Option<String>,
    #[serde(default)]
    lock_name: Option<String>,
    #[serde(default)]
    electric_quantity: Option<i64>,
    #[serde(default)]
    has_gateway: i64,
}

impl From<LockRow> for VendorLock {
    fn from(row: LockRow) -> Self {
        Self {
            lock_id: row.lock_id,
            name: row.lock_alias.or(row.lock_name).unwrap_or_default(),
            battery_percent: row.electric_quantity.and_then(|percent| u8::try_from(percent).ok()),
            has_gateway: row.has_gateway == 1,
        }
    }
}

/// Answer of the token endpoint.
#[derive(Deserialize)]
pub(crate) struct TokenAnswer {
    #[serde(deserialize_with = "secret")]
    pub(crate) access_token: SecretString,
    #[serde(deserialize_with = "secret", default)]
    pub(crate) refresh_token: SecretString,
    pub(crate) expires_in: i64,
}

impl From<TokenAnswer> for Tokens {
    fn from(answer: TokenAnswer) -> Self {
        let refresh = Some(answer.refresh_token).filter(|token| !token.expose_secret().is_empty());
        Self { access: answer.access_token, refresh, expires_in: answer.expires_in }
    }
}

/// Ids are numbers today; a text does no harm.
pub(crate) fn id<'de, D: Deserializer<'de>>(deserializer: D) -> Result<String, D::Error> {
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
    drop(serde_json::from_slice::<Added>(bytes));
    drop(serde_json::from_slice::<Got>(bytes));
    drop(serde_json::from_slice::<Date>(bytes));
    drop(serde_json::from_slice::<TokenAnswer>(bytes));
    if let Ok(page) = serde_json::from_slice::<Page<PasscodeRow>>(bytes) {
        page.list.into_iter().map(|row| row.credential(true)).for_each(drop);
    }
    if let Ok(page) = serde_json::from_slice::<Page<super::records::RecordRow>>(bytes) {
        page.list.into_iter().filter_map(super::records::RecordRow::record).for_each(drop);
    }
    if let Ok(page) = serde_json::from_slice::<Page<LockRow>>(bytes) {
        page.list.into_iter().map(VendorLock::from).for_each(drop);
    }
    if let Ok(page) = serde_json::from_slice::<Page<GatewayRow>>(bytes) {
        page.list.into_iter().map(GatewayStatus::from).for_each(drop);
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn rows_are_read_as_published() {
        let row: PasscodeRow = serde_json::from_str(
            r#"{"keyboardPwdId":11,"lockId":5,"keyboardPwd":"73914","keyboardPwdName":"lis-a","keyboardPwdType":3,
                "startDate":1770000000000,"endDate":1770100000000,"sendDate":1,"isCustom":1,"senderUsername":"u"}"#,
        )
        .unwrap();
        assert!(row.named("lis-a") && !row.named("lis-"));
        let credential = row.credential(true);
        assert_eq!(credential.reference.0, "11");
        assert_eq!(credential.window.unwrap().until.as_millisecond(), 1_770_100_000_000);
    }

    #[test]
    fn a_code_without_end_has_no_window() {
        let row: PasscodeRow = serde_json::from_str(r#"{"keyboardPwdId":"7","startDate":0,"endDate":0}"#).unwrap();
        assert_eq!(row.credential(false).window, None);
    }
}

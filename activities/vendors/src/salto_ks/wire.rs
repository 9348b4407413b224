//! The vendor's JSON. Fields that are not read are not named; unknown ones are ignored.
//!
//! Lists come bare or as `{items, next_page_link}`, by path and version; both are read everywhere.

use jiff::Timestamp;
use jiff::civil::DateTime;
use jiff::tz::TimeZone;
use secrecy::SecretString;
use serde::de::DeserializeOwned;
use serde::{Deserialize, Deserializer};
use serde_json::Value;

use crate::login::Tokens;
use crate::port::{CredentialToken, GatewayStatus, VendorLock};

/// `subscription_state` of a user who has a seat.
const SUBSCRIBED: &str = "subscribed";

/// Answer of the token endpoint.
#[derive(Deserialize)]
pub(crate) struct TokenAnswer {
    #[serde(deserialize_with = "secret")]
    pub(crate) access_token: SecretString,
    #[serde(default, deserialize_with = "some_secret")]
    pub(crate) refresh_token: Option<SecretString>,
    #[serde(default = "hour")]
    pub(crate) expires_in: i64,
}

impl From<TokenAnswer> for Tokens {
    fn from(answer: TokenAnswer) -> Self {
        Self { access: answer.access_token, refresh: answer.refresh_token, expires_in: answer.expires_in }
    }
}

/// What vendors' clients take when the answer does not say.
fn hour() -> i64 {
    3_600
}

/// A user of a site. It has two ids, and the vendor's calls differ in which they want.
#[derive(Debug, Clone, Deserialize)]
pub(crate) struct SiteUser {
    /// The site user's id, for all paths under `users`.
    pub(crate) id: String,
    /// The platform's user, for access groups.
    pub(crate) user: PlatformUser,
    #[serde(default)]
    alias: Option<String>,
    #[serde(default)]
    subscription_state: Option<String>,
    #[serde(default)]
    pub(crate) use_pin: bool,
    #[serde(default, deserialize_with = "instant")]
    pub(crate) expires_at: Option<Timestamp>,
}

/// The platform's side of a user. Its names are never read.
#[derive(Debug, Clone, Deserialize)]
pub(crate) struct PlatformUser {
    pub(crate) id: String,
}

impl SiteUser {
    pub(crate) fn named(&self, token: &CredentialToken) -> bool {
        self.alias.as_deref() == Some(token.as_str())
    }

    /// Our name, if that is what it goes by.
    pub(crate) fn token(&self) -> Option<CredentialToken> {
        self.alias.as_deref().and_then(CredentialToken::ours)
    }

    /// Whether it has a seat; without one its PIN opens nothing.
    pub(crate) fn seated(&self) -> bool {
        self.subscription_state.as_deref() == Some(SUBSCRIBED)
    }
}

/// An access group.
#[derive(Debug, Clone, Deserialize)]
pub(crate) struct Group {
    pub(crate) id: String,
    #[serde(default)]
    pub(crate) customer_reference: Option<String>,
}

/// A row of which only the id matters.
#[derive(Debug, Deserialize)]
pub(crate) struct Row {
    pub(crate) id: String,
}

/// A time schedule of an access group.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(crate) struct Schedule {
    monday: bool,
    tuesday: bool,
    wednesday: bool,
    thursday: bool,
    friday: bool,
    saturday: bool,
    sunday: bool,
    start_time: String,
    end_time: String,
    start_date: Option<String>,
    end_date: Option<String>,
}

impl Schedule {
    /// Whether it covers all of every day.
    pub(crate) fn always(&self) -> bool {
        let days = [self.monday, self.tuesday, self.wednesday, self.thursday, self.friday, self.saturday, self.sunday];
        days.iter().all(|day| *day)
            && self.start_time.starts_with("00:00")
            && self.end_time.starts_with("23:59")
            && self.start_date.is_none()
            && self.end_date.is_none()
    }
}

/// A key of a user.
#[derive(Debug, Deserialize)]
pub(crate) struct KeyRow {
    #[serde(default, rename = "type")]
    kind: Option<String>,
    #[serde(default, deserialize_with = "instant")]
    pub(crate) expiry_date: Option<Timestamp>,
}

impl KeyRow {
    pub(crate) fn is_pin(&self) -> bool {
        self.kind.as_deref() == Some("pin")
    }
}

/// A lock.
#[derive(Debug, Deserialize)]
pub(crate) struct LockRow {
    pub(crate) id: String,
    #[serde(default)]
    customer_reference: Option<String>,
    #[serde(default)]
    battery_level: Option<String>,
    #[serde(default)]
    pub(crate) iq: Option<Row>,
}

impl From<LockRow> for VendorLock {
    fn from(row: LockRow) -> Self {
        Self {
            battery_percent: row.battery_level.as_deref().and_then(battery),
            has_gateway: row.iq.is_some(),
            name: row.customer_reference.unwrap_or_default(),
            lock_id: row.id,
        }
    }
}

/// The vendor has words, the port has percents. Of the words only `fresh` was seen.
fn battery(level: &str) -> Option<u8> {
    match level {
        "fresh" => Some(100),
        "good" => Some(70),
        "low" => Some(20),
        "very_low" | "critical" | "flat" => Some(5),
        _ => None,
    }
}

/// A hub ("IQ").
#[derive(Debug, Deserialize)]
pub(crate) struct IqRow {
    id: String,
    #[serde(default)]
    customer_reference: Option<String>,
    #[serde(default)]
    online: bool,
}

impl IqRow {
    pub(crate) fn status(self, locks: &[LockRow]) -> GatewayStatus {
        let here = locks.iter().filter(|lock| lock.iq.as_ref().is_some_and(|iq| iq.id == self.id)).count();
        GatewayStatus {
            lock_count: u32::try_from(here).unwrap_or(u32::MAX),
            name: self.customer_reference.unwrap_or_default(),
            online: self.online,
            id: self.id,
        }
    }
}

/// Rows of a list and the address of the next page.
pub(crate) type Page<T> = (Vec<T>, Option<String>);

/// Reads a list in either form; none for anything else.
pub(crate) fn page<T: DeserializeOwned>(value: Value) -> Option<Page<T>> {
    #[derive(Deserialize)]
    struct Wrapped<T> {
        items: Vec<T>,
        #[serde(default)]
        next_page_link: Option<String>,
    }
    if value.is_array() {
        return Some((serde_json::from_value(value).ok()?, None));
    }
    let wrapped: Wrapped<T> = serde_json::from_value(value).ok()?;
    Some((wrapped.items, wrapped.next_page_link.filter(|link| !link.is_empty())))
}

/// `ErrorCode`, which comes as a number and as a text.
pub(crate) fn error_code(body: &Value) -> Option<i64> {
    let field = body.get("ErrorCode")?;
    field.as_i64().or_else(|| field.as_str()?.trim().parse().ok())
}

/// An instant; without a zone it is UTC.
pub(crate) fn timestamp(text: &str) -> Option<Timestamp> {
    text.parse::<Timestamp>().ok().or_else(|| {
        let civil: DateTime = text.parse().ok()?;
        civil.to_zoned(TimeZone::UTC).ok().map(|zoned| zoned.timestamp())
    })
}

pub(crate) fn instant<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<Timestamp>, D::Error> {
    let text = Option::<String>::deserialize(deserializer)?;
    text.map(|text| timestamp(&text).ok_or_else(|| serde::de::Error::custom("not an instant"))).transpose()
}

fn secret<'de, D: Deserializer<'de>>(deserializer: D) -> Result<SecretString, D::Error> {
    String::deserialize(deserializer).map(SecretString::from)
}

fn some_secret<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<SecretString>, D::Error> {
    Ok(Option::<String>::deserialize(deserializer)?.filter(|text| !text.is_empty()).map(SecretString::from))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use serde_json::json;

    use super::*;

    #[test]
    fn a_user_is_read_without_names() {
        let user: SiteUser = serde_json::from_value(json!({
            "id": "s1", "user": {"id": "p1", "first_name": "Anna", "last_name": null}, "roles": [],
            "alias": "lis-0123456789abcdef0123456789abcdef", "subscription_state": "suspended", "use_pin": false,
            "remote_access": false, "expires_at": "2026-08-19T10:00:00.000Z",
        }))
        .unwrap();
        assert_eq!((user.id.as_str(), user.user.id.as_str(), user.seated()), ("s1", "p1", false));
        assert!(user.token().is_some() && !format!("{user:?}").contains("Anna"));
        assert_eq!(user.expires_at, Some("2026-08-19T10:00:00Z".parse().unwrap()));
    }

    #[test]
    fn lists_come_in_two_forms() {
        let bare: Page<Row> = page(json!([{"id": "a"}])).unwrap();
        let wrapped: Page<Row> = page(json!({"items": [{"id": "a"}], "next_page_link": "/x", "count": 1})).unwrap();
        assert_eq!((bare.0.len(), bare.1), (1, None));
        assert_eq!((wrapped.0.len(), wrapped.1.as_deref()), (1, Some("/x")));
        assert!(page::<Row>(json!({"rows": []})).is_none());
        assert!(page::<Row>(json!([{"id": 7}])).is_none());
    }

    #[test]
    fn codes_come_in_two_forms() {
        assert_eq!(error_code(&json!({"ErrorCode": 2202, "Message": "x"})), Some(2202));
        assert_eq!(error_code(&json!({"ErrorCode": "2202"})), Some(2202));
        assert_eq!(error_code(&json!({"title": "Forbidden", "status": 403})), None);
    }

    #[test]
    fn a_schedule_is_always_or_not() {
        let always = json!({
            "monday": true, "tuesday": true, "wednesday": true, "thursday": true, "friday": true, "saturday": true,
            "sunday": true, "start_time": "00:00:00", "end_time": "23:59:59",
        });
        assert!(serde_json::from_value::<Schedule>(always.clone()).unwrap().always());
        for (field, value) in
            [("sunday", json!(false)), ("end_time", json!("18:00:59")), ("end_date", json!("2026-12-31"))]
        {
            let mut other = always.clone();
            other[field] = value;
            assert!(!serde_json::from_value::<Schedule>(other).unwrap().always(), "{field}");
        }
    }

    #[test]
    fn instants_without_a_zone_are_utc() {
        assert_eq!(timestamp("2026-08-18T09:30:12.5"), Some("2026-08-18T09:30:12.5Z".parse().unwrap()));
        assert_eq!(timestamp("yesterday"), None);
    }
}

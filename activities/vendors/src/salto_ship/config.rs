//! A property's access to its Space server, and everything that is assumed about SHIP without proof.

use std::fmt;
use std::time::Duration;

use jiff::tz::TimeZone;
use reqwest::Url;
use secrecy::SecretString;

use super::NAME;
use crate::config::Fields;
use crate::http::is_loopback;
use crate::registry::RegistryError;
use crate::salto::host_and_port;

/// How the server is reached.
#[derive(Clone)]
pub enum Access {
    /// STP on raw TCP, which has neither encryption nor login.
    Stp {
        /// `host:port`.
        address: String,
    },
    /// HTTP or HTTPS.
    Http {
        /// Where calls are posted.
        url: Url,
        /// User name and password.
        basic: Option<(String, SecretString)>,
        /// `Salto-SHIP-Key`.
        key: Option<SecretString>,
    },
}

/// What is not published, or was seen in one client only. Each can be changed without a release.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Assumed {
    /// A user's `PINCode` opens doors with a keypad without the card. Where it does not, guests would get digits that open nothing, so
    /// PINs are off until somebody has tried it at the door.
    pub pin_opens_alone: bool,
    /// Fields that an update leaves out are set back, instead of staying as they are.
    pub update_replaces: bool,
    /// STP lengths of replies count characters, not bytes.
    pub length_in_characters: bool,
    /// The failures without a reason (1, 4, 404) leave open if a changing call took effect.
    pub vague_failure_is_unconfirmed: bool,
    /// The server takes an `ExtUserID` of this length.
    pub longest_user_id: u32,
}

/// Access, the property's clock, and what is assumed. Debug shows no secret.
#[derive(Clone)]
pub struct SaltoShipConfig {
    /// How the server is reached.
    pub access: Access,
    /// The server tells times by the property's clock, without a zone.
    pub zone: TimeZone,
    /// Longest time that a human needs to present a card, at least 30 s in earnest.
    pub card_wait: Duration,
    /// Users per page of a list.
    pub page_size: u32,
    /// `ExtPartitionID` of new users, where the installation is partitioned.
    pub partition: Option<String>,
    /// What is assumed.
    pub assumed: Assumed,
}

impl fmt::Debug for SaltoShipConfig {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let access = match &self.access {
            Access::Stp { address } => format!("stp://{address}"),
            Access::Http { url, .. } => url.to_string(),
        };
        f.debug_struct("SaltoShipConfig")
            .field("access", &access)
            .field("assumed", &self.assumed)
            .finish_non_exhaustive()
    }
}

const FIELDS: [&str; 14] = [
    "url",
    "username",
    "password",
    "ship_key",
    "time_zone",
    "allow_unencrypted",
    "card_wait_s",
    "page_size",
    "partition",
    "pin_opens_alone",
    "update_replaces",
    "length_in_characters",
    "vague_failure_is_unconfirmed",
    "longest_user_id",
];

impl SaltoShipConfig {
    /// Reads the configuration. An error names the field and never repeats a value.
    pub fn from_json(text: &SecretString) -> Result<Self, RegistryError> {
        let fields = Fields::read(NAME, text, &FIELDS)?;
        Ok(Self {
            access: access(&fields)?,
            zone: fields.zone()?,
            card_wait: Duration::from_secs(fields.number("card_wait_s", 35, 1, 600)?.into()),
            page_size: fields.number("page_size", 100, 1, 10_000)?,
            partition: fields.text("partition")?.map(str::to_owned),
            assumed: Assumed {
                pin_opens_alone: fields.switch("pin_opens_alone", false)?,
                update_replaces: fields.switch("update_replaces", false)?,
                length_in_characters: fields.switch("length_in_characters", false)?,
                vague_failure_is_unconfirmed: fields.switch("vague_failure_is_unconfirmed", true)?,
                longest_user_id: fields.number("longest_user_id", 40, 1, 40)?,
            },
        })
    }
}

fn access(fields: &Fields) -> Result<Access, RegistryError> {
    let (user, password) = (fields.text("username")?, fields.text("password")?);
    let key = fields.text("ship_key")?.map(SecretString::from);
    let text = fields.required("url")?;
    if let Some(address) = text.strip_prefix("stp://") {
        let address = address.trim_end_matches('/');
        let (host, _) = host_and_port(address).ok_or_else(|| fields.bad("`url` needs a host and a port"))?;
        fields.plain_allowed(host)?;
        if user.is_some() || password.is_some() || key.is_some() {
            return Err(fields.bad("`url` is stp, which has no login: leave `username`, `password` and `ship_key` out"));
        }
        return Ok(Access::Stp { address: address.to_owned() });
    }
    let url = Url::parse(text).map_err(|_| fields.bad("`url` is not a URL"))?;
    match url.scheme() {
        "https" => {}
        "http" if is_loopback(&url) => {}
        "http" => fields.plain_allowed(url.host_str().unwrap_or_default())?,
        _ => return Err(fields.bad("`url` must begin with stp, http or https")),
    }
    let basic = match (user, password) {
        (Some(user), Some(password)) => Some((user.to_owned(), password.into())),
        (None, None) => None,
        _ => return Err(fields.bad("`username` and `password` belong together")),
    };
    if basic.is_some() == key.is_some() {
        return Err(fields.bad("`ship_key`, or `username` and `password`, must be given"));
    }
    Ok(Access::Http { url, basic, key })
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use serde_json::{Value, json};

    use super::*;

    fn read(change: impl FnOnce(&mut Value)) -> Result<SaltoShipConfig, RegistryError> {
        let mut value =
            json!({"url": "https://space.hotel.example:8100", "ship_key": "hush-hush", "time_zone": "Europe/Lisbon"});
        change(&mut value);
        SaltoShipConfig::from_json(&value.to_string().into())
    }

    #[test]
    fn debug_shows_no_secret() {
        let shown = format!("{:?}", read(|_| {}).unwrap());
        assert!(!shown.contains("hush"), "{shown}");
    }

    #[test]
    fn the_unencrypted_wire_needs_a_decision() {
        let stp = |v: &mut Value| *v = json!({"url": "stp://10.0.0.5:8050", "time_zone": "Europe/Lisbon"});
        assert!(read(stp).unwrap_err().to_string().contains("allow_unencrypted"));
        let allowed = read(|v| {
            stp(v);
            v["allow_unencrypted"] = json!(true);
        });
        assert!(matches!(allowed.unwrap().access, Access::Stp { address } if address == "10.0.0.5:8050"));
        assert!(read(|v| *v = json!({"url": "stp://127.0.0.1:1", "time_zone": "UTC"})).is_ok());
    }

    #[test]
    fn faults_name_the_field_and_no_value() {
        type Change = fn(&mut Value);
        let cases: [(&str, Change); 8] = [
            ("url", |v| v["url"] = json!("ftp://hush-hush")),
            ("allow_unencrypted", |v| v["url"] = json!("http://10.0.0.5:8100")),
            ("ship_key", |v| v["ship_key"] = json!(7)),
            ("password", |v| v["username"] = json!("hush-hush")),
            ("ship_key", |v| *v = json!({"url": "https://a", "time_zone": "UTC"})),
            ("time_zone", |v| v["time_zone"] = json!("hush-hush")),
            ("card_wait_s", |v| v["card_wait_s"] = json!(0)),
            ("passwd", |v| v["passwd"] = json!("hush-hush")),
        ];
        for (field, change) in cases {
            let text = read(change).unwrap_err().to_string();
            assert!(text.contains(field) && !text.contains("hush"), "{text}");
        }
    }
}

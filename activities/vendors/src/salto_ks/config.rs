//! A property's access to SALTO KS, and in one place everything about the vendor that nobody has verified.

use std::fmt;
use std::time::Duration;

use jiff::SignedDuration;
use reqwest::Url;
use secrecy::SecretString;

use super::NAME;
use crate::config::Fields;
use crate::registry::RegistryError;

/// How the account logs in.
#[derive(Clone)]
pub enum SaltoKsLogin {
    /// A KS system user's name and password.
    Password {
        /// His name.
        username: String,
        /// His password.
        password: SecretString,
    },
    /// The refresh token of an authorisation-code login that somebody at the property made with the scope `offline_access`. Each refresh
    /// gives the next one, which the token cache keeps.
    Refresh(SecretString),
}

/// What is assumed about the vendor; each can be changed in the property's configuration.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Assumptions {
    /// Life of a PIN that was made without an end of its own. Published as "90 days by default".
    pub pin_life: Duration,
    /// A guest that KS has accepted counts as known at the door: KS has no way to ask the lock. Measured: within 45 s.
    pub accepted_means_in_lock: bool,
    /// The list of users can be searched by alias (`$filter`). Not measured; without it the whole list is read.
    pub filter_users: bool,
    /// A 404 without an `ErrorCode` on a user's own path says that he is gone. Without it such an answer counts as an outage, because
    /// one was seen that answered 404 to everything.
    pub bare_404_means_gone: bool,
    /// How long before its window a key may be made. The vendor keeps no start, so that it opens from then on.
    pub lead: Duration,
    /// How often a call is repeated that met a part of the cloud without the latest news; 0 is as long as there is time.
    pub settle_tries: u32,
    /// How long to wait before a call is repeated that met a part of the cloud without the latest news.
    pub settle_pause: Duration,
    /// The same without seats.
    pub seat_pause: Duration,
    /// How long what is known of a room's access group is not looked at again.
    pub room_checked_for: Duration,
    /// Without a word from the event stream for so long, it is taken for dead. Twice the ping's interval.
    pub stream_silence: Duration,
    /// How far before the last known event the log is read with each new connection of the stream.
    pub stream_overlap: SignedDuration,
    /// First wait before a new connection of the stream; it doubles up to sixty times this.
    pub stream_pause: Duration,
}

/// Access and switches. Debug shows no secret and no user name.
#[derive(Clone)]
pub struct SaltoKsConfig {
    /// The Connect API, such as `https://connect.my-clay.com`. Plain HTTP is taken on this machine only.
    pub base_url: Url,
    /// The identity server, such as `https://identity.eu.my-clay.com`.
    pub identity_url: Url,
    /// The event stream, such as `https://eventstreaming-connect-production.saltoks.com`; without it, there is none.
    pub events_url: Option<Url>,
    /// The site's id, a UUID; the short code on the box is refused by the vendor.
    pub site_id: String,
    /// The application's id.
    pub client_id: String,
    /// The application's secret.
    pub client_secret: SecretString,
    /// How the account logs in.
    pub login: SaltoKsLogin,
    /// OAuth scope of the password login.
    pub scope: String,
    /// How long before its end an access token is replaced.
    pub renew_before: Duration,
    /// What is assumed about the vendor.
    pub assume: Assumptions,
}

impl fmt::Debug for SaltoKsConfig {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SaltoKsConfig")
            .field("base_url", &self.base_url.as_str())
            .field("site_id", &self.site_id)
            .field("client_id", &self.client_id)
            .field("assume", &self.assume)
            .finish_non_exhaustive()
    }
}

const FIELDS: [&str; 22] = [
    "base_url",
    "identity_url",
    "events_url",
    "site_id",
    "client_id",
    "client_secret",
    "username",
    "password",
    "refresh_token",
    "scope",
    "renew_before_s",
    "pin_life_s",
    "accepted_means_in_lock",
    "filter_users",
    "bare_404_means_gone",
    "lead_s",
    "settle_tries",
    "settle_pause_ms",
    "seat_pause_s",
    "room_checked_for_s",
    "stream_silence_ms",
    "stream_pause_ms",
];

impl SaltoKsConfig {
    /// Reads the configuration. An error names the field and never repeats a value.
    pub fn from_json(text: &SecretString) -> Result<Self, RegistryError> {
        let fields = Fields::read(NAME, text, &FIELDS)?;
        let site_id = fields.required("site_id")?;
        if !is_uuid(site_id) {
            return Err(fields.bad("`site_id` must be the site's UUID"));
        }
        let number = |name, default| fields.whole(name, default);
        Ok(Self {
            base_url: fields.url("base_url")?,
            identity_url: fields.url("identity_url")?,
            events_url: if fields.value("events_url").is_some() { Some(fields.url("events_url")?) } else { None },
            site_id: site_id.to_ascii_lowercase(),
            client_id: fields.required("client_id")?.to_owned(),
            client_secret: fields.required("client_secret")?.into(),
            login: login(&fields)?,
            scope: fields.text("scope")?.unwrap_or("user_api.full_access").to_owned(),
            renew_before: Duration::from_secs(number("renew_before_s", 120)?),
            assume: Assumptions {
                pin_life: Duration::from_secs(number("pin_life_s", 90 * 86_400)?),
                accepted_means_in_lock: fields.switch("accepted_means_in_lock", true)?,
                filter_users: fields.switch("filter_users", false)?,
                bare_404_means_gone: fields.switch("bare_404_means_gone", false)?,
                lead: Duration::from_secs(number("lead_s", 120)?),
                settle_tries: u32::try_from(number("settle_tries", 0)?).unwrap_or(u32::MAX),
                settle_pause: Duration::from_millis(number("settle_pause_ms", 2_000)?),
                seat_pause: Duration::from_secs(number("seat_pause_s", 300)?),
                room_checked_for: Duration::from_secs(number("room_checked_for_s", 600)?),
                stream_silence: Duration::from_millis(number("stream_silence_ms", 30_000)?),
                stream_overlap: SignedDuration::from_hours(24),
                stream_pause: Duration::from_millis(number("stream_pause_ms", 1_000)?),
            },
        })
    }
}

fn login(fields: &Fields) -> Result<SaltoKsLogin, RegistryError> {
    match (fields.value("refresh_token").is_some(), fields.value("password").is_some()) {
        (true, false) => Ok(SaltoKsLogin::Refresh(fields.required("refresh_token")?.into())),
        (false, _) => Ok(SaltoKsLogin::Password {
            username: fields.required("username")?.to_owned(),
            password: fields.required("password")?.into(),
        }),
        (true, true) => Err(fields.bad("`password` and `refresh_token` exclude each other")),
    }
}

fn is_uuid(text: &str) -> bool {
    text.len() == 36
        && text.bytes().enumerate().all(|(at, byte)| match at {
            8 | 13 | 18 | 23 => byte == b'-',
            _ => byte.is_ascii_hexdigit(),
        })
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use serde_json::{Value, json};

    use super::*;

    fn read(change: impl FnOnce(&mut Value)) -> Result<SaltoKsConfig, RegistryError> {
        let mut value = json!({
            "base_url": "https://connect.my-clay.com", "identity_url": "https://identity.eu.my-clay.com",
            "site_id": "7F000001-1111-4222-8333-444455556666", "client_id": "id", "client_secret": "hush-hush",
            "username": "desk", "password": "hush-pass",
        });
        change(&mut value);
        SaltoKsConfig::from_json(&value.to_string().into())
    }

    #[test]
    fn debug_shows_no_secret() {
        let shown = format!("{:?}", read(|_| {}).unwrap());
        assert!(!shown.contains("hush") && !shown.contains("desk"), "{shown}");
    }

    #[test]
    fn a_login_is_one_of_two() {
        assert!(matches!(read(|_| {}).unwrap().login, SaltoKsLogin::Password { .. }));
        let refresh = read(|v| {
            v.as_object_mut().unwrap().remove("password");
            v["refresh_token"] = json!("hush-token");
        });
        assert!(matches!(refresh.unwrap().login, SaltoKsLogin::Refresh(_)));
        assert!(read(|v| v["refresh_token"] = json!("hush-token")).is_err());
    }

    #[test]
    fn faults_name_the_field_and_no_value() {
        type Change = fn(&mut Value);
        let cases: [(&str, Change); 7] = [
            ("base_url", |v| v["base_url"] = json!("http://connect.my-clay.com")),
            ("identity_url", |v| v["identity_url"] = json!("hush-hush")),
            ("client_secret", |v| v["client_secret"] = json!(7)),
            ("site_id", |v| v["site_id"] = json!("DE4520000000-hush")),
            ("password", |v| v["password"] = json!("")),
            ("lead_s", |v| v["lead_s"] = json!(-1)),
            ("passwd", |v| v["passwd"] = json!("hush-hush")),
        ];
        for (field, change) in cases {
            let text = read(change).unwrap_err().to_string();
            assert!(text.contains(field) && !text.contains("hush"), "{text}");
        }
    }
}

//! ASSA ABLOY Vostio Access Management, cloud: the credential form and what the system can do.
//!
//! Its Guest API is described to partners only, so every call is refused for good with [`crate::error::Condition::WireNotPublic`]. See
//! `README.md` beside this file. It must not guess a wire.

mod assumptions;

use std::collections::BTreeMap;
use std::fmt;

use secrecy::SecretString;
use serde::Deserialize;

use crate::registry::RegistryError;
use crate::unpublished::{Unpublished, form, secret};

/// The vendor's name in metrics, task queues and configuration.
pub const NAME: &str = "vostio";

/// What the hotel creates in the Vostio portal, under Settings, Integrations ("Guest API"). Debug shows neither secret nor user name.
#[derive(Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct VostioConfig {
    /// Address of the Guest API.
    pub base_address: String,
    /// User of the Guest API.
    pub username: String,
    /// Its password.
    #[serde(deserialize_with = "secret")]
    pub password: SecretString,
    /// User pool in which that user logs in.
    pub user_pool_id: String,
    /// Client id at that pool.
    pub client_id: String,
    /// From the number that the desk uses ("PMS encoder ID") to the encoder's name in the portal.
    #[serde(default)]
    pub encoders: BTreeMap<String, String>,
}

impl fmt::Debug for VostioConfig {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("VostioConfig")
            .field("base_address", &self.base_address)
            .field("user_pool_id", &self.user_pool_id)
            .field("encoders", &self.encoders)
            .finish_non_exhaustive()
    }
}

impl VostioConfig {
    /// Reads the form. An error names the field and never repeats a value.
    ///
    /// # Errors
    /// When a field is missing, unknown or of a wrong form.
    pub fn from_json(text: &SecretString) -> Result<Self, RegistryError> {
        form(NAME, &["base_address", "username", "password", "user_pool_id", "client_id"], text)
    }
}

/// The adapter: it reads the form, so that a set-up can be checked today, and refuses every call.
pub(crate) fn adapter(_: VostioConfig) -> Unpublished {
    Unpublished { name: NAME, capabilities: assumptions::CAPABILITIES, remedy: assumptions::REMEDY }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn the_form_is_read_and_shows_no_secret() {
        let text = r#"{"base_address":"https://guest.example","username":"u-hush","password":"hush-hush",
            "user_pool_id":"pool","client_id":"id","encoders":{"1":"Front Desk Left"}}"#;
        let config = VostioConfig::from_json(&text.into()).unwrap();
        assert_eq!(config.encoders["1"], "Front Desk Left");
        assert!(!format!("{config:?}").contains("hush"));
        for (broken, field) in [
            (text.replace("user_pool_id", "pool_id"), "user_pool_id"),
            (text.replace(r#""hush-hush""#, "7"), "password"),
            (text.replace(r#""encoders""#, r#""hush""#), "unknown"),
        ] {
            let error = VostioConfig::from_json(&broken.as_str().into()).unwrap_err().to_string();
            assert!(error.contains(field) && !error.contains("hush"), "{error}");
        }
    }
}

//! dormakaba Ambiance, in the hotel or in its cloud: the credential form and what the system can do.
//!
//! Paths, bodies and error codes of its REST and SOAP interfaces are not public, so every call is refused for good with
//! [`crate::error::Condition::WireNotPublic`]. See `README.md` beside this file. It must not guess a wire.

mod assumptions;

use std::fmt;

use secrecy::SecretString;
use serde::Deserialize;

use crate::registry::RegistryError;
use crate::unpublished::{Unpublished, form, secret};

/// The vendor's name in metrics, task queues and configuration.
pub const NAME: &str = "dormakaba";

/// What has to be enabled and noted down in Ambiance, 2.11.2 or newer: six credentials. Debug shows neither secret nor user name.
#[derive(Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct DormakabaConfig {
    /// Address of the server in the hotel, or of Ambiance Cloud.
    pub base_url: String,
    /// "LGS REST API": client id.
    pub rest_client_id: String,
    /// "LGS REST API": secret key.
    #[serde(deserialize_with = "secret")]
    pub rest_secret_key: SecretString,
    /// "LGS SOAP API": user.
    pub soap_username: String,
    /// "LGS SOAP API": password.
    #[serde(deserialize_with = "secret")]
    pub soap_password: SecretString,
    /// "PMS Authentication": the PMS operator.
    pub pms_username: String,
    /// Its password.
    #[serde(deserialize_with = "secret")]
    pub pms_password: SecretString,
    /// The LEGIC Connect account for keys in telephones, where the hotel has the Mobile Access licence.
    #[serde(default)]
    pub legic_account: Option<String>,
}

impl fmt::Debug for DormakabaConfig {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("DormakabaConfig")
            .field("base_url", &self.base_url)
            .field("mobile", &self.legic_account.is_some())
            .finish_non_exhaustive()
    }
}

impl DormakabaConfig {
    /// Reads the form. An error names the field and never repeats a value.
    ///
    /// # Errors
    /// When a field is missing, unknown or of a wrong form.
    pub fn from_json(text: &SecretString) -> Result<Self, RegistryError> {
        let needed = [
            "base_url",
            "rest_client_id",
            "rest_secret_key",
            "soap_username",
            "soap_password",
            "pms_username",
            "pms_password",
        ];
        form(NAME, &needed, text)
    }
}

/// The adapter: it reads the form, so that a set-up can be checked today, and refuses every call.
pub(crate) fn adapter(config: DormakabaConfig) -> Unpublished {
    let capabilities = assumptions::capabilities(config.legic_account.is_some());
    Unpublished { name: NAME, capabilities, remedy: assumptions::REMEDY }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn the_form_is_read_and_shows_no_secret() {
        let text = r#"{"base_url":"https://ambiance.hotel.lan","rest_client_id":"id","rest_secret_key":"hush-1",
            "soap_username":"s","soap_password":"hush-2","pms_username":"p","pms_password":"hush-3"}"#;
        let config = DormakabaConfig::from_json(&text.into()).unwrap();
        assert!(!format!("{config:?}").contains("hush"));
        assert!(!adapter(config).capabilities.mobile);
        let broken = text.replace("pms_password", "pms_pass");
        let error = DormakabaConfig::from_json(&broken.as_str().into()).unwrap_err().to_string();
        assert!(error.contains("pms_password") && !error.contains("hush"), "{error}");
    }
}

//! A property's access to its Space server's PMS interface, and everything that is assumed about it without proof.

use std::collections::BTreeMap;
use std::time::Duration;

use jiff::tz::TimeZone;
use secrecy::SecretString;

use super::NAME;
use crate::config::Fields;
use crate::registry::RegistryError;
use crate::salto::host_and_port;

/// What is not published, or was seen in one client only. Each can be changed without a release.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Assumed {
    /// The operator's name, in which we put the key's name, comes back when the card is read. Where it does not come back, a card
    /// counts as the one that was asked for by its room, its times and whether it is a copy.
    pub operator_names_key: bool,
    /// A reply that can't be read is sent again after NAK.
    pub nak_repeats_reply: bool,
    /// Taking away the key that checked a guest in checks the room out (`CO`). Without it nothing is ever taken away: keys end with
    /// their window, or with the next guest's card at the door.
    pub delete_checks_out: bool,
    /// Keys go to telephones (`CNM`, `CCM`), which needs a licence and the vendor's cloud.
    pub mobile: bool,
}

/// Access, the property's clock, and what is assumed. There is no secret: the wire has no login.
#[derive(Debug, Clone)]
pub struct SaltoPmsConfig {
    /// `host:port`.
    pub address: String,
    /// The server tells times by the property's clock, without a zone.
    pub zone: TimeZone,
    /// Longest time that a human needs to present a card, at least 30 s in earnest.
    pub card_wait: Duration,
    /// Doors that are no rooms: the number of the authorisation that opens each.
    pub authorisations: BTreeMap<String, u8>,
    /// What is assumed.
    pub assumed: Assumed,
}

const FIELDS: [&str; 9] = [
    "address",
    "time_zone",
    "allow_unencrypted",
    "card_wait_s",
    "authorisations",
    "operator_names_key",
    "nak_repeats_reply",
    "delete_checks_out",
    "mobile",
];

impl SaltoPmsConfig {
    /// Reads the configuration. An error names the field and never repeats a value.
    pub fn from_json(text: &SecretString) -> Result<Self, RegistryError> {
        let fields = Fields::read(NAME, text, &FIELDS)?;
        let address = fields.required("address")?;
        let (host, _) = host_and_port(address).ok_or_else(|| fields.bad("`address` needs a host and a port"))?;
        fields.plain_allowed(host)?;
        Ok(Self {
            address: address.to_owned(),
            zone: fields.zone()?,
            card_wait: Duration::from_secs(fields.number("card_wait_s", 35, 1, 600)?.into()),
            authorisations: fields.numbers("authorisations", 62)?,
            assumed: Assumed {
                operator_names_key: fields.switch("operator_names_key", true)?,
                nak_repeats_reply: fields.switch("nak_repeats_reply", true)?,
                delete_checks_out: fields.switch("delete_checks_out", true)?,
                mobile: fields.switch("mobile", false)?,
            },
        })
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use serde_json::{Value, json};

    use super::*;

    fn read(value: &Value) -> Result<SaltoPmsConfig, RegistryError> {
        SaltoPmsConfig::from_json(&value.to_string().into())
    }

    #[test]
    fn what_is_left_out_has_a_careful_default() {
        let config =
            read(&json!({"address": "127.0.0.1:8090", "time_zone": "Europe/Lisbon", "authorisations": {"gym": 7}}))
                .unwrap();
        assert_eq!(config.authorisations.get("gym"), Some(&7));
        assert!(config.card_wait >= Duration::from_secs(30));
        assert!(config.assumed.operator_names_key && !config.assumed.mobile);
    }

    #[test]
    fn faults_name_the_field() {
        let good = json!({"address": "127.0.0.1:8090", "time_zone": "Europe/Lisbon"});
        for (field, value) in [
            ("address", json!("127.0.0.1")),
            ("allow_unencrypted", json!(7)),
            ("time_zone", json!("CET+1")),
            ("authorisations", json!({"gym": 63})),
            ("mobile", json!("yes")),
            ("unknown", json!(1)),
        ] {
            let mut config = good.clone();
            config[field] = value;
            if field == "allow_unencrypted" {
                config["address"] = json!("10.0.0.5:8090");
            }
            assert!(read(&config).unwrap_err().to_string().contains(field), "{field}");
        }
    }
}

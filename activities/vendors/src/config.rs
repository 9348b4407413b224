//! Reading a property's configuration of its vendor, which holds secrets: errors name the field and never repeat a value.

use std::collections::BTreeMap;

use jiff::tz::TimeZone;
use lock_domain::window;
use reqwest::Url;
use secrecy::{ExposeSecret, SecretString};
use serde_json::{Map, Value};

use crate::http::is_loopback;
use crate::registry::RegistryError;

/// The fields of a configuration.
pub(crate) struct Fields {
    vendor: &'static str,
    map: Map<String, Value>,
}

impl Fields {
    pub(crate) fn read(vendor: &'static str, text: &SecretString, known: &[&str]) -> Result<Self, RegistryError> {
        // The reason of serde_json may quote the text, which holds secrets.
        let parsed = serde_json::from_str(text.expose_secret()).ok();
        let Some(Value::Object(map)) = parsed else {
            return Err(RegistryError::Config { vendor, reason: "it is not a JSON object".to_owned() });
        };
        let fields = Self { vendor, map };
        match fields.map.keys().find(|key| !known.contains(&key.as_str())) {
            Some(unknown) => Err(fields.bad(&format!("`{unknown}` is not a known field"))),
            None => Ok(fields),
        }
    }

    pub(crate) fn bad(&self, reason: &str) -> RegistryError {
        RegistryError::Config { vendor: self.vendor, reason: reason.to_owned() }
    }

    pub(crate) fn value(&self, name: &str) -> Option<&Value> {
        self.map.get(name)
    }

    pub(crate) fn text(&self, name: &str) -> Result<Option<&str>, RegistryError> {
        self.map.get(name).map_or(Ok(None), |value| {
            let text = value.as_str().filter(|text| !text.is_empty());
            text.map(Some).ok_or_else(|| self.bad(&format!("`{name}` must be a text")))
        })
    }

    pub(crate) fn required(&self, name: &str) -> Result<&str, RegistryError> {
        self.text(name)?.ok_or_else(|| self.bad(&format!("`{name}` must be a text")))
    }

    /// A text that may be empty.
    pub(crate) fn any_text(&self, name: &str) -> Result<Option<&str>, RegistryError> {
        self.value(name)
            .map(|value| value.as_str().ok_or_else(|| self.bad(&format!("`{name}` must be a text"))))
            .transpose()
    }

    /// An address of a cloud. Secrets go there: plain HTTP is taken on this machine only.
    pub(crate) fn url(&self, name: &str) -> Result<Url, RegistryError> {
        let url = Url::parse(self.required(name)?).map_err(|_| self.bad(&format!("`{name}` is not a URL")))?;
        if url.scheme() == "https" || (url.scheme() == "http" && is_loopback(&url)) {
            Ok(url)
        } else {
            Err(self.bad(&format!("`{name}` must be https")))
        }
    }

    /// One of these; the first is the default.
    pub(crate) fn choice<T: Copy>(&self, name: &str, choices: &[(&str, T)]) -> Result<T, RegistryError> {
        let found = match self.any_text(name)? {
            None => choices.first(),
            Some(wanted) => choices.iter().find(|(text, _)| *text == wanted),
        };
        found.map(|(_, value)| *value).ok_or_else(|| {
            let names: Vec<_> = choices.iter().map(|(text, _)| format!("`{text}`")).collect();
            self.bad(&format!("`{name}` must be {}", names.join(" or ")))
        })
    }

    /// A whole number without a bound, such as of seconds.
    pub(crate) fn whole(&self, name: &str, default: u64) -> Result<u64, RegistryError> {
        self.value(name).map_or(Ok(default), |value| {
            value.as_u64().ok_or_else(|| self.bad(&format!("`{name}` must be a whole number, not below 0")))
        })
    }

    pub(crate) fn number(&self, name: &str, default: u32, least: u32, most: u32) -> Result<u32, RegistryError> {
        self.map.get(name).map_or(Ok(default), |value| {
            let number = value.as_u64().and_then(|number| u32::try_from(number).ok());
            number
                .filter(|number| (least..=most).contains(number))
                .ok_or_else(|| self.bad(&format!("`{name}` must be a whole number from {least} to {most}")))
        })
    }

    pub(crate) fn switch(&self, name: &str, default: bool) -> Result<bool, RegistryError> {
        self.map.get(name).map_or(Ok(default), |value| {
            value.as_bool().ok_or_else(|| self.bad(&format!("`{name}` must be true or false")))
        })
    }

    pub(crate) fn numbers(&self, name: &str, most: u8) -> Result<BTreeMap<String, u8>, RegistryError> {
        let wrong = || self.bad(&format!("`{name}` must be an object of numbers from 1 to {most}"));
        let Some(value) = self.map.get(name) else { return Ok(BTreeMap::new()) };
        let number = |value: &Value| {
            let number = value.as_u64().and_then(|number| u8::try_from(number).ok());
            number.filter(|number| (1..=most).contains(number)).ok_or_else(wrong)
        };
        value.as_object().ok_or_else(wrong)?.iter().map(|(key, value)| Ok((key.clone(), number(value)?))).collect()
    }

    pub(crate) fn zone(&self) -> Result<TimeZone, RegistryError> {
        let name = self.required("time_zone")?;
        window::zone(name).map_err(|_| self.bad("`time_zone` must be an IANA name such as Europe/Lisbon"))
    }
}

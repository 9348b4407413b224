//! Adapters by property, built when first used and rebuilt when the property's configuration changes.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};

use lock_domain::ids::{PropertyId, TenantId};
use lock_domain::vendor_flags;
use secrecy::{ExposeSecret as _, SecretString};
use serde_json::Value;
use sha2::{Digest as _, Sha256};

use crate::http::HttpClients;
use crate::ledger::{Booked, CallLedger};
use crate::meter::CallMeter;
use crate::port::LockVendor;
use crate::token_cache::{TokenCache, TokenKey};
use crate::{dormakaba, salto_ks, salto_pms, salto_ship, ttlock, visionline, vostio};

/// Why no adapter could be built.
#[derive(Debug, thiserror::Error)]
pub enum RegistryError {
    /// No adapter has this name.
    #[error("there is no adapter for the lock vendor `{0}`")]
    UnknownVendor(String),
    /// The configuration does not fit the adapter. The text names the field, never a value.
    #[error("the configuration of the lock vendor `{vendor}` is not usable: {reason}")]
    Config {
        /// The vendor.
        vendor: &'static str,
        /// What is wrong.
        reason: String,
    },
    /// The HTTP client could not be set up.
    #[error("the HTTP client could not be set up")]
    Http(#[source] reqwest::Error),
}

/// Whose adapter.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct AdapterKey {
    /// The customer.
    pub tenant: TenantId,
    /// The hotel.
    pub property: PropertyId,
    /// The vendor's name, such as `ttlock`.
    pub vendor: String,
}

/// What every adapter is given.
pub(crate) struct Parts {
    pub(crate) http: HttpClients,
    pub(crate) meter: Arc<dyn CallMeter>,
    pub(crate) tokens: Arc<dyn TokenCache>,
    pub(crate) token_key: TokenKey,
}

/// An adapter, and what it was built from.
struct Kept {
    version: i64,
    /// Digest of all settings but the flags, and the version at which it was seen first: logins outlive a change of flags.
    access: [u8; 32],
    login: i64,
    adapter: Arc<dyn LockVendor>,
}

/// Builds and keeps adapters.
pub struct VendorRegistry {
    http: HttpClients,
    meter: Arc<dyn CallMeter>,
    ledger: Option<Arc<dyn CallLedger>>,
    tokens: Arc<dyn TokenCache>,
    adapters: Mutex<BTreeMap<AdapterKey, Kept>>,
}

impl std::fmt::Debug for VendorRegistry {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("VendorRegistry").finish_non_exhaustive()
    }
}

impl VendorRegistry {
    /// Names of the vendors that there are adapters for.
    pub const VENDORS: &'static [&'static str] = &[
        salto_pms::NAME,
        salto_ship::NAME,
        ttlock::NAME,
        salto_ks::NAME,
        visionline::NAME,
        vostio::NAME,
        dormakaba::NAME,
    ];

    /// A registry without adapters yet.
    pub fn new(meter: Arc<dyn CallMeter>, tokens: Arc<dyn TokenCache>) -> Result<Self, RegistryError> {
        let http = HttpClients::new().map_err(RegistryError::Http)?;
        Ok(Self { http, meter, ledger: None, tokens, adapters: Mutex::new(BTreeMap::new()) })
    }

    /// The same, with a ledger that is told whose every call is.
    #[must_use]
    pub fn booking(self, ledger: Arc<dyn CallLedger>) -> Self {
        Self { ledger: Some(ledger), ..self }
    }

    /// The adapter of a property. `config` is the vendor's configuration as JSON; it is read again only when `version` differs from
    /// the one that the kept adapter was built from.
    pub fn get(
        &self,
        key: &AdapterKey,
        version: i64,
        config: &SecretString,
    ) -> Result<Arc<dyn LockVendor>, RegistryError> {
        let mut adapters = self.adapters.lock().unwrap_or_else(PoisonError::into_inner);
        let kept = adapters.get(key);
        if let Some(kept) = kept.filter(|kept| kept.version == version) {
            return Ok(Arc::clone(&kept.adapter));
        }
        let access = access(&key.vendor, config);
        let login = kept.filter(|kept| kept.access == access).map_or(version, |kept| kept.login);
        let parts = Parts {
            http: self.http.clone(),
            meter: match &self.ledger {
                None => Arc::clone(&self.meter),
                Some(ledger) => {
                    Arc::new(Booked { whose: key.clone(), meter: Arc::clone(&self.meter), ledger: Arc::clone(ledger) })
                }
            },
            tokens: Arc::clone(&self.tokens),
            token_key: TokenKey(format!("{}/{}/{}/{login}", key.vendor, key.tenant, key.property)),
        };
        let adapter: Arc<dyn LockVendor> = match key.vendor.as_str() {
            ttlock::NAME => Arc::new(ttlock::Ttlock::new(ttlock::TtlockConfig::from_json(config)?, parts)),
            salto_ks::NAME => Arc::new(salto_ks::SaltoKs::new(salto_ks::SaltoKsConfig::from_json(config)?, parts)),
            visionline::NAME => {
                Arc::new(visionline::Visionline::new(visionline::VisionlineConfig::from_json(config)?, parts)?)
            }
            vostio::NAME => Arc::new(vostio::adapter(vostio::VostioConfig::from_json(config)?)),
            dormakaba::NAME => Arc::new(dormakaba::adapter(dormakaba::DormakabaConfig::from_json(config)?)),
            salto_ship::NAME => {
                Arc::new(salto_ship::SaltoShip::new(salto_ship::SaltoShipConfig::from_json(config)?, parts))
            }
            salto_pms::NAME => Arc::new(salto_pms::SaltoPms::new(salto_pms::SaltoPmsConfig::from_json(config)?, parts)),
            other => return Err(RegistryError::UnknownVendor(other.to_owned())),
        };
        adapters.insert(key.clone(), Kept { version, access, login, adapter: Arc::clone(&adapter) });
        Ok(adapter)
    }
}

/// A digest of a configuration without its flags. It stays in memory.
fn access(vendor: &str, config: &SecretString) -> [u8; 32] {
    let mut config: Value = serde_json::from_str(config.expose_secret()).unwrap_or_default();
    if let Some(fields) = config.as_object_mut() {
        for flag in vendor_flags::flags(vendor) {
            fields.remove(flag.name.split('.').next().unwrap_or(flag.name));
        }
    }
    Sha256::digest(config.to_string()).into()
}

//! The simulators of `tests/sim` as the suite's counterpart: what a new world of theirs is called, and the adapter on it.
//!
//! It knows their control paths and public test logins, as their description gives them, and none of their types.

use std::sync::Arc;

use lock_domain::ids::{PropertyId, TenantId};
use lock_vendors::meter::NoMeter;
use lock_vendors::port::LockVendor;
use lock_vendors::registry::{AdapterKey, RegistryError, VendorRegistry};
use lock_vendors::token_cache::MemoryTokenCache;
use secrecy::SecretString;
use serde_json::{Value, json};

use crate::faults::{FaultError, SimulatorFaults};
use crate::suite::Target;

/// A simulated hotel that stands, and how an adapter gets at it.
#[derive(Debug, Clone)]
pub struct World {
    /// The adapter's configuration. The logins in it are those of every simulator.
    pub config: Value,
    /// What the suite works on.
    pub target: Target,
}

/// Builds a small hotel at a simulator and tells how to use it. `base_url` is the vendor's address, `faults_url` that of the control paths.
pub async fn world(vendor: &str, base_url: &str, faults_url: &str) -> Result<World, FaultError> {
    let control = SimulatorFaults::new(faults_url, vendor)?;
    let seed = match vendor {
        "visionline" => json!({ "doors": 2, "encoders": 2 }),
        "salto_ship" | "salto_pms" => json!({ "rooms": 4 }),
        _ => json!({ "count": 2 }),
    };
    let seeded = control.send(reqwest::Method::POST, "/sim/seed", Some(&seed)).await?;
    let first = seeded["locks"][0]["lock_id"].as_str().map(str::to_owned);
    let first = first.unwrap_or_else(|| seeded["locks"][0]["lock_id"].to_string());
    let (config, lock, encoder) = match vendor {
        "ttlock" => {
            let config = json!({
                "base_url": base_url, "client_id": "sim-client", "client_secret": "sim-client-secret",
                "username": "sim-front-desk", "password_md5": "e10adc3949ba59abbe56e057f20f883e",
            });
            (config, first, None)
        }
        "salto_ks" => {
            let config = json!({
                "base_url": base_url, "identity_url": base_url, "site_id": seeded["site_id"],
                "client_id": "sim-ks-client", "client_secret": "sim-ks-client-secret",
                "username": "sim-ks-system", "password": "sim-ks-password", "settle_pause_ms": 50,
            });
            (config, first, None)
        }
        "visionline" => {
            let shown = control.send(reqwest::Method::GET, "/sim/certificate", None).await?;
            let config = json!({
                "base_url": base_url, "certificate_sha256": shown["certificate"], "username": "sym", "password": "sym",
                "time_zone": "Europe/Berlin",
            });
            (config, "101".to_owned(), Some("Encoder1"))
        }
        "salto_ship" => {
            let mut config = json!({
                "url": base_url, "time_zone": "Europe/Lisbon", "pin_opens_alone": true, "card_wait_s": 1,
            });
            if base_url.starts_with("http") {
                config["ship_key"] = json!("sim-ship-key");
            }
            (config, "901".to_owned(), Some("Encoder#1"))
        }
        _ => {
            let config = json!({ "address": base_url, "time_zone": "Europe/Lisbon", "card_wait_s": 1 });
            (config, "101".to_owned(), Some("Encoder#1"))
        }
    };
    let encoder = encoder.map(str::to_owned);
    Ok(World { config, target: Target { lock, encoder, recipient: None, tag: 1 } })
}

/// An adapter with this configuration, for one run.
pub fn adapter(vendor: &str, config: &Value) -> Result<Arc<dyn LockVendor>, RegistryError> {
    tls();
    let registry = VendorRegistry::new(Arc::new(NoMeter), Arc::new(MemoryTokenCache::default()))?;
    let (tenant, property) = (TenantId::from_uuid(uuid_of(1)), PropertyId::from_uuid(uuid_of(2)));
    let key = AdapterKey { tenant, property, vendor: vendor.to_owned() };
    registry.get(&key, 1, &SecretString::from(config.to_string()))
}

/// One TLS provider for the process, before the first client is made.
pub(crate) fn tls() {
    // An error means that there is one already.
    let _ = rustls::crypto::ring::default_provider().install_default();
}

fn uuid_of(n: u128) -> uuid::Uuid {
    uuid::Uuid::from_u128(n)
}

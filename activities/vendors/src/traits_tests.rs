//! The domain's table of traits against what the adapters say of themselves.

#![allow(clippy::unwrap_used, clippy::panic)]

use crate::{
    meter::NoMeter,
    port::Scope,
    registry::{AdapterKey, VendorRegistry},
    token_cache::MemoryTokenCache,
};
use lock_domain::{
    ids::{PropertyId, TenantId},
    inventory::Listing,
    vendor::VendorTraits,
};
use serde_json::{Value, json};
use std::sync::Arc;
use uuid::Uuid;

/// A set-up that the adapter takes; nothing is sent anywhere.
fn config(vendor: &str) -> Value {
    let base_url = "http://127.0.0.1:9";
    match vendor {
        "ttlock" => json!({
            "base_url": base_url, "client_id": "c", "client_secret": "s", "username": "u",
            "password_md5": "0123456789abcdef0123456789abcdef",
        }),
        "salto_ks" => json!({
            "base_url": base_url, "identity_url": base_url, "site_id": Uuid::from_u128(1).to_string(), "client_id": "c",
            "client_secret": "s", "username": "u", "password": "p",
        }),
        "visionline" => json!({
            "base_url": base_url, "certificate_sha256": "ab".repeat(32), "username": "u", "password": "p", "time_zone": "Europe/Lisbon",
        }),
        "salto_ship" => json!({ "url": "stp://127.0.0.1:9", "time_zone": "Europe/Lisbon" }),
        "salto_pms" => json!({ "address": "127.0.0.1:9", "time_zone": "Europe/Lisbon" }),
        "vostio" => json!({
            "base_address": base_url, "username": "u", "password": "p", "user_pool_id": "pool", "client_id": "c",
        }),
        "dormakaba" => json!({
            "base_url": base_url, "rest_client_id": "c", "rest_secret_key": "s", "soap_username": "u", "soap_password": "p",
            "pms_username": "u", "pms_password": "p",
        }),
        other => panic!("{other} is in the table of traits: how is it set up?"),
    }
}

#[test]
fn the_table_says_what_the_adapters_say() {
    let _ = rustls::crypto::ring::default_provider().install_default();
    let registry = VendorRegistry::new(Arc::new(NoMeter), Arc::new(MemoryTokenCache::default())).unwrap();
    assert!(VendorRegistry::VENDORS.iter().all(|name| VendorTraits::of(name).is_known()), "a vendor without a row");
    for row in VendorTraits::ALL {
        let key = AdapterKey {
            tenant: TenantId::from_uuid(Uuid::from_u128(1)),
            property: PropertyId::from_uuid(Uuid::from_u128(2)),
            vendor: row.name.to_owned(),
        };
        let can = registry.get(&key, 1, &config(row.name).to_string().into()).unwrap().capabilities();
        assert_eq!(can.pin, row.has_pins(), "{}", row.name);
        assert_eq!(Listing::of(row.name).can(), can.read_back && row.public, "{}", row.name);
        let said = VendorTraits {
            name: row.name,
            choose_pin: can.choose_pin,
            // Somebody has to make the digits up.
            make_pin: can.pin && (can.offline_pin || !can.choose_pin),
            made_pin_per_door: can.scope == Scope::Door,
            whole_key: can.scope == Scope::Key,
            card: can.card,
            spares_common_doors: row.spares_common_doors,
            window_start: can.window_start,
            public: row.public,
            streams: row.streams,
            one_time: row.one_time.filter(|_| can.one_time_pin),
            min_pin_digits: can.min_pin_digits,
            max_pin_digits: can.max_pin_digits,
        };
        assert_eq!(*row, said);
        assert_eq!(row.one_time.is_some(), can.one_time_pin, "{}", row.name);
        if let Some(once) = row.one_time {
            assert_eq!(i64::from(once.step_s), can.offline_granularity.seconds(), "{}", row.name);
        }
    }
}

#[test]
fn r_lock_02_each_adapter_takes_every_flag_of_its_table() {
    let registry = VendorRegistry::new(Arc::new(NoMeter), Arc::new(MemoryTokenCache::default())).unwrap();
    let mut version = 0;
    for vendor in ["ttlock", "salto_ks", "salto_ship", "salto_pms", "visionline"] {
        for flag in lock_domain::vendor_flags::flags(vendor) {
            let mut settings = config(vendor);
            let value = serde_json::to_value(&flag.default).unwrap();
            match flag.name.split_once('.') {
                Some((object, field)) => settings[object] = json!({ field: value }),
                None => settings[flag.name] = value,
            }
            version += 1;
            let key = AdapterKey {
                tenant: TenantId::from_uuid(Uuid::from_u128(1)),
                property: PropertyId::from_uuid(Uuid::from_u128(2)),
                vendor: vendor.to_owned(),
            };
            let made = registry.get(&key, version, &settings.to_string().into());
            assert!(made.is_ok(), "{vendor} {}: {:?}", flag.name, made.err());
        }
    }
}

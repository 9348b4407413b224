//! Vendors whose wire is not public: every call says so, and nothing else.

use std::sync::Arc;
use std::time::Duration;

use lock_domain::ids::{PropertyId, TenantId};
use lock_domain::problem::Code;
use lock_domain::window::Window;
use lock_vendors::error::{Condition, EffectOutcome, VendorError};
use lock_vendors::meter::NoMeter;
use lock_vendors::port::{
    CallContext, CredentialToken, KeyForm, KeySpec, LockVendor, VendorCredentialRef, VendorLockRef,
};
use lock_vendors::registry::{AdapterKey, RegistryError, VendorRegistry};
use lock_vendors::token_cache::MemoryTokenCache;
use uuid::Uuid;

const VOSTIO: &str =
    r#"{"base_address":"https://guest.example","username":"u","password":"hush","user_pool_id":"p","client_id":"c"}"#;
const DORMAKABA: &str = r#"{"base_url":"https://ambiance.hotel.lan","rest_client_id":"i","rest_secret_key":"hush",
    "soap_username":"s","soap_password":"hush","pms_username":"p","pms_password":"hush"}"#;

fn adapter(vendor: &str, config: &str) -> Result<Arc<dyn LockVendor>, RegistryError> {
    let registry = VendorRegistry::new(Arc::new(NoMeter), Arc::new(MemoryTokenCache::default())).unwrap();
    let key = AdapterKey {
        tenant: TenantId::from_uuid(Uuid::from_u128(1)),
        property: PropertyId::from_uuid(Uuid::from_u128(2)),
        vendor: vendor.to_owned(),
    };
    registry.get(&key, 1, &config.into())
}

#[tokio::test]
async fn every_call_is_refused_for_good_and_says_what_to_do() {
    for (name, config, word) in [("vostio", VOSTIO, "Vostio portal"), ("dormakaba", DORMAKABA, "Ambiance")] {
        let vendor = adapter(name, config).unwrap();
        assert_eq!(vendor.name(), name);
        assert!(vendor.capabilities().card && !vendor.capabilities().pin);
        let call = CallContext::new("op_test", Duration::from_secs(1));
        let door = [VendorLockRef::new("101")];
        let token = CredentialToken::new("lis-1").unwrap();
        let window =
            Window { from: "2026-11-23T15:00:00Z".parse().unwrap(), until: "2026-11-25T11:00:00Z".parse().unwrap() };
        let spec = KeySpec {
            token: token.clone(),
            form: KeyForm::Card { encoder: "1".to_owned() },
            doors: door.to_vec(),
            window,
            joins: false,
        };
        let reference = VendorCredentialRef("lis-1".to_owned());
        let refusals: [VendorError; 8] = [
            vendor.issue(&call, &spec).await.unwrap_err(),
            vendor.find(&call, &door, &token).await.unwrap_err(),
            vendor.change_window(&call, &door, &reference, &token, window).await.unwrap_err(),
            vendor.delete(&call, &door, &reference).await.unwrap_err(),
            vendor.list(&call, &door[0]).await.unwrap_err(),
            vendor.gateways(&call).await.unwrap_err(),
            vendor.gateway_locks(&call, "1").await.unwrap_err(),
            vendor.locks(&call).await.unwrap_err(),
        ];
        for error in refusals {
            assert_eq!((error.condition(), error.outcome()), (Condition::WireNotPublic, EffectOutcome::Permanent));
            assert_eq!((error.vendor(), error.problem()), (name, Code::VendorAccess));
            assert!(error.needs_operator() && error.remedy().contains(word), "{}", error.remedy());
        }
    }
}

#[test]
fn a_form_with_a_hole_is_refused_without_its_values() {
    for (name, config) in [("vostio", VOSTIO), ("dormakaba", DORMAKABA)] {
        let broken = config.replace(r#""hush""#, r#""""#);
        let text = adapter(name, &broken).map(drop).unwrap_err().to_string();
        assert!(text.contains("must be a text"), "{text}");
        let unknown = config.replacen('{', r#"{"hush":1,"#, 1);
        let text = adapter(name, &unknown).map(drop).unwrap_err().to_string();
        assert!(!text.contains("hush"), "{text}");
    }
}

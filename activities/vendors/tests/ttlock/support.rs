//! One simulated hotel and one adapter on it.

use std::net::{Ipv4Addr, SocketAddr};
use std::sync::{Arc, Mutex, OnceLock};
use std::time::Duration;

use jiff::{SignedDuration, Timestamp};
use lock_domain::ids::{PropertyId, TenantId};
use lock_domain::window::Window;
use lock_sim::ttlock::{
    DEFAULT_CLIENT_ID, DEFAULT_CLIENT_SECRET, DEFAULT_PASSWORD_MD5, DEFAULT_USERNAME, SeedSpec, Seeded, SimHandle,
    SimServer, TtlockSim,
};
use lock_vendors::error::VendorError;
use lock_vendors::meter::{CallMeter, CallSample};
use lock_vendors::port::{CallContext, CredentialToken, KeyForm, KeySpec, LockVendor, VendorCredential, VendorLockRef};
use lock_vendors::registry::{AdapterKey, VendorRegistry};
use lock_vendors::token_cache::{MemoryTokenCache, TokenCache};
use secrecy::SecretString;
use serde_json::{Value, json};
use uuid::Uuid;

pub(crate) const PIN: &str = "739146";

#[derive(Default)]
pub(crate) struct Samples(Mutex<Vec<CallSample>>);

impl CallMeter for Samples {
    fn observe(&self, sample: CallSample) {
        self.0.lock().unwrap().push(sample);
    }
}

impl Samples {
    pub(crate) fn count(&self, verb: &str, outcome: &str) -> usize {
        self.0.lock().unwrap().iter().filter(|s| s.verb == verb && s.outcome == outcome).count()
    }
}

pub(crate) struct Rig {
    pub(crate) server: SimHandle,
    pub(crate) seeded: Seeded,
    pub(crate) vendor: Arc<dyn LockVendor>,
    pub(crate) cache: Arc<dyn TokenCache>,
    pub(crate) samples: Arc<Samples>,
}

impl Rig {
    pub(crate) async fn new(rooms: usize) -> Self {
        Self::with(rooms, |_| {}).await
    }

    pub(crate) async fn with(rooms: usize, change: impl FnOnce(&mut Value)) -> Self {
        let server = SimServer::start(SocketAddr::from((Ipv4Addr::LOCALHOST, 0))).await.unwrap();
        let seeded = server.sim().seed(&SeedSpec { count: rooms, ..SeedSpec::default() });
        let cache: Arc<dyn TokenCache> = Arc::new(MemoryTokenCache::default());
        let samples = Arc::new(Samples::default());
        let mut config = config(server.base_url());
        change(&mut config);
        let vendor = adapter(&config, &cache, &samples);
        Self { server, seeded, vendor, cache, samples }
    }

    pub(crate) fn sim(&self) -> &TtlockSim {
        self.server.sim()
    }

    pub(crate) fn lock(&self) -> VendorLockRef {
        self.nth_lock(0)
    }

    pub(crate) fn nth_lock(&self, n: usize) -> VendorLockRef {
        let seeded = &self.seeded.locks[n];
        VendorLockRef {
            gateway_id: seeded.gateway_id.map(|id| id.to_string()),
            ..VendorLockRef::new(seeded.lock_id.to_string())
        }
    }

    pub(crate) fn lock_id(&self) -> i64 {
        self.seeded.locks[0].lock_id
    }

    pub(crate) fn opens(&self, pin: &str) -> bool {
        self.sim().try_pin(self.lock_id(), pin).unwrap().opened
    }

    /// Another process with the same login and the same token cache.
    pub(crate) fn another_process(&self) -> Arc<dyn LockVendor> {
        adapter(&config(self.server.base_url()), &self.cache, &self.samples)
    }

    /// The server is told nothing; it just waits until the world looks so.
    pub(crate) async fn until(&self, what: &str, holds: impl Fn(&TtlockSim) -> bool) {
        let deadline = std::time::Instant::now() + Duration::from_secs(10);
        while !holds(self.sim()) {
            assert!(std::time::Instant::now() < deadline, "never happened: {what}");
            tokio::task::yield_now().await;
        }
    }
}

pub(crate) fn config(base_url: &str) -> Value {
    json!({
        "base_url": base_url,
        "client_id": DEFAULT_CLIENT_ID,
        "client_secret": DEFAULT_CLIENT_SECRET,
        "username": DEFAULT_USERNAME,
        "password_md5": DEFAULT_PASSWORD_MD5,
    })
}

fn adapter(config: &Value, cache: &Arc<dyn TokenCache>, samples: &Arc<Samples>) -> Arc<dyn LockVendor> {
    let meter: Arc<dyn CallMeter> = Arc::clone(samples) as Arc<dyn CallMeter>;
    let registry = VendorRegistry::new(meter, Arc::clone(cache)).unwrap();
    registry.get(&key(), 1, &config.to_string().into()).unwrap()
}

pub(crate) fn key() -> AdapterKey {
    AdapterKey {
        tenant: TenantId::from_uuid(Uuid::from_u128(1)),
        property: PropertyId::from_uuid(Uuid::from_u128(2)),
        vendor: "ttlock".to_owned(),
    }
}

pub(crate) fn call() -> CallContext {
    CallContext::new("op_test", Duration::from_secs(10))
}

/// Long enough to be sent on a busy machine, short enough to wait for when no answer comes.
pub(crate) fn impatient() -> CallContext {
    CallContext::new("op_test", Duration::from_secs(1))
}

/// From an hour ago for two days, on whole minutes; the same at each call, also when a minute ends in between.
pub(crate) fn stay() -> Window {
    static STAY: OnceLock<Window> = OnceLock::new();
    *STAY.get_or_init(|| {
        let minute = Timestamp::from_second(Timestamp::now().as_second() / 60 * 60).unwrap();
        Window {
            from: minute.saturating_sub(SignedDuration::from_hours(1)).unwrap(),
            until: minute.saturating_add(SignedDuration::from_hours(48)).unwrap(),
        }
    })
}

pub(crate) fn token(n: u32) -> CredentialToken {
    CredentialToken::new(format!("lis-{n:032x}")).unwrap()
}

/// A PIN that we chose, and its name.
#[derive(Debug, Clone)]
pub(crate) struct Pin {
    pub(crate) token: CredentialToken,
    pub(crate) pin: SecretString,
    pub(crate) window: Window,
}

/// A chosen PIN in one lock: what most of these tests are about.
pub(crate) trait Pins {
    async fn create_pin(
        &self,
        call: &CallContext,
        lock: &VendorLockRef,
        pin: &Pin,
    ) -> Result<VendorCredential, VendorError>;
}

impl Pins for dyn LockVendor {
    async fn create_pin(
        &self,
        call: &CallContext,
        lock: &VendorLockRef,
        pin: &Pin,
    ) -> Result<VendorCredential, VendorError> {
        let spec = KeySpec {
            token: pin.token.clone(),
            form: KeyForm::ChosenPin(pin.pin.clone()),
            doors: vec![lock.clone()],
            window: pin.window,
            joins: true,
        };
        self.issue(call, &spec).await.map(|issued| issued.credential)
    }
}

pub(crate) fn spec(n: u32, pin: &str) -> Pin {
    Pin { token: token(n), pin: pin.into(), window: stay() }
}

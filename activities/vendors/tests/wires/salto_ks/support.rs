//! One simulated site and one adapter on it.

use std::net::{Ipv4Addr, SocketAddr};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use jiff::{SignedDuration, Timestamp};
use lock_domain::ids::{PropertyId, TenantId};
use lock_domain::window::Window;
use lock_sim::salto_ks::{
    DEFAULT_CLIENT_ID, DEFAULT_CLIENT_SECRET, DEFAULT_PASSWORD, DEFAULT_USERNAME, Effect, SaltoKsSim, SeedSpec, Seeded,
    SimHandle, SimServer, UserState,
};
use lock_vendors::error::VendorError;
use lock_vendors::meter::{CallMeter, CallSample};
use lock_vendors::port::{CallContext, CredentialToken, Issued, KeyForm, KeySpec, LockVendor, VendorLockRef};
use lock_vendors::registry::{AdapterKey, VendorRegistry};
use lock_vendors::token_cache::{MemoryTokenCache, TokenCache};
use secrecy::ExposeSecret;
use serde_json::{Value, json};
use uuid::Uuid;

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
    config: Value,
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
        let mut config = json!({
            "base_url": server.base_url(), "identity_url": server.base_url(), "events_url": server.base_url(),
            "site_id": seeded.site_id, "client_id": DEFAULT_CLIENT_ID, "client_secret": DEFAULT_CLIENT_SECRET,
            "username": DEFAULT_USERNAME, "password": DEFAULT_PASSWORD,
            "settle_pause_ms": 10, "stream_pause_ms": 10, "stream_silence_ms": 2_000,
        });
        change(&mut config);
        let vendor = adapter(&config, &cache, &samples);
        Self { server, seeded, vendor, cache, samples, config }
    }

    pub(crate) fn sim(&self) -> &SaltoKsSim {
        self.server.sim()
    }

    pub(crate) fn door(&self, n: usize) -> VendorLockRef {
        VendorLockRef::new(self.lock_id(n))
    }

    pub(crate) fn lock_id(&self, n: usize) -> &str {
        &self.seeded.locks[n].lock_id
    }

    pub(crate) fn opens(&self, n: usize, pin: &str) -> bool {
        self.sim().try_pin(self.lock_id(n), pin).unwrap().opened
    }

    /// The one guest that there is.
    pub(crate) fn guest(&self) -> UserState {
        let guests = self.sim().guests();
        assert_eq!(guests.len(), 1, "{guests:?}");
        guests.into_iter().next().unwrap()
    }

    pub(crate) fn effects(&self, effect: Effect) -> usize {
        self.sim().journal(0).iter().filter(|entry| entry.effect == effect).count()
    }

    /// Another process with the same login and the same token cache.
    pub(crate) fn another_process(&self) -> Arc<dyn LockVendor> {
        adapter(&self.config, &self.cache, &self.samples)
    }

    pub(crate) async fn issue(&self, call: &CallContext, n: u32, doors: &[usize]) -> Result<Issued, VendorError> {
        self.vendor.issue(call, &self.spec(n, doors)).await
    }

    pub(crate) fn spec(&self, n: u32, doors: &[usize]) -> KeySpec {
        KeySpec {
            token: token(n),
            form: KeyForm::VendorPin { one_time: false },
            doors: doors.iter().map(|n| self.door(*n)).collect(),
            window: stay(),
            joins: true,
        }
    }

    /// The server is told nothing; it just waits until the world looks so.
    pub(crate) async fn until(&self, what: &str, holds: impl Fn(&SaltoKsSim) -> bool) {
        let deadline = std::time::Instant::now() + Duration::from_secs(10);
        while !holds(self.sim()) {
            assert!(std::time::Instant::now() < deadline, "never happened: {what}");
            tokio::task::yield_now().await;
        }
    }
}

fn adapter(config: &Value, cache: &Arc<dyn TokenCache>, samples: &Arc<Samples>) -> Arc<dyn LockVendor> {
    let meter: Arc<dyn CallMeter> = Arc::clone(samples) as Arc<dyn CallMeter>;
    let registry = VendorRegistry::new(meter, Arc::clone(cache)).unwrap();
    let key = AdapterKey {
        tenant: TenantId::from_uuid(Uuid::from_u128(1)),
        property: PropertyId::from_uuid(Uuid::from_u128(2)),
        vendor: "salto_ks".to_owned(),
    };
    registry.get(&key, 1, &config.to_string().into()).unwrap()
}

pub(crate) fn pin(issued: &Issued) -> String {
    issued.pin.as_ref().unwrap().expose_secret().to_owned()
}

pub(crate) fn call() -> CallContext {
    CallContext::new("op_test", Duration::from_secs(10))
}

/// Long enough to be sent on a busy machine, short enough to wait for when no answer comes.
pub(crate) fn impatient() -> CallContext {
    CallContext::new("op_test", Duration::from_secs(1))
}

/// From an hour ago for two days, on whole minutes.
pub(crate) fn stay() -> Window {
    static STAY: std::sync::OnceLock<Window> = std::sync::OnceLock::new();
    *STAY.get_or_init(|| Window { from: minutes(-60), until: minutes(2 * 24 * 60) })
}

/// So many minutes from this one's beginning.
pub(crate) fn minutes(n: i64) -> Timestamp {
    let minute = Timestamp::from_second(Timestamp::now().as_second() / 60 * 60).unwrap();
    minute.saturating_add(SignedDuration::from_mins(n)).unwrap()
}

pub(crate) fn token(n: u32) -> CredentialToken {
    CredentialToken::new(format!("lis-{n:032x}")).unwrap()
}

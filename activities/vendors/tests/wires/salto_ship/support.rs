//! One simulated Space server and one adapter on it.

use std::sync::{Arc, Mutex, OnceLock};
use std::time::Duration;

use jiff::{SignedDuration, Timestamp};
use lock_domain::ids::{PropertyId, TenantId};
use lock_domain::window::Window;
use lock_sim::salto_space::{DEFAULT_SHIP_KEY, Effect, SpaceAddrs, SpaceHandle, SpaceServer, SpaceSim};
use lock_vendors::meter::{CallMeter, CallSample};
use lock_vendors::port::{CallContext, CredentialToken, KeyForm, KeySpec, LockVendor, VendorLockRef};
use lock_vendors::registry::{AdapterKey, RegistryError, VendorRegistry};
use lock_vendors::token_cache::MemoryTokenCache;
use serde_json::{Value, json};
use uuid::Uuid;

pub(crate) const PIN: &str = "739146";
pub(crate) const ENCODER: &str = "Encoder#1";

/// Which of the two transports.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum By {
    Stp,
    Http,
}

pub(crate) const BOTH: [By; 2] = [By::Stp, By::Http];

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
    pub(crate) server: SpaceHandle,
    pub(crate) vendor: Arc<dyn LockVendor>,
    pub(crate) samples: Arc<Samples>,
}

impl Rig {
    pub(crate) async fn new(by: By) -> Self {
        Self::with(by, |_| {}).await
    }

    pub(crate) async fn with(by: By, change: impl FnOnce(&mut Value)) -> Self {
        let server = SpaceServer::start(SpaceAddrs::default()).await.unwrap();
        server.sim().seed(5);
        let mut config = config(&server, by);
        change(&mut config);
        let samples = Arc::new(Samples::default());
        let vendor = adapter("salto_ship", &config, &samples).unwrap();
        Self { server, vendor, samples }
    }

    pub(crate) fn sim(&self) -> &SpaceSim {
        self.server.sim()
    }

    pub(crate) fn effects(&self, effect: Effect) -> usize {
        self.sim().journal(0).iter().filter(|entry| entry.effect == effect).count()
    }

    /// The server is told nothing; it just waits until the world looks so.
    pub(crate) async fn until(&self, what: &str, holds: impl Fn(&SpaceSim) -> bool) {
        let deadline = std::time::Instant::now() + Duration::from_secs(20);
        while !holds(self.sim()) {
            assert!(std::time::Instant::now() < deadline, "never happened: {what}");
            tokio::task::yield_now().await;
        }
    }
}

pub(crate) fn config(server: &SpaceHandle, by: By) -> Value {
    let addrs = server.addrs();
    let mut config = match by {
        By::Stp => json!({"url": format!("stp://{}", addrs.stp)}),
        By::Http => json!({"url": format!("http://{}", addrs.http), "ship_key": DEFAULT_SHIP_KEY}),
    };
    config["time_zone"] = json!("Europe/Lisbon");
    config["pin_opens_alone"] = json!(true);
    config["card_wait_s"] = json!(1);
    config["page_size"] = json!(3);
    config
}

pub(crate) fn adapter(
    vendor: &str,
    config: &Value,
    samples: &Arc<Samples>,
) -> Result<Arc<dyn LockVendor>, RegistryError> {
    let meter: Arc<dyn CallMeter> = Arc::clone(samples) as Arc<dyn CallMeter>;
    let registry = VendorRegistry::new(meter, Arc::new(MemoryTokenCache::default())).unwrap();
    let key = AdapterKey {
        tenant: TenantId::from_uuid(Uuid::from_u128(1)),
        property: PropertyId::from_uuid(Uuid::from_u128(2)),
        vendor: vendor.to_owned(),
    };
    registry.get(&key, 1, &config.to_string().into())
}

pub(crate) fn call() -> CallContext {
    CallContext::new("op_test", Duration::from_secs(20))
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

pub(crate) fn shorter() -> Window {
    Window { until: Timestamp::now().saturating_sub(SignedDuration::from_mins(10)).unwrap(), ..stay() }
}

pub(crate) fn token(n: u32) -> CredentialToken {
    CredentialToken::new(format!("lis-{n:032x}")).unwrap()
}

pub(crate) fn doors(ids: &[&str]) -> Vec<VendorLockRef> {
    ids.iter().map(|id| VendorLockRef::new(*id)).collect()
}

pub(crate) fn pin(n: u32, digits: &str, ids: &[&str]) -> KeySpec {
    KeySpec { token: token(n), form: KeyForm::ChosenPin(digits.into()), doors: doors(ids), window: stay(), joins: true }
}

pub(crate) fn card(n: u32, ids: &[&str], joins: bool) -> KeySpec {
    let form = KeyForm::Card { encoder: ENCODER.to_owned() };
    KeySpec { token: token(n), form, doors: doors(ids), window: stay(), joins }
}

//! One simulated hotel and one adapter on it.

use std::net::{Ipv4Addr, SocketAddr};
use std::sync::{Arc, Mutex, OnceLock};
use std::time::Duration;

use jiff::{SignedDuration, Timestamp};
use lock_domain::ids::{PropertyId, TenantId};
use lock_domain::window::Window;
use lock_sim::visionline::{
    CardState, DEFAULT_PASSWORD, DEFAULT_USERNAME, Effect, FaultKind, FaultOrder, SimHandle, SimServer, TIME_ZONE,
    VisionlineSim,
};
use lock_vendors::meter::{CallMeter, CallSample};
use lock_vendors::port::{CallContext, CredentialToken, KeyForm, KeySpec, LockVendor, VendorLockRef};
use lock_vendors::registry::{AdapterKey, VendorRegistry};
use lock_vendors::token_cache::MemoryTokenCache;
use serde_json::{Value, json};
use uuid::Uuid;

pub(crate) const ENCODER: &str = "Encoder1";
pub(crate) const PHONE: &str = "endpoint-7f3a";

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
    pub(crate) vendor: Arc<dyn LockVendor>,
    pub(crate) samples: Arc<Samples>,
}

impl Rig {
    pub(crate) async fn new() -> Self {
        Self::with(|_| {}).await
    }

    /// Two rooms, two encoders.
    pub(crate) async fn with(change: impl FnOnce(&mut Value)) -> Self {
        let server = SimServer::start(SocketAddr::from((Ipv4Addr::LOCALHOST, 0))).await.unwrap();
        server.sim().seed(2, 2);
        let samples = Arc::new(Samples::default());
        let mut config = config(&server);
        change(&mut config);
        let vendor = adapter(&config, &samples);
        Self { server, vendor, samples }
    }

    pub(crate) fn sim(&self) -> &VisionlineSim {
        self.server.sim()
    }

    pub(crate) fn once(&self, verb: &str, kind: FaultKind) {
        self.sim().add_fault(FaultOrder::times(verb, kind, 1));
    }

    /// Cards that the server made.
    pub(crate) fn made(&self) -> usize {
        self.sim().journal(0).iter().filter(|entry| entry.effect != Effect::CheckOut).count()
    }

    /// The cards that the server takes for valid and that open their doors now.
    pub(crate) fn effective(&self) -> Vec<CardState> {
        self.sim().cards().into_iter().filter(|card| card.live && card.opens).collect()
    }

    pub(crate) fn opens(&self, door: &str, card: u64) -> bool {
        self.sim().hold(door, card).unwrap().opened
    }

    pub(crate) fn calls(&self, verb: &str) -> u64 {
        self.sim().stats().calls.get(verb).copied().unwrap_or(0)
    }

    /// The server is told nothing; it just waits until the world looks so.
    pub(crate) async fn until(&self, what: &str, holds: impl Fn(&VisionlineSim) -> bool) {
        let deadline = std::time::Instant::now() + Duration::from_secs(10);
        while !holds(self.sim()) {
            assert!(std::time::Instant::now() < deadline, "never happened: {what}");
            tokio::task::yield_now().await;
        }
    }
}

pub(crate) fn config(server: &SimHandle) -> Value {
    json!({
        "base_url": server.base_url(),
        "certificate_sha256": server.sim().fingerprints().certificate,
        "username": DEFAULT_USERNAME,
        "password": DEFAULT_PASSWORD,
        "time_zone": TIME_ZONE,
    })
}

pub(crate) fn adapter(config: &Value, samples: &Arc<Samples>) -> Arc<dyn LockVendor> {
    let meter: Arc<dyn CallMeter> = Arc::clone(samples) as Arc<dyn CallMeter>;
    let registry = VendorRegistry::new(meter, Arc::new(MemoryTokenCache::default())).unwrap();
    let key = AdapterKey {
        tenant: TenantId::from_uuid(Uuid::from_u128(1)),
        property: PropertyId::from_uuid(Uuid::from_u128(2)),
        vendor: "visionline".to_owned(),
    };
    registry.get(&key, 1, &config.to_string().into()).unwrap()
}

pub(crate) fn call() -> CallContext {
    CallContext::new("op_test", Duration::from_secs(10))
}

/// Long enough to be sent on a busy machine, short enough to wait for when no answer comes.
pub(crate) fn impatient() -> CallContext {
    CallContext::new("op_test", Duration::from_secs(2))
}

/// Impatient only where no answer will come.
pub(crate) fn patience(kind: FaultKind) -> CallContext {
    if matches!(kind, FaultKind::Timeout | FaultKind::ActThenTimeout) { impatient() } else { call() }
}

/// From an hour ago for two days, on whole minutes; the same at each call. In a winter without change of clocks it is said as it is.
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

pub(crate) fn room() -> Vec<VendorLockRef> {
    vec![VendorLockRef::new("101")]
}

/// The first card of a stay in room 101.
pub(crate) fn card(n: u32) -> KeySpec {
    KeySpec {
        token: token(n),
        form: KeyForm::Card { encoder: ENCODER.to_owned() },
        doors: room(),
        window: stay(),
        joins: false,
    }
}

/// A key for a telephone.
pub(crate) fn mobile(n: u32) -> KeySpec {
    KeySpec { form: KeyForm::Mobile { recipient: PHONE.into() }, ..card(n) }
}

/// The same beside the keys that are there.
pub(crate) fn joiner(spec: KeySpec) -> KeySpec {
    KeySpec { joins: true, ..spec }
}

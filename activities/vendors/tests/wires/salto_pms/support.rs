//! One simulated Space server and one adapter on its PMS port.

use std::sync::Arc;

use lock_sim::salto_space::{CardState, Effect, SpaceAddrs, SpaceHandle, SpaceServer, SpaceSim};
use lock_vendors::port::LockVendor;
use serde_json::{Value, json};

pub(crate) use crate::salto_ship::support::{
    ENCODER, Samples, adapter, call, card, doors, impatient, shorter, stay, token,
};

pub(crate) struct Rig {
    pub(crate) server: SpaceHandle,
    pub(crate) vendor: Arc<dyn LockVendor>,
    pub(crate) samples: Arc<Samples>,
}

impl Rig {
    pub(crate) async fn new() -> Self {
        Self::with(|_| {}).await
    }

    pub(crate) async fn with(change: impl FnOnce(&mut Value)) -> Self {
        let server = SpaceServer::start(SpaceAddrs::default()).await.unwrap();
        server.sim().seed(5);
        let mut config = json!({
            "address": server.addrs().pms.to_string(), "time_zone": "Europe/Lisbon", "card_wait_s": 1,
            "authorisations": {"gym": 7},
        });
        change(&mut config);
        let samples = Arc::new(Samples::default());
        let vendor = adapter("salto_pms", &config, &samples).unwrap();
        Self { server, vendor, samples }
    }

    pub(crate) fn sim(&self) -> &SpaceSim {
        self.server.sim()
    }

    pub(crate) fn effects(&self, effect: Effect) -> usize {
        self.sim().journal(0).iter().filter(|entry| entry.effect == effect).count()
    }

    pub(crate) fn calls(&self, verb: &str) -> u64 {
        self.sim().stats().calls.get(verb).copied().unwrap_or(0)
    }

    /// Makes a card and takes it off the encoder.
    pub(crate) async fn made(&self, n: u32, ids: &[&str], joins: bool) -> u64 {
        self.vendor.issue(&call(), &card(n, ids, joins)).await.unwrap();
        self.sim().take(ENCODER).unwrap()
    }

    pub(crate) fn content(&self, card: u64) -> CardState {
        self.sim().cards().into_iter().find(|state| state.id == card).unwrap()
    }
}

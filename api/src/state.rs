//! What every handler shares.

use crate::{
    engine::StayEngine,
    hook::ClockHook,
    idempotency::Running,
    limits::{Limits, Shares},
    settled::Settled,
    webhooks::inbox::Inbox,
};
use http::HeaderValue;
use lock_kms::{DataKeys, HistoryCodec};
use lock_store::Store;
use std::{
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

/// What can be set.
#[derive(Debug, Clone)]
pub struct Config {
    /// How much a client may ask.
    pub shares: Shares,
    /// A request takes no longer; must exceed the longest `wait`.
    pub request_timeout: Duration,
    /// How long new requests are still taken after `/readyz` has begun to say no; load balancers need a moment to notice.
    pub notice: Duration,
    /// How long requests under way get to finish when the process is told to stop.
    pub drain: Duration,
    /// The origin of the Temporal UI, which may call the codec endpoint from a browser.
    pub ui_origin: Option<HeaderValue>,
}

impl Default for Config {
    fn default() -> Self {
        Self {
            shares: Shares::default(),
            request_timeout: Duration::from_secs(45),
            notice: Duration::ZERO,
            drain: Duration::from_secs(20),
            ui_origin: None,
        }
    }
}

/// What every handler shares. Cloning it is cheap.
#[derive(Clone)]
pub struct AppState(Arc<Inner>);

struct Inner {
    store: Store,
    keys: DataKeys,
    codec: HistoryCodec,
    engine: Arc<dyn StayEngine>,
    limits: Limits,
    running: Running,
    settled: Settled,
    inbox: Inbox,
    hook: ClockHook,
    config: Config,
    draining: AtomicBool,
}

impl AppState {
    /// Over a record, data keys and an engine.
    pub fn new(store: Store, keys: DataKeys, engine: Arc<dyn StayEngine>, config: Config) -> Self {
        Self(Arc::new(Inner {
            codec: HistoryCodec::new(keys.clone()),
            limits: Limits::new(config.shares),
            running: Running::default(),
            settled: Settled::default(),
            inbox: Inbox::new(store.clone()),
            hook: ClockHook::new(),
            draining: AtomicBool::new(false),
            store,
            keys,
            engine,
            config,
        }))
    }

    /// The record.
    pub fn store(&self) -> &Store {
        &self.0.store
    }

    /// Data keys of tenants.
    pub fn keys(&self) -> &DataKeys {
        &self.0.keys
    }

    pub(crate) fn codec(&self) -> &HistoryCodec {
        &self.0.codec
    }

    pub(crate) fn engine(&self) -> &dyn StayEngine {
        self.0.engine.as_ref()
    }

    pub(crate) fn limits(&self) -> &Limits {
        &self.0.limits
    }

    pub(crate) fn running(&self) -> &Running {
        &self.0.running
    }

    pub(crate) fn inbox(&self) -> &Inbox {
        &self.0.inbox
    }

    pub(crate) fn settled(&self) -> &Settled {
        &self.0.settled
    }

    pub(crate) fn hook(&self) -> &ClockHook {
        &self.0.hook
    }

    /// What was set.
    pub fn config(&self) -> &Config {
        &self.0.config
    }

    /// From now on `/readyz` says no, so that load balancers send nothing more.
    pub fn drain(&self) {
        self.0.draining.store(true, Ordering::Relaxed);
    }

    pub(crate) fn is_draining(&self) -> bool {
        self.0.draining.load(Ordering::Relaxed)
    }
}

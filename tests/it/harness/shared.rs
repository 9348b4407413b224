//! What all tests of the binary share: one stack, one worker, one API, each on threads of its own.

use super::faults::Faults;
use lock_api::{
    engine::{Temporal, TemporalSettings},
    limits::Shares,
};
use lock_kms::{DataKeys, LocalFileKms};
use lock_store::Store;
use lock_worker::Watch;
use std::{num::NonZeroU32, path::PathBuf, sync::Arc, sync::OnceLock, sync::mpsc, thread, time::Duration};
use temporalio_client::{Client, ClientOptions, Connection, ConnectionOptions, Url};
use tokio::sync::watch;
use xtask::{
    project::Project,
    stack::{Stack, StackOptions},
};

/// More than any test asks in a minute.
const MANY: NonZeroU32 = NonZeroU32::MIN.saturating_add(999_999);

/// The shared parts.
pub struct Shared {
    /// PostgreSQL, Temporal, NATS.
    pub stack: Stack,
    /// PostgreSQL as the application's role.
    pub app_url: String,
    /// Folder of the local KMS.
    pub kms_dir: PathBuf,
    /// Where the API listens.
    pub api: String,
    /// Where the worker's metrics are.
    pub worker_metrics: String,
    _stop: watch::Sender<bool>,
}

/// The shared parts, started on first use.
pub fn shared() -> &'static Shared {
    static SHARED: OnceLock<Shared> = OnceLock::new();
    SHARED.get_or_init(|| thread::spawn(start).join().expect("the shared stack starts"))
}

impl Shared {
    /// A pool of its own: pools belong to the runtime of the test that made them.
    pub async fn store(&self) -> Store {
        Store::connect(&self.app_url, 4).await.unwrap()
    }

    /// One more API on the same stack, with no key in memory yet; returns where it listens. It ends with the process.
    pub fn another_api(&self) -> String {
        let (stop, stopped) = watch::channel(false);
        std::mem::forget(stop);
        start_api(&self.stack, &self.app_url, &self.kms_dir, stopped)
    }

    /// Data keys over that pool.
    pub fn keys(&self, store: &Store) -> DataKeys {
        DataKeys::new(Arc::new(LocalFileKms::open(&self.kms_dir).unwrap()), Arc::new(store.clone()))
    }
}

fn start() -> Shared {
    let _ = rustls::crypto::ring::default_provider().install_default();
    if std::env::var_os("LOCK_LOG").is_some() {
        std::mem::forget(lock_telemetry::init("tests", None));
    }
    let project = Project::find().unwrap();
    let stack = Stack::start(StackOptions::for_tests(&project)).unwrap();
    let app_url = stack.database_url_as("lock_app_rw", stack.app_password()).unwrap();
    let kms_dir = stack.root().join("kms");
    std::fs::create_dir_all(&kms_dir).unwrap();
    let (stop, stopped) = watch::channel(false);
    let setup = tokio::runtime::Runtime::new().unwrap();
    let password = stack.app_password().to_owned().into();
    setup.block_on(lock_store::migrate(stack.database_url(), &password)).unwrap();
    setup.block_on(lock_store::create_tenant(stack.database_url(), lock_kms::SYSTEM_TENANT, "system")).unwrap();
    let worker = worker_config(&stack, &app_url, &kms_dir);
    let worker_metrics = start_worker(worker, stopped.clone());
    let api = start_api(&stack, &app_url, &kms_dir, stopped);
    Shared { stack, app_url, kms_dir, api, worker_metrics, _stop: stop }
}

/// What a worker on this stack is told.
pub fn worker_config(stack: &Stack, app_url: &str, kms_dir: &std::path::Path) -> lock_worker::Config {
    lock_worker::Config {
        database_url: app_url.to_owned().into(),
        temporal_address: stack.temporal_address().to_owned(),
        temporal_namespace: "default".to_owned(),
        nats_url: stack.nats_url().to_owned(),
        kms: lock_kms::KmsSettings::local(kms_dir),
        instance: None,
        metrics_addr: ([127, 0, 0, 1], 0).into(),
        otlp_endpoint: None,
        vendor_rps: 0.0,
        // A test that wants probes makes them for its own tenant: see breaker.rs.
        probe_every_s: 0.0,
        // Nor are devices looked after unless a test asks for it: see maintenance.rs.
        maintenance: false,
        // Nor does it listen to vendors' streams: see streams.rs.
        streams: 0,
        // What a worker that keeps no workflow in memory writes is recorded, too: see replay.rs.
        cached_stays: if std::env::var_os("RECORD_HISTORIES").is_some_and(|kind| kind == "cold") { 0 } else { 500 },
        database_connections: 20,
        deployment: None,
        build_id: "tests".to_owned(),
        set_current: false,
    }
}

/// Runs a worker on a thread of its own until `stop`; returns where its metrics are once it polls.
pub fn start_worker(config: lock_worker::Config, stop: watch::Receiver<bool>) -> String {
    let (ready, up) = mpsc::channel();
    thread::spawn(move || {
        let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap();
        runtime
            .block_on(lock_worker::run(config, Watch::new(Faults), stop, |address| ready.send(address).unwrap()))
            .unwrap();
    });
    format!("http://{}", up.recv_timeout(Duration::from_secs(30)).expect("the worker comes up"))
}

/// Runs an API on a thread of its own until `stop`; returns where it listens.
fn start_api(stack: &Stack, app_url: &str, kms_dir: &std::path::Path, mut stop: watch::Receiver<bool>) -> String {
    let (ready, up) = mpsc::channel();
    let (app_url, kms_dir) = (app_url.to_owned(), kms_dir.to_owned());
    let temporal = stack.temporal_address().to_owned();
    thread::spawn(move || {
        let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap();
        runtime.block_on(async {
            let store = Store::connect(&app_url, 40).await.unwrap();
            let keys = DataKeys::new(Arc::new(LocalFileKms::open(&kms_dir).unwrap()), Arc::new(store.clone()));
            let converter = lock_kms::data_converter(keys.clone());
            let engine =
                Temporal::new(TemporalSettings { address: temporal, namespace: "default".to_owned(), converter });
            let config = lock_api::Config {
                shares: Shares { requests: MANY, commands: MANY, webhooks: MANY },
                ..lock_api::Config::default()
            };
            let state = lock_api::AppState::new(store, keys, Arc::new(engine), config);
            let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
            ready.send(listener.local_addr().unwrap()).unwrap();
            let stopped = async move {
                let _ = stop.wait_for(|stop| *stop).await;
            };
            lock_api::serve(listener, state, stopped).await.unwrap();
        });
    });
    format!("http://{}", up.recv_timeout(Duration::from_secs(30)).expect("the API comes up"))
}

impl Shared {
    /// A client of Temporal that has no keys: it sees histories as they are stored.
    pub async fn temporal(&self) -> Client {
        let url: Url = format!("http://{}", self.stack.temporal_address()).parse().unwrap();
        let options = ConnectionOptions::new(url).identity("tests").dns_load_balancing(None).build();
        let connection = Connection::connect(options).await.unwrap();
        Client::new(connection, ClientOptions::new("default".to_owned()).build()).unwrap()
    }
}

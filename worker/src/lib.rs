//! The worker: runs workflows and activities, and relays the outbox. Wiring only; no rule of the business stands here.
//!
//! One process runs everything; more processes of it share the load, and nothing here is stateful. On SIGTERM it takes no new work,
//! lets what runs finish for [`GRACE`], and leaves. A process that is killed loses nothing: its work is taken up by another one.

mod config;
mod connect;
mod http;
pub mod maintenance;
pub mod nightly;
mod queues;
mod telemetry;
pub mod versions;
pub mod workflows;

pub use config::{Config, SetCurrent};
pub use connect::{connect, connection};

use anyhow::Context as _;
use lock_activities::{
    ContractChecks, Effects, Inventories, Ledger, Maintenance as Devices, Records, Vault,
    health::{Gate, Prober},
    inbound::Inbound,
    streams::Streams,
};
use lock_kms::{AccessBook, DataKeys, accesses::instance};
use lock_store::Store;
use lock_vendors::{meter::PrometheusMeter, registry::VendorRegistry, token_cache::MemoryTokenCache};
use secrecy::ExposeSecret as _;
use std::{net::SocketAddr, sync::Arc, time::Duration};
use temporalio_sdk::{
    Worker,
    interceptors::{ActivityInboundInterceptor, ExecuteActivityInput, ExecuteActivityOutput, Next},
};
use tokio::{net::TcpListener, sync::watch};

/// How long work that runs may go on after a request to stop. Longer than one call of a vendor.
pub const GRACE: Duration = Duration::from_secs(20);

/// Sees every activity before it runs, and may refuse it, repeat it or lose its result.
#[derive(Clone)]
pub struct Watch(Arc<dyn ActivityInboundInterceptor>);

impl Watch {
    /// Watches by this interceptor.
    pub fn new(interceptor: impl ActivityInboundInterceptor) -> Self {
        Self(Arc::new(interceptor))
    }
}

impl Default for Watch {
    /// Lets everything pass.
    fn default() -> Self {
        struct Pass;
        impl ActivityInboundInterceptor for Pass {}
        Self::new(Pass)
    }
}

impl ActivityInboundInterceptor for Watch {
    fn execute_activity<'a>(
        &'a self,
        input: ExecuteActivityInput,
        next: Next<'a, ExecuteActivityInput, ExecuteActivityOutput<'a>>,
    ) -> ExecuteActivityOutput<'a> {
        self.0.execute_activity(input, next)
    }
}

/// Runs until `stop` turns true. `ready` is told the address of `/metrics` once tasks are being polled.
pub async fn run(
    config: Config,
    watch: Watch,
    mut stop: watch::Receiver<bool>,
    ready: impl FnOnce(SocketAddr),
) -> anyhow::Result<()> {
    let store =
        Store::connect(config.database_url.expose_secret(), config.database_connections).await.context("database")?;
    let kms = config.kms.open().await.context("key-management service")?;
    let name = instance("lock-worker", config.instance.as_deref());
    lock_telemetry::metrics::vault_from_zero(
        "worker",
        lock_domain::vault::Oddity::ALL.map(lock_domain::vault::Oddity::name),
    );
    let alert = |oddity: lock_domain::vault::Oddity| lock_telemetry::metrics::vault_alert(oddity.name());
    let book = AccessBook::new(store.clone(), &name, alert, || lock_telemetry::metrics::vault_refused("worker"));
    let keys = DataKeys::watched(kms, Arc::new(store.clone()), book.clone());
    let booking = tokio::spawn(Arc::clone(&book).run(stop.clone()));
    let client = connect(&config.temporal_address, &config.temporal_namespace, &keys, "lock-worker").await?;
    let meter = PrometheusMeter::register(prometheus::default_registry()).context("metrics")?;
    let ledger = Arc::new(Ledger::default());
    let vendors = VendorRegistry::new(Arc::new(meter), Arc::new(MemoryTokenCache::default()))?;
    let vendors = Arc::new(vendors.booking(Arc::<Ledger>::clone(&ledger)));
    let gate = Arc::new(Gate::new(store.clone()));
    let effects = Effects::new(store.clone(), keys.for_purpose("effects"), Arc::clone(&vendors), Arc::clone(&gate));
    let inventories =
        Inventories::new(store.clone(), keys.for_purpose("inventory"), Arc::clone(&vendors), Arc::clone(&gate));
    let contracts = ContractChecks::new(store.clone(), keys.for_purpose("contract"), Arc::clone(&vendors));
    let loops = maintenance::Loops::new(client.clone());
    let inbound =
        Inbound::new(store.clone(), keys.for_purpose("webhooks"), Arc::clone(&vendors), Arc::new(loops.clone()));
    let devices = Devices::new(store.clone(), keys.for_purpose("maintenance"), Arc::clone(&vendors));
    let vault = Vault { store: store.clone(), keys: keys.for_purpose("rotation") };
    let streams = Streams::new(
        store.clone(),
        keys.for_purpose("streams"),
        Arc::clone(&vendors),
        Arc::new(loops.clone()),
        config.streams,
    );
    let every = Duration::from_secs_f64(config.probe_every_s);
    let prober =
        (!every.is_zero()).then(|| Prober::new(store.clone(), keys.for_purpose("probes"), vendors, gate, every));

    let (runtime, sdk_metrics) = telemetry::runtime()?;
    let records = Records { store: store.clone() };
    let work = queues::Work { records, effects, contracts, devices, vault, inventories };
    let mut workers = queues::workers(&runtime, &client, &config, &work, &watch)?;
    let stops: Vec<_> = workers.iter().map(Worker::shutdown_handle).collect();
    let connection = client.connection().clone();
    let begun = loops.begin_all(store.clone(), stop.clone());
    let upkeep = async {
        if config.maintenance {
            begun.await;
        }
    };
    let nightly = nightly::Nightly::default().run(client.clone(), store.clone(), stop.clone());
    let record = store.clone();
    let counting = ledger.run(&record, stop.clone());
    let listener = TcpListener::bind(config.metrics_addr).await.context("address of /metrics")?;
    let address = listener.local_addr()?;
    let relay = lock_events::OutboxRelay::new(store.clone(), config.nats_url.clone());
    let relay = relay.on_lag(lock_telemetry::metrics::set_outbox_lag).run(stop.clone());
    let (mut http_stop, probing_stop) = (stop.clone(), stop.clone());
    let http = tokio::spawn(http::serve(listener, store, sdk_metrics, async move {
        let _ = http_stop.wait_for(|stop| *stop).await;
    }));
    ready(address);
    let following = inbound.run(stop.clone());
    let streams_stop = stop.clone();
    let listening = async {
        if config.streams > 0 {
            streams.run(streams_stop).await;
        }
    };
    let probing = async {
        if let Some(prober) = prober {
            prober.run(probing_stop).await;
        }
    };
    let mut no_longer = stop.clone();
    let taking_over = async {
        let Some(deployment) = config.deployment.as_deref().filter(|_| config.set_current) else { return };
        let set = versions::set_current(&connection, &config.temporal_namespace, deployment, &config.build_id);
        tokio::select! {
            done = set => if let Err(error) = done {
                // It goes on: the build that is current has the work, and `set-current` can be asked again.
                tracing::error!(error = format!("{error:#}"), "not current");
            },
            _ = no_longer.wait_for(|stop| *stop) => {}
        }
    };
    let stopper = async {
        let _ = stop.wait_for(|stop| *stop).await;
        tracing::info!("draining: no new work is taken");
        stops.iter().for_each(|stop| stop());
    };
    let working = futures::future::join_all(workers.iter_mut().map(Worker::run));
    let (ended, (), (), (), (), (), (), (), (), ()) =
        tokio::join!(working, relay, stopper, taking_over, probing, following, listening, nightly, upkeep, counting);
    ended.into_iter().collect::<Result<(), _>>().context("a Temporal worker ended")?;
    booking.await?;
    if let Err(error) = ledger.flush(&record).await {
        tracing::warn!(%error, "the last counts of vendor calls are lost");
    }
    // What was opened last is recorded before the process ends; the record may be away by now, and then the intents still tell.
    if let Err(error) = book.flush().await {
        tracing::warn!(%error, "the last accesses to secrets are not recorded");
    }
    http.await??;
    Ok(())
}

//! The worker: runs workflows and activities, and relays the outbox. Wiring only; no rule of the business stands here.
//!
//! One process runs everything; more processes of it share the load, and nothing here is stateful. On SIGTERM it takes no new work,
//! lets what runs finish for [`GRACE`], and leaves. A process that is killed loses nothing: its work is taken up by another one.

mod config;
mod connect;
mod http;
mod telemetry;
pub mod versions;

pub use config::{Config, SetCurrent};
pub use connect::{connect, connection};

use anyhow::Context as _;
use lock_activities::{
    Effects, Records,
    health::{Gate, Prober},
    inbound::Inbound,
};
use lock_kms::{DataKeys, LocalFileKms};
use lock_store::Store;
use lock_vendors::{meter::PrometheusMeter, registry::VendorRegistry, token_cache::MemoryTokenCache};
use lock_workflows::{KeyLifecycle, QUEUE_STAYS, vendor_queue};
use secrecy::ExposeSecret as _;
use std::{net::SocketAddr, sync::Arc, time::Duration};
use temporalio_sdk::{
    Worker, WorkerOptions,
    interceptors::{ActivityInboundInterceptor, ExecuteActivityInput, ExecuteActivityOutput, Next},
    runtime::PollerBehavior,
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
    let kms = Arc::new(LocalFileKms::open(&config.kms_dir).context("KMS folder")?);
    let keys = DataKeys::new(kms, Arc::new(store.clone()));
    let client = connect(&config.temporal_address, &config.temporal_namespace, &keys, "lock-worker").await?;
    let meter = PrometheusMeter::register(prometheus::default_registry()).context("metrics")?;
    let vendors = Arc::new(VendorRegistry::new(Arc::new(meter), Arc::new(MemoryTokenCache::default()))?);
    let gate = Arc::new(Gate::new(store.clone()));
    let effects = Effects::new(store.clone(), keys.clone(), Arc::clone(&vendors), Arc::clone(&gate));
    let inbound = Inbound::new(store.clone(), keys.clone(), Arc::clone(&vendors));
    let every = Duration::from_secs_f64(config.probe_every_s);
    let prober = (!every.is_zero()).then(|| Prober::new(store.clone(), keys, vendors, gate, every));

    let (runtime, sdk_metrics) = telemetry::runtime()?;
    let version = versions::options(config.deployment.as_deref(), &config.build_id);
    let stays = WorkerOptions::new(QUEUE_STAYS)
        .register_workflow::<KeyLifecycle>()?
        .register_activities(Records { store: store.clone() })
        .activity_inbound_interceptor(watch.clone())
        .deployment_options(version.clone())
        .max_cached_workflows(config.cached_stays)
        .workflow_task_poller_behavior(PollerBehavior::SimpleMaximum(10))
        .sticky_queue_schedule_to_start_timeout(Duration::from_secs(4))
        .graceful_shutdown_period(GRACE)
        .build();
    let limit = (config.vendor_rps > 0.0).then_some(config.vendor_rps);
    let ttlock = WorkerOptions::new(vendor_queue("ttlock"))
        .register_activities(effects)
        .activity_inbound_interceptor(watch)
        .activity_task_poller_behavior(PollerBehavior::SimpleMaximum(10))
        .maybe_max_task_queue_activities_per_second(limit)
        .deployment_options(version)
        .graceful_shutdown_period(GRACE)
        .build();
    let connection = client.connection().clone();
    let mut stays = Worker::new(&runtime, client.clone(), stays).context("worker of the stays")?;
    let mut ttlock = Worker::new(&runtime, client, ttlock).context("worker of TTLock")?;
    let (stop_stays, stop_ttlock) = (stays.shutdown_handle(), ttlock.shutdown_handle());

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
        stop_stays();
        stop_ttlock();
    };
    let (first, second, (), (), (), (), ()) =
        tokio::join!(stays.run(), ttlock.run(), relay, stopper, taking_over, probing, following);
    first.and(second).context("a Temporal worker ended")?;
    http.await??;
    Ok(())
}

//! What the worker is told by its environment. Read once, at the start; nothing else looks at environment variables.

use secrecy::SecretString;
use std::net::SocketAddr;

/// The worker's settings, each as a flag or an environment variable.
#[derive(Debug, Clone, clap::Parser)]
#[command(name = "lock-worker", version, about = "Runs the stays' workflows and their effects at lock vendors")]
pub struct Config {
    /// PostgreSQL, as the application role (contains its password).
    #[arg(long, env = "LOCK_DB_URL", hide_env_values = true)]
    pub database_url: SecretString,
    /// Temporal's frontend, host and port.
    #[arg(long, env = "TEMPORAL_ADDRESS", default_value = "127.0.0.1:7233")]
    pub temporal_address: String,
    /// Temporal's namespace.
    #[arg(long, env = "TEMPORAL_NAMESPACE", default_value = "default")]
    pub temporal_namespace: String,
    /// NATS with JetStream.
    #[arg(long, env = "NATS_URL", default_value = "nats://127.0.0.1:4222")]
    pub nats_url: String,
    /// The key-management service.
    #[command(flatten)]
    pub kms: lock_kms::KmsSettings,
    /// Under which name this process opens secrets: the same for all its restarts, or each restart is news. Left out, program and host.
    #[arg(long, env = "LOCK_INSTANCE")]
    pub instance: Option<String>,
    /// Where `/metrics`, `/healthz` and `/readyz` are served.
    #[arg(long, env = "LOCK_METRICS_ADDR", default_value = "127.0.0.1:0")]
    pub metrics_addr: SocketAddr,
    /// OTLP endpoint for traces, such as http://127.0.0.1:4317; none are exported without.
    #[arg(long, env = "OTEL_EXPORTER_OTLP_ENDPOINT")]
    pub otlp_endpoint: Option<String>,
    /// Calls a second at each vendor, for all workers together; the server keeps to it. 0 is no limit.
    #[arg(long, env = "LOCK_VENDOR_RPS", default_value_t = 0.0)]
    pub vendor_rps: f64,
    /// Seconds between two rounds of probes of a property's lock vendor. 0 probes nothing: no breaker opens or closes.
    #[arg(long, env = "LOCK_PROBE_EVERY_S", default_value_t = 10.0, value_parser = seconds)]
    pub probe_every_s: f64,
    /// Begin a maintenance loop for each property: clocks, batteries and links of its devices. One is begun all the same when somebody asks for
    /// it, or when a record says that a clock is off.
    #[arg(long, env = "LOCK_MAINTENANCE", default_value_t = true, action = clap::ArgAction::Set)]
    pub maintenance: bool,
    /// Streams of vendors' events that this process listens to at most. 0 listens to none. Each is listened to by one process of all.
    #[arg(long, env = "LOCK_STREAMS", default_value_t = 500)]
    pub streams: usize,
    /// Workflows kept in memory. One more costs about 20 kB; one that is not kept costs a replay when it wakes.
    /// At least 200: with fewer than there are workflow-task slots (100) the SDK may evict a stay in the middle of a local activity.
    #[arg(long, env = "LOCK_CACHED_STAYS", default_value_t = 5_000, value_parser = cached_stays)]
    pub cached_stays: usize,
    /// Database connections.
    #[arg(long, env = "LOCK_DB_CONNECTIONS", default_value_t = 20)]
    pub database_connections: u32,
    /// Temporal's name for all builds of this worker together. With it tasks go to the current build only; without, any worker takes any task.
    #[arg(long, env = "LOCK_DEPLOYMENT", value_parser = deployment_name)]
    pub deployment: Option<String>,
    /// Which build this is; every history that it writes says so.
    #[arg(long, env = "LOCK_BUILD_ID", default_value_t = crate::versions::own_build_id())]
    pub build_id: String,
    /// Make this build the deployment's current one as soon as it polls. For installations of one machine; else it is a step of its own.
    #[arg(long, env = "LOCK_SET_CURRENT", requires = "deployment")]
    pub set_current: bool,
}

/// `lock-worker set-current`: from now on this build gets the work of the deployment.
#[derive(Debug, Clone, clap::Parser)]
#[command(name = "lock-worker set-current", about = "Routes a deployment's work to one build")]
pub struct SetCurrent {
    /// Temporal's frontend, host and port.
    #[arg(long, env = "TEMPORAL_ADDRESS", default_value = "127.0.0.1:7233")]
    pub temporal_address: String,
    /// Temporal's namespace.
    #[arg(long, env = "TEMPORAL_NAMESPACE", default_value = "default")]
    pub temporal_namespace: String,
    /// Temporal's name for all builds of the worker together.
    #[arg(long, env = "LOCK_DEPLOYMENT", value_parser = deployment_name)]
    pub deployment: String,
    /// The build; left out, that of this executable.
    #[arg(long, env = "LOCK_BUILD_ID", default_value_t = crate::versions::own_build_id())]
    pub build_id: String,
}

/// The server joins name and build with a dot or a colon.
fn deployment_name(text: &str) -> Result<String, String> {
    let fits = (1..=100).contains(&text.len()) && text.bytes().all(|b| b.is_ascii_alphanumeric() || b"-_".contains(&b));
    fits.then(|| text.to_owned()).ok_or_else(|| "1 to 100 letters, digits, - and _".to_owned())
}

fn cached_stays(text: &str) -> Result<usize, String> {
    let count: usize = text.parse().map_err(|_| "not a number".to_owned())?;
    if count < 200 { Err("keep at least 200 stays in memory".to_owned()) } else { Ok(count) }
}

fn seconds(text: &str) -> Result<f64, String> {
    let seconds: f64 = text.parse().map_err(|_| "not a number".to_owned())?;
    (0.0..=3600.0).contains(&seconds).then_some(seconds).ok_or_else(|| "0 to 3600 seconds".to_owned())
}

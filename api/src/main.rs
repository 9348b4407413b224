//! `lock-api`: serves the API, migrates the database, makes a sandbox, prints the API's description.

use anyhow::Context;
use clap::{Args, Parser, Subcommand};
use lock_api::{
    AppState, Config,
    engine::{Temporal, TemporalSettings},
    limits::Shares,
    operator,
    seed::{Sandbox, seed},
};
use lock_domain::{ids::TenantId, policy::StayPolicy};
use lock_kms::{AccessBook, DataKeys, accesses::instance};
use lock_store::Store;
use lock_telemetry::metrics;
use secrecy::{ExposeSecret, SecretString};
use std::{io::Write, num::NonZeroU32, sync::Arc, time::Duration};

#[derive(Debug, Parser)]
#[command(name = "lock-api", version, about = "The HTTP API of the lock integration service")]
struct Cli {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Serves the API until SIGTERM or SIGINT, then drains.
    Serve(Box<Serve>),
    /// Brings the database to this version and sets the application role's password.
    Migrate(Owner),
    /// Makes a tenant with a simulated hotel and prints it as one JSON line, with an API key.
    SeedSandbox(Box<Seed>),
    /// Wraps every data key of every tenant and of the system under the root key of today, and tells what is under another one still. Fails if
    /// anything is. To be begun again as often as it takes.
    RewrapAll(Box<RewrapAll>),
    /// Ends a tenant's rotation of keys that can't go on.
    EndRotation(Box<EndRotation>),
    /// Prints the OpenAPI document.
    Openapi,
}

#[derive(Debug, Args)]
struct Parts {
    /// PostgreSQL, as the role lock_app_rw.
    #[arg(long, env = "LOCK_DB_URL", hide_env_values = true)]
    db_url: SecretString,
    /// Connections to PostgreSQL.
    #[arg(long, env = "LOCK_DB_CONNECTIONS", default_value_t = 20)]
    db_connections: u32,
    /// The key-management service.
    #[command(flatten)]
    kms: lock_kms::KmsSettings,
    /// Under which name this process opens secrets: the same for all its restarts, or each restart is news. Left out, program and host.
    #[arg(long, env = "LOCK_INSTANCE")]
    instance: Option<String>,
}

#[derive(Debug, Args)]
struct RewrapAll {
    #[command(flatten)]
    parts: Parts,
    /// The root key that is to be taken away, as `tenant_keys.root` names it, or the id at the end of that: what is under another one is left alone.
    /// Left out, everything is wrapped anew.
    #[arg(long)]
    away: Option<String>,
}

#[derive(Debug, Args)]
struct EndRotation {
    /// PostgreSQL, as the role lock_app_rw.
    #[arg(long, env = "LOCK_DB_URL", hide_env_values = true)]
    db_url: SecretString,
    /// Whose.
    #[arg(long)]
    tenant: TenantId,
}

#[derive(Debug, Args)]
struct Serve {
    #[command(flatten)]
    parts: Parts,
    /// Where to listen; port 0 takes a free one.
    #[arg(long, env = "LOCK_API_ADDR", default_value = "127.0.0.1:0")]
    addr: String,
    /// Temporal's frontend.
    #[arg(long, env = "TEMPORAL_ADDRESS", default_value = "127.0.0.1:7233")]
    temporal_address: String,
    /// Temporal's namespace.
    #[arg(long, env = "TEMPORAL_NAMESPACE", default_value = "default")]
    temporal_namespace: String,
    /// Origin of the Temporal UI, which may call the codec endpoint.
    #[arg(long, env = "LOCK_TEMPORAL_UI_ORIGIN")]
    ui_origin: Option<String>,
    /// Requests per minute with one API key.
    #[arg(long, env = "LOCK_API_REQUESTS_PER_MINUTE", default_value_t = Shares::default().requests)]
    requests_per_minute: NonZeroU32,
    /// Accepted commands per minute for one room or stay.
    #[arg(long, env = "LOCK_API_COMMANDS_PER_MINUTE", default_value_t = Shares::default().commands)]
    commands_per_minute: NonZeroU32,
    /// Webhooks per minute at one endpoint.
    #[arg(long, env = "LOCK_API_WEBHOOKS_PER_MINUTE", default_value_t = Shares::default().webhooks)]
    webhooks_per_minute: NonZeroU32,
    /// How long new requests are still taken after `/readyz` has begun to say no, in seconds.
    #[arg(long, env = "LOCK_API_NOTICE_S", default_value_t = 0)]
    notice_s: u64,
    /// How long requests under way get to finish at the end, in seconds.
    #[arg(long, env = "LOCK_API_DRAIN_S", default_value_t = 20)]
    drain_s: u64,
    /// Where spans are sent to.
    #[arg(long, env = "OTEL_EXPORTER_OTLP_ENDPOINT")]
    otlp_endpoint: Option<String>,
}

#[derive(Debug, Args)]
struct Owner {
    /// PostgreSQL, as its owner.
    #[arg(long, env = "DATABASE_URL", hide_env_values = true)]
    owner_url: SecretString,
    /// The password that the role lock_app_rw shall have.
    #[arg(long, env = "LOCK_APP_PASSWORD", hide_env_values = true)]
    app_password: SecretString,
}

#[derive(Debug, Args)]
struct Seed {
    #[command(flatten)]
    parts: Parts,
    /// PostgreSQL, as its owner.
    #[arg(long, env = "DATABASE_URL", hide_env_values = true)]
    owner_url: SecretString,
    /// What ids are made from; another name is another sandbox.
    #[arg(long, default_value = "sandbox")]
    name: String,
    /// The hotel's name.
    #[arg(long, default_value = "Sandbox City Hotel")]
    hotel: String,
    /// The hotel's time zone.
    #[arg(long, default_value = "Europe/Lisbon")]
    zone: String,
    /// How many rooms, 25 on a floor.
    #[arg(long, default_value_t = 300)]
    rooms: u32,
    /// Address of the simulator, as `host:port`.
    #[arg(long, env = "SIM_TTLOCK_ADDR", default_value = "127.0.0.1:8081")]
    sim_addr: String,
    /// URL of the TTLock cloud, if it is not the simulator's address.
    #[arg(long)]
    ttlock_url: Option<String>,
    /// URL that is told of a moved clock, if it is not the simulator's.
    #[arg(long)]
    clock_hook_url: Option<String>,
    /// The simulated application.
    #[arg(long, default_value = "sim-client")]
    client_id: String,
    /// Its secret.
    #[arg(long, default_value = "sim-client-secret", hide_default_value = true)]
    client_secret: SecretString,
    /// The simulated account.
    #[arg(long, default_value = "sim-front-desk")]
    username: String,
    /// Its password.
    #[arg(long, default_value = "123456", hide_default_value = true)]
    password: SecretString,
    /// Number the locks from here on instead of asking the simulator to build the hotel.
    #[arg(long)]
    first_lock_id: Option<i64>,
}

#[tokio::main]
async fn main() -> anyhow::Result<()> {
    match Cli::parse().command {
        Command::Serve(args) => Box::pin(serve(*args)).await,
        Command::Migrate(args) => Box::pin(migrate(args)).await,
        Command::SeedSandbox(args) => Box::pin(seed_sandbox(*args)).await,
        Command::RewrapAll(args) => Box::pin(rewrap_everything(*args)).await,
        Command::EndRotation(args) => Box::pin(end_rotation(*args)).await,
        Command::Openapi => print(&lock_api::openapi_document()),
    }
}

async fn parts(args: &Parts) -> anyhow::Result<(Store, DataKeys, Arc<AccessBook>)> {
    let store = Store::connect(args.db_url.expose_secret(), args.db_connections).await.context("the database")?;
    let kms = args.kms.open().await.context("the key-management service")?;
    let name = instance("lock-api", args.instance.as_deref());
    metrics::vault_from_zero("api", lock_domain::vault::Oddity::ALL.map(lock_domain::vault::Oddity::name));
    metrics::webhooks_from_zero(lock_domain::webhook::Sender::ALL.map(lock_domain::webhook::Sender::name));
    let alert = |oddity: lock_domain::vault::Oddity| metrics::vault_alert(oddity.name());
    let book = AccessBook::new(store.clone(), &name, alert, || metrics::vault_refused("api"));
    let keys = DataKeys::watched(kms, Arc::new(store.clone()), book.clone());
    Ok((store, keys, book))
}

async fn serve(args: Serve) -> anyhow::Result<()> {
    let _telemetry = lock_telemetry::init("lock-api", args.otlp_endpoint.as_deref());
    let (store, keys, book) = parts(&args.parts).await?;
    let (ending, ended) = tokio::sync::watch::channel(false);
    let booking = tokio::spawn(Arc::clone(&book).run(ended));
    let settings = TemporalSettings {
        address: args.temporal_address,
        namespace: args.temporal_namespace,
        converter: lock_kms::data_converter(keys.clone()),
    };
    let ui_origin = args.ui_origin.as_deref().map(|origin| origin.trim_end_matches('/').parse()).transpose();
    let config = Config {
        shares: Shares {
            requests: args.requests_per_minute,
            commands: args.commands_per_minute,
            webhooks: args.webhooks_per_minute,
        },
        notice: Duration::from_secs(args.notice_s),
        drain: Duration::from_secs(args.drain_s),
        ui_origin: ui_origin.context("the Temporal UI's origin")?,
        ..Config::default()
    };
    let state = AppState::new(store.clone(), keys, Arc::new(Temporal::new(settings)), config);
    let listener =
        tokio::net::TcpListener::bind(&args.addr).await.with_context(|| format!("listening on {}", args.addr))?;
    print(&format!("lock-api listening on http://{}\n", listener.local_addr()?))?;
    let served = lock_api::serve(listener, state, stop_signal()?).await;
    ending.send_replace(true);
    booking.await?;
    // What was opened last is recorded before the process ends.
    if let Err(error) = book.flush().await {
        tracing::warn!(%error, "the last accesses to secrets are not recorded");
    }
    served?;
    store.close().await;
    Ok(())
}

/// Done at SIGTERM or SIGINT.
fn stop_signal() -> anyhow::Result<impl Future<Output = ()> + Send + 'static> {
    use tokio::signal::unix::{SignalKind, signal};
    let (mut terminate, mut interrupt) = (signal(SignalKind::terminate())?, signal(SignalKind::interrupt())?);
    Ok(async move {
        tokio::select! {
            _ = terminate.recv() => {}
            _ = interrupt.recv() => {}
        }
    })
}

async fn migrate(args: Owner) -> anyhow::Result<()> {
    lock_store::migrate(args.owner_url.expose_secret(), &args.app_password).await?;
    // Keys of what belongs to no customer need a row to stand under.
    lock_store::create_tenant(args.owner_url.expose_secret(), lock_kms::SYSTEM_TENANT, "system").await?;
    Ok(())
}

async fn seed_sandbox(args: Seed) -> anyhow::Result<()> {
    let (store, keys, _) = parts(&args.parts).await?;
    let sim = if args.sim_addr.contains("://") { args.sim_addr } else { format!("http://{}", args.sim_addr) };
    let wanted = Sandbox {
        owner_url: args.owner_url,
        name: args.name,
        hotel: args.hotel,
        zone: args.zone,
        rooms: args.rooms,
        clock_hook_url: args.clock_hook_url.unwrap_or_else(|| format!("{sim}/sim/clock")),
        ttlock_url: args.ttlock_url.unwrap_or(sim),
        client_id: args.client_id,
        client_secret: args.client_secret,
        username: args.username,
        password: args.password,
        first_lock_id: args.first_lock_id,
        policy: StayPolicy::default(),
    };
    let seeded = seed(&store, &keys, &wanted).await?;
    print(&format!("{}\n", serde_json::to_string(&seeded)?))
}

async fn rewrap_everything(args: RewrapAll) -> anyhow::Result<()> {
    let (store, keys, _) = parts(&args.parts).await?;
    let told = |owner: lock_kms::Owner| eprintln!("{owner}");
    let done = operator::rewrap_everything(&store, &keys, args.away.as_deref(), told).await?;
    print(&operator::in_words(&done))?;
    anyhow::ensure!(done.left.is_empty(), "{} data keys are left under another root key", done.left.len());
    Ok(())
}

async fn end_rotation(args: EndRotation) -> anyhow::Result<()> {
    let store = Store::connect(args.db_url.expose_secret(), 1).await.context("the database")?;
    match operator::end_rotation(&store, args.tenant).await? {
        Some(rotation) => print(&format!("{rotation} is ended\n")),
        None => print("no rotation is under way\n"),
    }
}

/// Standard output, which a reader may have closed.
fn print(text: &str) -> anyhow::Result<()> {
    let mut out = std::io::stdout().lock();
    out.write_all(text.as_bytes())?;
    out.flush()?;
    Ok(())
}

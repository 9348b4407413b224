//! `lock-worker`: see the library.

use anyhow::Context as _;
use clap::Parser;
use lock_worker::{Config, SetCurrent, Watch, connection, run, versions};
use tokio::{
    signal::unix::{SignalKind, signal},
    sync::watch,
};

#[tokio::main]
async fn main() -> anyhow::Result<()> {
    // Another provider can't have been installed: this is the first thing that happens.
    let _ = rustls::crypto::ring::default_provider().install_default();
    if std::env::args_os().nth(1).is_some_and(|word| word == "set-current") {
        return set_current(SetCurrent::parse_from(std::env::args_os().skip(1))).await;
    }
    let config = Config::parse();
    let _telemetry = lock_telemetry::init("lock-worker", config.otlp_endpoint.as_deref());
    let (stop, stopped) = watch::channel(false);
    let mut terminate = signal(SignalKind::terminate()).context("SIGTERM")?;
    tokio::spawn(async move {
        tokio::select! {
            _ = terminate.recv() => {}
            _ = tokio::signal::ctrl_c() => {}
        }
        let _ = stop.send(true);
    });
    let ready = |address| println!("lock-worker ready, metrics on http://{address}");
    Box::pin(run(config, Watch::default(), stopped, ready)).await
}

async fn set_current(asked: SetCurrent) -> anyhow::Result<()> {
    let connection = connection(&asked.temporal_address, "lock-worker").await?;
    versions::set_current(&connection, &asked.temporal_namespace, &asked.deployment, &asked.build_id).await?;
    println!("{} runs build {}", asked.deployment, asked.build_id);
    Ok(())
}

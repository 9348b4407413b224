//! `lock-worker`: see the library.

use anyhow::Context as _;
use clap::Parser;
use lock_worker::{Config, Watch, run};
use tokio::{
    signal::unix::{SignalKind, signal},
    sync::watch,
};

#[tokio::main]
async fn main() -> anyhow::Result<()> {
    // Another provider can't have been installed: this is the first thing that happens.
    let _ = rustls::crypto::ring::default_provider().install_default();
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
    run(config, Watch::default(), stopped, |address| println!("lock-worker ready, metrics on http://{address}")).await
}

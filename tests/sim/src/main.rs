//! `lock-sim`: the vendor simulators as a process.
//!
//! Prints one line per simulator when it listens, runs until interrupted, then saves and ends.

use std::net::SocketAddr;
use std::path::PathBuf;

use clap::Parser;
use lock_sim::ttlock::{SeedSpec, SimOptions, SimServer};

#[derive(Debug, Parser)]
#[command(name = "lock-sim", about = "Simulated lock vendors")]
struct Args {
    /// Where the TTLock cloud listens; port 0 takes a free one.
    #[arg(long, env = "SIM_TTLOCK_ADDR", default_value = "127.0.0.1:0")]
    ttlock_addr: SocketAddr,
    /// Keeps the world in this file between runs.
    #[arg(long)]
    state: Option<PathBuf>,
    /// Builds a hotel with this many rooms at the start, unless it stands already.
    #[arg(long, default_value_t = 0)]
    rooms: usize,
}

#[tokio::main]
async fn main() -> anyhow::Result<()> {
    let args = Args::parse();
    let handle = SimServer::start_with(args.ttlock_addr, SimOptions { state_file: args.state }).await?;
    if args.rooms > 0 {
        let seeded = handle.sim().seed(&SeedSpec { count: args.rooms, ..SeedSpec::default() });
        println!("lock-sim ttlock has {} locks and {} gateways", seeded.locks.len(), seeded.gateways.len());
    }
    println!("lock-sim ttlock listening on {}", handle.base_url());
    wait_for_end().await?;
    handle.shutdown().await;
    Ok(())
}

async fn wait_for_end() -> anyhow::Result<()> {
    use tokio::signal::unix::{SignalKind, signal};
    let mut terminate = signal(SignalKind::terminate())?;
    tokio::select! {
        result = tokio::signal::ctrl_c() => result?,
        _ = terminate.recv() => {}
    }
    Ok(())
}

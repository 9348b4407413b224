//! `lock-sim`: the vendor simulators as a process.
//!
//! Prints one line per simulator when it listens, runs until interrupted, then saves and ends.

use std::net::SocketAddr;
use std::path::PathBuf;

use clap::Parser;
use lock_sim::salto_ks;
use lock_sim::salto_space::{SpaceAddrs, SpaceHandle, SpaceServer};
use lock_sim::ttlock::{SeedSpec, SimOptions, SimServer};
use lock_sim::visionline;

#[derive(Debug, Parser)]
#[command(name = "lock-sim", about = "Simulated lock vendors")]
struct Args {
    /// Where the TTLock cloud listens; port 0 takes a free one.
    #[arg(long, env = "SIM_TTLOCK_ADDR", default_value = "127.0.0.1:0")]
    ttlock_addr: SocketAddr,
    /// Where the SALTO KS cloud listens; without it, there is none.
    #[arg(long, env = "SIM_SALTO_KS_ADDR")]
    salto_ks_addr: Option<SocketAddr>,
    /// Where the Visionline server listens with TLS, when there is to be one; port 0 takes a free one.
    #[arg(long, env = "SIM_VISIONLINE_ADDR")]
    visionline_addr: Option<SocketAddr>,
    /// Where a SALTO Space server takes SHIP over HTTP and the control paths; with one of its three addresses all three listen.
    #[arg(long, env = "SIM_SALTO_SHIP_ADDR")]
    salto_ship_addr: Option<SocketAddr>,
    /// Where it takes SHIP over raw TCP.
    #[arg(long, env = "SIM_SALTO_STP_ADDR")]
    salto_stp_addr: Option<SocketAddr>,
    /// Where it takes the PMS industry standard.
    #[arg(long, env = "SIM_SALTO_PMS_ADDR")]
    salto_pms_addr: Option<SocketAddr>,
    /// Keeps TTLock's world in this file between runs.
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
    let salto_ks = match args.salto_ks_addr {
        Some(addr) => Some(start_salto_ks(addr, args.rooms).await?),
        None => None,
    };
    let visionline = match args.visionline_addr {
        Some(addr) => Some(start_visionline(addr, args.rooms).await?),
        None => None,
    };
    let salto_space = match [args.salto_ship_addr, args.salto_stp_addr, args.salto_pms_addr] {
        [None, None, None] => None,
        [http, stp, pms] => {
            let free = SpaceAddrs::default();
            let addrs = SpaceAddrs {
                http: http.unwrap_or(free.http),
                stp: stp.unwrap_or(free.stp),
                pms: pms.unwrap_or(free.pms),
            };
            Some(start_salto_space(addrs, args.rooms).await?)
        }
    };
    wait_for_end().await?;
    handle.shutdown().await;
    if let Some(salto_space) = salto_space {
        salto_space.shutdown().await;
    }
    if let Some(visionline) = visionline {
        visionline.shutdown().await;
    }
    if let Some(salto_ks) = salto_ks {
        salto_ks.shutdown().await;
    }
    Ok(())
}

async fn start_salto_ks(addr: SocketAddr, rooms: usize) -> anyhow::Result<salto_ks::SimHandle> {
    let handle = salto_ks::SimServer::start(addr).await?;
    let seeded = handle.sim().seed(&salto_ks::SeedSpec { count: rooms, ..salto_ks::SeedSpec::default() });
    println!("lock-sim salto_ks has site {} with {} locks", seeded.site_id, seeded.locks.len());
    println!("lock-sim salto_ks listening on {}", handle.base_url());
    Ok(handle)
}

async fn start_salto_space(addrs: SpaceAddrs, rooms: usize) -> anyhow::Result<SpaceHandle> {
    let handle = SpaceServer::start(addrs).await?;
    handle.sim().seed(rooms);
    let addrs = handle.addrs();
    println!("lock-sim salto_stp listening on stp://{}", addrs.stp);
    println!("lock-sim salto_pms listening on {}", addrs.pms);
    println!("lock-sim salto_ship listening on http://{}", addrs.http);
    Ok(handle)
}

async fn start_visionline(addr: SocketAddr, rooms: usize) -> anyhow::Result<visionline::SimHandle> {
    let handle = visionline::SimServer::start(addr).await?;
    handle.sim().seed(rooms, 2);
    let shown = handle.sim().fingerprints();
    println!("lock-sim visionline control on {}, certificate {}", handle.control_url(), shown.certificate);
    println!("lock-sim visionline listening on {}", handle.base_url());
    Ok(handle)
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

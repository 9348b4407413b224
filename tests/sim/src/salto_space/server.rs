//! The three listeners, for a test in the same process and for the binary.

use std::net::{Ipv4Addr, SocketAddr};
use std::sync::Arc;

use tokio::net::{TcpListener, TcpStream};
use tokio::sync::Mutex;
use tokio::task::JoinHandle;

use super::sim::SpaceSim;
use super::{http, pms_server, stp_server};

/// Where to listen; port 0 for a free port.
#[derive(Debug, Clone, Copy)]
pub struct SpaceAddrs {
    /// SHIP over HTTP, and the control paths.
    pub http: SocketAddr,
    /// SHIP over raw TCP.
    pub stp: SocketAddr,
    /// The PMS wire.
    pub pms: SocketAddr,
}

impl Default for SpaceAddrs {
    /// Free ports of this machine.
    fn default() -> Self {
        let free = SocketAddr::from((Ipv4Addr::LOCALHOST, 0));
        Self { http: free, stp: free, pms: free }
    }
}

/// Starts simulators.
#[derive(Debug)]
pub struct SpaceServer;

impl SpaceServer {
    /// Starts an empty one.
    ///
    /// # Errors
    /// When an address can't be listened on.
    pub async fn start(addrs: SpaceAddrs) -> std::io::Result<SpaceHandle> {
        let sim = SpaceSim::new();
        let (http, stp, pms) = (
            TcpListener::bind(addrs.http).await?,
            TcpListener::bind(addrs.stp).await?,
            TcpListener::bind(addrs.pms).await?,
        );
        let bound = SpaceAddrs { http: http.local_addr()?, stp: stp.local_addr()?, pms: pms.local_addr()? };
        let line = Arc::new(Mutex::new(()));
        let serving = vec![
            accept(sim.clone(), http, http::serve),
            accept(sim.clone(), stp, stp_server::serve),
            accept(sim.clone(), pms, move |sim, stream| pms_server::serve(sim, stream, Arc::clone(&line))),
        ];
        Ok(SpaceHandle { sim, addrs: bound, serving })
    }
}

fn accept<F, S>(sim: SpaceSim, listener: TcpListener, serve: F) -> JoinHandle<()>
where
    F: Fn(SpaceSim, TcpStream) -> S + Send + 'static,
    S: Future<Output = std::io::Result<()>> + Send + 'static,
{
    tokio::spawn(async move {
        loop {
            let stream = tokio::select! {
                accepted = listener.accept() => accepted.map(|(stream, _)| stream),
                () = sim.stopped() => return,
            };
            let Ok(stream) = stream else { continue };
            // Without it small answers wait for the peer's delayed acknowledgement.
            let _ = stream.set_nodelay(true);
            let (serving, stopping) = (serve(sim.clone(), stream), sim.clone());
            tokio::spawn(async move {
                tokio::select! {
                    // A caller who hangs up is no news.
                    _ = serving => {}
                    () = stopping.stopped() => {}
                }
            });
        }
    })
}

/// A running simulator. Dropping it leaves the server running until the process ends; [`SpaceHandle::shutdown`] stops it.
#[derive(Debug)]
pub struct SpaceHandle {
    sim: SpaceSim,
    addrs: SpaceAddrs,
    serving: Vec<JoinHandle<()>>,
}

impl SpaceHandle {
    /// The world behind it.
    #[must_use]
    pub fn sim(&self) -> &SpaceSim {
        &self.sim
    }

    /// Where it listens.
    #[must_use]
    pub fn addrs(&self) -> SpaceAddrs {
        self.addrs
    }

    /// Stops listening, ends held calls, and returns when the ports are free.
    pub async fn shutdown(self) {
        self.sim.stop();
        for serving in self.serving {
            // A failed join means that accepting panicked, which its own task reports.
            let _ = serving.await;
        }
    }
}

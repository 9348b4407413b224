//! The server, for a test in the same process and for the binary.

use std::net::SocketAddr;

use axum::Router;
use tokio::net::TcpListener;
use tokio::task::JoinHandle;

use super::sim::SaltoKsSim;
use super::{control, dispatch};
use crate::conn::CuttableListener;
use crate::serving::{ended, serve};

/// The address can't be listened on.
#[derive(Debug)]
pub struct SimError(SocketAddr, std::io::Error);

impl std::fmt::Display for SimError {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "cannot listen on {}: {}", self.0, self.1)
    }
}

impl std::error::Error for SimError {}

/// Starts simulators.
#[derive(Debug)]
pub struct SimServer;

impl SimServer {
    /// Starts an empty one on `addr` (port 0 for a free port). Identity server, API and event stream share the address.
    pub async fn start(addr: SocketAddr) -> Result<SimHandle, SimError> {
        let listener = TcpListener::bind(addr).await.map_err(|error| SimError(addr, error))?;
        let addr = listener.local_addr().map_err(|error| SimError(addr, error))?;
        let sim = SaltoKsSim::new();
        let router: Router = control::routes().fallback(dispatch::handle).with_state(sim.clone());
        let stopping = sim.clone();
        let serving = serve(CuttableListener(listener), router, async move { stopping.stopped().await });
        Ok(SimHandle { base_url: format!("http://{addr}"), addr, sim, serving })
    }
}

/// A running simulator. Dropping it leaves the server running until the process ends; [`SimHandle::shutdown`] stops it.
#[derive(Debug)]
pub struct SimHandle {
    base_url: String,
    addr: SocketAddr,
    sim: SaltoKsSim,
    serving: JoinHandle<()>,
}

impl SimHandle {
    /// `http://127.0.0.1:PORT`.
    #[must_use]
    pub fn base_url(&self) -> &str {
        &self.base_url
    }

    /// Where it listens.
    #[must_use]
    pub fn addr(&self) -> SocketAddr {
        self.addr
    }

    /// The world behind it.
    #[must_use]
    pub fn sim(&self) -> &SaltoKsSim {
        &self.sim
    }

    /// Stops listening, ends held calls, and returns when the port is free.
    pub async fn shutdown(self) {
        self.sim.stop();
        ended(self.serving).await;
    }
}

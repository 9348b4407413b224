//! The server, for a test in the same process and for the binary: the vendor's port with TLS, and the control port beside it.

use std::io;
use std::net::{Ipv4Addr, SocketAddr};

use axum::Router;
use tokio::net::TcpListener;
use tokio::task::JoinHandle;

use super::sim::VisionlineSim;
use super::tls::TlsListener;
use super::{control, dispatch};
use crate::conn::CuttableListener;
use crate::serving::{ended, serve};

/// Starts simulators.
#[derive(Debug)]
pub struct SimServer;

impl SimServer {
    /// Starts an empty one: the vendor's side on `addr` (port 0 for a free port), the control paths on a free port of this machine.
    ///
    /// # Errors
    /// When the address can't be listened on or no certificate can be made.
    pub async fn start(addr: SocketAddr) -> io::Result<SimHandle> {
        // Callbacks need a provider too; an error means that the process has chosen one before.
        let _ = rustls::crypto::ring::default_provider().install_default();
        let sim = VisionlineSim::new()?;
        let listener = TcpListener::bind(addr).await?;
        let addr = listener.local_addr()?;
        let listener = TlsListener::start(listener, sim.clone())?;
        let control_listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await?;
        let control_addr = control_listener.local_addr()?;

        let stopped = |sim: VisionlineSim| async move { sim.stopped().await };
        let vendor: Router = Router::new().fallback(dispatch::handle).with_state(sim.clone());
        let serving = serve(listener, vendor, stopped(sim.clone()));
        let router: Router = control::routes().with_state(sim.clone());
        let controlling = serve(CuttableListener(control_listener), router, stopped(sim.clone()));
        Ok(SimHandle {
            base_url: format!("https://{addr}"),
            control_url: format!("http://{control_addr}"),
            sim,
            tasks: [serving, controlling],
        })
    }
}

/// A running simulator. Dropping it leaves the server running until the process ends; [`SimHandle::shutdown`] stops it.
#[derive(Debug)]
pub struct SimHandle {
    base_url: String,
    control_url: String,
    sim: VisionlineSim,
    tasks: [JoinHandle<()>; 2],
}

impl SimHandle {
    /// `https://127.0.0.1:PORT`.
    #[must_use]
    pub fn base_url(&self) -> &str {
        &self.base_url
    }

    /// Where the control paths are: `http://127.0.0.1:PORT`.
    #[must_use]
    pub fn control_url(&self) -> &str {
        &self.control_url
    }

    /// The world behind it.
    #[must_use]
    pub fn sim(&self) -> &VisionlineSim {
        &self.sim
    }

    /// Stops listening, ends held calls, and returns when the ports are free.
    pub async fn shutdown(self) {
        self.sim.stop();
        for task in self.tasks {
            ended(task).await;
        }
    }
}

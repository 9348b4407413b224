//! The server, for a test in the same process and for the binary: the vendor's port with TLS, and the control port beside it.

use std::io;
use std::net::{Ipv4Addr, SocketAddr};
use std::time::Duration;

use axum::Router;
use tokio::net::TcpListener;
use tokio::task::JoinHandle;

use super::sim::VisionlineSim;
use super::tls::{Line, TlsListener};
use super::{control, dispatch};

/// How long idle connections get to close before they are cut.
const GRACE: Duration = Duration::from_secs(2);

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

        let vendor: Router = Router::new().fallback(dispatch::handle).with_state(sim.clone());
        let stopping = sim.clone();
        let serving = tokio::spawn(async move {
            let server = axum::serve(listener, vendor.into_make_service_with_connect_info::<Line>());
            report(server.with_graceful_shutdown(async move { stopping.stopped().await }).await);
        });
        let router: Router = control::routes().with_state(sim.clone());
        let stopping = sim.clone();
        let controlling = tokio::spawn(async move {
            let server = axum::serve(control_listener, router);
            report(server.with_graceful_shutdown(async move { stopping.stopped().await }).await);
        });
        Ok(SimHandle {
            base_url: format!("https://{addr}"),
            control_url: format!("http://{control_addr}"),
            sim,
            tasks: [serving, controlling],
        })
    }
}

fn report(ended: io::Result<()>) {
    if let Err(error) = ended {
        tracing::error!(%error, "simulator stopped");
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
            let abort = task.abort_handle();
            if tokio::time::timeout(GRACE, task).await.is_err() {
                abort.abort();
            }
        }
    }
}

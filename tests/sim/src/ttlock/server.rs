//! The server, for a test in the same process and for the binary.

use std::net::SocketAddr;
use std::path::PathBuf;

use axum::Router;
use tokio::net::TcpListener;
use tokio::task::JoinHandle;

use super::sim::TtlockSim;
use super::{callbacks, control, dispatch, persist};
use crate::conn::CuttableListener;
use crate::serving::{ended, serve};

/// Why a simulator did not start.
#[derive(Debug)]
pub enum SimError {
    /// The address can't be listened on.
    Listen(SocketAddr, std::io::Error),
    /// The state file can't be read.
    State(PathBuf, std::io::Error),
}

impl std::fmt::Display for SimError {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Listen(addr, error) => write!(f, "cannot listen on {addr}: {error}"),
            Self::State(path, error) => write!(f, "cannot read the state file {}: {error}", path.display()),
        }
    }
}

impl std::error::Error for SimError {}

/// How to start.
#[derive(Debug, Clone, Default)]
pub struct SimOptions {
    /// Where the world is kept between starts; none for memory only.
    pub state_file: Option<PathBuf>,
}

/// Starts simulators.
#[derive(Debug)]
pub struct SimServer;

impl SimServer {
    /// Starts an empty one on `addr` (port 0 for a free port).
    pub async fn start(addr: SocketAddr) -> Result<SimHandle, SimError> {
        Self::start_with(addr, SimOptions::default()).await
    }

    /// Starts one, with the world that its state file holds.
    pub async fn start_with(addr: SocketAddr, options: SimOptions) -> Result<SimHandle, SimError> {
        let state_file = options.state_file;
        let sim = TtlockSim::open(state_file.as_deref())
            .map_err(|error| SimError::State(state_file.clone().unwrap_or_default(), error))?;
        let listener = TcpListener::bind(addr).await.map_err(|error| SimError::Listen(addr, error))?;
        let addr = listener.local_addr().map_err(|error| SimError::Listen(addr, error))?;
        let router: Router = control::routes().fallback(dispatch::handle).with_state(sim.clone());
        let stopping = sim.clone();
        let serving = serve(CuttableListener(listener), router, async move { stopping.stopped().await });
        tokio::spawn(callbacks::deliver(sim.clone()));
        let saving = state_file.map(|path| tokio::spawn(persist::keep_saved(sim.clone(), path)));
        Ok(SimHandle { base_url: format!("http://{addr}"), addr, sim, serving, saving })
    }
}

/// A running simulator. Dropping it leaves the server running until the process ends; [`SimHandle::shutdown`] stops it.
#[derive(Debug)]
pub struct SimHandle {
    base_url: String,
    addr: SocketAddr,
    sim: TtlockSim,
    serving: JoinHandle<()>,
    saving: Option<JoinHandle<()>>,
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
    pub fn sim(&self) -> &TtlockSim {
        &self.sim
    }

    /// Stops listening, ends held calls, saves, and returns when the port is free.
    pub async fn shutdown(self) {
        self.sim.stop();
        ended(self.serving).await;
        if let Some(saving) = self.saving {
            // A failed join means that saving panicked, which its own task reports.
            let _ = saving.await;
        }
    }
}

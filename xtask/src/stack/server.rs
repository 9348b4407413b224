//! A server of the stack: a child process with a readiness probe, that can be killed and brought back on the same port.
//!
//! Must not know which server. Fails with the end of the server's log.

use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};

use super::poll::wait_until;
use super::process::{ManagedProcess, ProcessSpec};

const READY_LIMIT: Duration = Duration::from_secs(60);
const STOP_LIMIT: Duration = Duration::from_secs(20);
const PORT_TRIES: usize = 3;

pub(super) type Ready = Box<dyn Fn() -> bool + Send>;

pub(super) struct Server {
    process: ManagedProcess,
    ready: Ready,
}

impl std::fmt::Debug for Server {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Server").field("process", &self.process).finish_non_exhaustive()
    }
}

impl Server {
    /// Starts on ports that `prepare` chooses, and again on others when somebody else took one in between.
    pub(super) fn start_on_free_ports<P>(
        mut prepare: impl FnMut(usize) -> Result<(ProcessSpec, Ready, P)>,
    ) -> Result<(Self, P)> {
        for attempt in 1.. {
            let (spec, ready, ports) = prepare(attempt)?;
            match Self::start(spec, ready) {
                Ok(server) => return Ok((server, ports)),
                Err(error) => {
                    let port_taken = format!("{error:#}").to_lowercase().contains("address already in use");
                    if !port_taken || attempt == PORT_TRIES {
                        return Err(error);
                    }
                }
            }
        }
        bail!("no attempt was made")
    }

    fn start(spec: ProcessSpec, ready: Ready) -> Result<Self> {
        let mut server = Self { process: ManagedProcess::spawn(spec)?, ready };
        server.wait_ready()?;
        Ok(server)
    }

    fn wait_ready(&mut self) -> Result<()> {
        let what = format!("{} ready", self.process.name());
        let log = self.process.log().to_path_buf();
        wait_until(&what, READY_LIMIT, || {
            if let Some(status) = self.process.exit_status()? {
                bail!("{} ended ({status})\n{}", self.process.name(), self.process.log_tail());
            }
            Ok((self.ready)().then_some(()))
        })
        .with_context(|| format!("see {}", log.display()))
    }

    pub(super) fn pid(&self) -> u32 {
        self.process.pid()
    }

    pub(super) fn is_running(&mut self) -> bool {
        self.process.is_running()
    }

    pub(super) fn process(&mut self) -> &mut ManagedProcess {
        &mut self.process
    }

    /// Starts it again on the same ports, ending it first when it still runs. What a killed predecessor still holds (shared
    /// memory of PostgreSQL's last backends, a port) makes a start fail for a moment, so it is tried until the limit.
    pub(super) fn restart(&mut self) -> Result<()> {
        let deadline = Instant::now() + READY_LIMIT;
        loop {
            self.process.restart(STOP_LIMIT)?;
            match self.wait_ready() {
                Ok(()) => return Ok(()),
                Err(error) if self.process.is_running() || Instant::now() >= deadline => return Err(error),
                Err(_) if super::stop::requested() => bail!("stopped while restarting {}", self.process.name()),
                Err(_) => std::thread::sleep(Duration::from_millis(100)),
            }
        }
    }

    pub(super) fn stop(&mut self) -> Result<bool> {
        self.process.terminate(STOP_LIMIT)
    }
}

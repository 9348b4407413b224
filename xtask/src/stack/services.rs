//! Our own binaries on top of a stack: built by cargo, started with the environment that they expect, ready when they say so.
//!
//! Each announces its bound address on one line of standard output. Must not know their HTTP interfaces beyond `/readyz`.
//! Fails with the end of the log of the binary that doesn't come up.

use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};
use std::time::Duration;

use anyhow::{Context, Result, bail, ensure};
use serde_json::Value;

use super::http;
use super::poll::wait_until;
use super::ports::free_port_like;
use super::process::{ManagedProcess, ProcessSpec};
use super::running::Stack;
use super::temporal::NAMESPACE;
use crate::project::Project;

/// The API's binary.
pub const API: &str = "lock-api";
/// The worker's binary.
pub const WORKER: &str = "lock-worker";
/// The simulators' binary.
pub const SIM: &str = "lock-sim";

/// The login role that the API and the worker use.
const APP_ROLE: &str = "lock_app_rw";
const READY_LIMIT: Duration = Duration::from_secs(60);
/// Longer than the drain of the API and the worker.
const DRAIN_LIMIT: Duration = Duration::from_secs(30);

/// Builds the binaries that the stack runs, with cargo's own progress on standard error; returns the folder that holds them.
///
/// # Errors
/// When they don't build.
pub fn build_binaries(project: &Project) -> Result<PathBuf> {
    let mut cargo = project.cargo();
    // The whole workspace, as the tests do: another selection would unify features differently and build dependencies twice.
    cargo.args(["build", "--workspace"]).stdin(Stdio::null());
    let status = cargo.arg("--bins").status().context("cargo doesn't start")?;
    ensure!(status.success(), "the binaries don't build: see cargo's messages above");
    project.debug_dir()
}

/// The environment and the folder of the binaries, for one stack.
#[derive(Clone)]
pub struct Services {
    bin_dir: PathBuf,
    root: PathBuf,
    env: Vec<(String, String)>,
    owner_env: Vec<(String, String)>,
}

impl std::fmt::Debug for Services {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Services").field("bin_dir", &self.bin_dir).field("root", &self.root).finish_non_exhaustive()
    }
}

impl Services {
    /// Binaries of `bin_dir` (see [`build_binaries`]) against `stack`.
    ///
    /// # Errors
    /// When the database's URL can't carry the application's role.
    pub fn new(stack: &Stack, bin_dir: &Path) -> Result<Self> {
        let kms = stack.root().join("kms");
        std::fs::create_dir_all(&kms)?;
        let pairs = |pairs: &[(&str, &str)]| {
            pairs.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect::<Vec<_>>()
        };
        let app_url = stack.database_url_as(APP_ROLE, stack.app_password())?;
        Ok(Self {
            bin_dir: bin_dir.to_path_buf(),
            root: stack.root().to_path_buf(),
            env: pairs(&[
                ("LOCK_DB_URL", &app_url),
                ("TEMPORAL_ADDRESS", stack.temporal_address()),
                ("TEMPORAL_NAMESPACE", &std::env::var("TEMPORAL_NAMESPACE").unwrap_or_else(|_| NAMESPACE.to_owned())),
                ("NATS_URL", stack.nats_url()),
                ("LOCK_KMS_DIR", &kms.to_string_lossy()),
            ]),
            owner_env: pairs(&[("DATABASE_URL", stack.database_url()), ("LOCK_APP_PASSWORD", stack.app_password())]),
        })
    }

    /// Sets a variable for every binary started from now on.
    pub fn set_env(&mut self, name: &str, value: &str) {
        self.env.retain(|(known, _)| known != name);
        self.env.push((name.to_owned(), value.to_owned()));
    }

    /// The environment that the binaries get, for code that runs a part in its own process.
    #[must_use]
    pub fn env(&self) -> &[(String, String)] {
        &self.env
    }

    /// Applies the migrations and creates the login roles.
    ///
    /// # Errors
    /// When `lock-api migrate` fails, with what it said.
    pub fn migrate(&self) -> Result<()> {
        self.run_api("migrate").map(drop)
    }

    /// Makes a sandbox tenant; returns the JSON line that tells tenant, property and API key. Contains a secret.
    ///
    /// # Errors
    /// When `lock-api seed-sandbox` fails, or its last line isn't JSON.
    pub fn seed_sandbox(&self) -> Result<Value> {
        let output = self.run_api("seed-sandbox")?;
        let line = output.lines().rev().find(|line| !line.trim().is_empty()).unwrap_or_default();
        serde_json::from_str(line).context("lock-api seed-sandbox printed no JSON line")
    }

    /// Runs a command of `lock-api` to its end, with the settings of the services.
    ///
    /// # Errors
    /// When it doesn't start. What it says, and whether it succeeds, is the caller's.
    pub fn operate(&self, arguments: &[&str]) -> Result<Output> {
        let mut command = Command::new(self.bin_dir.join(API));
        command.args(arguments).envs(self.env.iter().chain(&self.owner_env).map(|(name, value)| (name, value)));
        command.stdin(Stdio::null()).output().with_context(|| format!("cannot start {API}"))
    }

    fn run_api(&self, subcommand: &str) -> Result<String> {
        let output = self.operate(&[subcommand])?;
        if !output.status.success() {
            bail!("{API} {subcommand} failed ({}): {}", output.status, String::from_utf8_lossy(&output.stderr).trim());
        }
        Ok(String::from_utf8_lossy(&output.stdout).into_owned())
    }

    /// Starts the simulators; on `port` when that is free.
    ///
    /// # Errors
    /// When they don't announce themselves in time.
    pub fn start_sim(&self, port: Option<u16>) -> Result<Service> {
        let address = format!("127.0.0.1:{}", free_port_like(port)?);
        let spec = self.spec(SIM).env("SIM_TTLOCK_ADDR", address).arg("--state").arg(self.root.join("sim-ttlock.json"));
        Service::start(spec, "lock-sim ttlock listening on ")
    }

    /// Starts the worker; its metrics on `port` when that is free.
    ///
    /// # Errors
    /// When it doesn't announce itself in time.
    pub fn start_worker(&self, port: Option<u16>) -> Result<Service> {
        self.start_worker_as(WORKER, port)
    }

    /// Starts a worker beside another; `name` is that of its log and of its PID file.
    ///
    /// # Errors
    /// When it doesn't announce itself in time.
    pub fn start_worker_as(&self, name: &str, port: Option<u16>) -> Result<Service> {
        let address = format!("127.0.0.1:{}", free_port_like(port)?);
        let spec = self.spec_as(name, WORKER).env("LOCK_METRICS_ADDR", address);
        Service::start(spec, "lock-worker ready, metrics on ")
    }

    /// Starts the API, on `port` when that is free, and waits until `/readyz` agrees.
    ///
    /// # Errors
    /// When it doesn't announce itself, or isn't ready in time.
    pub fn start_api(&self, port: Option<u16>) -> Result<Service> {
        let address = format!("127.0.0.1:{}", free_port_like(port)?);
        let spec = self.spec(API).arg("serve").env("LOCK_API_ADDR", address);
        let mut api = Service::start(spec, "lock-api listening on ")?;
        api.wait_readyz()?;
        Ok(api)
    }

    fn spec(&self, program: &str) -> ProcessSpec {
        self.spec_as(program, program)
    }

    fn spec_as(&self, name: &str, program: &str) -> ProcessSpec {
        // The owner's URL is for migrations only; a running service must not find it.
        let mut spec =
            ProcessSpec::new(name, self.bin_dir.join(program), &self.root).without_env_prefix("DATABASE_URL");
        for (name, value) in &self.env {
            spec = spec.env(name, value);
        }
        spec
    }
}

/// One of our binaries, running.
#[derive(Debug)]
pub struct Service {
    process: ManagedProcess,
    announcement: &'static str,
    url: String,
}

impl Service {
    fn start(spec: ProcessSpec, announcement: &'static str) -> Result<Self> {
        let mut process = ManagedProcess::spawn(spec)?;
        let url = announced_url(&mut process, announcement)?;
        Ok(Self { process, announcement, url })
    }

    /// The URL that it announced, without a trailing slash.
    #[must_use]
    pub fn url(&self) -> &str {
        &self.url
    }

    /// The bound address.
    ///
    /// # Errors
    /// When it announced something without host and port.
    pub fn address(&self) -> Result<SocketAddr> {
        let address = self.url.trim_start_matches("http://").split('/').next().unwrap_or_default();
        address.parse().with_context(|| format!("{} announced {:?}", self.process.name(), self.url))
    }

    /// The process id.
    #[must_use]
    pub fn pid(&self) -> u32 {
        self.process.pid()
    }

    /// The process, for signals, its exit status and its log.
    pub fn process(&mut self) -> &mut ManagedProcess {
        &mut self.process
    }

    /// Whether it still runs.
    pub fn is_running(&mut self) -> bool {
        self.process.is_running()
    }

    /// `kill -9`; returns when it is gone.
    ///
    /// # Errors
    /// When it doesn't run.
    pub fn kill9(&mut self) -> Result<()> {
        self.process.kill9()
    }

    /// Asks it to drain and end; returns whether it did so by itself in time.
    ///
    /// # Errors
    /// When it can't be ended.
    pub fn terminate(&mut self) -> Result<bool> {
        self.process.terminate(DRAIN_LIMIT)
    }

    /// Starts it again with the same address and environment, ending it first when it still runs; returns when it is ready.
    ///
    /// # Errors
    /// When it doesn't come up.
    pub fn restart(&mut self) -> Result<()> {
        self.process.restart(DRAIN_LIMIT)?;
        self.url = announced_url(&mut self.process, self.announcement)?;
        if self.process.name() == API {
            self.wait_readyz()?;
        }
        Ok(())
    }

    fn wait_readyz(&mut self) -> Result<()> {
        let address = self.address()?;
        let mut last = String::new();
        let ready = wait_until(&format!("{}/readyz", self.url), READY_LIMIT, || {
            if let Some(status) = self.process.exit_status()? {
                bail!("{} ended ({status})\n{}", self.process.name(), self.process.log_tail());
            }
            Ok(match http::get(address, "/readyz") {
                Ok((200, _)) => Some(()),
                Ok((status, body)) => {
                    last = format!("it answered {status}: {body}");
                    None
                }
                Err(error) => {
                    last = error.to_string();
                    None
                }
            })
        });
        ready.with_context(|| last)
    }
}

fn announced_url(process: &mut ManagedProcess, announcement: &str) -> Result<String> {
    let line = process.wait_line(announcement, READY_LIMIT)?;
    Ok(line[announcement.len()..].trim().trim_end_matches('/').to_owned())
}

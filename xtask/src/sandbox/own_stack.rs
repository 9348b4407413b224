//! A stack of its own for a demo, a replay or a bench: fresh, beside whatever `up` runs, with one sandbox property.
//!
//! Its folder keeps the logs afterwards and is wiped by the next start. Fails when a part doesn't come up.

use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};
use secrecy::SecretString;
use serde_json::Value;

use super::{Api, Sim};
use crate::project::Project;
use crate::stack::{API, Progress, Service, Services, Stack, StackOptions, build_binaries, free_port, wipe};

/// Which binaries run.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Profile {
    /// As a developer builds them.
    Dev,
    /// As they are shipped.
    Release,
}

impl Profile {
    /// Builds the binaries of the stack and of the bench; returns the folder that holds them.
    ///
    /// # Errors
    /// When they don't build.
    pub fn build(self, project: &Project) -> Result<PathBuf> {
        if self == Self::Dev {
            return build_binaries(project);
        }
        let mut cargo = project.cargo();
        // The whole workspace, as everywhere: another selection would unify features differently and build dependencies twice.
        let status = cargo
            .args(["build", "--workspace", "--release"])
            .stdin(Stdio::null())
            .status()
            .context("cargo doesn't start")?;
        ensure!(status.success(), "the binaries don't build: see cargo's messages above");
        let debug = project.debug_dir()?;
        Ok(debug.parent().context("no target folder")?.join("release"))
    }
}

/// The running stack. The fields end in their order when it is dropped.
#[derive(Debug)]
pub struct OwnStack {
    api_process: Service,
    worker: Service,
    sim_process: Service,
    services: Services,
    salto_ks_url: String,
    stack: Stack,
    api: Api,
    sim: Sim,
    bin_dir: PathBuf,
    tenant: String,
    property: String,
    ready_after: Duration,
}

impl OwnStack {
    /// Builds and starts everything in `.stack/NAME`, afresh, with a sandbox property of so many rooms.
    ///
    /// # Errors
    /// When something doesn't build or come up, or the same command runs already.
    pub fn start(project: &Project, name: &str, profile: Profile, rooms: usize) -> Result<Self> {
        eprintln!("building");
        let bin_dir = profile.build(project)?;
        let root = project.stack_dir().join(name);
        wipe(&root)?;
        eprintln!("starting");
        let started = Instant::now();
        let progress = Progress::visible();
        let stack = Stack::start(StackOptions { root, temporal_ui: false, progress, ..StackOptions::for_up(project) })?;
        let mut services = Services::new(&stack, &bin_dir)?;
        let step = progress.step("migrations");
        services.migrate()?;
        step.done("applied");
        let step = progress.step("vendor simulators");
        let salto_ks = format!("127.0.0.1:{}", free_port()?);
        services.set_env("SIM_SALTO_KS_ADDR", &salto_ks);
        let sim_process = services.start_sim(None)?;
        services.set_env("SIM_TTLOCK_ADDR", &sim_process.address()?.to_string());
        // One key plays a whole hotel in fast motion: the share of a key is not what is shown here.
        services.set_env("LOCK_API_REQUESTS_PER_MINUTE", "600000");
        services.set_env("LOCK_API_WEBHOOKS_PER_MINUTE", "6000000");
        step.done(sim_process.url());
        let step = progress.step("sandbox tenant");
        let sandbox = seed(&stack, &services, &bin_dir, rooms)?;
        step.done(&format!("made, {rooms} rooms"));
        let step = progress.step("worker");
        let worker = services.start_worker(None)?;
        step.done("ready");
        let step = progress.step("API");
        let api_process = services.start_api(None)?;
        step.done(api_process.url());
        let ready_after = started.elapsed();

        let http = http_client()?;
        let secret = SecretString::from(text(&sandbox, "api_key")?.to_owned());
        let (tenant, property) = (text(&sandbox, "tenant")?.to_owned(), text(&sandbox, "property")?.to_owned());
        let api = Api::new(http.clone(), api_process.url(), &property, secret);
        let sim = Sim::new(http, sim_process.url());
        let salto_ks_url = format!("http://{salto_ks}");
        Ok(Self {
            api_process,
            worker,
            sim_process,
            services,
            salto_ks_url,
            stack,
            api,
            sim,
            bin_dir,
            tenant,
            property,
            ready_after,
        })
    }

    /// The sandbox property's API.
    #[must_use]
    pub fn api(&self) -> &Api {
        &self.api
    }

    /// The simulated vendor.
    #[must_use]
    pub fn sim(&self) -> &Sim {
        &self.sim
    }

    /// The worker's process.
    pub fn worker(&mut self) -> &mut Service {
        &mut self.worker
    }

    /// Replaces the worker by one that has this in its environment.
    ///
    /// # Errors
    /// When the one does not end, or the other does not come up.
    pub fn worker_with(&mut self, name: &str, value: &str) -> Result<()> {
        self.services.set_env(name, value);
        self.worker.terminate()?;
        self.worker = self.services.start_worker(None)?;
        Ok(())
    }

    /// The other simulated vendor, SALTO KS.
    #[must_use]
    pub fn salto_ks_url(&self) -> &str {
        &self.salto_ks_url
    }

    /// PostgreSQL, Temporal and NATS.
    #[must_use]
    pub fn parts(&self) -> &Stack {
        &self.stack
    }

    /// The folder of the binaries.
    #[must_use]
    pub fn bin_dir(&self) -> &Path {
        &self.bin_dir
    }

    /// The sandbox tenant's id.
    #[must_use]
    pub fn tenant(&self) -> &str {
        &self.tenant
    }

    /// The sandbox property's id.
    #[must_use]
    pub fn property(&self) -> &str {
        &self.property
    }

    /// The time from the built binaries to a stack that is ready.
    #[must_use]
    pub fn ready_after(&self) -> Duration {
        self.ready_after
    }

    /// Ends it in order; says on standard error what had to be killed.
    ///
    /// # Errors
    /// When something can't be ended.
    pub fn stop(mut self) -> Result<()> {
        let mut killed = Vec::new();
        for service in [&mut self.api_process, &mut self.worker, &mut self.sim_process] {
            if !service.terminate()? {
                killed.push(service.process().name().to_owned());
            }
        }
        killed.extend(self.stack.stop()?.into_iter().map(|part| format!("{part:?}")));
        if !killed.is_empty() {
            eprintln!("did not end in time and had to be killed: {}", killed.join(", "));
        }
        Ok(())
    }
}

/// Makes the sandbox; the printed line tells tenant, property and API key, so it is not repeated anywhere.
fn seed(stack: &Stack, services: &Services, bin_dir: &Path, rooms: usize) -> Result<Value> {
    let output = Command::new(bin_dir.join(API))
        .args(["seed-sandbox", "--rooms", &rooms.to_string()])
        .envs(services.env().iter().map(|(name, value)| (name, value)))
        .env("DATABASE_URL", stack.database_url())
        .env("LOCK_APP_PASSWORD", stack.app_password())
        .stdin(Stdio::null())
        .output()
        .with_context(|| format!("cannot start {API}"))?;
    let errors = String::from_utf8_lossy(&output.stderr);
    ensure!(output.status.success(), "{API} seed-sandbox failed ({}): {}", output.status, errors.trim());
    let lines = String::from_utf8_lossy(&output.stdout).into_owned();
    let line = lines.lines().rev().find(|line| !line.trim().is_empty()).unwrap_or_default();
    serde_json::from_str(line).context("lock-api seed-sandbox printed no JSON line")
}

/// The client for all of it: no proxy stands between parts of one machine.
pub(crate) fn http_client() -> Result<reqwest::Client> {
    // An error means that a provider is installed already.
    let _ = rustls::crypto::ring::default_provider().install_default();
    Ok(reqwest::Client::builder().no_proxy().build()?)
}

fn text<'a>(sandbox: &'a Value, field: &str) -> Result<&'a str> {
    sandbox[field].as_str().with_context(|| format!("the sandbox has no `{field}`"))
}

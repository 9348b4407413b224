//! The whole system on one machine: a stack, the migrated database, a sandbox tenant, simulators, worker and API.
//!
//! What `cargo xtask up` keeps running and what a demo plays on. Must not know the story that is played. Fails with the part
//! that didn't come up; what came up before is ended by drop.

use std::path::Path;

use anyhow::{Context, Result};
use serde_json::Value;
use sha2::{Digest as _, Sha256};

use super::options::StackOptions;
use super::ports::free_port_like;
use super::running::{Part, Stack};
use super::secret::write_private;
use super::services::{Service, Services};
use super::state::StateFile;

/// The parts, in the order in which they end.
#[derive(Debug)]
pub struct Deployment {
    /// The API.
    pub api: Service,
    /// The worker.
    pub worker: Service,
    /// The vendor simulators.
    pub sim: Service,
    /// The environment of the three, to start more of them.
    pub services: Services,
    /// Tenant, property and API key of the sandbox, as `lock-api seed-sandbox` printed them. Contains a secret.
    pub sandbox: Value,
    /// PostgreSQL, Temporal and NATS.
    pub stack: Stack,
}

impl Deployment {
    /// Starts everything, with the binaries in `bin_dir`; on the ports of the last run where they are free.
    ///
    /// # Errors
    /// When a part doesn't come up.
    pub fn start(mut options: StackOptions, bin_dir: &Path) -> Result<Self> {
        let progress = options.progress;
        // Temporal's web UI is told where the API decodes payloads, before the API runs.
        let api_port = free_port_like(StateFile::of(&options.root).load().and_then(|state| state.port("api")))?;
        let codec = format!("http://127.0.0.1:{api_port}/codec");
        options.ui_codec_endpoint.get_or_insert(codec);
        let service_env = options.service_env.clone();
        let stack = Stack::start(options)?;
        let mut services = Services::new(&stack, bin_dir)?;
        for (name, value) in &service_env {
            services.set_env(name, value);
        }
        if let Some(ui) = stack.ui_url() {
            services.set_env("LOCK_TEMPORAL_UI_ORIGIN", &ui);
        }

        let step = progress.step("migrations");
        services.migrate()?;
        step.done("applied");

        let step = progress.step("vendor simulators");
        let sim = services.start_sim(stack.port("sim"))?;
        services.set_env("SIM_TTLOCK_ADDR", &sim.address()?.to_string());
        step.done(sim.url());

        let step = progress.step("sandbox tenant");
        let (sandbox, is_new) = sandbox(&stack, &services)?;
        step.done(if is_new { "made" } else { "kept from an earlier run" });

        let step = progress.step("worker");
        let worker = services.start_worker(stack.port("worker"))?;
        step.done("ready");

        let step = progress.step("API");
        let api = services.start_api(Some(api_port))?;
        step.done(api.url());

        stack.note_ports([
            ("sim", sim.address()?.port()),
            ("worker", worker.address()?.port()),
            ("api", api.address()?.port()),
        ])?;
        let deployment = Self { api, worker, sim, services, sandbox, stack };
        deployment.stack.note_links(deployment.links())?;
        Ok(deployment)
    }

    /// What a person can open, in the order in which it is of interest.
    #[must_use]
    pub fn links(&self) -> Vec<(&'static str, String)> {
        let mut links =
            vec![("API documentation", format!("{}/docs", self.api.url())), ("API", self.api.url().to_owned())];
        if let Some(ui) = self.stack.ui_url() {
            links.push(("Temporal UI", ui));
        }
        links.push(("worker metrics", format!("{}/metrics", self.worker.url().trim_end_matches("/metrics"))));
        links.push(("API metrics", format!("{}/metrics", self.api.url())));
        if let Some(metrics) = self.stack.temporal_metrics_url() {
            links.push(("Temporal metrics", metrics));
        }
        links
    }

    /// The names of our binaries that have ended, with the end of their logs.
    pub fn ended(&mut self) -> Vec<String> {
        [&mut self.api, &mut self.worker, &mut self.sim]
            .into_iter()
            .filter_map(|service| {
                let process = service.process();
                (!process.is_running()).then(|| format!("{} has ended\n{}", process.name(), process.log_tail()))
            })
            .collect()
    }

    /// Ends everything in order; returns the names of what had to be killed.
    ///
    /// # Errors
    /// When something can't be ended.
    pub fn stop(mut self) -> Result<Vec<String>> {
        let mut killed = Vec::new();
        for service in [&mut self.api, &mut self.worker, &mut self.sim] {
            let process_ended = service.terminate()?;
            if !process_ended {
                killed.push(service.process().name().to_owned());
            }
        }
        killed.extend(self.stack.stop()?.into_iter().map(|part| format!("{part:?}")));
        Ok(killed)
    }
}

/// The kept sandbox, or a new one. Its API key is stored hashed by the service, so it is kept here (readable by the owner only).
fn sandbox(stack: &Stack, services: &Services) -> Result<(Value, bool)> {
    // Each database of the user's own has its own sandbox.
    let name = if stack.is_embedded(Part::Postgres) {
        "sandbox.json".to_owned()
    } else {
        format!("sandbox-{}.json", hex::encode(&Sha256::digest(stack.database_url())[..8]))
    };
    let path = stack.root().join(name);
    match std::fs::read(&path) {
        Ok(bytes) => {
            let remedy = || format!("{} is unreadable: start afresh with `cargo xtask down --wipe`", path.display());
            Ok((serde_json::from_slice(&bytes).with_context(remedy)?, false))
        }
        Err(_) => {
            let made = services.seed_sandbox()?;
            write_private(&path, &serde_json::to_vec_pretty(&made)?)?;
            Ok((made, true))
        }
    }
}

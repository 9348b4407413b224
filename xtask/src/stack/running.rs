//! A running stack: starts the parts, knows their addresses, kills and restarts each, ends all.
//!
//! `DATABASE_URL`, `TEMPORAL_ADDRESS` and `NATS_URL` replace the embedded part. Must not know our own binaries.

use std::collections::BTreeMap;
use std::fs::File;
use std::path::{Path, PathBuf};
use std::sync::{Mutex, MutexGuard, PoisonError};

use anyhow::{Context, Result, bail};

use super::options::StackOptions;
use super::process::{children_die_with_us, sweep_leftovers};
use super::root::{create_root, lock_root, remove_dead_siblings, remove_ephemeral};
use super::secret::Password;
use super::server::Server;
use super::state::{StackState, StateFile, SupervisorId, database_url};
use super::tools::Tools;
use super::{nats, postgres, temporal};

/// A part of the stack.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Part {
    /// The event bus; ends first.
    Nats,
    /// The workflow engine.
    Temporal,
    /// The database; ends last.
    Postgres,
}

impl Part {
    fn variable(self) -> &'static str {
        match self {
            Self::Nats => "NATS_URL",
            Self::Temporal => "TEMPORAL_ADDRESS",
            Self::Postgres => "DATABASE_URL",
        }
    }

    fn given(self) -> Option<String> {
        std::env::var(self.variable()).ok().filter(|value| !value.trim().is_empty())
    }
}

/// A running stack. Dropping it ends what still runs.
pub struct Stack {
    options: StackOptions,
    servers: BTreeMap<Part, Mutex<Server>>,
    state: Mutex<StackState>,
    app_password: Password,
    database_url: String,
    temporal_address: String,
    nats_url: String,
    postgres_home: Option<PathBuf>,
    /// Held as long as the stack lives; the system releases it even when this process is killed.
    lock: Option<File>,
}

impl std::fmt::Debug for Stack {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Stack")
            .field("root", &self.options.root)
            .field("servers", &self.servers)
            .finish_non_exhaustive()
    }
}

impl Stack {
    /// Starts every part that the environment doesn't replace and waits until it is ready.
    ///
    /// # Errors
    /// When another process runs a stack in the same folder, a program can't be had, or a server doesn't come up.
    pub fn start(options: StackOptions) -> Result<Self> {
        let root = options.root.clone();
        create_root(&root)?;
        let lock = lock_root(&root)?;
        if options.ephemeral {
            remove_dead_siblings(&root);
        }
        let progress = options.progress;
        let left = sweep_leftovers(&root.join("run"))?;
        if !left.is_empty() {
            progress.note(&format!("ended what an earlier run left behind: {}", left.join(", ")));
        }
        if !children_die_with_us() {
            progress.note("no setpriv here: if this process is killed, `cargo xtask down` ends its children");
        }
        let earlier = StateFile::of(&root).load();
        let app_password = Password::load_or_create(&root.join("app-password"))?;
        let mut stack = Self {
            servers: BTreeMap::new(),
            state: Mutex::new(StackState {
                supervisor: Some(SupervisorId::this_process()),
                ports: earlier.as_ref().map(|state| state.ports.clone()).unwrap_or_default(),
                links: BTreeMap::new(),
            }),
            app_password,
            database_url: Part::Postgres.given().unwrap_or_default(),
            temporal_address: Part::Temporal.given().unwrap_or_default(),
            nats_url: Part::Nats.given().unwrap_or_default(),
            postgres_home: None,
            lock: Some(lock),
            options,
        };
        stack.save_state()?;
        let tools = Tools::new(&stack.options.bin_dir);
        stack.start_postgres(&tools, earlier.as_ref())?;
        stack.start_temporal(&tools, earlier.as_ref())?;
        stack.start_nats(&tools, earlier.as_ref())?;
        Ok(stack)
    }

    fn start_postgres(&mut self, tools: &Tools, earlier: Option<&StackState>) -> Result<()> {
        let progress = self.options.progress;
        if !self.database_url.is_empty() {
            progress.note("PostgreSQL: yours, from DATABASE_URL");
            return Ok(());
        }
        let tool = tools.postgres(progress)?;
        let step = progress.step("PostgreSQL");
        let postgres = postgres::start(postgres::Settings {
            root: &self.options.root,
            bin_dir: &tool.path,
            durable: self.options.postgres_durable,
            max_connections: self.options.postgres_max_connections,
            preferred_port: earlier.and_then(|state| state.port("postgres")),
        })
        .context("PostgreSQL doesn't start")?;
        self.database_url = database_url(postgres::OWNER, &postgres.password, postgres.port);
        self.servers.insert(Part::Postgres, Mutex::new(postgres.server));
        self.note_ports([("postgres", postgres.port)])?;
        step.done(&format!(
            "ready on port {} ({}, {})",
            postgres.port,
            tool.version().unwrap_or_default(),
            tool.origin
        ));
        if !postgres.home.starts_with(&self.options.root) {
            progress.note(&format!(
                "its data is in {}, because its unprivileged user can't reach {}",
                postgres.home.display(),
                self.options.root.display()
            ));
        }
        self.postgres_home = Some(postgres.home);
        Ok(())
    }

    fn start_temporal(&mut self, tools: &Tools, earlier: Option<&StackState>) -> Result<()> {
        let progress = self.options.progress;
        if !self.temporal_address.is_empty() {
            progress.note("Temporal: yours, from TEMPORAL_ADDRESS (its search attributes are in temporal/README.md)");
            return Ok(());
        }
        let tool = tools.temporal(progress)?;
        let step = progress.step("Temporal");
        let (server, ports) = temporal::start(&tool.path, &self.options, earlier).context("Temporal doesn't start")?;
        self.temporal_address = format!("127.0.0.1:{}", ports.grpc);
        self.servers.insert(Part::Temporal, Mutex::new(server));
        self.note_ports([
            ("temporal", ports.grpc),
            ("temporal-http", ports.http),
            ("temporal-ui", ports.ui),
            ("temporal-metrics", ports.metrics),
        ])?;
        step.done(&format!("ready on port {} ({}, {})", ports.grpc, tool.version().unwrap_or_default(), tool.origin));
        Ok(())
    }

    fn start_nats(&mut self, tools: &Tools, earlier: Option<&StackState>) -> Result<()> {
        let progress = self.options.progress;
        if !self.nats_url.is_empty() {
            progress.note("NATS: yours, from NATS_URL");
            return Ok(());
        }
        let tool = tools.nats(progress)?;
        let step = progress.step("NATS");
        let preferred = earlier.and_then(|state| state.port("nats"));
        let (server, port) = nats::start(&tool.path, &self.options.root, preferred).context("NATS doesn't start")?;
        self.nats_url = format!("nats://127.0.0.1:{port}");
        self.servers.insert(Part::Nats, Mutex::new(server));
        self.note_ports([("nats", port)])?;
        step.done(&format!("ready on port {port} ({}, {})", tool.version().unwrap_or_default(), tool.origin));
        Ok(())
    }

    /// The folder of this stack.
    #[must_use]
    pub fn root(&self) -> &Path {
        &self.options.root
    }

    /// The options that it was started with.
    #[must_use]
    pub fn options(&self) -> &StackOptions {
        &self.options
    }

    /// Connection URL of the database's owner, password included; for migrations only.
    #[must_use]
    pub fn database_url(&self) -> &str {
        &self.database_url
    }

    /// Connection URL for another login role of the same server, password included.
    ///
    /// # Errors
    /// When `DATABASE_URL` isn't a URL that can carry a user.
    pub fn database_url_as(&self, role: &str, password: &str) -> Result<String> {
        let mut url = reqwest::Url::parse(&self.database_url).context("DATABASE_URL is no URL")?;
        let carried = url.set_username(role).and_then(|()| url.set_password(Some(password)));
        carried.map_err(|()| {
            anyhow::anyhow!("DATABASE_URL can't carry a user: postgres://USER:PASSWORD@HOST/DATABASE is needed")
        })?;
        Ok(url.into())
    }

    /// The password that the application's login roles get in this installation.
    #[must_use]
    pub fn app_password(&self) -> &str {
        self.app_password.expose()
    }

    /// `HOST:PORT` of Temporal's gRPC service.
    #[must_use]
    pub fn temporal_address(&self) -> &str {
        &self.temporal_address
    }

    /// The URL of NATS.
    #[must_use]
    pub fn nats_url(&self) -> &str {
        &self.nats_url
    }

    /// The URL of Temporal's web UI, when it is embedded and has one.
    #[must_use]
    pub fn ui_url(&self) -> Option<String> {
        let port = self.port("temporal-ui").filter(|_| self.options.temporal_ui)?;
        self.is_embedded(Part::Temporal).then(|| format!("http://127.0.0.1:{port}"))
    }

    /// The URL of the Temporal server's own metrics, when it is embedded.
    #[must_use]
    pub fn temporal_metrics_url(&self) -> Option<String> {
        let port = self.port("temporal-metrics")?;
        self.is_embedded(Part::Temporal).then(|| format!("http://127.0.0.1:{port}/metrics"))
    }

    /// Whether this stack runs the part itself.
    #[must_use]
    pub fn is_embedded(&self, part: Part) -> bool {
        self.servers.contains_key(&part)
    }

    /// Whether the part's process runs; a part of yours counts as running.
    #[must_use]
    pub fn is_running(&self, part: Part) -> bool {
        self.server(part).map_or(true, |mut server| server.is_running())
    }

    /// The process id of the part.
    ///
    /// # Errors
    /// When the part isn't embedded.
    pub fn pid(&self, part: Part) -> Result<u32> {
        Ok(self.server(part)?.pid())
    }

    /// `kill -9` of the part; returns when its process is gone.
    ///
    /// # Errors
    /// When the part isn't embedded or doesn't run.
    pub fn kill9(&self, part: Part) -> Result<()> {
        self.server(part)?.process().kill9()
    }

    /// Freezes (`Signal::Stop`) or thaws (`Signal::Continue`) the part, or sends it another signal.
    ///
    /// # Errors
    /// When the part isn't embedded or doesn't run.
    pub fn signal(&self, part: Part, signal: super::Signal) -> Result<()> {
        self.server(part)?.process().signal(signal)
    }

    /// Ends the part in order; returns whether it did so by itself.
    ///
    /// # Errors
    /// When the part isn't embedded or can't be ended.
    pub fn stop_part(&self, part: Part) -> Result<bool> {
        self.server(part)?.stop()
    }

    /// Starts the part again on the same port, whether it was killed, ended or still runs; returns when it is ready.
    ///
    /// # Errors
    /// When the part isn't embedded or doesn't come up.
    pub fn restart(&self, part: Part) -> Result<()> {
        self.server(part)?.restart()
    }

    /// The port that a part or one of our binaries has, or had in the last run.
    #[must_use]
    pub fn port(&self, name: &str) -> Option<u16> {
        self.state().port(name)
    }

    /// Remembers ports in the state file.
    ///
    /// # Errors
    /// When it can't be written.
    pub fn note_ports<'a>(&self, ports: impl IntoIterator<Item = (&'a str, u16)>) -> Result<()> {
        self.state().ports.extend(ports.into_iter().map(|(name, port)| (name.to_owned(), port)));
        self.save_state()
    }

    /// Remembers links in the state file, for `doctor` and `demo`.
    ///
    /// # Errors
    /// When it can't be written.
    pub fn note_links<'a>(&self, links: impl IntoIterator<Item = (&'a str, String)>) -> Result<()> {
        self.state().links.extend(links.into_iter().map(|(name, link)| (name.to_owned(), link)));
        self.save_state()
    }

    /// Ends all parts in order; returns the parts that had to be killed.
    ///
    /// # Errors
    /// When a part can't be ended.
    pub fn stop(mut self) -> Result<Vec<Part>> {
        self.end()
    }

    fn end(&mut self) -> Result<Vec<Part>> {
        let mut killed = Vec::new();
        let mut failure = None;
        for (part, server) in std::mem::take(&mut self.servers) {
            let mut server = server.into_inner().unwrap_or_else(PoisonError::into_inner);
            match server.stop() {
                Ok(true) => {}
                Ok(false) => killed.push(part),
                Err(error) => failure = Some(error),
            }
        }
        self.state().supervisor = None;
        self.save_state()?;
        if self.options.ephemeral {
            remove_ephemeral(&self.options.root, self.postgres_home.as_deref());
        }
        self.lock = None;
        failure.map_or(Ok(killed), Err)
    }

    fn server(&self, part: Part) -> Result<MutexGuard<'_, Server>> {
        let Some(server) = self.servers.get(&part) else {
            bail!("{part:?} is yours ({}): only an embedded one can be controlled", part.variable());
        };
        Ok(server.lock().unwrap_or_else(PoisonError::into_inner))
    }

    fn state(&self) -> MutexGuard<'_, StackState> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn save_state(&self) -> Result<()> {
        StateFile::of(&self.options.root).save(&self.state())
    }
}

impl Drop for Stack {
    fn drop(&mut self) {
        if self.lock.is_some() {
            // What fails here is left to the sweep of the next start.
            let _ = self.end();
        }
    }
}

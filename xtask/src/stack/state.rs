//! What a running stack tells other processes about itself: `state.json` in its folder.
//!
//! Holds ports and links, no passwords. Must not start or end anything. An unreadable file counts as absent, so that a broken
//! one never keeps a stack from starting.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use anyhow::Result;
use serde::{Deserialize, Serialize};

use super::pidfile;
use super::postgres::{DATABASE, OWNER};
use super::secret::{Password, write_private};

/// The process that runs a stack.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct SupervisorId {
    /// Its process id.
    pub pid: u32,
    started: Option<String>,
}

impl SupervisorId {
    /// This process.
    #[must_use]
    pub fn this_process() -> Self {
        let pid = std::process::id();
        Self { pid, started: pidfile::start_time(pid) }
    }

    /// Whether that very process still runs.
    #[must_use]
    pub fn is_alive(&self) -> bool {
        pidfile::is_same_process(self.pid, self.started.as_deref())
    }
}

/// The content of `state.json`.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
pub struct StackState {
    /// Who runs the stack; `None` after an orderly end.
    pub supervisor: Option<SupervisorId>,
    /// Port by part; kept after the end, so that the next start takes the same when they are free.
    pub ports: BTreeMap<String, u16>,
    /// What a person can open, by name.
    pub links: BTreeMap<String, String>,
}

impl StackState {
    /// The port of a part.
    #[must_use]
    pub fn port(&self, part: &str) -> Option<u16> {
        self.ports.get(part).copied()
    }

    /// Whether the process that runs the stack is alive.
    #[must_use]
    pub fn is_running(&self) -> bool {
        self.supervisor.as_ref().is_some_and(SupervisorId::is_alive)
    }
}

/// `state.json` of the stack in one folder.
#[derive(Debug, Clone)]
pub struct StateFile {
    root: PathBuf,
}

impl StateFile {
    /// The state of the stack that lives in `root`.
    #[must_use]
    pub fn of(root: &Path) -> Self {
        Self { root: root.to_path_buf() }
    }

    fn path(&self) -> PathBuf {
        self.root.join("state.json")
    }

    /// The last written state, if any.
    #[must_use]
    pub fn load(&self) -> Option<StackState> {
        serde_json::from_slice(&std::fs::read(self.path()).ok()?).ok()
    }

    /// Writes the state.
    ///
    /// # Errors
    /// When the file can't be written.
    pub fn save(&self, state: &StackState) -> Result<()> {
        write_private(&self.path(), &serde_json::to_vec_pretty(state)?)
    }

    /// The owner's connection URL of the embedded PostgreSQL, password included, when it has run here.
    ///
    /// # Errors
    /// When the kept password can't be read.
    pub fn database_url(&self) -> Result<Option<String>> {
        let Some(port) = self.load().and_then(|state| state.port("postgres")) else { return Ok(None) };
        let password = Password::load_or_create(&self.root.join("postgres-password"))?;
        Ok(Some(database_url(OWNER, &password, port)))
    }

    /// The processes of this stack that are alive, with their PIDs.
    #[must_use]
    pub fn alive_processes(&self) -> Vec<(String, u32)> {
        pidfile::alive(&self.root.join("run"))
    }
}

pub(super) fn database_url(user: &str, password: &Password, port: u16) -> String {
    format!("postgres://{user}:{}@127.0.0.1:{port}/{DATABASE}", password.expose())
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]
    use super::*;

    #[test]
    fn survives_a_round_trip_and_knows_the_living() {
        let root = std::env::temp_dir().join(format!("xtask-state-{}", uuid::Uuid::new_v4()));
        std::fs::create_dir(&root).unwrap();
        let file = StateFile::of(&root);
        assert!(file.load().is_none());
        let state = StackState {
            supervisor: Some(SupervisorId::this_process()),
            ports: [("postgres".to_owned(), 20_001)].into(),
            links: BTreeMap::new(),
        };
        file.save(&state).unwrap();
        let loaded = file.load().unwrap();
        assert!(loaded.is_running());
        assert_eq!(loaded.port("postgres"), Some(20_001));
        assert!(file.database_url().unwrap().unwrap().ends_with("@127.0.0.1:20001/lock"));
        let dead = SupervisorId { pid: std::process::id(), started: Some("another time".into()) };
        assert!(!dead.is_alive());
        std::fs::write(root.join("state.json"), "{").unwrap();
        assert!(file.load().is_none());
        std::fs::remove_dir_all(root).unwrap();
    }
}

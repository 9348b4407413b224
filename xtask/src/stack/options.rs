//! What a stack is started with.
//!
//! Plain data, with one constructor per use. Never fails.

use std::path::PathBuf;

use super::progress::Progress;
use crate::project::Project;

/// Where a stack keeps its files, and how its parts run.
#[derive(Debug, Clone)]
pub struct StackOptions {
    /// The folder of this stack: data, logs, state. One stack at a time runs in it.
    pub root: PathBuf,
    /// Where wheels are unpacked; shared by all stacks of a checkout.
    pub bin_dir: PathBuf,
    /// Whether the folder is removed at the end.
    pub ephemeral: bool,
    /// Whether PostgreSQL writes through to the disk (`fsync`). Without, `kill -9` still loses nothing, a power cut may.
    pub postgres_durable: bool,
    /// PostgreSQL's `max_connections`.
    pub postgres_max_connections: u32,
    /// Whether Temporal forgets everything when it ends. Not for tests that kill it.
    pub temporal_in_memory: bool,
    /// Whether Temporal runs with what `temporal/dynamicconfig-tests.yaml` adds (time skipping, exact timers).
    pub temporal_for_tests: bool,
    /// Whether Temporal's web UI runs.
    pub temporal_ui: bool,
    /// Where the web UI sends encrypted payloads to be decoded.
    pub ui_codec_endpoint: Option<String>,
    /// Variables that our own processes get beside those that every deployment has.
    pub service_env: Vec<(String, String)>,
    /// Where progress is shown.
    pub progress: Progress,
}

impl StackOptions {
    /// The stack of `cargo xtask up`: durable, kept between runs, with the web UI.
    #[must_use]
    pub fn for_up(project: &Project) -> Self {
        Self {
            root: project.stack_dir(),
            bin_dir: project.stack_dir().join("bin"),
            ephemeral: false,
            postgres_durable: true,
            postgres_max_connections: 200,
            temporal_in_memory: false,
            temporal_for_tests: false,
            temporal_ui: true,
            ui_codec_endpoint: None,
            service_env: Vec::new(),
            progress: Progress::visible(),
        }
    }

    /// A stack of its own for one test process: fast, quiet, removed at the end; Temporal in a file, so that it can be killed.
    #[must_use]
    pub fn for_tests(project: &Project) -> Self {
        let name = format!("{}-{}", std::process::id(), hex::encode(rand::random::<[u8; 4]>()));
        Self {
            root: tests_dir(project).join(name),
            ephemeral: true,
            postgres_durable: false,
            postgres_max_connections: 300,
            temporal_for_tests: true,
            temporal_ui: false,
            progress: Progress::hidden(),
            ..Self::for_up(project)
        }
    }
}

/// Where the stacks of test processes live.
pub(super) fn tests_dir(project: &Project) -> PathBuf {
    project.stack_dir().join("tests")
}

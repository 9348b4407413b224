//! Supervision of a child process: log file, readiness, orderly end, `kill -9`, and no survivor when this process dies.
//!
//! On Linux a child has a parent-death signal; everywhere a PID file lets the next start find what was left (a PID counts only together with the process's start time, so a reused PID is never killed).
//! Must not know what the program does.

use std::fs::{File, OpenOptions};
use std::io::{Read as _, Seek as _, SeekFrom};
use std::path::Path;
use std::process::{Child, Command, ExitStatus};
use std::sync::{Mutex, OnceLock, PoisonError, mpsc};
use std::time::Duration;

use anyhow::{Context, Result, bail};

pub use super::pidfile::sweep_leftovers;
use super::pidfile::{self, PidFile};
use super::poll::{wait_even_when_stopping, wait_until};
pub(super) use super::spec::children_die_with_us;
pub use super::spec::{ProcessSpec, Signal};

const LOG_ROTATION_BYTES: u64 = 20 * 1024 * 1024;
const LOG_TAIL_LINES: usize = 15;
const DEATH_LIMIT: Duration = Duration::from_secs(5);

/// A running (or ended) child of this process. Dropping it kills it.
#[derive(Debug)]
pub struct ManagedProcess {
    spec: ProcessSpec,
    child: Child,
    log_start: u64,
}

impl ManagedProcess {
    /// Starts the program.
    ///
    /// # Errors
    /// When the program can't be started or its log can't be opened.
    pub fn spawn(spec: ProcessSpec) -> Result<Self> {
        let (child, log_start) = launch(&spec)?;
        Ok(Self { spec, child, log_start })
    }

    /// The name given in the specification.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.spec.name
    }

    /// The process id.
    #[must_use]
    pub fn pid(&self) -> u32 {
        self.child.id()
    }

    /// The log file.
    #[must_use]
    pub fn log(&self) -> &Path {
        &self.spec.log
    }

    /// The exit status, when it has ended.
    ///
    /// # Errors
    /// When the system can't tell.
    pub fn exit_status(&mut self) -> Result<Option<ExitStatus>> {
        Ok(self.child.try_wait()?)
    }

    /// Whether it still runs.
    pub fn is_running(&mut self) -> bool {
        matches!(self.child.try_wait(), Ok(None))
    }

    /// Waits until the program has written a line that starts with `prefix` since this start; returns the whole line.
    ///
    /// # Errors
    /// When it ends before, or `limit` passes; with the end of its log.
    pub fn wait_line(&mut self, prefix: &str, limit: Duration) -> Result<String> {
        let what = format!("line {prefix:?} of {}", self.spec.name);
        wait_until(&what, limit, || {
            let ended = self.exit_status()?;
            let text = self.log_since_start()?;
            // Only whole lines: the last one may still be being written.
            let whole = text.rfind('\n').map_or("", |end| &text[..end]);
            if let Some(line) = whole.lines().find(|line| line.starts_with(prefix)) {
                return Ok(Some(line.to_owned()));
            }
            match ended {
                Some(status) => bail!("{} ended ({status}) before it was ready\n{}", self.spec.name, self.log_tail()),
                None => Ok(None),
            }
        })
        .with_context(|| format!("see {}", self.spec.log.display()))
    }

    /// Sends a signal and doesn't wait.
    ///
    /// # Errors
    /// When it has ended already.
    pub fn signal(&mut self, signal: Signal) -> Result<()> {
        if !self.is_running() {
            bail!("{} doesn't run", self.spec.name);
        }
        let pid = rustix::process::Pid::from_child(&self.child);
        rustix::process::kill_process(pid, signal.raw())
            .with_context(|| format!("cannot signal {} ({})", self.spec.name, self.pid()))
    }

    /// `kill -9`, as a crash would; returns when it is gone.
    ///
    /// # Errors
    /// When it had ended already or doesn't go.
    pub fn kill9(&mut self) -> Result<()> {
        self.signal(Signal::Kill)?;
        self.wait_exit(DEATH_LIMIT)?;
        Ok(())
    }

    /// Asks it to end in order and kills it when `limit` passes; returns whether it ended by itself. Ended already is fine.
    ///
    /// # Errors
    /// When even SIGKILL doesn't end it.
    pub fn terminate(&mut self, limit: Duration) -> Result<bool> {
        if self.is_running() {
            self.signal(self.spec.orderly)?;
            if self.wait_exit(limit).is_err() {
                self.kill_group();
                self.wait_exit(DEATH_LIMIT)?;
                return Ok(false);
            }
        }
        pidfile::remove(&self.spec.pid_file);
        Ok(true)
    }

    /// Waits for the end.
    ///
    /// # Errors
    /// When it still runs after `limit`.
    pub fn wait_exit(&mut self, limit: Duration) -> Result<ExitStatus> {
        let what = format!("end of {}", self.spec.name);
        let status = wait_even_when_stopping(&what, limit, || self.exit_status())?;
        pidfile::remove(&self.spec.pid_file);
        Ok(status)
    }

    /// Starts it again with the same specification; ends it first when it still runs.
    ///
    /// # Errors
    /// When it can't be ended or started.
    pub fn restart(&mut self, limit: Duration) -> Result<()> {
        self.terminate(limit)?;
        (self.child, self.log_start) = launch(&self.spec)?;
        Ok(())
    }

    /// The last lines of the log, for an error message.
    #[must_use]
    pub fn log_tail(&self) -> String {
        let text = self.log_since_start().unwrap_or_default();
        let lines: Vec<&str> = text.lines().collect();
        let from = lines.len().saturating_sub(LOG_TAIL_LINES);
        format!("end of {}:\n    {}", self.spec.log.display(), lines[from..].join("\n    "))
    }

    /// What it wrote since its last start.
    ///
    /// # Errors
    /// When the log can't be read.
    pub fn log_since_start(&self) -> Result<String> {
        let mut file = File::open(&self.spec.log)?;
        file.seek(SeekFrom::Start(self.log_start))?;
        let mut bytes = Vec::new();
        file.read_to_end(&mut bytes)?;
        Ok(String::from_utf8_lossy(&bytes).into_owned())
    }

    fn kill_group(&self) {
        // The group may be gone already, which is what is wanted.
        let _ = rustix::process::kill_process_group(
            rustix::process::Pid::from_child(&self.child),
            rustix::process::Signal::KILL,
        );
    }
}

impl Drop for ManagedProcess {
    fn drop(&mut self) {
        if !self.is_running() {
            pidfile::remove(&self.spec.pid_file);
            return;
        }
        if self.spec.abrupt != Signal::Kill {
            let gone = self.signal(self.spec.abrupt).is_ok() && self.wait_exit(DEATH_LIMIT).is_ok();
            if gone {
                return;
            }
        }
        self.kill_group();
        // A failure leaves the PID file, from which the next start cleans up.
        let _ = self.wait_exit(DEATH_LIMIT);
    }
}

fn launch(spec: &ProcessSpec) -> Result<(Child, u64)> {
    let (log, log_start) = open_log(&spec.log)?;
    let command = spec.command(&log)?;
    let child = spawn_from_lasting_thread(command)
        .with_context(|| format!("cannot start {} ({})", spec.name, spec.program.display()))?;
    PidFile::of(&spec.name, child.id(), spec.abrupt).write(&spec.pid_file)?;
    Ok((child, log_start))
}

fn open_log(path: &Path) -> Result<(File, u64)> {
    let open = || -> std::io::Result<(File, u64)> {
        if let Some(dir) = path.parent() {
            std::fs::create_dir_all(dir)?;
        }
        if std::fs::metadata(path).is_ok_and(|log| log.len() > LOG_ROTATION_BYTES) {
            std::fs::rename(path, path.with_extension("log.1"))?;
        }
        let file = OpenOptions::new().append(true).create(true).open(path)?;
        let length = file.metadata()?.len();
        Ok((file, length))
    };
    open().with_context(|| format!("cannot open the log {}", path.display()))
}

type SpawnJob = (Command, mpsc::Sender<std::io::Result<Child>>);

/// Linux sends the parent-death signal when the *thread* that spawned ends. Test runners and async runtimes end their threads
/// early, so one thread that lives as long as the process does all the spawning.
fn spawn_from_lasting_thread(command: Command) -> std::io::Result<Child> {
    static SPAWNER: OnceLock<Mutex<mpsc::Sender<SpawnJob>>> = OnceLock::new();
    let spawner = SPAWNER.get_or_init(|| {
        let (jobs, inbox) = mpsc::channel::<SpawnJob>();
        std::thread::spawn(move || {
            for (mut command, answer) in inbox {
                // The asker waits, so it is there to take the answer.
                let _ = answer.send(command.spawn());
            }
        });
        Mutex::new(jobs)
    });
    let (answer, result) = mpsc::channel();
    let gone = |_| std::io::Error::other("the spawning thread is gone");
    spawner.lock().unwrap_or_else(PoisonError::into_inner).send((command, answer)).map_err(|e| gone(e.to_string()))?;
    result.recv().map_err(|e| gone(e.to_string()))?
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]
    use super::*;

    fn scratch() -> std::path::PathBuf {
        let dir = std::env::temp_dir().join(format!("xtask-process-{}", uuid::Uuid::new_v4()));
        std::fs::create_dir(&dir).unwrap();
        dir
    }

    fn shell(root: &Path, script: &str) -> ProcessSpec {
        ProcessSpec::new("child", "/bin/sh", root).args(["-c", script])
    }

    #[test]
    fn waits_for_a_line_then_terminates_and_restarts() {
        let root = scratch();
        let spec = shell(&root, "echo noise; echo 'child listening on http://127.0.0.1:1'; exec sleep 1000");
        let mut child = ManagedProcess::spawn(spec).unwrap();
        let line = child.wait_line("child listening on", Duration::from_secs(10)).unwrap();
        assert!(line.ends_with(":1"));
        assert!(root.join("run/child.pid").exists());
        let first = child.pid();
        child.kill9().unwrap();
        assert!(!child.is_running() && !root.join("run/child.pid").exists());
        child.restart(Duration::from_secs(1)).unwrap();
        child.wait_line("child listening on", Duration::from_secs(10)).unwrap();
        assert_ne!(child.pid(), first);
        assert!(child.terminate(Duration::from_secs(10)).unwrap());
        std::fs::remove_dir_all(root).unwrap();
    }

    #[test]
    fn an_early_end_shows_the_log() {
        let root = scratch();
        let mut child = ManagedProcess::spawn(shell(&root, "echo no such database; exit 3")).unwrap();
        let error = child.wait_line("ready", Duration::from_secs(10)).unwrap_err();
        assert!(format!("{error:#}").contains("no such database"));
        std::fs::remove_dir_all(root).unwrap();
    }

    #[test]
    fn a_child_that_ignores_the_orderly_signal_is_killed() {
        let root = scratch();
        let script = "trap '' TERM; echo ready; while :; do sleep 1000; done";
        let mut child = ManagedProcess::spawn(shell(&root, script)).unwrap();
        child.wait_line("ready", Duration::from_secs(10)).unwrap();
        assert!(!child.terminate(Duration::from_millis(50)).unwrap());
        assert!(!child.is_running());
        std::fs::remove_dir_all(root).unwrap();
    }

    #[test]
    fn outlives_the_thread_that_asked_for_it_and_not_its_owner() {
        let root = scratch();
        let spec = shell(&root, "echo ready; exec sleep 1000");
        let mut child = std::thread::spawn(move || ManagedProcess::spawn(spec).unwrap()).join().unwrap();
        child.wait_line("ready", Duration::from_secs(10)).unwrap();
        assert!(child.is_running());
        let pid = child.pid();
        drop(child);
        assert!(pidfile::start_time(pid).is_none());
        std::fs::remove_dir_all(root).unwrap();
    }
}

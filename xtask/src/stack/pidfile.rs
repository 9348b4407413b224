//! PID files: who runs, and what an earlier run left behind.
//!
//! A PID alone may have been given to another program since, so the start time of the process goes with it and both must
//! agree before anything is signalled. An unreadable file is removed and otherwise ignored.

use std::path::Path;
use std::time::Duration;

use anyhow::{Context, Result};
use serde::{Deserialize, Serialize};

use super::poll::wait_even_when_stopping;
use super::process::Signal;

const GENTLE_LIMIT: Duration = Duration::from_secs(5);

#[derive(Debug, Serialize, Deserialize)]
pub(super) struct PidFile {
    name: String,
    pub(super) pid: u32,
    started: Option<String>,
    quits_on_sigquit: bool,
}

impl PidFile {
    pub(super) fn of(name: &str, pid: u32, abrupt: Signal) -> Self {
        Self { name: name.to_owned(), pid, started: start_time(pid), quits_on_sigquit: abrupt == Signal::Quit }
    }

    pub(super) fn write(&self, path: &Path) -> Result<()> {
        let write = || -> Result<()> {
            if let Some(dir) = path.parent() {
                std::fs::create_dir_all(dir)?;
            }
            Ok(std::fs::write(path, serde_json::to_vec(self)?)?)
        };
        write().with_context(|| format!("cannot write {}", path.display()))
    }

    fn is_alive(&self) -> bool {
        is_same_process(self.pid, self.started.as_deref())
    }
}

pub(super) fn remove(path: &Path) {
    // Missing is what is wanted; anything else shows at the next start.
    let _ = std::fs::remove_file(path);
}

/// Whether the process that had this PID at that time still runs.
pub(super) fn is_same_process(pid: u32, started: Option<&str>) -> bool {
    started.is_some() && start_time(pid).as_deref() == started
}

/// When the process started, in the system's own notation; `None` when it doesn't run (a zombie doesn't).
pub(super) fn start_time(pid: u32) -> Option<String> {
    if cfg!(target_os = "linux") {
        let stat = std::fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
        // The command name in parentheses may hold spaces; state is the first field after it, start time the 20th.
        let mut fields = stat.rsplit_once(')')?.1.split_whitespace();
        let state = fields.next()?;
        if matches!(state, "Z" | "X") {
            return None;
        }
        fields.nth(18).map(str::to_owned)
    } else {
        let pid = pid.to_string();
        let output = std::process::Command::new("ps").args(["-o", "stat=,lstart=", "-p", &pid]).output().ok()?;
        let text = String::from_utf8_lossy(&output.stdout).trim().to_owned();
        let (state, started) = text.split_once(char::is_whitespace)?;
        (!state.starts_with('Z')).then(|| started.trim().to_owned())
    }
}

/// The processes named in a `run` folder that are alive, with their PIDs.
pub(super) fn alive(run_dir: &Path) -> Vec<(String, u32)> {
    read_all(run_dir)
        .into_iter()
        .filter_map(|(_, file)| file.filter(PidFile::is_alive))
        .map(|file| (file.name, file.pid))
        .collect()
}

/// Ends what an earlier run left behind in `run_dir`; returns the names of what was still alive.
///
/// # Errors
/// When a process can't be ended.
pub fn sweep_leftovers(run_dir: &Path) -> Result<Vec<String>> {
    let mut swept = Vec::new();
    for (path, file) in read_all(run_dir) {
        if let Some(file) = file.filter(PidFile::is_alive) {
            end(&file)?;
            swept.push(file.name);
        }
        remove(&path);
    }
    Ok(swept)
}

fn read_all(run_dir: &Path) -> Vec<(std::path::PathBuf, Option<PidFile>)> {
    let Ok(entries) = std::fs::read_dir(run_dir) else { return Vec::new() };
    let mut files: Vec<_> = entries
        .filter_map(|entry| Some(entry.ok()?.path()))
        .filter(|path| path.extension().is_some_and(|extension| extension == "pid"))
        .map(|path| {
            let file = std::fs::read(&path).ok().and_then(|bytes| serde_json::from_slice(&bytes).ok());
            (path, file)
        })
        .collect();
    files.sort_by(|a, b| a.0.cmp(&b.0));
    files
}

fn end(file: &PidFile) -> Result<()> {
    let Some(pid) = i32::try_from(file.pid).ok().and_then(rustix::process::Pid::from_raw) else { return Ok(()) };
    let what = format!("end of {} ({})", file.name, file.pid);
    let gone = || Ok((!file.is_alive()).then_some(()));
    if file.quits_on_sigquit {
        // It may end between the check and the signal.
        let _ = rustix::process::kill_process(pid, rustix::process::Signal::QUIT);
        if wait_even_when_stopping(&what, GENTLE_LIMIT, gone).is_ok() {
            return Ok(());
        }
    }
    let _ = rustix::process::kill_process_group(pid, rustix::process::Signal::KILL);
    wait_even_when_stopping(&what, GENTLE_LIMIT, gone)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]
    use super::*;
    use std::os::unix::process::CommandExt as _;

    #[test]
    fn sweeps_what_matches_and_spares_a_reused_pid() {
        let dir = std::env::temp_dir().join(format!("xtask-pid-{}", uuid::Uuid::new_v4()));
        let mut child = std::process::Command::new("sleep").arg("1000").process_group(0).spawn().unwrap();
        let mut file = PidFile::of("sleeper", child.id(), Signal::Kill);
        file.started = Some("another time".into());
        file.write(&dir.join("sleeper.pid")).unwrap();
        assert!(sweep_leftovers(&dir).unwrap().is_empty());
        assert!(child.try_wait().unwrap().is_none());

        PidFile::of("sleeper", child.id(), Signal::Kill).write(&dir.join("sleeper.pid")).unwrap();
        assert_eq!(alive(&dir), [("sleeper".to_owned(), child.id())]);
        assert_eq!(sweep_leftovers(&dir).unwrap(), ["sleeper"]);
        assert!(!child.wait().unwrap().success());
        std::fs::remove_dir_all(dir).unwrap();
    }
}

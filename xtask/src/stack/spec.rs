//! What a child process is started with: program, environment, log, user, and which signals end it.
//!
//! On Linux a child gets a parent-death signal by `setpriv(1)`. Must not know what the program does, nor whether it runs.

use std::ffi::OsString;
use std::fs::File;
use std::os::unix::process::CommandExt as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::OnceLock;

use anyhow::Result;

use super::user::User;

/// The signals that the stack sends.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Signal {
    /// SIGINT; PostgreSQL's fast shutdown.
    Interrupt,
    /// SIGQUIT; PostgreSQL's immediate shutdown, which takes its backends along.
    Quit,
    /// SIGTERM; the orderly end of most programs.
    Terminate,
    /// SIGKILL.
    Kill,
    /// SIGSTOP; freezes a process that then looks alive and answers nothing.
    Stop,
    /// SIGCONT; ends a freeze.
    Continue,
}

impl Signal {
    pub(super) fn raw(self) -> rustix::process::Signal {
        match self {
            Self::Interrupt => rustix::process::Signal::INT,
            Self::Quit => rustix::process::Signal::QUIT,
            Self::Terminate => rustix::process::Signal::TERM,
            Self::Kill => rustix::process::Signal::KILL,
            Self::Stop => rustix::process::Signal::STOP,
            Self::Continue => rustix::process::Signal::CONT,
        }
    }

    fn setpriv_name(self) -> &'static str {
        match self {
            Self::Interrupt => "INT",
            Self::Quit => "QUIT",
            Self::Terminate => "TERM",
            Self::Kill => "KILL",
            Self::Stop => "STOP",
            Self::Continue => "CONT",
        }
    }
}

/// What to start and how.
#[derive(Clone)]
pub struct ProcessSpec {
    pub(super) name: String,
    pub(super) program: PathBuf,
    args: Vec<OsString>,
    env: Vec<(String, OsString)>,
    env_remove_prefixes: Vec<&'static str>,
    pub(super) log: PathBuf,
    pub(super) pid_file: PathBuf,
    user: Option<User>,
    pub(super) orderly: Signal,
    pub(super) abrupt: Signal,
}

impl std::fmt::Debug for ProcessSpec {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        // Values of the environment hold connection URLs with passwords.
        let names: Vec<&str> = self.env.iter().map(|(name, _)| name.as_str()).collect();
        f.debug_struct("ProcessSpec")
            .field("name", &self.name)
            .field("program", &self.program)
            .field("args", &self.args)
            .field("env", &names)
            .finish_non_exhaustive()
    }
}

impl ProcessSpec {
    /// A program that logs to `root/logs/NAME.log` and has its PID file at `root/run/NAME.pid`.
    #[must_use]
    pub fn new(name: &str, program: impl Into<PathBuf>, root: &Path) -> Self {
        Self {
            name: name.to_owned(),
            program: program.into(),
            args: Vec::new(),
            env: Vec::new(),
            env_remove_prefixes: Vec::new(),
            log: root.join("logs").join(format!("{name}.log")),
            pid_file: root.join("run").join(format!("{name}.pid")),
            user: None,
            orderly: Signal::Terminate,
            abrupt: Signal::Kill,
        }
    }

    /// Adds an argument.
    #[must_use]
    pub fn arg(mut self, arg: impl Into<OsString>) -> Self {
        self.args.push(arg.into());
        self
    }

    /// Adds arguments.
    #[must_use]
    pub fn args<I: IntoIterator<Item = S>, S: Into<OsString>>(mut self, args: I) -> Self {
        self.args.extend(args.into_iter().map(Into::into));
        self
    }

    /// Sets a variable of the child's environment; the rest is inherited.
    #[must_use]
    pub fn env(mut self, name: &str, value: impl Into<OsString>) -> Self {
        self.env.push((name.to_owned(), value.into()));
        self
    }

    /// Keeps inherited variables with this prefix from the child (a `PGPORT` of the developer must not move our server).
    #[must_use]
    pub(super) fn without_env_prefix(mut self, prefix: &'static str) -> Self {
        self.env_remove_prefixes.push(prefix);
        self
    }

    /// Runs the child as another user.
    #[must_use]
    pub(super) fn user(mut self, user: Option<User>) -> Self {
        self.user = user;
        self
    }

    /// Which signals end the child: in order, and when nobody is left to wait for it.
    #[must_use]
    pub fn ends_by(mut self, orderly: Signal, abrupt: Signal) -> Self {
        self.orderly = orderly;
        self.abrupt = abrupt;
        self
    }

    /// The log file, appended to by every start.
    #[must_use]
    pub fn log(&self) -> &Path {
        &self.log
    }

    pub(super) fn command(&self, log: &File) -> Result<Command> {
        let mut command = match setpriv() {
            Some(setpriv) => {
                let mut command = Command::new(setpriv);
                command.args(["--pdeathsig", self.abrupt.setpriv_name(), "--"]).arg(&self.program);
                command
            }
            None => Command::new(&self.program),
        };
        for (name, _) in std::env::vars_os() {
            let text = name.to_string_lossy();
            if self.env_remove_prefixes.iter().any(|prefix| text.starts_with(prefix)) {
                command.env_remove(&name);
            }
        }
        if let Some(user) = &self.user {
            // `/` because the user may not be allowed to stand where this process stands.
            command.uid(user.uid).gid(user.gid).current_dir("/");
        }
        command
            .args(&self.args)
            .envs(self.env.iter().map(|(name, value)| (name, value)))
            .stdin(Stdio::null())
            .stdout(log.try_clone()?)
            .stderr(log.try_clone()?)
            // A group of its own, so that Ctrl-C reaches only the supervisor, which then ends the children in order.
            .process_group(0);
        Ok(command)
    }
}

/// `setpriv` of util-linux; absent on macOS, and BusyBox's lacks the option.
fn setpriv() -> Option<&'static Path> {
    static SETPRIV: OnceLock<Option<PathBuf>> = OnceLock::new();
    SETPRIV
        .get_or_init(|| {
            let path = super::tools::on_path("setpriv")?;
            let works = Command::new(&path)
                .args(["--pdeathsig", "KILL", "--", "true"])
                .stdin(Stdio::null())
                .stdout(Stdio::null())
                .stderr(Stdio::null())
                .status()
                .is_ok_and(|status| status.success());
            works.then_some(path)
        })
        .as_deref()
}

/// Whether children die with this process even when it is killed.
pub(super) fn children_die_with_us() -> bool {
    setpriv().is_some()
}

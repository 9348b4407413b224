//! PostgreSQL for the stack: makes a cluster once, starts it on 127.0.0.1, tells when it accepts connections.
//!
//! Must not know the schema. Fails when the programs refuse, with their log, or when the data belongs to another major version.

use std::io::{Read as _, Write as _};
use std::net::{Ipv4Addr, SocketAddr, TcpStream};
use std::os::unix::fs::PermissionsExt as _;
use std::os::unix::process::CommandExt as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::Duration;

use anyhow::{Context, Result, bail, ensure};

use super::ports::free_port_like;
use super::process::{ProcessSpec, Signal};
use super::secret::{Password, write_private};
use super::server::Server;
use super::tools::postgres_major;
use super::user::{User, reachable_dir, unprivileged};

/// The superuser that owns the cluster and runs the migrations.
pub(super) const OWNER: &str = "postgres";
/// The database of the service.
pub(super) const DATABASE: &str = "lock";
const PROBE_LIMIT: Duration = Duration::from_secs(1);

#[derive(Debug)]
pub(super) struct Postgres {
    pub(super) server: Server,
    pub(super) port: u16,
    pub(super) password: Password,
    /// Where the cluster really is; not below the root when that is closed to PostgreSQL's user.
    pub(super) home: PathBuf,
}

/// Everything that decides how the server runs.
#[derive(Debug, Clone, Copy)]
pub(super) struct Settings<'a> {
    pub(super) root: &'a Path,
    pub(super) bin_dir: &'a Path,
    /// Whether a power cut must lose nothing. Without, it is faster, and `kill -9` still loses nothing.
    pub(super) durable: bool,
    pub(super) max_connections: u32,
    pub(super) preferred_port: Option<u16>,
}

pub(super) fn start(settings: Settings<'_>) -> Result<Postgres> {
    let user = unprivileged()?;
    let home = reachable_dir(user.as_ref(), &settings.root.join("postgres"))?;
    let password = Password::load_or_create(&settings.root.join("postgres-password"))?;
    let cluster = Cluster { bin_dir: settings.bin_dir, home: &home, user: user.as_ref() };
    let data = cluster.ensure(&password, settings.durable)?;
    let (server, port) = Server::start_on_free_ports(|attempt| {
        let port = free_port_like(settings.preferred_port.filter(|_| attempt == 1))?;
        let spec = spec(settings, &data, port, user.clone());
        Ok((spec, Box::new(move || accepts_connections(port)), port))
    })?;
    Ok(Postgres { server, port, password, home })
}

fn spec(settings: Settings<'_>, data: &Path, port: u16, user: Option<User>) -> ProcessSpec {
    let switch = if settings.durable { "on" } else { "off" };
    let options = [
        "listen_addresses=127.0.0.1".to_owned(),
        format!("port={port}"),
        "unix_socket_directories=".to_owned(),
        format!("max_connections={}", settings.max_connections),
        format!("fsync={switch}"),
        format!("full_page_writes={switch}"),
        // Even where a power cut may lose something, `kill -9` must not.
        "synchronous_commit=on".to_owned(),
        "timezone=UTC".to_owned(),
        "log_timezone=UTC".to_owned(),
        "log_line_prefix=%m [%p] %u@%d ".to_owned(),
        // Statements and the DETAIL of errors quote values of rows; those don't belong in a log.
        "log_min_error_statement=panic".to_owned(),
        "log_error_verbosity=terse".to_owned(),
    ];
    let mut spec = ProcessSpec::new("postgres", settings.bin_dir.join("postgres"), settings.root)
        .arg("-D")
        .arg(data)
        .without_env_prefix("PG")
        .env("LC_ALL", "C")
        .env("HOME", data)
        .user(user)
        .ends_by(Signal::Interrupt, Signal::Quit);
    for option in options {
        spec = spec.arg("-c").arg(option);
    }
    spec
}

struct Cluster<'a> {
    bin_dir: &'a Path,
    home: &'a Path,
    user: Option<&'a User>,
}

impl Cluster<'_> {
    /// The data folder; made first when it isn't there. A half-made one is never taken for a whole one.
    fn ensure(&self, password: &Password, durable: bool) -> Result<PathBuf> {
        let data = self.home.join("cluster").join("data");
        if data.join("PG_VERSION").is_file() {
            self.check_version(&data)?;
            return Ok(data);
        }
        let cluster = self.home.join("cluster");
        if cluster.exists() {
            std::fs::remove_dir_all(&cluster)?;
        }
        std::fs::create_dir(&cluster)?;
        std::fs::set_permissions(&cluster, std::fs::Permissions::from_mode(0o700))?;
        self.give(&cluster)?;

        let fresh = cluster.join("data.new");
        let initial_password = self.home.join("initial-password");
        write_private(&initial_password, password.expose().as_bytes())?;
        self.give(&initial_password)?;
        let made = self.make(&fresh, &initial_password, durable);
        std::fs::remove_file(&initial_password)?;
        made?;
        std::fs::rename(&fresh, &data)?;
        Ok(data)
    }

    fn make(&self, data: &Path, initial_password: &Path, durable: bool) -> Result<()> {
        let mut initdb = self.command("initdb");
        initdb
            .args(["--auth=scram-sha-256", "--encoding=UTF8", "--no-locale", "--username", OWNER, "--pwfile"])
            .arg(initial_password)
            .arg("-D")
            .arg(data);
        if !durable {
            initdb.arg("--no-sync");
        }
        run(initdb, "")?;
        // Single-user mode needs neither a port nor the password.
        let mut single = self.command("postgres");
        single.args(["--single", "-D"]).arg(data).args(["-c", "fsync=off", "postgres"]);
        run(single, &format!("CREATE DATABASE {DATABASE};\n"))
    }

    fn command(&self, program: &str) -> Command {
        let mut command = Command::new(self.bin_dir.join(program));
        command.env("LC_ALL", "C").env("HOME", self.home).current_dir("/");
        for (name, _) in std::env::vars_os().filter(|(name, _)| name.to_string_lossy().starts_with("PG")) {
            command.env_remove(name);
        }
        if let Some(user) = self.user {
            command.uid(user.uid).gid(user.gid);
        }
        command
    }

    fn give(&self, path: &Path) -> Result<()> {
        if let Some(user) = self.user {
            std::os::unix::fs::chown(path, Some(user.uid), Some(user.gid))
                .with_context(|| format!("cannot give {} to {}", path.display(), user.name))?;
        }
        Ok(())
    }

    fn check_version(&self, data: &Path) -> Result<()> {
        let theirs = std::fs::read_to_string(data.join("PG_VERSION"))?;
        let ours = postgres_major(self.bin_dir).context("PostgreSQL doesn't tell its version")?;
        if theirs.trim() != ours.to_string() {
            bail!(
                "the data in {} is of PostgreSQL {}, the programs in {} are {ours}: set PG_BIN_DIR to a PostgreSQL {}, \
                 or start afresh with `cargo xtask down --wipe`",
                data.display(),
                theirs.trim(),
                self.bin_dir.display(),
                theirs.trim(),
            );
        }
        Ok(())
    }
}

fn run(mut command: Command, input: &str) -> Result<()> {
    let program = command.get_program().to_string_lossy().into_owned();
    let mut child = command
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .with_context(|| format!("cannot start {program}"))?;
    if let Some(mut stdin) = child.stdin.take() {
        stdin.write_all(input.as_bytes())?;
    }
    let output = child.wait_with_output()?;
    let errors = String::from_utf8_lossy(&output.stderr);
    // Single-user mode ends with success even when its statement failed.
    ensure!(output.status.success() && !errors.contains("ERROR:"), "{program} failed: {}", errors.trim());
    Ok(())
}

/// Whether the server asks for a password, which it does only once it accepts connections; before that it answers an error.
fn accepts_connections(port: u16) -> bool {
    let ask = || -> std::io::Result<u8> {
        let address = SocketAddr::from((Ipv4Addr::LOCALHOST, port));
        let mut stream = TcpStream::connect_timeout(&address, PROBE_LIMIT)?;
        stream.set_read_timeout(Some(PROBE_LIMIT))?;
        stream.write_all(&startup_message())?;
        let mut kind = [0];
        stream.read_exact(&mut kind)?;
        Ok(kind[0])
    };
    // `R` starts an authentication request, `E` an error.
    matches!(ask(), Ok(b'R'))
}

/// The StartupMessage of protocol 3.0: <https://www.postgresql.org/docs/current/protocol-message-formats.html>.
fn startup_message() -> Vec<u8> {
    let parameters = format!("user\0{OWNER}\0database\0{DATABASE}\0\0");
    let length = u32::try_from(8 + parameters.len()).unwrap_or(u32::MAX);
    let mut message = length.to_be_bytes().to_vec();
    message.extend(196_608_u32.to_be_bytes());
    message.extend(parameters.bytes());
    message
}

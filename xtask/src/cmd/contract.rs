//! `contract`: the contract suite of one vendor, against any address: `lock-contract` does the work. Without an address it runs against a
//! simulator of its own. Status 1 when a check failed.

use std::path::{Path, PathBuf};
use std::process::{Command, ExitCode, Stdio};
use std::time::Duration;

use anyhow::{Context, Result, bail};
use xtask::project::Project;
use xtask::stack::{ManagedProcess, ProcessSpec, build_binaries};

/// How long the simulator may take to listen.
const UP_WITHIN: Duration = Duration::from_secs(20);

#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// The vendor: ttlock, salto_ks, salto_ship, salto_pms or visionline
    #[arg(long)]
    vendor: String,
    /// The vendor's address; left out, a simulator is started
    #[arg(long)]
    base_url: Option<String>,
    /// The adapter's configuration with its secrets, a JSON file; left out, that of a simulator's new world
    #[arg(long)]
    config: Option<PathBuf>,
    /// Control paths of a simulator, for misbehaviour on order
    #[arg(long)]
    faults_url: Option<String>,
    /// The vendor's id of a lock that no guest uses; needed with --config
    #[arg(long)]
    lock: Option<String>,
    /// An encoder that somebody puts blank cards on
    #[arg(long)]
    encoder: Option<String>,
    /// What the vendor knows a test telephone by
    #[arg(long)]
    recipient: Option<String>,
    /// Print the report as JSON
    #[arg(long)]
    json: bool,
}

pub(crate) fn run(project: &Project, args: &Args) -> Result<ExitCode> {
    let bins = build_binaries(project)?;
    let (_simulator, base_url, faults_url) = match &args.base_url {
        Some(url) => (None, url.clone(), args.faults_url.clone()),
        None => {
            if args.config.is_some() {
                bail!("--config is for an address of yours: name it by --base-url");
            }
            let (simulator, base_url, control) = simulate(project, &bins, &args.vendor)?;
            (Some(simulator), base_url, Some(control))
        }
    };
    let mut suite = Command::new(bins.join("lock-contract"));
    suite.args(["--vendor", &args.vendor, "--base-url", &base_url]).stdin(Stdio::null());
    let config = args.config.as_ref().map(|path| path.to_string_lossy().into_owned());
    let options = [
        ("--config", &config),
        ("--faults-url", &faults_url),
        ("--lock", &args.lock),
        ("--encoder", &args.encoder),
        ("--recipient", &args.recipient),
    ];
    for (name, value) in options {
        if let Some(value) = value {
            suite.args([name, value]);
        }
    }
    if args.json {
        suite.arg("--json");
    }
    let status = suite.status().context("lock-contract doesn't start")?;
    Ok(if status.success() { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

/// Starts a simulator of this vendor. Returns it, the vendor's address and that of the control paths.
fn simulate(project: &Project, bins: &Path, vendor: &str) -> Result<(ManagedProcess, String, String)> {
    let variable = match vendor {
        "ttlock" => "SIM_TTLOCK_ADDR",
        "salto_ks" => "SIM_SALTO_KS_ADDR",
        "visionline" => "SIM_VISIONLINE_ADDR",
        "salto_ship" => "SIM_SALTO_SHIP_ADDR",
        "salto_pms" => "SIM_SALTO_PMS_ADDR",
        other => bail!("there is no simulator of `{other}`"),
    };
    let folder = project.stack_dir().join("contract");
    std::fs::create_dir_all(&folder).with_context(|| format!("{} can't be made", folder.display()))?;
    let spec = ProcessSpec::new("lock-sim", bins.join("lock-sim"), &folder).env(variable, "127.0.0.1:0");
    let mut simulator = ManagedProcess::spawn(spec)?;
    let mut listens = |name: &str| -> Result<String> {
        let prefix = format!("lock-sim {name} listening on ");
        let line = simulator.wait_line(&prefix, UP_WITHIN)?;
        Ok(line.trim_start_matches(&prefix).trim().to_owned())
    };
    let base_url = listens(vendor)?;
    let control = match vendor {
        "salto_pms" => listens("salto_ship")?,
        "visionline" => {
            let line = simulator.wait_line("lock-sim visionline control on ", UP_WITHIN)?;
            let rest = line.trim_start_matches("lock-sim visionline control on ");
            rest.split(',').next().unwrap_or_default().trim().to_owned()
        }
        _ => base_url.clone(),
    };
    Ok((simulator, base_url, control))
}

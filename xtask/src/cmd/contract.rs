//! `contract`: the contract suite of one vendor, against any address: `lock-contract` does the work. Without an address it runs against a
//! simulator of its own. Status 1 when a check failed.

use std::path::Path;
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
    /// What else `lock-contract` takes, after these: --config FILE, --lock ID, --encoder, --recipient, --faults-url, --json
    #[arg(trailing_var_arg = true, allow_hyphen_values = true)]
    others: Vec<String>,
}

pub(crate) fn run(project: &Project, args: &Args) -> Result<ExitCode> {
    let bins = build_binaries(project)?;
    let mut suite = Command::new(bins.join("lock-contract"));
    suite.args(["--vendor", &args.vendor]).stdin(Stdio::null());
    let _simulator = match &args.base_url {
        Some(url) => {
            suite.args(["--base-url", url]);
            None
        }
        None => {
            if args.others.iter().any(|other| other.starts_with("--config")) {
                bail!("--config is for an address of yours: name it by --base-url, before it");
            }
            let (simulator, base_url, control) = simulate(project, &bins, &args.vendor)?;
            suite.args(["--base-url", &base_url, "--faults-url", &control]);
            Some(simulator)
        }
    };
    let status = suite.args(&args.others).status().context("lock-contract doesn't start")?;
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

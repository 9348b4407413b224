//! `lock-contract`: the contract suite against one base URL, with a table for people or JSON for machines. Status 1 when a check failed.

use std::path::PathBuf;
use std::process::ExitCode;
use std::sync::Arc;

use anyhow::{Context as _, ensure};
use clap::Parser;
use lock_contract::faults::{Faults, SimulatorFaults};
use lock_contract::simulator::{self, World};
use lock_contract::{Setup, Target, profiles, run};
use lock_domain::contract::{Check, CheckOutcome};
use serde_json::Value;

#[derive(Debug, Parser)]
#[command(name = "lock-contract", version, about = "Tries out whether a lock vendor keeps its contract")]
struct Args {
    /// The vendor: ttlock, salto_ks, salto_ship, salto_pms or visionline.
    #[arg(long)]
    vendor: String,
    /// The vendor's address: a URL, for salto_pms host:port.
    #[arg(long)]
    base_url: String,
    /// The adapter's configuration with its secrets, a JSON file; left out, that of a simulator's new world.
    #[arg(long)]
    config: Option<PathBuf>,
    /// Control paths of a simulator, for misbehaviour on order.
    #[arg(long)]
    faults_url: Option<String>,
    /// The vendor's id of a lock that no guest uses. Needed with --config.
    #[arg(long)]
    lock: Option<String>,
    /// An encoder that somebody puts blank cards on.
    #[arg(long)]
    encoder: Option<String>,
    /// What the vendor knows a test telephone by.
    #[arg(long)]
    recipient: Option<String>,
    /// Print the report as JSON instead of a table.
    #[arg(long)]
    json: bool,
}

#[tokio::main]
async fn main() -> anyhow::Result<ExitCode> {
    let args = Args::parse();
    let World { config, target } = world(&args).await?;
    let faults: Option<Arc<dyn Faults>> = match &args.faults_url {
        Some(url) => Some(Arc::new(SimulatorFaults::new(url, &args.vendor)?)),
        None => None,
    };
    let vendor = simulator::adapter(&args.vendor, &config)?;
    let setup = Setup { vendor, target, faults };
    let report = run(&setup, |check| {
        if !args.json {
            show(check);
        }
    })
    .await?;
    if args.json {
        println!("{}", serde_json::to_string_pretty(&report)?);
    } else {
        let count = |name| report.checks.iter().filter(|check| check.outcome.name() == name).count();
        println!(
            "{}: {} passed, {} failed, {} skipped",
            report.vendor,
            count("passed"),
            count("failed"),
            count("skipped")
        );
    }
    Ok(if report.passed() { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

async fn world(args: &Args) -> anyhow::Result<World> {
    let profile = profiles::profile(&args.vendor).with_context(|| {
        format!("no contract is known of `{}`; its wire is not public, or it has another name", args.vendor)
    })?;
    let Some(file) = &args.config else {
        let control = args.faults_url.as_deref().unwrap_or(&args.base_url);
        let world = simulator::world(&args.vendor, &args.base_url, control).await?;
        let target = Target { lock: args.lock.clone().unwrap_or(world.target.lock), ..world.target };
        return Ok(World { target, ..world });
    };
    let text = std::fs::read_to_string(file).with_context(|| format!("{} can't be read", file.display()))?;
    // The parser's own words may quote the text, which holds secrets.
    let mut config: Value =
        serde_json::from_str(&text).ok().with_context(|| format!("{} is not JSON", file.display()))?;
    ensure!(config.is_object(), "{} is not a JSON object", file.display());
    config[profile.address] = args.base_url.clone().into();
    let lock = args.lock.clone().context("--lock names a lock that no guest uses; it is needed with --config")?;
    let recipient = args.recipient.clone().map(Into::into);
    let target = Target { lock, encoder: args.encoder.clone(), recipient, tag: 2 };
    Ok(World { config, target })
}

fn show(check: &Check) {
    println!("  {:<14} {:<8} {:>6} ms", check.name, check.outcome.name(), check.took_ms);
    match &check.outcome {
        CheckOutcome::Passed => {}
        CheckOutcome::Skipped { reason } => println!("      {reason}"),
        CheckOutcome::Failed => {
            for (field, expected) in &check.expected {
                let seen = check.seen.get(field).map_or("nothing", String::as_str);
                if seen != expected {
                    println!("      {field}: expected {expected}, saw {seen}");
                }
            }
        }
    }
}

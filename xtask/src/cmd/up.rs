//! `up`: the whole system, kept up until Ctrl-C, `down`, or the end of one of our binaries.

use std::path::PathBuf;
use std::process::ExitCode;
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result};
use xtask::project::Project;
use xtask::stack::{Deployment, StackOptions, build_binaries, stop};
use xtask::story::welcome;

#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// Come up, print the links and end again: proves that this machine can run it
    #[arg(long)]
    once: bool,
    /// Keep everything in this folder instead of `.stack`, beside a system that runs there
    #[arg(long, hide = true)]
    kept_in: Option<PathBuf>,
}

const WATCH_INTERVAL: Duration = Duration::from_millis(200);

pub(crate) fn run(project: &Project, args: &Args) -> Result<ExitCode> {
    stop::install()?;
    let started = Instant::now();
    eprintln!("building");
    let bin_dir = build_binaries(project)?;
    eprintln!("starting");
    let mut options = StackOptions::for_up(project);
    if let Some(root) = &args.kept_in {
        options.root.clone_from(root);
    }
    let mut deployment = match Deployment::start(options, &bin_dir) {
        Ok(deployment) => deployment,
        Err(_) if stop::requested() => {
            eprintln!("stopped before it was up; nothing is left running");
            return Ok(ExitCode::SUCCESS);
        }
        Err(error) => return Err(error),
    };
    let ready = started.elapsed();
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().context("no runtime")?;
    println!();
    // What is up stays up, whatever becomes of the first guest.
    let sentences = runtime.block_on(welcome(&deployment)).unwrap_or_else(|error| vec![format!("{error:#}")]);
    for sentence in sentences {
        println!("  {sentence}");
    }
    print_links(&deployment, ready);
    let ended = if args.once { Vec::new() } else { watch(&mut deployment) };
    for report in &ended {
        eprintln!("{report}");
    }
    eprintln!("stopping");
    let killed = deployment.stop()?;
    if killed.is_empty() {
        eprintln!("stopped in order; `cargo xtask up` resumes from here");
    } else {
        eprintln!("stopped; did not end in time and had to be killed: {}", killed.join(", "));
    }
    Ok(if ended.is_empty() && killed.is_empty() { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

fn print_links(deployment: &Deployment, took: Duration) {
    println!("\nup after {:.1} s\n", took.as_secs_f64());
    for (name, link) in deployment.links() {
        println!("  {name:<18} {link}");
    }
    println!("  {:<18} {}", "logs", deployment.stack.root().join("logs").display());
    println!("  {:<18} {}", "sandbox API key", deployment.stack.root().join("sandbox.json").display());
    println!("\nCtrl-C, or `cargo xtask down` elsewhere, ends it and keeps its state.");
}

/// Returns when a stop is requested, or with a report of what ended on its own.
fn watch(deployment: &mut Deployment) -> Vec<String> {
    loop {
        if stop::requested() {
            return Vec::new();
        }
        let ended = deployment.ended();
        if !ended.is_empty() {
            return ended;
        }
        std::thread::sleep(WATCH_INTERVAL);
    }
}

//! `test`: everything that CI runs, each step timed, all steps even when one fails.

use std::process::ExitCode;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};
use xtask::project::Project;
use xtask::stack::build_binaries;

use super::check_laws;

#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// End at the first step that fails
    #[arg(long)]
    fail_fast: bool,
    /// Run only the steps whose name holds this word
    #[arg(long, value_name = "WORD")]
    only: Option<String>,
}

enum Outcome {
    Passed,
    Failed,
    Skipped(&'static str),
}

type Run = fn(&Project) -> Result<Outcome>;

const STEPS: [(&str, Run); 8] = [
    ("format", |project| cargo(project, &["fmt", "--all", "--", "--check"])),
    ("dependency law", |project| check_laws::dependencies(project).map(outcome)),
    ("file sizes", |project| check_laws::sizes(project).map(outcome)),
    ("secret scan", |project| check_laws::secrets(project).map(outcome)),
    ("cargo deny", cargo_deny),
    ("clippy", |project| cargo(project, &["clippy", "--workspace", "--all-targets", "--", "--deny", "warnings"])),
    ("build binaries", |project| Ok(outcome(build_binaries(project).is_ok()))),
    ("tests", |project| cargo(project, &["test", "--workspace"])),
];

pub(crate) fn run(project: &Project, args: &Args) -> Result<ExitCode> {
    let mut results: Vec<(&str, Outcome, Duration)> = Vec::new();
    let wanted = |name: &str| args.only.as_ref().is_none_or(|word| name.contains(word.as_str()));
    for (name, step) in STEPS.into_iter().filter(|(name, _)| wanted(name)) {
        println!("── {name}");
        let started = Instant::now();
        let outcome = step(project).unwrap_or_else(|error| {
            println!("{error:#}");
            Outcome::Failed
        });
        let failed = matches!(outcome, Outcome::Failed);
        results.push((name, outcome, started.elapsed()));
        if failed && args.fail_fast {
            break;
        }
    }
    println!("── summary");
    for (name, outcome, took) in &results {
        let said = match outcome {
            Outcome::Passed => "passed".to_owned(),
            Outcome::Failed => "FAILED".to_owned(),
            Outcome::Skipped(why) => format!("skipped: {why}"),
        };
        println!("  {name:<16} {:>7.1} s  {said}", took.as_secs_f64());
    }
    if results.is_empty() {
        bail!("no step is called like that; there are {}", STEPS.map(|(name, _)| name).join(", "));
    }
    let failed = results.iter().any(|(_, outcome, _)| matches!(outcome, Outcome::Failed));
    Ok(if failed { ExitCode::FAILURE } else { ExitCode::SUCCESS })
}

fn outcome(passed: bool) -> Outcome {
    if passed { Outcome::Passed } else { Outcome::Failed }
}

fn cargo(project: &Project, args: &[&str]) -> Result<Outcome> {
    let status = project.cargo().args(args).status().context("cargo doesn't start")?;
    Ok(outcome(status.success()))
}

/// Advisories need the network and change without us, so they are for a schedule; these three are the same every time.
fn cargo_deny(project: &Project) -> Result<Outcome> {
    let installed = project.cargo().args(["deny", "--version"]).output().is_ok_and(|output| output.status.success());
    if !installed {
        return Ok(Outcome::Skipped("cargo-deny isn't installed (cargo install --locked cargo-deny)"));
    }
    cargo(project, &["deny", "--log-level", "error", "check", "bans", "licenses", "sources"])
}

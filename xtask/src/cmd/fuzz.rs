//! `fuzz`: the parsers of vendors' wires under libFuzzer, one after another, for a time that one can wait for.
//!
//! The driver is cargo-fuzz with a nightly toolchain; without them it says how to get them. What it finds new goes to `fuzz/target/corpus`; what
//! breaks a parser is written to `fuzz/artifacts` and should move to `fuzz/corpus`, where a test of every build reads it.

use std::path::Path;
use std::process::{Command, ExitCode};

use anyhow::{Context, Result, bail};
use xtask::project::Project;

#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// How long each target runs
    #[arg(long, default_value_t = 60, value_name = "N")]
    seconds: u32,
    /// Names of targets; all when there are none
    targets: Vec<String>,
}

pub(crate) fn run(project: &Project, args: &Args) -> Result<ExitCode> {
    let folder = project.root().join("fuzz");
    let known = targets(&folder)?;
    if let Some(unknown) = args.targets.iter().find(|name| !known.contains(name)) {
        bail!("there is no target `{unknown}`; there are {}", known.join(", "));
    }
    let ready = Command::new("rustup").args(["run", "nightly", "cargo", "fuzz", "--version"]).output();
    if !ready.is_ok_and(|output| output.status.success()) {
        bail!("fuzzing needs `rustup toolchain install nightly` and `cargo install cargo-fuzz`");
    }
    let wanted = if args.targets.is_empty() { &known } else { &args.targets };
    let mut broken = Vec::new();
    for name in wanted {
        println!("── {name}, {} s", args.seconds);
        if !fuzz(&folder, name, args.seconds)? {
            broken.push(name.as_str());
        }
    }
    if broken.is_empty() {
        println!("nothing broke: {}", wanted.join(", "));
        return Ok(ExitCode::SUCCESS);
    }
    println!("broken: {}; the inputs are in fuzz/artifacts", broken.join(", "));
    Ok(ExitCode::FAILURE)
}

/// The files in `fuzz_targets`.
fn targets(folder: &Path) -> Result<Vec<String>> {
    let files = std::fs::read_dir(folder.join("fuzz_targets")).context("fuzz/fuzz_targets can't be listed")?;
    let mut names = Vec::new();
    for file in files {
        let path = file?.path();
        names.extend(path.file_stem().map(|stem| stem.to_string_lossy().into_owned()));
    }
    names.sort_unstable();
    Ok(names)
}

/// Whether the target stood it.
fn fuzz(folder: &Path, name: &str, seconds: u32) -> Result<bool> {
    // libFuzzer writes what is new into the first corpus; the kept seeds stay as they are.
    let found = folder.join("target/corpus").join(name);
    std::fs::create_dir_all(&found)?;
    let kept = std::fs::read_to_string(folder.join("corpus").join(name).with_extension("hex"))?;
    for (number, line) in kept.lines().enumerate() {
        let input = hex::decode(line).with_context(|| format!("{name}.hex, line {}", number + 1))?;
        std::fs::write(found.join(format!("kept-{number}")), input)?;
    }
    let status = Command::new("rustup")
        .args(["run", "nightly", "cargo", "fuzz", "run", name])
        .arg(&found)
        .arg(folder.join("corpus").join(name))
        .args(["--", "-max_len=8192", "-timeout=10", "-rss_limit_mb=2048", "-print_final_stats=1"])
        .arg(format!("-max_total_time={seconds}"))
        .current_dir(folder)
        .status()
        .context("cargo-fuzz did not start")?;
    Ok(status.success())
}

//! `stack-selftest`: a throw-away stack through its whole life, with the time that each step takes.

use std::path::PathBuf;
use std::process::{Command, ExitCode, Stdio};
use std::time::Instant;

use anyhow::{Result, ensure};
use xtask::project::Project;
use xtask::stack::{Part, Progress, Stack, StackOptions, stop};

#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// Keep the stack's data in this folder and run twice in it, as `up` would
    #[arg(long)]
    kept_in: Option<PathBuf>,
}

pub(crate) fn run(project: &Project, args: &Args) -> Result<ExitCode> {
    stop::install()?;
    let mut options = StackOptions::for_tests(project);
    options.progress = Progress::visible();
    if let Some(root) = &args.kept_in {
        options = StackOptions { root: root.clone(), ..StackOptions::for_up(project) };
        life(options.clone())?;
        println!("the same folder again:");
    }
    life(options)?;
    println!("all parts came up, survived kill -9, and left nothing behind");
    Ok(ExitCode::SUCCESS)
}

fn life(options: StackOptions) -> Result<()> {
    let root = options.root.clone();
    let stack = timed("start of all parts", || Stack::start(options))?;
    let parts = [Part::Postgres, Part::Temporal, Part::Nats];
    let parts: Vec<Part> = parts.into_iter().filter(|part| stack.is_embedded(*part)).collect();
    ask_database(stack.database_url())?;
    for part in &parts {
        let (pid, address) = (stack.pid(*part)?, stack.database_url().to_owned());
        timed(&format!("kill -9 of {part:?}"), || stack.kill9(*part))?;
        ensure!(!stack.is_running(*part), "{part:?} survived kill -9");
        timed(&format!("restart of {part:?}"), || stack.restart(*part))?;
        ensure!(stack.pid(*part)? != pid && stack.database_url() == address, "{part:?} came back elsewhere");
    }
    ask_database(stack.database_url())?;
    let killed = timed("orderly end", || stack.stop())?;
    ensure!(killed.is_empty(), "had to be killed: {killed:?}");
    let survivors = processes_naming(&root.to_string_lossy());
    ensure!(survivors.is_empty(), "left behind: {survivors:?}");
    Ok(())
}

fn timed<T>(what: &str, action: impl FnOnce() -> Result<T>) -> Result<T> {
    let started = Instant::now();
    let value = action()?;
    println!("  {what}: {:.2} s", started.elapsed().as_secs_f64());
    Ok(value)
}

/// Asks by psql where that is installed; the stack's own probe has spoken to the server already.
fn ask_database(url: &str) -> Result<()> {
    let psql = Command::new("psql").arg(url).args(["-XAtc", "SELECT 1"]).stdin(Stdio::null()).output();
    match psql {
        Ok(output) => {
            let errors = String::from_utf8_lossy(&output.stderr);
            ensure!(output.status.success() && output.stdout == b"1\n", "SELECT 1 failed: {errors}");
            println!("  SELECT 1: answered");
        }
        Err(_) => println!("  SELECT 1: no psql here, skipped"),
    }
    Ok(())
}

/// Command lines of living processes that name the stack's folder (Linux).
fn processes_naming(needle: &str) -> Vec<String> {
    let Ok(entries) = std::fs::read_dir("/proc") else { return Vec::new() };
    entries
        .filter_map(Result::ok)
        .filter(|entry| entry.file_name().to_string_lossy().parse::<u32>().is_ok_and(|pid| pid != std::process::id()))
        .filter_map(|entry| std::fs::read(entry.path().join("cmdline")).ok())
        .map(|cmdline| String::from_utf8_lossy(&cmdline).replace('\0', " "))
        .filter(|cmdline| cmdline.contains(needle) && !cmdline.contains("stack-selftest"))
        .collect()
}

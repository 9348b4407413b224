//! `down`: asks the process of `up` to end, then ends whatever is left, then says what it found.

use std::process::ExitCode;
use std::time::Duration;

use anyhow::{Context, Result, bail};
use xtask::project::Project;
use xtask::stack::{StateFile, SupervisorId, sweep_leftovers, wait_until, wipe};

#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// Also remove the kept data: database, workflows, events, keys, sandbox, logs (fetched programs stay)
    #[arg(long)]
    wipe: bool,
}

/// Longer than the drains of all parts together usually take; after it the children are killed.
const ORDERLY_LIMIT: Duration = Duration::from_secs(60);

pub(crate) fn run(project: &Project, args: &Args) -> Result<ExitCode> {
    let root = project.stack_dir();
    let running = StateFile::of(&root).load().and_then(|state| state.supervisor).filter(SupervisorId::is_alive);
    match running {
        Some(supervisor) => {
            end(&supervisor)?;
            println!("`up` (process {}) ended", supervisor.pid);
        }
        None => println!("`up` isn't running"),
    }
    let left = sweep_leftovers(&root.join("run"))?;
    if !left.is_empty() {
        println!("ended what was left behind: {}", left.join(", "));
    }
    if args.wipe {
        wipe(&root)?;
        println!("kept data removed");
    }
    Ok(ExitCode::SUCCESS)
}

fn end(supervisor: &SupervisorId) -> Result<()> {
    let pid = i32::try_from(supervisor.pid).ok().and_then(rustix::process::Pid::from_raw);
    let Some(pid) = pid else { bail!("{} is no process id", supervisor.pid) };
    rustix::process::kill_process(pid, rustix::process::Signal::TERM).context("cannot signal `up`")?;
    let what = format!("end of `up` (process {})", supervisor.pid);
    wait_until(&what, ORDERLY_LIMIT, || Ok((!supervisor.is_alive()).then_some(())))
}

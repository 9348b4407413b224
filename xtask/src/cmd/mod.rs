//! The commands, one file each. They talk to a person; the work is in the library.

mod bench;
mod check_laws;
mod contract;
mod demo;
mod doctor;
mod down;
mod fuzz;
mod record_histories;
mod replay_day;
mod stack_selftest;
mod test;
mod up;

use std::process::ExitCode;

use anyhow::Result;
use xtask::project::Project;

/// Development commands of the lock integration service.
#[derive(Debug, clap::Parser)]
#[command(name = "cargo xtask")]
pub(crate) struct Cli {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, clap::Subcommand)]
enum Command {
    /// Bring the whole system up on this machine and keep it up until Ctrl-C or `down`
    Up(up::Args),
    /// End what `up` runs, or left behind
    Down(down::Args),
    /// Say what is there, what is missing and how to get it, and what runs
    Doctor,
    /// Tell, on a stack of its own, what this service does when things go wrong, and check every claim at the doors
    Demo(demo::Args),
    /// Play the days of a real booking file on a stack of its own, and reconcile
    ReplayDay(replay_day::Args),
    /// Measure our numbers beside what the same server takes for nothing (release binaries)
    Bench(bench::Args),
    /// Record the histories that every later build must be able to replay (temporal/README.md)
    RecordHistories(record_histories::Args),
    /// Try out whether a lock vendor keeps its contract: a simulator, or any address
    Contract(contract::Args),
    /// Fuzz the parsers of vendors' wires (cargo-fuzz, nightly)
    Fuzz(fuzz::Args),
    /// Run everything that CI runs
    Test(test::Args),
    /// Check the dependency law and the file sizes
    CheckLaws,
    /// Start, kill, restart and end every part of a throw-away stack, with timings
    #[command(hide = true)]
    StackSelftest(stack_selftest::Args),
}

impl Cli {
    pub(crate) fn run(self) -> Result<ExitCode> {
        let project = Project::find()?;
        match self.command {
            Command::Up(args) => up::run(&project, &args),
            Command::Down(args) => down::run(&project, &args),
            Command::Doctor => doctor::run(&project),
            Command::Bench(args) => bench::run(&project, &args),
            Command::Demo(args) => demo::run(&project, &args),
            Command::ReplayDay(args) => replay_day::run(&project, &args),
            Command::RecordHistories(args) => record_histories::run(&project, &args),
            Command::Contract(args) => contract::run(&project, &args),
            Command::Fuzz(args) => fuzz::run(&project, &args),
            Command::Test(args) => test::run(&project, &args),
            Command::CheckLaws => check_laws::run(&project),
            Command::StackSelftest(args) => stack_selftest::run(&project, &args),
        }
    }
}

//! The commands, one file each. They talk to a person; the work is in the library.

mod check_laws;
mod doctor;
mod down;
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
            Command::Test(args) => test::run(&project, &args),
            Command::CheckLaws => check_laws::run(&project),
            Command::StackSelftest(args) => stack_selftest::run(&project, &args),
        }
    }
}

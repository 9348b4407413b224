//! `demo`: the whole system on a stack of its own, and a story in ten scenes whose claims are checked.

use std::process::ExitCode;
use std::time::Instant;

use anyhow::{Context, Result};
use xtask::project::Project;
use xtask::sandbox::{OwnStack, Profile};
use xtask::stack::stop;
use xtask::story::{Teller, play};

#[derive(Debug, clap::Args)]
pub(crate) struct Args {}

const ROOMS: usize = 40;

pub(crate) fn run(project: &Project, _args: &Args) -> Result<ExitCode> {
    stop::install()?;
    let began = Instant::now();
    let mut stack = OwnStack::start(project, "demo", Profile::Dev, ROOMS)?;
    println!("\na hotel with {ROOMS} rooms, ready {:.1} s after the build", stack.ready_after().as_secs_f64());
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build().context("no runtime")?;
    let mut teller = Teller::default();
    let played = runtime.block_on(play(&mut stack, &mut teller));
    let logs = stack.parts().root().join("logs");
    let stopped = stack.stop();
    let all_held = teller.ends();
    println!("the demo took {:.1} s; its logs are in {}", began.elapsed().as_secs_f64(), logs.display());
    played?;
    stopped?;
    Ok(if all_held { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

//! `record-histories`: writes what the replay tests compare against, after paths or the release number have changed.
//!
//! The walking and writing is done by the test itself (`tests/it/replay.rs`), so that what is recorded is what is tested. It must not know
//! paths or files. Fails when the test fails; what was written before stays.

use std::process::ExitCode;

use anyhow::{Context, Result};
use xtask::project::Project;

#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// Which workers to record from; left out, both
    #[arg(value_enum)]
    kind: Option<Kind>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
enum Kind {
    /// A worker that keeps workflows in memory
    Warm,
    /// A worker that keeps none, so that each task begins with a replay
    Cold,
}

impl Kind {
    /// The value of `RECORD_HISTORIES`.
    fn name(self) -> &'static str {
        match self {
            Self::Warm => "warm",
            Self::Cold => "cold",
        }
    }
}

/// The whole workspace is selected, as `cargo xtask test` does, so that no crate is built twice with other features.
const TEST: [&str; 7] = [
    "test",
    "--workspace",
    "--test",
    "it",
    "--",
    "replay::histories_are_recorded",
    "maintenance::a_look_costs_eleven_events_and_its_history_replays",
];

pub(crate) fn run(project: &Project, args: &Args) -> Result<ExitCode> {
    let kinds = args.kind.map_or_else(|| vec![Kind::Warm, Kind::Cold], |kind| vec![kind]);
    for kind in kinds {
        println!("── {}", kind.name());
        let mut cargo = project.cargo();
        let status = cargo.args(TEST).env("RECORD_HISTORIES", kind.name()).status().context("cargo doesn't start")?;
        if !status.success() {
            return Ok(ExitCode::FAILURE);
        }
    }
    println!(
        "look at the difference in temporal/histories/ before you commit it; files of an earlier release must not change"
    );
    Ok(ExitCode::SUCCESS)
}

//! `record-histories`: writes what the replay tests compare against, after paths or the release number have changed.
//!
//! The walking and writing is done by tests (`tests/it/replay.rs`, `recorded.rs`), so that what is recorded is what is tested. It must not know
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
const TEST: [&str; 12] = [
    "test",
    "--workspace",
    "--test",
    "it",
    "--",
    "replay::histories_are_recorded",
    "recorded::",
    "inventory::an_inventory_in_two_steps_keeps_its_pace",
    "inventory::a_large_houses_inventory_goes_on_in_another_run",
    "maintenance::a_look_costs_eleven_events_and_its_history_replays",
    "maintenance::two_days_of_looks_go_on_in_another_run_and_replay",
    "vault::a_rotation_of_thousands_of_values_goes_on_in_new_runs",
];

pub(crate) fn run(project: &Project, args: &Args) -> Result<ExitCode> {
    let kinds = args.kind.map_or_else(|| vec![Kind::Warm, Kind::Cold], |kind| vec![kind]);
    for kind in kinds {
        println!("── {}", kind.name());
        let mut cargo = project.cargo();
        cargo.args(TEST).env("RECORD_HISTORIES", kind.name());
        if kind == Kind::Cold {
            // A worker without a cache takes one workflow at a time.
            cargo.env("RUST_TEST_THREADS", "1");
        }
        let status = cargo.status().context("cargo doesn't start")?;
        if !status.success() {
            return Ok(ExitCode::FAILURE);
        }
    }
    println!(
        "look at the difference in temporal/histories/ before you commit it; files of an earlier release must not change"
    );
    Ok(ExitCode::SUCCESS)
}

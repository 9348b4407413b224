//! The world in a file, so that a stack that goes down and comes up finds its locks as they were.
//!
//! Written beside and renamed, some hundred milliseconds after a change and at the end; a kill loses at most that much.

use std::io;
use std::path::{Path, PathBuf};
use std::time::Duration;

use super::sim::TtlockSim;
use super::world::World;

const DEBOUNCE: Duration = Duration::from_millis(300);
/// Journal entries that survive a restart.
const JOURNAL_KEPT: usize = 5_000;

/// The stored world; none when there is no file.
pub(crate) fn load(path: &Path) -> io::Result<Option<World>> {
    match std::fs::read(path) {
        Ok(bytes) => Ok(Some(serde_json::from_slice(&bytes)?)),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
        Err(error) => Err(error),
    }
}

/// Writes the world now.
pub(crate) fn save(sim: &TtlockSim, path: &Path) -> io::Result<()> {
    let mut copy = sim.world().clone();
    copy.journal = copy.journal.tail(JOURNAL_KEPT);
    let mut beside = path.as_os_str().to_owned();
    beside.push(".new");
    let beside = PathBuf::from(beside);
    std::fs::write(&beside, serde_json::to_vec(&copy)?)?;
    std::fs::rename(&beside, path)
}

/// Saves after changes until the server stops, then once more.
pub(crate) async fn keep_saved(sim: TtlockSim, path: PathBuf) {
    let mut saved = None;
    loop {
        let stopping = tokio::select! {
            () = sim.stopped() => true,
            () = tokio::time::sleep(DEBOUNCE) => false,
        };
        let version = sim.world().version;
        if saved != Some(version) {
            let (sim, path) = (sim.clone(), path.clone());
            match tokio::task::spawn_blocking(move || save(&sim, &path)).await {
                Ok(Ok(())) => saved = Some(version),
                Ok(Err(error)) => tracing::warn!(%error, "simulator state not saved"),
                Err(error) => tracing::warn!(%error, "simulator state not saved"),
            }
        }
        if stopping {
            return;
        }
    }
}

//! The folder of a stack: one process at a time has it, and what it leaves can be removed.
//!
//! Must not know the parts. Fails when the folder is taken, or can't be made or removed.

use std::fs::{File, OpenOptions};
use std::path::Path;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};

use super::process::sweep_leftovers;
use super::state::StateFile;
use super::user::fallback_dir;

const SIBLING_GRACE: Duration = Duration::from_secs(30);
/// So long a lock may be held by nobody who means it.
const MOMENT: Duration = Duration::from_secs(1);

/// Makes the folder.
pub(super) fn create_root(root: &Path) -> Result<()> {
    super::user::create_open_dir(root)
}

/// Takes the folder for this process; the lock holds as long as the file is open.
pub(super) fn lock_root(root: &Path) -> Result<File> {
    let path = root.join("lock");
    let file = OpenOptions::new().create(true).append(true).open(&path)?;
    // A program that another thread starts at this moment has a copy of every open file until it has become itself.
    let until = Instant::now() + MOMENT;
    while file.try_lock().is_err() {
        if Instant::now() < until {
            std::thread::sleep(MOMENT / 50);
            continue;
        }
        let supervisor = StateFile::of(root).load().and_then(|state| state.supervisor);
        let who = supervisor.map_or_else(String::new, |supervisor| format!(" (process {})", supervisor.pid));
        bail!("a stack runs in {} already{who}: end it with `cargo xtask down`", root.display());
    }
    Ok(file)
}

/// Removes stacks of test processes that were killed: those whose lock nobody holds. Young ones may be about to take it.
pub(super) fn remove_dead_siblings(root: &Path) {
    let Some(entries) = root.parent().and_then(|parent| std::fs::read_dir(parent).ok()) else { return };
    for dir in entries.filter_map(|entry| Some(entry.ok()?.path())).filter(|dir| dir != root) {
        let Ok(lock) = File::open(dir.join("lock")) else { continue };
        let age = lock.metadata().and_then(|lock| lock.modified()).ok().and_then(|made| made.elapsed().ok());
        if age.is_some_and(|age| age > SIBLING_GRACE)
            && lock.try_lock().is_ok()
            && sweep_leftovers(&dir.join("run")).is_ok()
        {
            remove_ephemeral(&dir, None);
        }
    }
}

/// Removes a throw-away stack.
pub(super) fn remove_ephemeral(root: &Path, postgres_home: Option<&Path>) {
    // Whatever stays costs disk space only, and the next start tries again.
    let fallback = fallback_dir(&root.join("postgres"));
    for dir in [postgres_home.unwrap_or(&fallback), root] {
        let _ = std::fs::remove_dir_all(dir);
    }
}

/// Removes everything that a stack that has ended keeps in its folder, except fetched programs.
///
/// # Errors
/// When the stack runs, or something can't be removed.
pub fn wipe(root: &Path) -> Result<()> {
    if !root.exists() {
        return Ok(());
    }
    let _lock = lock_root(root)?;
    let fallback = fallback_dir(&root.join("postgres"));
    if fallback.exists() {
        std::fs::remove_dir_all(&fallback).with_context(|| format!("cannot remove {}", fallback.display()))?;
    }
    for entry in std::fs::read_dir(root)? {
        let entry = entry?;
        let path = entry.path();
        if ["bin", "tests", "lock"].iter().any(|kept| entry.file_name() == *kept) {
            continue;
        }
        let removed =
            if entry.file_type()?.is_dir() { std::fs::remove_dir_all(&path) } else { std::fs::remove_file(&path) };
        removed.with_context(|| format!("cannot remove {}", path.display()))?;
    }
    Ok(())
}

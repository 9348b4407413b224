//! How much a stay takes of a worker's memory while it sleeps, as far as that is ours: thousands lie in the cache of one.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use super::*;

type Context = WorkflowContext<KeyLifecycle>;

fn run_bytes<'a, R: 'a>(_: impl FnOnce(&'a mut Context) -> R) -> usize {
    size_of::<R>()
}

fn sleep_bytes<'a, R: 'a>(_: impl FnOnce(&'a mut Context, Timestamp, u64) -> R) -> usize {
    size_of::<R>()
}

/// What is not asleep lies in boxes that go when it is done.
#[test]
fn a_sleeping_run_holds_little_more_than_its_sleep() {
    let (run, sleep) = (run_bytes(KeyLifecycle::live), sleep_bytes(KeyLifecycle::sleep));
    assert!(run <= sleep + 192, "the run takes {run} bytes, its sleep {sleep}");
    assert!(run <= 320, "the run takes {run} bytes");
}

#[test]
fn the_state_stays_small() {
    let bytes = size_of::<KeyLifecycle>();
    assert!(bytes <= 1_120, "{bytes} bytes");
}

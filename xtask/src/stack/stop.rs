//! Turns Ctrl-C, SIGTERM and SIGHUP into a flag that every bounded wait looks at, so that a half-started stack is taken down in order.
//!
//! Must not know what is being waited for. A second signal ends the process at once; the children then die with it.

use std::sync::atomic::{AtomicBool, Ordering};

use anyhow::{Context, Result};
use tokio::signal::unix::{SignalKind, signal};

static REQUESTED: AtomicBool = AtomicBool::new(false);

/// Whether the user (or `cargo xtask down`) asked this process to stop.
#[must_use]
pub fn requested() -> bool {
    REQUESTED.load(Ordering::SeqCst)
}

/// Starts listening for stop signals on a thread of its own.
///
/// # Errors
/// When the signal handlers can't be installed.
pub fn install() -> Result<()> {
    let runtime =
        tokio::runtime::Builder::new_current_thread().enable_all().build().context("no runtime for signal handling")?;
    let (mut interrupt, mut terminate, mut hangup) = runtime.block_on(async {
        anyhow::Ok((signal(SignalKind::interrupt())?, signal(SignalKind::terminate())?, signal(SignalKind::hangup())?))
    })?;
    std::thread::Builder::new()
        .name("stop-signals".into())
        .spawn(move || {
            runtime.block_on(async move {
                loop {
                    tokio::select! {
                        _ = interrupt.recv() => {}
                        _ = terminate.recv() => {}
                        _ = hangup.recv() => {}
                    }
                    if REQUESTED.swap(true, Ordering::SeqCst) {
                        std::process::exit(130);
                    }
                }
            });
        })
        .context("no thread for signal handling")?;
    Ok(())
}

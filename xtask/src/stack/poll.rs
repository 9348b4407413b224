//! Bounded waiting for a condition.
//!
//! The one place that sleeps. Must not know what is waited for; fails with the name of the condition and the time spent.

use std::time::{Duration, Instant};

use anyhow::{Result, bail};

use super::stop;

const FIRST_PAUSE: Duration = Duration::from_millis(5);
const LONGEST_PAUSE: Duration = Duration::from_millis(50);

/// Calls `probe` until it returns a value, at most for `limit`; gives up early when the process is asked to stop.
///
/// # Errors
/// When the limit passes, when a stop is requested, or what `probe` returns as error.
pub fn wait_until<T>(what: &str, limit: Duration, probe: impl FnMut() -> Result<Option<T>>) -> Result<T> {
    wait(what, limit, true, probe)
}

/// The same for the way down, where a requested stop is the reason for waiting.
pub(super) fn wait_even_when_stopping<T>(
    what: &str,
    limit: Duration,
    probe: impl FnMut() -> Result<Option<T>>,
) -> Result<T> {
    wait(what, limit, false, probe)
}

fn wait<T>(what: &str, limit: Duration, heed_stop: bool, mut probe: impl FnMut() -> Result<Option<T>>) -> Result<T> {
    let started = Instant::now();
    let mut pause = FIRST_PAUSE;
    loop {
        if let Some(value) = probe()? {
            return Ok(value);
        }
        if heed_stop && stop::requested() {
            bail!("stopped while waiting for {what}");
        }
        if started.elapsed() >= limit {
            bail!("{what}: not within {:.1} s", limit.as_secs_f64());
        }
        std::thread::sleep(pause);
        pause = (pause * 2).min(LONGEST_PAUSE);
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]
    use super::*;

    #[test]
    fn returns_the_value_and_names_what_was_missing() {
        let mut calls = 0;
        let value = wait_until("three calls", Duration::from_secs(5), || {
            calls += 1;
            Ok((calls == 3).then_some(calls))
        });
        assert_eq!(value.unwrap(), 3);
        let error = wait_until::<()>("the moon", Duration::ZERO, || Ok(None)).unwrap_err();
        assert!(error.to_string().contains("the moon"));
    }
}

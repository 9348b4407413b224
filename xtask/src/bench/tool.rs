//! `lock-bench`, which speaks to Temporal itself. It is a program of its own, so that xtask builds without the Temporal SDK.

use std::path::PathBuf;
use std::process::{Command, Stdio};
use std::time::Duration;

use anyhow::{Context, Result, ensure};
use serde_json::Value;

use super::cpu::CpuTimes;
use super::load::Measured;
use super::stats::Times;
use crate::sandbox::OwnStack;

/// The program, for one Temporal server.
#[derive(Debug)]
pub struct Tool {
    program: PathBuf,
    address: String,
}

impl Tool {
    /// The name of its package and binary.
    pub const PACKAGE: &str = "lock-bench";

    /// For this stack.
    #[must_use]
    pub fn of(stack: &OwnStack) -> Self {
        Self { program: stack.bin_dir().join(Self::PACKAGE), address: stack.parts().temporal_address().to_owned() }
    }

    /// What the server takes for an update-with-start on an empty workflow plus one remote activity.
    ///
    /// # Errors
    /// When it can't be measured.
    pub fn floor(&self, sequential: usize, parallel: usize, in_flight: usize) -> Result<Measured> {
        let (sequential, parallel, in_flight) = (sequential.to_string(), parallel.to_string(), in_flight.to_string());
        let before = CpuTimes::now();
        let args = ["floor", "--sequential", &sequential, "--parallel", &parallel, "--in-flight", &in_flight];
        let answer = self.run(&args)?;
        let used = CpuTimes::now().since(&before);
        let times = |name: &str| -> Result<Times> { Ok(Times::of(serde_json::from_value(answer[name].clone())?)) };
        let took = answer["parallel_took_s"].as_f64().context("no duration")?;
        let parallel = times("parallel_ms")?;
        let sequential = times("sequential_ms")?;
        let cpu_runs = sequential.count() + parallel.count();
        Ok(Measured { sequential, parallel, parallel_took: Duration::from_secs_f64(took), cpu: used, cpu_runs })
    }

    /// KiB that the SDK itself keeps of a workflow that sleeps in a worker's cache.
    ///
    /// # Errors
    /// When it can't be measured.
    pub fn sleeping_kib(&self, count: usize) -> Result<f64> {
        self.run(&["sleeping", "--count", &count.to_string()])?["kib"].as_f64().context("no number")
    }

    /// The number of history events of a workflow.
    ///
    /// # Errors
    /// When Temporal doesn't know it.
    pub fn history_length(&self, workflow: &str) -> Result<u64> {
        self.run(&["lengths", workflow])?[0].as_u64().context("no length")
    }

    /// Sends genuine webhooks as fast as they are taken; returns how many, and the seconds that it took.
    ///
    /// # Errors
    /// When one is not taken.
    pub fn webhooks(&self, url: &str, secret: &str, clients: usize, messages: usize) -> Result<(usize, f64)> {
        let (clients, messages) = (clients.to_string(), messages.to_string());
        let args = ["webhooks", "--url", url, "--clients", &clients, "--messages", &messages];
        let told = self.run_with(&args, Some(("LOCK_BENCH_SECRET", secret)))?;
        let taken = told["taken"].as_u64().context("no number")?;
        Ok((usize::try_from(taken)?, told["took_s"].as_f64().context("no duration")?))
    }

    /// What an adapter takes for a call at a simulator: processor time and time until the answer, in milliseconds.
    ///
    /// # Errors
    /// When it can't be measured.
    pub fn adapter(&self, vendor: &str, base_url: &str, control_url: &str, calls: u64) -> Result<(f64, f64)> {
        let calls = calls.to_string();
        let args =
            ["adapter", "--vendor", vendor, "--base-url", base_url, "--control-url", control_url, "--calls", &calls];
        let told = self.run(&args)?;
        Ok((told["cpu_ms"].as_f64().context("no time")?, told["wall_ms"].as_f64().context("no time")?))
    }

    fn run(&self, args: &[&str]) -> Result<Value> {
        self.run_with(args, None)
    }

    fn run_with(&self, args: &[&str], secret: Option<(&str, &str)>) -> Result<Value> {
        let output = Command::new(&self.program)
            .args(args)
            .envs(secret)
            .env("TEMPORAL_ADDRESS", &self.address)
            .stdin(Stdio::null())
            .output()
            .with_context(|| format!("cannot start {}", self.program.display()))?;
        let errors = String::from_utf8_lossy(&output.stderr);
        ensure!(output.status.success(), "{} {} failed: {}", Self::PACKAGE, args.join(" "), errors.trim());
        serde_json::from_slice(&output.stdout).with_context(|| format!("{} printed no JSON", Self::PACKAGE))
    }
}

/// A rate; 0 for no time at all.
#[expect(clippy::cast_precision_loss, reason = "counts here are far below 2^52")]
pub(super) fn per_second(count: usize, seconds: f64) -> f64 {
    if seconds > 0.0 { count as f64 / seconds } else { 0.0 }
}

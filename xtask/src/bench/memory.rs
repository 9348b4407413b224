//! What a sleeping stay costs in the worker: resident memory before and after a thousand of them were planned.
//!
//! A first lot warms the allocator up. Works where `/proc` does (Linux).

use std::time::Duration;

use anyhow::{Context, Result};
use jiff::{Timestamp, ToSpan as _};

use super::load::{send_all, stay};
use crate::sandbox::{Api, Call};

const WAIT_S: u32 = 25;
const IN_FLIGHT: usize = 16;
/// For buffers of the last requests to be given back.
const CALM: Duration = Duration::from_secs(3);

/// Resident memory of a process, KiB.
///
/// # Errors
/// Where there is no `/proc`, or no such process.
pub fn resident_kib(pid: u32) -> Result<u64> {
    let status = std::fs::read_to_string(format!("/proc/{pid}/status"))?;
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:")).context("no VmRSS")?;
    line.split_whitespace().next().context("no number")?.parse().context("VmRSS is no number")
}

/// KiB of the worker's resident memory for each of `count` stays that sleep in its cache.
///
/// # Errors
/// When the stays can't be made or the memory can't be read.
#[expect(clippy::cast_precision_loss, reason = "memory in KiB is far below 2^52")]
pub async fn sleeping_stay_kib(api: &Api, worker: u32, count: usize) -> Result<f64> {
    let rooms: Vec<String> = api.rooms().await?.into_iter().map(|(number, _)| number).collect();
    plan(api, &rooms, 0, count / 2).await?;
    let before = resident_kib(worker)?;
    plan(api, &rooms, 1, count).await?;
    let after = resident_kib(worker)?;
    Ok(after.saturating_sub(before) as f64 / count.max(1) as f64)
}

/// Makes stays that begin in a few weeks: nothing is issued, each sleeps on one timer.
async fn plan(api: &Api, rooms: &[String], lot: usize, count: usize) -> Result<()> {
    let now = Timestamp::now();
    let calls = (0..count).map(|index| {
        let round = lot * 100 + index / rooms.len().max(1);
        let room = rooms.get(index % rooms.len().max(1)).map_or("", String::as_str);
        let from = now + (24 * (40 + 2 * i64::try_from(round).unwrap_or(0))).hours();
        Call::new_stay(stay(&format!("BENCH-plan{lot}-{index}"), room, from, from + 24.hours())).wait(WAIT_S)
    });
    send_all(api, calls.collect(), IN_FLIGHT, Some(201)).await?;
    tokio::time::sleep(CALM).await;
    Ok(())
}

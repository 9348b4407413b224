//! API → key confirmed: a stay is made with `wait`, and the answer says that its key stands in every lock.
//!
//! Guests leave between the measured parts, untimed: a lock holds 250 codes, and each key takes a place in the common door.

use std::sync::Arc;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};
use jiff::{Timestamp, ToSpan as _};
use serde_json::{Value, json};
use tokio::sync::Semaphore;
use tokio::task::JoinSet;

use super::cpu::CpuTimes;
use super::stats::Times;
use super::tool::per_second;
use crate::sandbox::{Api, Call};

const WAIT_S: u32 = 25;
const WARM_UP: usize = 20;
/// The stack is at rest when it uses less than a tenth of one processor for a second.
const AT_REST_MS: f64 = 100.0;
const LOOK_EVERY: Duration = Duration::from_secs(1);
const MOST_LOOKS: usize = 30;
/// Stays at once, below what the common door's lock holds.
const BATCH: usize = 200;

/// One after another, and many at once.
#[derive(Debug, Clone, Default)]
pub struct Measured {
    /// Durations of runs one after another.
    pub sequential: Times,
    /// Durations of runs with others in flight.
    pub parallel: Times,
    /// How long the latter took together.
    pub parallel_took: Duration,
    /// Processor time of `cpu_runs` runs.
    pub cpu: CpuTimes,
    /// Those with others in flight (the floor: all).
    pub cpu_runs: usize,
}

impl Measured {
    /// Runs a second with others in flight.
    #[must_use]
    pub fn throughput(&self) -> f64 {
        per_second(self.parallel.count(), self.parallel_took.as_secs_f64())
    }

    /// Both together.
    #[must_use]
    pub fn plus(self, other: Self) -> Self {
        Self {
            sequential: self.sequential.plus(other.sequential),
            parallel: self.parallel.plus(other.parallel),
            parallel_took: self.parallel_took + other.parallel_took,
            cpu: self.cpu.plus(&other.cpu),
            cpu_runs: self.cpu_runs + other.cpu_runs,
        }
    }
}

/// Measures `sequential` stays one after another, then `parallel` ones with `in_flight` at once. Rounds must have names of their own.
///
/// # Errors
/// When the API doesn't confirm a key.
pub async fn measure(
    api: &Api,
    round: usize,
    sequential: usize,
    parallel: usize,
    in_flight: usize,
) -> Result<Measured> {
    let rooms: Vec<String> = api.rooms().await?.into_iter().map(|(number, _)| number).take(BATCH).collect();
    ensure!(rooms.len() == BATCH, "the bench needs {BATCH} rooms");
    for_all(api, &rooms, &format!("{round}warm"), WARM_UP, 1).await?;

    let mut times = Vec::new();
    for (batch, size) in batches(sequential).enumerate() {
        times.extend(for_all(api, &rooms, &format!("{round}seq{batch}"), size, 1).await?.0);
    }
    let sequential = Times::of(times);
    let (mut times, mut took, mut cpu) = (Vec::new(), Duration::ZERO, CpuTimes::default());
    for (batch, size) in batches(parallel).enumerate() {
        let (some, part, used) = for_all(api, &rooms, &format!("{round}par{batch}"), size, in_flight).await?;
        times.extend(some);
        took += part;
        cpu = cpu.plus(&used);
    }
    let cpu_runs = times.len();
    Ok(Measured { sequential, parallel: Times::of(times), parallel_took: took, cpu, cpu_runs })
}

fn batches(count: usize) -> impl Iterator<Item = usize> {
    let rest = count % BATCH;
    std::iter::repeat_n(BATCH, count / BATCH).chain((rest > 0).then_some(rest))
}

/// Checks guests in, timed, and all of them out again. They leave at most half a day early, so that the feed guard lets them.
async fn for_all(
    api: &Api,
    rooms: &[String],
    label: &str,
    count: usize,
    in_flight: usize,
) -> Result<(Vec<f64>, Duration, CpuTimes)> {
    let stays: Vec<(String, String)> =
        rooms.iter().take(count).map(|room| (format!("BENCH-{label}-{room}"), room.clone())).collect();
    let now = Timestamp::now();
    let check_ins =
        stays.iter().map(|(reservation, room)| Call::new_stay(stay(reservation, room, now, now + 12.hours())));
    come_to_rest().await;
    let (started, before) = (Instant::now(), CpuTimes::now());
    let times = send_all(api, check_ins.map(|call| call.wait(WAIT_S)).collect(), in_flight, Some(201)).await?;
    let (took, used) = (started.elapsed(), CpuTimes::now().since(&before));
    let check_outs = stays.iter().map(|(reservation, _)| Call::verb(reservation, "check-out", json!({})).wait(WAIT_S));
    send_all(api, check_outs.collect(), 16, None).await?;
    Ok((times, took, used))
}

/// Waits until what was asked before is over: Temporal goes on for some seconds after a departure (visibility, timers that nobody needs any
/// more), and the floor has no such neighbour. After half a minute the bench goes on all the same.
async fn come_to_rest() {
    for _ in 0..MOST_LOOKS {
        let before = CpuTimes::now();
        tokio::time::sleep(LOOK_EVERY).await;
        if CpuTimes::now().since(&before).total_ms() < AT_REST_MS {
            return;
        }
    }
}

/// The body of a stay.
pub(super) fn stay(reservation: &str, room: &str, from: Timestamp, until: Timestamp) -> Value {
    json!({ "reservation": reservation, "room": room, "from": from.to_string(), "until": until.to_string() })
}

/// Sends everything with so many in flight; durations in milliseconds.
pub(super) async fn send_all(api: &Api, calls: Vec<Call>, in_flight: usize, wanted: Option<u16>) -> Result<Vec<f64>> {
    let permits = Arc::new(Semaphore::new(in_flight));
    let mut sending = JoinSet::new();
    for call in calls {
        let (api, permits) = (api.clone(), permits.clone());
        sending.spawn(async move {
            let _permit = permits.acquire().await?;
            let answer = api.write(&call).await?;
            let fits = wanted.map_or_else(|| answer.is_success(), |status| answer.status == status);
            ensure!(fits, "the API answered {} instead of {wanted:?}", answer.summary());
            anyhow::Ok(answer.took.as_secs_f64() * 1e3)
        });
    }
    let mut times = Vec::new();
    while let Some(done) = sending.join_next().await {
        times.push(done.context("a request was lost")??);
    }
    Ok(times)
}

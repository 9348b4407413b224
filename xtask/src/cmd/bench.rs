//! `bench`: our numbers beside what the same server takes for nothing, as a table. Asserts nothing.

use std::process::{Command, ExitCode};
use std::time::Duration;

use anyhow::{Context, Result};
use xtask::bench::{
    AdapterCost, Intake, Measured, Times, Tool, VerbCost, count_events, measure, measure_adapters, measure_intake,
    resident_kib, sleeping_stay_kib,
};
use xtask::project::Project;
use xtask::sandbox::{OwnStack, Profile};
use xtask::stack::stop;

#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// Stays one after another
    #[arg(long, default_value_t = 200)]
    sequential: usize,
    /// Stays with others in flight
    #[arg(long, default_value_t = 600)]
    parallel: usize,
    /// How many are in flight then
    #[arg(long, default_value_t = 50)]
    in_flight: usize,
    /// Stays that sleep in the worker while its memory is measured
    #[arg(long, default_value_t = 1_000)]
    sleeping: usize,
    /// Webhooks in a round, sent by so many at once as `--in-flight` says
    #[arg(long, default_value_t = 5_000)]
    webhooks: usize,
    /// Calls of each vendor's adapter
    #[arg(long, default_value_t = 500)]
    calls: u64,
    /// Only one part
    #[arg(long, value_enum)]
    only: Option<Part>,
    /// Run the binaries as a developer builds them; the numbers are then not worth comparing
    #[arg(long)]
    dev: bool,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
enum Part {
    /// From the request to the key that is proven, memory, history events
    Keys,
    /// Webhooks that come in, and what adapters cost
    Edges,
}

const ROOMS: usize = 500;
/// Floor and service take turns so many times, so that a machine that grows slower meanwhile slows both.
const ROUNDS: usize = 4;

struct Results {
    keys: Option<Keys>,
    edges: Option<(Intake, Vec<AdapterCost>)>,
}

struct Keys {
    floor: Measured,
    ours: Measured,
    stay_kib: f64,
    empty_kib: f64,
    worker_kib: u64,
    verbs: Vec<VerbCost>,
    plain: u64,
}

pub(crate) fn run(project: &Project, args: &Args) -> Result<ExitCode> {
    stop::install()?;
    let profile = if args.dev { Profile::Dev } else { Profile::Release };
    let mut stack = OwnStack::start(project, "bench", profile, ROOMS)?;
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build().context("no runtime")?;
    let measured = runtime.block_on(measure_all(&mut stack, args));
    let ready_after = stack.ready_after();
    stack.stop()?;
    let results = measured?;

    println!("\nbench of {} ({profile:?} binaries)", jiff::Timestamp::now().strftime("%Y-%m-%d %H:%M UTC"));
    println!("commit   {}", commit(project));
    println!("machine  {}", machine());
    if let Some(keys) = &results.keys {
        print_keys(args, keys, ready_after);
    }
    if let Some((intake, costs)) = &results.edges {
        print_edges(intake, costs);
    }
    Ok(ExitCode::SUCCESS)
}

fn print_keys(args: &Args, results: &Keys, ready_after: Duration) {
    print_times(args, &results.floor, &results.ours);
    println!("\n{:<46} {:>12}   goal", "", "measured");
    let (stay, empty) = (results.stay_kib * 1.024, results.empty_kib * 1.024);
    println!("{:<46} {stay:>9.1} kB", "a sleeping stay in the worker's memory");
    println!("{:<46} {empty:>9.1} kB", "an empty sleeping workflow: the SDK's own share");
    println!("{:<46} {:>9.1} kB   at most 20 kB", "what a stay adds to that", (stay - empty).max(0.0));
    println!("{:<46} {:>9.1} MB", "the worker in all, after everything", mb(results.worker_kib));
    println!("{:<46} {:>10.1} s   under 15 s", "stack ready, from nothing, binaries built", ready_after.as_secs_f64());
    println!("{:<46} {:>12}   at most 40", "history events of a plain stay", results.plain);
    println!("\nhistory events by verb, on one stay with two doors");
    for VerbCost { verb, events } in &results.verbs {
        println!("  {verb:<20} {events:>4}");
    }
}

fn print_edges(intake: &Intake, costs: &[AdapterCost]) {
    println!("\n{:<46} {:>12}   goal", "webhooks in", "measured");
    println!(
        "{:<46} {:>10.0} /s",
        format!("pgbench, the same two inserts, {} clients", intake.clients),
        intake.pgbench
    );
    println!(
        "{:<46} {:>10.0} /s   {} in all",
        format!("verified, deduplicated, stored, {} senders", intake.clients),
        intake.ours,
        intake.taken
    );
    let ratio = if intake.pgbench > 0.0 { intake.ours / intake.pgbench } else { 0.0 };
    println!("{:<46} {ratio:>12.2}   at least 0.5", "ratio");
    println!("\n{:<46} {:>12}   goal", "processor time of an adapter's call", "measured");
    for AdapterCost { vendor, cpu_ms, wall_ms } in costs {
        println!("{vendor:<46} {cpu_ms:>9.2} ms   under 1 ms   (answer after {wall_ms:.2} ms)");
    }
}

async fn measure_all(stack: &mut OwnStack, args: &Args) -> Result<Results> {
    let tool = Tool::of(stack);
    let edges = match args.only {
        Some(Part::Keys) => None,
        _ => {
            eprintln!("measuring adapters");
            let costs = tokio::task::block_in_place(|| measure_adapters(stack, &tool, args.calls))?;
            eprintln!("measuring webhooks that come in");
            Some((measure_intake(stack, &tool, args.in_flight, args.webhooks).await?, costs))
        }
    };
    let keys = match args.only {
        Some(Part::Edges) => None,
        _ => Some(Box::pin(measure_keys(stack, &tool, args)).await?),
    };
    Ok(Results { keys, edges })
}

async fn measure_keys(stack: &mut OwnStack, tool: &Tool, args: &Args) -> Result<Keys> {
    let worker = stack.worker().pid();
    let api = stack.api().clone();
    let (mut floor, mut ours) = (Measured::default(), Measured::default());
    let (sequential, parallel) = (args.sequential.div_ceil(ROUNDS), args.parallel.div_ceil(ROUNDS));
    for round in 1..=ROUNDS {
        eprintln!("round {round} of {ROUNDS}: measuring the floor");
        let some = tokio::task::block_in_place(|| tool.floor(sequential, parallel, args.in_flight))?;
        floor = floor.plus(some);
        eprintln!("round {round} of {ROUNDS}: measuring API → key confirmed");
        ours = ours.plus(Box::pin(measure(&api, round, sequential, parallel, args.in_flight)).await?);
    }
    eprintln!("counting history events");
    let (verbs, plain) = Box::pin(count_events(&api, tool, stack.tenant(), stack.property())).await?;
    eprintln!("putting stays to sleep");
    let stay_kib = sleeping_stay_kib(&api, worker, args.sleeping).await?;
    let empty_kib = tokio::task::block_in_place(|| tool.sleeping_kib(args.sleeping))?;
    Ok(Keys { floor, ours, stay_kib, empty_kib, worker_kib: resident_kib(worker)?, verbs, plain })
}

fn print_times(args: &Args, floor: &Measured, ours: &Measured) {
    println!("\n{:<34} {:>10} {:>22} {:>8}   goal", "", "floor", "API → key confirmed", "ratio");
    let line = |label: &str, floor: f64, ours: f64, unit: &str, goal: &str| {
        let ratio = if floor > 0.0 { ours / floor } else { 0.0 };
        println!("{label:<34} {floor:>7.1} {unit:<3} {ours:>17.1} {unit:<3} {ratio:>8.2}   {goal}");
    };
    let times = |label: &str, floor: &Times, ours: &Times, goal: &str| {
        line(&format!("{label}, p50"), floor.percentile(50), ours.percentile(50), "ms", goal);
        line(&format!("{label}, p99"), floor.percentile(99), ours.percentile(99), "ms", "");
    };
    times("one after another", &floor.sequential, &ours.sequential, "at most 2");
    let many = format!("{} in flight", args.in_flight);
    times(&many, &floor.parallel, &ours.parallel, "");
    line(&format!("{many}, throughput"), floor.throughput(), ours.throughput(), "/s", "at least 0.5");
    println!("{:<34} floor {}", "processor time per run", floor.cpu.per_run(floor.cpu_runs));
    println!("{:<34} ours  {}", "", ours.cpu.per_run(ours.cpu_runs));
    println!(
        "floor: update-with-start on an empty workflow plus one remote activity; {} and {} runs each",
        floor.sequential.count(),
        floor.parallel.count()
    );
}

#[expect(clippy::cast_precision_loss, reason = "memory in KiB is far below 2^52")]
fn mb(kib: u64) -> f64 {
    kib as f64 * 1.024 / 1e3
}

fn commit(project: &Project) -> String {
    let git = |args: &[&str]| {
        let output = Command::new("git").args(args).current_dir(project.root()).output().ok()?;
        output.status.success().then(|| String::from_utf8_lossy(&output.stdout).trim().to_owned())
    };
    let changed = git(&["status", "--porcelain"]).is_some_and(|lines| !lines.is_empty());
    let id = git(&["rev-parse", "--short=12", "HEAD"]).unwrap_or_else(|| "unknown".to_owned());
    if changed { format!("{id} with local changes") } else { id }
}

fn machine() -> String {
    let field = |file: &str, name: &str| {
        let text = std::fs::read_to_string(file).ok()?;
        let line = text.lines().find(|line| line.starts_with(name))?.to_owned();
        Some(line.split_once(':')?.1.trim().to_owned())
    };
    let cores = std::thread::available_parallelism().map_or(0, usize::from);
    let cpu = field("/proc/cpuinfo", "model name").unwrap_or_else(|| std::env::consts::ARCH.to_owned());
    let memory = field("/proc/meminfo", "MemTotal").unwrap_or_else(|| "memory unknown".to_owned());
    format!("{cores} × {cpu}, {memory}, {}", std::env::consts::OS)
}

//! `replay-day`: days of a real booking file, played through the API on a stack of its own, with a reconciliation at the end.

use std::fs::File;
use std::path::PathBuf;
use std::process::ExitCode;

use anyhow::{Context, Result, ensure};
use jiff::civil::Date;
use xtask::project::Project;
use xtask::replay::bookings::{Booking, read};
use xtask::replay::play::{Outcome, play};
use xtask::replay::schedule::{Schedule, derive};
use xtask::sandbox::{OwnStack, Profile};
use xtask::stack::stop;

#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// A CSV file in the published layout of the "Hotel booking demand datasets"
    #[arg(long)]
    bookings: PathBuf,
    /// The hotel, as the column `hotel` names it
    #[arg(long, default_value = "City Hotel")]
    hotel: String,
    /// Play this day, such as 2015-08-14; without --date and --month the days that the file covers are played
    #[arg(long, conflicts_with = "month")]
    date: Option<Date>,
    /// Play this month, such as 2015-08
    #[arg(long, value_parser = month)]
    month: Option<Date>,
    /// Let the property's time run at most this many times as fast as real time (3600: an hour a second)
    #[arg(long)]
    speed: Option<f64>,
    /// Seed of what the file leaves out: rooms, times of day, what was changed
    #[arg(long, default_value_t = 2015)]
    seed: u64,
    /// Only say what would be played
    #[arg(long)]
    dry_run: bool,
    /// Run the release binaries
    #[arg(long)]
    release: bool,
}

/// The first day of a month.
fn month(text: &str) -> Result<Date, String> {
    format!("{text}-01").parse().map_err(|_| format!("`{text}` is not a month such as 2015-08"))
}

pub(crate) fn run(project: &Project, args: &Args) -> Result<ExitCode> {
    stop::install()?;
    ensure!(args.speed.is_none_or(|speed| speed > 0.0), "--speed must be greater than 0");
    let schedule = schedule(args)?;
    describe(args, &schedule);
    if args.dry_run {
        return Ok(ExitCode::SUCCESS);
    }
    let profile = if args.release { Profile::Release } else { Profile::Dev };
    let stack = OwnStack::start(project, "replay", profile, schedule.rooms.len())?;
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build().context("no runtime")?;
    let played = runtime.block_on(play(stack.api(), stack.sim(), &schedule, args.speed));
    let logs = stack.parts().root().join("logs");
    stack.stop()?;
    let agreed = report(&played?);
    println!("logs: {}", logs.display());
    Ok(if agreed { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

fn schedule(args: &Args) -> Result<Schedule> {
    let file = File::open(&args.bookings).with_context(|| format!("cannot open {}", args.bookings.display()))?;
    let all = read(file).with_context(|| format!("{} can't be read", args.bookings.display()))?;
    let (bookings, others): (Vec<Booking>, Vec<Booking>) = all.into_iter().partition(|b| b.hotel == args.hotel);
    if bookings.is_empty() {
        let names: std::collections::BTreeSet<&str> = others.iter().map(|b| b.hotel.as_str()).collect();
        anyhow::bail!("no bookings of `{}`; the file has {names:?}", args.hotel);
    }
    let arrivals = || bookings.iter().map(|b| b.arrival);
    let (first, last) = match (args.date, args.month) {
        (Some(day), _) => (day, day),
        (None, Some(first)) => (first, first.last_of_month()),
        (None, None) => (arrivals().min().unwrap_or_default(), arrivals().max().unwrap_or_default()),
    };
    derive(&bookings, first, last, args.seed)
}

fn describe(args: &Args, schedule: &Schedule) {
    let last = schedule.closes.yesterday().map_or(schedule.closes.date(), |day| day.date());
    println!("{}, {} to {last}, seed {}", args.hotel, schedule.opens.date(), args.seed);
    println!(
        "{} stays in {} rooms, {} acts of the PMS and its guests; {} bookings more were cancelled before they were due to be sent",
        schedule.stays.len(),
        schedule.rooms.len(),
        schedule.events.len(),
        schedule.never_sent
    );
}

fn report(outcome: &Outcome) -> bool {
    let counts = outcome.counts;
    println!("\nplayed in {:.1} s ({} steps)", outcome.took.as_secs_f64(), outcome.steps);
    println!(
        "  {} bookings, {} arrivals, {} departures, {} changes, {} moves, {} cancellations and no-shows, {} conflicts",
        counts.booked,
        counts.arrivals,
        counts.departures,
        counts.changes,
        counts.moves,
        counts.cancelled,
        counts.conflicts
    );
    println!(
        "  PINs tried at the doors: opened {} times for their guests, stayed closed {} times for guests who had left",
        outcome.opened, outcome.refused
    );
    println!("\nreconciliation: the bookings against the API against the locks");
    println!("  {:<14} {:>6} {:>8}", "must be", "stays", "agreed");
    for (label, count) in &outcome.report.all {
        println!("  {label:<14} {count:>6} {:>8}", outcome.report.agreed.get(label).copied().unwrap_or(0));
    }
    println!("  {} codes stand in the locks", outcome.report.codes);
    for failure in &outcome.failures {
        println!("  on the way: {failure}");
    }
    for discrepancy in &outcome.report.discrepancies {
        println!("  DISCREPANCY {discrepancy}");
    }
    let discrepancies = outcome.report.discrepancies.len();
    println!("  {discrepancies} discrepancies, {} failures on the way", outcome.failures.len());
    discrepancies == 0 && outcome.failures.is_empty()
}

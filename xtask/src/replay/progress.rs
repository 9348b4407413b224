//! What one sees while days pass: a bar on a terminal, a line a day elsewhere.
//!
//! Must not know what is being counted for. Never fails.

use std::io::IsTerminal as _;
use std::time::{Duration, Instant};

use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};
use jiff::civil::Date;

/// Counts of the play so far, and of the day.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Counts {
    /// Stays sent.
    pub booked: u32,
    /// Guests who came, by stays.
    pub arrivals: u32,
    /// Stays that were ended by the guest's leaving.
    pub departures: u32,
    /// Cancellations and no-shows.
    pub cancelled: u32,
    /// Changes of the dates.
    pub changes: u32,
    /// Room moves.
    pub moves: u32,
    /// Answers with status 409.
    pub conflicts: u32,
}

impl Counts {
    fn since(self, earlier: Self) -> Self {
        Self {
            booked: self.booked - earlier.booked,
            arrivals: self.arrivals - earlier.arrivals,
            departures: self.departures - earlier.departures,
            cancelled: self.cancelled - earlier.cancelled,
            changes: self.changes - earlier.changes,
            moves: self.moves - earlier.moves,
            conflicts: self.conflicts - earlier.conflicts,
        }
    }
}

/// The display.
#[derive(Debug)]
pub struct Display {
    bar: Option<ProgressBar>,
    day: Option<Date>,
    day_began: Counts,
    in_house: u32,
    started: Instant,
}

impl Display {
    /// For so many acts in all.
    #[must_use]
    pub fn new(acts: u64) -> Self {
        let bar = std::io::stderr().is_terminal().then(|| {
            let bar = ProgressBar::with_draw_target(Some(acts), ProgressDrawTarget::stderr());
            let template = "{elapsed_precise} [{bar:30}] {pos}/{len}  {msg}";
            bar.set_style(ProgressStyle::with_template(template).unwrap_or_else(|_| ProgressStyle::default_bar()));
            bar.enable_steady_tick(Duration::from_millis(200));
            bar
        });
        Self { bar, day: None, day_began: Counts::default(), in_house: 0, started: Instant::now() }
    }

    /// The clock stands at a new hour of `day` (in the calendar of the file).
    pub fn at(&mut self, day: Date, hour: i8, counts: Counts, in_house: u32) {
        if self.day.is_some_and(|known| known != day) {
            self.end_of_day(counts);
        }
        (self.day, self.in_house) = (Some(day), in_house);
        if let Some(bar) = &self.bar {
            let today = counts.since(self.day_began);
            bar.set_message(format!(
                "{day} {hour:02}:00  arrivals {}  in house {in_house}  departures {}  conflicts {}",
                today.arrivals, today.departures, counts.conflicts
            ));
        }
    }

    /// So many acts are done.
    pub fn done(&self, acts: u64) {
        if let Some(bar) = &self.bar {
            bar.inc(acts);
        }
    }

    /// The last day is over.
    pub fn finish(&mut self, counts: Counts) {
        self.end_of_day(counts);
        if let Some(bar) = &self.bar {
            bar.finish_and_clear();
        }
    }

    fn end_of_day(&mut self, counts: Counts) {
        let (Some(day), in_house) = (self.day, self.in_house) else { return };
        let today = counts.since(self.day_began);
        self.day_began = counts;
        let line = format!(
            "  {day}  arrivals {:>3}  departures {:>3}  in house {in_house:>3}  changes {:>3}  moves {:>3}  cancelled {:>3}  conflicts {:>2}  {:>6.1} s",
            today.arrivals,
            today.departures,
            today.changes,
            today.moves,
            today.cancelled,
            today.conflicts,
            self.started.elapsed().as_secs_f64()
        );
        match &self.bar {
            Some(bar) => bar.println(line),
            None => println!("{line}"),
        }
    }
}

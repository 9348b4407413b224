//! Plays a schedule against a sandbox property through its test clock, then reconciles.
//!
//! Time goes in steps of an hour, and only to hours in which something happens. What happens in an hour is sent with bounded
//! concurrency, the acts of one stay in their order. A sandbox clock only moves forward and starts at real time, so the calendar of
//! the file is shifted by whole weeks. An act that the API refuses is remembered, and the play goes on.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail, ensure};
use jiff::civil::{Date, DateTime};
use jiff::tz::TimeZone;
use jiff::{Span, Timestamp, ToSpan as _};
use tokio::sync::Semaphore;
use tokio::task::JoinSet;

use super::progress::{Counts, Display};
use super::reconcile::{Expected, Report, compare};
use super::schedule::{Act, End, Event, Schedule};
use super::stage::{Guest, Stage};
use crate::sandbox::{Api, Sim, Window};

/// Stays that are acted upon at once.
const AT_ONCE: usize = 16;
/// For so long after the last act the record and the locks may take to agree.
const SETTLE_LIMIT: Duration = Duration::from_secs(180);
const SETTLE_PAUSE: Duration = Duration::from_millis(500);
/// Choices of the sandbox property. A lock holds 250 codes, and a common door holds one for every stay: so keys go into the locks on
/// the morning of arrival, not a day ahead.
const POLICY: [(&str, i64); 2] = [("issue_ahead_s", 4 * 3600), ("retry_cap_s", 5)];

/// What was played, and what came of it.
#[derive(Debug)]
pub struct Outcome {
    /// Counts of acts.
    pub counts: Counts,
    /// Doors that opened for their guest.
    pub opened: usize,
    /// Doors that stayed closed after check-out or move, as they must.
    pub refused: usize,
    /// What went wrong on the way, in words.
    pub failures: Vec<String>,
    /// The reconciliation.
    pub report: Report,
    /// The time for the play without the reconciliation.
    pub took: Duration,
    /// The API's requests for acts and for the clock.
    pub steps: usize,
}

/// Days from the calendar of the file to the property's: whole weeks, so that a Saturday stays a Saturday, and at least a day ahead.
#[must_use]
pub fn shift_days(first: Date, today: Date) -> i32 {
    let distance = today.since(first).map_or(0, |span| span.get_days());
    (distance + 1).div_euclid(7) * 7 + 7
}

/// Plays everything.
///
/// # Errors
/// When the property is too small, or the API or the simulator stops answering.
pub async fn play(api: &Api, sim: &Sim, schedule: &Schedule, speed: Option<f64>) -> Result<Outcome> {
    let property = api.property().await?;
    let zone = TimeZone::get(property["zone"].as_str().context("the property has no zone")?)?;
    api.change_policy(&POLICY.map(|(name, value)| (name, value.into()))).await?;
    let pad = property["policy"]["pad_before_s"].as_i64().unwrap_or(0);
    let grace = property["policy"]["grace_after_s"].as_i64().unwrap_or(0);

    let rooms = api.rooms().await?;
    let needed = schedule.rooms.len();
    ensure!(rooms.len() >= needed, "the property has {} rooms, these bookings need {needed}", rooms.len());
    let first = schedule.events.first().context("nothing to play")?.at;
    let today = api.now().await?.to_zoned(zone.clone()).date();
    let calendar = Calendar { zone, shift: shift_days(first.date(), today) };
    let day = schedule.opens.date();
    println!(
        "{} is played as {} ({}), from three days before on",
        day,
        calendar.shifted(schedule.opens).date(),
        calendar.zone.iana_name().unwrap_or("?")
    );

    let stage = Arc::new(Stage::new(api.clone(), sim.clone(), &rooms).await?);
    let common = stage.common_doors();
    let guests: Vec<Arc<Guest>> = schedule
        .stays
        .iter()
        .map(|stay| {
            let number = |room: usize| rooms.get(room).map(|(number, _)| number.clone()).unwrap_or_default();
            Arc::new(Guest::new(stay, number(stay.first_room), number(stay.room), &calendar))
        })
        .collect();

    let started = Instant::now();
    let steps = run_hours(&stage, schedule, &guests, &calendar, speed).await?;
    let (counts, failures) = stage.results();
    let took = started.elapsed();

    let expected: Vec<Expected> = schedule
        .stays
        .iter()
        .map(|stay| {
            let (room, room_id) = rooms.get(stay.room).cloned().unwrap_or_default();
            let window = Window { from: calendar.instant(stay.from), until: calendar.instant(stay.until) };
            let lock_window = Window { from: window.from - pad.seconds(), until: window.until + grace.seconds() };
            Expected { reservation: stay.reservation.clone(), end: stay.end, room, room_id, window, lock_window }
        })
        .collect();
    let report = reconcile(api, sim, &expected, common).await?;
    let (opened, refused) = (stage.opened.load(Ordering::Relaxed), stage.refused.load(Ordering::Relaxed));
    Ok(Outcome { counts, opened, refused, failures, report, took, steps })
}

async fn run_hours(
    stage: &Arc<Stage>,
    schedule: &Schedule,
    guests: &[Arc<Guest>],
    calendar: &Calendar,
    speed: Option<f64>,
) -> Result<usize> {
    let mut hours: BTreeMap<DateTime, BTreeMap<usize, Vec<Event>>> = BTreeMap::new();
    for event in &schedule.events {
        hours.entry(full_hour(event.at)).or_default().entry(event.stay).or_default().push(*event);
    }
    // The last midnight lets the windows end that end on the last day.
    hours.entry(schedule.closes).or_default();
    let in_house = occupancy(schedule);
    let mut display = Display::new(u64::try_from(schedule.events.len()).unwrap_or(0));
    let permits = Arc::new(Semaphore::new(AT_ONCE));
    let started = Instant::now();
    let first = hours.keys().next().copied().unwrap_or(schedule.closes);
    let steps = hours.len() + schedule.events.len();
    for (hour, chains) in hours {
        if let Some(speed) = speed {
            pace(calendar.instant(hour).duration_since(calendar.instant(first)).as_secs_f64(), speed, started).await;
        }
        stage.api.move_clock(calendar.instant(hour)).await?;
        let in_house = in_house.range(..=hour).next_back().map_or(0, |(_, count)| *count);
        // The midnight at which the play closes belongs to the day that it ends.
        let shown = if hour == schedule.closes { hour.saturating_sub(1.second()) } else { hour };
        display.at(shown.date(), shown.hour(), stage.results().0, in_house);
        let mut acting = JoinSet::new();
        for (index, events) in chains {
            let (stage, permits) = (stage.clone(), permits.clone());
            let Some(guest) = guests.get(index).cloned() else { bail!("an event without a stay") };
            acting.spawn(async move {
                let _permit = permits.acquire().await?;
                let count = events.len();
                for event in events {
                    stage.act(&guest, event.act).await?;
                }
                anyhow::Ok(count)
            });
        }
        while let Some(done) = acting.join_next().await {
            display.done(u64::try_from(done??).unwrap_or(0));
        }
    }
    display.finish(stage.results().0);
    Ok(steps)
}

async fn pace(property_seconds: f64, speed: f64, started: Instant) {
    let due = Duration::try_from_secs_f64(property_seconds / speed).unwrap_or_default();
    tokio::time::sleep(due.saturating_sub(started.elapsed())).await;
}

/// Guests in the house (counted by stays) from each instant on, as the schedule has it.
fn occupancy(schedule: &Schedule) -> BTreeMap<DateTime, u32> {
    let mut changes: BTreeMap<DateTime, i64> = BTreeMap::new();
    for event in &schedule.events {
        let stay = schedule.stays.get(event.stay);
        let there_already = stay.is_some_and(|stay| stay.from < schedule.opens);
        let by = match event.act {
            Act::Arrive => 1,
            Act::Book { .. } if there_already => 1,
            Act::CheckOut => -1,
            _ => 0,
        };
        *changes.entry(full_hour(event.at)).or_default() += by;
    }
    for stay in schedule.stays.iter().filter(|stay| stay.end == End::Expired) {
        *changes.entry(stay.until).or_default() -= 1;
    }
    let mut now = 0_i64;
    changes
        .into_iter()
        .map(|(at, by)| {
            now += by;
            (at, u32::try_from(now).unwrap_or(0))
        })
        .collect()
}

async fn reconcile(api: &Api, sim: &Sim, expected: &[Expected], common: usize) -> Result<Report> {
    let started = Instant::now();
    loop {
        let stays = api.stays().await?;
        let mut names: BTreeMap<String, BTreeSet<String>> = BTreeMap::new();
        for stay in expected.iter().filter(|stay| stay.end == End::InHouse) {
            // A stay that the API doesn't know is a discrepancy, not an error.
            let Ok(found) = api.stay(&stay.reservation).await else { continue };
            let wanted = found.keys.iter().filter(|key| key.wish != "unwanted");
            let held = wanted.flat_map(|key| key.credentials.iter().map(crate::sandbox::Credential::vendor_name));
            names.insert(stay.reservation.clone(), held.collect());
        }
        let report = compare(expected, &stays, &names, &sim.credentials().await?, common);
        if report.discrepancies.is_empty() || started.elapsed() > SETTLE_LIMIT || crate::stack::stop::requested() {
            return Ok(report);
        }
        tokio::time::sleep(SETTLE_PAUSE).await;
    }
}

/// From the calendar of the file to instants of the property.
#[derive(Debug, Clone)]
pub struct Calendar {
    zone: TimeZone,
    shift: i32,
}

impl Calendar {
    /// The same wall clock time, so many days later.
    #[must_use]
    pub fn shifted(&self, at: DateTime) -> DateTime {
        at.saturating_add(Span::new().days(self.shift))
    }

    /// Its instant in the property's zone.
    #[must_use]
    pub fn instant(&self, at: DateTime) -> Timestamp {
        self.zone.to_ambiguous_timestamp(self.shifted(at)).compatible().unwrap_or(Timestamp::MAX)
    }
}

fn full_hour(at: DateTime) -> DateTime {
    at.date().at(at.hour(), 0, 0, 0)
}

/// Counts successes without a lock.
pub(super) fn bump(counter: &AtomicUsize) {
    counter.fetch_add(1, Ordering::Relaxed);
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]
    use super::*;
    use jiff::civil::date;

    #[test]
    fn days_of_the_week_stay_and_the_play_lies_ahead() {
        let first = date(2015, 7, 29);
        for today in [date(2026, 11, 23), date(2026, 11, 24), date(2026, 11, 25), date(2026, 11, 29), date(2028, 2, 29)]
        {
            let shift = shift_days(first, today);
            let played = first.saturating_add(Span::new().days(shift));
            assert_eq!(played.weekday(), first.weekday());
            let ahead = played.since(today).unwrap().get_days();
            assert!((1..=8).contains(&ahead), "{today}: {ahead} days ahead");
        }
    }

    #[test]
    fn the_house_fills_and_empties() {
        let sample = include_str!("../../../tests/data/hotel-bookings-sample.csv");
        let bookings = crate::replay::bookings::read(sample.as_bytes()).unwrap();
        let schedule = crate::replay::schedule::derive(&bookings, date(2015, 8, 16), date(2015, 8, 21), 1).unwrap();
        let occupancy = occupancy(&schedule);
        let at_the_end = schedule.stays.iter().filter(|stay| stay.end == End::InHouse).count();
        assert_eq!(*occupancy.values().last().unwrap() as usize, at_the_end);
        assert!(occupancy.values().max().unwrap() > &30);
    }
}

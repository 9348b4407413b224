//! From bookings to a time-ordered list of what a PMS does, on the hotel's wall clock in the calendar of the file.
//!
//! The file has days; what it leaves out is derived by a seeded generator: rooms, times of day, what exactly was changed. Pure.
//! Which windows, rooms and ends the stays must have when the play ends follows from the same list, so the reconciliation asks
//! nobody who took part. It fails when no booking falls into the range.

use anyhow::{Result, ensure};
use jiff::civil::{Date, DateTime};
use jiff::{Span, ToSpan as _};

use super::bookings::{Booking, Status};
use super::rooms::{Claim, assign};
use super::seeded::Chance;

/// A booking is sent to the key service so many days before arrival, or when it is made if that is later.
pub const SENT_AHEAD_DAYS: i32 = 3;
/// One guest in so many leaves without checking out.
const FORGETS: u32 = 50;
const CHECK_IN: i8 = 14;
const CHECK_OUT: i8 = 12;
const MOST_GUESTS: u16 = 10;

/// What the PMS does about one stay.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Act {
    /// Sends the booking.
    Book {
        /// End of the stay as known by then.
        until: DateTime,
    },
    /// Changes the end of the stay.
    Change {
        /// The new end.
        until: DateTime,
    },
    /// The guest comes, is told the PIN and opens the doors.
    Arrive,
    /// Moves the guest to the stay's second room.
    Move,
    /// The guest leaves.
    CheckOut,
    /// Cancels: before arrival, or because nobody came.
    Cancel,
}

/// One act in its place.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Event {
    /// When, on the hotel's wall clock in the calendar of the file.
    pub at: DateTime,
    /// Whose, by index into [`Schedule::stays`].
    pub stay: usize,
    /// What.
    pub act: Act,
}

/// How a stay must stand when the play ends.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum End {
    /// Checked out.
    CheckedOut,
    /// Cancelled before arrival.
    Cancelled,
    /// Cancelled after arrival time.
    NoShow,
    /// Ran out without a check-out.
    Expired,
    /// The guest is in the house.
    InHouse,
}

/// One stay, with what must have come of it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PlannedStay {
    /// The reference that the PMS uses, such as `CH-2015-08-000123`.
    pub reservation: String,
    /// The line of the booking file.
    pub line: u64,
    /// Guests, 1 to 10.
    pub guests: u16,
    /// Start of the stay.
    pub from: DateTime,
    /// End of the stay when the play ends.
    pub until: DateTime,
    /// The first room, by index into [`Schedule::rooms`].
    pub first_room: usize,
    /// The room when the play ends.
    pub room: usize,
    /// How it must stand.
    pub end: End,
}

/// Everything that is played.
#[derive(Debug, Clone)]
pub struct Schedule {
    /// The stays, in the order of the file.
    pub stays: Vec<PlannedStay>,
    /// What happens, in order of time; events of one stay never share their place with another order.
    pub events: Vec<Event>,
    /// The room type of each room that is needed.
    pub rooms: Vec<String>,
    /// The day before whose midnight nothing but bookings ahead is played.
    pub opens: DateTime,
    /// The play ends here.
    pub closes: DateTime,
    /// Bookings in the range that were cancelled before they would have been sent.
    pub never_sent: usize,
}

/// Derives the schedule of the days from `first` to `last`: every booking that arrives then, and those who are in the house already.
///
/// # Errors
/// When there is none.
pub fn derive(bookings: &[Booking], first: Date, last: Date, seed: u64) -> Result<Schedule> {
    let opens = first.at(0, 0, 0, 0);
    let closes = plus(last.at(0, 0, 0, 0), 1.day());
    let in_range = |b: &&Booking| (first..=last).contains(&b.arrival);
    let staying = |b: &&Booking| b.status == Status::CheckOut && b.arrival < first && b.departure() >= first;
    let drafts: Vec<Draft<'_>> = bookings
        .iter()
        .filter(|b| in_range(b) || staying(b))
        .filter_map(|b| Draft::of(b, opens, Chance::of(seed, b.line)))
        .collect();
    ensure!(!drafts.is_empty(), "no booking of the file arrives between {first} and {last}");
    let never_sent = bookings.iter().filter(in_range).count() - drafts.iter().filter(|d| in_range(&d.booking)).count();

    let mut claims = Vec::new();
    for draft in &drafts {
        let claim = |kind: &str| Claim { kind: kind.to_owned(), from: draft.from, until: draft.until };
        claims.push(claim(draft.first_kind()));
        if draft.moves_at.is_some() {
            claims.push(claim(&draft.booking.assigned));
        }
    }
    let (given, rooms) = assign(&claims);
    let mut given = given.into_iter();

    let (mut stays, mut events) = (Vec::new(), Vec::new());
    for (index, draft) in drafts.iter().enumerate() {
        let first_room = given.next().unwrap_or(0);
        let second_room = if draft.moves_at.is_some() { given.next() } else { None };
        let played: Vec<(DateTime, Act)> = draft.acts().into_iter().filter(|(at, _)| *at < closes).collect();
        stays.push(draft.outcome(&played, first_room, second_room, closes));
        events.extend(played.into_iter().map(|(at, act)| Event { at, stay: index, act }));
    }
    events.sort_by_key(|event| event.at);
    Ok(Schedule { stays, events, rooms, opens, closes, never_sent })
}

/// One booking with the times that the file leaves out.
struct Draft<'a> {
    booking: &'a Booking,
    sent_at: DateTime,
    from: DateTime,
    /// The final end.
    until: DateTime,
    /// The end as it is known at first, and the later ones with the instants at which they become known.
    first_until: DateTime,
    changes: Vec<(DateTime, DateTime)>,
    arrives_at: Option<DateTime>,
    moves_at: Option<DateTime>,
    ends: Option<(DateTime, Act)>,
}

impl<'a> Draft<'a> {
    /// `None` if the booking was cancelled before it would have been sent.
    fn of(booking: &'a Booking, opens: DateTime, chance: Chance) -> Option<Self> {
        let (arrival, departure) = (booking.arrival, booking.departure());
        let day_use = departure <= arrival;
        let from = hour(arrival, CHECK_IN);
        let until = if day_use { hour(arrival, 22) } else { hour(departure, CHECK_OUT) };
        let mut draft = Self {
            booking,
            sent_at: opens,
            from,
            until,
            first_until: until,
            changes: Vec::new(),
            arrives_at: None,
            moves_at: None,
            ends: None,
        };
        match booking.status {
            Status::Canceled => {
                let cancelled = if booking.status_date >= arrival {
                    minutes_after(hour(arrival, 10), chance.below("cancel", 180))
                } else {
                    minutes_after(hour(booking.status_date, 10), chance.below("cancel", 600))
                };
                let sent = sending(booking, None, chance);
                if days_before(arrival, SENT_AHEAD_DAYS) > booking.status_date {
                    return None;
                }
                // Booked and cancelled on one day: the file does not say in which minute.
                draft.sent_at = sent.min(hour(cancelled.date(), 8));
                draft.ends = Some((cancelled, Act::Cancel));
            }
            Status::NoShow => {
                draft.sent_at = sending(booking, None, chance);
                draft.ends = Some((minutes_after(hour(arrival, 23), 30), Act::Cancel));
            }
            Status::CheckOut => {
                let leaves = if day_use {
                    minutes_after(hour(arrival, 19), chance.below("leave", 170))
                } else {
                    minutes_after(hour(departure, 7), chance.below("leave", 240))
                };
                draft.ends = (!chance.one_in("forgets", FORGETS)).then_some((leaves, Act::CheckOut));
                if from < opens {
                    return Some(draft);
                }
                let arrives = minutes_after(from, chance.below("arrive", if day_use { 120 } else { 480 }));
                draft.arrives_at = Some(arrives);
                draft.sent_at = sending(booking, Some(arrives), chance);
                if booking.reserved != booking.assigned && !day_use {
                    draft.moves_at = Some(moving(arrives, arrival, departure, chance));
                }
                if !day_use {
                    draft.change(arrives, chance);
                }
            }
        }
        Some(draft)
    }

    /// Spreads the booking's changes: the last one brings the final end, by a night or by hours; those before toggle the hour.
    fn change(&mut self, arrives: DateTime, chance: Chance) {
        let booking = self.booking;
        let (arrival, departure) = (booking.arrival, booking.departure());
        let Some(earlier) = booking.changes.checked_sub(1) else { return };
        let walk_in = self.sent_at == arrives;
        let start = if walk_in { minutes_after(arrives, 5) } else { hour(arrival, 11) };
        let night_before = days_before(departure, 1);
        let extends = night_before > arrival && chance.one_in("extends", 2);
        let (known_until, learnt_at) = if extends {
            let eve = days_before(departure, 2);
            let learnt = if eve > arrival {
                minutes_after(hour(eve, 17), chance.below("extend", 240))
            } else {
                minutes_after(hour(arrival, 22), 30)
            };
            (hour(night_before, CHECK_OUT), learnt)
        } else {
            (hour(departure, 10), minutes_after(start, 30))
        };
        self.first_until = known_until;
        for nth in 0..earlier {
            // An hour less and back again: an end that stays inside the claim on the room.
            let toggled = if nth % 2 == 0 { plus(known_until, (-1).hours()) } else { known_until };
            self.changes.push((minutes_after(start, nth.min(29)), toggled));
        }
        self.changes.push((learnt_at, self.until));
    }

    fn first_kind(&self) -> &str {
        if self.moves_at.is_some() || self.booking.status != Status::CheckOut {
            &self.booking.reserved
        } else {
            &self.booking.assigned
        }
    }

    fn acts(&self) -> Vec<(DateTime, Act)> {
        let mut acts = vec![(self.sent_at, Act::Book { until: self.first_until })];
        acts.extend(self.changes.iter().map(|(at, until)| (*at, Act::Change { until: *until })));
        acts.extend(self.arrives_at.map(|at| (at, Act::Arrive)));
        acts.extend(self.moves_at.map(|at| (at, Act::Move)));
        acts.extend(self.ends);
        acts.sort_by_key(|(at, _)| *at);
        acts
    }

    fn outcome(
        &self,
        played: &[(DateTime, Act)],
        first_room: usize,
        second_room: Option<usize>,
        closes: DateTime,
    ) -> PlannedStay {
        let booking = self.booking;
        let initials: String = booking.hotel.split_whitespace().filter_map(|word| word.chars().next()).collect();
        let initials: String = initials.chars().filter(char::is_ascii_alphanumeric).collect();
        let (year, month) = (booking.arrival.year(), booking.arrival.month());
        let (mut until, mut room, mut end) = (self.until, first_room, None);
        for (at, act) in played {
            match act {
                Act::Book { until: known } | Act::Change { until: known } => until = *known,
                Act::Move => room = second_room.unwrap_or(first_room),
                Act::CheckOut => end = Some(End::CheckedOut),
                Act::Cancel => end = Some(if *at < self.from { End::Cancelled } else { End::NoShow }),
                Act::Arrive => {}
            }
        }
        PlannedStay {
            reservation: format!("{}-{year:04}-{month:02}-{:06}", initials.to_ascii_uppercase(), booking.line),
            line: booking.line,
            guests: booking.guests.min(MOST_GUESTS),
            from: self.from,
            until,
            first_room,
            room,
            end: end.unwrap_or(if until <= closes { End::Expired } else { End::InHouse }),
        }
    }
}

/// When the PMS sends the booking; `arrives` for a guest who comes.
fn sending(booking: &Booking, arrives: Option<DateTime>, chance: Chance) -> DateTime {
    let lead = i32::try_from(booking.lead_days).unwrap_or(i32::MAX);
    match (lead, arrives) {
        (0, Some(arrives)) => arrives,
        (0, None) => hour(booking.arrival, 8),
        (lead, _) if lead <= SENT_AHEAD_DAYS => {
            minutes_after(hour(days_before(booking.arrival, lead), 9), chance.below("book", 720))
        }
        _ => hour(days_before(booking.arrival, SENT_AHEAD_DAYS), 9),
    }
}

/// On the day of arrival, or on the next if there is one.
fn moving(arrives: DateTime, arrival: Date, departure: Date, chance: Chance) -> DateTime {
    let next = plus(arrival.at(0, 0, 0, 0), 1.day()).date();
    if next < departure && chance.one_in("moves", 2) {
        minutes_after(hour(next, 10), chance.below("move", 420))
    } else {
        minutes_after(arrives, 20 + chance.below("move", 30))
    }
}

fn hour(day: Date, hour: i8) -> DateTime {
    day.at(hour, 0, 0, 0)
}

fn minutes_after(at: DateTime, minutes: u32) -> DateTime {
    plus(at, Span::new().minutes(i64::from(minutes)))
}

fn days_before(day: Date, days: i32) -> Date {
    day.saturating_sub(Span::new().days(days))
}

fn plus(at: DateTime, span: Span) -> DateTime {
    at.saturating_add(span)
}

#[cfg(test)]
#[path = "schedule_tests.rs"]
mod tests;

//! Reads a booking file in the layout in which the "Hotel booking demand datasets" are published.
//!
//! N. Antonio, A. de Almeida, L. Nunes, Data in Brief 22 (2019) 41–49, <https://doi.org/10.1016/j.dib.2018.11.126>. Columns are found by
//! their names, so their order doesn't matter and others are ignored. Fails with the line and the column that can't be read.

use std::io::Read;

use anyhow::{Context, Result, bail};
use jiff::civil::{Date, date};

/// What became of a booking.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Status {
    /// The guest came and left.
    CheckOut,
    /// Cancelled, on whatever day.
    Canceled,
    /// The guest never came.
    NoShow,
}

/// One line of the file, as far as it matters to doors.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Booking {
    /// Its line in the file, from 1; the header is line 1.
    pub line: u64,
    /// The hotel's name.
    pub hotel: String,
    /// The day of arrival.
    pub arrival: Date,
    /// Nights, weekend and week together; 0 is a day use.
    pub nights: u16,
    /// Adults and children without babies, at least 1.
    pub guests: u16,
    /// Days between booking and arrival.
    pub lead_days: u32,
    /// The room type that was booked.
    pub reserved: String,
    /// The room type that the guest got.
    pub assigned: String,
    /// How often the booking was changed.
    pub changes: u32,
    /// What became of it.
    pub status: Status,
    /// Since when it has that status.
    pub status_date: Date,
}

impl Booking {
    /// The day of departure, as booked; the day of the check-out where there was one.
    #[must_use]
    pub fn departure(&self) -> Date {
        match self.status {
            Status::CheckOut => self.status_date.max(self.arrival),
            _ => self.arrival.saturating_add(jiff::Span::new().days(i32::from(self.nights))),
        }
    }
}

const MONTHS: [&str; 12] = [
    "January",
    "February",
    "March",
    "April",
    "May",
    "June",
    "July",
    "August",
    "September",
    "October",
    "November",
    "December",
];

/// Reads every booking.
///
/// # Errors
/// When a column is missing, or a value can't be read: with its line and column.
pub fn read(file: impl Read) -> Result<Vec<Booking>> {
    let mut reader = csv::ReaderBuilder::new().trim(csv::Trim::All).from_reader(file);
    let headers = reader.headers().context("line 1 is no CSV header")?.clone();
    let columns = Columns { headers };
    for name in Columns::NEEDED {
        columns.index(name)?;
    }
    let mut bookings = Vec::new();
    for record in reader.records() {
        let record = record?;
        let line = record.position().map_or(0, csv::Position::line);
        bookings.push(booking(&Row { columns: &columns, record: &record, line })?);
    }
    Ok(bookings)
}

fn booking(row: &Row<'_>) -> Result<Booking> {
    let month = row.text("arrival_date_month")?;
    let Some(month) = MONTHS.iter().position(|name| name.eq_ignore_ascii_case(month)) else {
        return row.refuse("arrival_date_month", "an English month's name");
    };
    let (year, day) = (row.number("arrival_date_year")?, row.number("arrival_date_day_of_month")?);
    let arrival = calendar_day(year, month + 1, day);
    let Some(arrival) = arrival else {
        return row.refuse("arrival_date_day_of_month", "a day of that month");
    };
    let status = match row.text("reservation_status")? {
        "Check-Out" => Status::CheckOut,
        "Canceled" => Status::Canceled,
        "No-Show" => Status::NoShow,
        _ => return row.refuse("reservation_status", "Check-Out, Canceled or No-Show"),
    };
    let Some(status_date) = any_date(row.text("reservation_status_date")?) else {
        return row.refuse("reservation_status_date", "a date such as 2015-08-31 or 8/31/2015");
    };
    let nights = row.number("stays_in_weekend_nights")?.saturating_add(row.number("stays_in_week_nights")?);
    let guests = row.number("adults")?.saturating_add(row.number("children")?);
    Ok(Booking {
        line: row.line,
        hotel: row.text("hotel")?.to_owned(),
        arrival,
        nights: u16::try_from(nights).unwrap_or(u16::MAX),
        // Groups are booked with 0 adults now and then; somebody comes all the same.
        guests: u16::try_from(guests).unwrap_or(u16::MAX).max(1),
        lead_days: row.number("lead_time")?,
        reserved: row.text("reserved_room_type")?.to_owned(),
        assigned: row.text("assigned_room_type")?.to_owned(),
        changes: row.number("booking_changes")?,
        status,
        status_date,
    })
}

struct Columns {
    headers: csv::StringRecord,
}

impl Columns {
    const NEEDED: [&str; 15] = [
        "hotel",
        "arrival_date_year",
        "arrival_date_month",
        "arrival_date_day_of_month",
        "stays_in_weekend_nights",
        "stays_in_week_nights",
        "adults",
        "children",
        "lead_time",
        "reserved_room_type",
        "assigned_room_type",
        "booking_changes",
        "reservation_status",
        "reservation_status_date",
        "is_canceled",
    ];

    fn index(&self, name: &str) -> Result<usize> {
        let found = self.headers.iter().position(|header| header.trim_start_matches('\u{feff}') == name);
        found.with_context(|| {
            format!("line 1: there is no column `{name}`; the layout is that of the published hotel_bookings.csv")
        })
    }
}

struct Row<'a> {
    columns: &'a Columns,
    record: &'a csv::StringRecord,
    line: u64,
}

impl<'a> Row<'a> {
    fn text(&self, name: &str) -> Result<&'a str> {
        let index = self.columns.index(name)?;
        self.record.get(index).with_context(|| format!("line {}, column `{name}`: missing", self.line))
    }

    /// A count; the file's ways to say "unknown" are 0.
    fn number(&self, name: &str) -> Result<u32> {
        let text = self.text(name)?;
        if matches!(text, "NULL" | "NA" | "") {
            return Ok(0);
        }
        // Some copies of the set have counts as `2.0`.
        match text.strip_suffix(".0").unwrap_or(text).parse() {
            Ok(number) => Ok(number),
            Err(_) => self.refuse(name, "a whole number"),
        }
    }

    fn refuse<T>(&self, name: &str, wanted: &str) -> Result<T> {
        bail!("line {}, column `{name}`: `{}` is not {wanted}", self.line, self.text(name)?)
    }
}

fn any_date(text: &str) -> Option<Date> {
    let iso = || {
        let mut parts = text.split('-');
        Some((parts.next()?, parts.next()?, parts.next()?))
    };
    let american = || {
        let mut parts = text.split('/');
        let (month, day, year) = (parts.next()?, parts.next()?, parts.next()?);
        Some((year, month, day))
    };
    let (year, month, day) = if text.contains('/') { american()? } else { iso()? };
    calendar_day(year.parse().ok()?, month.parse().ok()?, day.parse().ok()?)
}

fn calendar_day(year: u32, month: usize, day: u32) -> Option<Date> {
    let (year, month, day) = (i16::try_from(year).ok()?, i8::try_from(month).ok()?, i8::try_from(day).ok()?);
    // `date` panics on a day that isn't there.
    let fits = (1..=9999).contains(&year) && (1..=12).contains(&month);
    let last = fits.then(|| date(year, month, 1).days_in_month())?;
    (1..=last).contains(&day).then(|| date(year, month, day))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]
    use super::*;

    const SAMPLE: &str = include_str!("../../../tests/data/hotel-bookings-sample.csv");

    fn one(change: impl Fn(&str) -> String) -> Result<Vec<Booking>> {
        let two_lines: String = SAMPLE.lines().take(2).map(|line| format!("{}\n", change(line))).collect();
        read(two_lines.as_bytes())
    }

    #[test]
    fn reads_the_sample_as_published() {
        let bookings = read(SAMPLE.as_bytes()).unwrap();
        assert!((100..=300).contains(&bookings.len()));
        for status in [Status::CheckOut, Status::Canceled, Status::NoShow] {
            assert!(bookings.iter().any(|b| b.status == status), "{status:?}");
        }
        assert!(bookings.iter().any(|b| b.reserved != b.assigned) && bookings.iter().any(|b| b.changes > 0));
        assert!(bookings.iter().all(|b| b.guests > 0 && b.departure() >= b.arrival));
        assert_eq!(bookings[0].line, 2);
    }

    #[test]
    fn takes_other_dates_and_unknown_counts() {
        let odd = one(|line| line.replace("8/", "08/")).unwrap();
        assert_eq!(odd[0].status_date.month(), 8);
        assert_eq!(any_date("2015-08-31"), Some(date(2015, 8, 31)));
        assert_eq!(any_date("2/29/2016"), Some(date(2016, 2, 29)));
        assert_eq!(any_date("2/29/2015"), None);
        assert_eq!(any_date("soon"), None);
    }

    #[test]
    fn names_line_and_column() {
        let error = one(|line| line.replace("lead_time", "lead")).unwrap_err().to_string();
        assert!(error.contains("no column `lead_time`"), "{error}");
        let error = one(|line| line.replace(",August,", ",Brumaire,")).unwrap_err().to_string();
        assert!(error.contains("line 2, column `arrival_date_month`: `Brumaire`"), "{error}");
        let ragged = format!("{}\nCity Hotel,0\n", SAMPLE.lines().next().unwrap());
        assert!(format!("{:#}", read(ragged.as_bytes()).unwrap_err()).contains("line"));
        assert!(read("".as_bytes()).is_err());
    }
}

//! From what a request says to what a command means: windows and numbers of keys here, digits in [`pins`]. Pure, so that it
//! can be tested as tables.
//!
//! It must not know the database or HTTP beyond the problem that a wrong field becomes.

mod pins;

pub(crate) use pins::{AskedPin, PinPlan, pin_plans};

use crate::{
    dto::{NewStay, OtherDates, TimesBody},
    problem::Problem,
};
use jiff::{Timestamp, civil, tz::TimeZone};
use lock_domain::{
    policy::{PinPer, StayPolicy},
    problem::Code,
    vendor::OneTime,
    window::{Edge, LocalFit, Window, WindowError, instant},
};

/// No stay has more guests or keys at once.
pub(crate) const MOST_KEYS: u16 = 10;
/// No key opens more rooms beside its own.
pub(crate) const MOST_ROOMS: usize = 9;

/// The four ways to say when.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct AskedTimes {
    from: Option<Timestamp>,
    until: Option<Timestamp>,
    arrival: Option<civil::DateTime>,
    departure: Option<civil::DateTime>,
}

impl From<&NewStay> for AskedTimes {
    fn from(stay: &NewStay) -> Self {
        Self { from: stay.from, until: stay.until, arrival: stay.arrival, departure: stay.departure }
    }
}

impl From<&OtherDates> for AskedTimes {
    fn from(dates: &OtherDates) -> Self {
        Self { from: dates.from, until: dates.until, arrival: dates.arrival, departure: dates.departure }
    }
}

/// The window that was asked for, checked against the property's present, and what daylight saving did to it. `old` fills in what a
/// change leaves out.
pub(crate) fn window(
    asked: AskedTimes,
    zone: &TimeZone,
    now: Timestamp,
    old: Option<Window>,
) -> Result<(Window, Option<TimesBody>), Problem> {
    let start = edge(asked.from, asked.arrival, zone, Edge::Opens)?;
    let end = edge(asked.until, asked.departure, zone, Edge::Closes)?;
    if old.is_some() && start.is_none() && end.is_none() {
        return Err(Problem::field(
            Code::InvalidField,
            "until",
            "send at least one of from, until, arrival and departure",
        ));
    }
    let missing = |name: &str, other: &str| {
        Problem::field(Code::InvalidRequest, name, format!("send `{name}` (an instant) or `{other}` (a local time)"))
    };
    let from = start.map(|(at, _)| at).or(old.map(|w| w.from)).ok_or_else(|| missing("from", "arrival"))?;
    let until = end.map(|(at, _)| at).or(old.map(|w| w.until)).ok_or_else(|| missing("until", "departure"))?;
    let window = Window { from, until }.check(now).map_err(|error| {
        let (first, last) =
            (asked.arrival.map_or("from", |_| "arrival"), asked.departure.map_or("until", |_| "departure"));
        let (field, detail) = match error {
            WindowError::Reversed => (last, format!("{until} is not after {from}")),
            WindowError::Ended => (last, format!("the stay ended at {until}; the property's clock says {now:.0}")),
            WindowError::TooLong => (last, format!("a stay lasts at most {} days", Window::LONGEST.as_hours() / 24)),
            WindowError::TooFar => {
                (first, format!("a stay starts at most {} days ahead", Window::FARTHEST.as_hours() / 24))
            }
        };
        Problem::field(error.into(), field, detail)
    })?;
    let fit = |end: Option<(Timestamp, Option<LocalFit>)>| end.and_then(|(_, fit)| fit);
    let times = TimesBody { arrival: fit(start), departure: fit(end) };
    Ok((window, (times.arrival.is_some() || times.departure.is_some()).then_some(times)))
}

/// An instant as the record keeps it, in whole microseconds: a finer one would differ from itself once it is read back.
fn kept(at: Timestamp) -> Timestamp {
    Timestamp::from_microsecond(at.as_microsecond()).unwrap_or(at)
}

/// One end of the window: an instant, or a local time with its fit.
fn edge(
    exact: Option<Timestamp>,
    local: Option<civil::DateTime>,
    zone: &TimeZone,
    edge: Edge,
) -> Result<Option<(Timestamp, Option<LocalFit>)>, Problem> {
    let (name, other) = if edge == Edge::Opens { ("arrival", "from") } else { ("departure", "until") };
    match (exact, local) {
        (Some(_), Some(_)) => {
            Err(Problem::field(Code::InvalidField, name, format!("send `{other}` or `{name}`, not both")))
        }
        (Some(at), None) => Ok(Some((kept(at), None))),
        (None, None) => Ok(None),
        (None, Some(local)) => match instant(local, zone, edge) {
            Some((at, fit)) => Ok(Some((at, Some(fit)))),
            None => Err(Problem::field(Code::InvalidField, name, "this local time lies outside the calendar")),
        },
    }
}

/// The window of a key that opens once: from now on if nothing is said, until the digits go out at the latest. They count from the whole
/// step of the property's clock in which the window starts.
pub(crate) fn one_shot_window(
    from: Option<Timestamp>,
    until: Option<Timestamp>,
    lasts: OneTime,
    zone: &TimeZone,
    now: Timestamp,
) -> Result<Window, Problem> {
    let from = kept(from.unwrap_or(now));
    let step = i64::from(lasts.step_s);
    let local = from.as_second().saturating_add(zone.to_offset(from).seconds().into());
    let start = from.as_second().saturating_sub(local.rem_euclid(step));
    let latest = start.saturating_add(lasts.lasts_s.into());
    let latest = Timestamp::from_second(latest)
        .map_err(|_| Problem::field(Code::InvalidField, "from", "this instant lies outside the calendar"))?;
    let until = kept(until.unwrap_or(latest));
    if until > latest {
        let hours = lasts.lasts_s / 3600;
        let detail =
            format!("it opens for {hours} hours from the whole hour in which it starts: until {latest} at the latest");
        return Err(Problem::field(Code::InvalidField, "until", detail));
    }
    Window { from, until }.check(now).map_err(|error| {
        let (field, detail) = match error {
            WindowError::Reversed => ("until", format!("{until} is not after {from}")),
            WindowError::Ended => ("until", format!("it ended at {until}; the property's clock says {now:.0}")),
            WindowError::TooLong | WindowError::TooFar => ("from", error.to_string()),
        };
        Problem::field(error.into(), field, detail)
    })
}

/// How many keys a new stay gets.
pub(crate) fn key_count(guests: Option<u16>, keys: Option<u16>, policy: &StayPolicy) -> Result<u16, Problem> {
    let guests = in_range("guests", guests.unwrap_or(1))?;
    match (keys, policy.pin_per) {
        (Some(keys), _) => in_range("keys", keys),
        (None, PinPer::Guest) => Ok(guests),
        (None, PinPer::Stay) => Ok(1),
    }
}

/// A number of keys or guests.
pub(crate) fn in_range(field: &'static str, value: u16) -> Result<u16, Problem> {
    let fits = (1..=MOST_KEYS).contains(&value);
    let refusal = || Problem::field(Code::InvalidField, field, format!("{field} must be between 1 and {MOST_KEYS}"));
    fits.then_some(value).ok_or_else(refusal)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::panic)]
    use super::*;
    use crate::extract::parse;

    const NOW: &str = "2026-03-20T12:00:00Z";

    fn asked(text: &str) -> Result<(Window, Option<TimesBody>), Problem> {
        let dates: OtherDates = parse(text.as_bytes()).unwrap();
        window((&dates).into(), &TimeZone::get("Europe/Lisbon").unwrap(), NOW.parse().unwrap(), None)
    }

    fn refused(text: &str) -> (Code, Option<String>) {
        let problem = asked(text).unwrap_err();
        (problem.code, problem.field)
    }

    #[test]
    fn windows_that_make_no_stay_name_the_field() {
        let cases = [
            (r#"{"from":"2026-03-25T15:00:00Z","until":"2026-03-25T11:00:00Z"}"#, Code::WindowReversed, "until"),
            (r#"{"from":"2026-03-10T15:00:00Z","departure":"2026-03-11T11:00"}"#, Code::WindowEnded, "departure"),
            (r#"{"from":"2026-03-25T15:00:00Z","until":"2029-03-25T11:00:00Z"}"#, Code::WindowTooLong, "until"),
            (r#"{"arrival":"2029-03-25T15:00","until":"2029-03-26T11:00:00Z"}"#, Code::WindowTooFar, "arrival"),
            (r#"{"until":"2026-03-25T11:00:00Z"}"#, Code::InvalidRequest, "from"),
            (r#"{"from":"2026-03-25T15:00:00Z"}"#, Code::InvalidRequest, "until"),
            (
                r#"{"from":"2026-03-25T15:00:00Z","arrival":"2026-03-25T15:00","until":"2026-03-26T11:00:00Z"}"#,
                Code::InvalidField,
                "arrival",
            ),
        ];
        for (text, code, field) in cases {
            assert_eq!(refused(text), (code, Some(field.to_owned())), "{text}");
        }
    }

    #[test]
    fn local_times_follow_the_zone_and_say_what_summer_time_did() {
        let (window, times) = asked(r#"{"arrival":"2026-03-29T01:30","departure":"2026-10-25T01:30"}"#).unwrap();
        assert_eq!(window.from.to_string(), "2026-03-29T01:30:00Z");
        assert_eq!(window.until.to_string(), "2026-10-25T01:30:00Z");
        let times = times.unwrap();
        assert_eq!((times.arrival, times.departure), (Some(LocalFit::Skipped), Some(LocalFit::Repeated)));
        let (_, times) = asked(r#"{"from":"2026-03-29T15:00:00Z","until":"2026-03-30T11:00:00Z"}"#).unwrap();
        assert!(times.is_none());
    }

    #[test]
    fn instants_are_taken_as_the_record_keeps_them() {
        let (window, _) =
            asked(r#"{"from":"2026-03-25T15:00:00.123456789Z","until":"2026-03-26T11:00:00.9999999Z"}"#).unwrap();
        assert_eq!(window.from.to_string(), "2026-03-25T15:00:00.123456Z");
        assert_eq!(window.until.to_string(), "2026-03-26T11:00:00.999999Z");
    }

    #[test]
    fn a_change_keeps_what_it_leaves_out() {
        let (old, _) = asked(r#"{"from":"2026-03-21T15:00:00Z","until":"2026-03-24T11:00:00Z"}"#).unwrap();
        let later: OtherDates = parse(br#"{"until":"2026-03-26T11:00:00Z"}"#).unwrap();
        let (changed, _) = window((&later).into(), &TimeZone::UTC, NOW.parse().unwrap(), Some(old)).unwrap();
        assert_eq!((changed.from, changed.until.to_string().as_str()), (old.from, "2026-03-26T11:00:00Z"));
        let nothing = window(AskedTimes::default(), &TimeZone::UTC, NOW.parse().unwrap(), Some(old));
        assert_eq!(nothing.unwrap_err().code, Code::InvalidField);
    }

    #[test]
    fn a_one_shot_key_lasts_six_hours_from_its_whole_hour() {
        let lasts = OneTime { step_s: 3600, lasts_s: 6 * 3600 };
        let at = |text: &str| Some(text.parse::<Timestamp>().unwrap());
        let asked = |from, until, zone: &str| {
            let zone = TimeZone::get(zone).unwrap();
            one_shot_window(from, until, lasts, &zone, "2026-03-20T12:20:00Z".parse().unwrap())
                .map(|w| (w.from.to_string(), w.until.to_string()))
                .map_err(|problem| (problem.code, problem.field.unwrap()))
        };
        let whole = |from: &str, until: &str| Ok((from.to_owned(), until.to_owned()));
        assert_eq!(asked(None, None, "Europe/Lisbon"), whole("2026-03-20T12:20:00Z", "2026-03-20T18:00:00Z"));
        // The lock's hours are local: Kathmandu is 5 h 45 min ahead, so 18:05 there began its hour at 12:15.
        assert_eq!(asked(None, None, "Asia/Kathmandu"), whole("2026-03-20T12:20:00Z", "2026-03-20T18:15:00Z"));
        let (two, six) = (at("2026-03-20T14:00:00Z"), at("2026-03-20T18:00:01Z"));
        assert_eq!(asked(None, two, "Europe/Lisbon"), whole("2026-03-20T12:20:00Z", "2026-03-20T14:00:00Z"));
        assert_eq!(asked(None, six, "Europe/Lisbon"), Err((Code::InvalidField, "until".to_owned())));
        assert_eq!(asked(two, at(NOW), "Europe/Lisbon"), Err((Code::WindowReversed, "until".to_owned())));
        let before = at("2026-03-20T05:00:00Z");
        assert_eq!(asked(before, None, "Europe/Lisbon"), Err((Code::WindowEnded, "until".to_owned())));
        assert_eq!(
            asked(at("2029-03-20T05:00:00Z"), None, "Europe/Lisbon"),
            Err((Code::WindowTooFar, "from".to_owned()))
        );
    }

    #[test]
    fn how_many_keys() {
        let (shared, each) = (StayPolicy::default(), StayPolicy { pin_per: PinPer::Guest, ..StayPolicy::default() });
        assert_eq!(key_count(Some(3), None, &shared).unwrap(), 1);
        assert_eq!(key_count(Some(3), None, &each).unwrap(), 3);
        assert_eq!(key_count(None, Some(4), &shared).unwrap(), 4);
        assert_eq!(key_count(Some(11), None, &shared).unwrap_err().field.as_deref(), Some("guests"));
        assert_eq!(key_count(None, Some(0), &shared).unwrap_err().field.as_deref(), Some("keys"));
    }
}

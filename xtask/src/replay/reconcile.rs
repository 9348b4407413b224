//! What the schedule says against what the API says against what really stands in the locks.
//!
//! Pure: it compares three lists and counts. Whoever calls it decides how long to wait for an agreement.

use std::collections::{BTreeMap, BTreeSet};

use super::schedule::End;
use crate::sandbox::{SimCredential, StayLine, Window, door_of};

/// What must be so for one stay.
#[derive(Debug, Clone)]
pub struct Expected {
    /// The PMS's reference.
    pub reservation: String,
    /// How it must stand.
    pub end: End,
    /// Its room's number.
    pub room: String,
    /// Its room's id.
    pub room_id: String,
    /// Its window.
    pub window: Window,
    /// For a guest in the house: the window that the locks must hold.
    pub lock_window: Window,
}

/// The result.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Report {
    /// Stays that are as they must be, by how they must be.
    pub agreed: BTreeMap<&'static str, usize>,
    /// All stays, by how they must be.
    pub all: BTreeMap<&'static str, usize>,
    /// Codes in locks.
    pub codes: usize,
    /// What is not as it must be, in words.
    pub discrepancies: Vec<String>,
}

impl End {
    /// What the API calls it: the phase, and the cause of an end.
    #[must_use]
    pub fn in_api(self) -> (&'static str, Option<&'static str>) {
        match self {
            Self::CheckedOut => ("ended", Some("checked_out")),
            Self::Cancelled => ("ended", Some("cancelled")),
            Self::NoShow => ("ended", Some("no_show")),
            Self::Expired => ("ended", Some("expired")),
            Self::InHouse => ("active", None),
        }
    }

    /// For a table.
    #[must_use]
    pub fn label(self) -> &'static str {
        match self {
            Self::CheckedOut => "checked out",
            Self::Cancelled => "cancelled",
            Self::NoShow => "no-show",
            Self::Expired => "expired",
            Self::InHouse => "in house",
        }
    }
}

/// Compares. `names` gives, for each stay in the house, the names under which the vendor must hold its codes; `common` is how many
/// doors beside the room's own each key opens.
#[must_use]
pub fn compare(
    expected: &[Expected],
    stays: &[StayLine],
    names: &BTreeMap<String, BTreeSet<String>>,
    codes: &[SimCredential],
    common: usize,
) -> Report {
    let by_reference: BTreeMap<&str, &StayLine> = stays.iter().map(|stay| (stay.reservation.as_str(), stay)).collect();
    let mut by_name: BTreeMap<&str, Vec<&SimCredential>> = BTreeMap::new();
    for code in codes {
        by_name.entry(code.name.as_str()).or_default().push(code);
    }
    let mut report = Report { codes: codes.len(), ..Report::default() };
    let mut accounted: BTreeSet<&str> = BTreeSet::new();
    for stay in expected {
        let none = BTreeSet::new();
        let own_names = names.get(&stay.reservation).unwrap_or(&none);
        let own: Vec<&SimCredential> =
            own_names.iter().flat_map(|name| by_name.get(name.as_str()).into_iter().flatten().copied()).collect();
        let mut faults = record_faults(stay, by_reference.get(stay.reservation.as_str()).copied());
        if stay.end == End::InHouse {
            accounted.extend(own.iter().map(|code| code.name.as_str()));
            faults.extend(door_faults(stay, &own, common));
        }
        *report.all.entry(stay.end.label()).or_default() += 1;
        *report.agreed.entry(stay.end.label()).or_default() += usize::from(faults.is_empty());
        report.discrepancies.extend(faults.into_iter().map(|fault| format!("{}: {fault}", stay.reservation)));
    }
    let known: BTreeSet<&str> = expected.iter().map(|stay| stay.reservation.as_str()).collect();
    let foreign = stays.iter().filter(|stay| !known.contains(stay.reservation.as_str()));
    report.discrepancies.extend(foreign.map(|stay| format!("{}: nobody booked it", stay.reservation)));
    let stray = codes.iter().filter(|code| !accounted.contains(code.name.as_str()));
    let stray =
        stray.map(|code| format!("{}: the lock holds {}, which no guest in the house has", code.alias, code.name));
    report.discrepancies.extend(stray);
    report
}

fn record_faults(stay: &Expected, found: Option<&StayLine>) -> Vec<String> {
    let Some(found) = found else { return vec!["the API doesn't know it".to_owned()] };
    let mut faults = Vec::new();
    let (phase, cause) = stay.end.in_api();
    if (found.phase.as_str(), found.ended_by.as_deref()) != (phase, cause) {
        let is = found.ended_by.as_deref().unwrap_or("-");
        faults.push(format!("must be {phase} ({}), is {} ({is})", cause.unwrap_or("-"), found.phase));
    }
    if found.room != stay.room_id {
        faults.push(format!("must be in room {}, is in {}", stay.room, found.room));
    }
    if found.window != stay.window {
        let (must, is) = (stay.window, found.window);
        faults.push(format!("must run {} to {}, runs {} to {}", must.from, must.until, is.from, is.until));
    }
    faults
}

fn door_faults(stay: &Expected, own: &[&SimCredential], common: usize) -> Vec<String> {
    let mut faults = Vec::new();
    let (here, elsewhere): (Vec<&SimCredential>, Vec<&SimCredential>) =
        own.iter().partition(|code| code.alias == door_of(&stay.room));
    if here.len() != 1 || elsewhere.len() != common {
        let doors: Vec<&str> = own.iter().map(|code| code.alias.as_str()).collect();
        faults.push(format!(
            "must have one code on room {} and {common} on common doors, has codes on {doors:?}",
            stay.room
        ));
    }
    let millis = (stay.lock_window.from.as_millisecond(), stay.lock_window.until.as_millisecond());
    for code in own {
        if (code.from, code.until) != millis {
            let (must, is) = (millis, (code.from, code.until));
            faults.push(format!("the lock of {} must hold the window {must:?}, holds {is:?} (ms)", code.alias));
        }
        if !code.in_lock || !code.opens_now {
            faults.push(format!("{} does not open for it now", code.alias));
        }
    }
    faults
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]
    use super::*;

    fn window(from: i64, until: i64) -> Window {
        let at = |second| jiff::Timestamp::from_second(second).unwrap();
        Window { from: at(from), until: at(until) }
    }

    fn expected(reservation: &str, end: End) -> Expected {
        Expected {
            reservation: reservation.into(),
            end,
            room: "101".into(),
            room_id: "room_1".into(),
            window: window(300, 900),
            lock_window: window(0, 900),
        }
    }

    fn line(reservation: &str, end: End) -> StayLine {
        let (phase, cause) = end.in_api();
        StayLine {
            reservation: reservation.into(),
            phase: phase.into(),
            ended_by: cause.map(str::to_owned),
            room: "room_1".into(),
            window: window(300, 900),
        }
    }

    fn code(alias: &str, name: &str) -> SimCredential {
        let (lock_id, in_lock, opens_now) = (1, true, true);
        SimCredential { lock_id, alias: alias.into(), name: name.into(), from: 0, until: 900_000, in_lock, opens_now }
    }

    fn names() -> BTreeMap<String, BTreeSet<String>> {
        BTreeMap::from([("R1".to_owned(), BTreeSet::from(["lis-1".to_owned(), "lis-2".to_owned()]))])
    }

    #[test]
    fn agreement_is_counted() {
        let expected = [expected("R1", End::InHouse), expected("R2", End::CheckedOut)];
        let stays = [line("R1", End::InHouse), line("R2", End::CheckedOut)];
        let codes = [code("Room 101", "lis-1"), code("entrance", "lis-2")];
        let report = compare(&expected, &stays, &names(), &codes, 1);
        assert_eq!(report.discrepancies, Vec::<String>::new());
        assert_eq!(report.agreed, BTreeMap::from([("in house", 1), ("checked out", 1)]));
        assert_eq!(report.agreed, report.all);
    }

    #[test]
    fn every_kind_of_lie_is_found() {
        let in_house = [expected("R1", End::InHouse)];
        let good = [line("R1", End::InHouse)];
        let find = |stays: &[StayLine], codes: &[SimCredential]| {
            compare(&in_house, stays, &names(), codes, 1).discrepancies.join("; ")
        };
        let both = [code("Room 101", "lis-1"), code("entrance", "lis-2")];
        assert!(find(&[], &both).contains("doesn't know it"));
        assert!(find(&[line("R1", End::Expired)], &both).contains("must be active (-), is ended (expired)"));
        assert!(find(&good, &both[..1]).contains("must have one code on room 101"));
        let twice = [both[0].clone(), both[0].clone(), both[1].clone()];
        assert!(find(&good, &twice).contains("must have one code"));
        let late = [code("Room 101", "lis-1"), SimCredential { until: 1, ..both[1].clone() }];
        assert!(find(&good, &late).contains("entrance must hold the window"));
        let stray = [both[0].clone(), both[1].clone(), code("Room 102", "lis-9")];
        assert!(find(&good, &stray).contains("Room 102: the lock holds lis-9"));
        let moved = [StayLine { room: "room_2".into(), ..good[0].clone() }];
        assert!(find(&moved, &both).contains("must be in room 101, is in room_2"));
        let two = [good[0].clone(), line("R9", End::Expired)];
        assert!(find(&two, &both).contains("R9: nobody booked it"));
    }

    #[test]
    fn a_code_of_somebody_who_left_is_found() {
        let expected = [expected("R2", End::CheckedOut)];
        let report = compare(&expected, &[line("R2", End::CheckedOut)], &names(), &[code("Room 101", "lis-1")], 1);
        assert!(report.discrepancies[0].contains("the lock holds lis-1"));
    }
}

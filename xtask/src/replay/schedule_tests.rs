#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]
use super::*;
use crate::replay::bookings::read;
use jiff::civil::date;
use std::collections::BTreeMap;

const SAMPLE: &str = include_str!("../../../tests/data/hotel-bookings-sample.csv");

fn six_days() -> Schedule {
    let bookings = read(SAMPLE.as_bytes()).unwrap();
    derive(&bookings, date(2015, 8, 16), date(2015, 8, 21), 2015).unwrap()
}

fn of_stay(schedule: &Schedule) -> BTreeMap<usize, Vec<Event>> {
    let mut by_stay: BTreeMap<usize, Vec<Event>> = BTreeMap::new();
    for event in &schedule.events {
        by_stay.entry(event.stay).or_default().push(*event);
    }
    by_stay
}

#[test]
fn a_seed_repeats_and_another_differs() {
    let bookings = read(SAMPLE.as_bytes()).unwrap();
    let play = |seed| derive(&bookings, date(2015, 8, 16), date(2015, 8, 21), seed).unwrap();
    assert_eq!(play(1).events, play(1).events);
    assert_ne!(play(1).events, play(2).events);
}

#[test]
fn every_stay_is_played_in_an_order_that_makes_sense() {
    let schedule = six_days();
    let by_stay = of_stay(&schedule);
    assert_eq!(by_stay.len(), schedule.stays.len());
    assert!(schedule.events.is_sorted_by_key(|event| event.at));
    for (index, events) in by_stay {
        let stay = &schedule.stays[index];
        let Act::Book { until: mut known } = events[0].act else { panic!("{stay:?} begins with {:?}", events[0]) };
        for pair in events.windows(2) {
            assert!(pair[0].at <= pair[1].at);
        }
        let mut here = false;
        for event in &events[1..] {
            assert!(event.at < known, "{stay:?} is over by {event:?}");
            match event.act {
                Act::Book { .. } => panic!("{stay:?} is booked twice"),
                Act::Change { until } => {
                    assert!(until > stay.from && until != known, "{stay:?} {event:?}");
                    known = until;
                }
                Act::Arrive => {
                    assert!(event.at >= stay.from && !here, "{stay:?} comes at {}", event.at);
                    here = true;
                }
                Act::Move => assert!(here && stay.first_room != stay.room),
                Act::CheckOut => assert!(here && stay.end == End::CheckedOut),
                Act::Cancel => assert!(!here && matches!(stay.end, End::Cancelled | End::NoShow)),
            }
        }
        assert_eq!(known, stay.until);
    }
}

#[test]
fn arrivals_and_departures_keep_house_times() {
    let schedule = six_days();
    for event in &schedule.events {
        let hour = event.at.hour();
        match event.act {
            Act::Arrive => assert!((14..22).contains(&hour), "{event:?}"),
            Act::CheckOut => assert!((7..11).contains(&hour) || hour >= 19, "{event:?}"),
            _ => {}
        }
    }
}

#[test]
fn no_room_is_promised_twice() {
    let schedule = six_days();
    let mut claims: BTreeMap<usize, Vec<(DateTime, DateTime)>> = BTreeMap::new();
    for stay in &schedule.stays {
        let mut rooms = vec![stay.first_room, stay.room];
        rooms.dedup();
        for room in rooms {
            claims.entry(room).or_default().push((stay.from, stay.until));
        }
    }
    for (room, mut windows) in claims {
        assert!(room < schedule.rooms.len());
        windows.sort();
        assert!(windows.windows(2).all(|pair| pair[0].1 <= pair[1].0), "room {room}: {windows:?}");
    }
}

#[test]
fn counts_agree_with_the_file() {
    let bookings = read(SAMPLE.as_bytes()).unwrap();
    let schedule = six_days();
    assert_eq!(schedule.stays.len() + schedule.never_sent, bookings.len());
    let ends = |end| schedule.stays.iter().filter(|stay| stay.end == end).count();
    let came = bookings.iter().filter(|b| b.status == Status::CheckOut).count();
    assert_eq!(ends(End::CheckedOut) + ends(End::Expired) + ends(End::InHouse), came);
    assert_eq!(ends(End::NoShow), bookings.iter().filter(|b| b.status == Status::NoShow).count());
    assert!(ends(End::InHouse) > 0 && ends(End::Expired) > 0 && ends(End::Cancelled) > 0 && schedule.never_sent > 0);
}

#[test]
fn a_day_begins_with_the_guests_who_are_there() {
    let bookings = read(SAMPLE.as_bytes()).unwrap();
    let schedule = derive(&bookings, date(2015, 8, 19), date(2015, 8, 19), 2015).unwrap();
    let staying = schedule.stays.iter().filter(|stay| stay.from < schedule.opens).count();
    assert!(staying > 20, "{staying}");
    assert_eq!(schedule.closes, date(2015, 8, 20).at(0, 0, 0, 0));
    assert!(schedule.events.iter().all(|event| event.at < schedule.closes));
    assert!(derive(&bookings, date(2016, 1, 1), date(2016, 1, 2), 1).is_err());
}

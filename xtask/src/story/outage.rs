//! The scene about a vendor that is down for an hour of a busy arrival day: guests come as in the booking sample, stays go to another vendor's
//! doors or to the desk, and afterwards everything agrees.
//!
//! The hour is played in fast motion by real time: SALTO KS keeps its own clock, which no test clock moves. The breaker is made quick for it.

use std::collections::BTreeMap;
use std::time::Duration;

use anyhow::{Context, Result};
use jiff::{SignedDuration, Timestamp, civil::DateTime};
use secrecy::ExposeSecret as _;
use serde_json::{Value, json};

use super::scenes::{Hotel, ROOMS};
use super::teller::Teller;
use crate::replay::bookings::{Booking, read};
use crate::replay::schedule::{Act, derive};
use crate::sandbox::{Call, Order, door_of, http_client};

const SAMPLE: &[u8] = include_bytes!("../../../tests/data/hotel-bookings-sample.csv");
const SEED: u64 = 2015;
/// So many keys the other vendor's licence has.
const SEATS: u32 = 3;
const MOST_ARRIVALS: usize = 24;
/// The hour is played in twelve seconds.
const FASTER: u32 = 300;

/// A guest of the day.
struct Arrival {
    reservation: String,
    room: String,
    /// When the guest comes, on the hotel's wall clock in the calendar of the file.
    at: DateTime,
}

/// The other vendor: readers beside the locks of some rooms.
struct Readers {
    http: reqwest::Client,
    url: String,
    locks: BTreeMap<String, String>,
}

impl Hotel<'_> {
    pub(super) async fn busy_day_without_its_vendor(&mut self, teller: &mut Teller) -> Result<()> {
        teller.scene("(j) TTLock is down for an hour in the middle of a busy arrival day");
        let day = busiest()?;
        let arrivals = self.arrivals(&day).await?;
        let readers = self.readers(&arrivals).await?;
        let choices = json!({ "after_s": 1, "look_every_s": 1, "channels": ["salto_ks", "desk"] });
        self.api.replace("on-vendor-down", &choices).await?;
        let ends = day.hour + SignedDuration::from_hours(1);
        let when = |one: &&Arrival| if one.at < day.hour { 0 } else { 1 + u8::from(one.at >= ends) };
        let part = |n: u8| arrivals.iter().filter(move |one| when(one) == n).collect::<Vec<_>>();
        let (before, during, after) = (part(0), part(1), part(2));
        teller.says(&format!(
            "{} guests of the booking sample arrive on {}, {} of them from {} to {}. Two of three rooms have a SALTO KS reader beside their \
             lock, with a licence for {SEATS} keys.",
            arrivals.len(),
            day.hour.date(),
            during.len(),
            day.hour.time(),
            ends.time()
        ));
        self.come(&before).await?;
        teller.says(&format!("{} have come. A round of probes is made each half second from now on.", before.len()));
        tokio::task::block_in_place(|| self.stack.worker_with("LOCK_PROBE_EVERY_S", "0.5"))?;
        self.until("the first round of probes", async |hotel| Ok(hotel.breaker().await? == "closed")).await?;

        self.sim.fault(&Order::always("*", "down")).await?;
        let opened = self.until("the breaker to open", async |hotel| Ok(hotel.breaker().await? == "open")).await;
        teller.claims(opened.is_ok(), "TTLock goes dark, and the property's breaker opens");
        let notice = self.api.read_tenant("notices").await?["notices"][0].clone();
        let (outage, text) = (text_of(&notice, "outage").to_owned(), text_of(&notice, "text"));
        let told = text.contains("does not work at this property");
        teller.claims(told, &format!("the tenant's notice: {}", first_sentence(text)));
        teller.says("The hour passes, three hundred times as fast.");
        self.hour(&day, &during).await?;
        let sent = async |hotel: &Self| Ok(hotel.steps(&outage).await?.len() >= during.len());
        self.until("stays that wait to go somewhere", sent).await?;
        let steps = self.steps(&outage).await?;
        let order: Vec<&str> = steps.iter().map(|(name, _)| name.as_str()).collect();
        let expected: Vec<&str> = during.iter().map(|one| one.reservation.as_str()).collect();
        teller.claims(
            order == expected && !order.is_empty(),
            &format!("all {} stays of that hour went elsewhere, in the order of arrival", order.len()),
        );
        let went = |to: &str| -> Vec<&Arrival> {
            let there = |one: &&Arrival| steps.iter().any(|(name, channel)| *name == one.reservation && channel == to);
            arrivals.iter().filter(there).collect()
        };
        let (diverted, at_desk) = (went("salto_ks"), went("desk"));
        let list = self.api.read("desk").await?;
        let lines = list["guests"].as_array().cloned().unwrap_or_default();
        let lines: Vec<&str> = lines.iter().map(|line| text_of(line, "reservation")).collect();
        let ordered = lines == at_desk.iter().map(|one| one.reservation.as_str()).collect::<Vec<_>>();
        teller.claims(
            ordered && !diverted.is_empty(),
            &format!("{} to SALTO KS; {} are on the desk's list, in that order", diverted.len(), at_desk.len()),
        );
        if let Some(line) = list["guests"].get(0) {
            teller.says(&format!("Its first line: {} {}", text_of(line, "reason"), text_of(line, "next_action")));
        }
        let mut opened = 0;
        for one in &diverted {
            opened += usize::from(self.opens(one, &readers, true).await?);
        }
        teller.claims(
            opened == diverted.len(),
            &format!("TTLock is still dark, and {opened} guests open their doors by SALTO KS"),
        );
        if let Some(first) = at_desk.first() {
            let served = Call::at(&format!("desk/{}/served", first.reservation), json!({}));
            let answer = self.api.write(&served).await?;
            teller.claims(answer.is_success(), &format!("the desk lets {} in and says so", first.reservation));
        }

        self.sim.clear_faults().await?;
        self.until("the breaker to close", async |hotel| Ok(hotel.breaker().await? == "closed")).await?;
        teller.says("TTLock is back, trials have made sure; the last guests of the day come.");
        self.come(&after).await?;
        for one in &arrivals {
            self.phase(&one.reservation, "active").await?;
        }
        let path = format!("outages/{outage}");
        let settled = async |hotel: &Self| Ok(hotel.api.read_tenant(&path).await?["unresolved"] == 0);
        let settled = self.until("everything to be resolved", settled).await.is_ok();
        let touched = self.api.read_tenant(&path).await?["credentials"].as_array().map_or(0, Vec::len);
        teller
            .claims(settled, &format!("the outage lists the {touched} credentials that it touched; all are resolved"));
        for one in arrivals.iter().filter(|one| diverted.iter().all(|other| other.reservation != one.reservation)) {
            opened += usize::from(self.opens(one, &readers, false).await?);
        }
        teller.claims(
            opened == arrivals.len(),
            &format!("all {opened} guests of the day have a PIN that opens their door"),
        );
        let rooms: Vec<String> = arrivals.iter().map(|one| door_of(&one.room)).collect();
        let codes = self.sim.credentials().await?.iter().filter(|code| rooms.contains(&code.alias)).count();
        let there = readers.guests().await?;
        let one_each = codes == arrivals.len() - diverted.len() && there == diverted.len();
        teller.claims(
            one_each,
            &format!("one key each: {codes} codes at TTLock's doors, {there} at SALTO KS, no leftovers"),
        );
        let left = self.api.read("desk").await?["guests"].as_array().map_or(usize::MAX, Vec::len);
        teller.claims(left == 0, "nobody is left on the desk's list");
        Ok(())
    }

    /// The hour's guests come one after another, at their times.
    async fn hour(&self, day: &Day, guests: &[&Arrival]) -> Result<()> {
        let began = tokio::time::Instant::now();
        for one in guests {
            let after = Duration::try_from(one.at.duration_since(day.hour))?;
            tokio::time::sleep_until(began + after / FASTER).await;
            self.api.write(&stay(one)).await?;
        }
        Ok(())
    }

    /// Guests come, and their keys are made.
    async fn come(&self, guests: &[&Arrival]) -> Result<()> {
        for one in guests {
            self.api.write(&stay(one)).await?;
        }
        for one in guests {
            self.phase(&one.reservation, "active").await?;
        }
        Ok(())
    }

    /// Gives each arrival a room of its own.
    async fn arrivals(&self, day: &Day) -> Result<Vec<Arrival>> {
        let rooms: Vec<String> = self.api.rooms().await?.into_iter().map(|(number, _)| number).skip(ROOMS).collect();
        let mut arrivals = Vec::new();
        for ((n, at), room) in (1..).zip(&day.arrivals).zip(rooms) {
            arrivals.push(Arrival { reservation: self.reservation(&format!("J{n:02}")), room, at: *at });
        }
        Ok(arrivals)
    }

    /// Builds the other vendor's site, and sets it up on standby.
    async fn readers(&self, arrivals: &[Arrival]) -> Result<Readers> {
        let url = self.stack.salto_ks_url().to_owned();
        let http = http_client()?;
        let rooms: Vec<&str> =
            arrivals.iter().enumerate().filter(|(n, _)| n % 3 != 2).map(|(_, one)| one.room.as_str()).collect();
        let site: Value =
            http.post(format!("{url}/sim/seed")).json(&json!({ "rooms": rooms })).send().await?.json().await?;
        let mut locks = BTreeMap::new();
        for lock in site["locks"].as_array().context("the simulator built no locks")? {
            locks.insert(text_of(lock, "name").to_owned(), text_of(lock, "lock_id").to_owned());
        }
        let doors: Vec<Value> = locks
            .iter()
            .map(|(room, lock)| json!({ "room": room, "name": format!("Reader {room}"), "lock": lock }))
            .collect();
        let body = json!({
            "config": {
                "base_url": url, "identity_url": url, "site_id": site["site_id"], "client_id": "sim-ks-client",
                "username": "sim-ks-system", "settle_pause_ms": 20,
            },
            "secrets": { "client_secret": "sim-ks-client-secret", "password": "sim-ks-password" },
            "standby_rank": 1, "most_keys": SEATS, "doors": doors,
        });
        self.api.replace("vendors/salto_ks", &body).await?;
        Ok(Readers { http, url, locks })
    }

    async fn breaker(&self) -> Result<String> {
        let health = self.api.read("health").await?;
        let vendors = health["vendors"].as_array().cloned().unwrap_or_default();
        let own = vendors.iter().find(|vendor| vendor["vendor"] == "ttlock");
        Ok(own.map_or_else(String::new, |vendor| text_of(vendor, "breaker").to_owned()))
    }

    /// Where stays went in the outage, in order: reservation and channel.
    async fn steps(&self, outage: &str) -> Result<Vec<(String, String)>> {
        let told = self.api.read_tenant(&format!("outages/{outage}")).await?;
        let steps = told["steps"].as_array().cloned().unwrap_or_default();
        Ok(steps
            .iter()
            .map(|step| (text_of(step, "reservation").to_owned(), text_of(step, "channel").to_owned()))
            .collect())
    }

    /// Whether the guest's PIN opens his door: the reader or the lock.
    async fn opens(&self, one: &Arrival, readers: &Readers, at_reader: bool) -> Result<bool> {
        let stay = self.phase(&one.reservation, "active").await?;
        let key = stay.keys.iter().find(|key| key.wish == "wanted").context("the stay has no key")?;
        let pin = self.api.reveal(&one.reservation, &key.id).await?;
        if at_reader {
            return readers.opens(&one.room, pin.expose_secret()).await;
        }
        let lock = self.lock_of(&one.room).await?;
        Ok(self.sim.try_pin(lock, pin.expose_secret()).await?.opened)
    }
}

impl Readers {
    async fn opens(&self, room: &str, pin: &str) -> Result<bool> {
        let lock = self.locks.get(room).with_context(|| format!("room {room} has no reader"))?;
        let url = format!("{}/sim/locks/{lock}/try", self.url);
        let tried: Value = self.http.post(url).json(&json!({ "pin": pin })).send().await?.json().await?;
        Ok(tried["opened"] == true)
    }

    async fn guests(&self) -> Result<usize> {
        let users: Vec<Value> = self.http.get(format!("{}/sim/users", self.url)).send().await?.json().await?;
        Ok(users.iter().filter(|user| user["has_pin"] == true).count())
    }
}

/// A stay from now on.
fn stay(one: &Arrival) -> Call {
    let from = Timestamp::now();
    let until = from + SignedDuration::from_hours(20);
    let body = json!({ "reservation": one.reservation, "room": one.room, "from": from.to_string(), "until": until.to_string() });
    Call::new_stay(body)
}

/// A day of the sample.
struct Day {
    /// When its guests come, on the hotel's wall clock.
    arrivals: Vec<DateTime>,
    /// The hour in which most of them come.
    hour: DateTime,
}

/// The day on which most guests arrive.
fn busiest() -> Result<Day> {
    let all = read(SAMPLE)?;
    let hotel = all.first().context("the booking sample is empty")?.hotel.clone();
    let bookings: Vec<Booking> = all.into_iter().filter(|booking| booking.hotel == hotel).collect();
    let mut by_day = BTreeMap::<_, usize>::new();
    bookings.iter().for_each(|booking| *by_day.entry(booking.arrival).or_default() += 1);
    let (day, _) = by_day.into_iter().max_by_key(|(_, count)| *count).context("the booking sample has no day")?;
    let schedule = derive(&bookings, day, day, SEED)?;
    let mut arrivals: Vec<DateTime> = schedule
        .events
        .iter()
        .filter(|event| event.act == Act::Arrive && event.at.date() == day)
        .map(|event| event.at)
        .collect();
    arrivals.sort();
    arrivals.truncate(MOST_ARRIVALS);
    let hour = |at: &DateTime| at.date().at(at.hour(), 0, 0, 0);
    let busy = arrivals.iter().max_by_key(|at| arrivals.iter().filter(|other| hour(other) == hour(at)).count());
    let hour = hour(busy.context("nobody arrives on that day")?);
    Ok(Day { arrivals, hour })
}

fn text_of<'a>(value: &'a Value, field: &str) -> &'a str {
    value[field].as_str().unwrap_or_default()
}

fn first_sentence(text: &str) -> String {
    text.split_once(". ").map_or_else(|| text.to_owned(), |(first, _)| format!("{first}."))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn the_sample_has_a_day_that_is_busy_enough() {
        let day = busiest().unwrap();
        let in_hour =
            day.arrivals.iter().filter(|at| at.date() == day.hour.date() && at.hour() == day.hour.hour()).count();
        assert!(
            day.arrivals.len() >= 12 && in_hour >= 3,
            "{} on {}, {in_hour} in an hour",
            day.arrivals.len(),
            day.hour
        );
    }
}

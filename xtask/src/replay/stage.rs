//! One act of the play: the API call that a PMS would send, and what the guest then finds at the doors.

use std::collections::BTreeMap;
use std::sync::atomic::AtomicUsize;
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use anyhow::{Result, bail};
use jiff::civil::DateTime;
use secrecy::{ExposeSecret as _, SecretString};
use serde_json::json;

use super::play::{Calendar, bump};
use super::progress::Counts;
use super::schedule::{Act, PlannedStay};
use crate::sandbox::{Answer, Api, Call, Sim, door_of};

/// How long an act waits for its verdict before the play goes on without.
const WAIT_S: u32 = 20;
/// A guest who stands at the desk gets his key within this time.
const ARRIVAL_LIMIT: Duration = Duration::from_secs(60);
const ARRIVAL_PAUSE: Duration = Duration::from_millis(60);
/// More failures than anybody reads.
const FAILURES_KEPT: usize = 200;

/// A stay on the property's calendar, with what its guest knows.
#[derive(Debug)]
pub(super) struct Guest {
    reservation: String,
    guests: u16,
    arrival: DateTime,
    first_room: String,
    last_room: String,
    shift: Calendar,
    known: Mutex<Known>,
}

#[derive(Debug, Default)]
struct Known {
    pin: Option<SecretString>,
    room: String,
}

impl Guest {
    pub(super) fn new(stay: &PlannedStay, first_room: String, last_room: String, calendar: &Calendar) -> Self {
        Self {
            reservation: stay.reservation.clone(),
            guests: stay.guests,
            arrival: calendar.shifted(stay.from),
            known: Mutex::new(Known { pin: None, room: first_room.clone() }),
            first_room,
            last_room,
            shift: calendar.clone(),
        }
    }

    fn pin(&self) -> Option<SecretString> {
        self.known.lock().unwrap_or_else(PoisonError::into_inner).pin.clone()
    }

    fn learns(&self, pin: SecretString) {
        self.known.lock().unwrap_or_else(PoisonError::into_inner).pin = Some(pin);
    }

    fn room(&self) -> String {
        self.known.lock().unwrap_or_else(PoisonError::into_inner).room.clone()
    }

    fn moves_in(&self, room: &str) {
        room.clone_into(&mut self.known.lock().unwrap_or_else(PoisonError::into_inner).room);
    }
}

/// The API, the doors, and what has been counted.
#[derive(Debug)]
pub(super) struct Stage {
    pub(super) api: Api,
    sim: Sim,
    locks: BTreeMap<String, i64>,
    common: Vec<i64>,
    counts: Mutex<Counts>,
    failures: Mutex<Vec<String>>,
    pub(super) opened: AtomicUsize,
    pub(super) refused: AtomicUsize,
}

impl Stage {
    pub(super) async fn new(api: Api, sim: Sim, rooms: &[(String, String)]) -> Result<Self> {
        let mut locks: BTreeMap<String, i64> =
            sim.locks().await?.into_iter().map(|lock| (lock.alias, lock.lock_id)).collect();
        let mut of_rooms = BTreeMap::new();
        for (number, _) in rooms {
            let Some(lock) = locks.remove(&door_of(number)) else {
                bail!("the simulator has no lock for room {number}")
            };
            of_rooms.insert(number.clone(), lock);
        }
        Ok(Self {
            api,
            sim,
            locks: of_rooms,
            common: locks.into_values().collect(),
            counts: Mutex::default(),
            failures: Mutex::default(),
            opened: AtomicUsize::new(0),
            refused: AtomicUsize::new(0),
        })
    }

    pub(super) fn common_doors(&self) -> usize {
        self.common.len()
    }

    pub(super) fn results(&self) -> (Counts, Vec<String>) {
        let counts = *self.counts.lock().unwrap_or_else(PoisonError::into_inner);
        (counts, self.failures.lock().unwrap_or_else(PoisonError::into_inner).clone())
    }

    /// Plays one act. Fails only when nobody answers; what is refused is remembered.
    pub(super) async fn act(&self, guest: &Guest, act: Act) -> Result<()> {
        let reference = guest.reservation.as_str();
        match act {
            Act::Book { until } => {
                let body = json!({
                    "reservation": reference,
                    "arrival": guest.arrival.to_string(),
                    "departure": guest.shift.shifted(until).to_string(),
                    "room": guest.first_room,
                    "guests": guest.guests,
                });
                self.send(guest, "booking", &Call::new_stay(body)).await?;
                self.count(|counts| counts.booked += 1);
            }
            Act::Change { until } => {
                let body = json!({ "departure": guest.shift.shifted(until).to_string() });
                self.send(guest, "change", &Call::verb(reference, "modify-stay", body).wait(WAIT_S)).await?;
                self.count(|counts| counts.changes += 1);
            }
            Act::Arrive => {
                self.count(|counts| counts.arrivals += 1);
                self.arrive(guest).await?;
            }
            Act::Move => {
                let body = json!({ "room": guest.last_room });
                let done = self.send(guest, "move", &Call::verb(reference, "room-move", body).wait(WAIT_S)).await?;
                self.count(|counts| counts.moves += 1);
                if done {
                    let left = guest.room();
                    guest.moves_in(&guest.last_room);
                    self.expect_closed(guest, &left).await?;
                    self.expect_open(guest).await?;
                }
            }
            Act::CheckOut => {
                let done =
                    self.send(guest, "check-out", &Call::verb(reference, "check-out", json!({})).wait(WAIT_S)).await?;
                self.count(|counts| counts.departures += 1);
                if done {
                    self.expect_closed(guest, &guest.room()).await?;
                }
            }
            Act::Cancel => {
                self.send(guest, "cancellation", &Call::verb(reference, "cancel", json!({})).wait(WAIT_S)).await?;
                self.count(|counts| counts.cancelled += 1);
            }
        }
        Ok(())
    }

    /// Whether the API says that what was asked is so.
    async fn send(&self, guest: &Guest, what: &str, call: &Call) -> Result<bool> {
        let answer = self.api.write(call).await?;
        if answer.status == 409 {
            self.count(|counts| counts.conflicts += 1);
        }
        if !answer.is_success() {
            self.fail(guest, &format!("{what} was answered {}", answer.summary()));
        }
        Ok(answer.is_success() && is_done(&answer))
    }

    async fn arrive(&self, guest: &Guest) -> Result<()> {
        let started = Instant::now();
        let key = loop {
            let stay = self.api.stay(&guest.reservation).await;
            let key =
                stay.as_ref().ok().filter(|stay| stay.phase == "active").and_then(|stay| stay.keys.first().cloned());
            if let Some(key) = key {
                break key;
            }
            if started.elapsed() > ARRIVAL_LIMIT {
                let phase = stay.map_or_else(|error| error.to_string(), |stay| format!("it is {}", stay.phase));
                self.fail(guest, &format!("no key for the arriving guest: {phase}"));
                return Ok(());
            }
            tokio::time::sleep(ARRIVAL_PAUSE).await;
        };
        match self.api.reveal(&guest.reservation, &key.id).await {
            Ok(pin) => guest.learns(pin),
            Err(error) => self.fail(guest, &format!("{error:#}")),
        }
        self.expect_open(guest).await
    }

    /// The guest's room and every common door open.
    async fn expect_open(&self, guest: &Guest) -> Result<()> {
        let Some(pin) = guest.pin() else { return Ok(()) };
        let room = self.locks.get(&guest.room()).copied();
        for lock in room.into_iter().chain(self.common.iter().copied()) {
            let tried = self.sim.try_pin(lock, pin.expose_secret()).await?;
            if tried.opened {
                bump(&self.opened);
            } else {
                self.fail(guest, &format!("lock {lock} did not open for its guest: {}", tried.reason));
            }
        }
        Ok(())
    }

    /// A room that was left does not open.
    async fn expect_closed(&self, guest: &Guest, room: &str) -> Result<()> {
        let (Some(pin), Some(lock)) = (guest.pin(), self.locks.get(room)) else { return Ok(()) };
        if self.sim.try_pin(*lock, pin.expose_secret()).await?.opened {
            self.fail(guest, &format!("room {room} still opens for a guest who has left it"));
        } else {
            bump(&self.refused);
        }
        Ok(())
    }

    fn count(&self, change: impl FnOnce(&mut Counts)) {
        change(&mut self.counts.lock().unwrap_or_else(PoisonError::into_inner));
    }

    fn fail(&self, guest: &Guest, what: &str) {
        let mut failures = self.failures.lock().unwrap_or_else(PoisonError::into_inner);
        if failures.len() < FAILURES_KEPT {
            failures.push(format!("{}: {what}", guest.reservation));
        }
    }
}

fn is_done(answer: &Answer) -> bool {
    answer.operation_status() == "done"
}
